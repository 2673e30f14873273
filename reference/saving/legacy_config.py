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
operations            ``TFOpLambda`` (:mod:`.tf_operations`)      an operation with a module of its own
options               ``alpha``, ``axis: [3]``, ``time_major``    ``negative_slope``, ``axis: 3``, gone
Sequential            a list of layers, until Keras 2.2.2         a name and layers
====================  ==========================================  =============================================

What a name meant in Keras 2 is kept: :mod:`reference.saving.versions`. The ``.keras`` archives of tf.keras 2.12 to 2.15 are between the
two forms: they have modules, and the rest as before. Source: keras.src.legacy.saving, and the files of TensorFlow 2.12.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reference.layers import LAYERS
from reference.network.config import INPUT_DTYPES, KNOWN, MASK_MODULE, MODELS, OPERATIONS, is_known
from reference.network.errors import ArchiveError, part, shown
from reference.network.missing import missing_layers
from reference.network.operations import REFUSED
from reference.saving.tf_operations import CONSTANT, TF_OPERATION, as_of_today, is_run
from reference.saving.versions import OLD_HARD_SIGMOID, Origin, check_origin, with_old_meaning

RENAMED = {("LeakyReLU", "alpha"): "negative_slope"}
GONE: dict[str, tuple[Any, ...]] = {
    "implementation": (0, 1, 2),
    "input_length": (),
    "time_major": (False,),
    "fused": (None, True, False),
    "virtual_batch_size": (None,),
    "adjustment": (None,),
}
"""Options of Keras 2 that Keras 3 has no more, and the values that change nothing: any where none is named."""
GONE_FROM: dict[str, dict[str, tuple[Any, ...]]] = {
    "SpatialDropout1D": {"noise_shape": (None,)},
    "SpatialDropout2D": {"noise_shape": (None,)},
    "Embedding": {"sparse": (False,)},
}
OLD_MODULES = ("keras.engine.", "keras.src.engine.", "tf_keras.src.engine.")
"""Where tf.keras, and the package tf_keras, had its models, which are those of ``keras.src.models`` today."""
MODULES = {"Sequential": "keras", "Functional": "keras.src.models.functional"}
MAX_LEVELS = 64


def canonical_config(model: Any, origin: Origin) -> Any:
    """A model's configuration in the form of ``config.json``; one that is in this form already is returned as it is.

    What is not a configuration at all may come out as anything: :func:`reference.network.assembly.describe` refuses it.

    Raises
    ------
    LookupError, TypeError, AttributeError, ValueError, ArchiveError
        If it cannot even be looked through, or it matters which Keras wrote it and the file does not say.
    """
    if not isinstance(model, dict) or "class_name" not in model:
        return model
    check_origin(origin)
    if "module" in model and not origin.is_old and not (origin.number is None and _has_old_inputs(model)):
        for layer in _all_layers(model, 0):
            if OLD_HARD_SIGMOID in layer["config"].values():
                raise ArchiveError(f"{_title(layer)}: {shown(OLD_HARD_SIGMOID)} is no activation function of Keras")
        return _with_inputs(model, 0)
    try:
        return _layer(model, origin, 0)
    except (ArchiveError, LookupError, TypeError, AttributeError, ValueError):
        # What an unknown class was called with may have any form.
        if missing := missing_layers(model, _may_be_known, ", ".join(sorted(KNOWN))):
            raise ArchiveError(missing) from None
        raise


def _may_be_known(layer: Mapping[str, Any]) -> bool:
    return is_known(layer) or is_run(layer) or layer["class_name"] in ("Model", *OPERATIONS)


def _has_old_inputs(model: Mapping[str, Any]) -> bool:
    return any("batch_input_shape" in layer["config"] for layer in _all_layers(model, 0))


def _with_inputs(layer: Any, depth: int) -> Any:
    """A model of today whose Sequential models begin with an InputLayer, and whose InputLayers have a ``batch_shape``."""
    config = layer.get("config") if isinstance(layer, dict) else None
    if not isinstance(config, dict) or depth > MAX_LEVELS:
        return layer
    if layer.get("class_name") == "InputLayer":
        return {**layer, "config": _input_options(config)}
    if str(layer.get("class_name")) not in MODELS or not isinstance(config.get("layers"), list):
        return layer
    config = {**config, "layers": [_with_inputs(one, depth + 1) for one in config["layers"]]}
    if layer["class_name"] == "Sequential" and all(isinstance(one, dict) and "class_name" in one for one in config["layers"]):
        config = _sequential(config, layer)
    return {**layer, "config": config}


def _input_options(config: dict[str, Any]) -> dict[str, Any]:
    """The options of an InputLayer, whose shape may stand under other names that Keras takes."""
    config = dict(config)
    if "batch_input_shape" in config:
        config["batch_shape"] = config.pop("batch_input_shape")
    if isinstance(config.get("shape"), list) and "batch_shape" not in config:
        config["batch_shape"] = [config.pop("batch_size", None), *config.pop("shape")]
    return config


def _all_layers(layer: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """Everything in a model that looks like a layer, itself included."""
    config = layer.get("config") if isinstance(layer, Mapping) else None
    if not isinstance(config, Mapping) or depth > MAX_LEVELS:
        return
    yield layer
    inside = config.get("layers")
    for one in [*(inside if isinstance(inside, list) else []), config.get("layer"), config.get("backward_layer")]:
        yield from _all_layers(one, depth + 1)


def _layer(layer: Mapping[str, Any], origin: Origin, depth: int) -> dict[str, Any]:
    """A layer or model, and what is in it."""
    if depth > MAX_LEVELS:
        raise ArchiveError(f"models are nested more than {MAX_LEVELS} deep")
    where = _title(layer)
    class_name = part(layer, "class_name", str, where)
    config = _listed(layer) if class_name == "Sequential" else dict(part(layer, "config", dict, where))
    class_name = "Functional" if class_name == "Model" else class_name
    operation = "module" not in layer and "trainable" not in config and (class_name in OPERATIONS or class_name in REFUSED)
    if class_name in MODELS:
        config["layers"] = [_layer(one, origin, depth + 1) for one in part(config, "layers", list, where)]
        if class_name == "Sequential":
            config = _sequential(config, layer)
            config["layers"] = [_without_shape(one) for one in config["layers"]]
        else:
            config = _functional(config)
    elif not operation:
        config = with_old_meaning(class_name, _options(class_name, config, where), origin, where)
    for half in ("layer", "backward_layer"):
        if isinstance(config.get(half), dict):
            config[half] = _without_shape(_layer(config[half], origin, depth + 1))
    module = MASK_MODULE if operation else MODULES.get(class_name, "keras.layers")
    layer = {"module": module, "registered_name": None, **layer, "class_name": class_name, "config": config}
    if class_name in MODELS and str(layer["module"]).startswith(OLD_MODULES):
        layer |= {"module": module, "registered_name": None}
    return layer


def _listed(layer: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a Sequential model, which until Keras 2.2.2 was the list of its layers, with no name of its own."""
    layers = layer.get("config")
    if not isinstance(layers, list):
        return dict(part(layer, "config", dict, _title(layer)))
    layers = [
        {**one, "name": f"sequential_{number}"}
        if isinstance(one, dict) and one.get("class_name") == "Sequential" and isinstance(one.get("config"), list) and "name" not in one
        else one
        for number, one in enumerate(layers)
    ]
    return {"name": layer.get("name", "sequential"), "layers": layers}


def _title(layer: Any) -> str:
    """A layer as a sentence calls it, as far as it has a name."""
    config = layer.get("config") if isinstance(layer, Mapping) else None
    return f"layer {shown(config['name'])}" if isinstance(config, Mapping) and "name" in config else "a layer"


def _options(class_name: str, config: dict[str, Any], where: str) -> dict[str, Any]:
    """The options of a layer, by the names that Keras 3 gives them, without those that it has no more."""
    config = {RENAMED.get((class_name, name), name): _plain(value) for name, value in config.items()}
    if class_name == "InputLayer":
        config = _input_options(config)
    for name, harmless in ({**GONE, **GONE_FROM.get(class_name, {})} if class_name in LAYERS else {}).items():
        if name in config and (not harmless or config[name] in harmless):
            del config[name]
    axis = config.get("axis")
    if class_name in ("BatchNormalization", "Concatenate") and isinstance(axis, list) and len(axis) == 1:
        config["axis"] = axis[0]
    return config


def _plain(value: Any) -> Any:
    """A number that Keras 2 kept as an array, ``{"type": "ndarray", "value": 0.3}``, as the number."""
    return value["value"] if isinstance(value, dict) and set(value) == {"type", "value"} and value["type"] == "ndarray" else value


def _sequential(config: dict[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a Sequential model with an InputLayer in front, if the shape of its input stands anywhere."""
    if not config["layers"] or config["layers"][0]["class_name"] == "InputLayer":
        return config
    first = config["layers"][0]
    shape = _input_shape(first) or config.get("build_input_shape") or _built_shape(model) or _built_shape(first)
    if shape is None:
        return config
    dtype = "string" if first["class_name"] == "TextVectorization" else first["config"].get("dtype")
    described = {
        "name": f"{first['config']['name']}_input",
        "batch_shape": shape,
        "dtype": dtype if isinstance(dtype, str) and dtype in INPUT_DTYPES else "float32",
    }
    layer = {"module": "keras.layers", "class_name": "InputLayer", "config": described, "registered_name": None}
    return {**config, "layers": [layer, *config["layers"]]}


def _input_shape(first: Mapping[str, Any]) -> Any:
    """The input shape that the first layer of a Sequential model, or the first one in a model there, was made with."""
    config = first["config"]
    if config.get("batch_input_shape") is not None:
        return config["batch_input_shape"]
    inputs = [layer["config"] for layer in config.get("layers") or () if layer["class_name"] == "InputLayer"]
    if str(first["class_name"]) in MODELS:
        return inputs[0].get("batch_shape") if len(inputs) == 1 else None
    if isinstance(config.get("input_shape"), list):
        return [None, *config["input_shape"]]
    return [None, config["input_dim"]] if "input_dim" in config and first["class_name"] != "Embedding" else None


def _built_shape(layer: Mapping[str, Any]) -> Any:
    """The input shape that a layer or model of today was built for."""
    built = layer.get("build_config")
    return built.get("input_shape") if isinstance(built, Mapping) and isinstance(built.get("input_shape"), list) else None


def _without_shape(layer: Mapping[str, Any]) -> dict[str, Any]:
    """A layer without the input shape that it was made with, which its model has."""
    if layer["class_name"] not in KNOWN or layer["class_name"] in ("InputLayer", *MODELS):
        return dict(layer)
    return {**layer, "config": {name: value for name, value in layer["config"].items() if name != "batch_input_shape"}}


def _functional(config: dict[str, Any]) -> dict[str, Any]:
    """With the calls as ``args`` and ``kwargs``, and those of nested models counted as Keras 3 does; an input shape nowhere else."""
    config = config | {"layers": [_without_shape(layer) for layer in config["layers"]]}
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
        as_of_today({**layer, "inbound_nodes": [_call(layer, _each_tensor(node, renumber)) for node in layer["inbound_nodes"]]})
        for layer in config["layers"]
    ]
    outputs = _each_tensor(config["output_layers"], lambda tensor: renumber(tensor, True))
    return config | {"layers": layers, "output_layers": outputs}


def _is_tensor(value: Any) -> bool:
    """Whether a value is ``[layer, call, output]``, or that with arguments as the fourth; or a number that stands for a tensor."""
    if not isinstance(value, list) or len(value) not in (3, 4) or not isinstance(value[0], str):
        return False
    numbered = isinstance(value[1], int) and (isinstance(value[2], int) or value[0] == CONSTANT)
    return numbered and (len(value) == 3 or isinstance(value[3], dict))


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
    if class_name == TF_OPERATION and _is_tensor(node):
        node = [node]
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
