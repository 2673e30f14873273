"""Keras models in all the ways in which layers can be put together, for the tests of the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

RNG_SEED = 20260711
IMAGES = (7, 8, 8, 3)


def cnn(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(6, 3, padding="same", activation="relu", name="zzz"),
            layers.MaxPooling2D(),
            layers.Conv2D(4, (3, 2), strides=(2, 1), groups=2, use_bias=False, name="aaa"),
            layers.Activation("tanh"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(5, activation="softmax"),
        ]
    )


def text(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((9,), dtype="int32"),
            layers.Embedding(12, 4, mask_zero=True),
            layers.Dropout(0.3),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True, dropout=0.2)),
            layers.Dense(4, activation="tanh"),
            layers.Bidirectional(layers.LSTM(3), merge_mode="sum"),
            layers.Dense(3, activation="softmax"),
        ]
    )


def sigmoid(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            layers.Embedding(12, 4),
            layers.LSTM(3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def two_by_two(keras: Any) -> Any:
    """Two inputs, three outputs by name but not in the order of the alphabet, and a layer that all branches share."""
    layers = keras.layers
    a, b = keras.Input((4,), name="a"), keras.Input((6, 3), name="b")
    shared = layers.Dense(4, activation="tanh", name="shared")
    y, h, c = layers.LSTM(4, return_state=True)(b)
    z = layers.LSTM(2)(b, initial_state=[layers.Dense(2)(shared(h)), layers.Dense(2)(c)])
    return keras.Model({"b": b, "a": a}, {"z": z, "a": shared(a), "m": layers.Dense(2)(shared(shared(y)))})


def late_order(keras: Any) -> Any:
    """Layers created in another order than they are called in, with a second list output."""
    layers = keras.layers
    last, first = layers.Dense(3, name="b_last"), layers.Dense(3, name="c_first")
    x = keras.Input((3,))
    middle = layers.Dense(3, activation="relu", name="a_middle")
    last(keras.Input((3,)))  # a call that belongs to no part of the model
    return keras.Model([x], [last(middle(first(x))), middle(first(x))])


def nested(keras: Any) -> Any:
    """A functional model with two outputs and a Sequential one, both inside another and the former called twice."""
    layers = keras.layers
    x = keras.Input((4,))
    inner = keras.Model(
        x, {"z": layers.Dense(4, name="d")(x), "a": layers.Dense(4, activation="relu", name="e")(x)}, name="inner"
    )
    tail = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="d"), layers.Dense(2)], name="tail")
    y = keras.Input((4,))
    once = inner(y)
    return keras.Model(y, [tail(inner(once["z"])["a"]), once["a"], inner(once["a"])["z"]])


def ends_nested(keras: Any) -> Any:
    """An outer model whose outputs are those of a functional model within."""
    layers = keras.layers
    x, y = keras.Input((4,)), keras.Input((4,))
    return keras.Model(y, keras.Model(x, layers.Dense(3, activation="softmax")(layers.Dense(4)(x)))(layers.Dense(4)(y)))


def masked(keras: Any) -> Any:
    """Masks as nodes of the graph, handed to a nested model that uses them, and named in a call where none travels.

    A call with states does not see the mask of its sequence, but hands it on.
    """
    layers = keras.layers
    ids = keras.Input((7,), dtype="int32")
    inside = keras.Input((7, 3))
    inner = keras.Model(inside, layers.LSTM(3, return_sequences=True)(layers.Dense(3)(inside)))
    embedding = layers.Embedding(9, 3, mask_zero=True)
    x = embedding(ids)
    named = layers.LSTM(2)(layers.Embedding(9, 3)(ids), mask=embedding.compute_mask(ids))
    stated = layers.GRU(2, return_sequences=True)(x, initial_state=named)
    x = layers.Bidirectional(layers.LSTM(2, return_sequences=True, go_backwards=False))(layers.Dropout(0.1)(x))
    y = inner(layers.Dense(3)(x))
    ends = [layers.LSTM(4, zero_output_for_mask=True)(y), layers.Dense(2)(layers.Flatten()(y)), layers.SimpleRNN(2)(stated)]
    return keras.Model(ids, [*ends, y, named])


def two_directions(keras: Any) -> Any:
    """Both sequences of a Bidirectional that is not merged keep the mask."""
    layers = keras.layers
    ids = keras.Input((7,), dtype="int32")
    x = layers.Embedding(9, 3, mask_zero=True)(ids)
    forward, backward = layers.Bidirectional(layers.LSTM(3, return_sequences=True), merge_mode=None)(x)
    return keras.Model(ids, [layers.LSTM(2)(forward), layers.LSTM(2)(backward)])


def deep(keras: Any) -> Any:
    """More than ten layers of one class, so that groups and variables do not sort as text."""
    layers = keras.layers
    return keras.Sequential([keras.Input((3,)), *(layers.Dense(3, activation="tanh") for _ in range(12))])


def double(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([keras.Input((3,), dtype="float64"), layers.Dense(4, activation="gelu", dtype="float64")])


BUILDERS = {
    build.__name__: build
    for build in (cnn, text, sigmoid, two_by_two, late_order, nested, ends_nested, masked, two_directions, deep, double)
}


def inputs_for(name: str) -> Any:
    rng = np.random.default_rng(RNG_SEED + 1)
    if name == "cnn":
        return rng.normal(size=IMAGES).astype(np.float32)
    if name in ("text", "masked", "two_directions", "sigmoid"):
        ids = rng.integers(1, 9, (7, {"text": 9, "sigmoid": 6}.get(name, 7))).astype(np.int32)
        for row, keep in enumerate((3, 5, 0, 9, 1, 2, 6)):
            ids[row, keep:] = 0
        ids[0, 0] = 0
        return ids
    if name == "two_by_two":
        return {"a": rng.normal(size=(7, 4)).astype(np.float32), "b": rng.normal(size=(7, 6, 3)).astype(np.float32)}
    return rng.normal(size=(7, 4 if "nested" in name else 3)).astype(np.float64 if name == "double" else np.float32)
