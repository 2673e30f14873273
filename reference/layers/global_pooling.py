"""Pooling layers with one number for the whole of each channel."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import Gradients, fitting
from reference.layers.options import DATA_FORMAT, FLAG
from reference.layers.shapes import Config, Rule, Shape, channels_of, check_rank, laid_out
from reference.layers.spec import FORWARD, Function, LayerSpec, Option, layer
from reference.layers.windows import from_channels_last, to_channels_last

__all__ = [
    "global_average_pooling1d_backward", "global_average_pooling1d_forward", "global_average_pooling2d_backward",
    "global_average_pooling2d_forward", "global_max_pooling1d_backward", "global_max_pooling1d_forward", "global_max_pooling2d_backward",
    "global_max_pooling2d_forward",
]  # fmt: skip

Array = NDArray[Any]


def global_max_pooling1d_forward(x: Array, *, data_format: str = "channels_last", keepdims: bool = False) -> Array:
    """Largest value of each channel over time, (batch, channels); see :func:`global_max_pooling2d_forward`.

    Source: keras.layers.GlobalMaxPooling1D.
    """
    return _global_max_pooling1d_run(x, data_format=data_format, keepdims=keepdims)[0]


def global_max_pooling1d_backward(grad_output: ArrayLike, x: Array, **options: Any) -> Gradients:
    """``(grad_x,)`` of :func:`global_max_pooling1d_forward`, whose options it takes; see :func:`global_max_pooling2d_backward`."""
    return _global_max_pooling_gradients(grad_output, _global_max_pooling1d_run(x, **options)[1])


def global_max_pooling2d_forward(x: Array, *, data_format: str = "channels_last", keepdims: bool = False) -> Array:
    """Largest value of each channel over rows and columns: ``y[b, c] = max over (i, j) of x[b, i, j, c]``.

    Parameters
    ----------
    x : array (batch, height, width, channels), or (batch, channels, height, width) with ``channels_first``
    keepdims : bool
        Keep the pooled axes, with length 1.

    Returns
    -------
    y : array (batch, channels), typed as `x`
        NaN where a channel holds one.

    Raises
    ------
    ValueError
        If `x` is not of rank 4, or has nothing to pool.

    Source: keras.layers.GlobalMaxPooling2D.
    """
    return _global_max_pooling2d_run(x, data_format=data_format, keepdims=keepdims)[0]


def global_max_pooling2d_backward(grad_output: ArrayLike, x: Array, **options: Any) -> Gradients:
    """``(grad_x,)`` of :func:`global_max_pooling2d_forward`, whose options it takes; None for integers.

    ``grad_x[b, i, j, c] = grad_output[b, c] / n`` where ``x[b, i, j, c] = y[b, c]``, n such places sharing it equally; otherwise 0.
    """
    return _global_max_pooling_gradients(grad_output, _global_max_pooling2d_run(x, **options)[1])


def global_average_pooling1d_forward(
    x: Array, *, data_format: str = "channels_last", keepdims: bool = False, mask: Array | None = None
) -> Array:
    """Mean of each channel over the steps that count: ``y[b, c] = sum over t of m[b, t] x[b, t, c] / sum over t of m[b, t]``.

    Parameters
    ----------
    x : array (batch, time, channels), or (batch, channels, time) with ``channels_first``
        Integers become float32.
    keepdims : bool
        Keep the axis of time, with length 1.
    mask : array (batch, time), optional
        True where a step counts; a row without any is NaN.

    Returns
    -------
    y : array (batch, channels)

    Raises
    ------
    ValueError
        If `x` is not of rank 3, or the mask not of the shape (batch, time).

    Source: keras.layers.GlobalAveragePooling1D.
    """
    return _global_average_pooling1d_run(x, data_format=data_format, keepdims=keepdims, mask=mask)[0]


def global_average_pooling1d_backward(grad_output: ArrayLike, x: Array, **options: Any) -> Gradients:
    """``(grad_x,)`` of :func:`global_average_pooling1d_forward`, whose options it takes; None for integers.

    ``grad_x[b, t, c] = m[b, t] grad_output[b, c] / sum over t of m[b, t]``, and 0 in a row without any step that counts.
    """
    return _global_average_pooling_gradients(grad_output, _global_average_pooling1d_run(x, **options)[1])


def global_average_pooling2d_forward(x: Array, *, data_format: str = "channels_last", keepdims: bool = False) -> Array:
    """Mean of each channel over rows and columns: ``y[b, c] = mean over (i, j) of x[b, i, j, c]``.

    Integers become float32; the rest as in :func:`global_max_pooling2d_forward`. Source: keras.layers.GlobalAveragePooling2D.
    """
    return _global_average_pooling2d_run(x, data_format=data_format, keepdims=keepdims)[0]


def global_average_pooling2d_backward(grad_output: ArrayLike, x: Array, **options: Any) -> Gradients:
    """``(grad_x,)`` of :func:`global_average_pooling2d_forward`, whose options it takes; see :func:`global_average_pooling1d_backward`."""
    return _global_average_pooling_gradients(grad_output, _global_average_pooling2d_run(x, **options)[1])


class SavedGlobalPool(NamedTuple):
    """What the gradients of a global pool need: `kept` says which steps counted, None for all."""

    x: Array
    y: Array
    axes: tuple[int, ...]
    kept: Array | None = None

    def wide(self, pooled: Array) -> Array:
        """The output, or its gradient, with the pooled axes, of length 1."""
        return pooled if pooled.ndim == self.x.ndim else np.expand_dims(pooled, self.axes)


def _global_max_pooling_run(
    rank: int, x: Array, *, data_format: str = "channels_last", keepdims: bool = False
) -> tuple[Array, SavedGlobalPool]:
    x, axes = _pooled(x, rank, data_format)
    y = np.asarray(np.max(x, axis=axes, keepdims=keepdims))
    return y, SavedGlobalPool(x, y, axes)


def _global_max_pooling_gradients(grad_output: ArrayLike, saved: SavedGlobalPool) -> Gradients:
    x, y, axes, _ = saved
    grad = saved.wide(fitting(grad_output, y.shape, y.dtype))
    if x.dtype.kind != "f":
        return (None,)
    largest = x == saved.wide(y)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = grad / np.sum(largest, axis=axes, keepdims=True, dtype=x.dtype)
    return (largest * share,)


def _global_average_pooling_run(
    rank: int, x: Array, *, data_format: str = "channels_last", keepdims: bool = False, mask: Array | None = None
) -> tuple[Array, SavedGlobalPool]:
    if mask is None:
        x, axes = _pooled(x, rank, data_format)
        y = _mean(x, axes, keepdims)
        return y, SavedGlobalPool(x, y, axes)
    x = np.asarray(x)
    if x.ndim != 3 or mask.shape != (steps := to_channels_last(x, data_format).shape[:2]):
        raise ValueError(f"a mask of the shape {mask.shape} does not fit an array of the shape {x.shape} with {data_format}")
    kept = from_channels_last(mask.reshape(*steps, 1) != 0, data_format)
    axis = 1 if data_format == "channels_last" else 2
    total = np.sum(np.where(kept, x, 0), axis=axis, keepdims=keepdims)
    with np.errstate(invalid="ignore", divide="ignore"):
        y = np.asarray(total / np.sum(kept, axis=axis, keepdims=keepdims), dtype=_float_type(x))
    return y, SavedGlobalPool(x, y, (axis,), kept)


def _global_average_pooling_gradients(grad_output: ArrayLike, saved: SavedGlobalPool) -> Gradients:
    x, y, axes, kept = saved
    grad = saved.wide(fitting(grad_output, y.shape, y.dtype))
    if x.dtype.kind != "f":
        return (None,)
    places = np.ones([x.shape[axis] if axis in axes else 1 for axis in range(x.ndim)], bool) if kept is None else kept
    share = grad / np.maximum(np.sum(places, axis=axes, keepdims=True), 1).astype(x.dtype)
    return (np.where(places, share, x.dtype.type(0)),)


def _pooled(x: Array, rank: int, data_format: str) -> tuple[Array, tuple[int, ...]]:
    """`x` as an array, checked, and the axes to pool."""
    x = np.asarray(x)
    if x.ndim != rank + 2:
        raise ValueError(f"pooling over {rank} axes takes an array of rank {rank + 2}, got the shape {x.shape}")
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}")
    first = 1 if data_format == "channels_last" else 2
    return x, tuple(range(first, first + rank))


def _mean(x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        total = np.sum(x, axis=axis, keepdims=keepdims, dtype=np.float64)
        return np.asarray(total / np.prod([x.shape[one] for one in axis]), dtype=_float_type(x))


def _float_type(x: Array) -> np.dtype[Any]:
    return x.dtype if np.issubdtype(x.dtype, np.floating) else np.dtype(np.float32)


_global_max_pooling1d_run = functools.partial(_global_max_pooling_run, 1)
_global_max_pooling2d_run = functools.partial(_global_max_pooling_run, 2)
_global_average_pooling1d_run = functools.partial(_global_average_pooling_run, 1)
_global_average_pooling2d_run = functools.partial(_global_average_pooling_run, 2)


def _output(rank: int) -> Rule:
    def rule(config: Config, shape: Shape) -> Shape:
        check_rank(shape, rank + 2, rank + 2)
        channels = channels_of(config, shape)
        return laid_out(config, shape, [1] * rank, channels) if config.get("keepdims") else (shape[0], channels)

    return rule


def _record(class_name: str, rank: int, forward: Function, run: Function, gradients: Function, **mask: Any) -> LayerSpec:
    options = {"data_format": Option("channels_last", DATA_FORMAT), "keepdims": Option(False, FLAG)}
    return layer(LayerSpec(class_name, forward, run, gradients, options=options, output=_output(rank), **mask))


GLOBAL_MAX_POOLING1D = _record(
    "GlobalMaxPooling1D", 1, global_max_pooling1d_forward, _global_max_pooling1d_run, _global_max_pooling_gradients
)
GLOBAL_MAX_POOLING2D = _record(
    "GlobalMaxPooling2D", 2, global_max_pooling2d_forward, _global_max_pooling2d_run, _global_max_pooling_gradients
)
GLOBAL_AVERAGE_POOLING1D = _record(
    "GlobalAveragePooling1D", 1, global_average_pooling1d_forward, _global_average_pooling1d_run, _global_average_pooling_gradients,
    takes=("mask",), mask_acts=(FORWARD,),
)  # fmt: skip
GLOBAL_AVERAGE_POOLING2D = _record(
    "GlobalAveragePooling2D", 2, global_average_pooling2d_forward, _global_average_pooling2d_run, _global_average_pooling_gradients
)
