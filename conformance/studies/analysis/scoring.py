"""The record of a trained model: Keras and the reference on the same test split, and what is kept of earlier records."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance.base.files import read_json
from conformance.models.agreement import figures
from conformance.models.bounds import perturbation_bound
from conformance.oracle.environment import import_keras, refusal
from conformance.oracle.live.whole_model import keras_probabilities
from conformance.reporting.buckets import kept_power
from conformance.studies.data.datasets import load
from conformance.studies.data.downloads import DataError
from conformance.studies.data.inputs import test_inputs
from conformance.studies.experiments.row import Row
from reference.models import load_model

Score = dict[str, Any]

EMBEDDED = ("digits", "reviews")
"""Data sets that the project brings along; they are small, and stand apart from the real ones."""
CIRCUMSTANCES = ("date", "keras")
"""What a record says about its measurement, which alone is no reason to write a new one."""
IN_BUCKETS = ("max_probability_difference", "mean_probability_difference", "bound")


class Unmeasurable(Exception):  # noqa: N818
    """A row cannot be scored here; the message is one sentence."""


def score(row: Row, checkpoints: Path, data: Path | None = None) -> Score:
    """Score a row's checkpoint on its test split with Keras and with the reference.

    Raises
    ------
    Unmeasurable
        If there is no checkpoint, no data or no Keras.
    """
    folder = checkpoints / row.name
    path = folder / "model.keras"
    if not path.is_file():
        raise Unmeasurable(f"{row.name} has no checkpoint: train it with `conform train {row.name}`.")
    if missing := refusal("Scoring"):
        raise Unmeasurable(f"{missing}.")
    try:
        dataset = load(row.dataset, data)
    except DataError as error:
        raise Unmeasurable(str(error)) from None
    x, labels = test_inputs(row, dataset, checkpoints)
    model = load_model(path)
    manifest = read_json(folder / "manifest.json")
    measured = figures(
        labels, dataset.classes, keras_probabilities(path, x), model.predict(x), lambda rows: perturbation_bound(path, x, rows)
    )
    return {
        "model": row.name,
        "dataset": dataset.title,
        "dataset_sha256": dataset.sha256,
        "embedded": row.dataset in EMBEDDED,
        "parameters": model.parameters,
        "model_sha256": manifest["model"]["sha256"],
        **measured,
        "date": datetime.date.today().isoformat(),
        "keras": import_keras().__version__,
    }


def settled(stored: Score | None, measured: Score) -> Score:
    """What to store: the stored record as it is while its facts still hold, else the measured one with differences in buckets."""
    kept = dict(measured)
    for name in IN_BUCKETS:
        kept[name] = kept_power(stored[name] if stored else None, measured[name])
    return stored if stored is not None and facts(stored) == facts(kept) else kept


def facts(record: Mapping[str, Any]) -> Score:
    """A record without the circumstances of its measurement."""
    return {name: value for name, value in record.items() if name not in CIRCUMSTANCES}


def updated(stored: Sequence[Score], measured: Sequence[Score], order: Sequence[str]) -> list[Score]:
    """Stored records with the measured ones settled among them; none is ever lost.

    A record belongs to a model *and* to the bytes it was scored on: the same model on another copy of the data is another record.

    Parameters
    ----------
    stored, measured : sequence of records
    order : sequence of str
        Names of models; others come after them.
    """
    by_key = {_key(record): record for record in stored}
    for record in measured:
        by_key[_key(record)] = settled(by_key.get(_key(record)), record)
    places = {name: place for place, name in enumerate(order)}
    return sorted(by_key.values(), key=lambda record: (places.get(record["model"], len(places)), record["model"], record["dataset"]))


def _key(record: Mapping[str, Any]) -> tuple[str, str]:
    return record["model"], record["dataset_sha256"]
