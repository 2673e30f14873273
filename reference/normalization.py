"""Normalisation layers: values are moved and scaled to mean 0 and variance 1, then to a learned mean and scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def batch_normalization_forward(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    moving_mean: Array,
    moving_variance: Array,
    *,
    axis: int = -1,
    epsilon: float = 1e-3,
    training: bool = False,
    momentum: float = 0.99,
    mask: Array | None = None,
) -> Array | tuple[Array, Array, Array]:
    r"""Batch normalisation: ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, each index of `axis` on its own.

    Mean and variance are the moving ones; in training they are those of the batch, the variance divided by N, and

    ``moving' = momentum * moving + (1 - momentum) * batch``.

    Parameters
    ----------
    x : array (batch, ..., channels)
        Integers become float32.
    gamma, beta : arrays (channels,) or None
        1 and 0 where None (``scale=False``, ``center=False``).
    moving_mean, moving_variance : arrays (channels,)
    axis : int
        The axis of the channels.
    epsilon : float
        Added to the variance, under the root.
    training : bool
    momentum : float
        Share of the moving statistics that a step keeps (1 minus what other libraries call momentum).
    mask : array that broadcasts to the leading axes of `x`, all but the last, optional
        True where a position counts; in training the statistics are those of such positions alone, their number increased by
        1e-7. All positions are normalised.

    Returns
    -------
    y : array with the shape of `x`
    new_moving_mean, new_moving_variance : arrays (channels,), only with ``training=True``

    Raises
    ------
    ValueError
        If a weight does not have one value for each channel, or the mask another rank than the leading axes.

    Source: Ioffe and Szegedy 2015, arXiv:1502.03167; keras.layers.BatchNormalization.
    """
    x = _floating(x)
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    for name, weight in (("gamma", gamma), ("beta", beta), ("moving_mean", moving_mean), ("moving_variance", moving_variance)):
        if weight is not None and weight.shape != (x.shape[axis],):
            raise ValueError(f"{name} must have one value for each of {x.shape[axis]} channels, got the shape {weight.shape}")
    mean, variance = moving_mean.reshape(shape), moving_variance.reshape(shape)
    if training:
        mean, variance = _batch_statistics(x, axis, mask)
    y = _normalized(x, mean, variance, epsilon, *(None if one is None else one.reshape(shape) for one in (gamma, beta)))
    if not training:
        return y
    moved = (
        moving * momentum + batch.reshape(-1) * (1 - momentum)
        for moving, batch in ((moving_mean, mean), (moving_variance, variance))
    )
    new_mean, new_variance = (one.astype(x.dtype) for one in moved)
    return y, new_mean, new_variance


def layer_normalization_forward(
    x: Array, gamma: Array | None = None, beta: Array | None = None, *, axis: int | Sequence[int] = -1, epsilon: float = 1e-3
) -> Array:
    r"""Layer normalisation: ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, over `axis` of each sample.

    Parameters
    ----------
    x : array (batch, ..., features)
    gamma, beta : arrays of the shape of `x` along `axis`, or None
        1 and 0 where None (``scale=False``, ``center=False``).
    axis : int or sequence of int
        Axes over which mean and variance (divided by N) are taken; several are sorted.
    epsilon : float
        Added to the variance, under the root.

    Returns
    -------
    y : array with the shape of `x`

    Raises
    ------
    ValueError
        If `gamma` or `beta` does not have the shape of `x` along `axis`.

    Source: Ba, Kiros and Hinton 2016, arXiv:1607.06450; keras.layers.LayerNormalization.
    """
    x = _floating(x)
    axes = (axis,) if isinstance(axis, int) else tuple(sorted(axis))
    own = tuple(x.shape[one] for one in axes)
    places = {one % x.ndim for one in axes}
    shape = [size if place in places else 1 for place, size in enumerate(x.shape)]
    for name, weight in (("gamma", gamma), ("beta", beta)):
        if weight is not None and weight.shape != own:
            raise ValueError(f"{name} must have the shape {own}, got {weight.shape}")
    mean, variance = _statistics(x, axes)
    return _normalized(x, mean, variance, epsilon, *(None if one is None else one.reshape(shape) for one in (gamma, beta)))


def _normalized(x: Array, mean: Array, variance: Array, epsilon: float, gamma: Array | None, beta: Array | None) -> Array:
    inverse = 1 / np.sqrt(variance + epsilon)
    y = (x - mean) * (inverse if gamma is None else inverse * gamma)
    return np.asarray(y if beta is None else y + beta, dtype=x.dtype)


def _statistics(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Mean and variance over `axes`, accumulated in float64, with those axes of length 1."""
    mean = np.asarray(np.mean(x, axis=axes, keepdims=True, dtype=np.float64))
    return mean, np.asarray(np.mean(np.square(x - mean), axis=axes, keepdims=True))


def _batch_statistics(x: Array, axis: int, mask: Array | None) -> tuple[Array, Array]:
    """Mean and variance over all axes but one, of the positions that the mask keeps."""
    axes = tuple(place for place in range(x.ndim) if place != axis % x.ndim)
    if mask is None:
        return _statistics(x, axes)
    if mask.ndim != x.ndim - 1:
        raise ValueError(f"a mask for an array of rank {x.ndim} has the rank {x.ndim - 1}, got the shape {mask.shape}")
    weight = np.broadcast_to((mask != 0)[..., None], x.shape).astype(np.float64)
    total = np.sum(weight, axis=axes, keepdims=True) + 1e-7
    mean = np.sum(x * weight, axis=axes, keepdims=True) / total
    return mean, np.sum(weight * np.square(x - mean), axis=axes, keepdims=True) / total


def _floating(x: Array) -> Array:
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float32)
