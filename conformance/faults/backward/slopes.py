"""Mistakes in the derivative of an activation: of the function alone, and behind the product of a layer.

A wrong slope takes the right one ``(grad_output, z) -> grad_z``, the name of the function, the gradient of ``y = f(z)``, z and y.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.cases import FAMILIES
from conformance.faults.fault import Collection, Function, right_function
from reference.activations import BACKWARDS, activation_function

Array = NDArray[Any]
Right = Callable[[Array, Array], Array]
# The gradient of sparsemax is not asked for: Keras computes the function wrongly (D5).
FUNCTIONS = tuple(layer.layer for layer in FAMILIES["activations"] if layer.layer != "sparsemax")


@dataclass(frozen=True)
class WrongSlope:
    """A wrong derivative, its sentence, and of which functions it is wrong."""

    sentence: str
    slope: Callable[[Right, str, Array, Array, Array], Array]
    of: Callable[[str], bool]

    def __call__(self, right: Right, name: str, grad_output: Array, z: Array, y: Array) -> Array:
        """The wrong gradient of z; the right one where the mistake is made in other functions."""
        return self.slope(right, name, grad_output, z, y) if self.of(name) else right(grad_output, z)


def _of_silu(grad_output: Array, z: Array, slope: Callable[[Array], Array]) -> Array:
    """The gradient of silu by a slope that is made of the sigmoid of z."""
    return np.asarray(grad_output * slope(reference.sigmoid(z)))


SLOPES: dict[str, WrongSlope] = {
    "derivative_left_out": WrongSlope(
        "the derivative of the activation is left out",
        lambda right, name, grad, z, y: grad,
        lambda name: name not in ("linear", "softmax", "glu"),
    ),
    "softmax_taken_for_1": WrongSlope(
        "softmax is differentiated as 1, which is right only together with cross-entropy",
        lambda right, name, grad, z, y: grad,
        lambda name: name == "softmax",
    ),
    "softmax_diagonal": WrongSlope(
        "softmax is differentiated as y (1 - y), the diagonal of its Jacobian alone",
        lambda right, name, grad, z, y: grad * y * (1 - y),
        lambda name: name == "softmax",
    ),
    "derivative_of_relu": WrongSlope(
        "the derivative of relu is taken, whatever the activation",
        lambda right, name, grad, z, y: grad * (z > 0),
        lambda name: name not in ("relu", "glu"),
    ),
    "relu_passes_everything": WrongSlope(
        "relu hands the gradient on where its argument is negative",
        lambda right, name, grad, z, y: grad,
        lambda name: name in ("relu", "relu6"),
    ),
    "tanh_of_the_argument": WrongSlope(
        "the derivative of tanh, 1 - y**2, is given the argument instead of the output",
        lambda right, name, grad, z, y: grad * (1 - z * z),
        lambda name: name == "tanh",
    ),
    "tanh_by_sinh": WrongSlope(
        "the derivative of tanh is 1 / sinh(x)**2 instead of 1 / cosh(x)**2",
        lambda right, name, grad, z, y: grad / np.sinh(z) ** 2,
        lambda name: name == "tanh",
    ),
    "sinh_for_tanh": WrongSlope(
        "the derivative of tanh is 1 - sinh(x)**2 instead of 1 - tanh(x)**2",
        lambda right, name, grad, z, y: grad * (1 - np.sinh(z) ** 2),
        lambda name: name == "tanh",
    ),
    "silu_argument_twice": WrongSlope(
        "the derivative of silu is multiplied with x once more",
        lambda right, name, grad, z, y: z * right(grad, z),
        lambda name: name == "silu",
    ),
    "silu_sigmoid_twice": WrongSlope(
        "the derivative of silu has a sigmoid s too many: s (1 + x s (1 - s)) instead of s (1 + x (1 - s))",
        lambda right, name, grad, z, y: _of_silu(grad, z, lambda s: s * (1 + z * s * (1 - s))),
        lambda name: name == "silu",
    ),
    "silu_sigmoid_alone": WrongSlope(
        "the derivative of silu is the sigmoid s alone: x s (1 - s) is left out",
        lambda right, name, grad, z, y: _of_silu(grad, z, lambda s: s),
        lambda name: name == "silu",
    ),
    "silu_sigmoid_left_out": WrongSlope(
        "the derivative of silu is x s (1 - s) alone: the sigmoid s itself is left out",
        lambda right, name, grad, z, y: _of_silu(grad, z, lambda s: z * s * (1 - s)),
        lambda name: name == "silu",
    ),
    "sigmoid_of_the_argument": WrongSlope(
        "the derivative of sigmoid, y (1 - y), is given the argument instead of the output",
        lambda right, name, grad, z, y: grad * z * (1 - z),
        lambda name: name == "sigmoid",
    ),
    "derivative_at_the_output": WrongSlope(
        "the derivative is taken at the output of the activation instead of its argument",
        lambda right, name, grad, z, y: right(grad, y),
        lambda name: name not in ("linear", "glu", "relu"),
    ),
}


def alone(name: str, wrong: WrongSlope) -> Function:
    """``name_backward`` with a wrong derivative."""

    def function(grad_output: Array, x: Array, **options: Any) -> Array:
        right = functools.partial(BACKWARDS[name], **options)
        return wrong(right, name, grad_output, x, activation_function(name)(x, **options))

    return function


def behind(layer: str, wrong: WrongSlope) -> Function:
    """A layer that ends in an activation, with a wrong derivative of it."""

    def function(grad_output: Array, x: Array, *weights: Any, activation: str | None = None, **options: Any) -> Any:
        name = activation or "linear"
        plain = {**options, "activation": None}
        z = right_function(layer)(x, *weights, **plain)
        grad = wrong(BACKWARDS[name], name, grad_output, z, activation_function(name)(z))
        return right_function(layer, "backward")(grad, x, *weights, **plain)

    return function


def _but(*names: str) -> tuple[str, ...]:
    return tuple(name for name in SLOPES if name not in ("relu_passes_everything", *names))


SILU = tuple(name for name in SLOPES if name.startswith("silu"))
IN_LAYERS = {
    "Dense": _but(),
    "Activation": _but("softmax_taken_for_1", "softmax_diagonal"),
    **dict.fromkeys(("Conv1D", "Conv2D"), _but("sigmoid_of_the_argument", *SILU)),
}
"""The mistakes that can be made in a layer: its cases have the activation, and the mistake is no other one there."""
EQUAL = {
    "relu": ("derivative_left_out",),
    "relu6": ("derivative_left_out", "derivative_at_the_output"),
    **dict.fromkeys(("hard_shrink", "hard_tanh", "leaky_relu", "log_softmax"), ("derivative_at_the_output",)),
}
"""Mistakes that a function has under another name, or that change nothing there."""


def _function(name: str) -> Collection:
    collection = Collection(name, part="backward")
    for fault, wrong in SLOPES.items():
        if wrong.of(name) and fault not in EQUAL.get(name, ()):
            collection.add(fault, wrong.sentence, alone(name, wrong))
    return collection


def _layer(layer: str) -> Collection:
    collection = Collection(layer, part="backward")
    for fault in IN_LAYERS[layer]:
        collection.add(fault, SLOPES[fault].sentence, behind(layer, SLOPES[fault]))
    return collection


linear, glu, gelu = (Collection(name, part="backward") for name in ("linear", "glu", "gelu"))
relu, leaky_relu, log_softmax = (Collection(name, part="backward") for name in ("relu", "leaky_relu", "log_softmax"))


@linear
def gradient_of_ones(grad_output: Array, x: Array) -> Array:
    """The gradient that comes in is left out: the derivative 1 is returned alone."""
    return np.ones_like(grad_output)


@glu
def gate_not_differentiated(grad_output: Array, x: Array, *, axis: int = -1) -> Array:
    """The gate has no gradient: only the half that it multiplies has one."""
    grad = reference.glu_backward(grad_output, x, axis=axis)
    values, gate = np.split(grad, 2, axis=axis)
    return np.concatenate([values, np.zeros_like(gate)], axis=axis)


@glu
def halves_swapped(grad_output: Array, x: Array, *, axis: int = -1) -> Array:
    """The gradients of values and gate are swapped."""
    return np.concatenate(np.split(reference.glu_backward(grad_output, x, axis=axis), 2, axis=axis)[::-1], axis=axis)


def _of_gelu(slope: Callable[[Array, Array], Array]) -> Function:
    """The exact gelu's derivative, made of x and of its normal density; with `approximate` it is the right one."""

    def function(grad_output: Array, x: Array, approximate: bool = False) -> Array:
        if approximate:
            return reference.gelu_backward(grad_output, x, approximate=True)
        return np.asarray(grad_output * slope(x, np.exp(-x * x / 2) / np.sqrt(2 * np.pi)))

    return function


def _normal(x: Array) -> Array:
    """The distribution function of the normal density, from the right derivative of gelu."""
    return reference.gelu_backward(np.ones_like(x), x) - x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


gelu.table(
    density_left_out=("the part x p(x) of the derivative is left out, p the normal density", _of_gelu(lambda x, density: _normal(x))),
    density_alone=("the derivative is x p(x) alone: the normal distribution P(x) is left out", _of_gelu(lambda x, density: x * density)),
    density_without_x=("the normal density is not multiplied with x: P(x) + p(x)", _of_gelu(lambda x, density: _normal(x) + density)),
    root_added=(
        "the square root of 2 is added to x inside erf instead of dividing it",
        _of_gelu(lambda x, density: _normal(np.sqrt(2) * x + 2) + x * density),
    ),
    approximate_ignored=(
        "approximate is ignored: the derivative is always that of erf",
        lambda grad_output, x, approximate=False: reference.gelu_backward(grad_output, x),
    ),
)


@relu
def limits_ignored(grad_output: Array, x: Array, **options: Any) -> Array:
    """The derivative is that of plain relu: negative_slope, max_value and threshold are ignored."""
    return reference.relu_backward(grad_output, x)


@relu
def passes_at_0(grad_output: Array, x: Array, **options: Any) -> Array:
    """The gradient is handed on at the kink itself."""
    return np.where(x == options.get("threshold", 0.0), grad_output, reference.relu_backward(grad_output, x, **options))


@leaky_relu
def slope_1_at_0(grad_output: Array, x: Array, **options: Any) -> Array:
    """The slope at 0 itself is 1; in Keras it is negative_slope."""
    return np.where(x == 0, grad_output, reference.leaky_relu_backward(grad_output, x, **options))


@log_softmax
def derivative_of_softmax(grad_output: Array, x: Array, **options: Any) -> Array:
    """The derivative is that of softmax, not of its logarithm."""
    return reference.softmax_backward(grad_output, x, **options)


LAYERS = (*map(_function, FUNCTIONS), *map(_layer, IN_LAYERS), linear, glu, gelu, relu, leaky_relu, log_softmax)
