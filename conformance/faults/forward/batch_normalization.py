"""Mistakes in BatchNormalization around the formula: which statistics are used, how the moving ones move, the mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, Shared, assuming, changed
from conformance.faults.forward.normalization import ArrayOrNone, MeanAndVariance, over_axes, with_statistics
from reference.layers.normalization import Statistics, statistics_over

Array = NDArray[Any]


def with_moving(change: Callable[[Array, Array], tuple[Any, Any]]) -> Function:
    """At inference, other moving statistics than those that were given."""

    def function(right: Function, x: Array, gamma: ArrayOrNone, beta: ArrayOrNone, *moving: Array, **options: Any) -> Any:
        return right(x, gamma, beta, *(moving if options.get("training") else change(*moving)), **options)

    return function


Update = Callable[[Array, Array, float], Any]
BOTH, MEAN, VARIANCE = (0, 1), (0,), (1,)
"""Places of the moving statistics."""


def with_update(update: Update, places: tuple[int, ...] = BOTH) -> Function:
    """In training, new moving statistics at these places that are made of the old ones, those of the batch and momentum."""

    def function(right: Function, x: Array, *weights: Any, momentum: float = 0.99, **options: Any) -> Any:
        result = right(x, *weights, momentum=0.0, **options)
        if not options.get("training"):
            return result
        y, *batch = result
        updates = [update if n in places else _averaged for n in BOTH]
        return y, *(np.asarray(one(old, own, momentum), y.dtype) for one, old, own in zip(updates, weights[2:], batch, strict=True))

    return function


def _averaged(old: Array, batch: Array, momentum: float) -> Array:
    """The right update."""
    return momentum * old + (1 - momentum) * batch


def _inverted(old: Array, batch: Array, momentum: float) -> Array:
    return momentum * batch + (1 - momentum) * old


def with_variance(change: Callable[[Array, Any], Any]) -> Function:
    """In training, something else than the variance of so many values goes into the moving variance."""

    def function(right: Function, x: Array, *weights: Any, momentum: float = 0.99, **options: Any) -> Any:
        result = right(x, *weights, momentum=momentum, **options)
        if not options.get("training"):
            return result
        axis, mask = options.get("axis", -1), options.get("mask")
        count = (x.size if mask is None else np.sum(np.broadcast_to(mask[..., None] != 0, x.shape))) / x.shape[axis]
        own = change(right(x, *weights, momentum=0.0, **options)[2], count)
        return *result[:2], np.asarray(momentum * weights[3] + (1 - momentum) * own, dtype=result[2].dtype)

    return function


def with_new(change: Callable[..., Any]) -> Function:
    """In training, what is returned is made of the output and the new moving statistics."""
    return changed(lambda result: change(*result) if isinstance(result, tuple) else result)


batch_normalization = Shared("BatchNormalization").table(
    axis_ignored=("axis is ignored: the last one is normalised by channel (where it is as long)", changed(axis=-1)),
    axis_1_always=("the channels are always taken to stand on axis 1, as in PyTorch; the default is the last", changed(axis=1)),
    moving_statistics_swapped=("the moving mean and the moving variance are swapped", with_moving(lambda mean, var: (var, np.abs(mean)))),
    moving_deviation=("the moving variance is taken for a standard deviation", with_moving(lambda mean, variance: (mean, variance**2))),
    momentum_ignored=("momentum is ignored: 0.99 is always used", changed(momentum=0.99)),
    moving_replaced=("the moving statistics become those of the batch, without momentum", changed(momentum=0.0)),
    moving_not_updated=("the moving statistics are not updated in training", with_update(lambda old, batch, momentum: old)),
    momentum_of_pytorch=("momentum is 0.9 unless given, as in PyTorch; the default is 0.99", assuming(momentum=0.9)),
    moving_statistics_not_returned=("in training only the output is returned, not the new moving statistics", with_new(lambda y, *_: y)),
    mask_ignored=("the mask is ignored", changed(mask=None)),
    mask_inverted=("the mask is inverted: True is taken as padding", changed(mask=lambda mask: mask == 0)),
    over_everything=("in training mean and variance are taken over the channels as well", over_axes(lambda x, axes: tuple(range(x.ndim)))),
)


@batch_normalization.by(with_update(_inverted))
def momentum_inverted() -> None:
    """Momentum is the share of the batch, as in PyTorch, instead of that of the old moving statistics."""


@batch_normalization.by(with_update(lambda old, batch, momentum: old * momentum + batch))
def batch_added() -> None:
    """The statistics of the batch are added as a whole: momentum moving + batch."""


for _name, _places in {"mean": MEAN, "variance": VARIANCE}.items():
    batch_normalization.table(
        **{
            f"momentum_inverted_{_name}": (
                f"in the new moving {_name} alone momentum is the share of the batch instead of that of the old moving {_name}",
                with_update(_inverted, _places),
            ),
            f"{_name}_not_updated": (
                f"the moving {_name} is not updated in training, the other one is",
                with_update(lambda old, batch, momentum: old, _places),
            ),
            f"{_name}_replaced": (
                f"the moving {_name} becomes that of the batch, without momentum; the other one moves rightly",
                with_update(lambda old, batch, momentum: batch, _places),
            ),
            f"{_name}_added": (
                f"in the new moving {_name} alone that of the batch is added as a whole: momentum moving + batch",
                with_update(lambda old, batch, momentum: old * momentum + batch, _places),
            ),
        }
    )


@batch_normalization.by(with_variance(lambda variance, count: variance * (count / max(count - 1, 1))))
def unbiased_moving_variance() -> None:
    """Into the moving variance goes the variance divided by N - 1, as in PyTorch, instead of N."""


@batch_normalization.by(with_variance(lambda variance, count: np.sqrt(np.maximum(variance, 0))))
def deviation_into_moving_variance() -> None:
    """Into the moving variance goes the standard deviation of the batch."""


@batch_normalization.by(with_new(lambda y, mean, variance: (y, variance, mean)))
def new_statistics_swapped() -> None:
    """In training the new moving variance is returned before the new moving mean."""


@batch_normalization.by(over_axes(lambda x, axes: (0,)))
def over_the_batch_alone() -> None:
    """In training mean and variance are taken over the batch alone, for every place apart."""


@batch_normalization.by(over_axes(lambda x, axes: axes[1:] if axes[0] == 0 and len(axes) > 1 else axes))
def each_sample_apart() -> None:
    """In training mean and variance are taken for every sample apart (that is instance normalisation)."""


batch_statistics = Shared("BatchNormalization", wrap=with_statistics)


@batch_normalization
def batch_statistics_always(right: Function, *arguments: Any, training: bool = False, **options: Any) -> Any:
    """Mean and variance of the batch are used at inference too, instead of the moving ones."""
    result = right(*arguments, training=True, **options)
    return result if training else result[0]


@batch_normalization
def moving_statistics_always(right: Function, *arguments: Any, **options: Any) -> Any:
    """The moving mean and variance are used in training too, instead of those of the batch."""
    y = right(*arguments, **{**options, "training": False})
    return (y, *right(*arguments, **options)[1:]) if options.get("training") else y


@batch_normalization
def updated_before_use(right: Function, x: Array, gamma: ArrayOrNone, beta: ArrayOrNone, *moving: Array, **options: Any) -> Any:
    """In training the moving statistics are updated first and then used, instead of those of the batch."""
    new = right(x, gamma, beta, *moving, **options)[1:] if options.get("training") else moving
    y = right(x, gamma, beta, *new, **{**options, "training": False})
    return (y, *new) if options.get("training") else y


@batch_statistics
def masked_places_are_zeros(x: Array, own: Statistics, mask: ArrayOrNone) -> MeanAndVariance:
    """Masked places count as zeros in mean and variance instead of not at all."""
    return statistics_over(x if mask is None else x * (mask != 0)[..., None], own.axes)[:2]


@batch_statistics
def nothing_kept_divides_by_0(x: Array, own: Statistics, mask: ArrayOrNone) -> MeanAndVariance:
    """A mask that keeps nothing divides by 0 (the number of kept places is not increased by 1e-7)."""
    nothing = mask is not None and not np.any(mask)
    return (own.mean * np.nan, own.variance * np.nan) if nothing else own[:2]


@batch_normalization
def masked_places_zeroed(right: Function, x: Array, *weights: ArrayOrNone, mask: ArrayOrNone = None, **options: Any) -> Any:
    """Masked places of the output become 0; all places are normalised."""
    return _where_masked(right(x, *weights, mask=mask, **options), mask, 0)


@batch_normalization
def masked_places_kept(right: Function, x: Array, *weights: ArrayOrNone, mask: ArrayOrNone = None, **options: Any) -> Any:
    """Masked places of the output stay as they were; all places are normalised."""
    return _where_masked(right(x, *weights, mask=mask, **options), mask, x)


def _where_masked(result: Any, mask: ArrayOrNone, instead: Any) -> Any:
    y, *moving = result if isinstance(result, tuple) else (result,)
    y = y if mask is None else np.where(mask[..., None] != 0, y, instead)
    return (y, *moving) if moving else y


@batch_normalization
def integers_stay(right: Function, x: Array, *weights: ArrayOrNone, **options: Any) -> Any:
    """The normalised values of whole numbers are cut to whole numbers."""
    result = right(x, *weights, **options)
    return result.astype(x.dtype) if x.dtype.kind == "i" else result


LAYERS = (batch_statistics, batch_normalization)
