"""Mistakes in Dense and in Activation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, Shared, changed
from reference.activations import activation_function

Array = NDArray[Any]

dense = Shared("Dense")
activation = Shared("Activation")

ROW_FUNCTIONS = ("softmax", "log_softmax", "sparsemax", "glu")
"""Activations that mix the values along an axis."""


def _over_axis(axis: int | None) -> Function:
    """A layer whose activation runs over this axis if it mixes values."""

    def function(right: Function, *arguments: Array, activation: str | None = None) -> Array:
        apply: Any = activation_function(activation)
        z = right(*arguments, activation=None)
        return np.asarray(apply(z, axis=axis) if activation in ROW_FUNCTIONS else apply(z))

    return function


dense.table(
    bias_left_out=("the bias is left out", changed(bias=None)),
    bias_added_twice=("the bias is added twice", changed(bias=lambda bias: 2 * bias)),
    bias_subtracted=("the bias is subtracted", changed(bias=np.negative)),
    activation_ignored=("the activation is not applied", changed(activation=None)),
    relu_always=("relu is applied although another activation is asked for", changed(activation="relu")),
    rows_over_the_batch=("softmax runs over the batch axis instead of the units", _over_axis(0)),
    rows_over_everything=("softmax runs over all values instead of each row", _over_axis(None)),
    rows_over_axis_1=("softmax runs over axis 1 instead of the last axis", _over_axis(1)),
)


@dense.by(changed(kernel=lambda kernel: kernel.T if kernel.shape[0] == kernel.shape[1] else kernel))
def kernel_transposed() -> None:
    """The kernel is transposed where it is square."""


@dense.by(changed(kernel=lambda kernel: kernel.ravel().reshape(kernel.shape, order="F")))
def kernel_read_by_columns() -> None:
    """The kernel's values are read in column-major order."""


@dense.by(changed(x=lambda x: x.reshape(-1, x.shape[-1])))
def only_rank_2() -> None:
    """Inputs of more than two axes are flattened to (batch, features) rows and stay so."""


@dense.by(changed(x=lambda x: np.mean(x, axis=tuple(range(1, np.ndim(x) - 1))) if np.ndim(x) > 2 else x))
def averages_middle_axes() -> None:
    """The axes between batch and features are averaged away."""


@dense
def bias_after_activation(right: Function, x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The bias is added after the activation instead of before it."""
    y = right(x, kernel, **options)
    return y if bias is None else y + bias


@dense
def bias_along_the_batch(right: Function, x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None) -> Array:
    """The bias is added along the batch (a column) where batch and units are equal."""
    y = right(x, kernel)
    if bias is not None:
        y = y + (bias[:, None] if y.ndim == 2 and y.shape[0] == y.shape[1] else bias)
    return activation_function(activation)(y)


@dense
def activation_twice(right: Function, x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None) -> Array:
    """The activation is applied twice."""
    y = right(x, kernel, bias, activation=activation)
    return activation_function(activation)(y)


activation.table(
    activation_layer_ignored=("the activation is not applied", changed(activation=None)),
    activation_layer_relu=("relu is applied although another activation is asked for", changed(activation="relu")),
    activation_layer_over_axis_1=("softmax runs over axis 1 instead of the last axis", _over_axis(1)),
)


LAYERS = (dense, activation)
