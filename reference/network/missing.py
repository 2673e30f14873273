"""Which layers of a model cannot be run, all of them in one sentence, and what would work in their place.

A file is refused once: whoever reads the sentence knows everything that stands in the way, not the first of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reference.layers import LAYERS
from reference.network.errors import shown
from reference.network.operations import INSTEAD, REFUSED, operation_title

OPERATION_MODULES = "keras.src.ops."
"""Modules of the operators and functions that were called on the tensors of a functional model."""
OF_TF = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")
"""What tf.keras made of an operation on symbolic tensors."""
LAYER_FOR = {
    "AddV2": "Add", "ConcatV2": "Concatenate", "Relu": "ReLU", "nn.softmax": "Softmax", "reshape": "Reshape", "expand_dims": "Reshape",
    "compat.v1.squeeze": "Reshape", "CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU", "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization", "SyncBatchNormalization": "BatchNormalization", "Merge": "Concatenate",
}  # fmt: skip
"""A layer that does the same."""
ADVICE = {
    "Lambda": "its code is never run: write it with layers",
    "__operators__.getitem": "recurrent layers give the last step without return_sequences",
    "math.reduce_mean": "a layer GlobalAveragePooling gives the mean of all steps or pixels",
    "math.reduce_max": "a layer GlobalMaxPooling gives the maximum of all steps or pixels",
    "TFSMLayer": "it needs TensorFlow",
}
MAX_NAMED = 20
MAX_DEPTH = 16


def missing_layers(model: Any, is_known: Callable[[Mapping[str, Any]], bool], supported: str) -> str | None:
    """The sentence that refuses a model for its classes; None where all are known.

    Parameters
    ----------
    model : mapping
        The configuration of a model, of which nothing has been checked.
    is_known : callable
        Whether the class of a serialised layer is one that can be run.
    supported : str
        The classes that can be.
    """
    found: dict[str, list[str]] = {}
    advice: dict[str, str] = {}
    for path, layer in every_layer(model, "", 0):
        if not is_known(layer):
            title = described(layer)
            found.setdefault(title, []).append(path)
            advice[title] = _advice(layer)
    if not found:
        return None
    (title, (path, *others)), *rest = found.items()
    sentence = f"layer {shown(path)}: {title} is not supported"
    named = [f"{title} ({_paths(paths)})" for title, paths in rest[:MAX_NAMED]]
    if others:
        named.insert(0, f"it in {_paths(others)}")
    if len(rest) > MAX_NAMED:
        named.append(f"{len(rest) - MAX_NAMED} more")
    if named:
        sentence += f", nor is {', '.join(named)}"
    given = dict.fromkeys(f"{title}: {advice[title]}" if len(found) > 1 else advice[title] for title in found if advice[title])
    return "; ".join([sentence, *list(given)[:MAX_NAMED], f"supported are {supported}"])


def described(layer: Mapping[str, Any]) -> str:
    """What a layer is, as a sentence calls it: a class; or the operator or function that was called on tensors."""
    name = layer["class_name"]
    if name in OF_TF:
        return f"the operator tf.{_function(layer)} ({name} of tf.keras)"
    if _is_operation(layer):
        return operation_title(name)
    return f"class {shown(name)}"


def _is_operation(layer: Mapping[str, Any]) -> bool:
    """Whether a layer is none, but an operation, which files of the older form write without a module."""
    if "module" not in layer:
        return layer["class_name"] in REFUSED and "trainable" not in layer["config"]
    return str(layer["module"]).startswith(OPERATION_MODULES)


def _function(layer: Mapping[str, Any]) -> str:
    """The function behind a layer that tf.keras made of it."""
    config = layer["config"]
    name = config.get("function", config.get("name"))
    return shown(name)[1:-1] if isinstance(name, str) else "?"


def _advice(layer: Mapping[str, Any]) -> str:
    """What would work, as far as anything is known to."""
    if _is_operation(layer):
        return INSTEAD.get(layer["class_name"], "of operations + - * / and concatenate are run, and layers compute most others")
    name = _function(layer) if layer["class_name"] in OF_TF else str(layer["class_name"])
    instead = LAYER_FOR.get(name)
    return f"layers.{instead} in its place is read" if instead in LAYERS else ADVICE.get(name, "")


def _paths(paths: list[str]) -> str:
    more = [f"{len(paths) - MAX_NAMED} more"] if len(paths) > MAX_NAMED else []
    return ", ".join([*map(shown, paths[:MAX_NAMED]), *more])


def every_layer(model: Any, prefix: str, depth: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every layer in a model with its path, nested and wrapped ones as well; what is no layer at all is left to the checks of each."""
    config = model.get("config") if isinstance(model, Mapping) else None
    # A Sequential model was the list of its layers until Keras 2.2.2.
    layers = config.get("layers") if isinstance(config, Mapping) else config
    if not isinstance(layers, list) or depth > MAX_DEPTH:
        return
    for layer in layers:
        yield from _with_inner(layer, prefix, depth)


def _with_inner(layer: Any, prefix: str, depth: int, name: str | None = None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    config = layer.get("config") if isinstance(layer, Mapping) else None
    if not isinstance(config, Mapping | list) or not isinstance(layer.get("class_name"), str) or depth > MAX_DEPTH:
        return
    if isinstance(config, list):
        config = {"name": layer.get("name", "sequential")}
    path = prefix + (name or str(config.get("name")))
    yield path, layer
    yield from every_layer(layer, f"{path}/", depth + 1)
    for half in ("layer", "backward_layer"):
        yield from _with_inner(config.get(half), f"{path}/", depth + 1, half)
