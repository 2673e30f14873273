"""The baselines: measured where the data are and nothing is stored of them, scored like the nets on the same draws of the test samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from conformance.base.arrays import Array
from conformance.studies.analysis.bootstrap import DIGITS, Estimate, macro_f1, sample_draws
from conformance.studies.analysis.experiments import ERROR, Measured, Records, ids
from conformance.studies.data import datasets
from conformance.studies.data.datasets import Dataset
from conformance.studies.data.downloads import DataError
from conformance.studies.experiments.baselines import BASELINES, PREDICTIONS, measured, padding

Stored = dict[str, Any]
TEXTS = "nusax"


def updated(stored: Mapping[str, Any], records: Records, data: Path | None, say: Callable[[str], None]) -> Stored:
    """What ``data/baselines.json`` holds, with what is missing of the data of the records measured where those data are here.

    Parameters
    ----------
    stored : mapping
        ``baselines``, a list of records, and ``padding``; or nothing.
    records : Records
    data : Path or None
        Folder of the data sets.
    say : callable
        Is told, in a sentence, what could not be measured.
    """
    known, read = list(stored.get("baselines", [])), stored.get("padding")
    here = _DataOfRecords(records, data, say)
    found = []
    for baseline in BASELINES:
        own = [one for one in known if one["baseline"] == baseline.name]
        recorded = records.data.get(baseline.dataset)
        is_due = recorded is not None and not any(baseline.is_stored(one, recorded["sha256"]) for one in own)
        if is_due and (dataset := here.load(baseline.dataset)) is not None:
            own = [measured(baseline, dataset)]
        found += own
    if TEXTS in records.data and (read or {}).get("dataset_sha256") != records.data[TEXTS]["sha256"]:
        dataset = here.load(TEXTS)
        read = padding(dataset) if dataset is not None else read
    return {"baselines": found, "padding": read}


class _DataOfRecords:
    """The data sets that the records are of, each loaded once; None of one that is not here, or here in other bytes."""

    def __init__(self, records: Records, folder: Path | None, say: Callable[[str], None]) -> None:
        self.records, self.folder, self.say = records, folder, say
        self.loaded: dict[str, Dataset | None] = {}

    def load(self, name: str) -> Dataset | None:
        if name not in self.loaded:
            self.loaded[name] = self._load(name)
        return self.loaded[name]

    def _load(self, name: str) -> Dataset | None:
        try:
            dataset = datasets.load(name, self.folder)
        except DataError as error:
            self.say(f"{error} The stored baselines stay.")
            return None
        if dataset.sha256 != self.records.data[name]["sha256"]:
            self.say(f"The records are of another copy of {dataset.title}. The stored baselines stay.")
            return None
        return dataset


def scored(stored: Mapping[str, Any], records: Records, refit: bool = False) -> dict[str, Measured]:
    """Of each baseline that was measured on the data of the records: macro-F1, and that on the samples of every draw.

    Fitted on the training split, or (`refit`) on training and validation split.
    """
    found = {}
    for dataset, data in records.data.items():
        declared = [baseline for baseline in BASELINES if baseline.dataset == dataset]
        known = {b.name: one for b in declared for one in stored["baselines"] if b.is_stored(one, data["sha256"])}
        if not known:
            continue
        labels, classes = records.labels(dataset), len(data["classes"])
        weights = sample_draws(len(labels))
        for name, own in known.items():
            predicted, once = ids(own[PREDICTIONS[refit]]), np.ones((1, len(labels)))
            found[name] = Measured(macro_f1(labels, predicted, once, classes), macro_f1(labels, predicted, weights, classes))
    return found


def entries(stored: Mapping[str, Any], known: Mapping[str, Measured]) -> list[dict[str, Any]]:
    """The rows of the table of baselines."""
    own = {one["baseline"]: one for one in stored["baselines"]}
    rows = []
    for baseline in BASELINES:
        if baseline.name in known:
            score = Estimate.of(float(known[baseline.name].scores[0]), known[baseline.name].drawn, [], 0, ERROR)
            rows.append(
                {
                    "baseline": baseline.name,
                    "title": baseline.title,
                    "dataset": baseline.dataset,
                    "folds": own[baseline.name]["folds"],
                    "chosen": own[baseline.name]["chosen"],
                    "selection_macro_f1": own[baseline.name]["selection_macro_f1"],
                    "macro_f1": round(score.value, DIGITS),
                    "macro_f1_interval": score.within_scores,
                }
            )
    return rows


def ahead(net: Measured, dataset: str, known: Mapping[str, Measured], alike: Sequence[Array] = ()) -> dict[str, Estimate]:
    """Of each baseline of a data set: mean macro-F1 of a net less that of the baseline, on the same samples in every draw.

    A baseline has no seeds: it comes out the same each time. A net of one seed scatters as those in `alike`.
    """
    names = [baseline.name for baseline in BASELINES if baseline.dataset == dataset and baseline.name in known]
    found = {}
    for name in names:
        value = float(net.scores.mean() - known[name].scores[0])
        found[name] = Estimate.of(value, net.drawn - known[name].drawn, [net.scores], len(net.scores), ERROR / len(names), alike)
    return found
