"""Layers that keep all values and change the shape: Flatten and Reshape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import Gradients, fitting, of_floats
from reference.layers.options import DATA_FORMAT, TARGET_SHAPE
from reference.layers.shapes import Config, Shape, size_of
from reference.layers.spec import REQUIRED, LayerSpec, Option, layer

__all__ = ["flatten_backward", "flatten_forward", "reshape_backward", "reshape_forward"]

Array = NDArray[Any]


def flatten_forward(x: Array, *, data_format: str = "channels_last") -> Array:
    """All axes but the batch in one, in row-major order.

    Parameters
    ----------
    x : array (batch, ...)
        A rank of 1 gives (batch, 1).
    data_format : 'channels_last' or 'channels_first'
        With ``channels_first`` axis 1 is moved to the end before, so that both formats flatten alike.

    Returns
    -------
    y : array (batch, product of the other axes)

    Raises
    ------
    ValueError
        If `data_format` has another value.

    Source: keras.layers.Flatten.
    """
    return _flatten_run(x, data_format=data_format)[0]


def flatten_backward(grad_output: ArrayLike, x: Array, *, data_format: str = "channels_last") -> Gradients:
    """``(grad_x,)`` of :func:`flatten_forward`: `grad_output` in the order and the shape of `x`; None for integers."""
    return _flatten_gradients(grad_output, _flatten_run(x, data_format=data_format)[1])


def _flatten_run(x: Array, *, data_format: str = "channels_last") -> tuple[Array, tuple[Array, str]]:
    x = last = np.asarray(x)
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}")
    if data_format == "channels_first" and x.ndim > 1:
        last = np.moveaxis(x, 1, -1)
    # The size is written out, since -1 cannot be worked out for an empty batch.
    return last.reshape(x.shape[0], math.prod(x.shape[1:])), (x, data_format)


def _flatten_gradients(grad_output: ArrayLike, saved: tuple[Array, str]) -> Gradients:
    x, data_format = saved
    grad = fitting(grad_output, (x.shape[0], math.prod(x.shape[1:])), x.dtype)
    if data_format == "channels_last" or x.ndim == 1:
        return (of_floats(x, grad.reshape(x.shape)),)
    return (of_floats(x, np.moveaxis(grad.reshape(x.shape[0], *x.shape[2:], x.shape[1]), -1, 1)),)


def reshape_forward(x: Array, *, target_shape: Sequence[int]) -> Array:
    """The same values, in row-major order, as (batch, \\*target_shape).

    Parameters
    ----------
    x : array (batch, ...)
    target_shape : sequence of int
        Without the batch; one -1 is worked out from the others.

    Returns
    -------
    y : array (batch, \\*target_shape)

    Raises
    ------
    ValueError
        If the sizes do not fit, or more than one is -1.

    Source: keras.layers.Reshape.
    """
    return _reshape_run(x, target_shape=target_shape)[0]


def reshape_backward(grad_output: ArrayLike, x: Array, *, target_shape: Sequence[int]) -> Gradients:
    """``(grad_x,)`` of :func:`reshape_forward`: `grad_output` in the shape of `x`; None for integers."""
    return _reshape_gradients(grad_output, _reshape_run(x, target_shape=target_shape)[1])


def _reshape_run(x: Array, *, target_shape: Sequence[int]) -> tuple[Array, tuple[Array, Array]]:
    x = np.asarray(x)
    known = int(np.prod([size for size in target_shape if size != -1]))
    size = int(np.prod(x.shape[1:]))
    if list(target_shape).count(-1) > 1 or (size % known if -1 in target_shape and known else known != size):
        raise ValueError(f"samples of the shape {x.shape[1:]} cannot be reshaped to {tuple(target_shape)}")
    # The size is written out, since -1 cannot be worked out for an empty batch.
    y = x.reshape(x.shape[0], *(size // known if one == -1 else one for one in target_shape))
    return y, (x, y)


def _reshape_gradients(grad_output: ArrayLike, saved: tuple[Array, Array]) -> Gradients:
    x, y = saved
    return (of_floats(x, fitting(grad_output, y.shape, y.dtype).reshape(x.shape)),)


def _flattened(config: Config, shape: Shape) -> Shape:
    return (shape[0], None if None in shape[1:] else size_of(shape))


def _reshaped(config: Config, shape: Shape) -> Shape:
    target = tuple(config["target_shape"])
    known = math.prod(size for size in target if size != -1)
    if None in shape[1:]:
        return (shape[0], *(None if size == -1 else size for size in target))
    size = size_of(shape)
    if (not known or size % known) if -1 in target else known != size:
        raise ValueError(f"samples of the shape {shape[1:]} cannot be reshaped to {target}")
    return (shape[0], *(size // known if one == -1 else one for one in target))


FLATTEN = layer(
    LayerSpec(
        "Flatten", flatten_forward, _flatten_run, _flatten_gradients,
        options={"data_format": Option("channels_last", DATA_FORMAT)}, output=_flattened,
    )
)  # fmt: skip
RESHAPE = layer(
    LayerSpec(
        "Reshape", reshape_forward, _reshape_run, _reshape_gradients,
        options={"target_shape": Option(REQUIRED, TARGET_SHAPE)}, output=_reshaped,
    )
)  # fmt: skip
