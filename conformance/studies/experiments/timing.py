"""How long `predict` takes: the reference against Keras compiled, both in one run, taking turns.

Timings belong to a machine, so they are written only when asked for, to a file that nothing is compared with.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from conformance.oracle.environment import THREAD_VARIABLES
from conformance.studies.experiments.row import Row

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
    from conformance.oracle.live.whole_model import compiled, keras_model
    from reference.models import load_model

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
    from conformance.studies.data.datasets import load
    from conformance.studies.data.downloads import DataError
    from conformance.studies.data.inputs import test_inputs

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


def apart(module: str, threads: int, data: Path | None) -> tuple[list[dict[str, Any]], list[str]]:
    """What a module times, in a process of its own with so many threads: both libraries fix their number at the start."""
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
    command = [sys.executable, "-m", module, str(threads), *([str(data)] if data else [])]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found, sentences = json.loads(done.stdout.splitlines()[-1])
    return found, sentences


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def circumstances(batch: int, repeats: int, called: str) -> dict[str, Any]:
    """What timings depend on: versions, cores and threads, and how Keras was called."""
    from importlib.metadata import version

    from threadpoolctl import threadpool_info

    from conformance.oracle.environment import tensorflow

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


def limit_tensorflow(threads: int) -> None:
    """So many threads within an operation and so many operations at once; before TensorFlow computes anything."""
    from conformance.oracle.environment import tensorflow

    tensorflow().config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow().config.threading.set_inter_op_parallelism_threads(threads)


def main(threads: str, data: str | None = None) -> None:
    """What :func:`apart` runs: set TensorFlow's threads, time, print JSON as the last line."""
    from conformance.studies.data.paths import checkpoints_dir
    from conformance.studies.experiments.grid import ROWS

    limit_tensorflow(int(threads))
    print(json.dumps(time_rows(ROWS, checkpoints_dir(), Path(data) if data else None)))


if __name__ == "__main__":
    main(*sys.argv[1:])
