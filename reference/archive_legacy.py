"""The older forms of a model's configuration and weights: legacy ``.h5`` files of Keras 3, and those of Keras 2 (``tf.keras``).

The configuration is brought into the form of ``config.json`` of a ``.keras`` archive, so that everything else is read in one way:

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

The weights of a top-level layer lie in ``model_weights/<its name>`` under the paths of its variables, ``bi/forward_lstm/lstm_cell/kernel``
(with ``:0`` in Keras 2), in the order that the attribute ``weight_names`` says: trainable ones first. Source: keras.src.legacy.saving.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reference.archive_config import MASK_MODULE, MASK_OPERATIONS, MODELS, Entry
from reference.archive_errors import ArchiveError, part, shown
from reference.archive_hdf5 import Places, Weights, child, opened, parents, read_datasets
from reference.calls import RECURRENT_CLASSES, SIGNATURES, WRAPPERS, weight_names
from reference.hdf5_attributes import has_texts, read_text, read_texts

ROOT = "model_weights"
TOP_LEVEL = "top_level_model_weights"
NEVER_TRAINED = ("moving_mean", "moving_variance")
RENAMED = {("LeakyReLU", "alpha"): "negative_slope"}
MAX_LEVELS = 64


def read_model_config(data: bytes) -> bytes:
    """The configuration in a legacy ``.h5`` file, as it stands there; ``ArchiveError`` if the file has none."""
    with opened(data) as file:
        if "model_config" not in file.attrs:
            raise ArchiveError("the file holds weights alone, or no model; weights are read beside a configuration, with weights=")
        return read_text(data, file, "model_config").encode()


def is_legacy_weights(data: bytes) -> bool:
    """Whether an HDF5 file holds weights in the older layout, by the names of layers."""
    with opened(data) as file:
        return has_texts(file, "layer_names") or ROOT in file


def read_legacy_weights(data: bytes, entries: Sequence[Entry], dtype: str) -> Weights:
    """Return the weights of every layer from the bytes of a legacy ``.h5`` file.

    Parameters
    ----------
    data : bytes
        The whole HDF5 file.
    entries, dtype
        As in :func:`reference.archive_hdf5.read_weights`.

    Raises
    ------
    ArchiveError
        For anything missing, extra, of another shape or dtype, or stored in a way that Keras never uses.
    """
    layers: dict[str, list[Entry]] = {}
    for entry in entries:
        layers.setdefault(entry.path.split("/")[0], []).append(entry)
    places: Places = {entry.path: [""] * len(entry.shapes) for entry in entries}
    groups = {TOP_LEVEL, ROOT, f"{ROOT}/{TOP_LEVEL}"}
    with opened(data) as file:
        prefix = f"{ROOT}/" if ROOT in file else ""
        root = child(file, ROOT, ROOT) if prefix else file
        for name, parts in layers.items():
            groups.add(f"{prefix}{name}")
            order = _saved_order(parts)
            if not order:
                continue
            where = f"layer {name!r}: {prefix}{name}"
            if name not in root:
                raise ArchiveError(f"{where} is not in the file; the configuration asks for {len(order)} weights")
            try:
                variables = read_texts(data, child(root, name, f"{prefix}{name}"), "weight_names", len(order))
            except ArchiveError as error:
                raise ArchiveError(f"{where}: {error}") from None
            if len(set(variables)) < len(variables) or not all(map(_is_path, variables)):
                raise ArchiveError(f"{where}: weight_names {shown(variables)} are not the paths of {len(order)} weights")
            for (path, index), variable in zip(order, variables, strict=True):
                places[path][index] = f"{prefix}{name}/{variable}"
                groups |= parents(places[path][index])
        return read_datasets(file, len(data), entries, places, groups, dtype)


def _is_path(variable: str) -> bool:
    parts = variable.split("/")
    return len(parts) <= MAX_LEVELS and all(one.strip(".") for one in parts)


def _saved_order(entries: Sequence[Entry]) -> list[tuple[str, int]]:
    """The weights of one top-level layer as (path of the layer, place in ``get_weights()``), in the order in which Keras saves them.

    Those that are trained come first, then the others - unless the whole layer is frozen, when all are alike.
    """
    weights = [(entry.path, index) for entry in entries for index in range(len(entry.shapes))]
    if entries and entries[0].config.get("trainable", True) is False:
        return weights
    frozen = {entry.path for entry in entries if entry.config.get("trainable", True) is False}
    trained = {
        (entry.path, index)
        for entry in entries
        if not frozen & {entry.path, *parents(entry.path)}
        for index, free in enumerate(_trained(entry.class_name, entry.config))
        if free
    }
    return sorted(weights, key=lambda weight: weight not in trained)


def _trained(class_name: str, config: Mapping[str, Any]) -> list[bool]:
    """For every weight of a layer whether it is trained."""
    if class_name in WRAPPERS:
        halves = ("layer", "backward_layer") if class_name == "Bidirectional" else ("layer",)
        inner = [config.get(half, config["layer"]) for half in halves]
        return [one for half in inner for one in _trained(half["class_name"], half["config"])]
    if class_name not in SIGNATURES:
        return []
    return [config.get("trainable", True) is not False and name not in NEVER_TRAINED for name in weight_names(class_name, config)]


def canonical_config(model: Any) -> Any:
    """A model's configuration in the form of ``config.json``; one that is in this form already is returned as it is.

    What is not a configuration at all may come out as anything: :func:`reference.archive_model.describe` refuses it.

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
    operation = "module" not in layer and class_name in MASK_OPERATIONS and "trainable" not in config
    if class_name in MODELS:
        config["layers"] = [_layer(one, depth + 1) for one in part(config, "layers", list, where)]
        config = _sequential(config) if class_name == "Sequential" else _functional(config)
    elif not operation:
        config = _options(class_name, config)
    for half in ("layer", "backward_layer"):
        if isinstance(config.get(half), dict):
            config[half] = _layer(config[half], depth + 1)
    module = MASK_MODULE if operation else "keras" if class_name in MODELS else "keras.layers"
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
    recurrent = class_name in RECURRENT_CLASSES or class_name == "Bidirectional"
    if others and recurrent:
        return {"args": [given], "kwargs": {"initial_state": others, **kwargs}}
    return {"args": [[given, *others] if others else given], "kwargs": kwargs}


def _tensor(history: list[Any]) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": history[:3]}}
