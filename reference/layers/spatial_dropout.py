"""Dropout of whole features or channels, which neighbouring places in time or space share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import Gradients
from reference.layers.core import SavedDropout, _dropout_gradients, _dropout_run, dropout_backward

Array = NDArray[Any]


def spatial_dropout1d_forward(
    x: Array, *, rate: float, training: bool = False, seed: int | None = None, dropout_mask: Array | None = None
) -> Array:
    """Dropout of whole features: one decision for all steps of (batch, time, features).

    Parameters and errors as in :func:`reference.layers.core.dropout_forward`.
    Source: Tompson et al. 2015, arXiv:1411.4280; keras.layers.SpatialDropout1D.
    """
    return _spatial_dropout1d_run(x, rate=rate, training=training, seed=seed, dropout_mask=dropout_mask)[0]


def spatial_dropout1d_backward(grad_output: ArrayLike, x: Array, **options: Any) -> Gradients:
    """``(grad_x,)`` of :func:`spatial_dropout1d_forward`, as :func:`reference.layers.core.dropout_backward`."""
    return dropout_backward(grad_output, x, noise_shape=_shared(x, 3, (None, 1, None)), **options)


def spatial_dropout2d_forward(
    x: Array,
    *,
    rate: float,
    training: bool = False,
    data_format: str = "channels_last",
    seed: int | None = None,
    dropout_mask: Array | None = None,
) -> Array:
    """Dropout of whole channels: one decision for all rows and columns of (batch, height, width, channels).

    Parameters and errors as in :func:`reference.layers.core.dropout_forward`; with ``channels_first`` the channels are axis 1.
    Source: Tompson et al. 2015, arXiv:1411.4280; keras.layers.SpatialDropout2D.
    """
    options: dict[str, Any] = {"seed": seed, "dropout_mask": dropout_mask}
    return _spatial_dropout2d_run(x, rate=rate, training=training, data_format=data_format, **options)[0]


def spatial_dropout2d_backward(grad_output: ArrayLike, x: Array, *, data_format: str = "channels_last", **options: Any) -> Gradients:
    """``(grad_x,)`` of :func:`spatial_dropout2d_forward`, as :func:`reference.layers.core.dropout_backward`."""
    return dropout_backward(grad_output, x, noise_shape=_shared(x, 4, _channels(data_format)), **options)


def _spatial_dropout1d_run(x: Array, **options: Any) -> tuple[Array, SavedDropout]:
    return _dropout_run(x, noise_shape=_shared(x, 3, (None, 1, None)), **options)


def _spatial_dropout2d_run(x: Array, *, data_format: str = "channels_last", **options: Any) -> tuple[Array, SavedDropout]:
    return _dropout_run(x, noise_shape=_shared(x, 4, _channels(data_format)), **options)


_spatial_dropout1d_gradients = _spatial_dropout2d_gradients = _dropout_gradients


def _channels(data_format: str) -> tuple[int | None, ...]:
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}")
    return (None, 1, 1, None) if data_format == "channels_last" else (None, None, 1, 1)


def _shared(x: Array, rank: int, shape: Sequence[int | None]) -> Sequence[int | None]:
    """`shape`, the shape of the mask, once `x` is known to have the rank that it is for."""
    if np.ndim(x) != rank:
        raise ValueError(f"this spatial dropout takes an array of rank {rank}, got the shape {np.shape(x)}")
    return shape
