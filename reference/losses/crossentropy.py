"""Cross-entropies: how many nats the predicted probabilities spend on the true classes.

`reduction`, `sample_weight` and `mask` are explained in :mod:`reference.losses.reduction`. Shapes: labels and predictions are
(batch, ..., classes), the classes along `axis`; the losses before they are reduced are (batch, ...). The dtype is that of `y_pred`.
`label_smoothing` a moves the labels towards equal shares. Each ``xyz_backward`` takes the arguments of ``xyz`` and returns the gradient of
`y_pred`: the exact derivative of what is computed, so 0 where a probability was clipped.

Probabilities are clipped to [1e-7, 1 - 1e-7] before the logarithm. A model that ends in a softmax or sigmoid is trained by Keras on the
logits below it (``from_logits=True``), whatever the loss is told.
"""

from __future__ import annotations

from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from reference.activations.rowwise import log_softmax, softmax
from reference.activations.smooth import sigmoid
from reference.losses.loss import backward_of, loss
from reference.losses.reduction import Array, PerSample, Reducing, averaged, prepared

__all__ = [
    "binary_crossentropy", "binary_crossentropy_backward", "binary_focal_crossentropy", "binary_focal_crossentropy_backward",
    "categorical_crossentropy", "categorical_crossentropy_backward", "categorical_focal_crossentropy",
    "categorical_focal_crossentropy_backward", "sparse_categorical_crossentropy", "sparse_categorical_crossentropy_backward",
]  # fmt: skip

EPSILON = 1e-7
"""``keras.config.epsilon()``: how far probabilities are kept from 0 and 1."""

Factor = float | ArrayLike


@loss
def categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    **how: Unpack[Reducing],
) -> PerSample:
    """``-sum_c y_c log(q_c)``, ``q = clip(p / sum(p))`` of probabilities p, or ``q = softmax(z)`` of logits z.

    Smoothed labels are ``y (1 - a) + a / C``; C is the length of the last axis, also where `axis` is another one.

    ValueError if labels and predictions differ in shape. Source: keras.losses.CategoricalCrossentropy.

    Gradient: ``softmax(z) - y`` for logits (as Keras has it: right for labels that add up to 1); for probabilities through the two steps.
    """
    y, p = _alike(y_true, y_pred)
    y = _smoothed(y, label_smoothing, y.shape[-1])
    if from_logits:
        # Where a label is 0 the logarithm does not count, even if it is minus infinity.
        terms = np.where(y == 0, 0, y * log_softmax(p, axis=axis))
        return PerSample(-np.sum(terms, axis=axis), lambda g: np.asarray(np.expand_dims(g, axis) * (softmax(p, axis=axis) - y)))
    q, inside, total = _shares(p, axis)

    def pull(g: Array) -> Array:
        return np.asarray(_through_shares(np.where(inside, -y / q, 0), p, total, axis) * np.expand_dims(g, axis))

    return PerSample(-np.sum(y * np.log(q), axis=axis), pull)


categorical_crossentropy_backward = backward_of(categorical_crossentropy)


@loss
def sparse_categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
    **how: Unpack[Reducing],
) -> PerSample:
    """``-log(softmax(z)[y])`` for a class id y; ``z`` is `y_pred` for logits, ``log(clip(y_pred))`` for probabilities.

    Since the softmax follows the clipping, probabilities need not add up to 1. `y_true` is (batch, ...) or (batch, ..., 1); fractions
    are cut off. Samples of `ignore_class` have loss 0 and do not count in a mean.

    ValueError for an `axis` that is not the last, shapes that do not fit, or a class id outside 0 to classes - 1.
    Source: keras.losses.SparseCategoricalCrossentropy.

    Gradient: ``softmax(z) - one_hot(y)`` for logits; divided by the probability where that was not clipped.
    """
    p = np.asarray(y_pred)
    if p.dtype.kind != "f":
        p = p.astype(np.float32)
    labels = np.asarray(y_true)
    if labels.ndim == p.ndim and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if p.ndim == 0 or labels.shape != p.shape[:-1]:
        raise ValueError(f"y_true {labels.shape} and y_pred {p.shape} must agree up to the last axis, the classes")
    if axis not in (-1, p.ndim - 1):
        raise ValueError(f"the classes are the last axis of y_pred, not axis {axis}")
    kept = None if ignore_class is None else labels != ignore_class
    labels = _class_ids(labels, kept, p.shape[-1])
    clipped = np.clip(p, EPSILON, 1 - EPSILON)
    z = p if from_logits else np.log(clipped)
    losses = -np.take_along_axis(log_softmax(z), labels[..., np.newaxis], axis=-1)[..., 0]
    counts = np.ones(labels.shape, bool) if kept is None else kept

    def pull(g: Array) -> Array:
        of_logits = softmax(z) - (labels[..., np.newaxis] == np.arange(p.shape[-1]))
        slopes = of_logits if from_logits else np.where(clipped == p, of_logits / clipped, 0)
        return np.where(counts[..., np.newaxis], slopes, 0).astype(p.dtype) * g[..., np.newaxis]

    return PerSample(np.where(counts, losses, 0).astype(p.dtype), pull, kept)


sparse_categorical_crossentropy_backward = backward_of(sparse_categorical_crossentropy)


@loss
def binary_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    **how: Unpack[Reducing],
) -> PerSample:
    """Mean over `axis` of ``-y log(q) - (1 - y) log(1 - q)``, ``q = clip(p)`` of probabilities or ``sigmoid(z)`` of logits.

    Of logits it is computed as ``max(z, 0) - z y + log(1 + exp(-|z|))``. Smoothed labels are ``y (1 - a) + a / 2``.

    ValueError if labels and predictions differ in shape. Source: keras.losses.BinaryCrossentropy.

    Gradient: ``(sigmoid(z) - y) / n`` for n logits along `axis`; ``((1 - y) / (1 - q) - y / q) / n`` for probabilities.
    """
    y, p = _alike(y_true, y_pred)
    return averaged(*_binary_terms(_smoothed(y, label_smoothing, 2), p, from_logits), p.shape, axis)


binary_crossentropy_backward = backward_of(binary_crossentropy)


def _binary_terms(y: Array, p: Array, from_logits: bool) -> tuple[Array, Array]:
    """The binary cross-entropy of every label, and its derivative."""
    if from_logits:
        return np.maximum(p, 0) - p * y + np.log1p(np.exp(-np.abs(p))), sigmoid(p) - y
    q = np.clip(p, EPSILON, 1 - EPSILON)
    return -(y * np.log(q) + (1 - y) * np.log(1 - q)), np.where(p == q, (1 - y) / (1 - q) - y / q, 0).astype(p.dtype)


@loss
def binary_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    **how: Unpack[Reducing],
) -> PerSample:
    """Mean over `axis` of ``b (1 - s)**gamma H``: H the binary cross-entropy, ``s = y p + (1 - y) (1 - p)``, p the (unclipped) probability.

    ``b = alpha y + (1 - alpha) (1 - y)`` with `apply_class_balancing`, else 1.

    Source: Lin et al. 2018, arXiv:1708.02002; keras.losses.BinaryFocalCrossentropy.

    Gradient: ``b ((1 - s)**gamma H' - gamma (1 - s)**(gamma - 1) s' H) / n``, ``s' = 2 y - 1``.
    """
    y, z = _alike(y_true, y_pred)
    y = _smoothed(y, label_smoothing, 2)
    p = sigmoid(z) if from_logits else z
    entropy, slope = _binary_terms(y, z, from_logits)
    missed = 1 - (y * p + (1 - y) * (1 - p))
    closer = (2 * y - 1) * (p * (1 - p) if from_logits else 1)
    weight = y * alpha + (1 - y) * (1 - alpha) if apply_class_balancing else np.ones_like(y)
    slopes = weight * (missed**gamma * slope - gamma * missed ** (gamma - 1) * closer * entropy)
    return averaged(weight * missed**gamma * entropy, slopes, z.shape, axis)


binary_focal_crossentropy_backward = backward_of(binary_focal_crossentropy)


@loss
def categorical_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    alpha: Factor = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    **how: Unpack[Reducing],
) -> PerSample:
    """``-sum_c alpha (1 - q_c)**gamma y_c log(q_c)``, ``q = clip(p / sum(p))``; of logits ``p = softmax(z)``. `alpha` may be one a class.

    Source: Lin et al. 2018, arXiv:1708.02002; keras.losses.CategoricalFocalCrossentropy.

    Gradient: ``alpha y (gamma (1 - q)**(gamma - 1) log(q) - (1 - q)**gamma / q)`` by q, then through the shares and the softmax.
    """
    y, z = _alike(y_true, y_pred)
    y = _smoothed(y, label_smoothing, y.shape[-1])
    p = softmax(z, axis=axis) if from_logits else z
    q, inside, total = _shares(p, axis)
    factor = np.asarray(alpha, z.dtype)
    losses = np.sum(factor * (1 - q) ** gamma * (-y * np.log(q)), axis=axis)

    def pull(g: Array) -> Array:
        slopes = factor * y * (gamma * (1 - q) ** (gamma - 1) * np.log(q) - (1 - q) ** gamma / q)
        of_p = _through_shares(np.where(inside, slopes, 0), p, total, axis)
        if from_logits:
            of_p = p * (of_p - np.sum(of_p * p, axis=axis, keepdims=True))
        return np.asarray(of_p * np.expand_dims(g, axis))

    return PerSample(np.asarray(losses), pull)


categorical_focal_crossentropy_backward = backward_of(categorical_focal_crossentropy)


def _alike(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Labels and predictions, which must be of one shape."""
    y, p = prepared(y_true, y_pred)
    if y.shape != p.shape:
        raise ValueError(f"y_true {y.shape} and y_pred {p.shape} must have the same shape")
    return y, p


def _smoothed(y: Array, label_smoothing: float, classes: int) -> Array:
    """Labels of which a part is spread over all classes."""
    return y * (1 - label_smoothing) + label_smoothing / classes if label_smoothing else y


def _shares(p: Array, axis: int) -> tuple[Array, Array, Array]:
    """``clip(p / sum(p))``, where that did not clip, and the sum."""
    total = np.sum(p, axis=axis, keepdims=True)
    shares = p / total
    q = np.clip(shares, EPSILON, 1 - EPSILON)
    return q, (q == shares) | np.isnan(shares), total


def _through_shares(slopes: Array, p: Array, total: Array, axis: int) -> Array:
    """The gradient of p from that of ``p / sum(p)``."""
    return np.asarray((slopes - np.sum(slopes * p / total, axis=axis, keepdims=True)) / total)


def _class_ids(labels: Array, kept: Array | None, classes: int) -> Array:
    """Labels as int64, 0 in place of the ignored ones."""
    ids = labels.astype(np.int64)
    if kept is not None:
        ids = np.where(kept, ids, 0)
    outside = ids[(ids < 0) | (ids >= classes)]
    if outside.size:
        raise ValueError(f"class ids go from 0 to {classes - 1}; y_true holds {outside[0]}")
    return ids
