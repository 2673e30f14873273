"""Keras models that between them hold every layer class of the reference, for the tests of the files they are saved in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from conformance.cases import ALL
from conformance.cases.case import declared_cases
from reference.layers import LAYERS

RNG_SEED = 20260712
BATCH = 7


def redraw(model: Any) -> None:
    """Draw all weights anew, so that no bias is zero, no two layers are alike, and variances are positive."""
    rng = np.random.default_rng(RNG_SEED)
    drawn = [rng.normal(0, 0.5, w.shape) for w in model.get_weights()]
    weights = [np.abs(w) + 0.2 if "variance" in v.path else w for v, w in zip(model.weights, drawn, strict=True)]
    model.set_weights([w.astype(v.dtype) for v, w in zip(model.weights, weights, strict=True)])


def sequences(keras: Any) -> Any:
    """Everything that works along one axis, in a chain."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((24, 3)),
            layers.Conv1D(6, 3, padding="causal", dilation_rate=2, name="zz"),
            layers.LeakyReLU(0.2),
            layers.MaxPooling1D(3, strides=1, padding="same"),
            layers.Conv1D(4, 2, strides=2, groups=2, use_bias=False, name="aa"),
            layers.BatchNormalization(center=False),
            layers.ELU(0.7),
            layers.AveragePooling1D(2, padding="same"),
            layers.SpatialDropout1D(0.4),
            layers.PReLU(shared_axes=[1]),
            layers.LayerNormalization(scale=False),
            layers.Rescaling(1.5, offset=[0.25, -0.5, 1, 0.125]),
            layers.Reshape((2, -1)),
            layers.Softmax(),
            layers.Flatten(),
            layers.Dense(5, activation="silu", use_bias=False),
        ]
    )


def images(keras: Any) -> Any:
    """Everything that works along two axes, with outputs by name."""
    layers = keras.layers
    x = keras.Input((9, 7, 3), name="image")
    y = layers.Conv2D(4, (3, 2), padding="same", strides=(2, 1))(x)
    y = layers.BatchNormalization(axis=2, scale=False, epsilon=0.01)(y)
    y = layers.ReLU(max_value=1.5, negative_slope=0.1, threshold=0.2)(y)
    average = layers.AveragePooling2D((3, 2), strides=1, padding="same")(y)
    most = layers.MaxPooling2D(2)(layers.PReLU()(y))
    normal = layers.LayerNormalization(axis=[1, 3], epsilon=0.1)(layers.SpatialDropout2D(0.3)(average))
    outputs = {
        "z": layers.GlobalAveragePooling2D()(normal),
        "a": layers.GlobalMaxPooling2D(keepdims=True)(most),
        "m": layers.Softmax(axis=[1, 2])(layers.LayerNormalization(center=False)(layers.Dropout(0.2)(average))),
    }
    return keras.Model(x, outputs)


def recurrent(keras: Any) -> Any:
    """Every recurrent layer, with states handed on, and every way to merge two directions."""
    layers = keras.layers
    x = keras.Input((5, 3))
    y, h = layers.GRU(4, return_sequences=True, return_state=True)(x)
    last = layers.GRU(4, reset_after=False, go_backwards=True, name="old")(y, initial_state=h)
    z, h, c = layers.LSTM(3, return_sequences=True, return_state=True, use_bias=False)(y)
    simple = layers.SimpleRNN(3, activation="relu", return_sequences=True)(z, initial_state=h)
    merged = [layers.Bidirectional(cell, merge_mode=mode)(simple) for mode, cell in _halves(layers)]
    both = layers.Bidirectional(layers.GRU(2, return_state=True), merge_mode=None)(simple)
    again = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(simple, initial_state=[h, c, c, h])
    return keras.Model([x], [last, *merged, *both, layers.Add()([layers.Dense(3)(again), simple])])


def _halves(layers: Any) -> Any:
    yield "concat", layers.SimpleRNN(2)
    yield "sum", layers.GRU(2, reset_after=False, use_bias=False)
    yield "mul", layers.LSTM(2, recurrent_activation="softsign")
    yield "ave", layers.GRU(3, return_sequences=True)


def masks(keras: Any) -> Any:
    """Masks of an Embedding and of a Masking layer, through everything that keeps, joins or uses them."""
    layers = keras.layers
    ids, values = keras.Input((6,), dtype="int32", name="ids"), keras.Input((6, 3), name="values")
    e, m = layers.Embedding(9, 3, mask_zero=True)(ids), layers.Masking(0.5)(values)
    added, joined, longer = layers.Add()([e, m]), layers.Concatenate()([e, m]), layers.Concatenate(axis=1)([e, m])
    pooled = [layers.GlobalAveragePooling1D()(one) for one in (added, joined, longer, layers.Concatenate()([e, values]))]
    scaled = layers.Rescaling(np.array([0.5, -2.0, 1.5]))(m)
    kept = layers.LeakyReLU()(layers.SpatialDropout1D(0.3)(layers.PReLU(shared_axes=[1])(scaled)))
    return keras.Model(
        [ids, values],
        [
            *pooled,
            layers.LSTM(2)(layers.ELU()(added)),
            layers.GRU(2)(layers.BatchNormalization()(joined)),
            layers.SimpleRNN(2, return_sequences=True)(layers.TimeDistributed(layers.Dense(2))(longer)),
            layers.Bidirectional(layers.GRU(2, return_sequences=True), merge_mode="ave")(kept),
        ],
    )


def steps(keras: Any) -> Any:
    """TimeDistributed around layers of every kind."""
    layers = keras.layers
    x = keras.Input((4, 6, 5, 2))
    y = layers.TimeDistributed(layers.Conv2D(3, 2, activation="relu"))(x)
    y = layers.TimeDistributed(layers.MaxPooling2D(2))(layers.TimeDistributed(layers.BatchNormalization())(y))
    rows = layers.TimeDistributed(layers.Reshape((4, 3)))(y)
    y = layers.TimeDistributed(layers.Flatten())(y)
    return keras.Model(
        x,
        [
            layers.LSTM(3)(layers.TimeDistributed(layers.Dense(4, activation="tanh"))(y)),
            layers.TimeDistributed(layers.GRU(2))(rows),
            layers.GlobalMaxPooling1D()(y),
            layers.TimeDistributed(layers.PReLU())(layers.TimeDistributed(layers.LayerNormalization())(rows)),
            layers.TimeDistributed(layers.Rescaling([0.5, 2.0, -1.5], 1))(rows),
        ],
    )


def shared(keras: Any) -> Any:
    """Nested models and layers called twice, with frozen ones among them, so that files list their weights out of order."""
    layers = keras.layers
    x = keras.Input((4,))
    frozen = layers.Dense(4, name="frozen")
    frozen.trainable = False
    y = layers.BatchNormalization(name="normal")(layers.Dense(4, activation="relu", name="first")(x))
    tail = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="first"), layers.BatchNormalization(), layers.Dense(2)], name="tail")
    still = keras.Sequential([keras.Input((4,)), layers.BatchNormalization(), layers.Dense(4)], name="still")
    still.trainable = False
    still.layers[-1].trainable = True  # so that a frozen model has a layer that is not
    middle = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="m0"), layers.Dense(4, name="m1")], name="middle")
    middle.trainable = False
    middle.layers[-1].trainable = True
    inner = keras.Model(x, {"z": layers.Dense(4, name="last")(middle(frozen(y))), "a": y}, name="inner")
    a, b = keras.Input((4,), name="a"), keras.Input((2, 2), name="b")
    twice = layers.Dense(4, activation="tanh", name="twice")
    one, two = inner(twice(a)), inner(twice(layers.Flatten()(b)))
    joined = layers.Concatenate()([still(one["z"]), two["a"], still(two["z"])])
    return keras.Model({"b": b, "a": a}, {"y": tail(one["a"]), "x": layers.Dense(3)(joined)})


def others(keras: Any) -> Any:
    """Layers that none of these models names, side by side, each as its first declared case has it."""
    inputs, outputs = {}, {}
    for name in OTHERS:
        case = next(declared_cases(ALL[name], "smoke"))
        x = inputs[name.lower()] = keras.Input(case.shape[1:], name=name.lower())
        outputs[name] = getattr(keras.layers, name)(**ALL[name].keras_config(case.config))(x)
    return keras.Model(inputs, outputs)


NAMED_ABOVE = Path(__file__).read_text(encoding="utf-8")
OTHERS = [name for name in LAYERS if f"layers.{name}(" not in NAMED_ABOVE and name != "Activation"]
BUILDERS = {build.__name__: build for build in (sequences, images, recurrent, masks, steps, shared, *([others] if OTHERS else []))}


def inputs_for(name: str) -> Any:
    """An input of each model, with steps that the masks leave out."""
    rng = np.random.default_rng(RNG_SEED + 1)
    if name == "others":
        return {one.lower(): _draw(rng, *next(declared_cases(ALL[one], "smoke")).shape[1:]) for one in OTHERS}
    if name == "shared":
        return {"a": _draw(rng, 4), "b": _draw(rng, 2, 2)}
    if name == "masks":
        ids, values = rng.integers(1, 9, (BATCH, 6)).astype(np.int32), _draw(rng, 6, 3)
        for row in range(BATCH):
            ids[row, row:] = 0
            values[row, 1 + row : 3 + row] = 0.5
        ids[:, 0] = 3  # every row has a step that counts: the mean over none is NaN
        return [ids, values]
    shape = {"sequences": (24, 3), "images": (9, 7, 3), "recurrent": (5, 3), "steps": (4, 6, 5, 2)}[name]
    return _draw(rng, *shape)


def _draw(rng: np.random.Generator, *shape: int) -> Any:
    return rng.normal(size=(BATCH, *shape)).astype(np.float32)


def flat(outputs: Any) -> dict[Any, Any]:
    """Outputs by name or number."""
    if isinstance(outputs, dict):
        return outputs
    return dict(enumerate(outputs)) if isinstance(outputs, list) else {"": outputs}


def assert_same(got: Any, want: Any, tolerance: float, about: str) -> None:
    """The outputs have the structure, dtypes, shapes and values of Keras's."""
    assert type(got) is type(want), f"{about}: the outputs are a {type(got)}, Keras's a {type(want)}"
    got, want = flat(got), flat(want)
    assert set(got) == set(want), f"{about}: the outputs are {set(got)}, Keras's {set(want)}"
    for name, value in want.items():
        assert got[name].dtype == value.dtype, f"{about}: output {name!r} is {got[name].dtype}, Keras's {value.dtype}"
        assert got[name].shape == value.shape, f"{about}: output {name!r} is {got[name].shape}, Keras's {value.shape}"
        error = np.abs(got[name] - value).max() / np.abs(value).max()
        assert error <= tolerance, f"{about}: output {name!r} is {error:.1e} of the largest value away from Keras's"
