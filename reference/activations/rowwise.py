"""Activation functions in which the places of a row, all along one axis, depend on each other, each beside its backward pass.

A backward pass takes the output as `y` where the derivative is simplest in it; left out, it is computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import fitting, floating, times
from reference.activations.smooth import sigmoid

__all__ = ["glu", "glu_backward", "log_softmax", "log_softmax_backward", "softmax", "sparsemax", "sparsemax_backward"]

Array = NDArray[Any]
Axis = int | tuple[int, ...] | None


def glu(x: ArrayLike, *, axis: int = -1) -> Array:
    """``a * sigmoid(b)``, `a` and `b` the first and the second half of `x` along `axis`.

    The gated linear unit; `axis` comes out half as long. ValueError if its length is odd.

    Source: Dauphin, Fan, Auli and Grangier 2017, arXiv:1612.08083; keras.activations.glu.
    """
    x = floating(x)
    if x.shape[axis] % 2:
        raise ValueError(f"glu halves axis {axis}, whose length must be even; the shape is {x.shape}")
    a, b = np.split(x, 2, axis=axis)
    return np.asarray(a * sigmoid(b))


def glu_backward(grad_output: ArrayLike, x: ArrayLike, *, axis: int = -1) -> Array:
    """``grad_a = grad_output * s``, ``grad_b = grad_output * a * s * (1 - s)``, ``s = sigmoid(b)``; one after the other along `axis`."""
    x = floating(x)
    a, b = np.split(x, 2, axis=axis)
    s = sigmoid(b)
    grad_a = times(grad_output, s)
    return np.concatenate([grad_a, grad_a * a * (1 - s)], axis=axis)


def log_softmax(x: ArrayLike, *, axis: Axis = -1) -> Array:
    """``log(softmax(x)) = x - log(sum(exp(x)))``, the sum along `axis`.

    `axis` is an int, a tuple, or None for all axes. The maximum is subtracted first, which changes nothing but keeps
    exp finite.

    Source: keras.activations.log_softmax.
    """
    shifted = _minus_maximum(floating(x), axis)
    return np.asarray(shifted - np.log(_sum(np.exp(shifted), axis)))


def log_softmax_backward(grad_output: ArrayLike, x: ArrayLike, *, axis: Axis = -1, y: Array | None = None) -> Array:
    """``grad_x = grad_output - exp(y) * sum(grad_output)``, the sum along `axis`.

    From ``d y_i / d x_j = (1 if i = j else 0) - exp(y_j)``.
    """
    y = log_softmax(x, axis=axis) if y is None else y
    grad = fitting(grad_output, y.shape, y.dtype)
    return np.asarray(grad - np.exp(y) * _sum(grad, axis))


def softmax(x: ArrayLike, *, axis: Axis = -1) -> Array:
    """``exp(x) / sum(exp(x))``, the sum along `axis`: a probability distribution.

    `axis` is an int, a tuple, or None for all axes. The maximum is subtracted first, which changes nothing but keeps
    exp finite. A slice that holds NaN or +inf, or nothing but -inf, is NaN throughout.

    Source: keras.activations.softmax.
    """
    y = _minus_maximum(floating(x), axis)
    np.exp(y, out=y)
    y /= _sum(y, axis)
    return y


def softmax_backward(grad_output: ArrayLike, x: ArrayLike, *, axis: Axis = -1, y: Array | None = None) -> Array:
    """``grad_x = y * (grad_output - sum(grad_output * y))``, the sum along `axis`.

    From ``d y_i / d x_j = y_i * ((1 if i = j else 0) - y_j)``: every output depends on every input.
    """
    y = softmax(x, axis=axis) if y is None else y
    grad = fitting(grad_output, y.shape, y.dtype)
    return np.asarray(y * (grad - _sum(grad * y, axis)))


def sparsemax(x: ArrayLike, *, axis: int = -1) -> Array:
    """``max(x - tau, 0)`` with `tau` such that the result sums to 1 along `axis`.

    The Euclidean projection onto the probability simplex. With `x` sorted downwards, ``z_1 >= z_2 >= ...``, take the
    largest k with ``1 + k * z_k > z_1 + ... + z_k``; then ``tau = (z_1 + ... + z_k - 1) / k``.

    Source: Martins and Astudillo 2016, arXiv:1602.02068: the meaning that keras.activations.sparsemax documents. Keras
    3.15.1 itself computes another `tau` whenever k > 1.
    """
    z = _minus_maximum(floating(x), axis)  # the projection does not depend on a common offset
    downwards = np.flip(np.sort(z, axis=axis), axis=axis)
    k = np.arange(1, z.shape[axis] + 1, dtype=z.dtype).reshape([-1 if i == axis % z.ndim else 1 for i in range(z.ndim)])
    in_support = 1 + k * downwards > np.cumsum(downwards, axis=axis)
    support_sum = np.sum(downwards, axis=axis, keepdims=True, where=in_support)
    tau = (support_sum - 1) / np.sum(in_support, axis=axis, keepdims=True, dtype=z.dtype)
    return np.asarray(np.maximum(z - tau, 0))


def sparsemax_backward(grad_output: ArrayLike, x: ArrayLike, *, axis: int = -1, y: Array | None = None) -> Array:
    """``grad_output - mean(grad_output over the support)`` where ``y > 0``, the support, otherwise 0; the mean along `axis`.

    From ``d y_i / d x_j = (1 if i = j else 0) - 1 / k`` on a support of k places. The gradient of the documented function, as the
    forward pass: Keras 3.15.1 differentiates its own `tau`.
    """
    y = sparsemax(x, axis=axis) if y is None else y
    grad = fitting(grad_output, y.shape, y.dtype)
    support = y > 0
    mean = _sum(np.where(support, grad, 0), axis) / np.sum(support, axis=axis, keepdims=True, dtype=y.dtype)
    return np.asarray(np.where(support, grad - mean, 0), dtype=y.dtype)


def _minus_maximum(x: Array, axis: Axis) -> Array:
    """``x - max(x)`` along `axis`, a new array; an empty axis is allowed."""
    maximum = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    # Values further apart than the largest float: the difference is -inf, whose exponential is the right 0.
    with np.errstate(over="ignore"):
        return np.asarray(x - maximum)


def _sum(x: Array, axis: Axis) -> Array:
    """Sum along `axis`, accumulated in float64: along a long first axis float32 would lose two digits."""
    return np.asarray(np.sum(x, axis=axis, keepdims=True, dtype=np.float64), dtype=x.dtype)
