"""Operations on tensors in the files of ``tf.keras``, which made a layer ``TFOpLambda`` of each.

Those that an operator or an activation of today computes become that; every other one keeps its class and is refused with all that is
missing (:mod:`reference.network.missing`). No function is ever looked up by the name in a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reference.network.config import MASK_MODULE
from reference.network.errors import ArchiveError, shown

TF_OPERATION = "TFOpLambda"
CONSTANT = "_CONSTANT_VALUE"
"""In the place of the layer where the first argument of a call is a number: ``["_CONSTANT_VALUE", -1, 1.0, {"y": [...]}]`` of ``1 - y``."""
OPERATORS = {
    "__operators__.add": "Add", "math.add": "Add", "math.subtract": "Subtract", "math.multiply": "Multiply", "math.divide": "Divide",
    "math.truediv": "TrueDivide", "concat": "Concatenate",
}  # fmt: skip
ACTIVATIONS = {
    "nn.relu": "relu", "nn.elu": "elu", "nn.selu": "selu", "nn.silu": "silu", "math.sigmoid": "sigmoid", "math.tanh": "tanh",
    "math.softplus": "softplus", "nn.softsign": "softsign",
}  # fmt: skip


def is_run(layer: Mapping[str, Any]) -> bool:
    """Whether a serialised layer is an operation of ``tf.keras`` that can be run."""
    return layer["class_name"] == TF_OPERATION and _function(layer) in {*OPERATORS, *ACTIVATIONS}


def as_of_today(layer: Mapping[str, Any]) -> Mapping[str, Any]:
    """A layer whose calls are in the form of ``config.json``; an operation that can be run as the operator or layer that it is today.

    Raises
    ------
    ArchiveError
        If a call of such an operation takes what is not known.
    """
    if not is_run(layer):
        return layer
    function, config, calls = _function(layer), {"name": layer["config"]["name"]}, layer["inbound_nodes"]
    found = [_call(layer, function, call) for call in calls]
    if function in ACTIVATIONS:
        options = {**config, "activation": ACTIVATIONS[function], "dtype": layer["config"].get("dtype", "float32")}
        new = {"module": "keras.layers", "class_name": "Activation", "config": options}
    else:
        axes = {axis for axis, _ in found}
        if len(axes) > 1:
            raise ArchiveError(f"layer {shown(config['name'])}: the operator tf.{function} is called with different axes")
        options = {**config, "axis": axes.pop()} if function == "concat" and axes else config
        new = {"module": MASK_MODULE, "class_name": OPERATORS[function], "config": options}
    return {**layer, **new, "registered_name": None, "inbound_nodes": [{"args": args, "kwargs": {}} for _, args in found]}


def _function(layer: Mapping[str, Any]) -> Any:
    name = layer["config"].get("function")
    return name if isinstance(name, str) else None


def _call(layer: Mapping[str, Any], function: str, call: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    """One call: the axis of ``concat``, else None; and its positional arguments."""
    (given,), kwargs = call["args"], {name: value for name, value in call["kwargs"].items() if value is not None}
    if function in ACTIVATIONS and not kwargs and not isinstance(given, list):
        return None, [given]
    if function == "concat" and set(kwargs) == {"axis"} and type(kwargs["axis"]) is int:
        return kwargs["axis"], [given if isinstance(given, list) else [given]]
    if function in OPERATORS and function != "concat" and set(kwargs) == {"y"}:
        return None, [_operand(given), _operand(kwargs["y"])]
    where = f"layer {shown(layer['config'].get('name'))}"
    raise ArchiveError(f"{where}: a call of tf.{function} with {shown(sorted(kwargs))} beside its input is not supported")


def _operand(value: Any) -> Any:
    """A tensor or a number as it is, a list of numbers as the array that it was."""
    history = value["config"]["keras_history"] if isinstance(value, Mapping) else None
    value = history[2] if history and history[0] == CONSTANT else value
    return {"class_name": "__numpy__", "config": {"value": value, "dtype": "float32"}} if isinstance(value, list) else value
