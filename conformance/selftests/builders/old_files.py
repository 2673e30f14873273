"""Writes the files of older Keras versions, which no library at hand writes, from a configuration and arrays: no Keras is needed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Array = np.ndarray[Any, Any]
SEED = 17


def layer(class_name: str, name: str, **options: Any) -> dict[str, Any]:
    """A layer as Keras 2 wrote it."""
    return {"class_name": class_name, "config": {"name": name, "trainable": True, **options}}


def dense(name: str, units: int, activation: str = "linear", **options: Any) -> dict[str, Any]:
    return layer("Dense", name, units=units, activation=activation, use_bias=True, **options)


def chain(*layers: dict[str, Any], name: str = "sequential_1") -> dict[str, Any]:
    """A Sequential model, as Keras 2.2.3 and later wrote it."""
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers)}}


def draw(*shapes: tuple[int, ...]) -> list[Array]:
    """Arrays of these shapes, always the same."""
    rng = np.random.default_rng(SEED)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def write_h5(
    path: Path,
    config: Any,
    weights: Mapping[str, Mapping[str, Array]],
    version: str | None = "2.2.4",
    backend: str | None = "tensorflow",
) -> Path:
    """A legacy file: for every layer its weights by name, in the order of ``weight_names``."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        for name, value in (("keras_version", version), ("backend", backend)):
            if value is not None:
                file.attrs[name] = value.encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array([name.encode() for name in weights])
        for name, arrays in weights.items():
            below = group.create_group(name)
            below.attrs["weight_names"] = np.array([f"{name}/{one}:0".encode() for one in arrays])
            for one, array in arrays.items():
                below[f"{name}/{one}:0"] = array
    return path


def write_zip(path: Path, config: Any, weights: Mapping[str, Sequence[Array]], version: str | None = "2.13.1") -> Path:
    """A ``.keras`` archive: for every group of its HDF5 file the arrays below ``vars``; a name with a backslash is one name."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, arrays in weights.items():
            below = file.create_group(name).create_group("vars")
            for number, array in enumerate(arrays):
                below[str(number)] = array
    with zipfile.ZipFile(path, "w") as archive:
        if version is not None:
            archive.writestr("metadata.json", json.dumps({"keras_version": version, "date_saved": "2023-08-01@10:00:00"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", buffer.getvalue())
    return path


def with_modules(model: Mapping[str, Any], module: str = "keras") -> dict[str, Any]:
    """A configuration as in the ``.keras`` archives of tf.keras 2.12 to 2.15."""
    layers = [
        {"module": "keras.layers", "registered_name": None, **{key: value for key, value in one.items() if key != "module"}}
        for one in model["config"]["layers"]
    ]
    registered = None if module == "keras" else model["class_name"]
    return {"module": module, "registered_name": registered, **model, "config": {**model["config"], "layers": layers}}
