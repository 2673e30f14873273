"""Activation functions as layers: Keras's classes beside ``Activation(name)``, with defaults of their own.

Two of them, ELU and Softmax, have the name of their function. By the contract the backward pass of a function returns an array and that
of a layer a tuple: there is one ``elu_backward`` and one ``softmax_backward``, which serve both and return the array.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import Gradients, fitting, floating, of_floats, sum_to, summed
from reference.activations import activation_function, activation_gradient
from reference.activations.rowwise import Axis, softmax
from reference.layers.options import ACTIVATION, AXES, NOT_NEGATIVE, NOT_NEGATIVE_OR_NONE, NUMBER, SHARED_AXES
from reference.layers.shapes import Config, Shape, activated, over_axes, place_of
from reference.layers.spec import BY_LOGITS, FORWARD, REQUIRED, Function, LayerSpec, Option, Weight, layer

__all__ = [
    "activation_backward", "activation_forward", "elu_forward", "leaky_re_lu_backward", "leaky_re_lu_forward", "p_re_lu_backward",
    "p_re_lu_forward", "re_lu_backward", "re_lu_forward", "softmax_backward", "softmax_forward",
]  # fmt: skip

Array = NDArray[Any]


class SavedActivation(NamedTuple):
    """Of a layer that is one activation function: its name, its options, its input and its output."""

    activation: str | None
    options: dict[str, Any]
    x: Array
    y: Array

    def logits(self) -> tuple[Array, Function] | None:
        """See :class:`reference.layers.spec.EndsInActivation`."""
        return _identity(self.x) if self.activation in BY_LOGITS else None


class SavedSoftmax(NamedTuple):
    """Of a softmax layer: its output, its axis, and what the function was applied to."""

    y: Array
    axis: Axis
    z: Array

    def logits(self) -> tuple[Array, Function] | None:
        """See :class:`reference.layers.spec.EndsInActivation`."""
        return _identity(self.z) if isinstance(self.axis, int) else None


def _identity(z: Array) -> tuple[Array, Function]:
    """What an activation was applied to, and the gradients of the layer without it."""
    return z, lambda grad, **_: _activation_gradients(grad, SavedActivation("linear", {}, z, z))


def activation_forward(x: Array, *, activation: str | None) -> Array:
    """An activation function as a layer, ``y = activation(x)``. Source: keras.layers.Activation."""
    return _activation_run(x, activation=activation)[0]


def activation_backward(grad_output: ArrayLike, x: Array, *, activation: str | None) -> Gradients:
    """``(grad_x,)`` of :func:`activation_forward`: the backward pass of the function."""
    return _activation_gradients(grad_output, _activation_run(x, activation=activation)[1])


def _activation_run(x: Array, *, activation: str | None, **options: Any) -> tuple[Array, SavedActivation]:
    y = activation_function(activation)(x, **options)
    return y, SavedActivation(activation, options, np.asarray(x), y)


def _activation_gradients(grad_output: ArrayLike, saved: SavedActivation) -> Gradients:
    activation, options, x, y = saved
    grad = fitting(grad_output, y.shape, np.result_type(y, np.float32))
    return (of_floats(x, activation_gradient(activation, grad, x, y, **options)),)


def re_lu_forward(x: Array, *, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0) -> Array:
    """``max(x, 0)``; the options are those of :func:`reference.activations.relu`.

    ValueError if an option is negative. Source: keras.layers.ReLU.
    """
    return _re_lu_run(x, max_value=max_value, negative_slope=negative_slope, threshold=threshold)[0]


def re_lu_backward(grad_output: ArrayLike, x: Array, **options: Any) -> Gradients:
    """``(grad_x,)`` of :func:`re_lu_forward`, as :func:`reference.activations.piecewise.relu_backward`."""
    return _activation_gradients(grad_output, _re_lu_run(x, **options)[1])


def _re_lu_run(
    x: Array, *, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0
) -> tuple[Array, SavedActivation]:
    given = {"max_value": max_value, "negative_slope": negative_slope, "threshold": threshold}
    for name, value in given.items():
        if value is not None and value < 0:
            raise ValueError(f"{name} must not be negative, got {value}")
    return _activation_run(x, activation="relu", **given)


def leaky_re_lu_forward(x: Array, *, negative_slope: float = 0.3) -> Array:
    """``x`` if ``x > 0``, otherwise ``negative_slope * x``: slope 0.3, where the activation function's is 0.2.

    ValueError if the slope is negative. Source: keras.layers.LeakyReLU.
    """
    return _leaky_re_lu_run(x, negative_slope=negative_slope)[0]


def leaky_re_lu_backward(grad_output: ArrayLike, x: Array, *, negative_slope: float = 0.3) -> Gradients:
    """``(grad_x,)`` of :func:`leaky_re_lu_forward`: ``grad_output * (1 if x > 0 else negative_slope)``."""
    return _activation_gradients(grad_output, _leaky_re_lu_run(x, negative_slope=negative_slope)[1])


def _leaky_re_lu_run(x: Array, *, negative_slope: float = 0.3) -> tuple[Array, SavedActivation]:
    if negative_slope < 0:
        raise ValueError(f"negative_slope must not be negative, got {negative_slope}")
    return _activation_run(x, activation="leaky_relu", negative_slope=negative_slope)


def elu_forward(x: Array, *, alpha: float = 1.0) -> Array:
    """``x`` if ``x > 0``, otherwise ``alpha * (exp(x) - 1)``. Source: keras.layers.ELU."""
    return _elu_run(x, alpha=alpha)[0]


def _elu_run(x: Array, *, alpha: float = 1.0) -> tuple[Array, SavedActivation]:
    return _activation_run(x, activation="elu", alpha=alpha)



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
    return _p_re_lu_run(x, alpha)[0]


def p_re_lu_backward(grad_output: ArrayLike, x: Array, alpha: Array) -> Gradients:
    """Gradients of :func:`p_re_lu_forward`, with ``x = 0`` a place where neither part has a slope.

    ``grad_x = grad_output * (1 if x > 0, alpha if x < 0, else 0)``
    ``grad_alpha = sum of grad_output * min(x, 0)`` over the batch and the places that share a slope

    Returns
    -------
    grad_x, grad_alpha : arrays of the shapes of `x` and `alpha`
    """
    return _p_re_lu_gradients(grad_output, _p_re_lu_run(x, alpha)[1])


def _p_re_lu_run(x: Array, alpha: Array) -> tuple[Array, tuple[Array, Array]]:
    x = np.asarray(x)
    fits = alpha.ndim == x.ndim - 1 and all(one in (1, size) for one, size in zip(alpha.shape, x.shape[1:], strict=True))
    if not fits:
        raise ValueError(f"alpha {alpha.shape} does not fit samples of the shape {x.shape[1:]}")
    return np.asarray(np.maximum(x, 0) - alpha * np.maximum(-x, 0)), (x, alpha)


def _p_re_lu_gradients(grad_output: ArrayLike, saved: tuple[Array, Array]) -> Gradients:
    x, alpha = saved
    grad = fitting(grad_output, x.shape, x.dtype)
    grad_alpha = sum_to(summed(grad * np.minimum(x, 0), (0,)), (1, *alpha.shape))
    return grad * ((x > 0) + alpha * (x < 0)), grad_alpha.reshape(alpha.shape)


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
    return _softmax_run(x, axis=axis, mask=mask)[0]


def softmax_backward(grad_output: ArrayLike, x: ArrayLike, *, axis: Axis = -1, mask: Array | None = None) -> Array:
    """The gradient of `x` of the softmax function, and with a mask of the layer: an array, not a tuple.

    ``grad_x = y * (grad_output - sum(grad_output * y))``, the sum along `axis`, see :func:`reference.activations.rowwise.softmax_backward`.
    A masked place has no part in any output: ``y = 0`` and ``grad_x = 0``.
    """
    grad_x: Array = _softmax_gradients(grad_output, _softmax_run(floating(x), axis=axis, mask=mask)[1])[0]
    return grad_x


def _softmax_run(x: Array, *, axis: Axis = -1, mask: Array | None = None) -> tuple[Array, SavedSoftmax]:
    x = np.asarray(x)
    if mask is None:
        y = softmax(x, axis=axis)
        return y, SavedSoftmax(y, axis, x)
    kept = mask if mask.dtype == bool else mask > 0.5
    if np.broadcast_shapes(kept.shape, x.shape) != x.shape:
        raise ValueError(f"a mask of the shape {kept.shape} does not broadcast to {x.shape}")
    # Far below every number that counts, and yet a number: a slice without any is not NaN.
    lowest = np.finfo(x.dtype).min / 2
    z = np.where(kept, x, lowest)
    y = np.asarray(np.where(kept, softmax(z, axis=axis), 0), dtype=x.dtype)
    return y, SavedSoftmax(y, axis, z)


def _softmax_gradients(grad_output: ArrayLike, saved: SavedSoftmax) -> Gradients:
    y, axis, _ = saved
    return (activation_gradient("softmax", fitting(grad_output, y.shape, y.dtype), y, y, axis=axis),)


def _alpha_shape(config: Config, shape: Shape) -> Shape:
    if not shape:
        raise ValueError("the shape of the input is not known")
    shared = config.get("shared_axes") or []
    return tuple(1 if axis in shared else size for axis, size in enumerate(shape[1:], start=1))


def _shared_slopes(config: Config, shape: Shape) -> Shape:
    for axis in config.get("shared_axes") or ():
        if axis < 0:
            raise ValueError(f"shared_axes takes axes from 1, got {axis}")
        place_of(axis, len(shape))
    return shape


ACTIVATION_LAYER = layer(
    LayerSpec(
        "Activation", activation_forward, _activation_run, _activation_gradients,
        options={"activation": Option(REQUIRED, ACTIVATION)}, output=activated, keeps_mask=True,
    )
)  # fmt: skip
RE_LU = layer(
    LayerSpec(
        "ReLU", re_lu_forward, _re_lu_run, _activation_gradients,
        options={
            "max_value": Option(None, NOT_NEGATIVE_OR_NONE),
            "negative_slope": Option(0.0, NOT_NEGATIVE),
            "threshold": Option(0.0, NOT_NEGATIVE),
        },
        keeps_mask=True,
    )
)  # fmt: skip
LEAKY_RE_LU = layer(
    LayerSpec(
        "LeakyReLU", leaky_re_lu_forward, _leaky_re_lu_run, _activation_gradients,
        options={"negative_slope": Option(0.3, NOT_NEGATIVE)}, keeps_mask=True,
    )
)  # fmt: skip
ELU = layer(LayerSpec("ELU", elu_forward, _elu_run, _activation_gradients, options={"alpha": Option(1.0, NUMBER)}, keeps_mask=True))
P_RE_LU = layer(
    LayerSpec(
        "PReLU", p_re_lu_forward, _p_re_lu_run, _p_re_lu_gradients,
        weights={"alpha": Weight(_alpha_shape)}, options={"shared_axes": Option(None, SHARED_AXES, taken_by=())},
        output=_shared_slopes, keeps_mask=True,
    )
)  # fmt: skip
SOFTMAX = layer(
    LayerSpec(
        "Softmax", softmax_forward, _softmax_run, _softmax_gradients,
        options={"axis": Option(-1, AXES)}, output=over_axes, takes=("mask",), keeps_mask=True, mask_acts=(FORWARD,),
    )
)  # fmt: skip
