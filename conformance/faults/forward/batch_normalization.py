"""Mistakes in BatchNormalization around the formula: which statistics are used, how the moving ones move, the mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, Shared
from conformance.faults.forward.normalization import Axes, Statistics, moved, statistics, with_place

Array = NDArray[Any]

choices = Shared("BatchNormalization", wrap=with_place("chosen"))
moves = Shared("BatchNormalization", wrap=with_place("move"))
batch_statistics = Shared("BatchNormalization", wrap=with_place("statistics"))
batch_normalization = Shared("BatchNormalization")


@batch_normalization
def axis_ignored(right: Function, x: Array, *weights: Array | None, axis: int = -1, **options: Any) -> Any:
    """Axis is ignored: the last one is normalised by channel (where it is as long)."""
    return right(x, *weights, **options)


@batch_normalization
def axis_1_always(right: Function, x: Array, *weights: Array | None, axis: int = -1, **options: Any) -> Any:
    """The channels are always taken to stand on axis 1, as in PyTorch; the default is the last."""
    return right(x, *weights, axis=1, **options)


@choices
def batch_statistics_always(moving: Statistics, batch: Statistics, training: bool, momentum: float) -> Statistics:
    """Mean and variance of the batch are used at inference too, instead of the moving ones."""
    return batch


@choices
def moving_statistics_always(moving: Statistics, batch: Statistics, training: bool, momentum: float) -> Statistics:
    """The moving mean and variance are used in training too, instead of those of the batch."""
    return moving


@choices
def updated_before_use(moving: Statistics, batch: Statistics, training: bool, momentum: float) -> Statistics:
    """In training the moving statistics are updated first and then used, instead of those of the batch."""
    mean, variance = (moved(old, new, momentum) for old, new in zip(moving, batch, strict=True))
    return (mean, variance) if training else moving


@choices
def moving_statistics_swapped(moving: Statistics, batch: Statistics, training: bool, momentum: float) -> Statistics:
    """The moving mean and the moving variance are swapped."""
    return batch if training else (moving[1], np.abs(moving[0]))


@choices
def moving_deviation(moving: Statistics, batch: Statistics, training: bool, momentum: float) -> Statistics:
    """The moving variance is taken for a standard deviation."""
    return batch if training else (moving[0], moving[1] ** 2)


@moves
def momentum_inverted(moving: Array, batch: Array, momentum: float) -> Array:
    """Momentum is the share of the batch, as in PyTorch, instead of that of the old moving statistics."""
    return moved(batch, moving, momentum)


@moves
def momentum_ignored(moving: Array, batch: Array, momentum: float) -> Array:
    """Momentum is ignored: 0.99 is always used."""
    return moved(moving, batch, 0.99)


@moves
def moving_not_updated(moving: Array, batch: Array, momentum: float) -> Array:
    """The moving statistics are not updated in training."""
    return moving


@moves
def moving_replaced(moving: Array, batch: Array, momentum: float) -> Array:
    """The moving statistics become those of the batch, without momentum."""
    return batch


@moves
def batch_added(moving: Array, batch: Array, momentum: float) -> Array:
    """The statistics of the batch are added as a whole: momentum moving + batch."""
    return moving * momentum + batch


@batch_normalization
def momentum_of_pytorch(right: Function, x: Array, *weights: Array | None, momentum: float = 0.9, **options: Any) -> Any:
    """Momentum is 0.9 unless given, as in PyTorch; the default is 0.99."""
    return right(x, *weights, momentum=momentum, **options)


@batch_normalization
def unbiased_moving_variance(right: Function, x: Array, *weights: Array | None, **options: Any) -> Any:
    """Into the moving variance goes the variance divided by N - 1, as in PyTorch, instead of N."""
    result = right(x, *weights, **options)
    if not options.get("training"):
        return result
    y, mean, variance = result
    momentum, old = options.get("momentum", 0.99), weights[3]
    count = x.size / x.shape[options.get("axis", -1)]
    if options.get("mask") is not None:
        count = np.sum(np.broadcast_to(options["mask"][..., None] != 0, x.shape)) / x.shape[options.get("axis", -1)]
    share = variance - momentum * old
    return y, mean, np.asarray(momentum * old + share * (count / max(count - 1, 1)), dtype=variance.dtype)


@batch_normalization
def deviation_into_moving_variance(right: Function, x: Array, *weights: Array | None, **options: Any) -> Any:
    """Into the moving variance goes the standard deviation of the batch."""
    result = right(x, *weights, **options)
    if not options.get("training"):
        return result
    y, mean, variance = result
    momentum, old = options.get("momentum", 0.99), weights[3]
    batch = (variance - momentum * old) / (1 - momentum)
    return y, mean, np.asarray(momentum * old + (1 - momentum) * np.sqrt(np.maximum(batch, 0)), dtype=variance.dtype)


@batch_normalization
def moving_statistics_not_returned(right: Function, x: Array, *weights: Array | None, **options: Any) -> Any:
    """In training only the output is returned, not the new moving statistics."""
    result = right(x, *weights, **options)
    return result[0] if isinstance(result, tuple) else result


@batch_normalization
def new_statistics_swapped(right: Function, x: Array, *weights: Array | None, **options: Any) -> Any:
    """In training the new moving variance is returned before the new moving mean."""
    result = right(x, *weights, **options)
    return (result[0], result[2], result[1]) if isinstance(result, tuple) else result


@batch_statistics
def over_the_batch_alone(x: Array, axes: Axes, weight: Any = None) -> Statistics:
    """In training mean and variance are taken over the batch alone, for every place apart."""
    return statistics(x, (0,), weight)


@batch_statistics
def over_everything(x: Array, axes: Axes, weight: Any = None) -> Statistics:
    """In training mean and variance are taken over the channels as well."""
    own = [1 if place in axes else size for place, size in enumerate(x.shape)]
    mean, variance = statistics(x, tuple(range(x.ndim)), weight)
    return np.broadcast_to(mean, own), np.broadcast_to(variance, own)


@batch_statistics
def each_sample_apart(x: Array, axes: Axes, weight: Any = None) -> Statistics:
    """In training mean and variance are taken for every sample apart (that is instance normalisation)."""
    return statistics(x, axes[1:], weight) if axes[0] == 0 and len(axes) > 1 else statistics(x, axes, weight)


@batch_statistics
def mask_ignored(x: Array, axes: Axes, weight: Any = None) -> Statistics:
    """The mask is ignored."""
    return statistics(x, axes)


@batch_statistics
def mask_inverted(x: Array, axes: Axes, weight: Any = None) -> Statistics:
    """The mask is inverted: True is taken as padding."""
    return statistics(x, axes, weight if weight is None else 1 - weight)


@batch_statistics
def masked_places_are_zeros(x: Array, axes: Axes, weight: Any = None) -> Statistics:
    """Masked places count as zeros in mean and variance instead of not at all."""
    return statistics(x if weight is None else x * weight, axes)


@batch_statistics
def nothing_kept_divides_by_0(x: Array, axes: Axes, weight: Any = None) -> Statistics:
    """A mask that keeps nothing divides by 0 (the number of kept places is not increased by 1e-7)."""
    mean, variance = statistics(x, axes, weight)
    nothing = weight is not None and not np.any(weight)
    return (mean * np.nan, variance * np.nan) if nothing else (mean, variance)


@batch_normalization
def masked_places_zeroed(right: Function, x: Array, *weights: Array | None, mask: Array | None = None, **options: Any) -> Any:
    """Masked places of the output become 0; all places are normalised."""
    return _where_masked(right(x, *weights, mask=mask, **options), mask, 0)


@batch_normalization
def masked_places_kept(right: Function, x: Array, *weights: Array | None, mask: Array | None = None, **options: Any) -> Any:
    """Masked places of the output stay as they were; all places are normalised."""
    return _where_masked(right(x, *weights, mask=mask, **options), mask, x)


def _where_masked(result: Any, mask: Array | None, instead: Any) -> Any:
    y, *moving = result if isinstance(result, tuple) else (result,)
    y = y if mask is None else np.where(mask[..., None] != 0, y, instead)
    return (y, *moving) if moving else y


@batch_normalization
def integers_stay(right: Function, x: Array, *weights: Array | None, **options: Any) -> Any:
    """The normalised values of whole numbers are cut to whole numbers."""
    result = right(x, *weights, **options)
    return result.astype(x.dtype) if x.dtype.kind == "i" else result


LAYERS = (choices, moves, batch_statistics, batch_normalization)
