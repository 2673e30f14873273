"""Mistakes in the backward passes of normalisation and of activation layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.faults.backward.slopes import SLOPES
from conformance.faults.fault import Function, Shared, assuming, changed, pair_of
from reference._arrays import sum_to
from reference.layers.normalization import SavedLength, SavedScaling

Array = NDArray[Any]

normalization = Shared("BatchNormalization", "LayerNormalization", part="backward")
batch_normalization, layer_normalization = (Shared(name, part="backward") for name in ("BatchNormalization", "LayerNormalization"))
activation_layers = Shared("ReLU", "LeakyReLU", "ELU", "PReLU", part="backward")
relu, leaky_relu, elu = (Shared(name, part="backward") for name in ("ReLU", "LeakyReLU", "ELU"))
p_relu, softmax = Shared("PReLU", part="backward"), Shared("Softmax", part="backward")


class _Parts:
    """What the gradient of a normalisation is made of, as the reference saved it."""

    def __init__(self, right: Function, grad_output: Array, x: Array, *weights: Any, **options: Any) -> None:
        self.given, self.batch = grad_output, len(x)
        self.gradients = right(grad_output, x, *weights, **options)
        self.saved = pair_of(right)[0](x, *weights, **options)[1]
        self.grad = grad_output if self.saved.gamma is None else grad_output * self.saved.gamma
        self.normal = (x - self.saved.mean) * self.saved.inverse

    @property
    def fixed(self) -> bool:
        """Whether mean and variance are given numbers."""
        return self.saved.statistics is None

    def mean(self, value: Array) -> Array:
        """The mean over what is normalised together."""
        _, _, axes, weight, number = self.saved.statistics
        return np.asarray((1 if weight is None else weight) * np.sum(value, axis=axes, keepdims=True) / number)

    def through(self, grad: Array, places: float = 1) -> Array:
        """What comes back through mean and variance too; the means may be sums of so many places."""
        if self.fixed:
            return grad
        return np.asarray(grad - places * (self.mean(grad) + self.normal * self.mean(grad * self.normal)))


def _with_x(change: Callable[[_Parts], Array | None]) -> Function:
    """The gradients with that of the normalised values made of the parts; None leaves them as they are."""

    def function(right: Function, *arguments: Any, **options: Any) -> Any:
        parts = _Parts(right, *arguments, **options)
        grad = change(parts)
        if grad is None:
            return parts.gradients
        return (np.asarray(grad * parts.saved.inverse, dtype=parts.grad.dtype), *parts.gradients[1:])

    return function


def _passing_at_0(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """The gradient is handed on at the kink."""
    return (np.where(x == options.get("threshold", 0.0), grad_output, right(grad_output, x, **options)[0]),)


def _softmax(fault: str) -> Function:
    """A softmax with a wrong derivative."""

    def function(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
        y = reference.softmax_forward(x, **options)
        return SLOPES[fault].slope(lambda grad, z: grad, "softmax", grad_output, x, y)

    return function


@normalization.by(_with_x(lambda parts: parts.grad))
def statistics_taken_as_constant() -> None:
    """Mean and variance are taken as constants, though they depend on the input."""


@normalization.by(_with_x(lambda parts: None if parts.fixed else parts.grad - parts.mean(parts.grad)))
def variance_taken_as_constant() -> None:
    """The variance is taken as a constant; only the mean hands a gradient back."""


@normalization.by(_with_x(lambda parts: None if parts.fixed else parts.grad - parts.normal * parts.mean(parts.grad * parts.normal)))
def mean_taken_as_constant() -> None:
    """The mean is taken as a constant; only the variance hands a gradient back."""


@normalization.by(_with_x(lambda parts: None if parts.saved.gamma is None else parts.through(parts.given)))
def gamma_left_out() -> None:
    """The gradient of the input is not multiplied with gamma."""


@normalization
def gamma_by_the_input(right: Function, grad_output: Array, x: Array, *weights: Any, **options: Any) -> Any:
    """The gradient of gamma is formed with the input instead of the normalised input."""
    parts = _Parts(right, grad_output, x, *weights, **options)
    if parts.saved.gamma is None:
        return parts.gradients
    grad_gamma = np.sum(grad_output * x, axis=parts.saved.weight_axes).reshape(parts.saved.weight_shape)
    return (parts.gradients[0], grad_gamma, *parts.gradients[2:])


def _of_length(change: Callable[[Array, SavedLength], Array]) -> Function:
    """The gradient of a layer that divides by a length, made of that of the output and what was saved."""

    def function(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
        saved = pair_of(right)[0](x, **options)[1]
        return (np.asarray(change(grad_output, saved), dtype=saved.y.dtype),)

    return function


def _along(grad: Array, saved: SavedLength) -> Array:
    """The part of a gradient that would stretch the vector."""
    return np.asarray(np.where(saved.follows, saved.y * np.sum(grad * saved.y, axis=saved.axes, keepdims=True), 0))


unit_normalization = Shared("UnitNormalization", part="backward", wrap=_of_length).table(
    length_taken_as_constant=("the length is taken as a constant", lambda grad, saved: grad * saved.inverse),
    projection_added=("the part along the vector is added instead of taken away", lambda g, saved: (g + _along(g, saved)) * saved.inverse),
    length_not_divided_by=("the gradient is not divided by the length", lambda grad, saved: grad - _along(grad, saved)),
    shrunk_by_the_batch=("the part along the vector is divided by the batch", lambda g, s: (g - _along(g, s) / len(g)) * s.inverse),
)

def _of_scaling(change: Callable[[Array, Array, SavedScaling], tuple[Array, Array]]) -> Function:
    """The gradients of a layer that divides by a root mean square, made of those of the output and what was saved."""

    def function(right: Function, grad_output: Array, x: Array, scale: Array, **options: Any) -> Any:
        grad_x, grad_scale = right(grad_output, x, scale, **options)
        saved = pair_of(right)[0](x, scale, **options)[1]
        wrong_x, wrong_scale = change(grad_output, x * saved.inverse, saved)
        return (grad_x if wrong_x is None else wrong_x, grad_scale if wrong_scale is None else wrong_scale.reshape(scale.shape))

    return function


def _scale_of(grad: Array, saved: SavedScaling) -> Array:
    """The gradient of `scale` from that of every place."""
    return np.asarray(np.sum(grad, axis=tuple(place for place in range(grad.ndim) if place not in saved.axes)))


rms_normalization = Shared("RMSNormalization", part="backward", wrap=_of_scaling).table(
    mean_square_taken_as_constant=("the mean square is taken as a constant", lambda g, n, saved: (g * saved.scale * saved.inverse, None)),
    scale_left_out=(
        "the gradient of the input is not multiplied with scale",
        lambda g, n, saved: ((g - n * np.mean(g * n, axis=saved.axes, keepdims=True)) * saved.inverse, None),
    ),
    scale_by_the_input=("the gradient of scale is formed with the input", lambda g, n, saved: (None, _scale_of(g * saved.x, saved))),
    scale_by_the_batch=("the gradient of scale is divided by the batch", lambda g, n, saved: (None, _scale_of(g * n, saved) / len(g))),
)

batch_normalization.table(
    statistics_of_the_batch_in_inference=("the formula of training is used in inference, too", changed(training=True)),
    mask_ignored_by_normalization=("the mask is ignored in the backward pass", changed(mask=None)),
)


@batch_normalization.by(
    _with_x(lambda parts: None if parts.fixed else parts.through(parts.grad, parts.saved.statistics.number / parts.batch))
)
def divided_by_the_batch_alone() -> None:
    """The means over what is normalised together are sums divided by the batch size alone, not by all of its places."""


@layer_normalization.by(_with_x(lambda parts: None if parts.saved.gamma is None else parts.through(parts.given) * parts.saved.gamma))
def gamma_after_the_statistics() -> None:
    """The gradient is multiplied with gamma behind the derivatives of mean and variance, not before them."""


@activation_layers
def derivative_left_out(right: Function, grad_output: Array, x: Array, *weights: Any, **options: Any) -> Any:
    """The derivative of the activation is left out."""
    answer = right(grad_output, x, *weights, **options)
    return (grad_output, *answer[1:]) if isinstance(answer, tuple) else grad_output


relu.table(
    passes_above_max_value=("the gradient is handed on above max_value", changed(max_value=None)),
    passes_at_0=("the gradient is handed on at the kink itself", _passing_at_0),
)


@relu.by(lambda right, grad, x, **options: right(grad, x))
def limits_ignored() -> None:
    """The derivative is that of plain relu: negative_slope, max_value and threshold are ignored."""


leaky_relu.table(
    slope_1_at_0=("the slope at 0 itself is 1; in Keras it is negative_slope", _passing_at_0),
    nothing_below_0=("below 0 the gradient is 0, that of relu", lambda right, grad, x, **options: (grad * (x > 0),)),
)


@leaky_relu.by(assuming(negative_slope=0.2))
def slope_of_the_function() -> None:
    """The slope is 0.2 by default, that of the function leaky_relu; the layer's is 0.3."""


elu.table(
    alpha_ignored=("alpha is left out of the derivative", lambda right, grad, x, **options: right(grad, x)),
)


@p_relu.by(lambda right, grad, x, alpha: (right(grad, x, alpha)[0], right(grad, x, alpha)[1] * alpha.size / x.size))
def alpha_not_summed() -> None:
    """The gradient of alpha is averaged over batch and shared axes instead of summed."""


@p_relu
def alpha_of_all_values(right: Function, grad_output: Array, x: Array, alpha: Array) -> Any:
    """The gradient of alpha counts the positive values, too."""
    wide = sum_to(np.asarray(grad_output * x).sum(axis=0, keepdims=True), (1, *alpha.shape))
    return right(grad_output, x, alpha)[0], wide.reshape(alpha.shape)


softmax.table(
    softmax_diagonal=("softmax is differentiated as y (1 - y), the diagonal of its Jacobian alone", _softmax("softmax_diagonal")),
    mask_ignored=("the mask is ignored in the backward pass", changed(mask=None)),
    last_axis_always=("the derivative runs over the last axis, whatever the axis", changed(axis=-1)),
)


@softmax.by(_softmax("softmax_taken_for_1"))
def softmax_taken_for_1() -> None:
    """Softmax is differentiated as 1, which is right only together with cross-entropy."""


NORMALIZATION = (normalization, batch_normalization, layer_normalization, unit_normalization, rms_normalization)
LAYERS = (*NORMALIZATION, activation_layers, relu, leaky_relu, elu, p_relu, softmax)
