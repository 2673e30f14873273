"""Mistakes in MaxPooling2D."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.convolution import padded_by, spatial
from conformance.faults.fault import Collection
from reference import max_pooling2d_forward
from reference.windows import from_channels_last, output_size, padding_widths, to_channels_last

Array = NDArray[Any]

max_pooling2d = Collection("MaxPooling2D")


def _lowest(x: Array) -> Any:
    return np.iinfo(x.dtype).min if x.dtype.kind == "i" else -np.inf


def _pool_and_strides(options: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    pool = options.get("pool_size", (2, 2))
    return pool, options.get("strides") or pool


def _same_widths(x: Array, options: Any) -> list[tuple[int, int]]:
    if options.get("padding") != "same":
        return [(0, 0), (0, 0)]
    return [padding_widths(n, k, s, 1, "same") for n, k, s in zip(spatial(x, options), *_pool_and_strides(options), strict=True)]


def _with_widths(x: Array, options: Any, widths: Any, fill: Any = None) -> Array:
    """Pooling with its own padding where ``padding='same'`` asks for some."""
    if options.get("padding") != "same":
        return max_pooling2d_forward(x, **options)
    fill = _lowest(x) if fill is None else fill
    padded = padded_by(x, widths, options.get("data_format", "channels_last"), constant_values=fill)
    return max_pooling2d_forward(padded, **{**options, "padding": "valid"})


def _reduced(x: Array, options: Any, reduce: Callable[[Array], Array], fill: Any) -> Array:
    """Every window, its cells along a new first axis, through `reduce`."""
    data_format = options.get("data_format", "channels_last")
    pool, strides = _pool_and_strides(options)
    out = [output_size(n, k, s, 1, options.get("padding", "valid")) for n, k, s in zip(spatial(x, options), pool, strides, strict=True)]
    padded = to_channels_last(padded_by(x, _same_widths(x, options), data_format, constant_values=fill), data_format)
    cells = np.stack([_cell(padded, offset, strides, out) for offset in itertools.product(*map(range, pool))])
    return from_channels_last(reduce(cells), data_format)


def _cell(x: Array, offset: Any, strides: Any, out: Any) -> Array:
    """The cell at `offset` of every window."""
    return x[(slice(None), *(slice(o, o + (n - 1) * s + 1, s) for o, s, n in zip(offset, strides, out, strict=True)))]


@max_pooling2d
def padded_with_zeros(x: Array, **options: Any) -> Array:
    """padding='same' adds zeros, which win over negative values; added cells must never win."""
    return _with_widths(x, options, _same_widths(x, options), 0)


@max_pooling2d
def maximum_starts_at_0(x: Array, **options: Any) -> Array:
    """The search for the maximum starts at 0, so that windows of negative values give 0."""
    return np.maximum(max_pooling2d_forward(x, **options), x.dtype.type(0))


@max_pooling2d
def average(x: Array, **options: Any) -> Array:
    """It is the average of the window instead of the maximum."""
    return _reduced(x.astype(float), options, lambda cells: np.nanmean(cells, axis=0), np.nan).astype(x.dtype)


@max_pooling2d
def minimum(x: Array, **options: Any) -> Array:
    """It is the minimum of the window instead of the maximum."""
    return -max_pooling2d_forward(-x, **options)


@max_pooling2d
def absolute_maximum(x: Array, **options: Any) -> Array:
    """It is the maximum of the absolute values."""
    return max_pooling2d_forward(np.abs(x), **options)


@max_pooling2d
def largest_by_absolute_value(x: Array, **options: Any) -> Array:
    """It is the value that is farthest from 0."""
    return _reduced(x, options, _farthest_from_0, 0)


def _farthest_from_0(cells: Array) -> Array:
    return np.take_along_axis(cells, np.argmax(np.abs(cells), axis=0)[None], axis=0)[0]


@max_pooling2d
def integers_become_floats(x: Array, **options: Any) -> Array:
    """Whole numbers become floats."""
    return max_pooling2d_forward(x, **options) * 1.0


@max_pooling2d
def strides_ignored(x: Array, **options: Any) -> Array:
    """Strides are ignored: windows move by pool_size."""
    return max_pooling2d_forward(x, **{**options, "strides": None})


@max_pooling2d
def strides_default_1(x: Array, **options: Any) -> Array:
    """Strides are 1 where not given; the default is pool_size."""
    return max_pooling2d_forward(x, **{**options, "strides": options.get("strides") or (1, 1)})


@max_pooling2d
def strides_default_2(x: Array, **options: Any) -> Array:
    """Strides are 2 where not given; the default is pool_size."""
    return max_pooling2d_forward(x, **{**options, "strides": options.get("strides") or (2, 2)})


@max_pooling2d
def strides_swapped(x: Array, **options: Any) -> Array:
    """The strides of rows and columns are swapped."""
    return max_pooling2d_forward(x, **{**options, "strides": _pool_and_strides(options)[1][::-1]})


@max_pooling2d
def pool_swapped(x: Array, **options: Any) -> Array:
    """Rows and columns of pool_size are swapped."""
    pool, strides = _pool_and_strides(options)
    return max_pooling2d_forward(x, **{**options, "pool_size": pool[::-1], "strides": strides})


@max_pooling2d
def pool_and_strides_swapped(x: Array, **options: Any) -> Array:
    """Rows and columns of pool_size are swapped, and those of the strides with them."""
    pool, strides = _pool_and_strides(options)
    return max_pooling2d_forward(x, **{**options, "pool_size": pool[::-1], "strides": strides[::-1]})


@max_pooling2d
def pool_always_2(x: Array, **options: Any) -> Array:
    """pool_size is ignored: the window is 2 by 2."""
    return max_pooling2d_forward(x, **{**options, "pool_size": (2, 2), "strides": _pool_and_strides(options)[1]})


@max_pooling2d
def symmetric_padding(x: Array, **options: Any) -> Array:
    """padding='same' adds equally many cells on both sides (half the pool); Keras adds only what is needed."""
    y = _with_widths(x, options, [(k // 2, k // 2) for k in _pool_and_strides(options)[0]])
    if options.get("padding") != "same":
        return y
    rows, columns = spatial(max_pooling2d_forward(x, **options), options)
    return y[:, :, :rows, :columns] if options.get("data_format") == "channels_first" else y[:, :rows, :columns]


@max_pooling2d
def extra_cell_at_top_left(x: Array, **options: Any) -> Array:
    """padding='same' puts the odd cell at the top and left instead of the bottom and right."""
    return _with_widths(x, options, [pair[::-1] for pair in _same_widths(x, options)])


@max_pooling2d
def padding_all_at_bottom_right(x: Array, **options: Any) -> Array:
    """padding='same' puts all cells at the bottom and right."""
    return _with_widths(x, options, [(0, sum(pair)) for pair in _same_widths(x, options)])


@max_pooling2d
def padding_as_if_stride_1(x: Array, **options: Any) -> Array:
    """padding='same' is computed as if strides were 1."""
    pool, _ = _pool_and_strides(options)
    return _with_widths(x, options, [padding_widths(n, k, 1, 1, "same") for n, k in zip(spatial(x, options), pool, strict=True)])


@max_pooling2d
def padding_ignored(x: Array, **options: Any) -> Array:
    """padding='same' is ignored."""
    return max_pooling2d_forward(x, **{**options, "padding": "valid"})


@max_pooling2d
def rounded_up(x: Array, **options: Any) -> Array:
    """With padding='valid' windows that reach over the border count too (the output size is rounded up)."""
    if options.get("padding") == "same":
        return max_pooling2d_forward(x, **options)
    sizes = zip(spatial(x, options), *_pool_and_strides(options), strict=True)
    widths = [(0, -(n - k) % s) for n, k, s in sizes]
    return _with_widths(x, {**options, "padding": "same"}, widths)


@max_pooling2d
def over_channels(x: Array, **options: Any) -> Array:
    """The maximum runs over the channels as well."""
    axis = 1 if options.get("data_format") == "channels_first" else 3
    y = max_pooling2d_forward(x, **options)
    return np.broadcast_to(np.max(y, axis=axis, keepdims=True), y.shape).copy()


@max_pooling2d
def channels_first_ignored(x: Array, **options: Any) -> Array:
    """data_format='channels_first' is ignored: the window moves over channels and rows."""
    return max_pooling2d_forward(x, **{**options, "data_format": "channels_last"})


@max_pooling2d
def channels_first_reshaped(x: Array, **options: Any) -> Array:
    """channels_first is turned into channels_last by a reshape instead of by moving the axis."""
    if options.get("data_format") != "channels_first":
        return max_pooling2d_forward(x, **options)
    batch, channels, rows, columns = x.shape
    y = max_pooling2d_forward(x.reshape(batch, rows, columns, channels), **{**options, "data_format": "channels_last"})
    return y.reshape(batch, channels, *y.shape[1:3])


@max_pooling2d
def output_left_channels_last(x: Array, **options: Any) -> Array:
    """With channels_first the output is left in channels_last."""
    data_format = options.pop("data_format", "channels_last")
    return max_pooling2d_forward(to_channels_last(x, data_format), **options)


LAYERS = (max_pooling2d,)
