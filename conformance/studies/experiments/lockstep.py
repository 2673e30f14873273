"""Training in step: Keras and the reference from the same weights, on the same batches, dropping the same; what differs after each step.

In float64 nothing but the order of additions differs, so losses and weights must agree to about 1e-12 however long it runs: a wrong
gradient, a wrong constant or a missed update shows in the first steps. In float32 both go their own way, for rounding grows with every
step. How far each drifts from the same training in float64 says whether the reference rounds worse than Keras does.

Keras fixes its floating type for a whole process, so each type runs in one of its own (:func:`run_apart`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from conformance.oracle.environment import import_keras, limit_threads
from conformance.studies.data.datasets import load
from conformance.studies.experiments.apart import apart
from conformance.studies.experiments.lockstep_models import ROW, Task, task
from conformance.studies.experiments.replay import draw_noise
from conformance.studies.experiments.sides import Optimizer, Side, keras_side, numpy_side
from conformance.studies.experiments.trainer import scores

STEPS, BATCH = 200, 16
SIDES = ("keras", "numpy")
AGREES = 1e-9
"""What losses and weights may differ by in float64."""


@dataclass(frozen=True)
class Trial:
    """A model and the optimizer that trains it. All rates are numbers that float32 holds: Keras rounds them with its floating type."""

    model: str
    optimizer: Optimizer

    @property
    def label(self) -> str:
        """The optimizer in words."""
        options = [f"{name}={value:g}" for name, value in self.optimizer.options.items() if name != "learning_rate"]
        return ", ".join([self.optimizer.name, *options, *([self.optimizer.schedule] if self.optimizer.schedule else [])])


ADAM = Optimizer("Adam", {"learning_rate": 2**-9})
DECAYING = Optimizer(
    "AdamW",
    {"weight_decay": 2**-6},
    "PolynomialDecay",
    {"initial_learning_rate": 2**-8, "decay_steps": 256, "end_learning_rate": 2**-11},
)
TRIALS = (
    Trial("cnn", ADAM),
    Trial("cnn", Optimizer("SGD", {"learning_rate": 2**-5, "momentum": 0.9})),
    Trial("birnn", ADAM),
    Trial("birnn", Optimizer("RMSprop", {"learning_rate": 2**-9})),
    Trial("lstm", ADAM),
    Trial("lstm", DECAYING),
)


def run(trial: Trial, dtype: str, seed: int, steps: int = STEPS) -> dict[str, Any]:
    """Train both sides in step.

    Parameters
    ----------
    trial : Trial
    dtype : {"float64", "float32"}
        Keras's floating type in this process. In float32 a third training, the reference's in float64, goes along.
    seed : int
    steps : int

    Returns
    -------
    dict
        ``losses`` of every side by step, the largest difference of the weights at the end, macro-F1 of both on the test split.
    """
    keras = import_keras()
    keras.utils.set_random_seed(seed)
    own = task(trial.model, dtype)
    sides = {"numpy": numpy_side(own.model, trial.optimizer, dtype)}
    if dtype == "float32":
        sides["float64"] = numpy_side(own.model, trial.optimizer, "float64")
    sides["keras"] = keras_side(own.model, trial.optimizer)
    losses = _losses(own, sides, seed, steps)
    pairs = zip(sides["keras"].weights(), sides["numpy"].weights(), strict=True)
    return {
        "model": trial.model,
        "optimizer": trial.label,
        "dtype": dtype,
        "seed": seed,
        "losses": losses,
        "weight_difference": max(float(np.abs(one - other).max()) for one, other in pairs),
        **{f"{name}_macro_f1": scores(side.predict(own.x_test), own.y_test)["macro_f1"] for name, side in sides.items()},
    }


def _losses(own: Task, sides: dict[str, Side], seed: int, steps: int) -> dict[str, list[float]]:
    """The losses of each side in every step, on batches and with a dropout that follow from the seed."""
    draw = np.random.default_rng(seed)
    losses: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(steps):
        rows, noise = draw.permutation(len(own.y_train))[:BATCH], draw_noise(own.model, draw)
        for name, side in sides.items():
            losses[name].append(side.step(own.x_train[rows], own.y_train[rows], noise))
    return losses


def run_apart(dtype: str, seeds: Sequence[int], trials: Sequence[Trial] = TRIALS, steps: int = STEPS) -> list[dict[str, Any]]:
    """:func:`run` of every trial and seed, in a process of its own with one thread."""
    numbers = ",".join(str(TRIALS.index(trial)) for trial in trials)
    found: list[dict[str, Any]] = apart("conformance.studies.experiments.lockstep", 1, dtype, numbers, steps, *seeds)
    return found


def measure(seeds: Sequence[int]) -> dict[str, Any]:
    """The record of all trials in both floating types, as ``fixtures/runs/lockstep.json`` holds it."""
    found = [one for dtype in ("float64", "float32") for one in run_apart(dtype, seeds)]
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for one in found:
        groups.setdefault((one["model"], one["optimizer"], one["dtype"]), []).append(one)
    return {
        "command": "conform lockstep",
        "versions": {name: version(name) for name in ("keras", "tensorflow", "numpy")},
        "data_sha256": {name: load(row.dataset).sha256 for name, row in ROW.items()},
        "batch": BATCH,
        "rows": [summary(group) for group in groups.values()],
    }


def summary(group: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One row for the seeds of a trial: largest differences of all, macro-F1 as means, curves by step.

    In float64 the curve is the largest difference of any seed. In float32 there is one for each side, its distance from the float64
    training, as the median of the seeds: where a relu or the largest cell of a pool is decided by the last digit, a training jumps away,
    and one that did says nothing of rounding. ``drift`` has the largest distance of every seed, jumps included.
    """
    losses = {side: np.array([one["losses"][side] for one in group]) for side in group[0]["losses"]}
    difference = np.abs(losses["keras"] - losses["numpy"])
    distance = {side: np.abs(losses[side] - losses["float64"]) for side in SIDES if "float64" in losses}
    curves = {side: np.median(one, axis=0) for side, one in distance.items()} or {"difference": difference.max(axis=0)}
    return {
        **{name: group[0][name] for name in ("model", "optimizer", "dtype")},
        "steps": difference.shape[1],
        "seeds": [one["seed"] for one in group],
        "max_loss_difference": _short(difference.max()),
        "max_weight_difference": _short(max(one["weight_difference"] for one in group)),
        "keras_macro_f1": round(float(np.mean([one["keras_macro_f1"] for one in group])), 6),
        "reference_macro_f1": round(float(np.mean([one["numpy_macro_f1"] for one in group])), 6),
        **({"drift": {side: [_short(value) for value in one.max(axis=1)] for side, one in distance.items()}} if distance else {}),
        "curves": {name: [_short(value) for value in curve] for name, curve in curves.items()},
    }


def _short(value: float) -> float:
    """Three digits: the others say nothing of a difference."""
    return float(f"{value:.2e}")


def main(dtype: str, trials: str, steps: str, *seeds: str) -> None:
    """What :func:`run_apart` runs: set Keras's floating type, run, print JSON as the last line."""
    limit_threads(1)
    import_keras().config.set_floatx(dtype)
    chosen = [TRIALS[int(number)] for number in trials.split(",")]
    print(json.dumps([run(trial, dtype, int(seed), int(steps)) for trial in chosen for seed in seeds]))


if __name__ == "__main__":
    main(*sys.argv[1:])
