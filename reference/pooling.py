"""Pooling layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.windows import batch_chunks, from_channels_last, output_size, pad, spatial_tuple, to_channels_last

Array = NDArray[Any]


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


def _max_pooling(
    x: Array, rank: int, pool_size: int | Sequence[int], strides: int | Sequence[int] | None, padding: str, data_format: str
) -> Array:
    x = np.asarray(x)
    if x.ndim != rank + 2:
        raise ValueError(f"max pooling over {rank} axes takes an array of rank {rank + 2}, got the shape {x.shape}")
    pool = spatial_tuple(pool_size, rank, "pool_size")
    steps = pool if strides is None else spatial_tuple(strides, rank, "strides")
    dilation = (1,) * rank
    padding = padding.lower()
    x = to_channels_last(x, data_format)
    out = [output_size(*axis, padding) for axis in zip(x.shape[1:-1], pool, steps, dilation, strict=True)]
    lowest = np.iinfo(x.dtype).min if np.issubdtype(x.dtype, np.integer) else -np.inf
    y = np.empty((x.shape[0], *out, x.shape[-1]), x.dtype)
    for rows in batch_chunks(x.shape[0], int(np.prod(x.shape[1:])) * x.itemsize):
        part = pad(x[rows], pool, steps, dilation, padding, lowest)
        # The maximum over a rectangle is that over its rows, then over its columns; fmax is the maximum that skips NaN.
        for axis in range(rank):
            part = _window_maximum(part, axis + 1, pool[axis], steps[axis], out[axis])
        np.fmax(part, np.asarray(lowest, x.dtype), out=y[rows])
    return from_channels_last(y, data_format)


def _window_maximum(x: Array, axis: int, pool: int, stride: int, out: int) -> Array:
    """Largest value of each window of `pool` cells along one axis, one pass over the array per cell."""
    before = (slice(None),) * axis
    cells = [x[(*before, slice(first, max(0, first + (out - 1) * stride + 1), stride))] for first in range(pool)]
    y = cells[0]
    for n, cell in enumerate(cells[1:]):
        y = np.fmax(y, cell, out=y if n else None)
    return y
