"""Masking: steps that do not count."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import Gradients, fitting, of_floats
from reference.layers.options import NUMBER
from reference.layers.shapes import of_rank
from reference.layers.spec import FORWARD, MASK, LayerSpec, Option, layer

__all__ = ["masking_backward", "masking_compute_mask", "masking_forward"]

Array = NDArray[Any]


def masking_forward(x: Array, *, mask_value: float = 0.0) -> Array:
    """Zeros at the steps whose features all equal `mask_value`: ``y = x * any(x != mask_value, over the last axis)``.

    Parameters
    ----------
    x : float array (batch, ..., features)
    mask_value : float
        A NaN is never equal to it.

    Returns
    -------
    y : array with the shape and dtype of `x`

    Source: keras.layers.Masking.
    """
    return _masking_run(x, mask_value=mask_value)[0]


def masking_backward(grad_output: ArrayLike, x: Array, *, mask_value: float = 0.0) -> Gradients:
    """``(grad_x,)`` of :func:`masking_forward`: `grad_output` where a step is kept, 0 where it is not."""
    return _masking_gradients(grad_output, _masking_run(x, mask_value=mask_value)[1])


def _masking_run(x: Array, *, mask_value: float = 0.0) -> tuple[Array, tuple[Array, Array]]:
    x = np.asarray(x)
    kept = masking_compute_mask(x, mask_value=mask_value)[..., None]
    return np.where(kept, x, x.dtype.type(0)), (x, kept)


def _masking_gradients(grad_output: ArrayLike, saved: tuple[Array, Array]) -> Gradients:
    x, kept = saved
    return (of_floats(x, np.where(kept, fitting(grad_output, x.shape, x.dtype), x.dtype.type(0))),)


def masking_compute_mask(x: Array, mask: Array | None = None, *, mask_value: float = 0.0) -> Array:
    """True where any feature differs from `mask_value`, whatever `mask` came in. Source: keras.layers.Masking.compute_mask."""
    x = np.asarray(x)
    kept: Array = np.any(x != x.dtype.type(mask_value), axis=-1)
    return kept


MASKING = layer(
    LayerSpec(
        "Masking", masking_forward, _masking_run, _masking_gradients,
        options={"mask_value": Option(0.0, NUMBER, taken_by=(FORWARD, MASK))},
        output=of_rank(2), compute_mask=masking_compute_mask,
    )
)  # fmt: skip
