"""Training the runs of :mod:`.gap_runs`: each leaves one small file, and one that is there is not trained again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from conformance.oracle.environment import import_keras, in_processes
from conformance.studies.data.datasets import load
from conformance.studies.data.inputs import Inputs
from conformance.studies.experiments.gap_faults import planted
from conformance.studies.experiments.gap_runs import KERAS, RATE, SCRATCH_ROWS, GapRun
from conformance.studies.experiments.models import build_model
from conformance.studies.experiments.records import DIGITS, MANIFEST_FILE, checksums, read_record, write_record
from conformance.studies.experiments.replay import draw_noise
from conformance.studies.experiments.sides import Optimizer, Side, keras_side, numpy_side
from conformance.studies.experiments.trainer import scores
from reference.saving.files import write_document

OPTIMIZER = {"adam": Optimizer("Adam", {"learning_rate": RATE}), "sgd": Optimizer("SGD", {"learning_rate": RATE})}
NOTICE = "Labels and predictions derive from NusaX-Senti (Winata et al. 2022, arXiv:2205.15960), CC BY-SA 4.0."


def stored(run: GapRun, folder: Path, sha256: str | None = None) -> dict[str, Any] | None:
    """The record of a run, or None where it is missing, of another run, of another model, or (with a checksum) of other data."""
    return read_record(folder / f"{run.name}.json", run.row, sha256, run=run.to_json())


def train_run(run: GapRun, inputs: Inputs) -> dict[str, Any]:
    """Train one run and return its record: figures of every epoch, and the classes that it gives to the test split."""
    keras = import_keras()
    keras.backend.clear_session()
    keras.utils.set_random_seed(run.seed)
    model = build_model(run.row, inputs.sample_shape, len(inputs.dataset.classes), len(inputs.vocabulary or ()))
    side = _side(run, model)
    epochs: list[dict[str, float]] = []
    # A mistake may drive the weights to infinity; then the training is over, and the first class is named for every sentence.
    with np.errstate(all="ignore"):
        while len(epochs) < run.row.epochs and _is_finite(epochs):
            epochs.append(_epoch(run, len(epochs), model, side, inputs))
        probabilities = side.predict(inputs.batch("test", slice(None)))
    finite = epochs if _is_finite(epochs) else epochs[:-1]
    return {
        "run": run.to_json(),
        "row": run.row.to_json(),
        "data_sha256": inputs.dataset.sha256,
        "versions": {name: version(name) for name in ("keras", "tensorflow", "numpy")},
        "diverged": len(finite) < len(epochs),
        **{name: [round(one[name], DIGITS) for one in finite] for name in epochs[0]},
        "test_macro_f1": round(scores(probabilities, inputs.labels("test"))["macro_f1"], DIGITS),
        "test_predictions": "".join(map(str, probabilities.argmax(axis=1))),
    }


def _is_finite(epochs: Sequence[dict[str, float]]) -> bool:
    """Whether the last epoch, if there is one, left finite losses."""
    return all(np.isfinite(value) for one in epochs[-1:] for value in one.values())


def _side(run: GapRun, model: Any) -> Side:
    optimizer = OPTIMIZER[run.optimizer]
    return keras_side(model, optimizer) if run.side == KERAS else numpy_side(model, optimizer, plant=partial(planted, run.fault))


def _epoch(run: GapRun, epoch: int, model: Any, side: Side, inputs: Inputs) -> dict[str, float]:
    """Train on every sample once, in an order and with a dropout that follow from seed and epoch; measure on the validation split."""
    labels = inputs.labels("train")
    draw = np.random.default_rng([run.seed, epoch])
    order, size, total = draw.permutation(len(labels)), run.row.batch_size, 0.0
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        total += len(rows) * side.step(inputs.batch("train", rows), labels[rows], draw_noise(model, draw))
    valid = scores(side.predict(inputs.batch("valid", slice(None))), inputs.labels("valid"))
    return {"train_loss": total / len(labels), "valid_loss": valid["loss"], "valid_macro_f1": valid["macro_f1"]}


def missing(runs: Sequence[GapRun], folder: Path, data: Path | None) -> list[GapRun]:
    """The runs that are not stored, or were trained on other data."""
    sha256 = _inputs(data).dataset.sha256
    return [run for run in runs if stored(run, folder, sha256) is None]


def train_all(runs: Sequence[GapRun], folder: Path, data: Path | None, workers: int) -> Iterator[GapRun]:
    """Train runs in their order, spread over processes of one thread each; yields each when its file stands."""
    return (run for (run, *_), _ in in_processes(_train_apart, [(run, folder, data) for run in runs], workers))


def _train_apart(run: GapRun, folder: Path, data: Path | None) -> None:
    """What a process of :func:`train_all` does with a run: its file is written whole, at the end."""
    write_record(folder / f"{run.name}.json", train_run(run, _inputs(data)))


def write_manifest(folder: Path, data: Path | None) -> None:
    """``manifest.json``: how the files were made, the labels of the test split, and the SHA-256 of every file."""
    inputs = _inputs(data)
    files = sorted(path for path in folder.glob("*.json") if path.name != MANIFEST_FILE)
    manifest = {
        "command": "conform gap",
        "data": {"title": inputs.dataset.title, "sha256": inputs.dataset.sha256, "notice": NOTICE},
        "test_labels": "".join(map(str, inputs.labels("test"))),
        "files": checksums(folder, files),
    }
    write_document(folder / MANIFEST_FILE, manifest)


@cache
def _inputs(data: Path | None) -> Inputs:
    """NusaX-Senti as all rows read it."""
    return Inputs.of(SCRATCH_ROWS["rnn"], load("nusax", data))
