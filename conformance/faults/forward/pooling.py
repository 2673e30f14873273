"""Mistakes in the pooling layers with windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.faults.fault import Function, Shared, changed
from conformance.faults.forward.convolution import ALONG_TIME, cut_to, padded_by, spatial
from reference.layers.windows import padding_widths, to_channels_last

Array = NDArray[Any]

MAXIMUM = (reference.max_pooling1d_forward, reference.max_pooling2d_forward)
AVERAGE = (reference.average_pooling1d_forward, reference.average_pooling2d_forward)
"""The right functions by the number of pooled axes."""

LAYERS_1D = ("MaxPooling1D", "AveragePooling1D")
WORDS = {**ALONG_TIME, "the window is 2 by 2": "the window is 2", "channels and rows": "the channels"}

pooling = Shared("MaxPooling2D", "AveragePooling2D", *LAYERS_1D, words=dict.fromkeys(LAYERS_1D, WORDS))
images = Shared("MaxPooling2D", "AveragePooling2D")
max_pooling = Shared("MaxPooling2D", "MaxPooling1D")
average_pooling = Shared("AveragePooling2D", "AveragePooling1D")


def _of(kind: tuple[Function, Function], x: Array) -> Function:
    return kind[x.ndim - 3]


def _pool_and_strides(x: Array, options: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    pool = options.get("pool_size", (2,) * (x.ndim - 2))
    return pool, options.get("strides") or pool


def _geometry(x: Array, options: Any) -> list[tuple[int, int, int]]:
    """(size, pool, stride) of every spatial axis."""
    return list(zip(spatial(x, options), *_pool_and_strides(x, options), strict=True))


def _same_widths(x: Array, options: Any) -> list[tuple[int, int]]:
    wanted = options.get("padding") == "same"
    return [padding_widths(*axis, 1, "same") if wanted else (0, 0) for axis in _geometry(x, options)]


def _with_widths(right: Function, x: Array, options: Any, widths: Any) -> Array:
    """Pooling with its own padding, whose cells do not count, where ``padding='same'`` asks for some."""
    if options.get("padding") != "same":
        return np.asarray(right(x, **options))
    if right in AVERAGE:
        counted = _filled(right, np.ones_like(x), options, widths, 0)
        return np.asarray(_filled(right, x, options, widths, 0) / counted)
    return _filled(right, x, options, widths, np.iinfo(x.dtype).min if x.dtype.kind == "i" else -np.inf)


def _filled(right: Function, x: Array, options: Any, widths: Any, value: float, **pad: Any) -> Array:
    """Pooling after padding with a value, which counts."""
    padded = padded_by(x, widths, options.get("data_format", "channels_last"), **(pad or {"constant_values": value}))
    return np.asarray(right(padded, **{**options, "padding": "valid"}))


def _with_axes(width: Callable[[int, int, int, tuple[int, int]], tuple[int, int]]) -> Function:
    """Pooling with a padding of its own, made of the size, pool and stride of every axis and of the right one."""

    def function(right: Function, x: Array, **options: Any) -> Array:
        axes = zip(_geometry(x, options), _same_widths(x, options), strict=True)
        return _with_widths(right, x, options, [width(*axis, pair) for axis, pair in axes])

    return function


def _with_pool(change: Callable[[Any, Any], tuple[Any, Any]]) -> Function:
    """Pooling with another pool and other strides, made of the right ones."""

    def function(right: Function, x: Array, **options: Any) -> Array:
        pool, strides = change(*_pool_and_strides(x, options))
        return np.asarray(right(x, **{**options, "pool_size": pool, "strides": strides}))

    return function


@max_pooling
def padded_with_zeros(right: Function, x: Array, **options: Any) -> Array:
    """padding='same' adds zeros, which win over negative values; added cells must never win."""
    return _filled(right, x, options, _same_widths(x, options), 0)


max_pooling.table(
    minimum=("it is the minimum of the window instead of the maximum", changed(np.negative, x=np.negative)),
    absolute_maximum=("it is the maximum of the absolute values", changed(x=np.abs)),
    integers_become_floats=("whole numbers become floats", changed(lambda y: y * 1.0)),
)


@max_pooling.by(changed(lambda y: np.maximum(y, y.dtype.type(0))))
def maximum_starts_at_0() -> None:
    """The search for the maximum starts at 0, so that windows of negative values give 0."""


@max_pooling
def average(right: Function, x: Array, **options: Any) -> Array:
    """It is the average of the window instead of the maximum."""
    options["pool_size"], _ = _pool_and_strides(x, options)
    return np.asarray(_of(AVERAGE, x)(x.astype(float), **options)).astype(x.dtype)


@max_pooling
def largest_by_absolute_value(right: Function, x: Array, **options: Any) -> Array:
    """It is the value that is farthest from 0."""
    largest, smallest = right(x, **options), -right(-x, **options)
    return np.where(np.abs(smallest) > np.abs(largest), smallest, largest)


@average_pooling
def added_cells_counted(right: Function, x: Array, **options: Any) -> Array:
    """With padding='same' the sum is divided by the size of the window, added cells included; they must not count."""
    return _filled(right, x, options, _same_widths(x, options), 0)


@average_pooling
def maximum(right: Function, x: Array, **options: Any) -> Array:
    """It is the maximum of the window instead of the average."""
    return np.asarray(_of(MAXIMUM, x)(x, **options))


@average_pooling
def not_divided(right: Function, x: Array, **options: Any) -> Array:
    """It is the sum of the window instead of the average."""
    cells = int(np.prod(_pool_and_strides(x, options)[0]))
    return cells * _filled(right, x, options, _same_widths(x, options), 0)


@average_pooling
def divided_by_strides(right: Function, x: Array, **options: Any) -> Array:
    """The sum of the window is divided by the size of a stride instead of that of the window."""
    pool, strides = _pool_and_strides(x, options)
    return np.asarray(right(x, **options) * x.dtype.type(np.prod(pool) / np.prod(strides)))


@average_pooling
def nan_left_out(right: Function, x: Array, **options: Any) -> Array:
    """NaN is left out of the average instead of making it NaN."""
    there = ~np.isnan(x)
    return np.asarray(right(np.where(there, x, 0), **options) / right(there.astype(x.dtype), **options))


@average_pooling
def padding_repeats_the_border(right: Function, x: Array, **options: Any) -> Array:
    """padding='same' repeats the border, which then counts."""
    return _filled(right, x, options, _same_widths(x, options), 0, mode="edge")


pooling.table(
    strides_ignored=("strides are ignored: windows move by pool_size", changed(strides=None)),
    pool_always_2=("pool_size is ignored: the window is 2 by 2", _with_pool(lambda pool, strides: ((2,) * len(pool), strides))),
    padding_all_at_bottom_right=("padding='same' puts all cells at the bottom and right", _with_axes(lambda n, k, s, pair: (0, sum(pair)))),
    padding_ignored=("padding='same' is ignored", changed(padding="valid")),
)


@pooling.by(_with_axes(lambda n, k, s, pair: pair[::-1]))
def extra_cell_at_top_left() -> None:
    """padding='same' puts the odd cell at the top and left instead of the bottom and right."""


@pooling.by(_with_axes(lambda n, k, s, pair: padding_widths(n, k, 1, 1, "same")))
def padding_as_if_stride_1() -> None:
    """padding='same' is computed as if strides were 1."""


@pooling.by(_with_axes(lambda n, k, s, pair: ((k - 1) // 2,) * 2))
def half_the_pool_on_both_sides() -> None:
    """padding='same' adds (k - 1) // 2 cells on both sides, whatever the strides and whether k is even."""


@pooling.by(changed(data_format="channels_last"))
def channels_first_ignored() -> None:
    """data_format='channels_first' is ignored: the window moves over channels and rows."""


@pooling
def strides_default_1(right: Function, x: Array, **options: Any) -> Array:
    """Strides are 1 where not given; the default is pool_size."""
    return np.asarray(right(x, **{**options, "strides": options.get("strides") or (1,) * (x.ndim - 2)}))


@pooling
def strides_default_2(right: Function, x: Array, **options: Any) -> Array:
    """Strides are 2 where not given; the default is pool_size."""
    return np.asarray(right(x, **{**options, "strides": options.get("strides") or (2,) * (x.ndim - 2)}))


images.table(
    strides_swapped=("the strides of rows and columns are swapped", _with_pool(lambda pool, strides: (pool, strides[::-1]))),
    pool_swapped=("rows and columns of pool_size are swapped", _with_pool(lambda pool, strides: (pool[::-1], strides))),
)


@images.by(_with_pool(lambda pool, strides: (pool[::-1], strides[::-1])))
def pool_and_strides_swapped() -> None:
    """Rows and columns of pool_size are swapped, and those of the strides with them."""


@pooling
def symmetric_padding(right: Function, x: Array, **options: Any) -> Array:
    """padding='same' adds equally many cells on both sides (half the pool); Keras adds only what is needed."""
    y = _with_widths(right, x, options, [(k // 2, k // 2) for k in _pool_and_strides(x, options)[0]])
    return cut_to(y, [-(-n // s) for n, _, s in _geometry(x, options)], options) if options.get("padding") == "same" else y


@pooling
def windows_move_by_one_cell(right: Function, x: Array, **options: Any) -> Array:
    """The output is as small as the strides make it, but its windows move by one cell."""
    sizes, widths = spatial(right(x, **options), options), _same_widths(x, options)
    return cut_to(_with_widths(right, x, {**options, "strides": 1}, widths), sizes, options)


@pooling
def rounded_up(right: Function, x: Array, **options: Any) -> Array:
    """With padding='valid' windows that reach over the border count too (the output size is rounded up)."""
    if options.get("padding") == "same":
        return np.asarray(right(x, **options))
    widths = [(0, -(n - k) % s) for n, k, s in _geometry(x, options)]
    return _with_widths(right, x, {**options, "padding": "same"}, widths)


@pooling
def over_channels(right: Function, x: Array, **options: Any) -> Array:
    """Windows reach over all channels as well."""
    axis = 1 if options.get("data_format") == "channels_first" else -1
    y = right(x, **options)
    reduce: Function = np.max if right in MAXIMUM else np.mean
    return np.asarray(np.broadcast_to(reduce(y, axis=axis, keepdims=True), y.shape)).copy()


@pooling
def channels_first_reshaped(right: Function, x: Array, **options: Any) -> Array:
    """channels_first is turned into channels_last by a reshape instead of by moving the axis."""
    if options.get("data_format") != "channels_first":
        return np.asarray(right(x, **options))
    batch, channels, *sizes = x.shape
    y = right(x.reshape(batch, *sizes, channels), **{**options, "data_format": "channels_last"})
    return np.asarray(y.reshape(batch, channels, *y.shape[1:-1]))


@pooling
def output_left_channels_last(right: Function, x: Array, **options: Any) -> Array:
    """With channels_first the output is left in channels_last."""
    data_format = options.pop("data_format", "channels_last")
    return np.asarray(right(to_channels_last(x, data_format), **options))


LAYERS = (max_pooling, average_pooling, pooling, images)
