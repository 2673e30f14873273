"""Mistakes in the formula of BatchNormalization and LayerNormalization, written out with the places open at which people go wrong."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, Shared

Array = NDArray[Any]
Axes = tuple[int, ...]
Statistics = tuple[Array, Array]


def formula(x: Array, mean: Array, variance: Array, epsilon: float, gamma: Array | float, beta: Array | float) -> Array:
    """What both layers compute from mean and variance."""
    return np.asarray((x - mean) / np.sqrt(variance + epsilon) * gamma + beta)


def statistics(x: Array, axes: Axes, weight: Any = None) -> Statistics:
    """Mean and variance over `axes`, of the positions that `weight` counts."""
    if weight is None:
        return np.mean(x, axis=axes, keepdims=True), np.var(x, axis=axes, keepdims=True)
    total = np.sum(np.broadcast_to(weight, x.shape), axis=axes, keepdims=True) + 1e-7
    mean = np.sum(x * weight, axis=axes, keepdims=True) / total
    return mean, np.sum(weight * np.square(x - mean), axis=axes, keepdims=True) / total


def moved(moving: Array, batch: Array, momentum: float) -> Array:
    """A moving statistic after a step."""
    return moving * momentum + batch * (1 - momentum)


def plain_batch_normalization(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    moving_mean: Array,
    moving_variance: Array,
    *,
    formula: Callable[..., Array] = formula,
    statistics: Callable[..., Statistics] = statistics,
    chosen: Callable[..., Statistics] = lambda moving, batch, training, momentum: batch if training else moving,
    move: Callable[..., Array] = moved,
    axis: int = -1,
    epsilon: float = 1e-3,
    training: bool = False,
    momentum: float = 0.99,
    mask: Array | None = None,
) -> Any:
    """Batch normalisation."""
    x = x if x.dtype.kind == "f" else x.astype(np.float32)
    shape = [-1 if place == axis % x.ndim else 1 for place in range(x.ndim)]
    axes = tuple(place for place in range(x.ndim) if place != axis % x.ndim)
    weight = None if mask is None else (mask != 0)[..., None].astype(x.dtype)
    moving = (moving_mean.reshape(shape), moving_variance.reshape(shape))
    batch = statistics(x, axes, weight) if x.size else moving
    scale, offset = (default if one is None else one.reshape(shape) for one, default in ((gamma, 1.0), (beta, 0.0)))
    y = np.asarray(formula(x, *chosen(moving, batch, training, momentum), epsilon, scale, offset), dtype=x.dtype)
    if not training:
        return y
    channels = [np.asarray(one).mean(axis=axes, keepdims=True).reshape(-1) for one in batch]
    return y, *(move(old, new, momentum).astype(x.dtype) for old, new in zip((moving_mean, moving_variance), channels, strict=True))


def plain_layer_normalization(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    formula: Callable[..., Array] = formula,
    statistics: Callable[..., Statistics] = statistics,
    axis: Any = -1,
    epsilon: float = 1e-3,
) -> Array:
    """Layer normalisation."""
    axes = tuple(sorted((axis,) if isinstance(axis, int) else axis))
    places = {one % x.ndim for one in axes}
    shape = [size if place in places else 1 for place, size in enumerate(x.shape)]
    scale, offset = (default if one is None else one.reshape(shape) for one, default in ((gamma, 1.0), (beta, 0.0)))
    return np.asarray(formula(x, *statistics(x, axes), epsilon, scale, offset), dtype=x.dtype)


PLAIN: dict[str, Function] = {
    "batch_normalization_forward": plain_batch_normalization,
    "layer_normalization_forward": plain_layer_normalization,
}


def with_place(place: str) -> Callable[[Function], Function]:
    """A layer of which one place of the plain formula is replaced."""

    def wrap(replaced: Function) -> Function:
        def function(right: Function, *arguments: Any, **options: Any) -> Any:
            return PLAIN[right.__name__](*arguments, **{place: replaced}, **options)

        return function

    return wrap


BOTH = ("BatchNormalization", "LayerNormalization")

formulas = Shared(*BOTH, wrap=with_place("formula"))
spreads = Shared(*BOTH, wrap=with_place("statistics"))
layers = Shared(*BOTH)
layer_normalization = Shared("LayerNormalization")


@formulas
def epsilon_outside_the_root(x: Array, mean: Array, variance: Array, epsilon: float, gamma: Any, beta: Any) -> Array:
    """Epsilon is added to the standard deviation, outside the root."""
    return np.asarray((x - mean) / (np.sqrt(variance) + epsilon) * gamma + beta)


@formulas
def epsilon_left_out(x: Array, mean: Array, variance: Array, epsilon: float, gamma: Any, beta: Any) -> Array:
    """Epsilon is left out."""
    return formula(x, mean, variance, 0, gamma, beta)


@formulas
def root_left_out(x: Array, mean: Array, variance: Array, epsilon: float, gamma: Any, beta: Any) -> Array:
    """It divides by the variance instead of its root."""
    return np.asarray((x - mean) / (variance + epsilon) * gamma + beta)


@formulas
def mean_not_subtracted(x: Array, mean: Array, variance: Array, epsilon: float, gamma: Any, beta: Any) -> Array:
    """The mean is not subtracted."""
    return formula(x, 0 * mean, variance, epsilon, gamma, beta)


@formulas
def variance_not_used(x: Array, mean: Array, variance: Array, epsilon: float, gamma: Any, beta: Any) -> Array:
    """The mean is subtracted, but nothing divided by the deviation."""
    return np.asarray((x - mean) * gamma + beta)


@formulas
def gamma_left_out(x: Array, mean: Array, variance: Array, epsilon: float, gamma: Any, beta: Any) -> Array:
    """Gamma is left out."""
    return formula(x, mean, variance, epsilon, 1, beta)


@formulas
def beta_left_out(x: Array, mean: Array, variance: Array, epsilon: float, gamma: Any, beta: Any) -> Array:
    """Beta is left out."""
    return formula(x, mean, variance, epsilon, gamma, 0)


@formulas
def beta_before_gamma(x: Array, mean: Array, variance: Array, epsilon: float, gamma: Any, beta: Any) -> Array:
    """Beta is added before gamma is multiplied: gamma (x + beta) instead of gamma x + beta."""
    return np.asarray(formula(x, mean, variance, epsilon, 1, beta) * gamma)


@formulas
def gamma_plus_1(x: Array, mean: Array, variance: Array, epsilon: float, gamma: Any, beta: Any) -> Array:
    """1 is added to gamma."""
    return formula(x, mean, variance, epsilon, 1 + gamma, beta)


@spreads
def unbiased_variance(x: Array, axes: Axes, weight: Any = None) -> Statistics:
    """The variance is divided by N - 1 instead of N."""
    count = float(np.prod([x.shape[axis] for axis in axes])) if weight is None else np.sum(weight)
    mean, variance = statistics(x, axes, weight)
    return mean, variance * count / (count - 1)


@spreads
def squares_without_the_mean(x: Array, axes: Axes, weight: Any = None) -> Statistics:
    """The variance is the mean of the squares, from which the squared mean is not subtracted."""
    mean, variance = statistics(x, axes, weight)
    return mean, variance + mean**2


@spreads
def absolute_deviation(x: Array, axes: Axes, weight: Any = None) -> Statistics:
    """The mean absolute deviation stands in place of the standard deviation."""
    mean, _ = statistics(x, axes, weight)
    return mean, statistics(np.abs(x - mean), axes, weight)[0] ** 2


@spreads
def variance_by_difference(x: Array, axes: Axes, weight: Any = None) -> Statistics:
    """The variance is mean(x**2) - mean(x)**2 in x's own precision, which a large mean cancels."""
    mean = statistics(x, axes, weight)[0]
    return mean, statistics(x * x, axes, weight)[0] - mean * mean


@layers
def epsilon_of_pytorch(right: Function, x: Array, *weights: Array | None, epsilon: float = 1e-5, **options: Any) -> Any:
    """Epsilon is 1e-5, as in PyTorch, instead of 0.001."""
    return right(x, *weights, epsilon=epsilon, **options)


@layers
def epsilon_tiny(right: Function, x: Array, *weights: Array | None, epsilon: float = 1e-6, **options: Any) -> Any:
    """Epsilon is 1e-6 instead of 0.001."""
    return right(x, *weights, epsilon=epsilon, **options)


@layers
def epsilon_ignored(right: Function, x: Array, *weights: Array | None, epsilon: float = 1e-3, **options: Any) -> Any:
    """The option epsilon is ignored."""
    return right(x, *weights, **options)


@layers
def gamma_and_beta_swapped(
    right: Function, x: Array, gamma: Array | None = None, beta: Array | None = None, *moving: Array, **options: Any
) -> Any:
    """Gamma and beta are swapped."""
    return right(x, beta, gamma, *moving, **options)


@layers
def beta_for_gamma(
    right: Function, x: Array, gamma: Array | None = None, beta: Array | None = None, *moving: Array, **options: Any
) -> Any:
    """Without gamma (scale=False) beta is taken for it."""
    return right(x, *((beta, None) if gamma is None else (gamma, beta)), *moving, **options)


@layers
def gamma_for_beta(
    right: Function, x: Array, gamma: Array | None = None, beta: Array | None = None, *moving: Array, **options: Any
) -> Any:
    """Without beta (center=False) gamma is added as well."""
    return right(x, gamma, gamma if beta is None else beta, *moving, **options)


def _over(axes: Callable[[Array, Axes], Axes]) -> Function:
    """Layer normalisation whose statistics run over other axes."""

    def function(right: Function, *arguments: Any, **options: Any) -> Array:
        return plain_layer_normalization(*arguments, statistics=lambda x, own: statistics(x, axes(x, own)), **options)

    return function


for _name, _sentence, _axes in (
    ("over_the_batch", "mean and variance are taken over the batch as well", lambda x, axes: (0, *axes)),
    ("batch_alone", "mean and variance are taken over the batch instead of axis", lambda x, axes: (0,)),
    ("whole_samples", "mean and variance are always taken over whole samples", lambda x, axes: tuple(range(1, x.ndim))),
    ("last_axis_always", "mean and variance are always taken over the last axis", lambda x, axes: (-1,)),
    ("last_of_several_axes", "of several axes only the last one is used for mean and variance", lambda x, axes: axes[-1:]),
    ("first_of_several_axes", "of several axes only the first one is used for mean and variance", lambda x, axes: axes[:1]),
):
    layer_normalization.add(_name, _sentence, _over(_axes))


@layer_normalization
def axes_one_by_one(
    right: Function, x: Array, gamma: Array | None = None, beta: Array | None = None, *, axis: Any = -1, epsilon: float = 1e-3
) -> Array:
    """Over several axes values are normalised one axis after the other instead of once."""
    axes = (axis,) if isinstance(axis, int) else axis
    before = functools.reduce(lambda y, one: right(y, axis=one, epsilon=epsilon), axes[:-1], x)
    inner = right(before, axis=axes[-1], epsilon=epsilon)
    return plain_layer_normalization(x, gamma, beta, axis=axis, formula=lambda x, mean, variance, e, g, b: inner * g + b)


@layer_normalization
def weights_in_the_given_order(right: Function, x: Array, *weights: Array | None, axis: Any = -1, **options: Any) -> Array:
    """Gamma and beta are laid along several axes in the order given; Keras sorts the axes first."""
    unsorted = not isinstance(axis, int) and list(axis) != sorted(axis)
    turned = (one if one is None or not unsorted else one.ravel().reshape(one.shape[::-1]).T for one in weights)
    return np.asarray(right(x, *turned, axis=axis, **options))


@layer_normalization
def weights_transposed(right: Function, x: Array, *weights: Array | None, axis: Any = -1, **options: Any) -> Array:
    """Gamma and beta of several axes are transposed where these are equally long."""
    turned = (one if one is None or one.T.shape != one.shape else one.T for one in weights)
    return np.asarray(right(x, *turned, axis=axis, **options))


@layer_normalization
def weights_along_the_last_axis(right: Function, x: Array, *weights: Array | None, axis: Any = -1, **options: Any) -> Array:
    """Gamma and beta are laid along the last axis where it is as long as the one that is normalised."""
    if not isinstance(axis, int) or x.shape[axis] != x.shape[-1]:
        return np.asarray(right(x, *weights, axis=axis, **options))
    scale, offset = (*weights, None, None)[:2]
    y = right(x, axis=axis, **options)
    return np.asarray(y * (1 if scale is None else scale) + (0 if offset is None else offset), dtype=x.dtype)


LAYERS = (formulas, spreads, layers, layer_normalization)
