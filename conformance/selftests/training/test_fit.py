"""Training over epochs, against Keras's ``fit`` in float64; what is left in the model, reproducible shuffling, evaluation."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
from conformance.selftests.builders.file_models import redraw
from conformance.selftests.builders.training_models import RATE, distance, float64
from reference import metrics
from reference.models import load_model
from reference.network.network import Network
from reference.training import loop as training_loop
from reference.training import step as training
from reference.training.data import Samples

SAME = 1e-13
RNG = np.random.default_rng(20261123)
X = RNG.normal(size=(37, 6))
CLASSES = RNG.integers(0, 3, 37)
ONE_HOT = np.eye(3)[CLASSES]
BINARY = (CLASSES > 0).astype(float)[:, None]
NUMBERS = RNG.normal(size=(37, 4))
WEIGHTS = RNG.random(37)
IDS = RNG.integers(0, 5, (37, 6))
STEPS = RNG.integers(0, 3, (37, 6))
SPARSE = "sparse_categorical_crossentropy"
SGD: Any = ("sgd", {"learning_rate": RATE})


@pytest.fixture(scope="module")
def keras() -> Iterator[Any]:
    from conformance.oracle.environment import import_keras

    keras = import_keras()
    with float64(keras):
        yield keras


@pytest.fixture(scope="module")
def single(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a model with dropout and moving statistics, in float32."""
    layers, path = keras.layers, tmp_path_factory.mktemp("single") / "model.keras"
    chain = [layers.Dense(8, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.25), layers.Dense(3, activation="softmax")]
    for layer in chain:
        layer.dtype_policy = "float32"
    model = keras.Sequential([keras.Input((6,), dtype="float32"), *chain])
    redraw(model)
    model.save(path)
    return path


def chain(keras: Any, units: int = 3, activation: str = "softmax") -> Any:
    layers = keras.layers
    last = layers.Dense(units, activation=activation, kernel_regularizer="l2")
    return keras.Sequential([keras.Input((6,)), layers.Dense(5, activation="relu"), layers.BatchNormalization(momentum=0.5), last])


def two_outputs(keras: Any, by_name: bool = False) -> Any:
    layers, x = keras.layers, keras.Input((6,))
    one = layers.Dense(4, name="numbers")(x)
    two = layers.Dense(3, activation="softmax", name="classes")(one)
    return keras.Model(x, {"v": two, "u": one} if by_name else [one, two])


def every_step(keras: Any) -> Any:
    layers, x = keras.layers, keras.Input((6,), dtype="int32")
    y = layers.SimpleRNN(3, return_sequences=True)(layers.Embedding(5, 3, mask_zero=True)(x))
    return keras.Model(x, layers.Dense(3, activation="softmax")(y))


CASES: dict[str, tuple[Any, Any, Any, dict[str, Any], dict[str, Any]]] = {
    "split": (chain, X, CLASSES, {"loss": SPARSE, "metrics": ["accuracy", SPARSE]}, {"validation_split": 0.3}),
    "class weights": (
        chain, X, CLASSES, {"loss": SPARSE, "metrics": ["acc"]},
        {"class_weight": {0: 2.0, 2: 0.5}, "validation_data": (X[:20], CLASSES[:20], WEIGHTS[:20])},
    ),
    "one-hot": (
        chain, X, ONE_HOT, {"loss": "categorical_crossentropy", "metrics": ["accuracy", "cosine_similarity"]}, {"class_weight": {1: 3.0}}
    ),
    "one unit": (
        lambda keras: chain(keras, 1, "sigmoid"), X, BINARY, {"loss": "bce", "metrics": ["accuracy", "mse"]}, {"sample_weight": WEIGHTS}
    ),
    "two outputs": (
        two_outputs, X, [NUMBERS, CLASSES],
        {"loss": ["mse", SPARSE], "loss_weights": [0.5, 2.0], "metrics": [["mae"], ["accuracy"]]}, {"validation_split": 0.2},
    ),
    "by name": (
        lambda keras: two_outputs(keras, True), X, {"u": NUMBERS, "v": CLASSES},
        {"loss": {"u": "mae", "v": SPARSE}, "metrics": {"v": ["accuracy"]}}, {},
    ),
    "every step": (every_step, IDS, STEPS, {"loss": SPARSE, "metrics": ["accuracy", SPARSE]}, {"validation_split": 0.2}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_histories_are_those_of_keras(name: str, keras: Any, tmp_path: Path) -> None:
    build, x, y, compiled, fitted = CASES[name]
    theirs = build(keras)
    redraw(theirs)
    theirs.save(tmp_path / "before.keras")
    model = load_model(tmp_path / "before.keras")
    # What Keras averages for single outputs differs where it does not run eagerly, as it does not by default.
    theirs.compile(optimizer=keras.optimizers.SGD(RATE), run_eagerly=len(theirs.outputs) == 1, **compiled)
    fitted = {"epochs": 2, "batch_size": 16, "shuffle": False, "verbose": 0, **fitted}
    want = theirs.fit(x, y, **fitted).history
    got = model.fit(x, y, optimizer=SGD, **compiled, **fitted).history
    assert set(got) == set(want), f"Keras's history has {sorted(want)}, this one {sorted(got)}"
    for key, values in want.items():
        assert np.allclose(got[key], values, rtol=0, atol=SAME), f"{key} is {got[key]}, in Keras {values}"
    theirs.save(tmp_path / "after.keras")
    assert distance(model, load_model(tmp_path / "after.keras")) < SAME, "the weights are not those of Keras"


def test_moving_averages_become_the_weights_as_in_keras(keras: Any, tmp_path: Path) -> None:
    theirs = chain(keras)
    theirs.save(tmp_path / "before.keras")
    model = load_model(tmp_path / "before.keras")
    theirs.compile(optimizer=keras.optimizers.SGD(RATE, use_ema=True, ema_momentum=0.5), loss=SPARSE, run_eagerly=True)
    options: dict[str, Any] = {"batch_size": 16, "shuffle": False, "verbose": 0}
    theirs.fit(X, CLASSES, **options)
    model.fit(X, CLASSES, optimizer=("sgd", {"learning_rate": RATE, "use_ema": True, "ema_momentum": 0.5}), loss=SPARSE, **options)
    theirs.save(tmp_path / "after.keras")
    assert distance(model, load_model(tmp_path / "after.keras")) < SAME, "use_ema leaves other weights than in Keras"


def test_evaluation_is_that_of_keras(keras: Any, tmp_path: Path) -> None:
    theirs = chain(keras)
    redraw(theirs)
    theirs.save(tmp_path / "m.keras")
    theirs.compile(loss=SPARSE, weighted_metrics=[], metrics=["accuracy"], run_eagerly=True)
    want = theirs.evaluate(X, CLASSES, sample_weight=WEIGHTS, batch_size=16, verbose=0, return_dict=True)
    model = load_model(tmp_path / "m.keras")
    got = model.evaluate(X, CLASSES, batch_size=16, loss=SPARSE, metrics=["accuracy"], sample_weight=WEIGHTS)
    assert got.keys() == want.keys() and all(abs(got[key] - want[key]) < SAME for key in want), f"Keras says {want}, this {got}"
    assert set(model.evaluate(X, CLASSES)) == {"loss", "accuracy", "macro_f1"}, "without options it is what it was"


def test_what_a_call_says_of_training_does_not_count(keras: Any, tmp_path: Path) -> None:
    layers, x = keras.layers, keras.Input((6,))
    y = layers.Dropout(0.5, name="never")(layers.Dropout(0.5, name="always")(x, training=True), training=False)
    theirs = keras.Model(x, layers.Dense(3, activation="softmax")(y))
    theirs.save(tmp_path / "m.keras")
    theirs.compile(loss=SPARSE, run_eagerly=True)
    model = load_model(tmp_path / "m.keras")
    want, got = theirs.evaluate(X, CLASSES, verbose=0), model.evaluate(X, CLASSES, loss=SPARSE)["loss"]
    assert abs(got - want) < SAME, f"in an evaluation nothing drops: Keras says {want}, this {got}"
    state = training.start_training(model, loss=SPARSE)
    drop = {"always": np.ones((37, 6), bool), "never": np.zeros((37, 6), bool)}
    _, logs = training.train_step(model, state, X, CLASSES, dropout_masks=drop)
    assert logs["loss"] == pytest.approx(np.log(3)), "in a step both drop: without inputs all classes are equal"


def test_metrics_of_an_epoch_are_those_of_its_samples(single: Path) -> None:
    model = load_model(single)
    logs = model.evaluate(X, CLASSES, batch_size=5, loss=SPARSE, metrics=["accuracy", "macro_f1"])
    predicted = model.predict(X).argmax(axis=1)
    assert logs["macro_f1"] == pytest.approx(metrics.macro_f1(CLASSES, predicted)), "macro-F1 is not the mean over batches"
    assert logs["accuracy"] == pytest.approx(metrics.accuracy(CLASSES, predicted)), "accuracy counts samples"


OPTIONS: dict[str, Any] = {"optimizer": "adam", "loss": SPARSE, "batch_size": 8, "epochs": 3, "verbose": 0}


def test_ids_that_are_ignored_are_in_no_macro_f1(single: Path) -> None:
    model, some = load_model(single), np.where(np.arange(37) % 3, CLASSES, -1)
    logs = model.evaluate(X, some, loss=(SPARSE, {"ignore_class": -1}), metrics=["macro_f1"])
    predicted = model.predict(X).argmax(axis=1)
    assert logs["macro_f1"] == pytest.approx(metrics.macro_f1(CLASSES[some >= 0], predicted[some >= 0])), "an ignored sample counts"


def test_the_same_seed_gives_the_same_bits(single: Path) -> None:
    model = load_model(single)
    one, two, other = (reference.fit(model, X, CLASSES, seed=seed, **OPTIONS) for seed in (1, 1, 2))
    assert distance(one.model, two.model) == 0 and one.history == two.history, "two trainings with one seed differ"
    assert distance(one.model, other.model) > 0, "another seed gave the same training"
    assert distance(model, load_model(single)) == 0, "reference.fit leaves the model as it was"


def test_every_epoch_sees_every_sample_once_in_an_order_of_its_own(single: Path) -> None:
    seen: list[Any] = []

    class Watch:
        training: Any

        def on_epoch_begin(self, epoch: int) -> None:
            seen.append([])

    numbers = np.arange(37)
    model, real = load_model(single), training.make_step

    def step(model: Network, state: Any, samples: Samples, masks: Any) -> Any:
        seen[-1].append(next(iter(samples.weights.values())))
        return real(model, state, samples, masks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_loop, "make_step", step)
        reference.fit(model, X, CLASSES, sample_weight=numbers, callbacks=[Watch()], **OPTIONS)
    orders = [np.concatenate(epoch) for epoch in seen]
    assert [len(batch) for batch in seen[0]] == [8, 8, 8, 8, 5], "the last batch is the smaller one"
    assert all(np.array_equal(np.sort(order), numbers) for order in orders), "an epoch leaves a sample out, or takes one twice"
    assert not np.array_equal(orders[0], orders[1]), "two epochs have the same order"


def test_fit_leaves_the_trained_weights_in_the_model(single: Path) -> None:
    model = load_model(single)
    history = model.fit(X, CLASSES, **OPTIONS)
    functional = reference.fit(load_model(single), X, CLASSES, **OPTIONS)
    assert history.model is model and distance(model, functional.model) == 0, "the model has not the trained weights"
    assert history.epoch == [0, 1, 2] and len(history.history["loss"]) == 3, "the history has not an entry for each epoch"


class Break:
    """Breaks off a training in one of its epochs."""

    training: Any

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("finished", [0, 2])
def test_an_error_leaves_the_weights_of_the_last_finished_epoch(single: Path, finished: int) -> None:
    model, untouched = load_model(single), load_model(single)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, CLASSES, callbacks=[Break(finished)], **OPTIONS)
    want = reference.fit(untouched, X, CLASSES, **{**OPTIONS, "epochs": finished}).model if finished else untouched
    assert distance(model, want) == 0, f"after {finished} finished epochs and a broken one the model has other weights"


def test_a_loss_that_is_no_number_ends_the_training_with_its_epoch_and_batch(single: Path) -> None:
    model = load_model(single)
    state: dict[str, Any] = {}

    class Blow:
        training: Any

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            state[str(epoch)] = self.training.current_model()
            if epoch == 1:
                self.training.learning_rate = 1e30

    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=r"the loss is (nan|inf) in batch 2 of epoch 3"):
        model.fit(X, CLASSES, optimizer=("sgd", {"learning_rate": 0.1}), loss=SPARSE, epochs=4, batch_size=8, callbacks=[Blow()], verbose=0)
    assert distance(model, state["1"]) == 0, "the model has not the weights of the last finished epoch"


def test_texts_are_trained_on(keras: Any, tmp_path: Path) -> None:
    layers, texts = keras.layers, np.array(["good day", "bad day now", "so good", "so bad it is"] * 5)
    words = layers.TextVectorization(output_sequence_length=5)
    words.adapt(texts)
    chain = [words, layers.Embedding(20, 4, mask_zero=True), layers.LSTM(4), layers.Dense(2, activation="softmax")]
    keras.Sequential([keras.Input((), dtype="string"), *chain]).save(tmp_path / "m.keras")
    options: dict[str, Any] = {**OPTIONS, "optimizer": ("adam", {"learning_rate": 0.05}), "metrics": ["accuracy"]}
    for epochs in (5, 15):
        model = load_model(tmp_path / "m.keras")
        history = model.fit(list(texts), [0, 1] * 10, **{**options, "epochs": epochs}, checkpoint=tmp_path / "run.npz").history
    assert len(history["accuracy"]) == 15 and history["accuracy"][-1] == 1, f"two words tell the classes apart, but {history}"


def test_what_is_printed(single: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = load_model(single)
    for verbose, lines in ((0, 0), (1, 0), (2, 3)):
        reference.fit(model, X, CLASSES, **{**OPTIONS, "verbose": verbose})
        printed = capsys.readouterr().out.splitlines()
        assert len(printed) == lines, f"verbose={verbose} prints {printed} where the output is no terminal"
    assert re.match(r"Epoch 1/3  loss \d", printed[0]), f"the line of an epoch is {printed[0]!r}"


def test_on_a_terminal_a_line_moves(single: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    reference.fit(load_model(single), X, CLASSES, **{**OPTIONS, "verbose": 1, "epochs": 2})
    first, second, rest = capsys.readouterr().out.split("\n")
    assert rest == "" and len(first.split("\r")) == 7, f"five batches and the end of the epoch make six states of a line: {first!r}"
    third = second.split("\r")[3]
    assert re.fullmatch(r"Epoch 2/2  3/5  loss \d[\d.]*( - .*)?", third), f"the third state is {third!r}"


@pytest.mark.parametrize("metrics", [[], (), {}, [["mae"], []]])
def test_metrics_of_several_outputs_may_be_empty_and_rates_are_not_rounded(metrics: Any, keras: Any, tmp_path: Path) -> None:
    """Under ``floatx="float64"`` Keras keeps a learning rate in float64; its losses of single outputs are means over the batches."""
    theirs = two_outputs(keras)
    redraw(theirs)
    theirs.save(tmp_path / "before.keras")
    model = load_model(tmp_path / "before.keras")
    theirs.compile(optimizer=keras.optimizers.SGD(0.1), loss=["mae", SPARSE], metrics=metrics)
    fitted = {"batch_size": 16, "shuffle": False, "verbose": 0}
    want = theirs.fit(X, [NUMBERS, CLASSES], **fitted).history
    asked = {"optimizer": ("sgd", {"learning_rate": 0.1}), "loss": ["mae", SPARSE], "metrics": metrics}
    got = model.fit(X, [NUMBERS, CLASSES], **asked, **fitted).history
    assert set(got) == set(want), f"Keras's history has {sorted(want)}, this one {sorted(got)}"
    for key, values in want.items():
        assert np.allclose(got[key], values, rtol=0, atol=SAME), f"{key} is {got[key]}, in Keras {values}"
    theirs.save(tmp_path / "after.keras")
    assert distance(model, load_model(tmp_path / "after.keras")) < SAME, "the weights are not those of Keras: the rate was rounded"


ALIKE: dict[str, dict[str, Any]] = {
    "one loss": {"loss": "mse", "metrics": [["mae", "mae"], ["mae"], []]},
    "a dict by the title": {"loss": {"twice": "mae", "once": "mse"}, "metrics": {"twice": ["mse"]}},
}


@pytest.mark.parametrize("name", ALIKE)
def test_outputs_of_one_layer_go_by_one_key_as_in_keras(name: str, keras: Any, tmp_path: Path) -> None:
    """Keras gives the loss of the last of them under the name of the layer, and numbers metrics."""
    layers, x = keras.layers, keras.Input((6,))
    twice, once = layers.Dense(6, name="twice"), layers.Dense(4, name="once")
    y = twice(x)
    theirs = keras.Model(x, [y, twice(layers.Activation("tanh")(y)), once(y)])
    redraw(theirs)
    theirs.save(tmp_path / "m.keras")
    labels = [X[:, ::-1], X**2, NUMBERS]
    theirs.compile(**ALIKE[name])
    want = theirs.evaluate(X, labels, batch_size=16, verbose=0, return_dict=True)
    got = load_model(tmp_path / "m.keras").evaluate(X, labels, batch_size=16, **ALIKE[name])
    assert set(got) == set(want), f"Keras has {sorted(want)}, this one {sorted(got)}"
    assert all(abs(got[key] - want[key]) < SAME for key in want), f"Keras says {want}, this {got}"


def test_outputs_of_one_layer_may_be_told_apart_by_numbers(keras: Any, tmp_path: Path) -> None:
    x = keras.Input((6,))
    y = keras.layers.Dense(4, name="twice")(x)
    keras.Model(x, [y, y]).save(tmp_path / "m.keras")
    model = load_model(tmp_path / "m.keras")
    got = model.evaluate(X, {"twice_1": NUMBERS}, loss={"twice_1": "mse"})
    want = model.evaluate(X, [None, NUMBERS], loss=[None, "mse"])
    assert got == want and set(got) == {"loss"}, f"one output has a loss, {want}, not {got}"
