"""Training one row with Keras: seeded, resumable after every epoch, and published as a checkpoint with its manifest.

After each epoch the model, its optimizer's state and the history so far are saved, each written beside its place and
then renamed, the history last: a training that is killed continues after the last epoch whose history stands. Order of
the samples and noise of the dropout are drawn anew each epoch from (seed, epoch), so a training does not depend on
where it was killed.
"""

from __future__ import annotations

import datetime
import json
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from conformance.base.files import checksum, read_json
from conformance.oracle.environment import import_keras, tensorflow
from conformance.studies.data.datasets import Dataset
from conformance.studies.data.inputs import VOCABULARY_FILE, Inputs, write_vocabulary
from conformance.studies.experiments.models import build_model, start_at_ratios
from conformance.studies.experiments.records import MANIFEST_FILE
from conformance.studies.experiments.row import Row
from reference.metrics import macro_f1
from reference.saving.files import whole_path, write_text

MODEL_FILE, HISTORY_FILE, BEST_FILE = "model.keras", "history.json", "best.weights.h5"
EVALUATION_BATCH = 500
MEASURED = 10_000
"""The macro-F1 of training is measured on so many of the split's first samples, as they are, at the end of an epoch."""
SHIFT = 4
"""By how many pixels an augmented image moves at most."""
NOTICES = {
    "nusax": "Vocabulary and weights derive from NusaX-Senti (Winata et al. 2022, arXiv:2205.15960), CC BY-SA 4.0.",
    "cifar10": "Weights derive from CIFAR-10 (Krizhevsky 2009).",
    "digits": "Weights derive from the digits that scikit-learn ships (Alpaydin and Kaynak 1998, UCI), CC BY 4.0.",
    "reviews": "Vocabulary and weights derive from the reviews written for this project.",
}


def finished(row: Row, out_dir: Path) -> dict[str, Any] | None:
    """The manifest of the row's checkpoint, or None where it is missing, of another row, or its model has changed."""
    folder = out_dir / row.name
    try:
        manifest = read_json(folder / MANIFEST_FILE)
        intact = row.is_described_by(manifest["row"]) and manifest["model"]["sha256"] == checksum(folder / MODEL_FILE)
    except (OSError, ValueError, KeyError):
        return None
    return manifest if intact else None


def trained(
    row: Row, dataset: Dataset, work_dir: Path, progress: bool = True, on_epoch_end: Callable[[int], None] | None = None
) -> Training:
    """Train the row to its end, from where its state in ``work_dir`` stands.

    Parameters
    ----------
    row : Row
        What to train.
    dataset : Dataset
        The data set that the row names.
    work_dir : Path
        Folder of the states of trainings under way; :meth:`Training.forget` removes the row's.
    progress : bool
        A bar for each epoch.
    on_epoch_end : callable, optional
        Called with the number of epochs run, after each has been saved.

    Raises
    ------
    ParameterTotalError
        The model's total of parameters is not the row's.
    """
    training = Training(row, Inputs.of(row, dataset), work_dir / row.name / row.variant)
    while not training.is_over:
        training.run_epoch(progress)
        training.save()
        if on_epoch_end:
            on_epoch_end(len(training.history))
    training.take_best()
    return training


class Training:
    """A training under way: the compiled model, the history of its epochs, and the folder that keeps both."""

    def __init__(self, row: Row, inputs: Inputs, folder: Path) -> None:
        self.row, self.inputs, self.folder = row, inputs, folder
        self.history: list[dict[str, float]] = []
        self.model = self._restored() or self._new()

    @property
    def is_over(self) -> bool:
        """Whether every epoch was run, or the row's patience is at its end."""
        return len(self.history) >= self.row.epochs or 0 < self.row.patience <= len(self.history) - self.best_epoch

    @property
    def best_epoch(self) -> int:
        """The number of the epoch, from 1, whose weights are the training's result: the last, or that of the smallest validation loss."""
        if not self.row.patience or not self.history:
            return len(self.history)
        return 1 + int(np.argmin([epoch["valid_loss"] for epoch in self.history]))

    def take_best(self) -> None:
        """Give the model the weights of its best epoch, averaged where the row averages."""
        if self.row.patience or self.row.averaging:
            self.model.load_weights(self.folder / BEST_FILE)

    @contextmanager
    def measured_weights(self) -> Iterator[None]:
        """While open, the model has the weights that are measured and kept: the running average where the row averages."""
        if not self.row.averaging:
            yield
            return
        swap = import_keras().callbacks.SwapEMAWeights()
        swap.set_model(self.model)
        swap.on_test_begin()
        try:
            yield
        finally:
            swap.on_test_end()

    def forget(self) -> None:
        """Remove the state: what came of the training is kept elsewhere."""
        shutil.rmtree(self.folder)
        with suppress(OSError):  # another seed of the row is under way
            self.folder.parent.rmdir()

    def _identity(self) -> dict[str, Any]:
        return {"row": self.row.to_json(), "data": self.inputs.dataset.sha256, "versions": versions()}

    def _restored(self) -> Any:
        try:
            saved = read_json(self.folder / HISTORY_FILE)
        except (OSError, ValueError):
            return None
        if saved["identity"] != self._identity():
            return None
        model = import_keras().models.load_model(self.folder / saved["state"])
        self.history = saved["history"]
        return model

    def _new(self) -> Any:
        keras = import_keras()
        keras.utils.set_random_seed(self.row.seed)
        model = self.build()
        if self.row.ratios:
            start_at_ratios(model, self.inputs.stored["train"], self.inputs.labels("train"))
        averaging = {"use_ema": True, "ema_momentum": self.row.averaging} if self.row.averaging else {}
        model.compile(
            optimizer=keras.optimizers.Adam(self.row.learning_rate, **averaging),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile=False,
        )
        return model

    def build(self) -> Any:
        """A new model of the row, not compiled."""
        words = self.inputs.vocabulary
        classes = len(self.inputs.dataset.classes)
        return build_model(self.row, self.inputs.sample_shape, classes, len(words) if words else None)

    def run_epoch(self, progress: bool) -> None:
        """Train on every sample once, then measure on the training split, and on the validation split where there is one."""
        from tqdm import tqdm

        epoch = len(self.history)
        labels = self.inputs.labels("train")
        draw = np.random.default_rng([self.row.seed, epoch])
        order = draw.permutation(len(labels))
        self._seed_noise(draw)
        self.model.optimizer.learning_rate.assign(learning_rate(self.row, epoch))
        sums = np.zeros(2)
        start = time.perf_counter()
        bar = tqdm(list(_batches(order, self.row.batch_size)), disable=not progress, unit="batch")
        bar.set_description(f"{self.row.name} epoch {epoch + 1}/{self.row.epochs}")
        for rows in bar:
            self.model.reset_metrics()  # newer Keras does so itself: what comes back is this batch's alone
            samples = self.inputs.batch("train", rows)
            samples = augmented(samples, draw) if self.row.augment else samples
            logs = self.model.train_on_batch(samples, labels[rows], return_dict=True)
            sums += len(rows) * np.array([logs["loss"], logs["accuracy"]], np.float64)
        seconds = time.perf_counter() - start
        with self.measured_weights():
            valid = {} if self.row.refit_of else evaluate(self.model, self.inputs, "valid")
            seen = evaluate(self.model, self.inputs, "train", MEASURED)
        self.history.append(
            {
                "epoch": epoch + 1,
                "train_loss": float(sums[0]) / len(labels),
                "train_accuracy": float(sums[1]) / len(labels),
                "train_macro_f1": seen["macro_f1"],
                **{f"valid_{key}": value for key, value in valid.items()},
                "seconds": round(seconds, 3),
            }
        )
        if progress:
            where, found = ("validation", valid) if valid else ("training", seen)
            tqdm.write(f"{bar.desc}loss {found['loss']:.4f}, macro-F1 {found['macro_f1']:.4f} on the {where} split")

    def _seed_noise(self, draw: np.random.Generator) -> None:
        """Give every seed state of the model (one for each dropout) a fresh value."""
        for variable in self.model.variables:
            if variable.name == "seed_generator_state":
                variable.assign(draw.integers(2**31, size=2).astype(np.uint32))

    def save(self) -> None:
        """Keep this epoch; what was kept before is removed once this one stands."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = self.folder / f"epoch-{len(self.history):03d}.keras"
        with whole_path(state) as place:
            self.model.save(place)
        if (self.row.patience or self.row.averaging) and self.best_epoch == len(self.history):
            with self.measured_weights(), whole_path(self.folder / BEST_FILE) as place:
                self.model.save_weights(place)
        saved = {"identity": self._identity(), "state": state.name, "history": self.history}
        _write_json(self.folder / HISTORY_FILE, saved)
        for older in self.folder.glob("epoch-*.keras"):
            if older != state:
                older.unlink()


def learning_rate(row: Row, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0."""
    share = (1 + np.cos(np.pi * epoch / row.epochs)) / 2 if row.schedule == "cosine" else 1.0
    return row.learning_rate * float(share)


def augmented(images: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Images (batch, height, width, channels), each mirrored with probability 1/2 and moved by -4 to 4 pixels each way; zeros move in."""
    count, height, width, _ = images.shape
    moved = np.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(moved, (height, width), axis=(1, 2))
    top, left = draw.integers(2 * SHIFT + 1, size=(2, count))
    result = windows[np.arange(count), top, left].transpose(0, 2, 3, 1)
    mirrored = np.less(draw.random(count), 0.5)
    return np.ascontiguousarray(np.where(mirrored[:, None, None, None], result[:, :, ::-1], result))


def evaluate(model: Any, inputs: Inputs, split: str, samples: int | None = None) -> dict[str, float]:
    """The :func:`scores` of the model's probabilities on one split, or on so many of its first samples."""
    return scores(probabilities(model, inputs, split, samples), inputs.labels(split)[:samples])


def probabilities(model: Any, inputs: Inputs, split: str, samples: int | None = None) -> np.ndarray:
    """What Keras's model gives to a split, or to so many of its first samples: (samples, classes)."""
    batches = _batches(np.arange(len(inputs.labels(split)[:samples])), EVALUATION_BATCH)
    return np.concatenate([model.predict_on_batch(inputs.batch(split, rows)) for rows in batches])


def scores(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Loss, accuracy and macro-F1 (of all classes) of probabilities (samples, classes).

    The loss is the mean of ``-log(p[label])`` in float64, with ``p`` clipped at 1e-7 as Keras clips it.
    """
    picked = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    predicted = probabilities.argmax(axis=1)
    return {
        "loss": float(-np.log(np.clip(picked, 1e-7, 1.0)).mean()),
        "accuracy": float((predicted == labels).mean()),
        "macro_f1": macro_f1(labels, predicted, labels=range(probabilities.shape[1])),
    }


def publish(training: Training, folder: Path) -> dict[str, Any]:
    """Write the checkpoint, the manifest last, so that a manifest vouches for what stands beside it."""
    row, inputs, dataset = training.row, training.inputs, training.inputs.dataset
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    model = training.build()  # a copy that was never compiled: no optimizer in its archive
    model.set_weights(training.model.get_weights())
    with whole_path(folder / MODEL_FILE) as place:
        model.save(place)
    _write_json(folder / HISTORY_FILE, training.history)
    manifest: dict[str, Any] = {
        "row": row.to_json(),
        "command": f"conform train {row.name}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "seed": row.seed,
        "versions": versions(),
        "dataset": {"title": dataset.title, "sha256": dataset.sha256, "notice": NOTICES[dataset.name]},
        "parameters": model.count_params(),
        "epochs_run": len(training.history),
        "keras": {split: evaluate(model, inputs, split) for split in row.scored_splits},
        "model": {"file": MODEL_FILE, "sha256": checksum(folder / MODEL_FILE)},
    }
    if inputs.vocabulary is not None:
        write_vocabulary(folder / VOCABULARY_FILE, inputs.vocabulary)
        digest = checksum(folder / VOCABULARY_FILE)
        manifest["vocabulary"] = {"file": VOCABULARY_FILE, "terms": len(inputs.vocabulary), "sha256": digest}
    if row.patience:
        manifest["best_epoch"] = training.best_epoch
    _write_json(folder / MANIFEST_FILE, manifest)
    return manifest


def versions() -> dict[str, str]:
    """What the training was made with."""
    keras = import_keras()
    versions = {"keras": keras.__version__, "tensorflow": tensorflow().__version__, "numpy": np.__version__}
    return versions | {"python": platform.python_version()}


def _batches(order: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (order[start : start + size] for start in range(0, len(order), size))


def _write_json(path: Path, value: Any) -> None:
    """JSON, in which a loss that is no number stands as NaN."""
    write_text(path, json.dumps(value, indent=2) + "\n")
