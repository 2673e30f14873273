"""From a row to a Keras model. Keras is imported inside the functions only."""

from __future__ import annotations

from typing import Any

from conformance.experiments.row import SKIP_SCALE, Row


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
    from conformance.oracle.environment import import_keras

    keras = import_keras()
    source = keras.Input(input_shape, dtype="int64" if row.is_text else "float32", name="input")
    if row.is_text:
        first, middle = _embedding_layers(keras, row, vocabulary_size), _recurrent_layers(keras, row)
    else:
        first, middle = [], _convolution_layers(keras, row)
    last = [keras.layers.Dropout(row.dropout, name="dropout")] if row.dropout else []
    last.append(keras.layers.Dense(classes, activation="softmax", name="probabilities"))
    name = row.name.replace("-", "_")
    if row.skip:
        model = _model_with_skip(keras, source, first, middle, last, name)
    else:
        model = keras.Sequential([source, *first, *middle, *last], name=name)
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


def _model_with_skip(keras: Any, source: Any, first: list[Any], middle: list[Any], last: list[Any], name: str) -> Any:
    """The layers in their order, and the average over time of what `first` gives beside what `middle` gives."""
    embedded = _through(first, source)
    average = keras.layers.GlobalAveragePooling1D(name="average")(embedded)
    scaled = keras.layers.Rescaling(SKIP_SCALE, name="average_scaled")(average)
    joined = keras.layers.Concatenate(name="joined")([_through(middle, embedded), scaled])
    return keras.Model(source, _through(last, joined), name=name)


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
