"""Activation functions that act on each element alone and are put together of pieces, each beside its backward pass.

Where two pieces meet at an angle, the derivative is the one that Keras's automatic differentiation takes, which is that of one of the
pieces, or 0, or (``celu``) the sum of both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import fitting, floating, times

__all__ = [
    "celu", "celu_backward", "elu", "elu_backward", "hard_shrink", "hard_shrink_backward", "hard_sigmoid", "hard_sigmoid_backward",
    "hard_sigmoid_keras2", "hard_sigmoid_keras2_backward", "hard_silu", "hard_silu_backward", "hard_tanh", "hard_tanh_backward",
    "leaky_relu", "leaky_relu_backward", "linear", "linear_backward", "relu", "relu6", "relu6_backward", "relu_backward", "selu",
    "selu_backward", "soft_shrink", "soft_shrink_backward", "sparse_plus", "sparse_plus_backward", "sparse_sigmoid",
    "sparse_sigmoid_backward", "threshold", "threshold_backward",
]  # fmt: skip

Array = NDArray[Any]

SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772


def celu(x: ArrayLike, *, alpha: float = 1.0) -> Array:
    """``max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1)``.

    The exponential linear unit with a continuous slope at 0 for every `alpha`; `alpha` is minus the limit at -inf.

    Source: Barron 2017, arXiv:1704.07483; keras.activations.celu.
    """
    x = floating(x)
    return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / alpha)


def celu_backward(grad_output: ArrayLike, x: ArrayLike, *, alpha: float = 1.0) -> Array:
    """``grad_output * (1 if x > 0 else exp(x / alpha))``, and twice grad_output at 0, where Keras counts both terms of the sum."""
    x = floating(x)
    return times(grad_output, (x >= 0) + np.where(x <= 0, np.exp(np.minimum(x, 0) / alpha), x.dtype.type(0)))


def elu(x: ArrayLike, *, alpha: float = 1.0) -> Array:
    """``x`` if ``x > 0``, otherwise ``alpha * (exp(x) - 1)``.

    The exponential linear unit; `alpha` is minus the limit at -inf. The slope at 0 jumps from `alpha` to 1.

    Source: Clevert, Unterthiner and Hochreiter 2016, arXiv:1511.07289; keras.activations.elu.
    """
    x = floating(x)
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_backward(grad_output: ArrayLike, x: ArrayLike, *, alpha: float = 1.0, y: Array | None = None) -> Array:
    """``grad_output * (1 if x > 0 else alpha * exp(x))``, and ``alpha * exp(x) = y + alpha``."""
    x = floating(x)
    y = elu(x, alpha=alpha) if y is None else y
    return times(grad_output, np.where(x > 0, x.dtype.type(1), y + alpha))


def hard_shrink(x: ArrayLike, *, threshold: float = 0.5) -> Array:
    """``x`` if ``abs(x) > threshold``, otherwise 0 (also for NaN, which compares false).

    Source: keras.activations.hard_shrink.
    """
    x = floating(x)
    return np.where(np.abs(x) > threshold, x, 0)


def hard_shrink_backward(grad_output: ArrayLike, x: ArrayLike, *, threshold: float = 0.5) -> Array:
    """``grad_output`` where ``abs(x) > threshold``, otherwise 0."""
    x = floating(x)
    return times(grad_output, _ones_where(np.abs(x) > threshold, x))


def hard_sigmoid(x: ArrayLike) -> Array:
    """``min(max(x + 3, 0), 6) / 6``: the straight line ``x / 6 + 1 / 2`` held between 0 and 1.

    Source: keras.activations.hard_sigmoid (before Keras 3 the slope was 0.2).
    """
    return np.asarray(np.clip(floating(x) + 3, 0, 6) / 6)


def hard_sigmoid_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    """``grad_output / 6`` where ``-3 < x < 3``, otherwise 0."""
    return times(grad_output, _hard_sigmoid_slope(floating(x)))


def hard_sigmoid_keras2(x: ArrayLike) -> Array:
    """``min(max(0.2 * x + 0.5, 0), 1)``: what :func:`hard_sigmoid` was in Keras 2, under the same name.

    Files of Keras 2 mean this function; no option of Keras 3 has it.

    Source: keras.activations.hard_sigmoid of Keras 2 (Courbariaux et al. 2016, arXiv:1602.02830, with another slope).
    """
    x = floating(x)
    return np.clip(0.2 * x + 0.5, 0, 1)


def hard_sigmoid_keras2_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    """``0.2 * grad_output`` from -2.5 to 2.5, otherwise 0."""
    x = floating(x)
    line = 0.2 * x + 0.5
    return times(grad_output, 0.2 * _ones_where((line >= 0) & (line <= 1), x))


def hard_silu(x: ArrayLike) -> Array:
    """``x * hard_sigmoid(x)``: 0 below -3, `x` above 3, a parabola between. Also called ``hard_swish``.

    Source: Howard et al. 2019, arXiv:1905.02244; keras.activations.hard_silu.
    """
    x = floating(x)
    return np.asarray(x * hard_sigmoid(x))


def hard_silu_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    """``grad_output * (hard_sigmoid(x) + x * hard_sigmoid'(x))``, with the slopes of ``hard_sigmoid`` at -3 and 3, which are 0."""
    x = floating(x)
    return times(grad_output, hard_sigmoid(x) + x * _hard_sigmoid_slope(x))


def hard_tanh(x: ArrayLike) -> Array:
    """``min(max(x, -1), 1)``.

    Source: keras.activations.hard_tanh.
    """
    return np.asarray(np.clip(floating(x), -1, 1))


def hard_tanh_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    """``grad_output`` where ``-1 <= x <= 1``, otherwise 0."""
    x = floating(x)
    return times(grad_output, _ones_where(np.abs(x) <= 1, x))


def leaky_relu(x: ArrayLike, *, negative_slope: float = 0.2) -> Array:
    """``x`` if ``x > 0``, otherwise ``negative_slope * x``.

    The function's slope is 0.2; the LeakyReLU layer's is 0.3.

    Source: Maas, Hannun and Ng 2013; keras.activations.leaky_relu.
    """
    x = floating(x)
    # One of the two terms is always 0, so the sum is exact; it is several times faster than a choice per element.
    return np.maximum(x, 0) + negative_slope * np.minimum(x, 0)


def leaky_relu_backward(grad_output: ArrayLike, x: ArrayLike, *, negative_slope: float = 0.2) -> Array:
    """``grad_output * (1 if x > 0 else negative_slope)``."""
    x = floating(x)
    return times(grad_output, np.where(x > 0, x.dtype.type(1), x.dtype.type(negative_slope)))


def linear(x: ArrayLike) -> Array:
    """``x``: the array itself, not a copy.

    Source: keras.activations.linear.
    """
    return np.asarray(x)


def linear_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    """``grad_output``: the array itself, not a copy, where it has the dtype of `x`."""
    x = floating(x)
    return fitting(grad_output, x.shape, x.dtype)


def relu(x: ArrayLike, *, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Array:
    """``max(x, 0)``.

    With options: ``x`` where ``x > threshold``, ``negative_slope * (x - threshold)`` elsewhere. A `max_value` holds the
    first part, not the second, between 0 and `max_value`. Integers stay integers when `negative_slope` is 0.

    Source: Nair and Hinton 2010; keras.activations.relu.
    """
    x = np.asarray(x) if negative_slope == 0 else floating(x)
    y = np.maximum(x, 0) if threshold == 0 else np.where(x > threshold, x, 0)
    if max_value is not None:
        # In the dtype of x: an int array under a bound of 2.5 stays an int array, at 2.
        y = np.maximum(np.minimum(y, x.dtype.type(max_value)), 0)
    if negative_slope != 0:
        y = y - negative_slope * np.maximum(threshold - x, 0)
    return np.asarray(y)


def relu_backward(
    grad_output: ArrayLike, x: ArrayLike, *, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Array:
    """``grad_output`` where ``x > 0``, otherwise 0.

    With options: ``grad_output`` where ``x > threshold`` and ``0 <= x <= max_value``, ``negative_slope * grad_output`` where
    ``x < threshold``, otherwise 0. Two places belong elsewhere in Keras, which computes such calls otherwise: ``x = 0`` counts as below
    the threshold where `negative_slope` is the only option, and 6 as too large for a `max_value` of 6 without a threshold.
    """
    x = floating(x)
    rising = x > threshold
    if max_value is not None:
        rising &= (x >= 0) & (x < 6 if max_value == 6 and threshold == 0 else x <= max_value)
    if negative_slope == 0:
        return times(grad_output, _ones_where(rising, x))
    below = x <= 0 if max_value is None and threshold == 0 else x < threshold
    return times(grad_output, _ones_where(rising, x) + below * x.dtype.type(negative_slope))


def relu6(x: ArrayLike) -> Array:
    """``min(max(x, 0), 6)``.

    Source: Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10; keras.activations.relu6.
    """
    return np.asarray(np.clip(np.asarray(x), 0, 6))


def relu6_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    """``grad_output`` where ``0 < x < 6``, otherwise 0."""
    x = floating(x)
    return times(grad_output, _ones_where((x > 0) & (x < 6), x))


def selu(x: ArrayLike) -> Array:
    """``scale * x`` if ``x > 0``, otherwise ``scale * alpha * (exp(x) - 1)``.

    ``scale = 1.0507...`` and ``alpha = 1.6732...`` make mean 0 and variance 1 a fixed point of a layer with normalised
    weights.

    Source: Klambauer, Unterthiner, Mayr and Hochreiter 2017, arXiv:1706.02515; keras.activations.selu.
    """
    return SELU_SCALE * elu(x, alpha=SELU_ALPHA)


def selu_backward(grad_output: ArrayLike, x: ArrayLike, *, y: Array | None = None) -> Array:
    """``grad_output * scale * (1 if x >= 0 else alpha * exp(x))``, and ``scale * alpha * exp(x) = y + scale * alpha``."""
    x = floating(x)
    y = selu(x) if y is None else y
    return times(grad_output, np.where(x >= 0, x.dtype.type(SELU_SCALE), y + SELU_SCALE * SELU_ALPHA))


def soft_shrink(x: ArrayLike, *, threshold: float = 0.5) -> Array:
    """``x - threshold`` if ``x > threshold``, ``x + threshold`` if ``x < -threshold``, otherwise 0 (also for NaN).

    Source: keras.activations.soft_shrink.
    """
    x = floating(x)
    return np.where(x > threshold, x - threshold, np.where(x < -threshold, x + threshold, x.dtype.type(0)))


def soft_shrink_backward(grad_output: ArrayLike, x: ArrayLike, *, threshold: float = 0.5) -> Array:
    """``grad_output`` where ``abs(x) > threshold``, otherwise 0."""
    return hard_shrink_backward(grad_output, x, threshold=threshold)


def sparse_plus(x: ArrayLike) -> Array:
    """0 if ``x <= -1``, ``(x + 1)**2 / 4`` between, ``x`` if ``x >= 1``: the integral of `sparse_sigmoid`.

    Source: keras.activations.sparse_plus.
    """
    x = floating(x)
    return np.where(x >= 1, x, 0.25 * np.square(np.clip(x, -1, 1) + 1))


def sparse_plus_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    """``grad_output * sparse_sigmoid(x)``."""
    return times(grad_output, sparse_sigmoid(x))


def sparse_sigmoid(x: ArrayLike) -> Array:
    """``min(max((x + 1) / 2, 0), 1)``: sparsemax of two classes with the scores `x` and 0, written at twice the scale.

    Source: Blondel, Martins and Niculae 2019, arXiv:1901.02324; keras.activations.sparse_sigmoid.
    """
    return np.asarray(np.clip(0.5 * (floating(x) + 1), 0, 1))


def sparse_sigmoid_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    """``grad_output / 2`` where ``-1 < x < 1``, otherwise 0."""
    x = floating(x)
    return times(grad_output, 0.5 * _ones_where(np.abs(x) < 1, x))


def threshold(x: ArrayLike, *, threshold: float, default_value: float) -> Array:
    """``x`` if ``x > threshold``, otherwise `default_value` (also for NaN, which compares false).

    Source: keras.activations.threshold.
    """
    x = floating(x)
    return np.where(x > threshold, x, x.dtype.type(default_value))


def threshold_backward(grad_output: ArrayLike, x: ArrayLike, *, threshold: float, default_value: float) -> Array:
    """``grad_output`` where ``x > threshold``, otherwise 0."""
    x = floating(x)
    return times(grad_output, _ones_where(x > threshold, x))


def _ones_where(kept: Array, x: Array) -> Array:
    """1 where `kept`, otherwise 0, in the dtype of `x`."""
    return kept.astype(x.dtype)


def _hard_sigmoid_slope(x: Array) -> Array:
    shifted = x + 3  # in the arithmetic of the forward pass, so that both see the same kinks
    return _ones_where((shifted > 0) & (shifted < 6), x) / 6
