"""Callbacks of a training: they decide what Keras's decide, epoch by epoch."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import reference
from conformance.selftests.builders.training_models import distance
from conformance.selftests.builders.untrained import ONE_HOT as CLASSES
from conformance.selftests.builders.untrained import VECTORS, small_model

SEQUENCES = range(60)


@pytest.fixture(scope="module")
def keras() -> Any:
    from conformance.oracle.environment import import_keras

    return import_keras()


class Ours:
    """What a callback of the reference sees of a training; the weights of an epoch are its number."""

    def __init__(self) -> None:
        self.state, self.stop_training, self.learning_rate = (
            SimpleNamespace(weights={"layer": [np.array(-1.0)]}),
            False,
            float(np.float32(0.1)),
        )
        self.directions = {"loss": False, "accuracy": True}
        self.restored: Any = None

    def set_weights(self, flat: Any) -> None:
        self.restored = float(flat["layer/0"])


class Theirs:
    """The same for Keras's callbacks."""

    def __init__(self) -> None:
        self.optimizer, self.stop_training, self.weights = SimpleNamespace(learning_rate=np.float32(0.1)), False, [-1.0]
        self.restored: Any = None

    def get_weights(self) -> Any:
        return list(self.weights)

    def set_weights(self, weights: Any) -> None:
        self.restored = weights[0]


def values(rng: np.random.Generator) -> list[float]:
    """A monitored number over the epochs: it goes down and up in small and large steps, and is NaN once."""
    return [*np.round(rng.normal(size=12).cumsum() * rng.choice([0.01, 0.3]), 2).tolist(), math.nan, 0.0]


def test_early_stopping_stops_where_keras_stops(keras: Any) -> None:
    for seed in SEQUENCES:
        stop_both(keras, np.random.default_rng(seed))


def stop_both(keras: Any, rng: np.random.Generator) -> None:
    """Both callbacks, on one sequence of numbers and with the same options."""
    mode = str(rng.choice(["auto", "min", "max"]))
    options: dict[str, Any] = {
        "monitor": "val_loss", "mode": mode, "min_delta": float(rng.choice([0, 0.05])), "patience": int(rng.integers(0, 4)),
        "baseline": [None, 0.1][int(rng.integers(2))], "restore_best_weights": True, "start_from_epoch": int(rng.integers(0, 3)),
    }  # fmt: skip
    one, other = reference.EarlyStopping(**options), keras.callbacks.EarlyStopping(**options)
    ours, theirs = Ours(), Theirs()
    one.training = ours  # type: ignore[assignment]
    other.set_model(theirs)
    other.on_train_begin()
    one.on_train_begin()
    for epoch, value in enumerate(values(rng)):
        ours.state.weights["layer"][0], theirs.weights[0] = np.array(float(epoch)), float(epoch)
        one.on_epoch_end(epoch, {"val_loss": value})
        other.on_epoch_end(epoch, {"val_loss": value})
        assert (ours.stop_training, one.wait, one.best_epoch) == (theirs.stop_training, other.wait, other.best_epoch), (
            f"epoch {epoch}: {options}"
        )
        if ours.stop_training:
            break
    one.on_train_end()
    other.on_train_end()
    assert ours.restored == theirs.restored, f"the weights of epoch {ours.restored} came back, in Keras of {theirs.restored}: {options}"


def test_plateaus_lower_the_rate_where_keras_lowers_it(keras: Any) -> None:
    for seed in SEQUENCES:
        lower_both(keras, np.random.default_rng(seed))


def lower_both(keras: Any, rng: np.random.Generator) -> None:
    """Both callbacks, on one sequence of numbers and with the same options."""
    options: dict[str, Any] = {
        "monitor": "loss", "mode": "auto", "min_delta": float(rng.choice([0, 0.05])), "patience": int(rng.integers(1, 4)),
        "factor": 0.5, "cooldown": int(rng.integers(0, 3)), "min_lr": float(rng.choice([0, 0.03])),
    }  # fmt: skip
    one, other = reference.ReduceLROnPlateau(**options), keras.callbacks.ReduceLROnPlateau(**options)
    ours, theirs = Ours(), Theirs()
    one.training = ours  # type: ignore[assignment]
    other.set_model(theirs)
    other.on_train_begin()
    for epoch, value in enumerate(values(rng)):
        one.on_epoch_end(epoch, {"loss": value})
        other.on_epoch_end(epoch, {"loss": value})
        assert ours.learning_rate == pytest.approx(float(theirs.optimizer.learning_rate)), f"epoch {epoch}: {options}"


def test_early_stopping_brings_the_best_weights_back(tmp_path: Path) -> None:
    models: list[Any] = []

    class Watch:
        training: Any

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            models.append(self.training.current_model())
            logs["chosen"] = [3.0, 1.0, 2.0, 2.5, 0.0][epoch]

    stop = reference.EarlyStopping("chosen", mode="min", patience=2, restore_best_weights=True)
    history = reference.fit(small_model(), VECTORS, CLASSES, loss="mse", epochs=5, callbacks=[Watch(), stop])
    assert history.epoch == [0, 1, 2, 3], f"a patience of 2 after epoch 1 ends after epoch 3, not after {history.epoch[-1]}"
    assert distance(history.model, models[1]) == 0 and distance(history.model, models[3]) > 0, "these are not the weights of epoch 1"


def test_a_direction_that_is_not_known_is_asked_for() -> None:
    stop = reference.EarlyStopping("learning_rate", patience=1)
    change = reference.LearningRateScheduler(lambda epoch, rate: rate / 2)
    with pytest.raises(ValueError, match=r"'learning_rate'.*give 'min' or 'max'"):
        reference.fit(small_model(), VECTORS, CLASSES, loss="mse", epochs=3, callbacks=[change, stop])


def test_a_number_that_is_not_in_the_logs_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="val_loss.*they hold loss"):
        history = reference.fit(small_model(), VECTORS, CLASSES, loss="mse", epochs=2, callbacks=[reference.EarlyStopping()])
    assert history.epoch == [0, 1], "without the number nothing is decided"


def test_the_scheduler_sets_the_rate_of_every_epoch() -> None:
    rates: list[tuple[int, float]] = []

    def schedule(epoch: int, rate: float) -> float:
        rates.append((epoch, rate))
        return rate / 2

    options: dict[str, Any] = {"loss": "mse", "epochs": 3, "optimizer": ("sgd", {"learning_rate": 0.5})}
    history = reference.fit(small_model(), VECTORS, CLASSES, callbacks=[reference.LearningRateScheduler(schedule)], **options)
    assert rates == [(0, 0.5), (1, 0.25), (2, 0.125)], f"the schedule was asked with {rates}"
    assert history.history["learning_rate"] == [0.25, 0.125, 0.0625], "the history tells the rates that were used"
    tenth = reference.LearningRateScheduler(lambda epoch: 0.125 / (epoch + 1))
    rates_of_epochs = reference.fit(small_model(), VECTORS, CLASSES, callbacks=tenth, **options).history["learning_rate"]
    assert rates_of_epochs == [0.125, 0.0625, float(np.float32(0.125 / 3))], "a schedule of the epoch alone is asked without the rate"
    still = reference.LearningRateScheduler(lambda epoch, rate: 0.0)
    unmoved = reference.fit(small_model(), VECTORS, CLASSES, callbacks=[still], **options)
    one, other = (model.context.layers["first"].weights[0] for model in (unmoved.model, small_model()))
    assert np.array_equal(one, other), "a rate of 0 moves nothing"


def test_checkpoints_of_models_are_written_when_they_are_better(tmp_path: Path) -> None:
    class Choose:
        training: Any

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            logs["score"] = [1.0, 3.0, 2.0][epoch]

    every = reference.ModelCheckpoint(tmp_path / "{epoch:02d}-{score:.1f}.json")
    best = reference.ModelCheckpoint(tmp_path / "best.json", "score", save_best_only=True, mode="max")
    reference.fit(small_model(), VECTORS, CLASSES, loss="mse", epochs=3, callbacks=[Choose(), every, best])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["01-1.0.json", "02-3.0.json", "03-2.0.json", "best.json"], f"written were {names}"
    saved, chosen = (reference.load_json(tmp_path / name) for name in ("02-3.0.json", "best.json"))
    assert distance(saved, chosen) == 0, "the best model is not that of the epoch with the best number"


def test_the_history_is_written_as_a_table_and_as_a_list(tmp_path: Path) -> None:
    class Undefined:
        training: Any

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            logs["ratio"] = math.nan

    logs = [Undefined(), reference.HistoryLog(tmp_path / "log.csv"), reference.HistoryLog(tmp_path / "log.json")]
    data = (VECTORS, CLASSES)
    history = reference.fit(small_model(), *data, loss="mse", epochs=3, callbacks=logs, validation_data=data, validation_freq=2)
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert [float(row["loss"]) for row in rows] == history.history["loss"], "the table has not the losses of the history"
    assert [row["val_loss"] for row in rows][::2] == ["NA", "NA"], "an epoch without evaluation has no number"
    listed = json.loads((tmp_path / "log.json").read_text())
    assert [row["loss"] for row in listed] == history.history["loss"] and listed[0]["ratio"] is None, "nor has the list"
