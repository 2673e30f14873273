"""What the records of ``conform train`` say of every variation of every axis: scores, intervals, differences, whether a training ended.

Pure functions of the records and of the labels of the test splits. Intervals are those of :mod:`.bootstrap`. Seeds of
different rows are taken for independent, so in a difference the variances of both rows' seeds add up; where two models share their first
weights and the order of the samples, that makes an interval too wide rather than too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np

from conformance.base.arrays import Array
from conformance.base.files import read_json
from conformance.studies.analysis.bootstrap import DIGITS, Estimate, macro_f1, sample_draws
from conformance.studies.experiments import grid, runs
from conformance.studies.experiments.axes import AXES, STUDY_B_TEST, Axis, Variation, published
from conformance.studies.experiments.row import Row
from reference.metrics import confusion_matrix, precision_recall_f1

RunRecord = Mapping[str, Any]
RowSummary = dict[str, Any]

ERROR = 0.05
"""How often an interval, or all differences of an axis together, may miss."""


@dataclass(frozen=True)
class Records:
    """What ``fixtures/runs/experiments`` holds.

    Attributes
    ----------
    data : mapping
        Of data set to its ``title``, ``classes``, ``sha256`` and ``test_labels`` (a string of class digits).
    rows : mapping
        Of a row's name to the records of its seeds, in order.
    folds : mapping
        Of a row's name to the records of its cross-validation, where there is one.
    """

    data: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, Sequence[RunRecord]]
    folds: Mapping[str, Sequence[RunRecord]] = field(default_factory=dict)

    def of_row(self, name: str) -> Mapping[str, Any]:
        """The data set of a row."""
        return self.data[grid.find(name).dataset]

    def labels(self, dataset: str) -> Array:
        """The classes of a test split."""
        return ids(self.data[dataset]["test_labels"])


class Measured(NamedTuple):
    """Macro-F1 of a row on the test split: by seed, and its mean over the seeds on the samples of every draw."""

    scores: Array
    drawn: Array


def read(folder: Path) -> Records:
    """The records in a folder that are of the rows as they are declared, and of the data that its manifest names."""
    path = folder / runs.MANIFEST_FILE
    if not path.is_file():
        return Records({}, {})
    data = read_json(path)["data"]
    found: dict[str, list[RunRecord]] = {}
    folds: dict[str, list[RunRecord]] = {}
    for row in grid.ROWS + grid.UNKEPT:
        if row.dataset not in data:
            continue
        own = [runs.stored(replace(row, seed=seed), folder, data[row.dataset]["sha256"]) for seed in runs.seeds_there(row, folder)]
        if any(own):
            found[row.name] = [record for record in own if record]
        parts = [runs.stored(one, folder, data[row.dataset]["sha256"]) for one in runs.folded([row])]
        if any(parts):
            folds[row.name] = [record for record in parts if record]
    return Records(data, found, folds)


def measured(records: Records) -> dict[str, Measured]:
    """Every row's macro-F1, the samples of a data set being drawn alike for all of its rows."""
    found = {}
    for dataset, one in records.data.items():
        labels, weights = records.labels(dataset), None
        for name, own in records.rows.items():
            if grid.find(name).dataset != dataset:
                continue
            weights = sample_draws(len(labels)) if weights is None else weights
            predicted = [ids(record["test_predictions"]) for record in own]
            drawn = np.mean([macro_f1(labels, each, weights, len(one["classes"])) for each in predicted], axis=0)
            found[name] = Measured(np.array([record["test"]["macro_f1"] for record in own]), drawn)
    return found


def entries(records: Records, known: Mapping[str, Measured], axes: Sequence[Axis] = AXES) -> list[RowSummary]:
    """What ``data/experiments.json`` holds: the figures of every variation, axis by axis; those that are not trained have None."""
    return [entry for axis in axes for entry in _entries(axis, records, known)]


def _entries(axis: Axis, records: Records, known: Mapping[str, Measured]) -> list[RowSummary]:
    names = [variation.row for variation in axis.variations]
    winner = max(names, key=lambda name: float(known[name].scores.mean())) if all(name in known for name in names) else None
    pairs = len(names) * (len(names) - 1) // 2
    alike = alike_rows(grid.find(names[0]), known)
    found = []
    for variation in axis.variations:
        entry, own, row = _described(axis, variation), known.get(variation.row), grid.find(variation.row)
        if folds := [record["test"]["macro_f1"] for record in records.folds.get(row.refit_of or row.name, ())]:
            spread = round(stdev(folds), DIGITS) if len(folds) > 1 else None
            entry["folds"] = {"count": len(folds), "macro_f1_mean": round(fmean(folds), DIGITS), "macro_f1_std": spread}
        if own:
            entry |= _figures(records.rows[variation.row], own, len(records.of_row(variation.row)["classes"]))
        if own and winner:
            entry["best"] = variation.row == winner
            entry["behind"] = None if entry["best"] else difference(known[winner], own, ERROR / pairs, alike).to_json()
        found.append(entry)
    return found


def alike_rows(row: Row, known: Mapping[str, Measured]) -> list[Array]:
    """The scores of all rows of a row's family and data set."""
    rows = [grid.find(name) for name in known]
    return [known[one.name].scores for one in rows if (one.family, one.dataset) == (row.family, row.dataset)]


def _described(axis: Axis, variation: Variation) -> RowSummary:
    """The declaration, with None for every figure."""
    accuracy, loss = STUDY_B_TEST.get(variation.row, (None, None))
    missing = ("macro_f1_mean", "macro_f1_std", "macro_f1_interval", "accuracy", "loss", "converged", "epochs", "best", "behind", "folds")
    return {
        "family": axis.family,
        "axis": axis.name,
        "variation": variation.label,
        "row": variation.row,
        "parameters": grid.find(variation.row).parameters,
        "seeds": 0,
        **dict.fromkeys(missing),
        "study_a": published(variation.row, "a") or None,
        "study_b": published(variation.row, "b") or None,
        "study_b_accuracy": accuracy,
        "study_b_loss": loss,
    }


def _figures(own: Sequence[RunRecord], one: Measured, classes: int) -> RowSummary:
    scores, patience = [float(score) for score in one.scores], own[0]["row"]["patience"]
    epochs = [record["epochs_run"] for record in own]
    validated = [record for record in own if record["valid"]]
    ended = sum(converged(record, classes) for record in validated) if validated else None
    mean = Estimate.of(fmean(scores), one.drawn, [one.scores], len(own), ERROR)
    return {
        "seeds": len(own),
        "macro_f1_mean": round(mean.value, DIGITS),
        "macro_f1_std": round(stdev(scores), DIGITS) if len(scores) > 1 else None,
        "macro_f1_interval": mean.within_scores,
        "macro_f1_by_seed": [round(score, DIGITS) for score in scores],
        "accuracy": round(fmean(record["test"]["accuracy"] for record in own), DIGITS),
        "loss": round(fmean(record["test"]["loss"] for record in own), DIGITS),
        "valid_macro_f1": round(fmean(record["valid"]["macro_f1"] for record in validated), DIGITS) if validated else None,
        "learned_seeds": sum(learned(record, classes) for record in own),
        "converged_seeds": ended,
        "converged": None if ended is None else 2 * ended > len(own),
        "epochs": epochs[0] if len(set(epochs)) == 1 else round(fmean(epochs), 1),
        "patience": patience,
        "best_epochs": [record["best_epoch"] for record in own] if patience else None,
    }


def learned(record: RunRecord, classes: int) -> bool:
    """Whether a training ended above 1 / classes in macro-F1 on its training split, more than naming one class for all can ever have.

    Older records have no such curve; then the validation split decides.
    """
    curve = record["train_macro_f1"] or record["valid_macro_f1"]
    return bool(curve[record["best_epoch"] - 1] > 1 / classes)


def converged(record: RunRecord, classes: int) -> bool:
    """Whether a training learned, and its validation loss was smallest before the last epoch."""
    return learned(record, classes) and int(np.argmin(record["valid_loss"])) < len(record["valid_loss"]) - 1


def difference(one: Measured, other: Measured, error: float = ERROR, alike: Sequence[Array] = ()) -> Estimate:
    """Mean macro-F1 of one row less that of the other, on the same samples in every draw; a single seed scatters as those in `alike`."""
    value = float(one.scores.mean() - other.scores.mean())
    groups = [one.scores, other.scores]
    return Estimate.of(value, one.drawn - other.drawn, groups, min(map(len, groups)), error, alike)


def classes_of(records: Records, name: str) -> dict[str, Any]:
    """Scores by class and confusion matrix of a row's first seed, and the mean F1 of every class over the seeds."""
    data = records.of_row(name)
    labels, every = ids(data["test_labels"]), range(len(data["classes"]))
    scores = [np.array(precision_recall_f1(labels, ids(record["test_predictions"]), labels=every)) for record in records.rows[name]]
    matrix = confusion_matrix(labels, ids(records.rows[name][0]["test_predictions"]), labels=every)
    per_class = [
        {
            "class": data["classes"][label],
            **{key: round(float(scores[0][place, label]), DIGITS) for place, key in enumerate(("precision", "recall", "f1"))},
            "f1_mean": round(fmean(float(one[2, label]) for one in scores), DIGITS),
            "samples": int(matrix[label].sum()),
        }
        for label in every
    ]
    return {"row": name, "seeds": len(scores), "samples": len(labels), "per_class": per_class, "confusion_matrix": matrix.tolist()}


def ids(digits: str) -> Array:
    """A string of class digits as an array."""
    return np.frombuffer(digits.encode("ascii"), np.uint8) - ord("0")
