"""Gradients of the activation functions, by the names that Keras accepts as strings.

Stands in for ``reference.activations`` until every activation has its backward function there; nothing else knows of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.activations import SELU_ALPHA, SELU_SCALE, _normal_distribution, sigmoid, softplus

Array = NDArray[Any]


def activation_backward(name: str | None, grad_output: Array, x: Array, y: Array) -> Array:
    """Gradient of ``sum(grad_output * y)`` with respect to `x`, for ``y = activation_function(name)(x)``; None is linear.

    `y` is passed so that nothing is computed twice. At a kink the gradient is Keras's: where two pieces meet, that of one of them,
    and for celu at 0 that of both.
    """
    if name is None:
        return grad_output
    if name in _SLOPES:
        return np.asarray(grad_output * _SLOPES[name](x, y))
    return _JACOBIANS[name](grad_output, x, y)


def _gelu(x: Array, y: Array) -> Array:
    """``P(Z <= x) + x p(x)``, p the density of a standard normal Z."""
    density = np.exp(-0.5 * np.square(np.clip(x, -40, 40))) / np.sqrt(2 * np.pi).astype(x.dtype)
    return np.asarray(_normal_distribution(x) + x * density)


def _mish(x: Array, y: Array) -> Array:
    t = np.tanh(softplus(x))
    return np.asarray(t + x * (1 - t * t) * sigmoid(x))


def _silu(x: Array, y: Array) -> Array:
    s = sigmoid(x)
    return np.asarray(s + y * (1 - s))


def _between(x: Array, low: float, high: float) -> Array:
    """1 strictly between, 0 elsewhere, in the dtype of `x`."""
    return ((x > low) & (x < high)).astype(x.dtype)


_SLOPES: dict[str, Callable[[Array, Array], Any]] = {
    "celu": lambda x, y: (x >= 0) + (x <= 0) * np.exp(np.minimum(x, 0)),
    "elu": lambda x, y: np.where(y < 0, y + 1, 1),
    "exponential": lambda x, y: y,
    "gelu": _gelu,
    "hard_shrink": lambda x, y: np.abs(x) > 0.5,
    "hard_sigmoid": lambda x, y: _between(x, -3, 3) / 6,
    "hard_silu": lambda x, y: np.clip(x + 3, 0, 6) / 6 + x * _between(x, -3, 3) / 6,
    "hard_tanh": lambda x, y: np.abs(x) <= 1,
    "leaky_relu": lambda x, y: np.where(x > 0, x.dtype.type(1), x.dtype.type(0.2)),
    "log_sigmoid": lambda x, y: sigmoid(-x),
    "mish": _mish,
    "relu": lambda x, y: x > 0,
    "relu6": lambda x, y: _between(x, 0, 6),
    "selu": lambda x, y: np.where(y < 0, y + SELU_SCALE * SELU_ALPHA, x.dtype.type(SELU_SCALE)),
    "sigmoid": lambda x, y: y * (1 - y),
    "silu": _silu,
    "soft_shrink": lambda x, y: np.abs(x) > 0.5,
    "softplus": lambda x, y: sigmoid(x),
    "softsign": lambda x, y: 1 / np.square(1 + np.abs(x)),
    "sparse_plus": lambda x, y: np.clip(x + 1, 0, 2) / 2,
    "sparse_sigmoid": lambda x, y: _between(x, -1, 1) / 2,
    "squareplus": lambda x, y: y / np.hypot(x, x.dtype.type(2)),
    "tanh": lambda x, y: 1 - y * y,
    "tanh_shrink": lambda x, y: np.square(np.tanh(x)),
}
"""Slopes of the functions that act on each element alone, of x and ``y = f(x)``."""


def _softmax(grad_output: Array, x: Array, y: Array) -> Array:
    """``y (g - sum(g y))``."""
    return np.asarray(y * (grad_output - np.sum(grad_output * y, axis=-1, keepdims=True)))


def _log_softmax(grad_output: Array, x: Array, y: Array) -> Array:
    """``g - softmax(x) sum(g)``."""
    return np.asarray(grad_output - np.exp(y) * np.sum(grad_output, axis=-1, keepdims=True))


def _sparsemax(grad_output: Array, x: Array, y: Array) -> Array:
    """``g - mean(g)`` over the support of y, 0 elsewhere."""
    support = y > 0
    mean = np.sum(grad_output, axis=-1, keepdims=True, where=support) / np.sum(support, axis=-1, keepdims=True, dtype=y.dtype)
    return np.asarray(support * (grad_output - mean))


def _glu(grad_output: Array, x: Array, y: Array) -> Array:
    """Of ``a sigmoid(b)``, the halves of x."""
    a, b = np.split(x, 2, axis=-1)
    s = sigmoid(b)
    return np.concatenate([grad_output * s, grad_output * a * s * (1 - s)], axis=-1)


_JACOBIANS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "glu": _glu,
    "linear": lambda grad_output, x, y: grad_output,
    "log_softmax": _log_softmax,
    "softmax": _softmax,
    "sparsemax": _sparsemax,
}
"""Gradients of the functions along the last axis, and of the one that needs no product."""

_SLOPES["hard_swish"] = _SLOPES["hard_silu"]
_SLOPES["swish"] = _SLOPES["silu"]
