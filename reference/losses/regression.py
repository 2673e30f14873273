"""Losses of numbers: how far predictions are from what was measured.

`reduction`, `sample_weight` and `mask` are explained in :mod:`reference.losses.reduction`. Labels ``y`` and predictions ``p`` are
(batch, ..., n); a loss is the mean over the last axis (the sum in :func:`kl_divergence` and :func:`cosine_similarity`), so that the
losses before they are reduced are (batch, ...). Arrays that differ by a last axis of length 1 are given one rank; other shapes broadcast,
(n,) against (batch, n) as well. The dtype is that of `y_pred`. Each ``xyz_backward`` takes the arguments of ``xyz`` and returns the
gradient of `y_pred`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from reference.activations.smooth import softplus
from reference.losses.crossentropy import EPSILON
from reference.losses.reduction import MEAN, Array, PerSample, Reduction, averaged, gradient, prepared, summed_to, value

LOG_2 = float(np.float32(math.log(2)))
"""Keras has this constant in float32 also where it computes in float64."""


def mean_squared_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``mean((y - p)**2)``. Source: keras.losses.MeanSquaredError."""
    return value(_mean_squared_error(y_true, y_pred), reduction, sample_weight, mask)


def mean_squared_error_backward(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``2 (p - y) / n``."""
    return gradient(_mean_squared_error(y_true, y_pred), y_pred, reduction, sample_weight, mask)


def _mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> PerSample:
    y, p = prepared(y_true, y_pred)
    return averaged((y - p) ** 2, 2 * (p - y), p.shape)


def mean_absolute_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``mean(|y - p|)``. Source: keras.losses.MeanAbsoluteError."""
    return value(_mean_absolute_error(y_true, y_pred), reduction, sample_weight, mask)


def mean_absolute_error_backward(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``sign(p - y) / n``, 0 where they are equal."""
    return gradient(_mean_absolute_error(y_true, y_pred), y_pred, reduction, sample_weight, mask)


def _mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> PerSample:
    y, p = prepared(y_true, y_pred)
    return averaged(np.abs(y - p), np.sign(p - y), p.shape)


def mean_absolute_percentage_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``100 mean(|y - p| / max(|y|, 1e-7))``. Source: keras.losses.MeanAbsolutePercentageError."""
    return value(_mean_absolute_percentage_error(y_true, y_pred), reduction, sample_weight, mask)


def mean_absolute_percentage_error_backward(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``100 sign(p - y) / (n max(|y|, 1e-7))``."""
    return gradient(_mean_absolute_percentage_error(y_true, y_pred), y_pred, reduction, sample_weight, mask)


def _mean_absolute_percentage_error(y_true: ArrayLike, y_pred: ArrayLike) -> PerSample:
    y, p = prepared(y_true, y_pred)
    size = np.maximum(np.abs(y), EPSILON)
    found = averaged(np.abs((y - p) / size), np.sign(p - y) / size, p.shape)
    return PerSample(100 * found.losses, lambda g: found.pull(100 * g))


def mean_squared_logarithmic_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``mean((log(1 + max(p, 1e-7)) - log(1 + max(y, 1e-7)))**2)``. Source: keras.losses.MeanSquaredLogarithmicError."""
    return value(_mean_squared_logarithmic_error(y_true, y_pred), reduction, sample_weight, mask)


def mean_squared_logarithmic_error_backward(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``2 (log(1 + p) - log(1 + y)) / (n (1 + p))``, 0 for p below 1e-7."""
    return gradient(_mean_squared_logarithmic_error(y_true, y_pred), y_pred, reduction, sample_weight, mask)


def _mean_squared_logarithmic_error(y_true: ArrayLike, y_pred: ArrayLike) -> PerSample:
    y, p = prepared(y_true, y_pred)
    bounded = np.maximum(p, EPSILON) + 1
    apart = np.log(bounded) - np.log(np.maximum(y, EPSILON) + 1)
    return averaged(apart**2, np.where(p >= EPSILON, 2 * apart / bounded, 0), p.shape)


def huber(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    delta: float = 1.0,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``mean(h(p - y))``: ``h(e) = e**2 / 2`` where ``|e| <= delta``, beyond a line, ``delta |e| - delta**2 / 2``.

    Source: Huber 1964; keras.losses.Huber.
    """
    return value(_huber(y_true, y_pred, delta), reduction, sample_weight, mask)


def huber_backward(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    delta: float = 1.0,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``e / n`` within delta, ``delta sign(e) / n`` beyond."""
    return gradient(_huber(y_true, y_pred, delta), y_pred, reduction, sample_weight, mask)


def _huber(y_true: ArrayLike, y_pred: ArrayLike, delta: float) -> PerSample:
    y, p = prepared(y_true, y_pred)
    error = p - y
    size = np.abs(error)
    losses = np.where(size <= delta, 0.5 * error**2, delta * size - 0.5 * delta**2)
    return averaged(losses, np.clip(error, -delta, delta), p.shape)


def log_cosh(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``mean(log(cosh(e)))``, ``e = p - y``, computed as ``e + softplus(-2 e) - log(2)``. Source: keras.losses.LogCosh."""
    return value(_log_cosh(y_true, y_pred), reduction, sample_weight, mask)


def log_cosh_backward(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``tanh(e) / n``."""
    return gradient(_log_cosh(y_true, y_pred), y_pred, reduction, sample_weight, mask)


def _log_cosh(y_true: ArrayLike, y_pred: ArrayLike) -> PerSample:
    y, p = prepared(y_true, y_pred)
    error = p - y
    return averaged(error + softplus(-2 * error) - LOG_2, np.tanh(error), p.shape)


def poisson(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``mean(p - y log(p + 1e-7))``: the negative log likelihood of counts y at rates p, up to a constant.

    Source: keras.losses.Poisson.
    """
    return value(_poisson(y_true, y_pred), reduction, sample_weight, mask)


def poisson_backward(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``(1 - y / (p + 1e-7)) / n``."""
    return gradient(_poisson(y_true, y_pred), y_pred, reduction, sample_weight, mask)


def _poisson(y_true: ArrayLike, y_pred: ArrayLike) -> PerSample:
    y, p = prepared(y_true, y_pred)
    return averaged(p - y * np.log(p + EPSILON), 1 - y / (p + EPSILON), p.shape)


def kl_divergence(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``sum(y log(y / p))``, both clipped to [1e-7, 1]: how far the distribution p is from y.

    Source: Kullback and Leibler 1951; keras.losses.KLDivergence.
    """
    return value(_kl_divergence(y_true, y_pred), reduction, sample_weight, mask)


def kl_divergence_backward(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``-y / p``, 0 where p was clipped."""
    return gradient(_kl_divergence(y_true, y_pred), y_pred, reduction, sample_weight, mask)


def _kl_divergence(y_true: ArrayLike, y_pred: ArrayLike) -> PerSample:
    y, p = prepared(y_true, y_pred)
    y, q = np.clip(y, EPSILON, 1), np.clip(p, EPSILON, 1)
    slopes = np.where(q == p, -y / q, 0)
    return PerSample(np.asarray(np.sum(y * np.log(y / q), axis=-1)), lambda g: summed_to(g[..., np.newaxis] * slopes, p.shape))


def cosine_similarity(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    axis: int = -1,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``-sum(u v)``, ``u = y / max(|y|, 1e-7)`` and ``v = p / max(|p|, 1e-7)`` along `axis`: -1 in the same direction.

    Source: keras.losses.CosineSimilarity.
    """
    return value(_cosine_similarity(y_true, y_pred, axis), reduction, sample_weight, mask)


def cosine_similarity_backward(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    axis: int = -1,
    reduction: Reduction = MEAN,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """``-(u - v sum(u v)) / |p|``; for a p shorter than 1e-7 only ``-1e7 u``."""
    return gradient(_cosine_similarity(y_true, y_pred, axis), y_pred, reduction, sample_weight, mask)


def _cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike, axis: int) -> PerSample:
    y, p = prepared(y_true, y_pred)
    u, _ = _direction(y, axis)
    v, inverse = _direction(p, axis)
    similarity = np.sum(u * v, axis=axis, keepdims=True)

    def pull(g: Array) -> Array:
        turned = np.where(inverse < 1 / EPSILON, u - v * similarity, u)
        return summed_to(-np.expand_dims(g, axis) * turned * inverse, p.shape)

    return PerSample(-np.squeeze(similarity, axis=axis), pull)


def _direction(x: Array, axis: int) -> tuple[Array, Array]:
    """The vector of length 1, and what it was multiplied by."""
    with np.errstate(divide="ignore"):
        inverse = np.minimum(1 / np.sqrt(np.sum(x * x, axis=axis, keepdims=True)), 1 / EPSILON)
    return x * inverse, inverse
