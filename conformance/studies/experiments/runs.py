"""The records of the experiments: one small file for each row and seed, and a checkpoint for the first seed of the rows that have one.

A record says what was trained on what and how (row, seed, command, versions, SHA-256 of the data, date, seconds), the loss and macro-F1 of
every epoch on training split and validation split (where there is one), and which class the result gives to each sample of the test split.
What is recorded is not trained again. The folder's ``manifest.json`` holds the labels of the test splits and the SHA-256 of every record.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from conformance.base.files import read_json
from conformance.oracle.environment import import_keras, one_thread
from conformance.studies.data.datasets import Dataset, load
from conformance.studies.data.downloads import DataError
from conformance.studies.data.inputs import VOCABULARY_FILE, Inputs, read_vocabulary
from conformance.studies.experiments import grid, trainer
from conformance.studies.experiments.models import ParameterTotalError
from conformance.studies.experiments.records import DIGITS, MANIFEST_FILE, checksums, read_record, write_record
from conformance.studies.experiments.row import FOLDS, Row
from reference.saving.files import write_document

CURVES = ("train_loss", "train_macro_f1", "valid_loss", "valid_macro_f1")


class Places(NamedTuple):
    """Where records, checkpoints and the states of trainings under way are kept."""

    records: Path
    checkpoints: Path
    work: Path


def seeded(rows: Sequence[Row], seeds: int | None = None) -> list[Row]:
    """Every row once for each of its seeds, seed by seed, so that an unfinished study is complete for its first ones."""
    counts = {row.name: seeds or grid.SEEDS[row.dataset] for row in rows}
    most = max(counts.values(), default=0)
    return [replace(row, seed=seed) for seed in range(most) for row in rows if seed < counts[row.name]]


def folded(rows: Sequence[Row]) -> list[Row]:
    """Every row once for each fold of a cross-validation on training and validation split, but for those that are fitted on both."""
    return [replace(row, fold=fold) for row in rows if not row.refit_of for fold in range(FOLDS)]


def path_of(row: Row, records: Path) -> Path:
    """The file of one of a row's trainings."""
    return records / row.name / f"{row.variant}.json"


def stored(row: Row, records: Path, sha256: str | None = None) -> dict[str, Any] | None:
    """The record of a row with its seed, or None where it is missing, of another row, or (with a checksum) of other data."""
    return read_record(path_of(row, records), row, sha256)


def seeds_there(row: Row, records: Path) -> list[int]:
    """The seeds of a row that have a file, in order."""
    return sorted(int(path.stem.removeprefix("seed-")) for path in (records / row.name).glob("seed-*.json"))


def is_done(row: Row, places: Places) -> bool:
    """Whether nothing is left to train: the record stands, and the checkpoint where the row keeps one."""
    return stored(row, places.records) is not None and (not keeps_checkpoint(row) or trainer.finished(row, places.checkpoints) is not None)


def keeps_checkpoint(row: Row) -> bool:
    """Whether the weights of this training are kept: of the first seed of the rows in :data:`grid.ROWS`."""
    return row.seed == 0 and row.fold is None and row.name in grid.NAMES


def train_run(row: Row, dataset: Dataset, places: Places, progress: bool = True, force: bool = False) -> dict[str, Any]:
    """Train a row with its seed and leave its record, and its checkpoint where it keeps one.

    A checkpoint that stands is not trained again, unless forced: the record is made of it and of the history beside it.

    Raises
    ------
    ParameterTotalError
        The model's total of parameters is not the row's.
    """
    if not force and keeps_checkpoint(row) and trainer.finished(row, places.checkpoints):
        found = _record_of_checkpoint(row, dataset, places.checkpoints / row.name)
        write_record(path_of(row, places.records), found)
        return found
    training = trainer.trained(row, dataset, places.work, progress)
    if keeps_checkpoint(row):
        trainer.publish(training, places.checkpoints / row.name)
    made = {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), "versions": trainer.versions()}
    found = _record(row, training.inputs, training.model, training.history, made, training.best_epoch)
    write_record(path_of(row, places.records), found)
    training.forget()
    return found


def _record_of_checkpoint(row: Row, dataset: Dataset, folder: Path) -> dict[str, Any]:
    manifest = read_json(folder / trainer.MANIFEST_FILE)
    history = read_json(folder / trainer.HISTORY_FILE)
    inputs = Inputs.of(row, dataset, read_vocabulary(folder / VOCABULARY_FILE) if row.is_text else None)
    model = import_keras().models.load_model(folder / trainer.MODEL_FILE)
    made = {key: manifest[key] for key in ("date", "versions")}
    return _record(row, inputs, model, history, made, manifest.get("best_epoch", len(history)))


def _record(
    row: Row, inputs: Inputs, model: Any, history: Sequence[dict[str, float]], made: dict[str, Any], best_epoch: int
) -> dict[str, Any]:
    """What is recorded; a curve that an older history lacks is null, and what needs the validation split where that was fitted on."""
    splits = {split: trainer.probabilities(model, inputs, split) for split in row.scored_splits}
    return {
        "row": row.to_json(),
        "command": f"conform train {row.name} " + ("--folds" if row.fold is not None else f"--seeds {row.seed + 1}"),
        **made,
        "data_sha256": inputs.dataset.sha256,
        "seconds": round(sum(epoch["seconds"] for epoch in history), 1),
        "epochs_run": len(history),
        "best_epoch": best_epoch,
        **{curve: [round(epoch[curve], DIGITS) for epoch in history] if curve in history[0] else None for curve in CURVES},
        "valid": None,
        **{split: _rounded(trainer.scores(found, inputs.labels(split))) for split, found in splits.items()},
        "test_predictions": "".join(map(str, splits["test"].argmax(axis=1))),
    }


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, DIGITS) for name, value in figures.items()}


def train_all(
    rows: Sequence[Row], places: Places, data: Path | None, workers: int = 1, scheduler: str | None = None, force: bool = False
) -> Iterator[str]:
    """Train rows in their order and yield, as each ends, the sentence that says why it could not be trained, or "".

    Parameters
    ----------
    workers : int
        Processes of one thread each; 1 trains in this process, with all threads and a bar for each epoch.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers train instead; they need this package and see the same folders.
    force : bool
        Train although a checkpoint stands.
    """
    from joblib import Parallel, delayed, parallel_config

    if workers == 1 and scheduler is None:
        yield from (_train_here(row, places, data, True, force) for row in rows)
        return
    with _client(scheduler), parallel_config(**({"backend": "dask"} if scheduler else {"backend": "loky", "n_jobs": workers})):
        yield from Parallel(return_as="generator_unordered")(delayed(_train_apart)(row, places, data, force) for row in rows)


def _client(scheduler: str | None) -> AbstractContextManager[Any]:
    """The connection to a Dask scheduler, which joblib finds by itself while it is open."""
    if scheduler is None:
        return nullcontext()
    from distributed import Client

    return Client(scheduler)


def _train_apart(row: Row, places: Places, data: Path | None, force: bool) -> str:
    """What a worker does."""
    one_thread()
    return _train_here(row, places, data, False, force)


def _train_here(row: Row, places: Places, data: Path | None, progress: bool, force: bool) -> str:
    import_keras().backend.clear_session()
    try:
        train_run(row, load(row.dataset, data), places, progress, force)
    except DataError as error:
        return str(error)
    except (ParameterTotalError, RuntimeError) as error:
        return f"{row.name}: {error}"
    return ""


def other_copy(rows: Sequence[Row], records: Path, data: Path | None) -> str:
    """The sentence that says that a data set is here in other bytes than the records are of, or ""; what is not here is passed over."""
    known = _known_data(records)
    for name in sorted({row.dataset for row in rows} & set(known)):
        with suppress(DataError):
            here = load(name, data)
            if here.sha256 != known[name]["sha256"]:
                title = known[name]["title"]
                return f"The records in {records} are of {title}, and here is {here.title}: their scores cannot stand in one table."
    return ""


def _known_data(records: Path) -> dict[str, Any]:
    """The data sets that the manifest describes."""
    try:
        known: dict[str, Any] = read_json(records / MANIFEST_FILE)["data"]
    except (OSError, ValueError, KeyError):
        return {}
    return known


def _described(dataset: Dataset) -> dict[str, Any]:
    return {
        "title": dataset.title,
        "sha256": dataset.sha256,
        "notice": trainer.NOTICES[dataset.name],
        "classes": list(dataset.classes),
        "test_labels": "".join(map(str, dataset.y_test)),
    }


def write_manifest(records: Path, data: Path | None) -> None:
    """``manifest.json``: the test labels of every data set that was trained on, and the SHA-256 of every record.

    A data set that the manifest describes already is not loaded: it need not be here.
    """
    known, files = _known_data(records), sorted(records.glob("*/*.json"))
    names = sorted({grid.find(path.parent.name).dataset for path in files})
    manifest = {
        "command": "conform train",
        "data": {name: known.get(name) or _described(load(name, data)) for name in names},
        "files": checksums(records, files),
    }
    write_document(records / MANIFEST_FILE, manifest)
