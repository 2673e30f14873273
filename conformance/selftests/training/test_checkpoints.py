"""Checkpoints of a training: whatever stops it, what goes on from the file ends with the same bits."""

from __future__ import annotations

import functools
import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
from conformance.selftests.builders.place import ABANDON_AFTER, ROOT
from conformance.selftests.builders.training_models import distance
from conformance.selftests.builders.untrained import CLASSES, VECTORS, small_model

EPOCHS = 5
KILLED = -signal.SIGKILL
FILE = "run.npz"


def train(folder: Path, *more: Any, **changed: Any) -> reference.History:
    """A training whose every part has something to remember."""
    callbacks = [
        reference.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=10),
        reference.EarlyStopping("val_loss", patience=10, restore_best_weights=True),
        reference.HistoryLog(folder / "log.csv"),
        *more,
    ]
    options: dict[str, Any] = {
        "optimizer": ("adam", {"learning_rate": 0.05, "gradient_accumulation_steps": 2, "use_ema": True}),
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "epochs": EPOCHS,
        "batch_size": 7,
        "validation_split": 0.2,
        "seed": 3,
        "verbose": 0,
        **changed,
    }
    return reference.fit(small_model(), VECTORS, CLASSES, callbacks=callbacks, checkpoint=folder / FILE, **options)


DYING = """
import os, signal, sys
from pathlib import Path
from conformance.selftests.training.test_checkpoints import train
from reference.saving import files

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

where, epoch = sys.argv[2], int(sys.argv[3])

class Dying:
    def on_epoch_begin(self, now):
        self.now = now
    def on_train_batch_end(self, batch, logs):
        if where == "step" and self.now == epoch and batch == 1:
            die()
    def on_epoch_end(self, now, logs):
        replace, wanted = os.replace, now == epoch
        if wanted and where == "before":
            files.os.fsync = die
        if wanted and where == "after":
            def replace_and_die(source, target):
                replace(source, target)
                if str(target).endswith(".npz"):
                    die()
            files.os.replace = replace_and_die

train(Path(sys.argv[1]), Dying())
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> reference.History:
    return train(tmp_path_factory.mktemp("whole"))


def same(one: reference.History, other: reference.History) -> None:
    assert one.history == other.history and one.epoch == other.epoch, "the histories differ"
    assert distance(one.model, other.model) == 0, "the weights differ"


@pytest.mark.parametrize(
    ("where", "epoch", "finished"), [("step", 0, None), ("step", 2, 2), ("before", 2, 2), ("after", 2, 3), ("after", 4, 5)]
)
def test_a_killed_training_goes_on_and_ends_with_the_same_bits(
    where: str, epoch: int, finished: int | None, tmp_path: Path, whole: reference.History
) -> None:
    command = [sys.executable, "-c", DYING, str(tmp_path), where, str(epoch)]
    died = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=ABANDON_AFTER)
    assert died.returncode == KILLED, f"the training was not killed: {died.stderr}"
    assert (tmp_path / FILE).exists() == (finished is not None), "a checkpoint is there after the first epoch, and not before"
    if finished:
        with np.load(tmp_path / FILE) as file:
            epochs = json.loads(file["training.json"].tobytes())["epochs"]
        assert epochs == list(range(finished)), f"{finished} epochs were finished, the checkpoint has {epochs}"
    same(train(tmp_path), whole)
    table = (tmp_path / "log.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in table] == ["epoch", *map(str, range(EPOCHS))], "the table has an epoch twice, or lacks one"


def test_a_finished_training_is_not_made_again(tmp_path: Path, whole: reference.History) -> None:
    train(tmp_path)

    class Never:
        def on_epoch_begin(self, epoch: int) -> None:
            raise AssertionError(f"epoch {epoch} is made again")

    same(train(tmp_path, Never()), whole)


def test_an_early_end_stays_the_end(tmp_path: Path) -> None:
    stop = {"callbacks": [reference.EarlyStopping("loss", mode="max", patience=1)], "checkpoint": tmp_path / FILE}
    options: dict[str, Any] = {"loss": "sparse_categorical_crossentropy", "epochs": 9, "optimizer": "adam", "verbose": 0, **stop}
    first = reference.fit(small_model(), VECTORS, CLASSES, **options)
    assert len(first.epoch) < 9, "the training was to end early"
    again = reference.fit(small_model(), VECTORS, CLASSES, **options)
    same(again, first)


def test_more_epochs_go_on_where_fewer_ended(tmp_path: Path) -> None:
    plain: dict[str, Any] = {"loss": "sparse_categorical_crossentropy", "optimizer": "adam", "batch_size": 6, "verbose": 0}
    for epochs in (2, 4):
        part = reference.fit(small_model(), VECTORS, CLASSES, epochs=epochs, checkpoint=tmp_path / FILE, **plain)
    same(part, reference.fit(small_model(), VECTORS, CLASSES, epochs=4, **plain))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"batch_size": 8}, "batch_size differs \\(7, not 8\\)"),
        ({"seed": 4}, "seed differs \\(3, not 4\\)"),
        ({"shuffle": False}, "shuffle differs"),
        ({"optimizer": ("adam", {"learning_rate": 0.01})}, "optimizer differs"),
        ({"loss": ("sparse_categorical_crossentropy", {"ignore_class": 0})}, "loss differs"),
        ({"sample_weight": np.arange(20)}, "data differs"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_checkpoint_of_another_training_is_refused(changed: dict[str, Any], said: str, tmp_path: Path) -> None:
    train(tmp_path, epochs=1)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(reference.CheckpointError, match=f"run.npz is that of another training: {said}"):
        train(tmp_path, **changed)
    assert (tmp_path / FILE).read_bytes() == before, "the checkpoint of the other training was overwritten"


def test_other_callbacks_are_refused(tmp_path: Path) -> None:
    train(tmp_path, epochs=1)
    with pytest.raises(
        reference.CheckpointError, match=r"its callbacks are ReduceLROnPlateau, EarlyStopping, HistoryLog, not .*ModelCheckpoint"
    ):
        train(tmp_path, reference.ModelCheckpoint(tmp_path / "m.json"))


def damaged(data: bytes, how: str) -> bytes:
    if how == "cut":
        return data[: len(data) // 2]
    if how == "changed":
        place = data.index(b"training.json") + 200
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    if how == "foreign":
        file = io.BytesIO()
        np.savez(file, weights=np.zeros(3))
        return file.getvalue()
    if how == "pickled":
        file = io.BytesIO()
        np.savez(file, **{"training.json": np.array([print], dtype=object)})  # type: ignore[arg-type]
        return file.getvalue()
    return b"" if how == "empty" else b"not a checkpoint at all"


@pytest.mark.parametrize("how", ["cut", "changed", "foreign", "pickled", "empty", "text"])
def test_a_damaged_checkpoint_is_refused_and_kept(how: str, tmp_path: Path) -> None:
    train(tmp_path, epochs=1)
    data = damaged((tmp_path / FILE).read_bytes(), how)
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(reference.CheckpointError, match=r"run\.npz is damaged, or no checkpoint"):
        train(tmp_path)
    assert (tmp_path / FILE).read_bytes() == data, "the damaged file was overwritten"


def test_a_weight_of_another_shape_is_refused(tmp_path: Path) -> None:
    train(tmp_path, epochs=1)
    with np.load(tmp_path / FILE) as file:
        arrays = dict(file)
    arrays["weights/first/0"] = arrays["weights/first/0"][:2]
    np.savez(tmp_path / FILE, **arrays)  # type: ignore[arg-type]
    with pytest.raises(reference.CheckpointError, match=r"weight first/0 is float32 \(2, 5\), not float32 \(4, 5\)"):
        train(tmp_path)


def test_a_schedule_is_known_by_its_numbers(tmp_path: Path) -> None:
    def rate(first: float) -> Any:
        return functools.partial(reference.cosine_decay, initial_learning_rate=first, decay_steps=20)

    options: dict[str, Any] = {"loss": "sparse_categorical_crossentropy", "verbose": 0, "checkpoint": tmp_path / FILE}
    for epochs in (1, 3):
        part = reference.fit(small_model(), VECTORS, CLASSES, optimizer=("sgd", {"learning_rate": rate(0.5)}), epochs=epochs, **options)
    options["checkpoint"] = None
    same(part, reference.fit(small_model(), VECTORS, CLASSES, optimizer=("sgd", {"learning_rate": rate(0.5)}), epochs=3, **options))
    options["checkpoint"] = tmp_path / FILE
    with pytest.raises(reference.CheckpointError, match="optimizer differs"):
        reference.fit(small_model(), VECTORS, CLASSES, optimizer=("sgd", {"learning_rate": rate(0.25)}), **options)
