"""Activation functions as layers: Keras's classes beside ``Activation(name)``, with defaults of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.activations import Axis, activation_function, elu, leaky_relu, relu, softmax

Array = NDArray[Any]


def activation_forward(x: Array, *, activation: str | None) -> Array:
    """An activation function as a layer, ``y = activation(x)``. Source: keras.layers.Activation."""
    return activation_function(activation)(x)


def re_lu_forward(x: Array, *, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0) -> Array:
    """``max(x, 0)``; the options are those of :func:`reference.activations.relu`.

    ValueError if an option is negative. Source: keras.layers.ReLU.
    """
    given = {"max_value": max_value, "negative_slope": negative_slope, "threshold": threshold}
    for name, value in given.items():
        if value is not None and value < 0:
            raise ValueError(f"{name} must not be negative, got {value}")
    return relu(x, max_value=max_value, negative_slope=negative_slope, threshold=threshold)


def leaky_re_lu_forward(x: Array, *, negative_slope: float = 0.3) -> Array:
    """``x`` if ``x > 0``, otherwise ``negative_slope * x``: slope 0.3, where the activation function's is 0.2.

    ValueError if the slope is negative. Source: keras.layers.LeakyReLU.
    """
    if negative_slope < 0:
        raise ValueError(f"negative_slope must not be negative, got {negative_slope}")
    return leaky_relu(x, negative_slope=negative_slope)


def elu_forward(x: Array, *, alpha: float = 1.0) -> Array:
    """``x`` if ``x > 0``, otherwise ``alpha * (exp(x) - 1)``. Source: keras.layers.ELU."""
    return elu(x, alpha=alpha)


def p_re_lu_forward(x: Array, alpha: Array) -> Array:
    """``max(x, 0) - alpha * max(-x, 0)``: the slope below 0 is learned, one for every place.

    Parameters
    ----------
    x : float array (batch, ...)
    alpha : array of the shape of one sample, or of 1 along the axes that share a slope

    Returns
    -------
    y : array with the shape and dtype of `x`

    Raises
    ------
    ValueError
        If `alpha` does not have the rank of a sample, or does not broadcast to it.

    Source: He, Zhang, Ren and Sun 2015, arXiv:1502.01852; keras.layers.PReLU.
    """
    x = np.asarray(x)
    fits = alpha.ndim == x.ndim - 1 and all(one in (1, size) for one, size in zip(alpha.shape, x.shape[1:], strict=True))
    if not fits:
        raise ValueError(f"alpha {alpha.shape} does not fit samples of the shape {x.shape[1:]}")
    return np.asarray(np.maximum(x, 0) - alpha * np.maximum(-x, 0))


def softmax_forward(x: Array, *, axis: Axis = -1, mask: Array | None = None) -> Array:
    """``exp(x) / sum(exp(x))`` over `axis`, among the places that the mask keeps.

    Parameters
    ----------
    x : float array
    axis : int or tuple of int
    mask : array that broadcasts to `x`, aligned with its last axes, optional
        True where a value counts (numbers: above 0.5). Elsewhere the result is 0, so that nothing but zeros comes of a
        slice that is masked as a whole.

    Returns
    -------
    y : array with the shape and dtype of `x`

    Raises
    ------
    ValueError
        If `mask` does not broadcast to `x`.

    Source: keras.layers.Softmax.
    """
    x = np.asarray(x)
    if mask is None:
        return softmax(x, axis=axis)
    kept = mask if mask.dtype == bool else mask > 0.5
    if np.broadcast_shapes(kept.shape, x.shape) != x.shape:
        raise ValueError(f"a mask of the shape {kept.shape} does not broadcast to {x.shape}")
    # Far below every number that counts, and yet a number: a slice without any is not NaN.
    lowest = np.finfo(x.dtype).min / 2
    return np.asarray(np.where(kept, softmax(np.where(kept, x, lowest), axis=axis), 0), dtype=x.dtype)
