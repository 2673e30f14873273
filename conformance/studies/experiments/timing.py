"""How long `predict` takes: the reference against Keras compiled, both in one run, taking turns.

Timings belong to a machine, so they are written only when asked for, to a file that nothing is compared with.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from conformance.oracle.environment import limit_threads, tensorflow
from conformance.oracle.live.whole_model import compiled, keras_model
from conformance.studies.data.datasets import load
from conformance.studies.data.downloads import DataError
from conformance.studies.data.inputs import test_inputs
from conformance.studies.data.paths import checkpoints_dir
from conformance.studies.experiments.grid import ROWS
from conformance.studies.experiments.row import Row
from reference.models import load_model

BATCH = 256
REPEATS = 15


def median_times(calls: Mapping[str, Callable[[], Any]], repeats: int = REPEATS) -> dict[str, float]:
    """Median seconds of each call; the calls take turns, so that a busy moment meets all of them. One round goes unmeasured."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(repeats + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if number:
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in taken.items()}


def time_model(path: Path, x: Any) -> dict[str, Any]:
    """Milliseconds for one batch of 256 samples (repeated where there are fewer), and their ratio."""
    x = np.resize(x, (BATCH, *x.shape[1:]))
    reference, keras = load_model(path), compiled(keras_model(path), x)
    taken = median_times({"reference": lambda: reference.predict(x, BATCH), "keras": lambda: keras(x)})
    return {
        "reference_ms": round(taken["reference"] * 1000, 2),
        "keras_ms": round(taken["keras"] * 1000, 2),
        "ratio": round(taken["reference"] / taken["keras"], 2),
    }


def time_rows(rows: Sequence[Row], checkpoints: Path, data: Path | None) -> tuple[list[dict[str, Any]], list[str]]:
    """The timings of every row that can be timed here, each with what it depends on, and a sentence for each that cannot."""
    models: list[dict[str, Any]] = []
    sentences: list[str] = []
    around = circumstances(BATCH, REPEATS, "tf.function")
    for row in rows:
        path = checkpoints / row.name / "model.keras"
        if not path.is_file():
            continue
        try:
            x, _ = test_inputs(row, load(row.dataset, data), checkpoints)
        except DataError as error:
            sentences.append(f"{row.name} is not timed: {error}")
            continue
        models.append({"measures": "predict", "model": row.name, **time_model(path, x), **around})
    return models, sentences


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def circumstances(batch: int, repeats: int, called: str) -> dict[str, Any]:
    """What timings depend on: versions, cores and threads, and how Keras was called."""
    return {
        "batch": batch,
        "repeats": repeats,
        "date": datetime.date.today().isoformat(),
        "versions": {name: version(name) for name in ("keras", "tensorflow", "numpy")} | {"python": platform.python_version()},
        "cores": cores(),
        # TensorFlow's 0 means one thread a core.
        "tensorflow_threads": tensorflow().config.threading.get_intra_op_parallelism_threads() or cores(),
        "numpy_threads": max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1),
        "keras_called": called,
    }


def main(threads: str, data: str | None = None) -> None:
    """What :func:`conformance.studies.experiments.apart.apart` runs: set TensorFlow's threads, time, print JSON as the last line."""
    limit_threads(int(threads))
    print(json.dumps(time_rows(ROWS, checkpoints_dir(), Path(data) if data else None)))


if __name__ == "__main__":
    main(*sys.argv[1:])
