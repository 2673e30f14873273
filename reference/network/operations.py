"""Operations of ``keras.ops`` in a functional model: arrays among their operands, and what a sentence says of those that are not run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.network.errors import ArchiveError, shown

WORDS = {
    "GetItem": "x[...]", "Power": "x ** y", "Matmul": "x @ y", "FloorDivide": "x // y", "Mod": "x % y", "Negative": "-x",
    "Absolute": "abs(x)", "Greater": "x > y", "GreaterEqual": "x >= y", "Less": "x < y", "LessEqual": "x <= y", "Equal": "x == y",
    "LogicalAnd": "x & y", "LogicalNot": "~x",
}  # fmt: skip
"""Operations that are written with signs."""
ACTIVATIONS = {
    "Relu": "relu", "Sigmoid": "sigmoid", "Softmax": "softmax", "Tanh": "tanh", "Elu": "elu", "Selu": "selu", "Gelu": "gelu",
    "Silu": "silu",
    "Softplus": "softplus", "Softsign": "softsign", "LeakyRelu": "leaky_relu", "LogSoftmax": "log_softmax", "Exp": "exponential",
}  # fmt: skip
INSTEAD = {
    "GetItem": "for the last step of a recurrent layer, return_sequences=False in that layer gives the same",
    "Power": "x * x is run, and gives a square",
    "Matmul": "layers.Dense multiplies by a kernel",
    "Negative": "-1 * x is run, and gives the same",
    "Reshape": "layers.Reshape does the same",
    "Squeeze": "layers.Reshape or layers.Flatten does the same",
    "ExpandDims": "layers.Reshape does the same",
    "Mean": "a layer GlobalAveragePooling gives the mean of all steps or pixels",
    "Max": "a layer GlobalMaxPooling gives the maximum of all steps or pixels",
    "Stack": "layers.Reshape and layers.Concatenate do the same",
} | {name: f"layers.Activation({own!r}) computes the same" for name, own in ACTIVATIONS.items()}
"""What can stand in their place, where anything can."""
OTHERS = (
    "Maximum", "Minimum", "Sum", "Prod", "Sqrt", "Square", "Log", "Sin", "Cos", "Sign", "Clip", "Where", "Transpose", "Split", "Einsum",
    "Dot", "Tensordot", "Cast", "Flip", "Roll", "Pad", "Repeat", "Tile", "Take", "Argmax", "Min", "Std", "Var", "Swapaxes", "Moveaxis",
    "OneHot", "TopK", "Norm", "Shape", "Slice", "StopGradient", "Resize", "BroadcastTo", "Arange", "Normalize", "Rsqrt", "LogicalXor",
)  # fmt: skip
REFUSED = frozenset((*WORDS, *INSTEAD, *OTHERS))
"""Operations that are known by name, in files that do not say the module of a class."""


def operation_title(class_name: str) -> str:
    """What a sentence calls an operation: by its signs, or by its name."""
    if class_name in WORDS:
        return f"the operator {WORDS[class_name]} (keras.ops {class_name})"
    return f"the operation keras.ops {class_name if class_name.isidentifier() else shown(class_name)}"


@dataclass(frozen=True, eq=False)
class Constant:
    """An array that stands in the configuration itself, as an operand."""

    value: NDArray[Any]


def constant_of(config: Mapping[str, Any], where: str) -> Constant:
    """An array of numbers as Keras serialises it."""
    dtype, value = config.get("dtype"), config.get("value")
    try:
        array = np.array(value, dtype if dtype in ("float16", "float32", "float64", "int32", "int64", "uint8") else None)
    except (ValueError, TypeError, OverflowError):
        array = np.array(None)
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise ArchiveError(f"{where} takes {shown(value)}, which is no array of finite numbers")
    return Constant(array)
