"""Fully connected layers."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import Gradients, fitting, summed
from reference.activations import activation_function, activation_gradient
from reference.layers.options import ACTIVATION, COUNT
from reference.layers.shapes import Config, Shape, activated, check_rank, count, size_along, sizes
from reference.layers.spec import BY_LOGITS, REQUIRED, USE_BIAS, Function, LayerSpec, Option, Weight, layer

__all__ = ["dense_backward", "dense_forward"]

Array = NDArray[Any]


def floating(x: Array, like: Array) -> Array:
    """`x` in the dtype of `like` where it is an integer or bool array; floats stay as they are."""
    x = np.asarray(x)
    return x if np.issubdtype(x.dtype, np.floating) else x.astype(like.dtype)


def dense_forward(x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None) -> Array:
    """Fully connected layer: ``y = activation(x @ kernel + bias)`` over the last axis.

    Parameters
    ----------
    x : array (batch, ..., features)
        Integers and bools are converted to the dtype of `kernel`.
    kernel : array (features, units)
    bias : array (units,), optional
    activation : str, optional
        Name of an activation function; None is linear.

    Returns
    -------
    y : array (batch, ..., units)

    Raises
    ------
    ValueError
        If `x` has fewer than two axes or its last axis is not `features`.

    Source: keras.layers.Dense.
    """
    return _dense_run(x, kernel, bias, activation=activation)[0]


def dense_backward(
    grad_output: ArrayLike, x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None
) -> Gradients:
    """Gradients of :func:`dense_forward`. With ``z = x @ kernel + bias`` and ``grad_z = grad_output * activation'(z)``:

    ``grad_x = grad_z @ transpose(kernel)``
    ``grad_kernel = transpose(x) @ grad_z``, `x` and `grad_z` as matrices with all axes but the last in one
    ``grad_bias = sum of grad_z`` over all axes but the last

    Returns
    -------
    grad_x, grad_kernel, grad_bias : arrays of the shapes of `x`, `kernel`, `bias`; None for integers and a bias that is None

    Raises
    ------
    ValueError
        If `grad_output` does not have the shape of the output, or as :func:`dense_forward`.
    """
    return _dense_gradients(grad_output, _dense_run(x, kernel, bias, activation=activation)[1])


class SavedDense(NamedTuple):
    """What the gradients of a dense layer need; `z` is the output before the activation."""

    x: Array
    kernel: Array
    biased: bool
    z: Array
    y: Array
    activation: str | None

    def logits(self) -> tuple[Array, Function] | None:
        """See :class:`reference.layers.spec.EndsInActivation`."""
        without = self._replace(activation=None)
        return (self.z, lambda grad, **_: _dense_gradients(grad, without)) if self.activation in BY_LOGITS else None


def _dense_run(x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None) -> tuple[Array, SavedDense]:
    x = np.asarray(x)
    if x.ndim < 2 or x.shape[-1] != kernel.shape[0]:
        raise ValueError(f"dense takes an array (batch, ..., {kernel.shape[0]}), got the shape {x.shape}")
    z = floating(x, kernel) @ kernel
    if bias is not None:
        z += bias
    y = activation_function(activation)(z)
    return y, SavedDense(x, kernel, bias is not None, z, y, activation)


def _dense_gradients(grad_output: ArrayLike, saved: SavedDense) -> Gradients:
    x, kernel, biased, z, y, activation = saved
    grad_z = activation_gradient(activation, fitting(grad_output, y.shape, y.dtype), z, y)
    rows = math.prod(x.shape[:-1])
    flat = grad_z.reshape(rows, kernel.shape[1])
    grad_kernel = floating(x, kernel).reshape(rows, kernel.shape[0]).T @ flat
    grad_x = grad_z @ kernel.T if x.dtype.kind == "f" else None
    return grad_x, grad_kernel, summed(flat, (0,)).reshape(-1) if biased else None


def _output(config: Config, shape: Shape) -> Shape:
    check_rank(shape, 2)
    return activated(config, (*shape[:-1], config["units"]))


DENSE = layer(
    LayerSpec(
        "Dense", dense_forward, _dense_run, _dense_gradients,
        weights={
            "kernel": Weight(lambda config, shape: (size_along(shape, -1), count(config, "units")), initializer="glorot_uniform"),
            "bias": Weight(sizes("units"), unless="use_bias"),
        },
        options={"units": Option(REQUIRED, COUNT, taken_by=()), "activation": Option("linear", ACTIVATION), "use_bias": USE_BIAS},
        output=_output, keeps_mask=True,
    )
)  # fmt: skip
