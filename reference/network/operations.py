"""What a sentence calls the operations of ``keras.ops`` that a functional model may hold and that are not run, and what works instead."""

from __future__ import annotations

from reference.network.errors import shown

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
