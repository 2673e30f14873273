"""Rescaling: inputs brought to another range."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import Gradients, floating, of_floats, times
from reference.layers.options import SCALING, numbers_of
from reference.layers.shapes import Config, Shape
from reference.layers.spec import REQUIRED, LayerSpec, Option, layer

__all__ = ["rescaling_backward", "rescaling_forward"]

Array = NDArray[Any]


def rescaling_forward(x: Array, *, scale: ArrayLike, offset: ArrayLike = 0.0) -> Array:
    """``y = x * scale + offset``.

    Parameters
    ----------
    x : array (batch, ...)
        Integers and bools become float32.
    scale, offset : number or array that broadcasts to `x`
        One number for everything, or as many as the last axis of `x` is long.

    Returns
    -------
    y : float array with the shape of `x`

    Raises
    ------
    ValueError
        If `scale` or `offset` does not broadcast to the shape of `x`.

    Source: keras.layers.Rescaling.
    """
    return _rescaling_run(x, scale=scale, offset=offset)[0]


def rescaling_backward(grad_output: ArrayLike, x: Array, *, scale: ArrayLike, offset: ArrayLike = 0.0) -> Gradients:
    """``(grad_x,)`` of :func:`rescaling_forward`: ``grad_output * scale``; None for integers."""
    return _rescaling_gradients(grad_output, _rescaling_run(x, scale=scale, offset=offset)[1])


def _rescaling_run(x: Array, *, scale: ArrayLike, offset: ArrayLike = 0.0) -> tuple[Array, tuple[Array, Array]]:
    x = np.asarray(x)
    values = floating(x)
    scales, offsets = (_fitting_option(name, value, values) for name, value in (("scale", scale), ("offset", offset)))
    return values * scales + offsets, (x, scales)


def _rescaling_gradients(grad_output: ArrayLike, saved: tuple[Array, Array]) -> Gradients:
    x, scales = saved
    return (of_floats(x, times(grad_output, np.broadcast_to(scales, x.shape))),)


def _fitting_option(name: str, value: ArrayLike, x: Array) -> Array:
    """An option in the dtype of `x`, to whose shape it broadcasts."""
    given = np.asarray(value, x.dtype)
    try:
        np.broadcast_to(given, x.shape)
    except ValueError:
        raise ValueError(f"{name} has the shape {given.shape}, which does not fit an input of the shape {x.shape}") from None
    return given


def _output(config: Config, shape: Shape) -> Shape:
    for name in ("scale", "offset"):
        value = numbers_of(config.get(name, 0.0))
        if isinstance(value, list | tuple) and (len(shape) < 2 or len(value) not in (1, shape[-1] or len(value))):
            raise ValueError(f"{name} has {len(value)} values, which do not fit an input of the shape {shape}")
    return shape


RESCALING = layer(
    LayerSpec(
        "Rescaling", rescaling_forward, _rescaling_run, _rescaling_gradients,
        options={"scale": Option(REQUIRED, SCALING), "offset": Option(0.0, SCALING)},
        output=_output, keeps_mask=True, floats=True,
    )
)  # fmt: skip
