"""Operators between tensors of a functional model, as merge layers: ``x + y``, ``1 - x``, ``x / 255``, ``keras.ops.concatenate([x, y])``.

Keras writes each of them beside the layers, as an operation of ``keras.src.ops.numpy``. An operator has no weights and no name among the
functions of a port; it carries no mask on, and does not cast what it is given: floats keep their dtype, the wider one where two meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reference._arrays import Array, Gradients, fitting, of_floats, sum_to
from reference.layers.kinds import MergeSpec
from reference.layers.merging import CONCATENATE
from reference.layers.shapes import Config, Shape, broadcast
from reference.layers.spec import Option

__all__ = ["OPERATORS"]

Slopes = Callable[[Array, Array], tuple[Any, Any]]
"""From both operands to the derivatives of the result by each of them."""


def _operands(x: Sequence[Any]) -> list[Array]:
    """Arrays and numbers in the dtype in which Keras computes with them: that of the widest array of floats, else float32 for a float."""
    arrays = [np.asarray(one) for one in x if not isinstance(one, int | float)]
    floats = [one.dtype for one in arrays if one.dtype.kind == "f"]
    if not floats and any(isinstance(one, float) for one in x):
        floats = [np.dtype(np.float32)]
    dtype = np.result_type(*floats) if floats else np.result_type(*arrays, *(one for one in x if isinstance(one, int)))
    return [np.asarray(one).astype(dtype) for one in x]


def _broadcast(config: Config, shapes: Sequence[Shape]) -> Shape:
    return broadcast(shapes)


def _elementwise(title: str, function: Callable[[Array, Array], Array], slopes: Slopes) -> MergeSpec:
    """The record of an operator of two operands; `title` is Keras's name of its class."""

    def run(x: Sequence[Any]) -> tuple[Array, tuple[list[Array], Array]]:
        operands = _operands(x)
        y = function(*operands)
        return y, (operands, y)

    def forward(x: Sequence[Any]) -> Array:
        return run(x)[0]

    def gradients(grad_output: ArrayLike, saved: tuple[list[Array], Array]) -> Gradients:
        operands, y = saved
        grad = fitting(grad_output, y.shape, y.dtype)
        wide = [one.reshape(*(1,) * (y.ndim - one.ndim), *one.shape) for one in operands]
        parts = [np.broadcast_to(grad * slope, y.shape) for slope in slopes(*operands)]
        found = [sum_to(part, like.shape).reshape(one.shape) for one, like, part in zip(operands, wide, parts, strict=True)]
        return ([of_floats(one, gradient) for one, gradient in zip(operands, found, strict=True)],)

    forward.__name__ = f"{title.lower()}_operator_forward"
    return MergeSpec(title, forward, run, gradients, output=_broadcast)


def _divide(a: Array, b: Array) -> Array:
    """Whole numbers give float32, as in Keras."""
    y = np.true_divide(a, b)
    return y if a.dtype.kind == "f" else y.astype(np.float32)


def _joined(x: Sequence[Any], **options: Any) -> Any:
    return CONCATENATE.run(_operands(x), **options)


def _joined_forward(x: Sequence[Any], **options: Any) -> Array:
    return np.asarray(_joined(x, **options)[0])


OPERATORS: dict[str, MergeSpec] = {
    "ops.Add": _elementwise("Add", np.add, lambda a, b: (1, 1)),
    "ops.Subtract": _elementwise("Subtract", np.subtract, lambda a, b: (1, -1)),
    "ops.Multiply": _elementwise("Multiply", np.multiply, lambda a, b: (b, a)),
    "ops.Divide": _elementwise("Divide", _divide, lambda a, b: (1 / b, -a / np.square(b))),
    "ops.TrueDivide": _elementwise("TrueDivide", _divide, lambda a, b: (1 / b, -a / np.square(b))),
    "ops.Concatenate": MergeSpec(
        "Concatenate", _joined_forward, _joined, CONCATENATE.gradients,
        options={"axis": Option(-1, CONCATENATE.options["axis"].allowed)}, output=CONCATENATE.output,
    ),
}  # fmt: skip
"""The records of operators by the class that Keras gives them, with ``ops.`` before it: ``Add`` is a layer as well."""
