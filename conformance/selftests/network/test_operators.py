"""Operators between tensors, layers that are the identity in predictions, and `training=` in a graph, against Keras itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.selftests.builders.file_models import assert_same, redraw
from conformance.selftests.builders.training_models import RATE, distance, float64
from reference.models import load_model
from reference.network.errors import ArchiveError

RNG = np.random.default_rng(20261130)
X = RNG.normal(size=(9, 3))
Y = RNG.normal(size=(9, 2))
IMAGES = (RNG.random((2, 6, 6, 3)) * 300 - 20).astype(np.float32)


@pytest.fixture(scope="module")
def keras() -> Any:
    from conformance.oracle.environment import import_keras

    return import_keras()


OPERATORS: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "x + y": lambda keras, a, b, x: a + b,
    "x - y": lambda keras, a, b, x: a - b,
    "x * y": lambda keras, a, b, x: a * b,
    "x / y": lambda keras, a, b, x: a / (b + 2),
    "a tensor with itself": lambda keras, a, b, x: a * a - a,
    "a residual": lambda keras, a, b, x: x + a,
    "a number on the right": lambda keras, a, b, x: (a + 1) / 255.0,
    "a number on the left": lambda keras, a, b, x: 1 - 2 * a,
    "an array": lambda keras, a, b, x: (a - np.array([0.5, 1, 2])) / np.array([1, 2, 3]),
    "axes of 1": lambda keras, a, b, x: keras.layers.Flatten()(keras.layers.Reshape((3, 1))(a) * keras.layers.Reshape((1, 3))(b)),
    "concatenate": lambda keras, a, b, x: keras.ops.concatenate([a, b, x], axis=-1),
}


def operated(keras: Any, name: str) -> Any:
    layers = keras.layers
    x = keras.Input((3,))
    a, b = layers.Dense(3, activation="tanh")(x), layers.Dense(3, activation="sigmoid")(x)
    return keras.Model(x, layers.Dense(2)(OPERATORS[name](keras, a, b, x)))


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_are_merge_layers(name: str, keras: Any, tmp_path: Path) -> None:
    """Predicted, evaluated and trained as Keras does, from both kinds of file."""
    with float64(keras):
        theirs = operated(keras, name)
        redraw(theirs)
        for path in (tmp_path / "before.keras", tmp_path / "before.h5"):
            theirs.save(path)
            assert_same(load_model(path).predict(X), theirs.predict(X, verbose=0), 1e-12, f"{name} from {path.suffix}")
        theirs.compile(optimizer=keras.optimizers.SGD(RATE), loss="mse")
        model = load_model(tmp_path / "before.keras")
        want = theirs.fit(X, Y, batch_size=4, shuffle=False, verbose=0).history
        got = model.fit(X, Y, optimizer=("sgd", {"learning_rate": RATE}), loss="mse", batch_size=4, shuffle=False, verbose=0).history
        assert got["loss"] == pytest.approx(want["loss"], abs=1e-12), f"{name}: the loss is {got['loss']}, in Keras {want['loss']}"
        theirs.save(tmp_path / "after.keras")
    assert distance(model, load_model(tmp_path / "after.keras")) < 1e-12, f"{name}: the trained weights are not those of Keras"


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool"])
def test_operators_of_whole_numbers(dtype: str, keras: Any, tmp_path: Path) -> None:
    """They stay in their dtype, in which they may wrap around, and become float32 with a float."""
    x = keras.Input((1,), dtype=dtype)
    theirs = keras.Model(x, [x * 2, x + 0.5, x / 2, x - 1])
    theirs.save(tmp_path / "m.keras")
    values = np.array([[200], [7], [0]])
    for got, want in zip(load_model(tmp_path / "m.keras").predict(values), theirs.predict(values, verbose=0), strict=True):
        assert np.array_equal(got, want), f"{dtype}: {got.ravel()} where Keras gives {want.ravel()}"
        assert (got.dtype.kind == "f") == (want.dtype.kind == "f"), f"{dtype}: {got.dtype} where Keras gives {want.dtype}"


def test_an_operator_ends_a_mask(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    ids = keras.Input((5,), dtype="int32")
    words = layers.Embedding(6, 3, mask_zero=True)(ids)
    theirs = keras.Model(ids, [layers.LSTM(2)(2 * words), layers.LSTM(2)(layers.GaussianNoise(0.1)(words))])
    redraw(theirs)
    theirs.save(tmp_path / "m.keras")
    given = np.array([[1, 2, 0, 0, 3], [0, 0, 4, 5, 0]])
    assert_same(load_model(tmp_path / "m.keras").predict(given), theirs.predict(given, verbose=0), 1e-6, "with and without the mask")


REFUSED: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "x[:, -1]": (lambda keras, x: x[:, -1], "the operator x[...] (keras.ops GetItem) is not supported"),
    "x ** 2": (lambda keras, x: x**2, "the operator x ** y (keras.ops Power) is not supported"),
    "relu": (lambda keras, x: keras.ops.relu(x), "layers.Activation('relu') computes the same"),
    "maximum": (lambda keras, x: keras.ops.maximum(x, 0), "the operation keras.ops Maximum is not supported"),
    "reshape": (lambda keras, x: keras.ops.reshape(x, (-1, 3, 1)), "layers.Reshape does the same"),
    "along the batch": (lambda keras, x: keras.ops.concatenate([x, x], axis=0), "axis 0"),
    "an array of a batch": (lambda keras, x: x + np.ones((2, 3)), "the batch of one meets another axis"),
}


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("name", REFUSED)
def test_other_operators_are_named(name: str, suffix: str, keras: Any, tmp_path: Path) -> None:
    build, words = REFUSED[name]
    x = keras.Input((3,))
    keras.Model(x, build(keras, x)).save(tmp_path / f"m.{suffix}")
    with pytest.raises(ArchiveError) as raised:
        load_model(tmp_path / f"m.{suffix}")
    assert words in str(raised.value), f"the sentence does not say {words!r}: {raised.value}"
    assert "not Keras's own" not in str(raised.value), "an operator is Keras's own"


FLAGGED: dict[str, Callable[[Any, Any, bool], Any]] = {
    "BatchNormalization": lambda keras, x, flag: keras.layers.BatchNormalization(momentum=0.5)(x, training=flag),
    "Dropout": lambda keras, x, flag: keras.layers.Dropout(0.5)(x, training=flag),
    "LSTM": lambda keras, x, flag: keras.layers.LSTM(3, dropout=0.5, recurrent_dropout=0.5)(x, training=flag),
    "Bidirectional": lambda keras, x, flag: keras.layers.Bidirectional(keras.layers.GRU(2, dropout=0.5))(x, training=flag),
    "TimeDistributed": lambda keras, x, flag: keras.layers.TimeDistributed(keras.layers.Dropout(0.5))(x, training=flag),
    "a model": lambda keras, x, flag: keras.Sequential([keras.Input((4, 3)), keras.layers.BatchNormalization()])(x, training=flag),
}


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("name", FLAGGED)
def test_training_in_a_graph_is_not_heard(name: str, flag: bool, keras: Any, tmp_path: Path) -> None:
    """Keras's predict, evaluate and fit say themselves what they are."""
    x = keras.Input((4, 3))
    theirs = keras.Model(x, FLAGGED[name](keras, x, flag))
    redraw(theirs)
    theirs.save(tmp_path / "m.keras")
    values = RNG.normal(size=(6, 4, 3)).astype(np.float32)
    want, model = theirs.predict(values, verbose=0), load_model(tmp_path / "m.keras")
    assert_same(model.predict(values), want, 1e-5, f"{name} with training={flag}")
    loss = model.evaluate(values, np.zeros(want.shape), loss="mse")["loss"]
    assert loss == pytest.approx(np.mean(np.square(want)), rel=1e-5), f"evaluate gives the loss {loss}, not that of the predictions"


def test_fit_takes_statistics_whatever_the_graph_says(keras: Any, tmp_path: Path) -> None:
    with float64(keras):
        x = keras.Input((3,))
        theirs = keras.Model(x, keras.layers.BatchNormalization(momentum=0.5)(x, training=False))
        theirs.save(tmp_path / "before.keras")
        model = load_model(tmp_path / "before.keras")
        theirs.compile(optimizer=keras.optimizers.SGD(RATE), loss="mse")
        theirs.fit(X, X, batch_size=9, verbose=0)
        model.fit(X, X, optimizer=("sgd", {"learning_rate": RATE}), loss="mse", batch_size=9, verbose=0)
        theirs.save(tmp_path / "after.keras")
    assert distance(model, load_model(tmp_path / "after.keras")) < 1e-12, "moving statistics and weights are those of Keras"


IDENTITIES: dict[str, Callable[[Any], Any]] = {
    "RandomFlip": lambda layers: layers.RandomFlip(),
    "RandomRotation": lambda layers: layers.RandomRotation(0.2),
    "RandomZoom": lambda layers: layers.RandomZoom(0.2),
    "RandomTranslation": lambda layers: layers.RandomTranslation(0.2, 0.2),
    "RandomContrast": lambda layers: layers.RandomContrast(0.2),
    "RandomBrightness": lambda layers: layers.RandomBrightness(0.2),
    "RandomErasing": lambda layers: layers.RandomErasing(),
    "RandAugment": lambda layers: layers.RandAugment(),
    "GaussianNoise": lambda layers: layers.GaussianNoise(0.1),
    "GaussianDropout": lambda layers: layers.GaussianDropout(0.1),
    "AlphaDropout": lambda layers: layers.AlphaDropout(0.1),
    "ActivityRegularization": lambda layers: layers.ActivityRegularization(l1=0.1),
    "Identity": lambda layers: layers.Identity(),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identities_pass_through_predict(name: str, keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    theirs = keras.Sequential([keras.Input((6, 6, 3)), IDENTITIES[name](layers), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(2)])
    redraw(theirs)
    theirs.save(tmp_path / "m.keras")
    model = load_model(tmp_path / "m.keras", None)
    assert_same(model.predict(IMAGES), theirs.predict(IMAGES, verbose=0), 5e-3, name)
    options: dict[str, Any] = {"loss": "mse", "verbose": 0}
    if name == "Identity":
        assert model.fit(IMAGES, np.zeros((2, 2)), **options).epoch == [0], "Identity is the identity in training as well"
        return
    with pytest.raises(NotImplementedError, match=f"{name} is not supported in training"):
        model.fit(IMAGES, np.zeros((2, 2)), **options)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_an_input_is_rounded_to_its_own_dtype(dtype: str, keras: Any, tmp_path: Path) -> None:
    """Where the layers compute in float64, as Keras does."""
    x = keras.Input((3,), dtype=dtype)
    theirs = keras.Model(x, keras.layers.Dense(2, dtype="float64")(x))
    theirs.save(tmp_path / "m.keras")
    assert_same(load_model(tmp_path / "m.keras").predict(X), theirs.predict(X, verbose=0), 1e-14, f"an input of {dtype}")


@pytest.mark.parametrize("inside_first", [True, False])
def test_a_layer_shared_by_two_models_is_one_layer(inside_first: bool, keras: Any, tmp_path: Path) -> None:
    """Keras writes its weights once, and cannot load that itself: what it predicted and trained before is the measure."""
    layers = keras.layers
    with float64(keras):
        shared, inside, x = layers.Dense(4, activation="tanh", name="shared"), keras.Input((4,)), keras.Input((4,))
        inner = keras.Model(inside, layers.Dense(4)(shared(inside)))
        theirs = keras.Model(x, layers.Dense(2)(shared(inner(x)) if inside_first else inner(shared(x))))
        redraw(theirs)
        theirs.save(tmp_path / "m.keras")
        model, values = load_model(tmp_path / "m.keras"), RNG.normal(size=(8, 4))
        targets = RNG.normal(size=(8, 2))
        assert_same(model.predict(values), theirs.predict(values, verbose=0), 1e-12, "the shared layer")
        assert model.parameters == theirs.count_params(), "the shared layer is counted twice, or not at all"
        for name in ("again.keras", "again.json"):
            model.save(tmp_path / name)
            assert_same(load_model(tmp_path / name).predict(values), model.predict(values), 1e-15, name)
        theirs.compile(optimizer=keras.optimizers.SGD(RATE), loss="mse")
        theirs.fit(values, targets, batch_size=4, shuffle=False, verbose=0)
        model.fit(values, targets, optimizer=("sgd", {"learning_rate": RATE}), loss="mse", batch_size=4, shuffle=False, verbose=0)
        assert_same(model.predict(values), theirs.predict(values, verbose=0), 1e-12, "after training, which moves it by both gradients")
