"""What all layers share: arrays of floats, and gradients.

A layer ``y = f(x, w)`` inside a program that ends in a number L hands gradients on from its output to its input and its weights:

    grad_output = dL/dy,   grad_x = sum over y of grad_output * dy/dx,   grad_w = sum over y of grad_output * dy/dw,

each with the shape of what it is the gradient of. ``xyz_backward(grad_output, x, *weights, **options)`` is thin over the private pair of
its layer: ``_xyz_run(x, *weights, **options) -> (y, saved)`` is the forward pass, which keeps what its gradients need, and
``_xyz_gradients(grad_output, saved) -> (grad_x, *grad_weights)``. A program that trains calls the pair, so that no forward pass runs twice.

Source: Rumelhart, Hinton and Williams 1986, Nature 323.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]
Gradients = tuple[Any, ...]
"""``(grad_x, *grad_weights)``: arrays, a list of arrays for a layer of several inputs, None for integers and weights that are not there."""


def floating(x: ArrayLike) -> Array:
    """`x` as a float array: integers and bools become float32, as in Keras."""
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float32)


def fitting(grad_output: ArrayLike, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """`grad_output` as an array of `dtype`; ValueError unless it has the shape of the output."""
    grad = np.asarray(grad_output)
    if grad.shape != shape:
        raise ValueError(f"grad_output must have the shape of the output, {shape}, got {grad.shape}")
    return grad.astype(dtype, copy=False)


def times(grad_output: ArrayLike, slope: Array) -> Array:
    """The chain rule of a function of each element alone: ``grad_x = grad_output * slope``, ``slope = dy/dx``, in the dtype of `slope`."""
    return np.asarray(fitting(grad_output, slope.shape, slope.dtype) * slope)


def of_floats(x: Array, gradient: Array) -> Array | None:
    """The gradient where `x` is a float array; integers and bools have none."""
    return gradient if x.dtype.kind == "f" else None


def summed(gradient: Array, axes: tuple[int, ...]) -> Array:
    """Sum over `axes`, which stay with length 1, accumulated in float64: float32 would lose digits over a large batch."""
    return np.asarray(np.sum(gradient, axis=axes, keepdims=True, dtype=np.float64), dtype=gradient.dtype)


def sum_to(gradient: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of an array of this shape, of the same rank, that was broadcast: whatever was repeated is summed."""
    repeated = tuple(axis for axis, (own, size) in enumerate(zip(shape, gradient.shape, strict=True)) if own == 1 != size)
    return summed(gradient, repeated) if repeated else gradient
