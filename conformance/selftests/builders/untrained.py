"""A small model that is made without Keras, of layers that draw and that keep statistics, and data for it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from reference.models import Model, load_json

RNG = np.random.default_rng(20261124)
VECTORS = RNG.normal(size=(20, 4)).astype(np.float32)
CLASSES = RNG.integers(0, 3, 20)
ONE_HOT = np.eye(3)[CLASSES]
SHAPES: dict[str, list[tuple[int, ...]]] = {"first": [(4, 5), (5,)], "normal": [(5,), (5,), (5,), (5,)], "last": [(5, 3), (3,)]}


def small_model(**last: Any) -> Model:
    """Dense, BatchNormalization, Dropout and a softmax of three classes; options of the last layer may be given."""
    layers: list[tuple[str, dict[str, Any]]] = [
        ("InputLayer", {"name": "x", "batch_shape": [None, 4], "dtype": "float32"}),
        ("Dense", {"name": "first", "units": 5, "activation": "tanh"}),
        ("BatchNormalization", {"name": "normal", "momentum": 0.5}),
        ("Dropout", {"name": "drop", "rate": 0.25}),
        ("Dense", {"name": "last", "units": 3, "activation": "softmax", **last}),
    ]
    described = [
        {"module": "keras.layers", "class_name": class_name, "registered_name": None, "config": config} for class_name, config in layers
    ]
    rng = np.random.default_rng(7)
    document = {
        "format": "keras-conformance model",
        "version": 1,
        "dtype": "float32",
        "config": {"module": "keras", "class_name": "Sequential", "registered_name": None, "config": {"name": "m", "layers": described}},
        "weights": {
            name: [np.abs(rng.normal(size=shape)).astype(np.float32).tolist() for shape in shapes] for name, shapes in SHAPES.items()
        },
        "vocabularies": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.json"
        path.write_text(json.dumps(document))
        return load_json(path)
