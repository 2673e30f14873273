"""Mistakes in the global pooling layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.faults.fault import Function, Shared, changed
from reference.layers.windows import to_channels_last

Array = NDArray[Any]

MAXIMA = ("GlobalMaxPooling1D", "GlobalMaxPooling2D")
AVERAGES = ("GlobalAveragePooling1D", "GlobalAveragePooling2D")

pooling = Shared(*MAXIMA, *AVERAGES)
images = Shared("GlobalMaxPooling2D", "GlobalAveragePooling2D")
maximum = Shared(*MAXIMA)
average = Shared(*AVERAGES)
masked = Shared("GlobalAveragePooling1D")


def _other(right: Function) -> Function:
    """Averages for a maximum and the other way round."""
    first, second = ("max", "average") if "max" in right.__name__ else ("average", "max")
    other: Function = getattr(reference, right.__name__.replace(first, second))
    return other


def _pooled_axes(x: Array, options: Any) -> tuple[int, ...]:
    return tuple(range(2, x.ndim)) if options.get("data_format") == "channels_first" else tuple(range(1, x.ndim - 1))


pooling.table(
    channels_first_always=("axis 1 is always taken for the channels (data_format='channels_first')", changed(data_format="channels_first")),
    keepdims_ignored=("keepdims is ignored", changed(keepdims=False)),
    keepdims_always=("the pooled axes are kept although keepdims is False", changed(keepdims=True)),
)


@pooling.by(changed(data_format="channels_last"))
def channels_first_ignored() -> None:
    """data_format='channels_first' is ignored: the last axis is taken for the channels."""


@pooling
def over_channels(right: Function, x: Array, **options: Any) -> Array:
    """The channels are pooled as well."""
    y = right(x, **options)
    axis = 1 if options.get("data_format") == "channels_first" or y.ndim == 2 else -1
    reduce: Function = np.max if "max" in right.__name__ else np.mean
    return np.asarray(np.broadcast_to(reduce(y, axis=axis, keepdims=True), y.shape)).copy()


@pooling
def batch_pooled(right: Function, x: Array, **options: Any) -> Array:
    """The batch is pooled instead of each sample."""
    y = right(x, **options)
    reduce: Function = np.max if "max" in right.__name__ else np.mean
    return np.asarray(np.broadcast_to(reduce(y, axis=0, keepdims=True), y.shape)).copy()


@images
def rows_only(right: Function, x: Array, **options: Any) -> Array:
    """Only the rows are pooled, not the columns."""
    reduce: Function = np.max if "max" in right.__name__ else np.mean
    return np.asarray(reduce(x, axis=_pooled_axes(x, options)[0], keepdims=options.get("keepdims", False)))


@maximum
def average_instead(right: Function, x: Array, **options: Any) -> Array:
    """It is the average instead of the maximum."""
    return np.asarray(_other(right)(x, **options)).astype(x.dtype)


maximum.table(
    minimum=("it is the minimum instead of the maximum", changed(np.negative, x=np.negative)),
    absolute_maximum=("it is the maximum of the absolute values", changed(x=np.abs)),
    integers_become_floats=("whole numbers become floats", changed(lambda y: y * 1.0)),
)


@maximum.by(changed(lambda y: np.maximum(y, y.dtype.type(0))))
def starts_at_0() -> None:
    """The search for the maximum starts at 0, so that negative channels give 0."""


@maximum.by(changed(x=lambda x: np.where(np.isnan(x), -np.inf, x).astype(x.dtype)))
def nan_skipped() -> None:
    """NaN is skipped, as the layers with windows do; a channel that holds one is NaN here."""


@average
def maximum_instead(right: Function, x: Array, *, mask: Array | None = None, **options: Any) -> Array:
    """It is the maximum instead of the average."""
    return np.asarray(_other(right)(x, **options))


@average
def not_divided(right: Function, x: Array, **options: Any) -> Array:
    """It is the sum instead of the average."""
    cells: Any = int(np.prod([x.shape[axis] for axis in _pooled_axes(x, options)]))
    if options.get("mask") is not None:
        shape = (-1, 1, 1) if options.get("keepdims") else (-1, 1)
        cells = np.sum(options["mask"] != 0, axis=1).reshape(shape).astype(x.dtype)
    return np.asarray(right(x, **options) * cells)


@average
def nan_left_out(right: Function, x: Array, **options: Any) -> Array:
    """NaN is left out of the average instead of making it NaN."""
    if x.dtype.kind != "f":
        return np.asarray(right(x, **options))
    there = ~np.isnan(x)
    return np.asarray(right(np.where(there, x, 0), **options) / right(there.astype(x.dtype), **options))


@average
def whole_numbers_cut(right: Function, x: Array, **options: Any) -> Array:
    """The average of whole numbers is cut to a whole number."""
    y = np.asarray(right(x, **options))
    return np.trunc(y).astype(x.dtype) if x.dtype.kind == "i" else y


masked.table(
    mask_ignored=("the mask is ignored", changed(mask=None)),
    mask_inverted=("the mask is inverted: True is taken as padding", changed(mask=lambda mask: mask == 0)),
    mask_of_first_row=("the mask of the first row is used for all rows", changed(mask=lambda mask: np.repeat(mask[:1], len(mask), axis=0))),
)


@masked
def divided_by_all_steps(right: Function, x: Array, *, mask: Array | None = None, **options: Any) -> Array:
    """The sum of the steps that count is divided by the number of all steps."""
    return np.asarray(right(x if mask is None else np.where(_beside(mask, options) != 0, x, 0), **options))


@masked
def all_divided_by_kept(right: Function, x: Array, *, mask: Array | None = None, **options: Any) -> Array:
    """The sum of all steps, masked ones included, is divided by the number of those that count."""
    y = right(x, **options)
    if mask is None:
        return np.asarray(y)
    share = np.mean(mask != 0, axis=1).reshape(-1, *(1,) * (y.ndim - 1))
    return np.asarray(y / share, dtype=y.dtype)


@masked
def mask_multiplied(right: Function, x: Array, *, mask: Array | None = None, **options: Any) -> Array:
    """Masked steps are multiplied by 0, which is NaN where they hold one."""
    return np.asarray(right(x if mask is None else x * (_beside(mask, options) != 0), mask=mask, **options), dtype=x.dtype)


@masked
def mask_as_weights(right: Function, x: Array, *, mask: Array | None = None, **options: Any) -> Array:
    """Numbers of the mask weigh the steps; whatever is not 0 counts alike."""
    if mask is None or mask.dtype == bool:
        return np.asarray(right(x, mask=mask, **options))
    last = to_channels_last(x, options.get("data_format", "channels_last"))
    y = np.asarray(np.sum(last * mask[:, :, None], axis=1) / np.sum(mask, axis=1)[:, None], dtype=x.dtype)
    return np.expand_dims(y, _pooled_axes(x, options)) if options.get("keepdims") else y


@masked
def nothing_kept_is_0(right: Function, x: Array, *, mask: Array | None = None, **options: Any) -> Array:
    """A row that is masked as a whole gives zeros instead of NaN."""
    y = np.asarray(right(x, mask=mask, **options))
    return y if mask is None else np.where(np.any(mask != 0, axis=1).reshape(-1, *(1,) * (y.ndim - 1)), y, 0).astype(y.dtype)


@masked
def counted_over_the_batch(right: Function, x: Array, *, mask: Array | None = None, **options: Any) -> Array:
    """The sum of a row is divided by the mean number of kept steps of all rows."""
    y = np.asarray(right(x, mask=mask, **options))
    if mask is None:
        return y
    kept = np.sum(mask != 0, axis=1)
    return np.asarray(y * (kept / np.mean(kept)).reshape(-1, *(1,) * (y.ndim - 1)), dtype=y.dtype)


@masked
def mask_along_the_channels(right: Function, x: Array, *, mask: Array | None = None, **options: Any) -> Array:
    """With channels_first the mask hides channels instead of steps, where both are equally many."""
    first = options.get("data_format") == "channels_first" and x.shape[1] == x.shape[2]
    if mask is None or not first:
        return np.asarray(right(x, mask=mask, **options))
    y = np.asarray(right(np.where(mask[:, :, None] != 0, x, 0), **options))
    return np.asarray(y / np.mean(mask != 0, axis=1).reshape(-1, *(1,) * (y.ndim - 1)), dtype=y.dtype)


def _beside(mask: Array, options: Any) -> Array:
    """A mask (batch, time) laid beside the input."""
    return mask[:, None, :] if options.get("data_format") == "channels_first" else mask[:, :, None]


LAYERS = (pooling, images, maximum, average, masked)
