"""Small Keras models, data for them, and implementations with a planted mistake: what the tests of `conform compare` stand on."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from typer.testing import CliRunner

from conformance.cli.app import app
from conformance.models import compare
from conformance.models.compare import Result, compare_files
from conformance.models.subject import Subject, read_subject
from conformance.oracle.environment import import_keras

SEED, SAMPLES = 1, 70


def cnn(layers: Any) -> list[Any]:
    return [
        layers.Conv2D(6, (3, 2), padding="same", activation="relu", name="edges"),
        layers.MaxPooling2D(name="pool"),
        layers.Flatten(name="flat"),
        layers.Dense(7, activation="tanh", name="hidden"),
        layers.Dropout(0.5, name="dropout"),
        layers.Dense(4, activation="softmax", name="classes"),
    ]


def text(layers: Any) -> list[Any]:
    return [
        layers.Embedding(20, 5, mask_zero=True, name="words"),
        layers.LSTM(6, return_sequences=True, name="first"),
        layers.LSTM(5, name="second"),
        layers.Dense(1, activation="sigmoid", name="positive"),
    ]


def two(keras: Any) -> Any:
    """Two inputs and two outputs of other widths, a layer called twice, and no classes."""
    layers = keras.layers
    left, right = keras.Input((4,), name="left"), keras.Input((6, 3), name="right")
    shared = layers.Dense(4, activation="tanh", name="shared")
    a = layers.Dense(3, name="wide")(shared(left))
    b = layers.Dense(2, name="narrow")(shared(layers.LSTM(4, name="reader")(right)))
    return keras.Model([left, right], [a, b])


def nested(keras: Any) -> Any:
    """A model that is called twice inside another."""
    layers = keras.layers
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="inside")
    inner = keras.Model(y, layers.Dense(4, activation="tanh", name="d")(layers.Dense(5, name="e")(y)), name="inner")
    return keras.Model(x, layers.Dense(2, name="last")(inner(inner(x))))


def redrawn(rng: np.random.Generator, weight: np.ndarray) -> np.ndarray:
    """Another weight of this shape, so large that the outputs stay of order one."""
    spread = 1.5 / np.sqrt(np.prod(weight.shape[:-1])) if weight.ndim > 1 else 0.6
    return rng.normal(0, spread, weight.shape).astype(weight.dtype)


def save_models(folder: Path) -> None:
    """Make `NAME.keras` and `NAME.npz` of every model, all weights drawn anew."""
    keras, rng = import_keras(), np.random.default_rng(SEED)
    ids = rng.integers(1, 20, (SAMPLES, 8))
    ids[np.arange(SAMPLES), rng.integers(0, 8, SAMPLES)] = 0
    ids[:, 6:] *= rng.integers(0, 2, (SAMPLES, 1))
    # A colour of its own for every image: without it the model names one class for all.
    images = (rng.normal(size=(SAMPLES, 6, 5, 3)) + 2 * rng.normal(size=(SAMPLES, 1, 1, 3))).astype("float32")
    models = {
        "cnn": (keras.Sequential([keras.Input((6, 5, 3), name="image"), *cnn(keras.layers)]), {"x": images}),
        "text": (keras.Sequential([keras.Input((8,), dtype="int32", name="ids"), *text(keras.layers)]), {"ids": ids}),
        "two": (two(keras), {"left": rng.normal(size=(SAMPLES, 4)), "right": rng.normal(size=(SAMPLES, 6, 3))}),
        "nested": (nested(keras), {"x": rng.normal(size=(SAMPLES, 4))}),
    }
    for name, (model, x) in models.items():
        model.set_weights([redrawn(rng, weight) for weight in model.get_weights()])
        if name == "text":  # as many samples of one class as of the other
            middle = np.median(model.predict(ids, verbose=0))
            model.layers[-1].bias.assign_sub([np.log(middle / (1 - middle))])
        model.save(folder / f"{name}.keras")
        labels = {"cnn": rng.integers(0, 4, SAMPLES), "text": rng.integers(0, 2, (SAMPLES, 1)).astype(float)}
        arrays: dict[str, Any] = {**x, **({"y": labels[name]} if name in labels else {})}
        np.savez(folder / f"{name}.npz", **arrays)


ON_REFERENCE = "import numpy as np\nimport reference\nfrom reference import *\nload_model = None\n"
NO_BIAS = """
def dense_forward(x, kernel, bias=None, **options):
    return reference.dense_forward(x, kernel, None if kernel.shape[1] == {units} else bias, **options)
"""
RAISES = """
def dense_forward(x, kernel, bias=None, **options):
    if kernel.shape[1] == 7:
        raise ValueError("seven is too many")
    return reference.dense_forward(x, kernel, bias, **options)
"""


def write_implementation(folder: Path, replaced: str, alone: bool = False) -> str:
    """A file with the reference's functions, some of them replaced; or with its text alone."""
    path = folder / f"mine_{len(list(folder.glob('mine_*')))}.py"
    path.write_text(replaced if alone else ON_REFERENCE + replaced)
    return str(path)


@functools.cache
def _subject(path: Path) -> Subject:
    return read_subject(path, None, path.parent)


def compared(saved: Path, name: str, iut: str = "reference") -> Result:
    """An implementation on a model of :func:`save_models`, which Keras is asked about once, whatever it is compared with."""
    with patch.object(compare, "read_subject", lambda path, weights, folder: _subject(path)):
        return compare_files(saved / f"{name}.keras", saved / f"{name}.npz", iut)


def invoke(*arguments: Any) -> Any:
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])
