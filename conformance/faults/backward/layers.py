"""Mistakes in the backward passes of normalisation and of activation layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.faults.backward.slopes import SLOPES
from conformance.faults.fault import Collection, Function, Shared, pair_of
from reference._arrays import sum_to

Array = NDArray[Any]

normalization = Shared("BatchNormalization", "LayerNormalization", part="backward")
batch_normalization, layer_normalization = (Collection(name, part="backward") for name in ("BatchNormalization", "LayerNormalization"))
activation_layers = Shared("ReLU", "LeakyReLU", "ELU", "PReLU", part="backward")
relu, leaky_relu, elu = (Collection(name, part="backward") for name in ("ReLU", "LeakyReLU", "ELU"))
p_relu, softmax = Collection("PReLU", part="backward"), Collection("Softmax", part="backward")


class _Parts:
    """What the gradient of a normalisation is made of, as the reference saved it."""

    def __init__(self, right: Function, grad_output: Array, x: Array, *weights: Any, **options: Any) -> None:
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

    def with_x(self, grad: Array) -> Any:
        """The gradients with this one of the normalised values in the place of the input's."""
        return (np.asarray(grad * self.saved.inverse, dtype=self.grad.dtype), *self.gradients[1:])


@normalization
def statistics_taken_as_constant(right: Function, *arguments: Any, **options: Any) -> Any:
    """Mean and variance are taken as constants, though they depend on the input."""
    parts = _Parts(right, *arguments, **options)
    return parts.with_x(parts.grad)


@normalization
def variance_taken_as_constant(right: Function, *arguments: Any, **options: Any) -> Any:
    """The variance is taken as a constant; only the mean hands a gradient back."""
    parts = _Parts(right, *arguments, **options)
    return parts.gradients if parts.fixed else parts.with_x(parts.grad - parts.mean(parts.grad))


@normalization
def mean_taken_as_constant(right: Function, *arguments: Any, **options: Any) -> Any:
    """The mean is taken as a constant; only the variance hands a gradient back."""
    parts = _Parts(right, *arguments, **options)
    return parts.gradients if parts.fixed else parts.with_x(parts.grad - parts.normal * parts.mean(parts.grad * parts.normal))


@normalization
def gamma_left_out(right: Function, grad_output: Array, *arguments: Any, **options: Any) -> Any:
    """The gradient of the input is not multiplied with gamma."""
    parts = _Parts(right, grad_output, *arguments, **options)
    if parts.saved.gamma is None:
        return parts.gradients
    grad = grad_output
    if not parts.fixed:
        grad = grad - parts.mean(grad) - parts.normal * parts.mean(grad * parts.normal)
    return parts.with_x(grad)


@normalization
def gamma_by_the_input(right: Function, grad_output: Array, x: Array, *weights: Any, **options: Any) -> Any:
    """The gradient of gamma is formed with the input instead of the normalised input."""
    parts = _Parts(right, grad_output, x, *weights, **options)
    if parts.saved.gamma is None:
        return parts.gradients
    grad_gamma = np.sum(grad_output * x, axis=parts.saved.weight_axes).reshape(parts.saved.weight_shape)
    return (parts.gradients[0], grad_gamma, *parts.gradients[2:])


@batch_normalization
def statistics_of_the_batch_in_inference(grad_output: Array, x: Array, *weights: Any, training: bool = False, **options: Any) -> Any:
    """The formula of training is used in inference, too."""
    return reference.batch_normalization_backward(grad_output, x, *weights, training=True, **options)


@batch_normalization
def divided_by_the_batch_alone(grad_output: Array, x: Array, *weights: Any, **options: Any) -> Any:
    """The means over what is normalised together are sums divided by the batch size alone, not by all of its places."""
    parts = _Parts(reference.batch_normalization_backward, grad_output, x, *weights, **options)
    if parts.fixed:
        return parts.gradients
    places = parts.saved.statistics[4] / len(x)
    return parts.with_x(parts.grad - places * (parts.mean(parts.grad) + parts.normal * parts.mean(parts.grad * parts.normal)))


@batch_normalization
def mask_ignored_by_normalization(grad_output: Array, x: Array, *weights: Any, mask: Any = None, **options: Any) -> Any:
    """The mask is ignored in the backward pass."""
    return reference.batch_normalization_backward(grad_output, x, *weights, **options)


@layer_normalization
def gamma_after_the_statistics(grad_output: Array, x: Array, *weights: Any, **options: Any) -> Any:
    """The gradient is multiplied with gamma behind the derivatives of mean and variance, not before them."""
    parts = _Parts(reference.layer_normalization_backward, grad_output, x, *weights, **options)
    if parts.saved.gamma is None:
        return parts.gradients
    return parts.with_x((grad_output - parts.mean(grad_output) - parts.normal * parts.mean(grad_output * parts.normal)) * parts.saved.gamma)


@activation_layers
def derivative_left_out(right: Function, grad_output: Array, x: Array, *weights: Any, **options: Any) -> Any:
    """The derivative of the activation is left out."""
    answer = right(grad_output, x, *weights, **options)
    return (grad_output, *answer[1:]) if isinstance(answer, tuple) else grad_output


@relu
def limits_ignored(grad_output: Array, x: Array, **options: Any) -> Any:
    """The derivative is that of plain relu: negative_slope, max_value and threshold are ignored."""
    return reference.re_lu_backward(grad_output, x)


@relu
def passes_above_max_value(grad_output: Array, x: Array, max_value: float | None = None, **options: Any) -> Any:
    """The gradient is handed on above max_value."""
    return reference.re_lu_backward(grad_output, x, **options)


@relu
def passes_at_0(grad_output: Array, x: Array, **options: Any) -> Any:
    """The gradient is handed on at the kink itself."""
    (right,) = reference.re_lu_backward(grad_output, x, **options)
    return (np.where(x == options.get("threshold", 0.0), grad_output, right),)


@leaky_relu
def slope_of_the_function(grad_output: Array, x: Array, negative_slope: float = 0.2) -> Any:
    """The slope is 0.2 by default, that of the function leaky_relu; the layer's is 0.3."""
    return reference.leaky_re_lu_backward(grad_output, x, negative_slope=negative_slope)


@leaky_relu
def slope_1_at_0(grad_output: Array, x: Array, **options: Any) -> Any:
    """The slope at 0 itself is 1; in Keras it is negative_slope."""
    (right,) = reference.leaky_re_lu_backward(grad_output, x, **options)
    return (np.where(x == 0, grad_output, right),)


@leaky_relu
def nothing_below_0(grad_output: Array, x: Array, **options: Any) -> Any:
    """Below 0 the gradient is 0, that of relu."""
    return (grad_output * (x > 0),)


@elu
def alpha_ignored(grad_output: Array, x: Array, **options: Any) -> Any:
    """Alpha is left out of the derivative."""
    return reference.elu_backward(grad_output, x)


@p_relu
def alpha_not_summed(grad_output: Array, x: Array, alpha: Array) -> Any:
    """The gradient of alpha is averaged over batch and shared axes instead of summed."""
    grad_x, grad_alpha = reference.p_re_lu_backward(grad_output, x, alpha)
    return grad_x, grad_alpha * alpha.size / x.size


@p_relu
def alpha_of_all_values(grad_output: Array, x: Array, alpha: Array) -> Any:
    """The gradient of alpha counts the positive values, too."""
    wide = sum_to(np.asarray(grad_output * x).sum(axis=0, keepdims=True), (1, *alpha.shape))
    return reference.p_re_lu_backward(grad_output, x, alpha)[0], wide.reshape(alpha.shape)


def _softmax(fault: str, grad_output: Array, x: Array, **options: Any) -> Any:
    y = reference.softmax_forward(x, **options)
    return SLOPES[fault].slope(lambda grad, z: grad, "softmax", grad_output, x, y)


@softmax
def softmax_taken_for_1(grad_output: Array, x: Array, **options: Any) -> Any:
    """Softmax is differentiated as 1, which is right only together with cross-entropy."""
    return _softmax("softmax_taken_for_1", grad_output, x, **options)


@softmax
def softmax_diagonal(grad_output: Array, x: Array, **options: Any) -> Any:
    """Softmax is differentiated as y (1 - y), the diagonal of its Jacobian alone."""
    return _softmax("softmax_diagonal", grad_output, x, **options)


@softmax
def mask_ignored(grad_output: Array, x: Array, mask: Any = None, **options: Any) -> Any:
    """The mask is ignored in the backward pass."""
    return reference.softmax_backward(grad_output, x, **options)


@softmax
def last_axis_always(grad_output: Array, x: Array, axis: Any = -1, **options: Any) -> Any:
    """The derivative runs over the last axis, whatever the axis."""
    return reference.softmax_backward(grad_output, x, **options)


LAYERS = (normalization, batch_normalization, layer_normalization, activation_layers, relu, leaky_relu, elu, p_relu, softmax)
