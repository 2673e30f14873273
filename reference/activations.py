"""Activation functions, under every name that Keras accepts as a string.

Each is a plain function of an array and keyword-only options, with Keras's names and defaults. float32 stays float32
and float64 stays float64; integers become float32, except in ``linear``, ``relu`` and ``relu6``, which keep
them. All but ``glu``, ``log_softmax``, ``softmax`` and ``sparsemax`` act on each element alone.

The formulas are arranged so that no intermediate result overflows where the answer itself is finite.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Axis = int | tuple[int, ...] | None

SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772


def celu(x: ArrayLike, *, alpha: float = 1.0) -> Array:
    """``max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1)``.

    The exponential linear unit with a continuous slope at 0 for every `alpha`; `alpha` is minus the limit at -inf.

    Source: Barron 2017, arXiv:1704.07483; keras.activations.celu.
    """
    x = _floating(x)
    return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / alpha)


def elu(x: ArrayLike, *, alpha: float = 1.0) -> Array:
    """``x`` if ``x > 0``, otherwise ``alpha * (exp(x) - 1)``.

    The exponential linear unit; `alpha` is minus the limit at -inf. The slope at 0 jumps from `alpha` to 1.

    Source: Clevert, Unterthiner and Hochreiter 2016, arXiv:1511.07289; keras.activations.elu.
    """
    x = _floating(x)
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def exponential(x: ArrayLike) -> Array:
    """``exp(x)``.

    Source: keras.activations.exponential.
    """
    return np.asarray(np.exp(_floating(x)))


def gelu(x: ArrayLike, *, approximate: bool = False) -> Array:
    """``x * P(Z <= x)`` for a standard normal Z, that is ``x / 2 * (1 + erf(x / sqrt(2)))``.

    With `approximate`, the normal distribution is replaced by a logistic one:
    ``x / 2 * (1 + tanh(u)) = x * sigmoid(2 * u)``, ``u = sqrt(2 / pi) * (x + 0.044715 * x**3)``.

    Source: Hendrycks and Gimpel 2016, arXiv:1606.08415; keras.activations.gelu.
    """
    x = _floating(x)
    if not approximate:
        return np.asarray(x * _normal_distribution(x))
    # Beyond 40 the sigmoid is 0 or 1 in every dtype; the bound keeps the cube finite.
    bounded = np.clip(x, -40, 40)
    cubic = bounded * (1 + 0.044715 * bounded * bounded)
    return np.asarray(x * sigmoid(2 * math.sqrt(2 / math.pi) * cubic))


def glu(x: ArrayLike, *, axis: int = -1) -> Array:
    """``a * sigmoid(b)``, `a` and `b` the first and the second half of `x` along `axis`.

    The gated linear unit; `axis` comes out half as long. ValueError if its length is odd.

    Source: Dauphin, Fan, Auli and Grangier 2017, arXiv:1612.08083; keras.activations.glu.
    """
    x = _floating(x)
    if x.shape[axis] % 2:
        raise ValueError(f"glu halves axis {axis}, whose length must be even; the shape is {x.shape}")
    a, b = np.split(x, 2, axis=axis)
    return np.asarray(a * sigmoid(b))


def hard_shrink(x: ArrayLike, *, threshold: float = 0.5) -> Array:
    """``x`` if ``abs(x) > threshold``, otherwise 0 (also for NaN, which compares false).

    Source: keras.activations.hard_shrink.
    """
    x = _floating(x)
    return np.where(np.abs(x) > threshold, x, 0)


def hard_sigmoid(x: ArrayLike) -> Array:
    """``min(max(x + 3, 0), 6) / 6``: the straight line ``x / 6 + 1 / 2`` held between 0 and 1.

    Source: keras.activations.hard_sigmoid (before Keras 3 the slope was 0.2).
    """
    return np.asarray(np.clip(_floating(x) + 3, 0, 6) / 6)


def hard_silu(x: ArrayLike) -> Array:
    """``x * hard_sigmoid(x)``: 0 below -3, `x` above 3, a parabola between. Also called ``hard_swish``.

    Source: Howard et al. 2019, arXiv:1905.02244; keras.activations.hard_silu.
    """
    x = _floating(x)
    return np.asarray(x * hard_sigmoid(x))


def hard_tanh(x: ArrayLike) -> Array:
    """``min(max(x, -1), 1)``.

    Source: keras.activations.hard_tanh.
    """
    return np.asarray(np.clip(_floating(x), -1, 1))


def leaky_relu(x: ArrayLike, *, negative_slope: float = 0.2) -> Array:
    """``x`` if ``x > 0``, otherwise ``negative_slope * x``.

    The function's slope is 0.2; the LeakyReLU layer's is 0.3.

    Source: Maas, Hannun and Ng 2013; keras.activations.leaky_relu.
    """
    x = _floating(x)
    # One of the two terms is always 0, so the sum is exact; it is several times faster than a choice per element.
    return np.maximum(x, 0) + negative_slope * np.minimum(x, 0)


def linear(x: ArrayLike) -> Array:
    """``x``: the array itself, not a copy.

    Source: keras.activations.linear.
    """
    return np.asarray(x)


def log_sigmoid(x: ArrayLike) -> Array:
    """``log(sigmoid(x)) = -softplus(-x)``, computed as ``min(x, 0) - log(1 + exp(-abs(x)))``.

    Source: keras.activations.log_sigmoid.
    """
    x = _floating(x)
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def log_softmax(x: ArrayLike, *, axis: Axis = -1) -> Array:
    """``log(softmax(x)) = x - log(sum(exp(x)))``, the sum along `axis`.

    `axis` is an int, a tuple, or None for all axes. The maximum is subtracted first, which changes nothing but keeps
    exp finite.

    Source: keras.activations.log_softmax.
    """
    shifted = _minus_maximum(_floating(x), axis)
    return np.asarray(shifted - np.log(_sum(np.exp(shifted), axis)))


def mish(x: ArrayLike) -> Array:
    """``x * tanh(softplus(x))``.

    Source: Misra 2019, arXiv:1908.08681; keras.activations.mish.
    """
    x = _floating(x)
    return np.asarray(x * np.tanh(softplus(x)))


def relu(x: ArrayLike, *, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Array:
    """``max(x, 0)``.

    With options: ``x`` where ``x > threshold``, ``negative_slope * (x - threshold)`` elsewhere. A `max_value` holds the
    first part, not the second, between 0 and `max_value`. Integers stay integers when `negative_slope` is 0.

    Source: Nair and Hinton 2010; keras.activations.relu.
    """
    x = np.asarray(x) if negative_slope == 0 else _floating(x)
    y = np.maximum(x, 0) if threshold == 0 else np.where(x > threshold, x, 0)
    if max_value is not None:
        # In the dtype of x: an int array under a bound of 2.5 stays an int array, at 2.
        y = np.maximum(np.minimum(y, x.dtype.type(max_value)), 0)
    if negative_slope != 0:
        y = y - negative_slope * np.maximum(threshold - x, 0)
    return np.asarray(y)


def relu6(x: ArrayLike) -> Array:
    """``min(max(x, 0), 6)``.

    Source: Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10; keras.activations.relu6.
    """
    return np.asarray(np.clip(np.asarray(x), 0, 6))


def selu(x: ArrayLike) -> Array:
    """``scale * x`` if ``x > 0``, otherwise ``scale * alpha * (exp(x) - 1)``.

    ``scale = 1.0507...`` and ``alpha = 1.6732...`` make mean 0 and variance 1 a fixed point of a layer with normalised
    weights.

    Source: Klambauer, Unterthiner, Mayr and Hochreiter 2017, arXiv:1706.02515; keras.activations.selu.
    """
    return SELU_SCALE * elu(x, alpha=SELU_ALPHA)


def sigmoid(x: ArrayLike) -> Array:
    """``1 / (1 + exp(-x))``.

    Source: keras.activations.sigmoid.
    """
    y = np.negative(_floating(x))
    # Far below 0 the exponential is infinite, and one over it the right 0.
    with np.errstate(over="ignore"):
        np.exp(y, out=y)
    y += 1
    return np.asarray(np.divide(1, y, out=y))


def silu(x: ArrayLike) -> Array:
    """``x * sigmoid(x)``. Also called ``swish``.

    Source: Ramachandran, Zoph and Le 2017, arXiv:1710.05941; keras.activations.silu.
    """
    x = _floating(x)
    return np.asarray(x * sigmoid(x))


def soft_shrink(x: ArrayLike, *, threshold: float = 0.5) -> Array:
    """``x - threshold`` if ``x > threshold``, ``x + threshold`` if ``x < -threshold``, otherwise 0 (also for NaN).

    Source: keras.activations.soft_shrink.
    """
    x = _floating(x)
    return np.where(x > threshold, x - threshold, np.where(x < -threshold, x + threshold, x.dtype.type(0)))


def softmax(x: ArrayLike, *, axis: Axis = -1) -> Array:
    """``exp(x) / sum(exp(x))``, the sum along `axis`: a probability distribution.

    `axis` is an int, a tuple, or None for all axes. The maximum is subtracted first, which changes nothing but keeps
    exp finite. A slice that holds NaN or +inf, or nothing but -inf, is NaN throughout.

    Source: keras.activations.softmax.
    """
    y = _minus_maximum(_floating(x), axis)
    np.exp(y, out=y)
    y /= _sum(y, axis)
    return y


def softplus(x: ArrayLike) -> Array:
    """``log(1 + exp(x))``, computed as ``max(x, 0) + log(1 + exp(-abs(x)))``.

    Source: keras.activations.softplus.
    """
    x = _floating(x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softsign(x: ArrayLike) -> Array:
    """``x / (1 + abs(x))`` (NaN at both infinities).

    Source: keras.activations.softsign.
    """
    x = _floating(x)
    return np.asarray(x / (1 + np.abs(x)))


def sparse_plus(x: ArrayLike) -> Array:
    """0 if ``x <= -1``, ``(x + 1)**2 / 4`` between, ``x`` if ``x >= 1``: the integral of `sparse_sigmoid`.

    Source: keras.activations.sparse_plus.
    """
    x = _floating(x)
    return np.where(x >= 1, x, 0.25 * np.square(np.clip(x, -1, 1) + 1))


def sparse_sigmoid(x: ArrayLike) -> Array:
    """``min(max((x + 1) / 2, 0), 1)``: sparsemax of two classes with the scores `x` and 0, written at twice the scale.

    Source: Blondel, Martins and Niculae 2019, arXiv:1901.02324; keras.activations.sparse_sigmoid.
    """
    return np.asarray(np.clip(0.5 * (_floating(x) + 1), 0, 1))


def sparsemax(x: ArrayLike, *, axis: int = -1) -> Array:
    """``max(x - tau, 0)`` with `tau` such that the result sums to 1 along `axis`.

    The Euclidean projection onto the probability simplex. With `x` sorted downwards, ``z_1 >= z_2 >= ...``, take the
    largest k with ``1 + k * z_k > z_1 + ... + z_k``; then ``tau = (z_1 + ... + z_k - 1) / k``.

    Source: Martins and Astudillo 2016, arXiv:1602.02068: the meaning that keras.activations.sparsemax documents. Keras
    3.15.1 itself computes another `tau` whenever k > 1.
    """
    z = _minus_maximum(_floating(x), axis)  # the projection does not depend on a common offset
    downwards = np.flip(np.sort(z, axis=axis), axis=axis)
    k = np.arange(1, z.shape[axis] + 1, dtype=z.dtype).reshape([-1 if i == axis % z.ndim else 1 for i in range(z.ndim)])
    in_support = 1 + k * downwards > np.cumsum(downwards, axis=axis)
    support_sum = np.sum(downwards, axis=axis, keepdims=True, where=in_support)
    tau = (support_sum - 1) / np.sum(in_support, axis=axis, keepdims=True, dtype=z.dtype)
    return np.asarray(np.maximum(z - tau, 0))


def squareplus(x: ArrayLike, *, b: float = 4) -> Array:
    """``(x + sqrt(x**2 + b)) / 2``.

    An algebraic relative of softplus; `b` sets the width of the bend.

    Source: Barron 2021, arXiv:2112.11687; keras.activations.squareplus.
    """
    x = _floating(x)
    # Two nearly equal numbers cancel where x is negative: they are added in float64.
    return np.asarray(0.5 * (x + np.hypot(x, math.sqrt(b), dtype=np.float64)), dtype=x.dtype)


def tanh(x: ArrayLike) -> Array:
    """``(exp(x) - exp(-x)) / (exp(x) + exp(-x))``.

    Source: keras.activations.tanh.
    """
    return np.asarray(np.tanh(_floating(x)))


def tanh_shrink(x: ArrayLike) -> Array:
    """``x - tanh(x)``.

    Source: keras.activations.tanh_shrink.
    """
    x = _floating(x)
    return np.asarray(x - np.tanh(x))


def threshold(x: ArrayLike, *, threshold: float, default_value: float) -> Array:
    """``x`` if ``x > threshold``, otherwise `default_value` (also for NaN, which compares false).

    Source: keras.activations.threshold.
    """
    x = _floating(x)
    return np.where(x > threshold, x, x.dtype.type(default_value))


hard_swish = hard_silu
swish = silu

# fmt: off
_FUNCTIONS = (
    celu, elu, exponential, gelu, glu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, linear,
    log_sigmoid, log_softmax, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax, softplus, softsign,
    sparse_plus, sparse_sigmoid, sparsemax, squareplus, tanh, tanh_shrink, threshold,
)
# fmt: on
ACTIVATIONS: dict[str, Callable[..., Array]] = {
    **{function.__name__: function for function in _FUNCTIONS},
    "hard_swish": hard_silu,
    "swish": silu,
}


def activation_function(name: str | None) -> Callable[..., Array]:
    """Return the function of a Keras activation name; None is ``linear``. ValueError names an unknown one."""
    if name is None:
        return linear
    if name in ACTIVATIONS:
        return ACTIVATIONS[name]
    import difflib  # here, because only this message needs it

    near = difflib.get_close_matches(str(name), ACTIVATIONS)
    known = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(ACTIVATIONS)}"
    raise ValueError(f"activation function {name!r} is not known; {known}")


def _floating(x: ArrayLike) -> Array:
    """`x` as a float array: integers and bools become float32, as in Keras."""
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float32)


def _minus_maximum(x: Array, axis: Axis) -> Array:
    """``x - max(x)`` along `axis`, a new array; an empty axis is allowed."""
    maximum = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    # Values further apart than the largest float: the difference is -inf, whose exponential is the right 0.
    with np.errstate(over="ignore"):
        return np.asarray(x - maximum)


def _sum(x: Array, axis: Axis) -> Array:
    """Sum along `axis`, accumulated in float64: along a long first axis float32 would lose two digits."""
    return np.asarray(np.sum(x, axis=axis, keepdims=True, dtype=np.float64), dtype=x.dtype)


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
