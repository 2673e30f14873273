"""Steps of a training, against Keras's ``train_on_batch`` in float64: losses and weights agree to rounding."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
import reference.metrics
from conformance.selftests.builders.file_models import redraw
from conformance.selftests.builders.network_models import BUILDERS, inputs_for
from conformance.selftests.builders.training_models import RATE, SAMPLES, apart, distance, float64
from reference.models import Model, load_model
from reference.training.step import start_training, train_step, with_weights

SAME, MOVED = 1e-13, 1e-5
RNG = np.random.default_rng(20261122)
IDS = RNG.integers(0, 7, (SAMPLES, 6))
IDS[:, 4:] = 0
CLASSES = RNG.integers(0, 3, SAMPLES)
ONE_HOT = np.eye(3)[CLASSES]
STEPS = RNG.integers(0, 3, (SAMPLES, 6))
IMAGES = RNG.normal(size=(SAMPLES, 6, 6, 2))
VECTORS = RNG.normal(size=(SAMPLES, 4))
WEIGHTS = RNG.random(SAMPLES) + 0.1
SPARSE = "sparse_categorical_crossentropy"


@pytest.fixture(scope="module")
def keras() -> Iterator[Any]:
    from conformance.oracle.environment import import_keras

    keras = import_keras()
    with float64(keras):
        yield keras


def images(keras: Any, frozen: bool = False) -> Any:
    layers, l1, l2 = keras.layers, keras.regularizers.L1(0.1), keras.regularizers.L2(0.05)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(3, 3, padding="same", activation="relu", kernel_regularizer=l2, trainable=not frozen),
            layers.BatchNormalization(momentum=0.75, gamma_regularizer=l1, trainable=not frozen),
            layers.MaxPooling2D(),
            layers.Conv2D(4, 2, activation="tanh", bias_regularizer=keras.regularizers.L1L2(0.1, 0.02)),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    return model


def text(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            layers.Embedding(7, 3, mask_zero=True),
            layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True)),
            layers.BatchNormalization(),
            layers.Bidirectional(layers.GRU(2), merge_mode="mul"),
            layers.Dense(3, activation="softmax"),
        ]
    )


def shared_table(keras: Any, regularizer: str | None = None) -> Any:
    layers = keras.layers
    one, two = keras.Input((6,), dtype="int32"), keras.Input((6,), dtype="int32")
    table = layers.Embedding(7, 3, mask_zero=True, embeddings_regularizer=regularizer)
    both = layers.Concatenate()([layers.GlobalAveragePooling1D()(table(one)), layers.SimpleRNN(3, recurrent_regularizer="l2")(table(two))])
    return keras.Model([one, two], layers.Dense(3, activation="softmax")(both))


def every_step(keras: Any) -> Any:
    layers = keras.layers
    ids = keras.Input((6,), dtype="int32")
    x = layers.SimpleRNN(3, return_sequences=True)(layers.Embedding(7, 3, mask_zero=True)(ids))
    wrapped = layers.TimeDistributed(layers.Dense(3, activation="softmax"), name="wrapped")(x)
    return keras.Model(ids, [wrapped, layers.Dense(3, activation="softmax", name="plain")(x)])


def many_kinds(keras: Any) -> Any:
    layers = keras.layers
    images_in, vectors_in = keras.Input((6, 6, 2)), keras.Input((4,))
    y = layers.Reshape((18, 4))(layers.LeakyReLU(0.25)(images_in))
    y = layers.Conv1D(4, 3, padding="causal", dilation_rate=2)(y)
    y = layers.Add()([layers.TimeDistributed(layers.Dense(4, activation="tanh"))(y), y])
    y = layers.LayerNormalization()(layers.Rescaling([0.5, -2.0, 1.5, 3.0], 0.25)(y))
    y = layers.ELU()(layers.PReLU(shared_axes=[1])(y))
    y = layers.Concatenate()([layers.GlobalMaxPooling1D()(y), layers.Dense(2)(vectors_in)])
    return keras.Model([images_in, vectors_in], layers.Softmax()(layers.Dense(3)(y)))


def frozen_inside(keras: Any) -> Any:
    """A frozen model within, and a layer with moving statistics that is called twice."""
    layers = keras.layers
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, activation="relu"), layers.BatchNormalization(momentum=0.5)])
    inner.trainable = False
    twice, x = layers.BatchNormalization(momentum=0.75), keras.Input((4,))
    return keras.Model(x, layers.Dense(3, activation="softmax")(twice(twice(inner(x)))))


CASES: dict[str, tuple[Any, Any, Any, dict[str, Any]]] = {
    "images": (images, IMAGES, CLASSES, {"optimizer": ("adam", {}), "loss": SPARSE}),
    "frozen": (
        functools.partial(images, frozen=True), IMAGES, CLASSES,
        {"optimizer": ("sgd", {"momentum": 0.875, "nesterov": True}), "loss": SPARSE, "sample_weight": WEIGHTS},
    ),
    "repeated rows": (text, IDS, CLASSES, {"optimizer": ("adam", {"clipnorm": 0.1}), "loss": SPARSE}),
    "shared table": (shared_table, [IDS, IDS[::-1]], CLASSES, {"optimizer": ("rmsprop", {}), "loss": SPARSE}),
    "shared table, regularized": (
        functools.partial(shared_table, regularizer="l2"), [IDS, IDS[::-1]], ONE_HOT,
        {"optimizer": ("adagrad", {}), "loss": "categorical_crossentropy"},
    ),
    "masked losses": (
        every_step, IDS, [STEPS, STEPS], {"optimizer": ("sgd", {}), "loss": [SPARSE, SPARSE], "loss_weights": [0.5, 2.0]}
    ),
    "weights by step": (
        every_step, IDS, [STEPS, STEPS], {"optimizer": ("sgd", {}), "loss": SPARSE, "sample_weight": [RNG.random((SAMPLES, 6))] * 2}
    ),
    "many kinds": (many_kinds, [IMAGES, VECTORS], CLASSES, {"optimizer": ("nadam", {}), "loss": SPARSE}),
    "frozen inside": (
        frozen_inside, VECTORS, CLASSES, {"optimizer": ("adamw", {"gradient_accumulation_steps": 2}), "loss": SPARSE, "steps": 4}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_keras(name: str, keras: Any, tmp_path: Path) -> None:
    build, x, y, options = CASES[name]
    model = build(keras)
    redraw(model)
    of_losses, of_weights, moved = apart(model, tmp_path, x, y, **options)
    assert of_losses < SAME, f"a loss is {of_losses:.2g} away from Keras's"
    assert of_weights < SAME, f"a weight is {of_weights:.2g} away from Keras's"
    assert moved > MOVED, "the weights have hardly moved: the comparison says nothing"


@pytest.mark.parametrize("name", ["two_by_two", "nested", "masked", "two_directions"])
def test_graphs_are_trained_as_by_keras(name: str, keras: Any, tmp_path: Path) -> None:
    x = inputs_for(name)
    model = BUILDERS[name](keras)
    redraw(model)
    for layer in model._flatten_layers():
        if hasattr(layer, "rate"):
            layer.rate = 0.0
    outputs, rng = model(x), np.random.default_rng(3)
    if isinstance(outputs, dict):
        y: Any = {key: rng.normal(size=value.shape) for key, value in outputs.items()}
    else:
        y = [rng.normal(size=value.shape) for value in outputs]
    of_losses, of_weights, moved = apart(model, tmp_path, x, y, optimizer=("sgd", {}), loss="mse", steps=2)
    assert of_losses < SAME and of_weights < SAME, f"losses are {of_losses:.2g} away from Keras's and weights {of_weights:.2g}"
    assert moved > MOVED, "the weights have hardly moved: the comparison says nothing"


def stepped(model: Any, path: Path, x: Any, y: Any, loss: Any = SPARSE) -> tuple[Model, Model]:
    """A Keras model in the reference, before and after one step."""
    model.save(path)
    loaded = load_model(path)
    return loaded, with_weights(loaded, train_step(loaded, start_training(loaded, optimizer="sgd", loss=loss), x, y)[0])


def test_a_model_within_is_trained_as_its_layers_in_a_row(keras: Any, tmp_path: Path) -> None:
    """Its first layer is a convolution, which needs no gradient of its input where that is the input of the whole model."""
    layers = keras.layers
    inner = keras.Sequential([keras.Input((4, 4, 3)), layers.Conv2D(2, 2), layers.GlobalAveragePooling2D(), layers.Dense(3)])
    outer = keras.Sequential([keras.Input((6, 6, 2)), layers.Conv2D(3, 3), inner])
    redraw(outer)
    row = keras.Sequential([keras.Input((6, 6, 2)), outer.layers[0], *inner.layers])
    trained = [stepped(model, tmp_path / f"{model.name}.keras", IMAGES, ONE_HOT, "mse")[1] for model in (outer, row)]
    assert distance(*trained) < SAME, "the layers of a model within are trained otherwise than in a row"


def test_a_model_within_gives_the_logits_of_each_of_its_outputs(keras: Any, tmp_path: Path) -> None:
    x, y = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(x, [keras.layers.Dense(3, activation="softmax")(x) for _ in range(2)])
    redraw(inner)
    outer = keras.Model(y, inner(y))
    trained = [stepped(model, tmp_path / f"{model.name}.keras", VECTORS, [CLASSES, CLASSES])[1] for model in (inner, outer)]
    assert distance(*trained) < SAME, "a model is trained otherwise where another one is nothing but it"


def test_every_weight_that_is_trained_moves(keras: Any, tmp_path: Path) -> None:
    """Weights whose place shifts where another one is removed, and layers that make initial states."""
    layers, vectors, images = keras.layers, keras.Input((4,)), keras.Input((6, 6, 2))
    x = layers.Dense(3, use_bias=False)(layers.Reshape((3, 24))(images))
    x = layers.LayerNormalization(center=False)(layers.BatchNormalization(scale=False)(x))
    states = [layers.Dense(2)(vectors) for _ in range(2)]
    x = layers.Bidirectional(layers.SimpleRNN(2, use_bias=False))(x, initial_state=states)
    model = keras.Model([images, vectors], layers.Dense(3)(layers.LayerNormalization(scale=False)(x)))
    redraw(model)
    before, after = stepped(model, tmp_path / "m.keras", [IMAGES, VECTORS], ONE_HOT, "mse")
    for old, new in zip(before.layers, after.layers, strict=True):
        still = [n for n, (a, b) in enumerate(zip(old.weights, new.weights, strict=True)) if np.abs(a - b).max() < 1e-9]
        assert not still, f"the weights {still} of {old.name} have not moved"


def test_a_penalty_moves_a_weight_that_no_loss_reaches(keras: Any, tmp_path: Path) -> None:
    x = keras.Input((4,))
    model = keras.Model(x, [keras.layers.Dense(3)(x), keras.layers.Dense(3, kernel_regularizer="l2")(x)])
    redraw(model)
    before, after = stepped(model, tmp_path / "m.keras", VECTORS, [ONE_HOT, ONE_HOT], ["mse", None])
    old, new = before.layers[1].weights[0], after.layers[1].weights[0]
    assert np.allclose(new, old * (1 - 0.01 * 2 * 0.01), rtol=1e-8, atol=0), "it has not moved by the rate times the slope of the penalty"


def test_what_is_frozen_is_what_keras_does_not_train(keras: Any, tmp_path: Path) -> None:
    """A layer set free inside a frozen model, a model whose name goes on from that of a frozen one, a frozen layer in a wrapper."""
    layers, x = keras.layers, keras.Input((5, 4))
    held = keras.Sequential([keras.Input((5, 4)), layers.Dense(6)], name="part")
    free = keras.Sequential([keras.Input((5, 6)), layers.Dense(7)], name="part_two")
    wrapper = layers.TimeDistributed(layers.Dense(8))
    model = keras.Model(x, layers.Dense(9)(wrapper(free(held(x)))))
    redraw(model)
    held.trainable, wrapper.layer.trainable = False, False
    held.layers[0].trainable = True
    before, after = stepped(model, tmp_path / "m.keras", RNG.normal(size=(4, 5, 4)), RNG.normal(size=(4, 5, 9)), "mse")
    pairs = [pair for old, new in zip(before.layers, after.layers, strict=True) for pair in zip(old.weights, new.weights, strict=True)]
    moved = [a.shape for a, b in pairs if not np.array_equal(a, b)]
    wanted = [tuple(weight.shape) for weight in model.trainable_weights]
    assert moved == wanted, f"weights of the shapes {moved} have moved, in Keras {wanted} are trained"


@pytest.mark.parametrize("shared", [False, True], ids=["two layers", "one layer twice"])
def test_every_call_of_dropout_draws_for_itself(shared: bool, keras: Any, tmp_path: Path) -> None:
    layers, x = keras.layers, keras.Input((400,))
    first = layers.Dropout(0.5)
    y = (first if shared else layers.Dropout(0.5))(first(x))
    model = keras.Model(x, layers.Dense(1, use_bias=False)(y))
    before, after = stepped(model, tmp_path / "m.keras", np.ones((1, 400)), np.ones((1, 1)), "mse")
    share = np.mean(before.layers[-1].weights[0] != after.layers[-1].weights[0])
    assert 0.15 < share < 0.35, f"two masks of a half each keep a quarter, and {share} of the features were kept by both"


def test_logits_are_found_below_whatever_layer_makes_probabilities(keras: Any, tmp_path: Path) -> None:
    """Probabilities are 0 and 1, where they say nothing more about the logits."""
    layers = keras.layers
    ends = {
        "Dense": [layers.Dense(3, activation="softmax")],
        "Softmax": [layers.Dense(3), layers.Softmax()],
        "Activation": [layers.Dense(3), layers.Activation("softmax")],
        "Conv1D": [layers.Reshape((1, 4)), layers.Conv1D(3, 1, activation="softmax")],
    }
    kernel, moves = 100 * RNG.normal(size=(4, 3)), {}
    for end, row in ends.items():
        model = keras.Sequential([keras.Input((4,)), *row])
        holder = next(layer for layer in model.layers if layer.weights)
        holder.set_weights([kernel.reshape(holder.get_weights()[0].shape), np.zeros(3)])
        before, after = stepped(model, tmp_path / f"{end}.keras", VECTORS, CLASSES[:, None] if end == "Conv1D" else CLASSES)
        moves[end] = distance(before, after)
    assert min(moves.values()) > MOVED, f"the kernels moved by {moves}: where they hardly did, clipped probabilities have no gradient"


def test_gradients_of_an_output_that_is_used_again_add_up(keras: Any, tmp_path: Path) -> None:
    """One comes to the softmax from the layer behind, one to its logits from the loss."""
    x = keras.Input((4,))
    shares = keras.layers.Dense(3, activation="softmax")(x)
    model = keras.Model(x, [shares, keras.layers.Dense(3)(shares)])
    redraw(model)
    moves = []
    for loss in ([SPARSE, None], [None, "mse"], [SPARSE, "mse"]):
        before, after = stepped(model, tmp_path / "m.keras", VECTORS, [CLASSES, ONE_HOT], loss)
        moves.append(after.layers[0].weights[0] - before.layers[0].weights[0])
    assert min(np.abs(move).max() for move in moves[:2]) > MOVED, "the kernel has hardly moved: the comparison says nothing"
    assert np.abs(moves[0] + moves[1] - moves[2]).max() < SAME, "two losses together move a kernel otherwise than one by one"


def classifier(keras: Any, units: int, activation: str | None) -> Any:
    layers = keras.layers
    model = keras.Sequential([keras.Input((4,)), layers.Dense(5, activation="tanh"), layers.Dense(units, activation=activation)])
    redraw(model)
    return model


BINARY = (CLASSES > 0).astype(float)[:, None]
LOSSES = [
    (3, "softmax", CLASSES, SPARSE, {}, ("sgd", {"weight_decay": 0.0625})),
    (3, None, CLASSES, SPARSE, {"from_logits": True}, ("adam", {"amsgrad": True})),
    (3, "softmax", CLASSES, SPARSE, {"ignore_class": 1}, ("rmsprop", {"centered": True, "momentum": 0.5})),
    (3, "softmax", ONE_HOT, "categorical_crossentropy", {"label_smoothing": 0.25}, ("adadelta", {})),
    (3, "sigmoid", ONE_HOT, "binary_crossentropy", {"label_smoothing": 0.25}, ("adamax", {})),
    (1, "sigmoid", BINARY, "binary_focal_crossentropy", {}, ("lion", {})),
    (3, "softmax", ONE_HOT, "categorical_focal_crossentropy", {}, ("ftrl", {})),
    (3, None, RNG.normal(size=(SAMPLES, 3)), "huber", {"delta": 0.5}, ("sgd", {"global_clipnorm": 0.125, "loss_scale_factor": 8.0})),
    (3, "softmax", ONE_HOT, "kl_divergence", {"reduction": "sum"}, ("sgd", {"clipvalue": 0.0625})),
]


IDENTITIES = [f"{row[3]}-{row[5][0]}" for row in LOSSES]


@pytest.mark.parametrize(("units", "activation", "y", "loss", "options", "optimizer"), LOSSES, ids=IDENTITIES)
def test_losses_and_optimizers_meet_as_in_keras(
    units: int, activation: str | None, y: Any, loss: str, options: dict[str, Any], optimizer: Any, keras: Any, tmp_path: Path
) -> None:
    model = classifier(keras, units, activation)
    title = {"kl_divergence": "KLDivergence"}.get(loss, "".join(part.capitalize() for part in loss.split("_")))
    theirs = getattr(keras.losses, title)(**options)
    of_losses, of_weights, moved = apart(model, tmp_path, VECTORS, y, optimizer=optimizer, loss=theirs, ours=(loss, options))
    assert of_losses < SAME and of_weights < SAME, f"losses are {of_losses:.2g} away from Keras's and weights {of_weights:.2g}"
    assert moved > MOVED, "the weights have hardly moved: the comparison says nothing"


@pytest.mark.parametrize(
    ("activation", "loss"), [("softmax", SPARSE), ("softmax", "categorical_crossentropy"), ("sigmoid", "binary_crossentropy")]
)
def test_saturated_outputs_are_trained_by_their_logits(activation: str, loss: str, keras: Any, tmp_path: Path) -> None:
    model = classifier(keras, 3, activation)
    model.layers[-1].set_weights([100 * weight for weight in model.layers[-1].get_weights()])
    y = CLASSES if loss == SPARSE else ONE_HOT
    of_losses, of_weights, moved = apart(model, tmp_path, VECTORS, y, optimizer=("sgd", {}), loss=loss)
    assert of_losses < 1e-11 and of_weights < SAME, f"losses are {of_losses:.2g} away from Keras's and weights {of_weights:.2g}"
    assert moved > MOVED, "clipped probabilities have no gradient, and the weights have hardly moved"


def dropping(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            layers.Embedding(7, 8, mask_zero=True),
            layers.SpatialDropout1D(0.25, name="space"),
            layers.Bidirectional(layers.GRU(3, dropout=0.25, return_sequences=True), name="both"),
            layers.LSTM(6, dropout=0.25, recurrent_dropout=0.5, name="gates"),
            layers.Dropout(0.25, name="plain"),
            layers.Dense(3, activation="softmax"),
        ]
    )


def test_dropout_masks_of_keras_are_replayed(keras: Any, tmp_path: Path) -> None:
    model = dropping(keras)
    redraw(model)
    of_losses, of_weights, _ = apart(model, tmp_path, IDS, CLASSES, optimizer=("sgd", {}), loss=SPARSE, dropout=True)
    assert of_losses < SAME and of_weights < SAME, f"losses are {of_losses:.2g} away from Keras's and weights {of_weights:.2g}"


def test_dropout_follows_from_seed_and_step_alone(keras: Any, tmp_path: Path) -> None:
    model = dropping(keras)
    redraw(model)
    model.save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    start = start_training(loaded, optimizer="sgd", loss=SPARSE, seed=5)
    after, first = train_step(loaded, start, IDS, CLASSES)
    _, again = train_step(loaded, start, IDS, CLASSES)
    _, second = train_step(loaded, replace(start, step=1), IDS, CLASSES)
    _, other = train_step(loaded, replace(start, seed=6), IDS, CLASSES)
    assert first == again, "the same state gave another loss"
    assert len({first["loss"], second["loss"], other["loss"]}) == 3, "another step, or another seed, drew the same masks"
    assert after.step == 1 and start.step == 0, "a step counts itself, in the new state alone"


def test_a_step_changes_neither_the_model_nor_its_state(keras: Any, tmp_path: Path) -> None:
    model = images(keras)
    model.save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    before = [weight.copy() for layer in loaded.layers for weight in layer.weights]
    start = start_training(loaded, optimizer="adam", loss=SPARSE)
    state, _ = train_step(loaded, start, IMAGES, CLASSES)
    state, _ = train_step(loaded, state, IMAGES, CLASSES)
    kept = [weight for layer in with_weights(loaded, start).layers for weight in layer.weights]
    for now in (kept, [weight for layer in loaded.layers for weight in layer.weights]):
        assert all(np.array_equal(one, other) for one, other in zip(before, now, strict=True)), "weights of before have changed"
    assert start.optimizer is None and state.iterations == 2, "the optimizer's state belongs to the new state alone"


def test_the_logs_of_a_step_hold_its_metrics(keras: Any, tmp_path: Path) -> None:
    classifier(keras, 3, "softmax").save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    state = start_training(loaded, loss=SPARSE, metrics=["accuracy", "macro_f1"])
    logs = train_step(loaded, state, VECTORS, CLASSES)[1]
    predicted = loaded.predict(VECTORS).argmax(axis=1)
    assert logs["accuracy"] == reference.metrics.accuracy(CLASSES, predicted), "not the accuracy of the batch before the step"
    assert logs["macro_f1"] == pytest.approx(reference.metrics.macro_f1(CLASSES, predicted)), "nor its macro-F1"


def test_schedules_are_asked_for_the_number_of_the_update(keras: Any, tmp_path: Path) -> None:
    model = classifier(keras, 3, "softmax")
    model.save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    asked: list[int] = []

    def schedule(step: int) -> float:
        asked.append(step)
        return RATE

    state = start_training(loaded, optimizer=("sgd", {"learning_rate": schedule, "gradient_accumulation_steps": 2}), loss=SPARSE)
    asked.clear()
    for _ in range(4):
        state, _ = train_step(loaded, state, VECTORS, CLASSES)
    assert asked == [0, 0, 1, 1], f"two steps make an update, and the schedule was asked for {asked}"


def test_functions_partials_and_pairs_name_the_same(keras: Any, tmp_path: Path) -> None:
    classifier(keras, 3, None).save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    fast, logits, losses = {"learning_rate": 0.5}, {"from_logits": True}, []
    crossentropy, step = reference.sparse_categorical_crossentropy, reference.sgd_step
    optimizers: list[Any] = [("sgd", fast), (step, fast), functools.partial(step, learning_rate=0.5)]
    named: list[Any] = [(SPARSE, logits), ("SparseCategoricalCrossentropy", logits), functools.partial(crossentropy, from_logits=True)]
    for optimizer, loss in itertools.product(optimizers, named):
        state, _ = train_step(loaded, start_training(loaded, optimizer=optimizer, loss=loss), VECTORS, CLASSES)
        losses.append(train_step(loaded, state, VECTORS, CLASSES)[1]["loss"])
    assert len(set(losses)) == 1, f"one loss and one optimizer, named in nine ways, gave {set(losses)}"
