"""How long an epoch of training takes: the reference's `fit` against Keras's, both in one run, taking turns, from the same weights."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from conformance.oracle.environment import import_keras
from conformance.studies.data.datasets import load
from conformance.studies.data.downloads import DataError
from conformance.studies.data.inputs import Inputs
from conformance.studies.experiments.grid import find
from conformance.studies.experiments.models import build_model
from conformance.studies.experiments.row import Row
from conformance.studies.experiments.timing import circumstances, limit_threads, median_times
from reference.models import load_model

TASKS = {"nusax-bilstm-64": None, "cifar10-cnn-32-64": 2000}
"""The rows that are timed, and on how many training samples; None is all."""
EPOCHS = 3


def time_training(row: Row, samples: int | None, data: Path | None, epochs: int = EPOCHS) -> dict[str, Any]:
    """Median seconds of an epoch with Adam, and their ratio; one epoch of each goes unmeasured."""
    dataset = load(row.dataset, data)
    inputs = Inputs.of(row, dataset)
    x, y = inputs.batch("train", slice(samples)), inputs.labels("train")[:samples]
    import_keras().utils.set_random_seed(row.seed)
    words = inputs.vocabulary
    keras = build_model(row, inputs.sample_shape, len(dataset.classes), len(words) if words else None)
    with tempfile.TemporaryDirectory() as folder:
        keras.save(path := Path(folder) / "model.keras")
        reference = load_model(path)
    keras.compile(optimizer="adam", loss="sparse_categorical_crossentropy", jit_compile=False)
    same = {"epochs": 1, "batch_size": row.batch_size, "verbose": 0}
    taken = median_times(
        {
            "reference": lambda: reference.fit(x, y, optimizer="adam", loss="sparse_categorical_crossentropy", **same),
            "keras": lambda: keras.fit(x, y, **same),
        },
        epochs,
    )
    return {
        "measures": "epoch",
        "model": row.name,
        "samples": len(x),
        "reference_s": round(taken["reference"], 3),
        "keras_s": round(taken["keras"], 3),
        "ratio": round(taken["reference"] / taken["keras"], 2),
        **circumstances(row.batch_size, epochs, "fit"),
    }


def time_tasks(data: Path | None) -> tuple[list[dict[str, Any]], list[str]]:
    """The timings of every task whose data are here, and a sentence for each that cannot be timed."""
    found: list[dict[str, Any]] = []
    sentences: list[str] = []
    for name, samples in TASKS.items():
        try:
            found.append(time_training(find(name), samples, data))
        except DataError as error:
            sentences.append(f"{name} is not timed: {error}")
    return found, sentences


def main(threads: str, data: str | None = None) -> None:
    """What :func:`conformance.studies.experiments.apart.apart` runs."""
    limit_threads(int(threads))
    print(json.dumps(time_tasks(Path(data) if data else None)))


if __name__ == "__main__":
    main(*sys.argv[1:])
