"""Losses of numbers: how far predictions are from what was measured.

`reduction`, `sample_weight` and `mask` are explained in :mod:`reference.losses.reduction`. Labels ``y`` and predictions ``p`` are
(batch, ..., n); a loss is the mean over the last axis (the sum in :func:`kl_divergence` and :func:`cosine_similarity`), so that the
losses before they are reduced are (batch, ...). Arrays that differ by a last axis of length 1 are given one rank; other shapes broadcast,
(n,) against (batch, n) as well. The dtype is that of `y_pred`. Each ``xyz_backward`` takes the arguments of ``xyz`` and returns the
gradient of `y_pred`.
"""

from __future__ import annotations

import math
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from reference.activations.smooth import softplus
from reference.losses.crossentropy import EPSILON
from reference.losses.loss import backward_of, loss
from reference.losses.reduction import Array, PerSample, Reducing, averaged, prepared, summed_to

__all__ = [
    "cosine_similarity", "cosine_similarity_backward", "huber", "huber_backward", "kl_divergence", "kl_divergence_backward", "log_cosh",
    "log_cosh_backward", "mean_absolute_error", "mean_absolute_error_backward", "mean_absolute_percentage_error",
    "mean_absolute_percentage_error_backward", "mean_squared_error", "mean_squared_error_backward", "mean_squared_logarithmic_error",
    "mean_squared_logarithmic_error_backward", "poisson", "poisson_backward",
]  # fmt: skip

LOG_2 = float(np.float32(math.log(2)))
"""Keras has this constant in float32 also where it computes in float64."""


@loss
def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike, **how: Unpack[Reducing]) -> PerSample:
    """``mean((y - p)**2)``. Source: keras.losses.MeanSquaredError.

    Gradient: ``2 (p - y) / n``.
    """
    y, p = prepared(y_true, y_pred)
    return averaged((y - p) ** 2, 2 * (p - y), p.shape)


mean_squared_error_backward = backward_of(mean_squared_error)


@loss
def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike, **how: Unpack[Reducing]) -> PerSample:
    """``mean(|y - p|)``. Source: keras.losses.MeanAbsoluteError.

    Gradient: ``sign(p - y) / n``, 0 where they are equal.
    """
    y, p = prepared(y_true, y_pred)
    return averaged(np.abs(y - p), np.sign(p - y), p.shape)


mean_absolute_error_backward = backward_of(mean_absolute_error)


@loss
def mean_absolute_percentage_error(y_true: ArrayLike, y_pred: ArrayLike, **how: Unpack[Reducing]) -> PerSample:
    """``100 mean(|y - p| / max(|y|, 1e-7))``. Source: keras.losses.MeanAbsolutePercentageError.

    Gradient: ``100 sign(p - y) / (n max(|y|, 1e-7))``.
    """
    y, p = prepared(y_true, y_pred)
    size = np.maximum(np.abs(y), EPSILON)
    found = averaged(np.abs((y - p) / size), np.sign(p - y) / size, p.shape)
    return PerSample(100 * found.losses, lambda g: found.pull(100 * g))


mean_absolute_percentage_error_backward = backward_of(mean_absolute_percentage_error)


@loss
def mean_squared_logarithmic_error(y_true: ArrayLike, y_pred: ArrayLike, **how: Unpack[Reducing]) -> PerSample:
    """``mean((log(1 + max(p, 1e-7)) - log(1 + max(y, 1e-7)))**2)``. Source: keras.losses.MeanSquaredLogarithmicError.

    Gradient: ``2 (log(1 + p) - log(1 + y)) / (n (1 + p))``, 0 for p below 1e-7.
    """
    y, p = prepared(y_true, y_pred)
    bounded = np.maximum(p, EPSILON) + 1
    apart = np.log(bounded) - np.log(np.maximum(y, EPSILON) + 1)
    return averaged(apart**2, np.where(p >= EPSILON, 2 * apart / bounded, 0), p.shape)


mean_squared_logarithmic_error_backward = backward_of(mean_squared_logarithmic_error)


@loss
def huber(y_true: ArrayLike, y_pred: ArrayLike, *, delta: float = 1.0, **how: Unpack[Reducing]) -> PerSample:
    """``mean(h(p - y))``: ``h(e) = e**2 / 2`` where ``|e| <= delta``, beyond a line, ``delta |e| - delta**2 / 2``.

    Source: Huber 1964; keras.losses.Huber.

    Gradient: ``e / n`` within delta, ``delta sign(e) / n`` beyond.
    """
    y, p = prepared(y_true, y_pred)
    error = p - y
    size = np.abs(error)
    losses = np.where(size <= delta, 0.5 * error**2, delta * size - 0.5 * delta**2)
    return averaged(losses, np.clip(error, -delta, delta), p.shape)


huber_backward = backward_of(huber)


@loss
def log_cosh(y_true: ArrayLike, y_pred: ArrayLike, **how: Unpack[Reducing]) -> PerSample:
    """``mean(log(cosh(e)))``, ``e = p - y``, computed as ``e + softplus(-2 e) - log(2)``. Source: keras.losses.LogCosh.

    Gradient: ``tanh(e) / n``.
    """
    y, p = prepared(y_true, y_pred)
    error = p - y
    return averaged(error + softplus(-2 * error) - LOG_2, np.tanh(error), p.shape)


log_cosh_backward = backward_of(log_cosh)


@loss
def poisson(y_true: ArrayLike, y_pred: ArrayLike, **how: Unpack[Reducing]) -> PerSample:
    """``mean(p - y log(p + 1e-7))``: the negative log likelihood of counts y at rates p, up to a constant.

    Source: keras.losses.Poisson.

    Gradient: ``(1 - y / (p + 1e-7)) / n``.
    """
    y, p = prepared(y_true, y_pred)
    return averaged(p - y * np.log(p + EPSILON), 1 - y / (p + EPSILON), p.shape)


poisson_backward = backward_of(poisson)


@loss
def kl_divergence(y_true: ArrayLike, y_pred: ArrayLike, **how: Unpack[Reducing]) -> PerSample:
    """``sum(y log(y / p))``, both clipped to [1e-7, 1]: how far the distribution p is from y.

    Source: Kullback and Leibler 1951; keras.losses.KLDivergence.

    Gradient: ``-y / p``, 0 where p was clipped.
    """
    y, p = prepared(y_true, y_pred)
    y, q = np.clip(y, EPSILON, 1), np.clip(p, EPSILON, 1)
    slopes = np.where(q == p, -y / q, 0)
    return PerSample(np.asarray(np.sum(y * np.log(y / q), axis=-1)), lambda g: summed_to(g[..., np.newaxis] * slopes, p.shape))


kl_divergence_backward = backward_of(kl_divergence)


@loss
def cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike, *, axis: int = -1, **how: Unpack[Reducing]) -> PerSample:
    """``-sum(u v)``, ``u = y / max(|y|, 1e-7)`` and ``v = p / max(|p|, 1e-7)`` along `axis`: -1 in the same direction.

    Source: keras.losses.CosineSimilarity.

    Gradient: ``-(u - v sum(u v)) / |p|``; for a p shorter than 1e-7 only ``-1e7 u``.
    """
    y, p = prepared(y_true, y_pred)
    u, _ = _direction(y, axis)
    v, inverse = _direction(p, axis)
    similarity = np.sum(u * v, axis=axis, keepdims=True)

    def pull(g: Array) -> Array:
        turned = np.where(inverse < 1 / EPSILON, u - v * similarity, u)
        return summed_to(-np.expand_dims(g, axis) * turned * inverse, p.shape)

    return PerSample(-np.squeeze(similarity, axis=axis), pull)


cosine_similarity_backward = backward_of(cosine_similarity)


def _direction(x: Array, axis: int) -> tuple[Array, Array]:
    """The vector of length 1, and what it was multiplied by."""
    with np.errstate(divide="ignore"):
        inverse = np.minimum(1 / np.sqrt(np.sum(x * x, axis=axis, keepdims=True)), 1 / EPSILON)
    return x * inverse, inverse
