"""From a row to a Keras model. Keras is imported inside the functions only."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.oracle.environment import import_keras
from conformance.studies.data.log_count_ratios import log_count_ratios
from conformance.studies.experiments.row import SKIP_SCALE, Row
from reference.layers.text_vectorization import PADDING, UNKNOWN

RATIOS = "ratios"
SPECIAL = (PADDING, UNKNOWN)
"""The terms with which every vocabulary begins."""


class ParameterTotalError(Exception):
    """A built model has another total of parameters than its row declares."""


def build_model(row: Row, input_shape: tuple[int, ...], classes: int, vocabulary_size: int | None = None) -> Any:
    """The row's model, built and not compiled.

    Parameters
    ----------
    row : Row
        What to build.
    input_shape : tuple of int
        Of one sample: (height, width, channels), or (time,) for token ids.
    classes : int
        Units of the last ``Dense``.
    vocabulary_size : int, optional
        ``input_dim`` of the ``Embedding``; needed for texts.

    Raises
    ------
    ParameterTotalError
        The total differs from ``row.parameters``.
    """
    keras = import_keras()
    source = keras.Input(input_shape, dtype="int64" if row.is_text else "float32", name="input")
    if row.is_text:
        first, middle = _embedding_layers(keras, row, vocabulary_size), _recurrent_layers(keras, row)
    else:
        first, middle = [], _convolution_layers(keras, row)
    dropout = [keras.layers.Dropout(row.dropout, name="dropout")] if row.dropout else []
    last = keras.layers.Dense(classes, activation="softmax", name="probabilities")
    name = row.name.replace("-", "_")
    if row.skip or row.ratios:
        embedded = _through(first, source)
        found = _through(middle, embedded)
        found = _through(dropout, _beside_average(keras, found, embedded) if row.skip else found)
        found = _beside_ratios(keras, row, found, source, vocabulary_size, classes) if row.ratios else found
        model = keras.Model(source, last(found), name=name)
    else:
        model = keras.Sequential([source, *first, *middle, *dropout, last], name=name)
    total = model.count_params()
    if row.fold is None and total != row.parameters:
        raise ParameterTotalError(f"{row.name} declares {row.parameters:,} parameters and the built model has {total:,}.")
    return model


def _convolution_layers(keras: Any, row: Row) -> list[Any]:
    layers = keras.layers
    pooling = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}[row.pooling]
    built = []
    for block, (filters, kernel) in enumerate(zip(row.filters, row.kernels, strict=True), start=1):
        for number in range(1, (row.convolutions[block - 1] if row.convolutions else 1) + 1):
            built += _convolution(layers, row, filters, kernel, f"{block}" if number == 1 else f"{block}_{number}")
        built.append(pooling(2, name=f"pooling_{block}"))
        if row.block_dropout:
            built.append(layers.Dropout(row.block_dropout, name=f"dropout_{block}"))
    if row.head == "average":
        return [*built, layers.GlobalAveragePooling2D(name="average")]
    return [*built, layers.Flatten(name="flatten"), layers.Dense(row.dense, activation="relu", name="dense")]


def _convolution(layers: Any, row: Row, filters: int, kernel: tuple[int, int], number: str) -> list[Any]:
    """A convolution and its relu, with a normalisation between them where the row asks for it."""
    if not row.normalization:
        return [layers.Conv2D(filters, kernel, padding="same", activation="relu", name=f"conv2d_{number}")]
    return [
        layers.Conv2D(filters, kernel, padding="same", use_bias=False, name=f"conv2d_{number}"),
        layers.BatchNormalization(name=f"normalization_{number}"),
        layers.ReLU(name=f"relu_{number}"),
    ]


def _beside_average(keras: Any, found: Any, embedded: Any) -> Any:
    """What was found, and the average over time of the embeddings."""
    average = keras.layers.GlobalAveragePooling1D(name="average")(embedded)
    scaled = keras.layers.Rescaling(SKIP_SCALE, name="average_scaled")(average)
    return keras.layers.Concatenate(name="joined")([found, scaled])


def _beside_ratios(keras: Any, row: Row, found: Any, source: Any, vocabulary_size: int | None, classes: int) -> Any:
    """What was found, and the average of one number a class for each term that is read; :func:`start_at_ratios` says from where."""
    layers = keras.layers
    ratios = layers.Embedding(vocabulary_size, classes, embeddings_initializer="zeros", name=RATIOS)(source)
    pooling = layers.GlobalAveragePooling2D if len(source.shape) == 3 else layers.GlobalAveragePooling1D
    scaled = layers.Rescaling(row.ratios, name="ratios_scaled")(pooling(name="ratios_average")(ratios))
    return layers.Concatenate(name="joined_ratios")([found, scaled])


def start_at_ratios(model: Any, token_ids: np.ndarray, labels: np.ndarray) -> None:
    """Set the embedding of the log-count ratios to those of the training texts; padding and the unknown term have 0.

    Parameters
    ----------
    model : keras.Model
        Of a row with ``ratios``.
    token_ids : ndarray
        The training texts as they are read: (texts, time), or (texts, time, slots).
    labels : ndarray of shape (texts,)
    """
    layer = model.get_layer(RATIOS)
    present = np.zeros((len(labels), layer.input_dim))
    present[np.arange(len(labels))[:, None], token_ids.reshape(len(labels), -1)] = 1
    ratios = log_count_ratios(present, labels, layer.output_dim)
    ratios[: len(SPECIAL)] = 0
    layer.set_weights([ratios])


def _through(layers: list[Any], tensor: Any) -> Any:
    for layer in layers:
        tensor = layer(tensor)
    return tensor


def _embedding_layers(keras: Any, row: Row, vocabulary_size: int | None) -> list[Any]:
    layers = keras.layers
    embedding = layers.Embedding(vocabulary_size, row.embedding, mask_zero=row.mask, name="embedding")
    built = [embedding]
    if row.subwords:
        slots = row.subwords.slots  # a word is a row of an image whose columns are its slots
        built.append(layers.AveragePooling2D((1, slots), name="word"))
        built.append(layers.Reshape((row.sequence_length, row.embedding), name="words"))
        built.append(layers.Rescaling(slots**0.5, name="scaled"))
    if row.word_dropout:
        built.append(layers.Dropout(row.word_dropout, noise_shape=(None, row.sequence_length, 1), name="word_dropout"))
    return built


def _recurrent_layers(keras: Any, row: Row) -> list[Any]:
    layers = keras.layers
    cell = {"rnn": layers.SimpleRNN, "lstm": layers.LSTM}[row.family]
    built = [layers.SpatialDropout1D(row.embedding_dropout, name="embedding_dropout")] if row.embedding_dropout else []
    for number, declared in enumerate(row.stack, start=1):
        last = number == len(row.stack)
        layer = cell(declared.units, return_sequences=row.pooled or not last, name=f"{row.family}_{number}")
        if declared.bidirectional:
            layer = layers.Bidirectional(layer, name=f"bidirectional_{number}")
        built.append(layer)
        if row.dropout_between and not last:
            built.append(layers.Dropout(row.dropout_between, name=f"dropout_{number}"))
    if row.pooled:
        built.append(layers.GlobalMaxPooling1D(name="pooled"))
    return built
