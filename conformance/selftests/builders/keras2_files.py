"""Writes a model in the layout of the legacy ``.h5`` files of Keras 2 (``tf.keras`` 2.x), which no library at hand writes any more.

The layout is what TensorFlow 2.12 wrote: the configuration without modules, ``batch_input_shape``, calls as nested lists, nested models
counted from 1, masks not named, several inputs of a recurrent layer in one list; names of weights as fixed-length bytes with ``:0``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

ADDED: dict[str, dict[str, Any]] = {
    "LSTM": {"time_major": False, "implementation": 2},
    "GRU": {"time_major": False, "implementation": 2},
    "SimpleRNN": {},
    "Embedding": {"input_length": None},
}
DROPPED = ("optional", "quantization_config", "seed", "backward_layer")
MODELS = ("Sequential", "Functional")
MASK_OPERATIONS = ("NotEqual", "Any", "LogicalOr", "ExpandDims", "ZerosLike", "OnesLike", "Concatenate")


def write_keras2(model: Any, path: Path, *, plain: bool = False, with_input_layer: bool = True) -> None:
    """Write a Keras model in the old layout.

    Parameters
    ----------
    model : keras.Model
        A Sequential or functional one.
    path : Path
    plain : bool
        Without what Keras 3 itself stumbles over: ``time_major``, and nested models that are counted from 1.
    with_input_layer : bool
        Whether a Sequential model has an InputLayer, or ``batch_input_shape`` in its first layer as in files before 2.2.
    """
    saved = path.with_suffix(".keras3.h5")
    model.save(saved)
    with h5py.File(saved) as old, h5py.File(path, "w") as new:
        config = _layer(json.loads(old.attrs["model_config"]), plain, with_input_layer)
        new.attrs["model_config"] = json.dumps(config).encode()
        new.attrs["keras_version"], new.attrs["backend"] = b"2.12.0", b"tensorflow"
        names = [layer.name for layer in model.layers]
        group = new.create_group("model_weights")
        group.attrs["layer_names"] = np.array([name.encode() for name in names])
        for name in names:
            layer = group.create_group(name)
            attributes = old["model_weights"][name].attrs
            paths = [one.decode() if isinstance(one, bytes) else one for key in attributes for one in attributes[key]]
            pieces = np.array_split([f"{one}:0".encode() for one in paths], len(attributes))
            for key, piece in zip(attributes, pieces, strict=True):
                layer.attrs[key] = piece
            for one in paths:
                layer[f"{one}:0"] = np.asarray(old["model_weights"][name][one])
        group.create_group("top_level_model_weights").attrs["weight_names"] = np.array([])


def _layer(layer: dict[str, Any], plain: bool, with_input_layer: bool) -> dict[str, Any]:
    name, config = layer["class_name"], {key: value for key, value in layer["config"].items() if key not in DROPPED}
    if isinstance(config.get("dtype"), dict):
        config["dtype"] = config["dtype"]["config"]["name"]
    for key, value in config.items():
        if key.endswith(("initializer", "regularizer", "constraint")) and value:
            config[key] = {"class_name": value["class_name"], "config": value["config"]}
    if not plain:
        config |= ADDED.get(name, {})
    if name == "InputLayer":
        config["batch_input_shape"] = config.pop("batch_shape")
    if name == "BatchNormalization":
        config["axis"] = [config["axis"]]
    if name == "LeakyReLU":
        config["alpha"] = config.pop("negative_slope")
    if name in ("Bidirectional", "TimeDistributed"):
        config["layer"] = _layer(config["layer"], plain, with_input_layer)
    if name in MODELS:
        kept = [one for one in config["layers"] if one["class_name"] not in MASK_OPERATIONS or "trainable" in one["config"]]
        config["layers"] = [_layer(one, plain, with_input_layer) for one in kept]
        _sequential(config, with_input_layer) if name == "Sequential" else _functional(config, plain)
    return {**{key: value for key, value in layer.items() if key in ("name", "inbound_nodes")}, "class_name": name, "config": config}


def _sequential(config: dict[str, Any], with_input_layer: bool) -> None:
    if not with_input_layer:
        first, second, *rest = config["layers"]
        second["config"]["batch_input_shape"] = first["config"]["batch_input_shape"]
        config["layers"] = [second, *rest]
    config.pop("build_input_shape")


def _functional(config: dict[str, Any], plain: bool) -> None:
    models = {layer["name"]: layer["class_name"] for layer in config["layers"] if layer["class_name"] in MODELS}

    def history(tensor: dict[str, Any], arguments: Any) -> list[Any]:
        name, number, output = tensor["config"]["keras_history"]
        return [name, number + (name in models and not plain), output, arguments]

    for layer in config["layers"]:
        nodes = []
        for node in layer["inbound_nodes"]:
            (given,) = node["args"]
            tensors = given if isinstance(given, list) else [given]
            states = node["kwargs"].get("initial_state") or []
            states = states if isinstance(states, list) else [states]
            kwargs = {key: value for key, value in node["kwargs"].items() if key == "training" and value}
            nodes.append([history(one, kwargs) for one in [*tensors, *states]])
        layer["inbound_nodes"] = nodes
    outputs = config["output_layers"]
    one = isinstance(outputs, list) and isinstance(outputs[0], str)
    ends = [outputs] if one else outputs
    # Here Keras 3 counts the calls of functional models from 1 as well, and those of sequential ones from 0.
    for end in ends.values() if isinstance(ends, dict) else ends:
        end[1] += models.get(end[0]) == "Sequential" and not plain
    config["output_layers"] = ends
    inputs = config["input_layers"]
    config["input_layers"] = [inputs] if isinstance(inputs, list) and isinstance(inputs[0], str) else inputs
