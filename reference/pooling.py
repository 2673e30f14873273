"""Pooling layers: one number for each window, or for the whole of each channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.windows import batch_chunks, from_channels_last, output_size, pad, spatial_tuple, to_channels_last

Array = NDArray[Any]


def max_pooling1d_forward(
    x: Array,
    *,
    pool_size: int | Sequence[int] = (2,),
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str = "channels_last",
) -> Array:
    r"""Largest value of each window of steps: ``y[b, i, c] = max over u of x[b, i s + u, c]``.

    `x` is (batch, time, channels), or (batch, channels, time) with ``channels_first``; the rest as in :func:`max_pooling2d_forward`.

    Source: keras.layers.MaxPooling1D.
    """
    return _max_pooling(x, 1, pool_size, strides, padding, data_format)


def max_pooling2d_forward(
    x: Array,
    *,
    pool_size: int | Sequence[int] = (2, 2),
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str = "channels_last",
) -> Array:
    r"""Largest value of each window: ``y[b, i, j, c] = max over (u, v) of x[b, i s + u, j s + v, c]``.

    Parameters
    ----------
    x : array (batch, height, width, channels), or (batch, channels, height, width) with ``channels_first``
    pool_size : int or (height, width)
    strides : int or (height, width)
        None means `pool_size`.
    padding : 'valid' or 'same'
        Cells added by ``same`` never win: they count as minus infinity.
    data_format : 'channels_last' or 'channels_first'

    Returns
    -------
    y : array (batch, out_height, out_width, channels), laid out and typed as `x`
        A NaN never wins over a number; a window of NaN or of minus infinity alone gives minus infinity.

    Raises
    ------
    ValueError
        If `x` is not of rank 4, an option has another value, or a window does not fit.

    Source: keras.layers.MaxPooling2D.
    """
    return _max_pooling(x, 2, pool_size, strides, padding, data_format)


def average_pooling1d_forward(
    x: Array,
    *,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str = "channels_last",
) -> Array:
    r"""Mean of each window of steps: ``y[b, i, c] = mean over u of x[b, i s + u, c]``.

    `x` is (batch, time, channels), or (batch, channels, time) with ``channels_first``; the rest as in :func:`average_pooling2d_forward`.

    Source: keras.layers.AveragePooling1D.
    """
    return _average_pooling(x, 1, pool_size, strides, padding, data_format)


def average_pooling2d_forward(
    x: Array,
    *,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str = "channels_last",
) -> Array:
    r"""Mean of each window: ``y[b, i, j, c] = mean over (u, v) of x[b, i s + u, j s + v, c]``.

    Parameters
    ----------
    x : float array (batch, height, width, channels), or (batch, channels, height, width) with ``channels_first``
    pool_size : int or (height, width)
    strides : int or (height, width)
        None means `pool_size`.
    padding : 'valid' or 'same'
        Cells added by ``same`` do not count: the sum is divided by the number of cells of `x` in the window.
    data_format : 'channels_last' or 'channels_first'

    Returns
    -------
    y : array (batch, out_height, out_width, channels), laid out and typed as `x`

    Raises
    ------
    ValueError
        If `x` is not a float array of rank 4, an option has another value, or a window does not fit.

    Source: keras.layers.AveragePooling2D.
    """
    return _average_pooling(x, 2, pool_size, strides, padding, data_format)


def global_max_pooling1d_forward(x: Array, *, data_format: str = "channels_last", keepdims: bool = False) -> Array:
    """Largest value of each channel over time, (batch, channels); see :func:`global_max_pooling2d_forward`.

    Source: keras.layers.GlobalMaxPooling1D.
    """
    return _global_pooling(x, 1, np.max, data_format, keepdims)


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
    return _global_pooling(x, 2, np.max, data_format, keepdims)


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
    if mask is None:
        return _global_pooling(x, 1, _mean, data_format, keepdims)
    x = np.asarray(x)
    if x.ndim != 3 or mask.shape != (steps := to_channels_last(x, data_format).shape[:2]):
        raise ValueError(f"a mask of the shape {mask.shape} does not fit an array of the shape {x.shape} with {data_format}")
    kept = from_channels_last(mask.reshape(*steps, 1) != 0, data_format)
    axis = 1 if data_format == "channels_last" else 2
    total = np.sum(np.where(kept, x, 0), axis=axis, keepdims=keepdims)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / np.sum(kept, axis=axis, keepdims=keepdims), dtype=_float_type(x))


def global_average_pooling2d_forward(x: Array, *, data_format: str = "channels_last", keepdims: bool = False) -> Array:
    """Mean of each channel over rows and columns: ``y[b, c] = mean over (i, j) of x[b, i, j, c]``.

    Integers become float32; the rest as in :func:`global_max_pooling2d_forward`. Source: keras.layers.GlobalAveragePooling2D.
    """
    return _global_pooling(x, 2, _mean, data_format, keepdims)


Geometry = tuple[tuple[int, ...], tuple[int, ...], list[int]]
"""Pool, strides and output sizes of a pooling layer, one number an axis."""


def _max_pooling(
    x: Array, rank: int, pool_size: int | Sequence[int], strides: int | Sequence[int] | None, padding: str, data_format: str
) -> Array:
    x = to_channels_last(np.asarray(x), data_format)
    pool, steps, out = _geometry(x, rank, pool_size, strides, padding)
    lowest = np.iinfo(x.dtype).min if np.issubdtype(x.dtype, np.integer) else -np.inf
    y = np.empty((x.shape[0], *out, x.shape[-1]), x.dtype)
    for rows, windows in _chunks(x, (pool, steps, out), padding, lowest):
        # The maximum over a rectangle is that over its rows, then over its columns; fmax is the maximum that skips NaN.
        np.fmax(_by_axis(windows, (pool, steps, out), np.fmax), np.asarray(lowest, x.dtype), out=y[rows])
    return from_channels_last(y, data_format)


def _average_pooling(
    x: Array, rank: int, pool_size: int | Sequence[int], strides: int | Sequence[int] | None, padding: str, data_format: str
) -> Array:
    x = to_channels_last(np.asarray(x), data_format)
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f"average pooling takes a float array, got {x.dtype}")
    pool, steps, out = _geometry(x, rank, pool_size, strides, padding)
    y = np.empty((x.shape[0], *out, x.shape[-1]), x.dtype)
    cells = np.ones((1, *x.shape[1:-1], 1), x.dtype)
    ((_, padded_cells),) = _chunks(cells, (pool, steps, out), padding, 0)
    count = _by_axis(padded_cells, (pool, steps, out), np.add)
    for rows, windows in _chunks(x, (pool, steps, out), padding, 0):
        np.divide(_by_axis(windows, (pool, steps, out), np.add), count, out=y[rows])
    return from_channels_last(y, data_format)


def _geometry(x: Array, rank: int, pool_size: int | Sequence[int], strides: int | Sequence[int] | None, padding: str) -> Geometry:
    if x.ndim != rank + 2:
        raise ValueError(f"pooling over {rank} axes takes an array of rank {rank + 2}, got the shape {x.shape}")
    if padding.lower() not in ("valid", "same"):
        raise ValueError(f"padding must be 'valid' or 'same', got {padding!r}")
    pool = spatial_tuple(pool_size, rank, "pool_size")
    steps = pool if strides is None else spatial_tuple(strides, rank, "strides")
    sizes = zip(x.shape[1:-1], pool, steps, strict=True)
    return pool, steps, [output_size(size, k, s, 1, padding.lower()) for size, k, s in sizes]


def _chunks(x: Array, geometry: Geometry, padding: str, value: float) -> Iterator[tuple[slice, Array]]:
    """Chunks of the batch, padded with `value`."""
    pool, steps, _ = geometry
    for rows in batch_chunks(x.shape[0], int(np.prod(x.shape[1:])) * x.itemsize):
        yield rows, pad(x[rows], pool, steps, (1,) * len(pool), padding.lower(), value)


def _by_axis(x: Array, geometry: Geometry, combine: np.ufunc) -> Array:
    """`combine` over the cells of each window, axis after axis: one pass over the array for each cell along an axis."""
    for axis, (pool, stride, out) in enumerate(zip(*geometry, strict=True), start=1):
        before = (slice(None),) * axis
        cells = [x[(*before, slice(first, max(0, first + (out - 1) * stride + 1), stride))] for first in range(pool)]
        x = cells[0]
        for n, cell in enumerate(cells[1:]):
            x = combine(x, cell, out=x if n else None)
    return x


def _global_pooling(x: Array, rank: int, reduce: Callable[..., Array], data_format: str, keepdims: bool) -> Array:
    x = np.asarray(x)
    if x.ndim != rank + 2:
        raise ValueError(f"pooling over {rank} axes takes an array of rank {rank + 2}, got the shape {x.shape}")
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}")
    first = 1 if data_format == "channels_last" else 2
    return np.asarray(reduce(x, axis=tuple(range(first, first + rank)), keepdims=keepdims))


def _mean(x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        total = np.sum(x, axis=axis, keepdims=keepdims, dtype=np.float64)
        return np.asarray(total / np.prod([x.shape[one] for one in axis]), dtype=_float_type(x))


def _float_type(x: Array) -> np.dtype[Any]:
    return x.dtype if np.issubdtype(x.dtype, np.floating) else np.dtype(np.float32)
