"""The recorded trainings: figures follow from the stored predictions, which each checkpoint gives again, in Keras and in the reference."""

import functools
import hashlib
import json

import numpy as np
import pytest

from conformance.oracle.environment import import_keras
from conformance.plugin import settings_of
from conformance.studies.data import datasets, inputs
from conformance.studies.data.downloads import DataUnavailable
from conformance.studies.data.paths import checkpoints_dir, runs_dir
from conformance.studies.experiments import grid, runs, trainer
from reference import load_model
from reference.metrics import macro_f1

RECORDS = runs_dir() / "experiments"
MANIFEST = json.loads((RECORDS / runs.MANIFEST_FILE).read_text())
IMAGES, TEXTS = 200, 100
"""So many images or texts of a test split are scored again here; the reports score all of them."""
LARGEST = 100_000_000
NEAR = 1e-4
"""Two probabilities that are closer may change places on another processor."""


load = functools.lru_cache(maxsize=1)(datasets.load)


def _labels(row):
    data = MANIFEST["data"][row.dataset]
    return np.array([int(label) for label in data["test_labels"]]), len(data["classes"])


@pytest.mark.parametrize("row", [grid.find(name) for name in grid.ALL], ids=lambda row: row.name)
def test_every_row_is_recorded_with_all_its_seeds(row):
    labels, classes = _labels(row)
    for one in runs.seeded([row]):
        record = runs.stored(one, RECORDS, MANIFEST["data"][row.dataset]["sha256"])
        assert record is not None, f"seed {one.seed} of {row.name} is not recorded, or as another row: conform train {row.name}"
        predicted = np.array([int(digit) for digit in record["test_predictions"]])
        score = macro_f1(labels, predicted, labels=range(classes))
        assert score == pytest.approx(record["test"]["macro_f1"], abs=1e-6), "the stored figure follows from the stored predictions"
        curves = [record[curve] for curve in runs.CURVES if record[curve] is not None]
        assert {len(curve) for curve in curves} == {record["epochs_run"]}, "the history has a value for each epoch"
        assert (record["valid_loss"] is None) == (row.refit_of is not None), "what is fitted on both splits has no validation split"


def test_the_manifest_names_every_record_as_it_is():
    found = {path.relative_to(RECORDS).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in RECORDS.glob("*/*.json")}
    assert found == MANIFEST["files"], "a record was changed, added or lost since the manifest was written"


def test_checkpoints_are_those_of_the_rows_and_not_too_large():
    sizes = {folder.name: sum(file.stat().st_size for file in folder.iterdir()) for folder in checkpoints_dir().iterdir()}
    assert set(sizes) == set(grid.NAMES), "a folder that no row declares is never read"
    assert sum(sizes.values()) <= LARGEST, f"{sum(sizes.values()):,} bytes of checkpoints, at most {LARGEST:,} may be"


@pytest.mark.parametrize("row", grid.ROWS, ids=lambda row: row.name)
def test_a_checkpoint_gives_its_recorded_classes_in_keras_and_in_the_reference(row, request):
    try:
        data = load(row.dataset, settings_of(request.config).data)
    except DataUnavailable as reason:
        if settings_of(request.config).require_data:
            raise
        pytest.skip(str(reason))
    path = checkpoints_dir() / row.name / trainer.MODEL_FILE
    record = runs.stored(row, RECORDS, data.sha256)
    assert record is not None, f"the record of {row.name} is missing or of other data"
    count = TEXTS if row.is_text else IMAGES
    x = inputs.test_inputs(row, data)[0][:count]
    expected = np.array([int(digit) for digit in record["test_predictions"]])[:count]
    for side, predict in (("Keras", import_keras().models.load_model(path)), ("the reference", load_model(path).predict)):
        probabilities = np.asarray(predict(x))
        best = np.sort(probabilities, axis=1)
        apart = probabilities.argmax(axis=1) != expected
        decided = apart & (best[:, -1] - best[:, -2] > NEAR)
        assert not decided.any(), f"{side} gives sample {decided.argmax()} another class than is recorded"
        assert apart.sum() <= 1, f"{side} gives {apart.sum()} of {len(x)} samples another class, each by a hair"
