"""What a training refuses, before anything moves, and the words in which it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
from conformance.selftests.builders.training_models import distance
from conformance.selftests.builders.untrained import CLASSES, ONE_HOT, VECTORS, small_model

SPARSE = "sparse_categorical_crossentropy"
GOOD: dict[str, Any] = {"x": VECTORS, "y": CLASSES, "loss": SPARSE, "verbose": 0}

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "x of another shape": ({"x": VECTORS[:, :3]}, r"input 'x' takes arrays of the shape \(None, 4\), got \(20, 3\)"),
    "x of texts": ({"x": VECTORS.astype(str)}, "input 'x' takes float32 numbers"),
    "x with NaN": ({"x": np.where(VECTORS > 1, np.nan, VECTORS)}, "input 'x' holds NaN"),
    "no samples": ({"x": VECTORS[:0], "y": CLASSES[:0]}, "x has no samples"),
    "fewer labels": ({"y": CLASSES[:7]}, "y has 7 labels for 20 samples"),
    "no labels": ({"y": None}, "y is missing"),
    "labels of texts": ({"y": CLASSES.astype(str)}, "y holds <U"),
    "a class too many": ({"y": CLASSES + 1}, "y holds the class 3; the model's output has the classes 0 to 2"),
    "a negative class": ({"y": CLASSES - 1}, "y holds the class -1"),
    "fractions": ({"y": CLASSES + 0.5}, "y holds fractions; sparse_categorical_crossentropy takes class ids"),
    "one-hot for ids": ({"y": ONE_HOT}, r"y has the shape \(20, 3\); sparse_categorical_crossentropy takes class ids of the shape \(20,\)"),
    "ids for one-hot": ({"loss": "categorical_crossentropy"}, r"y has the shape \(20,\); categorical_crossentropy .* takes \(20, 3\)"),
    "labels with NaN": ({"y": np.full((20, 3), np.nan), "loss": "mse"}, "y holds NaN"),
    "an unknown loss": ({"loss": "sparse_crossentropy"}, "no loss 'sparse_crossentropy'; did you mean .*sparse_categorical_crossentropy"),
    "an unknown optimizer": ({"optimizer": "adamm"}, "no optimizer 'adamm'; did you mean adam"),
    "an unknown metric": ({"metrics": ["acuracy"]}, "no metric 'acuracy'; did you mean"),
    "an unknown option": (
        {"optimizer": ("adam", {"lerning_rate": 1.0})},
        "optimizer adam has no option 'lerning_rate'; did you mean learning_rate",
    ),
    "an option of a loss": (
        {"loss": (SPARSE, {"label_smoothing": 0.1})},
        "loss sparse_categorical_crossentropy has no option 'label_smoothing'",
    ),
    "a loss without a number": ({"loss": (SPARSE, {"reduction": None})}, "reduction=None does not make one number"),
    "two clips": ({"optimizer": ("adam", {"clipnorm": 1.0, "clipvalue": 1.0})}, "only one of clipnorm, clipvalue"),
    "a rate that is none": ({"optimizer": ("adam", {"learning_rate": "fast"})}, "learning_rate is a finite number"),
    "a seed that is none": ({"seed": -1}, "seed is an int from 0"),
    "batch_size": ({"batch_size": 0}, "batch_size is an int from 1, not 0"),
    "epochs": ({"epochs": 0}, "epochs is an int from 1, not 0"),
    "validation_split": ({"validation_split": 1.0}, "validation_split=1.0 of 20 samples leaves none"),
    "validation_data": ({"validation_data": (VECTORS, CLASSES[:3])}, "validation_data: y has 3 labels for 20 samples"),
    "sample_weight": ({"sample_weight": np.ones(3)}, r"sample_weight has the shape \(3,\)"),
    "both weights": ({"sample_weight": np.ones(20), "class_weight": {0: 1.0}}, "class_weight and sample_weight cannot both"),
    "weights by class and sample": (
        {"sample_weight": np.ones((20, 3))},
        r"sample_weight has the shape \(20, 3\); the losses of the output 'last' have the shape \(20,\)",
    ),
    "class weights of a list": ({"class_weight": [1.0, 2.0, 3.0]}, "class_weight is a dict of class to weight, not"),
    "class weights by text": ({"class_weight": {"0": 2.0}}, "class_weight is a dict of ints to finite numbers, but holds '0'"),
    "class weights with NaN": ({"class_weight": {0: np.nan}}, "class_weight .* holds 0: nan"),
    "a metric of one-hot labels": ({"metrics": ["mse"]}, r"y has the shape \(20,\); mean_squared_error .* takes \(20, 3\)"),
    "a metric of class ids": (
        {"y": ONE_HOT, "loss": "mse", "metrics": ["sparse_categorical_accuracy"]},
        r"y has the shape \(20, 3\); sparse_categorical_accuracy takes class ids of the shape \(20,\)",
    ),
    "rows of unequal length": ({"x": [[1.0] * 4] * 19 + [[1.0]]}, "input 'x' is no array"),
    "a limit of text": ({"optimizer": ("sgd", {"clipnorm": "1"})}, "optimizer sgd with {'clipnorm': '1'}"),
    "a schedule without its options": ({"optimizer": ("sgd", {"learning_rate": reference.cosine_decay})}, "optimizer sgd .* missing 2"),
    "a momentum above 1": ({"optimizer": ("sgd", {"momentum": 9})}, "momentum is from 0 to 1, not 9"),
    "an average that grows": ({"optimizer": ("sgd", {"use_ema": True, "ema_momentum": 2})}, "ema_momentum is from 0 to 1, not 2"),
    "half a step": ({"optimizer": ("sgd", {"gradient_accumulation_steps": 2.5})}, "gradient_accumulation_steps is an int"),
    "a weight of a loss": ({"loss_weights": "much"}, "loss_weights: the output 'last' has 'much'"),
    "no folder": ({"checkpoint": "no/such/folder/run.npz"}, "there is no folder 'no/such/folder'"),
    "losses of other outputs": ({"loss": {"lost": "mse"}}, r"loss: the model has no output 'lost'; its outputs are \['last'\]"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_before_anything_moves(name: str) -> None:
    changed, said = REFUSED[name]
    model, given = small_model(), {**GOOD, **changed}
    with pytest.raises(ValueError, match=said):
        model.fit(given.pop("x"), given.pop("y"), **given)
    assert distance(model, small_model()) == 0, "the model was changed"


@pytest.mark.parametrize("callback", [reference.EarlyStopping, "EarlyStopping", object()])
def test_what_is_no_callback_is_refused(callback: Any) -> None:
    with pytest.raises(TypeError, match="a callback is an object with one of the hooks"):
        small_model().fit(VECTORS, CLASSES, loss=SPARSE, verbose=0, callbacks=[callback])


def test_a_file_name_that_the_logs_cannot_fill_is_refused(tmp_path: Path) -> None:
    callback = reference.ModelCheckpoint(tmp_path / "{val_loss}.json")
    with pytest.raises(ValueError, match=r"names 'val_loss'; the logs hold loss"):
        small_model().fit(VECTORS, CLASSES, loss=SPARSE, verbose=0, callbacks=callback)
    assert not list(tmp_path.iterdir()), "something was written"


@pytest.mark.parametrize("name", ["HistoryLog", "ModelCheckpoint"])
def test_a_callback_that_writes_into_no_folder_is_refused_at_once(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}='no/such/folder/log.json': there is no folder 'no/such/folder'"):
        getattr(reference, name)("no/such/folder/log.json")
    reference.ModelCheckpoint("no/such/{epoch}/model.json")  # whose folder is not known before the epoch


def test_an_evaluation_by_metrics_alone_says_that_it_needs_a_loss() -> None:
    with pytest.raises(ValueError, match=r"needs a loss .* and an evaluation as well, whatever its metrics: name one, loss="):
        small_model().evaluate(VECTORS, CLASSES, metrics=["accuracy"])


def test_labels_and_weights_may_be_lists_as_may_what_keras_gives_by_default() -> None:
    weights = np.linspace(0, 2, 20)
    good: dict[str, Any] = {"loss": SPARSE, "verbose": 0, "seed": 3}
    want = reference.fit(small_model(), VECTORS, CLASSES, sample_weight=weights, **good).history
    forms: list[tuple[Any, Any, dict[str, Any]]] = [
        (CLASSES.tolist(), weights.tolist(), {}),
        ([CLASSES], [weights], {"batch_size": None, "callbacks": None}),
        (CLASSES[:, None], (weights[:, None],), {"seed": np.int64(3), "verbose": "auto"}),
    ]
    for y, sample_weight, more in forms:
        got = reference.fit(small_model(), VECTORS, y, sample_weight=sample_weight, **{**good, **more}).history
        assert got == want, f"labels as {type(y).__name__} and weights as {type(sample_weight).__name__} make another loss"


def test_a_class_weight_is_of_samples_not_of_their_steps() -> None:
    layers = [
        ("InputLayer", {"name": "x", "batch_shape": [None, 2, 4]}),
        ("Dense", {"name": "steps", "units": 3, "activation": "softmax"}),
    ]
    described = [{"module": "keras.layers", "class_name": name, "config": config} for name, config in layers]
    model = reference.new_model({"module": "keras", "class_name": "Sequential", "config": {"name": "m", "layers": described}})
    x, labels = VECTORS.reshape(10, 2, 4), CLASSES.reshape(10, 2)
    with pytest.raises(ValueError, match=r"class_weight takes one label for each sample, not labels of the shape \(10, 2\)"):
        model.fit(x, labels, verbose=0, loss=SPARSE, class_weight={0: 2.0})


@pytest.mark.parametrize("option", ["kernel_constraint", "activity_regularizer", "kernel_regularizer"])
def test_what_training_does_not_support_is_named(option: str) -> None:
    given: dict[str, Any] = {"module": "keras.constraints", "class_name": "MaxNorm", "config": {}, "registered_name": None}
    model = small_model(**{option: given})
    with pytest.raises(NotImplementedError, match=f"layer 'last': {option} is"):
        model.fit(VECTORS, CLASSES, loss=SPARSE)


def test_what_changes_the_loss_of_an_evaluation_is_named_as_such() -> None:
    given: dict[str, Any] = {"module": "keras.regularizers", "class_name": "L1", "config": {}, "registered_name": None}
    words = "activity_regularizer is not supported in training and evaluation, whose loss it changes"
    with pytest.raises(NotImplementedError, match=words):
        small_model(activity_regularizer=given).evaluate(VECTORS, CLASSES, loss=SPARSE)


def test_coefficients_that_are_no_numbers_are_refused() -> None:
    given = {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": "much"}, "registered_name": None}
    with pytest.raises(ValueError, match=r"layer 'last': kernel_regularizer has the coefficients .*'much'"):
        small_model(kernel_regularizer=given).fit(VECTORS, CLASSES, loss=SPARSE)


def test_constraints_are_no_matter_for_an_evaluation() -> None:
    given: dict[str, Any] = {"module": "keras.constraints", "class_name": "MaxNorm", "config": {}, "registered_name": None}
    held, free = (model.evaluate(VECTORS, CLASSES, loss=SPARSE) for model in (small_model(kernel_constraint=given), small_model()))
    assert held == free, f"a constraint changes nothing where nothing moves, but {held} is not {free}"


def test_layers_of_others_are_not_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()
    own = {name: getattr(reference, name) for name in reference.__all__}
    foreign = own | {"dense_forward": lambda *given, **options: given[0]}
    object.__setattr__(model.context, "find", foreign.get)
    with pytest.raises(NotImplementedError, match="layer 'first' has a dense_forward that is not the reference's"):
        model.fit(VECTORS, CLASSES, loss=SPARSE)


def test_a_model_that_is_frozen_whole_is_warned_of() -> None:
    model = small_model()
    for layer in model.layers:
        layer.config["trainable"] = False
    with pytest.warns(UserWarning, match="no weights that are trained"):
        trained = reference.fit(model, VECTORS, CLASSES, loss=SPARSE).model
    assert np.array_equal(trained.context.layers["last"].weights[0], model.context.layers["last"].weights[0]), "a frozen weight moved"


def test_masks_that_no_layer_takes_are_refused() -> None:
    model = small_model()
    state = reference.start_training(model, loss=SPARSE)
    with pytest.raises(ValueError, match="there is no layer 'dropp' that drops anything"):
        reference.train_step(model, state, VECTORS, CLASSES, dropout_masks={"dropp": np.ones((20, 5), bool)})


def test_names_are_those_of_keras_whatever_the_capitals() -> None:
    for optimizer in ("adam", "Adam", "ADAM"):
        for loss in ("SparseCategoricalCrossentropy", SPARSE):
            reference.start_training(small_model(), optimizer=optimizer, loss=loss)
    for short, loss in (("mse", "mean_squared_error"), ("KLD", "kl_divergence"), ("Huber", "huber")):
        objective = reference.start_training(small_model(), loss=short).plan.objectives["last"]
        assert objective.loss.name == loss, f"{short} is {loss}, not {objective.loss.name}"
