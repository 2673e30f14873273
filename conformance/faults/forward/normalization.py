"""Mistakes in BatchNormalization and LayerNormalization: in the formula, in mean and variance, in weights and options."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, Shared, assuming, changed, pair_of
from reference._arrays import floating
from reference.layers.normalization import SavedNormalization, Statistics, normalized, statistics_over

Array = NDArray[Any]
MeanAndVariance = tuple[Any, Any]
ArrayOrNone = Array | None

BOTH = ("BatchNormalization", "LayerNormalization")


def _ran(right: Function, *arguments: Any, **options: Any) -> tuple[Any, SavedNormalization]:
    """What the right layer returns and what it saved."""
    return pair_of(right)[0](*arguments, **options)


def with_formula(formula: Callable[..., Any]) -> Function:
    """A normalisation with ``formula(x, mean, variance, epsilon, gamma, beta)``; gamma is 1 and beta 0 where there is none."""

    def function(right: Function, x: Array, *weights: Any, epsilon: float = 1e-3, **options: Any) -> Any:
        result, saved = _ran(right, x, *weights, epsilon=epsilon, **options)
        variance = np.reshape(weights[3], saved.mean.shape) if saved.statistics is None else saved.statistics.variance
        gamma, beta = 1.0 if saved.gamma is None else saved.gamma, 0.0 if saved.beta is None else saved.beta
        y = np.asarray(formula(floating(x), saved.mean, variance, epsilon, gamma, beta), dtype=floating(x).dtype)
        return (y, *result[1:]) if isinstance(result, tuple) else y

    return function


def with_statistics(statistics: Callable[[Array, Statistics, ArrayOrNone], MeanAndVariance]) -> Function:
    """A normalisation with another mean and variance: ``statistics(x, right_ones, mask)``."""

    def function(right: Function, x: Array, *weights: ArrayOrNone, **options: Any) -> Any:
        result, saved = _ran(right, x, *weights, **options)
        if saved.statistics is None:
            return result
        own = statistics(floating(x), saved.statistics, options.get("mask"))
        inverse = 1 / np.sqrt(own[1] + options.get("epsilon", 1e-3))
        y = normalized(floating(x), own[0], inverse, saved.gamma, saved.beta)
        return _moved(y, own, weights[2:], saved.weight_axes, options) if isinstance(result, tuple) else y

    return function


def _moved(y: Array, batch: MeanAndVariance, moving: Any, axes: tuple[int, ...], options: Any) -> tuple[Array, ...]:
    """The output in training, and the moving statistics after it."""
    momentum = options.get("momentum", 0.99)
    new = (np.asarray(one).mean(axis=axes).ravel() * (1 - momentum) for one in batch)
    return y, *(np.asarray(old * momentum + one, y.dtype) for old, one in zip(moving, new, strict=True))


def _mean(value: Array, own: Statistics) -> Array:
    """The mean over what is normalised together, in the value's own precision."""
    total = np.sum(value if own.weight is None else value * own.weight.astype(value.dtype), axis=own.axes, keepdims=True)
    return np.asarray(total / np.asarray(own.number, value.dtype))


def over_axes(axes: Callable[[Array, tuple[int, ...]], tuple[int, ...]]) -> Function:
    """Mean and variance over other axes, made of the input and the right ones."""
    return with_statistics(lambda x, own, mask: statistics_over(x, axes(x, own.axes), mask)[:2])


def _unbiased(own: Statistics, count: Any) -> MeanAndVariance:
    return own.mean, own.variance * count / (count - 1)


layers = Shared(*BOTH).table(
    epsilon_left_out=("epsilon is left out", changed(epsilon=0.0)),
    epsilon_of_pytorch=("epsilon is 1e-5, as in PyTorch, instead of 0.001", assuming(epsilon=1e-5)),
    epsilon_tiny=("epsilon is 1e-6 instead of 0.001", assuming(epsilon=1e-6)),
    epsilon_ignored=("the option epsilon is ignored", changed(epsilon=1e-3)),
    gamma_left_out=("gamma is left out", changed(gamma=None)),
    beta_left_out=("beta is left out", changed(beta=None)),
)
formulas = Shared(*BOTH, wrap=with_formula).table(
    mean_not_subtracted=("the mean is not subtracted", lambda x, mean, variance, e, gamma, beta: x / np.sqrt(variance + e) * gamma + beta),
)


@formulas.by(lambda x, mean, variance, e, gamma, beta: (x - mean) / (np.sqrt(variance) + e) * gamma + beta)
def epsilon_outside_the_root() -> None:
    """Epsilon is added to the standard deviation, outside the root."""


@formulas.by(lambda x, mean, variance, e, gamma, beta: (x - mean) / (variance + e) * gamma + beta)
def root_left_out() -> None:
    """It divides by the variance instead of its root."""


@formulas.by(lambda x, mean, variance, e, gamma, beta: (x - mean) * gamma + beta)
def variance_not_used() -> None:
    """The mean is subtracted, but nothing divided by the deviation."""


@formulas.by(lambda x, mean, variance, e, gamma, beta: ((x - mean) / np.sqrt(variance + e) + beta) * gamma)
def beta_before_gamma() -> None:
    """Beta is added before gamma is multiplied: gamma (x + beta) instead of gamma x + beta."""


@formulas.by(lambda x, mean, variance, e, gamma, beta: (x - mean) / np.sqrt(variance + e) * (1 + gamma) + beta)
def gamma_plus_1() -> None:
    """1 is added to gamma."""


spreads = Shared(*BOTH, wrap=with_statistics)


@spreads.by(lambda x, own, mask: _unbiased(own, float(own.number) if mask is None else np.sum(mask != 0)))
def unbiased_variance() -> None:
    """The variance is divided by N - 1 instead of N."""


@spreads.by(lambda x, own, mask: (own.mean, own.variance + own.mean**2))
def squares_without_the_mean() -> None:
    """The variance is the mean of the squares, from which the squared mean is not subtracted."""


@spreads.by(lambda x, own, mask: (own.mean, _mean(np.abs(x - own.mean), own) ** 2))
def absolute_deviation() -> None:
    """The mean absolute deviation stands in place of the standard deviation."""


@spreads.by(lambda x, own, mask: (_mean(x, own), _mean(x * x, own) - _mean(x, own) ** 2))
def variance_by_difference() -> None:
    """The variance is mean(x**2) - mean(x)**2 in x's own precision, which a large mean cancels."""


@layers
def gamma_and_beta_swapped(
    right: Function, x: Array, gamma: ArrayOrNone = None, beta: ArrayOrNone = None, *moving: Array, **options: Any
) -> Any:
    """Gamma and beta are swapped."""
    return right(x, beta, gamma, *moving, **options)


@layers
def beta_for_gamma(right: Function, x: Array, gamma: ArrayOrNone = None, beta: ArrayOrNone = None, *moving: Array, **options: Any) -> Any:
    """Without gamma (scale=False) beta is taken for it."""
    return right(x, *((beta, None) if gamma is None else (gamma, beta)), *moving, **options)


@layers
def gamma_for_beta(right: Function, x: Array, gamma: ArrayOrNone = None, beta: ArrayOrNone = None, *moving: Array, **options: Any) -> Any:
    """Without beta (center=False) gamma is added as well."""
    return right(x, gamma, gamma if beta is None else beta, *moving, **options)


layer_normalization = Shared("LayerNormalization").table(
    over_the_batch=("mean and variance are taken over the batch as well", over_axes(lambda x, axes: (0, *axes))),
    batch_alone=("mean and variance are taken over the batch instead of axis", over_axes(lambda x, axes: (0,))),
    whole_samples=("mean and variance are always taken over whole samples", over_axes(lambda x, axes: tuple(range(1, x.ndim)))),
    last_axis_always=("mean and variance are always taken over the last axis", over_axes(lambda x, axes: (-1,))),
    last_of_several_axes=("of several axes only the last one is used for mean and variance", over_axes(lambda x, axes: axes[-1:])),
    first_of_several_axes=("of several axes only the first one is used for mean and variance", over_axes(lambda x, axes: axes[:1])),
)


@layer_normalization.by(changed(**dict.fromkeys(("gamma", "beta"), lambda one: one.T if one.T.shape == one.shape else one)))
def weights_transposed() -> None:
    """Gamma and beta of several axes are transposed where these are equally long."""


@layer_normalization
def axes_one_by_one(right: Function, x: Array, *weights: ArrayOrNone, axis: Any = -1, epsilon: float = 1e-3) -> Array:
    """Over several axes values are normalised one axis after the other instead of once."""
    axes = (axis,) if isinstance(axis, int) else axis
    _, saved = _ran(right, x, *weights, axis=axis)
    inner = functools.reduce(lambda y, one: right(y, axis=one, epsilon=epsilon), axes, x)
    return normalized(inner, np.zeros(()), np.ones(()), saved.gamma, saved.beta)


@layer_normalization
def weights_in_the_given_order(right: Function, x: Array, *weights: ArrayOrNone, axis: Any = -1, **options: Any) -> Array:
    """Gamma and beta are laid along several axes in the order given; Keras sorts the axes first."""
    unsorted = not isinstance(axis, int) and list(axis) != sorted(axis)
    turned = (one if one is None or not unsorted else one.ravel().reshape(one.shape[::-1]).T for one in weights)
    return np.asarray(right(x, *turned, axis=axis, **options))


@layer_normalization
def weights_along_the_last_axis(right: Function, x: Array, *weights: ArrayOrNone, axis: Any = -1, **options: Any) -> Array:
    """Gamma and beta are laid along the last axis where it is as long as the one that is normalised."""
    if not isinstance(axis, int) or x.shape[axis] != x.shape[-1]:
        return np.asarray(right(x, *weights, axis=axis, **options))
    return normalized(right(x, axis=axis, **options), np.zeros(()), np.ones(()), *(*weights, None, None)[:2])


def of_length(length: Callable[[Array, tuple[int, ...]], Any]) -> Function:
    """Vectors divided by another length, made of `x` and the axes along which they lie."""

    def function(right: Function, x: Array, *, axis: Any = -1) -> Array:
        return np.asarray(x / length(x, (axis,) if isinstance(axis, int) else tuple(axis)), x.dtype)

    return function


def _euclidean(x: Array, axes: tuple[int, ...]) -> Array:
    return np.asarray(np.sqrt(np.sum(x * x, axis=axes, keepdims=True)))


unit_normalization = Shared("UnitNormalization", wrap=of_length).table(
    sum_of_absolute_values=("it divides by the sum of the absolute values", lambda x, axes: np.sum(np.abs(x), axis=axes, keepdims=True)),
    largest_value=("it divides by the largest absolute value", lambda x, axes: np.max(np.abs(x), axis=axes, keepdims=True, initial=0)),
    root_left_out_of_length=("it divides by the squared length", lambda x, axes: _euclidean(x, axes) ** 2),
    mean_of_squares=("it divides by the root of the mean of the squares", lambda x, axes: np.sqrt(np.mean(x * x, axes, keepdims=True))),
    over_the_batch_too=("the batch is part of every vector", lambda x, axes: _euclidean(x, (0, *axes))),
    last_axis_alone=("vectors always lie along the last axis", lambda x, axes: _euclidean(x, (-1,))),
    last_axis_of_several=("of several axes only the last one is used", lambda x, axes: _euclidean(x, axes[-1:])),
    zeros_divided=("a vector of zeros is divided by its length and is NaN", _euclidean),
)

def with_mean_square(formula: Callable[..., Any]) -> Function:
    """A layer with another ``formula(x, mean_square, epsilon, scale)``."""

    def function(right: Function, x: Array, scale: Array, *, axis: Any = -1, epsilon: float = 1e-6) -> Array:
        _, saved = pair_of(right)[0](x, scale, axis=axis, epsilon=epsilon)
        return np.asarray(formula(x, np.mean(x * x, axis=saved.axes, keepdims=True), epsilon, saved.scale), x.dtype)

    return function


rms_normalization = Shared("RMSNormalization", wrap=with_mean_square).table(
    scale_left_out=("scale is left out", lambda x, square, e, scale: x / np.sqrt(square + e)),
    scale_plus_1=("1 is added to scale", lambda x, square, e, scale: x / np.sqrt(square + e) * (1 + scale)),
    epsilon_after_the_root=("epsilon is added to the root, not inside", lambda x, square, e, scale: x / (np.sqrt(square) + e) * scale),
    root_of_the_mean_left_out=("it divides by the mean square instead of its root", lambda x, square, e, scale: x / (square + e) * scale),
)
rms_options = Shared("RMSNormalization").table(
    epsilon_of_layer_normalization=("epsilon is 0.001, as in LayerNormalization, instead of 1e-6", assuming(epsilon=1e-3)),
    epsilon_of_pytorch=("epsilon is 1.2e-7, as in PyTorch, instead of 1e-6", assuming(epsilon=1.1920929e-07)),
    epsilon_ignored=("the option epsilon is ignored", changed(epsilon=1e-6)),
)


@rms_options
def mean_subtracted(right: Function, x: Array, scale: Array, **options: Any) -> Any:
    """The mean is subtracted first, as in LayerNormalization."""
    _, saved = pair_of(right)[0](x, scale, **options)
    return right(x - np.mean(x, axis=saved.axes, keepdims=True), scale, **options)


LAYERS = (layers, formulas, spreads, layer_normalization, unit_normalization, rms_normalization, rms_options)
