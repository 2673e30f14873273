"""Three small Keras models on the data that the project brings along, for trainings that are compared step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from conformance.base.arrays import Array
from conformance.oracle.environment import import_keras
from conformance.studies.data.datasets import load
from conformance.studies.data.inputs import Inputs
from conformance.studies.experiments.grid import find

TOKENS = 16


@dataclass(frozen=True, eq=False)
class Task:
    """A Keras model with the data that it is trained and scored on."""

    model: Any
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array


def task(name: str, dtype: str) -> Task:
    """A new model of this name, with weights as Keras draws them, and its data; `dtype` is that of images."""
    build, row = MODELS[name], ROW[name]
    inputs = Inputs.of(row, load(row.dataset))
    parts = []
    for split in ("train", "test"):
        x = inputs.batch(split, slice(None))
        parts += [x.astype(dtype) if inputs.vocabulary is None else x, inputs.labels(split)]
    return Task(build(len(inputs.vocabulary or ())), *parts)


def _cnn(_: int) -> Any:
    """Convolution, batch normalization, pooling and dropout, on the digits that scikit-learn ships."""
    keras, layers = _keras()
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, padding="same", activation="relu", name="conv2d"),
            layers.BatchNormalization(name="normalization"),
            layers.MaxPooling2D(2, name="pooling"),
            layers.Flatten(name="flatten"),
            layers.Dense(32, activation="relu", name="dense"),
            layers.Dropout(0.25, name="dropout"),
            layers.Dense(10, activation="softmax", name="probabilities"),
        ]
    )


def _birnn(terms: int) -> Any:
    """Two bidirectional layers that read the mask of the embedding, with dropout between, on the reviews."""
    keras, layers = _keras()
    return keras.Sequential(
        [
            keras.Input((TOKENS,), dtype="int64"),
            layers.Embedding(terms, 16, mask_zero=True, name="embedding"),
            layers.Bidirectional(layers.SimpleRNN(12, return_sequences=True, name="rnn_1"), name="bidirectional_1"),
            layers.Dropout(0.25, name="dropout_1"),
            layers.Bidirectional(layers.SimpleRNN(12, name="rnn_2"), name="bidirectional_2"),
            layers.Dropout(0.25, name="dropout_2"),
            layers.Dense(3, activation="softmax", name="probabilities"),
        ]
    )


def _lstm(terms: int) -> Any:
    """One LSTM without a mask, on the reviews."""
    keras, layers = _keras()
    return keras.Sequential(
        [
            keras.Input((TOKENS,), dtype="int64"),
            layers.Embedding(terms, 16, name="embedding"),
            layers.LSTM(16, name="lstm"),
            layers.Dropout(0.25, name="dropout"),
            layers.Dense(3, activation="softmax", name="probabilities"),
        ]
    )


def _keras() -> tuple[Any, Any]:
    keras = import_keras()
    return keras, keras.layers


_REVIEWS = replace(find("reviews-lstm"), sequence_length=TOKENS)
MODELS: dict[str, Callable[[int], Any]] = {"cnn": _cnn, "birnn": _birnn, "lstm": _lstm}
"""By name, from the number of terms in the vocabulary to the model."""
ROW = {"cnn": find("digits-cnn"), "birnn": _REVIEWS, "lstm": _REVIEWS}
"""The row whose data a model reads."""
