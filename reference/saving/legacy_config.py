"""The older forms of a model's configuration: of legacy ``.h5`` files, and of Keras 2 (``tf.keras``).

They are brought into the form of ``config.json`` of a ``.keras`` archive, so that everything else is read in one way:

====================  ==========================================  =============================================
what                  in these files                              in ``config.json``
====================  ==========================================  =============================================
class                 no ``module``; ``Model``                    ``module``; ``Functional``
first layer           ``batch_input_shape`` of any layer          an ``InputLayer`` with ``batch_shape``
calls                 ``[["dense", 0, 0, {}], ...]``              ``{"args": [tensor], "kwargs": {}}``
calls of models       counted from 1                              counted from 0
initial states        further inputs of a recurrent layer         ``kwargs["initial_state"]``
masks                 left to the layers                          named in ``kwargs`` (and in the ``.h5`` of Keras 3)
options               ``alpha``, ``axis: [3]``, ``time_major``    ``negative_slope``, ``axis: 3``, gone
====================  ==========================================  =============================================

The names of options keep the meaning that Keras 3 gives them: ``hard_sigmoid`` is another function there than it was in Keras 2.
Source: keras.src.legacy.saving, and the files of TensorFlow 2.12.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reference.layers import LAYERS
from reference.network.config import MASK_MODULE, MODELS, OPERATIONS
from reference.network.errors import ArchiveError, part, shown
from reference.network.operations import REFUSED

RENAMED = {("LeakyReLU", "alpha"): "negative_slope"}
MODULES = {"Sequential": "keras", "Functional": "keras.src.models.functional"}
MAX_LEVELS = 64


def canonical_config(model: Any) -> Any:
    """A model's configuration in the form of ``config.json``; one that is in this form already is returned as it is.

    What is not a configuration at all may come out as anything: :func:`reference.network.assembly.describe` refuses it.

    Raises
    ------
    LookupError, TypeError, AttributeError, ValueError, ArchiveError
        If it cannot even be looked through.
    """
    if not isinstance(model, dict) or "class_name" not in model or "module" in model:
        return model
    return _layer(model, 0)


def _layer(layer: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """A layer or model, and what is in it."""
    if depth > MAX_LEVELS:
        raise ArchiveError(f"models are nested more than {MAX_LEVELS} deep")
    where = _title(layer)
    class_name, config = part(layer, "class_name", str, where), dict(part(layer, "config", dict, where))
    class_name = "Functional" if class_name == "Model" else class_name
    operation = "module" not in layer and "trainable" not in config and (class_name in OPERATIONS or class_name in REFUSED)
    if class_name in MODELS:
        config["layers"] = [_layer(one, depth + 1) for one in part(config, "layers", list, where)]
        config = _sequential(config) if class_name == "Sequential" else _functional(config)
    elif not operation:
        config = _options(class_name, config)
    for half in ("layer", "backward_layer"):
        if isinstance(config.get(half), dict):
            config[half] = _layer(config[half], depth + 1)
    module = MASK_MODULE if operation else MODULES.get(class_name, "keras.layers")
    return {"module": module, "registered_name": None, **layer, "class_name": class_name, "config": config}


def _title(layer: Any) -> str:
    """A layer as a sentence calls it, as far as it has a name."""
    config = layer.get("config") if isinstance(layer, Mapping) else None
    return f"layer {shown(config['name'])}" if isinstance(config, Mapping) and "name" in config else "a layer"


def _options(class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    """The options of a layer, by the names that Keras 3 gives them."""
    config = {RENAMED.get((class_name, name), name): value for name, value in config.items()}
    if class_name == "InputLayer" and "batch_input_shape" in config:
        config["batch_shape"] = config.pop("batch_input_shape")
    axis = config.get("axis")
    if class_name in ("BatchNormalization", "Concatenate") and isinstance(axis, list) and len(axis) == 1:
        config["axis"] = axis[0]
    return config


def _sequential(config: dict[str, Any]) -> dict[str, Any]:
    """With an InputLayer in front."""
    if not config["layers"]:
        return config
    first = config["layers"][0]
    shape = first["config"].get("batch_input_shape") or config.get("build_input_shape")
    if first["class_name"] == "InputLayer" or shape is None:
        return config
    name = f"{first['config']['name']}_input"
    dtype = "string" if first["class_name"] == "TextVectorization" else "float32"
    described = {"name": name, "batch_shape": shape, "dtype": dtype}
    return config | {"layers": [_layer({"class_name": "InputLayer", "config": described}, 0), *config["layers"]]}


def _functional(config: dict[str, Any]) -> dict[str, Any]:
    """With the calls as ``args`` and ``kwargs``, and those of nested models counted as Keras 3 does."""
    nodes = [node for layer in config["layers"] for node in part(layer, "inbound_nodes", list, _title(layer))]
    if not any(isinstance(node, list) for node in nodes):
        return config
    models = {str(layer["config"].get("name")): layer["class_name"] for layer in config["layers"] if layer["class_name"] in MODELS}
    counted: dict[str, list[int]] = {name: [] for name in models}

    def collect(tensor: list[Any]) -> None:
        counted.get(tensor[0], []).append(tensor[1])

    _each_tensor([nodes, config["output_layers"]], collect)
    first = {name: min(numbers, default=0) for name, numbers in counted.items()}

    def renumber(tensor: list[Any], ends: bool = False) -> list[Any]:
        name, number, output, *rest = tensor
        # In output_layers Keras 3 counts the calls of a functional model from 1.
        return [name, number - first.get(name, 0) + (ends and models.get(name) == "Functional"), output, *rest]

    layers = [
        {**layer, "inbound_nodes": [_call(layer, _each_tensor(node, renumber)) for node in layer["inbound_nodes"]]}
        for layer in config["layers"]
    ]
    outputs = _each_tensor(config["output_layers"], lambda tensor: renumber(tensor, True))
    return config | {"layers": layers, "output_layers": outputs}


def _is_tensor(value: Any) -> bool:
    """Whether a value is ``[layer, call, output]``, or that with arguments as the fourth."""
    if not isinstance(value, list) or len(value) not in (3, 4) or not isinstance(value[0], str):
        return False
    return isinstance(value[1], int) and isinstance(value[2], int) and (len(value) == 3 or isinstance(value[3], dict))


def _each_tensor(value: Any, function: Callable[[list[Any]], Any]) -> Any:
    """The same structure with `function` applied to every ``[layer, call, output]`` and to those in its arguments."""
    if _is_tensor(value):
        inside, result = [_each_tensor(one, function) for one in value[3:]], function(value[:3])
        return [*result, *inside] if isinstance(result, list) else result
    if isinstance(value, dict):
        return {name: _each_tensor(one, function) for name, one in value.items()}
    return [_each_tensor(one, function) for one in value] if isinstance(value, list) else value


def _call(layer: Mapping[str, Any], node: Any) -> dict[str, Any]:
    """One call, ``[[layer, call, output, arguments], ...]`` with the arguments beside every input, as ``args`` and ``kwargs``."""
    class_name = layer["class_name"]
    if not isinstance(node, list) or not node or not all(map(_is_tensor, node)):
        raise ArchiveError(f"{_title(layer)}: a call of {class_name} takes {shown(node)}, which is not supported")
    given, *others = [_tensor(one) for one in node]
    kwargs = {key: _each_tensor(value, _tensor) for key, value in (node[0][3] if len(node[0]) == 4 else {}).items()}
    recurrent = class_name in LAYERS and "initial_state" in LAYERS[class_name].takes
    if others and recurrent:
        return {"args": [given], "kwargs": {"initial_state": others, **kwargs}}
    return {"args": [[given, *others] if others else given], "kwargs": kwargs}


def _tensor(history: list[Any]) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": history[:3]}}
