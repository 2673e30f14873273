"""Mistakes in Dense and in Activation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.faults.fault import Collection
from reference.activations import activation_function

Array = NDArray[Any]

dense = Collection("Dense")
activation = Collection("Activation")

ROW_FUNCTIONS = ("softmax", "log_softmax", "sparsemax", "glu")
"""Activations that mix the values along an axis."""


@dense
def bias_left_out(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The bias is left out."""
    return reference.dense_forward(x, kernel, **options)


@dense
def bias_after_activation(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The bias is added after the activation instead of before it."""
    y = reference.dense_forward(x, kernel, **options)
    return y if bias is None else y + bias


@dense
def bias_added_twice(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The bias is added twice."""
    return reference.dense_forward(x, kernel, None if bias is None else 2 * bias, **options)


@dense
def bias_subtracted(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The bias is subtracted."""
    return reference.dense_forward(x, kernel, None if bias is None else -bias, **options)


@dense
def bias_along_the_batch(x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None) -> Array:
    """The bias is added along the batch (a column) where batch and units are equal."""
    y = reference.dense_forward(x, kernel)
    if bias is not None:
        y = y + (bias[:, None] if y.ndim == 2 and y.shape[0] == y.shape[1] else bias)
    return activation_function(activation)(y)


@dense
def kernel_transposed(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The kernel is transposed where it is square."""
    return reference.dense_forward(x, kernel.T if kernel.shape[0] == kernel.shape[1] else kernel, bias, **options)


@dense
def kernel_read_by_columns(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The kernel's values are read in column-major order."""
    return reference.dense_forward(x, kernel.ravel().reshape(kernel.shape, order="F"), bias, **options)


@dense
def activation_ignored(x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None) -> Array:
    """The activation is not applied."""
    return reference.dense_forward(x, kernel, bias)


@dense
def relu_always(x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None) -> Array:
    """Relu is applied although another activation is asked for."""
    return reference.dense_forward(x, kernel, bias, activation="relu")


@dense
def activation_twice(x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None) -> Array:
    """The activation is applied twice."""
    y = reference.dense_forward(x, kernel, bias, activation=activation)
    return activation_function(activation)(y)


@dense
def rows_over_the_batch(x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None) -> Array:
    """Softmax runs over the batch axis instead of the units."""
    y = reference.dense_forward(x, kernel, bias)
    return _over_axis(activation, y, 0)


@dense
def rows_over_everything(x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None) -> Array:
    """Softmax runs over all values instead of each row."""
    y = reference.dense_forward(x, kernel, bias)
    return _over_axis(activation, y, None)


@dense
def rows_over_axis_1(x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None) -> Array:
    """Softmax runs over axis 1 instead of the last axis."""
    y = reference.dense_forward(x, kernel, bias)
    return _over_axis(activation, y, 1)


@dense
def only_rank_2(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """Inputs of more than two axes are flattened to (batch, features) rows and stay so."""
    return reference.dense_forward(np.asarray(x).reshape(-1, x.shape[-1]), kernel, bias, **options)


@dense
def averages_middle_axes(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The axes between batch and features are averaged away."""
    return reference.dense_forward(np.mean(x, axis=tuple(range(1, np.ndim(x) - 1))) if np.ndim(x) > 2 else x, kernel, bias, **options)


def _over_axis(name: str | None, z: Array, axis: int | None) -> Array:
    function: Any = activation_function(name)
    return function(z, axis=axis) if name in ROW_FUNCTIONS else function(z)


@activation
def activation_layer_ignored(x: Array, *, activation: str | None) -> Array:
    """The activation is not applied."""
    return np.asarray(x)


@activation
def activation_layer_relu(x: Array, *, activation: str | None) -> Array:
    """Relu is applied although another activation is asked for."""
    return reference.relu(x)


@activation
def activation_layer_over_axis_1(x: Array, *, activation: str | None) -> Array:
    """Softmax runs over axis 1 instead of the last axis."""
    return _over_axis(activation, x, 1)


LAYERS = (dense, activation)
