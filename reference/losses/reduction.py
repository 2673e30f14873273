"""How the losses of single samples become one value, and what each of them contributes to its derivative.

Every loss of Keras is computed in two parts: a loss for each sample (or each step of a sample), and then::

    sum_i w_i l_i / n

The weights ``w`` are `sample_weight`, 0 where `mask` (or an ignored class) hides a loss. What divides is `reduction`:

"sum_over_batch_size", "mean"
    The number of losses, those of weight 0 included; but where there is a mask, the number of losses that it keeps.
"mean_with_sample_weight"
    The sum of the weights as they are given (before they are broadcast).
"sum"
    1.
"none", None
    Nothing is added up or divided: the value is an array of ``w_i l_i``. The same holds for a single loss, and for an empty batch.

Where nothing is kept, the mean is 0. Source: keras.losses.Loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Reduction = str | None

MEAN = "sum_over_batch_size"
_MEANS = (MEAN, "mean")
_REDUCTIONS = (*_MEANS, "mean_with_sample_weight", "sum", "none", None)


class PerSample(NamedTuple):
    """Losses before they are reduced.

    Attributes
    ----------
    losses : array (batch, ...)
    pull : callable
        Turns a gradient of `losses` into one of the predictions.
    kept : bool array as `losses`, or None
        Which of them count, where the loss itself ignores some.
    """

    losses: Array
    pull: Callable[[Array], Array]
    kept: Array | None = None


class Reducing(TypedDict, total=False):
    """Keyword arguments that every loss takes, with Keras's names and defaults; what they do stands above.

    reduction : str or None
        "sum_over_batch_size" where it is not given.
    sample_weight : array (batch, ...) or (batch, ..., 1), optional
        The factor of each loss.
    mask : bool array (batch, ...), optional
        True where a loss counts.
    """

    reduction: Reduction
    sample_weight: ArrayLike | None
    mask: ArrayLike | None


def value(found: PerSample, **how: Unpack[Reducing]) -> Array:
    """The losses, weighted and reduced."""
    return reduced(found, **how)[0]


def gradient(found: PerSample, y_pred: ArrayLike, **how: Unpack[Reducing]) -> Array:
    """The derivative of the value by `y_pred`; without a reduction, that of the sum of the weighted losses."""
    return found.pull(reduced(found, **how)[1]).reshape(np.shape(y_pred))


def prepared(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Labels and predictions in the dtype of the predictions (float32 where that is none of floats) and of the same rank."""
    p = np.asarray(y_pred)
    if p.dtype.kind != "f":
        p = p.astype(np.float32)
    return same_rank(np.asarray(y_true).astype(p.dtype), p)


def averaged(errors: Array, slopes: Array, shape: tuple[int, ...], axis: int = -1) -> PerSample:
    """The mean of `errors` over an axis; `slopes` are their derivatives by predictions of this `shape`."""
    count = errors.shape[axis]
    return PerSample(np.asarray(np.mean(errors, axis=axis)), lambda g: summed_to(np.expand_dims(g, axis) * slopes / count, shape))


def same_rank(one: Array, other: Array) -> tuple[Array, Array]:
    """Give two arrays the same rank where they differ by a last axis of length 1: (5,) and (5, 1) are both (5, 1)."""
    if one.ndim == other.ndim + 1 and one.shape[-1] == 1:
        return (one, other[:, np.newaxis]) if other.ndim == 1 else (one[..., 0], other)
    if other.ndim == one.ndim + 1 and other.shape[-1] == 1:
        return (one[:, np.newaxis], other) if one.ndim == 1 else (one, other[..., 0])
    return one, other


def summed_to(array: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of an array of this shape from that of its broadcast: copies add up."""
    array = array.sum(axis=tuple(range(array.ndim - len(shape))))
    stretched = tuple(n for n, size in enumerate(shape) if size == 1 and array.shape[n] != 1)
    return np.asarray(array.sum(axis=stretched, keepdims=True))


def reduced(
    found: PerSample, *, reduction: Reduction = MEAN, sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None
) -> tuple[Array, Array]:
    """The value, and its derivative by each of the losses; ValueError for another reduction."""
    if reduction not in _REDUCTIONS:
        raise ValueError(f"reduction is one of {', '.join(map(str, _REDUCTIONS))}, not {reduction!r}")
    losses = found.losses
    given = _weights(losses, found.kept, reduction, sample_weight, mask)
    values, weights = same_rank(losses, np.ones_like(losses) if given is None else given)
    weighted = np.asarray(values * weights)
    divisor: Any = 1
    if reduction not in ("none", None, "sum") and weighted.shape not in ((), (0,)):
        divisor = np.sum(weights) if reduction == "mean_with_sample_weight" and given is not None else weighted.size
    if reduction in ("none", None) or weighted.shape in ((), (0,)):
        total = weighted
    else:
        total = np.asarray(np.sum(weighted) / divisor if divisor else 0, dtype=losses.dtype)
    shares = np.broadcast_to(weights / divisor if divisor else 0 * weights, weighted.shape)
    return total, summed_to(shares, values.shape).reshape(losses.shape)


def _weights(
    losses: Array, kept: Array | None, reduction: Reduction, sample_weight: ArrayLike | None, mask: ArrayLike | None
) -> Array | None:
    """The factor of each loss, or None."""
    weights = None if sample_weight is None else np.asarray(sample_weight, dtype=losses.dtype)
    if mask is not None:
        kept = np.asarray(mask, bool) if kept is None else kept & np.asarray(mask, bool)
    if kept is None:
        return weights
    counts = kept.astype(losses.dtype)
    if reduction in _MEANS and kept.any():
        # The mean divides by all values; this turns it into the mean over the kept ones.
        counts = counts * losses.dtype.type(kept.size / np.count_nonzero(kept))
    if weights is None:
        return counts
    counts, weights = same_rank(counts, weights)
    return np.asarray(weights * counts)
