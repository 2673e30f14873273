"""Activation functions that act on each element alone and have a derivative everywhere, each beside its backward pass.

A backward pass takes the output as `y` where the derivative is simplest in it; left out, it is computed.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import floating, times

__all__ = [
    "exponential", "exponential_backward", "gelu", "gelu_backward", "log_sigmoid", "log_sigmoid_backward", "mish", "mish_backward",
    "sigmoid", "sigmoid_backward", "silu", "silu_backward", "softplus", "softplus_backward", "softsign", "softsign_backward",
    "squareplus", "squareplus_backward", "tanh", "tanh_backward", "tanh_shrink", "tanh_shrink_backward",
]  # fmt: skip

Array = NDArray[Any]


def exponential(x: ArrayLike) -> Array:
    """``exp(x)``.

    Source: keras.activations.exponential.
    """
    return np.asarray(np.exp(floating(x)))


def exponential_backward(grad_output: ArrayLike, x: ArrayLike, *, y: Array | None = None) -> Array:
    """``grad_output * y``."""
    return times(grad_output, exponential(x) if y is None else y)


def gelu(x: ArrayLike, *, approximate: bool = False) -> Array:
    """``x * P(Z <= x)`` for a standard normal Z, that is ``x / 2 * (1 + erf(x / sqrt(2)))``.

    With `approximate`, the normal distribution is replaced by a logistic one:
    ``x / 2 * (1 + tanh(u)) = x * sigmoid(2 * u)``, ``u = sqrt(2 / pi) * (x + 0.044715 * x**3)``.

    Source: Hendrycks and Gimpel 2016, arXiv:1606.08415; keras.activations.gelu.
    """
    x = floating(x)
    if not approximate:
        return np.asarray(x * _normal_distribution(x))
    # Beyond 40 the sigmoid is 0 or 1 in every dtype; the bound keeps the cube finite.
    bounded = np.clip(x, -40, 40)
    cubic = bounded * (1 + 0.044715 * bounded * bounded)
    return np.asarray(x * sigmoid(2 * math.sqrt(2 / math.pi) * cubic))


def gelu_backward(grad_output: ArrayLike, x: ArrayLike, *, approximate: bool = False) -> Array:
    """``grad_output * (P(Z <= x) + x * p(x))``, with the density ``p(x) = exp(-x**2 / 2) / sqrt(2 * pi)``.

    With `approximate`, ``grad_output * (s + x * s * (1 - s) * 2 * u')``, ``s = sigmoid(2 * u)``,
    ``u' = sqrt(2 / pi) * (1 + 3 * 0.044715 * x**2)``.
    """
    x = floating(x)
    bounded = np.clip(x, -40, 40)  # as in gelu: beyond, the slope is 0 or 1
    square = bounded * bounded
    if not approximate:
        return times(grad_output, _normal_distribution(x) + bounded * np.exp(-0.5 * square) / math.sqrt(2 * math.pi))
    s = sigmoid(2 * math.sqrt(2 / math.pi) * bounded * (1 + 0.044715 * square))
    return times(grad_output, s + bounded * s * (1 - s) * (2 * math.sqrt(2 / math.pi)) * (1 + 3 * 0.044715 * square))


def log_sigmoid(x: ArrayLike) -> Array:
    """``log(sigmoid(x)) = -softplus(-x)``, computed as ``min(x, 0) - log(1 + exp(-abs(x)))``.

    Source: keras.activations.log_sigmoid.
    """
    x = floating(x)
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def log_sigmoid_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    """``grad_output * sigmoid(-x)``."""
    return times(grad_output, sigmoid(-floating(x)))


def mish(x: ArrayLike) -> Array:
    """``x * tanh(softplus(x))``.

    Source: Misra 2019, arXiv:1908.08681; keras.activations.mish.
    """
    x = floating(x)
    return np.asarray(x * np.tanh(softplus(x)))


def mish_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    """``grad_output * (t + x * sigmoid(x) * (1 - t**2))``, ``t = tanh(softplus(x))``."""
    x = floating(x)
    t = np.tanh(softplus(x))
    return times(grad_output, t + x * sigmoid(x) * (1 - t * t))


def sigmoid(x: ArrayLike) -> Array:
    """``1 / (1 + exp(-x))``.

    Source: keras.activations.sigmoid.
    """
    y = np.negative(floating(x))
    # Far below 0 the exponential is infinite, and one over it the right 0.
    with np.errstate(over="ignore"):
        np.exp(y, out=y)
    y += 1
    return np.asarray(np.divide(1, y, out=y))


def sigmoid_backward(grad_output: ArrayLike, x: ArrayLike, *, y: Array | None = None) -> Array:
    """``grad_output * y * (1 - y)``."""
    y = sigmoid(x) if y is None else y
    return times(grad_output, y * (1 - y))


def silu(x: ArrayLike) -> Array:
    """``x * sigmoid(x)``. Also called ``swish``.

    Source: Ramachandran, Zoph and Le 2017, arXiv:1710.05941; keras.activations.silu.
    """
    x = floating(x)
    return np.asarray(x * sigmoid(x))


def silu_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    """``grad_output * (s + x * s * (1 - s))``, ``s = sigmoid(x)``."""
    x = floating(x)
    s = sigmoid(x)
    return times(grad_output, s * (1 + x * (1 - s)))


def softplus(x: ArrayLike) -> Array:
    """``log(1 + exp(x))``, computed as ``max(x, 0) + log(1 + exp(-abs(x)))``.

    Source: keras.activations.softplus.
    """
    x = floating(x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softplus_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    """``grad_output * sigmoid(x)``."""
    return times(grad_output, sigmoid(x))


def softsign(x: ArrayLike) -> Array:
    """``x / (1 + abs(x))`` (NaN at both infinities).

    Source: keras.activations.softsign.
    """
    x = floating(x)
    return np.asarray(x / (1 + np.abs(x)))


def softsign_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    """``grad_output / (1 + abs(x))**2``."""
    return times(grad_output, np.square(1 / (1 + np.abs(floating(x)))))


def squareplus(x: ArrayLike, *, b: float = 4) -> Array:
    """``(x + sqrt(x**2 + b)) / 2``.

    An algebraic relative of softplus; `b` sets the width of the bend.

    Source: Barron 2021, arXiv:2112.11687; keras.activations.squareplus.
    """
    x = floating(x)
    # Two nearly equal numbers cancel where x is negative: they are added in float64.
    return np.asarray(0.5 * (x + np.hypot(x, math.sqrt(b), dtype=np.float64)), dtype=x.dtype)


def squareplus_backward(grad_output: ArrayLike, x: ArrayLike, *, b: float = 4) -> Array:
    """``grad_output * (1 + x / sqrt(x**2 + b)) / 2``."""
    x = floating(x)
    # As in squareplus: where x is negative two nearly equal numbers cancel.
    return times(grad_output, np.asarray(0.5 * (1 + x / np.hypot(x, math.sqrt(b), dtype=np.float64)), dtype=x.dtype))


def tanh(x: ArrayLike) -> Array:
    """``(exp(x) - exp(-x)) / (exp(x) + exp(-x))``.

    Source: keras.activations.tanh.
    """
    return np.asarray(np.tanh(floating(x)))


def tanh_backward(grad_output: ArrayLike, x: ArrayLike, *, y: Array | None = None) -> Array:
    """``grad_output * (1 - y**2)``."""
    y = tanh(x) if y is None else y
    return times(grad_output, 1 - y * y)


def tanh_shrink(x: ArrayLike) -> Array:
    """``x - tanh(x)``.

    Source: keras.activations.tanh_shrink.
    """
    x = floating(x)
    return np.asarray(x - np.tanh(x))


def tanh_shrink_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    """``grad_output * tanh(x)**2``."""
    return times(grad_output, np.square(tanh(x)))


def _normal_distribution(x: Array) -> Array:
    """``P(Z <= x)`` for a standard normal Z, to a small relative error in both tails.

    ``P(Z <= -abs(x)) = erfc(z) / 2`` with ``z = abs(x) / sqrt(2)``. NumPy has no erfc, but ``erfc(z) * exp(z**2)`` is
    so smooth in ``t = 2 / (2 + z)`` that a polynomial of degree 20 is accurate to 2e-15.
    """
    z = np.minimum(np.abs(x) * math.sqrt(0.5), 40)  # from 40 on erfc is 0 in every dtype; the bound keeps z**2 finite
    polynomial = _scaled_erfc()
    offset, scale = polynomial.mapparms()
    s = float(offset) + float(scale) * (2 / (2 + z))
    y = np.zeros_like(z)
    for coefficient in reversed(polynomial.coef.tolist()):
        y *= s
        y += coefficient
    tail = 0.5 * np.exp(-z * z) * y
    return np.asarray(np.where(x < 0, tail, 1 - tail))


@functools.cache
def _scaled_erfc() -> Any:
    """``erfc(z) * exp(z**2)`` as a polynomial in t, interpolated from math.erfc for z between 0 and 26."""
    from numpy.polynomial import Chebyshev, Polynomial  # here, because few programs need gelu

    def scaled_erfc(t: Array) -> Array:
        return np.array([math.erfc(z) * math.exp(z * z) for z in (2 / t - 2).tolist()])

    interpolant: Any = Chebyshev.interpolate(scaled_erfc, 20, domain=[1 / 14, 1])
    return interpolant.convert(kind=Polynomial, domain=interpolant.domain)
