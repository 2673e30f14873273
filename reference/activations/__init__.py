"""Activation functions, under every name that Keras accepts as a string.

Each is a plain function of an array and keyword-only options, with Keras's names and defaults. float32 stays float32
and float64 stays float64; integers become float32, except in ``linear``, ``relu`` and ``relu6``, which keep
them. All but ``glu``, ``log_softmax``, ``softmax`` and ``sparsemax`` act on each element alone.

The formulas are arranged so that no intermediate result overflows where the answer itself is finite.

``xyz_backward(grad_output, x, **options)`` is the gradient of `x`, given that of ``xyz(x, **options)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from reference.activations import piecewise, rowwise, smooth
from reference.activations.piecewise import *
from reference.activations.rowwise import *
from reference.activations.smooth import *

__all__ = ["ACTIVATIONS", "activation_function", "hard_swish", "hard_swish_backward", "swish", "swish_backward"]

Array = NDArray[Any]

hard_swish, hard_swish_backward = hard_silu, hard_silu_backward
swish, swish_backward = silu, silu_backward

# fmt: off
_FUNCTIONS = (
    celu, elu, exponential, gelu, glu, hard_shrink, hard_sigmoid, hard_sigmoid_keras2, hard_silu, hard_tanh, leaky_relu, linear,
    log_sigmoid, log_softmax, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax, softplus, softsign,
    sparse_plus, sparse_sigmoid, sparsemax, squareplus, tanh, tanh_shrink, threshold,
)
# fmt: on
ACTIVATIONS: dict[str, Callable[..., Array]] = {
    **{function.__name__: function for function in _FUNCTIONS},
    "hard_swish": hard_silu,
    "swish": silu,
}

_BESIDE = {**vars(smooth), **vars(piecewise), **vars(rowwise)}
BACKWARDS: dict[str, Callable[..., Array]] = {name: _BESIDE[f"{one.__name__}_backward"] for name, one in ACTIVATIONS.items()}
"""By name, the function that stands beside the activation function."""

FROM_OUTPUT = ("elu", "exponential", "log_softmax", "selu", "sigmoid", "softmax", "sparsemax", "tanh")
"""Functions whose derivative is simplest in the output, which their backward pass takes as `y`."""


def activation_function(name: str | None) -> Callable[..., Array]:
    """Return the function of a Keras activation name; None is ``linear``. ValueError names an unknown one."""
    if name is None:
        return linear
    if name in ACTIVATIONS:
        return ACTIVATIONS[name]
    import difflib  # here, because only this message needs it

    near = difflib.get_close_matches(str(name), ACTIVATIONS)
    known = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(ACTIVATIONS)}"
    raise ValueError(f"activation function {name!r} is not known; {known}")


def activation_gradient(name: str | None, grad_output: Array, x: Array, y: Array, **options: Any) -> Array:
    """The gradient of `x`, given that of ``y = activation_function(name)(x, **options)``, which is not computed again."""
    name = "linear" if name is None else name
    return BACKWARDS[name](grad_output, x, **({"y": y} if name in FROM_OUTPUT else {}), **options)
