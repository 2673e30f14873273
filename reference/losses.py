"""Losses, as the functions and classes of keras.losses define them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

EPSILON = 1e-7
"""``keras.config.epsilon()``: how far probabilities are kept from 0 and 1."""

_MEANS = ("sum_over_batch_size", "mean")
_REDUCTIONS = (*_MEANS, "mean_with_sample_weight", "sum", "none", None)


def sparse_categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    from_logits: bool = False,
    reduction: str | None = "sum_over_batch_size",
    sample_weight: ArrayLike | None = None,
    ignore_class: int | None = None,
) -> Array:
    """``-log(softmax(z)[y_true])`` per sample; ``z`` is `y_pred` for logits, ``log(y_pred)`` for probabilities.

    Probabilities are first clipped to [1e-7, 1 - 1e-7]; since the softmax follows, they need not sum to 1.

    Parameters
    ----------
    y_true : array (batch, ...) or (batch, ..., 1)
        Class ids; fractions are cut off.
    y_pred : float array (batch, ..., classes)
        Its dtype is the dtype of the computation.
    from_logits : bool
        Whether `y_pred` holds logits instead of probabilities.
    reduction : "sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none" or None
        The first two divide the sum by the number of values, the third by the sum of the weights.
    sample_weight : array that broadcasts against the losses, or (batch, 1), or None
        Factor of each loss.
    ignore_class : int or None
        Samples of this class have loss 0 and do not count in a mean.

    Returns
    -------
    loss : array () or, without reduction or for an empty batch, (batch, ...)

    Raises
    ------
    ValueError
        For another `reduction`, shapes that do not fit, or a class id outside 0 to classes - 1.

    Source: keras.losses.SparseCategoricalCrossentropy.
    """
    if reduction not in _REDUCTIONS:
        raise ValueError(f"reduction is one of {', '.join(map(str, _REDUCTIONS))}, not {reduction!r}")
    y_pred = np.asarray(y_pred)
    if y_pred.dtype.kind != "f":
        y_pred = y_pred.astype(np.float32)
    labels = np.asarray(y_true)
    if labels.ndim == y_pred.ndim and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if y_pred.ndim == 0 or labels.shape != y_pred.shape[:-1]:
        raise ValueError(f"y_true {labels.shape} and y_pred {y_pred.shape} must agree up to the last axis, the classes")
    kept = None if ignore_class is None else labels != ignore_class
    labels = _class_ids(labels, kept, y_pred.shape[-1])

    logits = y_pred if from_logits else np.log(np.clip(y_pred, EPSILON, 1 - EPSILON))
    shifted = logits - np.max(logits, axis=-1, keepdims=True, initial=-np.inf)
    of_label = np.take_along_axis(shifted, labels[..., np.newaxis], axis=-1)[..., 0]
    losses = np.log(np.sum(np.exp(shifted), axis=-1)) - of_label
    if kept is not None:
        losses = np.where(kept, losses, 0)
    return _reduced(losses, reduction, sample_weight, kept)


def _class_ids(labels: Array, kept: Array | None, classes: int) -> Array:
    """Labels as int64, 0 in place of the ignored ones."""
    ids = labels.astype(np.int64)
    if kept is not None:
        ids = np.where(kept, ids, 0)
    outside = ids[(ids < 0) | (ids >= classes)]
    if outside.size:
        raise ValueError(f"class ids go from 0 to {classes - 1}; y_true holds {outside[0]}")
    return ids


def _reduced(losses: Array, reduction: str | None, sample_weight: ArrayLike | None, kept: Array | None) -> Array:
    """Weigh the losses and reduce them as keras.Loss does."""
    weights = None if sample_weight is None else np.asarray(sample_weight, dtype=losses.dtype)
    if kept is not None:
        mask = kept.astype(losses.dtype)
        if reduction in _MEANS and kept.any():
            # The mean below divides by all values; this turns it into the mean over the kept ones.
            mask = mask * losses.dtype.type(kept.size / np.count_nonzero(kept))
        mask, weights = _same_rank(mask, weights)
        weights = mask if weights is None else weights * mask
    losses, weights = _same_rank(losses, weights)
    if weights is not None:
        losses = np.asarray(losses * weights)
    if reduction in ("none", None) or losses.shape in ((), (0,)):
        return losses
    total = np.sum(losses)
    if reduction == "sum":
        return np.asarray(total)
    divisor = np.sum(weights) if reduction == "mean_with_sample_weight" and weights is not None else losses.size
    return np.asarray(total / divisor if divisor else 0, dtype=losses.dtype)


def _same_rank(values: Array, weights: Array | None) -> tuple[Array, Array | None]:
    """Give values and weights the same rank where they differ by a last axis of length 1."""
    if weights is None or abs(values.ndim - weights.ndim) != 1:
        return values, weights
    if weights.ndim > values.ndim and weights.shape[-1] == 1:
        return (values[:, np.newaxis], weights) if values.ndim == 1 else (values, weights[..., 0])
    if values.ndim > weights.ndim and values.shape[-1] == 1:
        return (values, weights[:, np.newaxis]) if weights.ndim == 1 else (values[..., 0], weights)
    return values, weights
