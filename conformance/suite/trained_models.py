"""Trained models, whole: the implementation's probabilities against Keras's on the same test split. A checkout has them.

Imported wherever questions are listed, so that what needs more than NumPy is imported when a model is asked about.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from conformance.base.record import CORE, SKIPPED, Record
from conformance.cases import NAMES
from conformance.judging.session import CaseRunner

if TYPE_CHECKING:
    from conformance.studies.data.datasets import Dataset

MODEL_FILE = "model.keras"
NOT_RECORDED = "trained models are compared with live Keras only: the recorded vectors hold layers"
SAMPLES = 500
"""So many of a test split's first samples are asked about; all of them in the profile full, and in the reports."""


class RequiredDataError(Exception):
    """A data set that ``--conform-require-data`` asks for is not there."""


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[str]]]:
    """One question for each row that has a checkpoint; none when only some layers are asked about, or where the studies are not."""
    if list(layers) != list(NAMES) or importlib.util.find_spec("conformance.studies") is None:
        return
    from conformance.studies.experiments import grid

    yield from ((name, (name,)) for name in grid.NAMES)


def level_of(name: str) -> str:
    """Core."""
    return CORE


def check(runner: CaseRunner, name: str) -> None:
    """Every sample must be in Keras's class, with Keras's probabilities.

    Raises
    ------
    RequiredDataError
        If data or checkpoint are missing that must be there.
    """
    from conformance.studies.data.downloads import DataUnavailable

    try:
        record = judged(name, runner) if runner.oracle.live else Record(runner.identifier, name, "model", SKIPPED, message=NOT_RECORDED)
    except (DataUnavailable, FileNotFoundError) as reason:
        if runner.session.require_data:
            raise RequiredDataError(f"--conform-require-data: {reason}") from None
        record = Record(runner.identifier, name, "model", SKIPPED, message=str(reason))
    runner.settle(record, lambda: f"{name} of {runner.session.iut}: {record.message}\n  again   {runner.again()}")


def judged(name: str, runner: CaseRunner) -> Record:
    """The record of a row's checkpoint on its test split.

    Raises
    ------
    DataUnavailable, FileNotFoundError
        If the data set or the checkpoint is not here.
    """
    from conformance.models.judge import judge_model
    from conformance.studies.data.inputs import test_inputs
    from conformance.studies.data.paths import checkpoints_dir
    from conformance.studies.experiments.grid import find
    from reference.layers import LAYERS
    from reference.saving.reader import read_archive

    row, session = find(name), runner.session
    path = checkpoints_dir() / name / MODEL_FILE
    if not path.is_file():
        raise FileNotFoundError(f"the checkpoint of {name} is not in the fixtures: `conform train {name}` makes it")
    x, _ = test_inputs(row, _dataset(row.dataset, session.data))
    verdict = judge_model(path, x[: None if session.profile == "full" else SAMPLES], session.implementation)
    needs = tuple(dict.fromkeys(entry.class_name for entry in read_archive(path).layers.values() if entry.class_name in LAYERS))
    return Record(runner.identifier, name, "model", verdict.status, {}, verdict.ratio, None, verdict.sentence, needs)


@functools.lru_cache(maxsize=1)
def _dataset(name: str, folder: str | None) -> Dataset:
    from conformance.studies.data.datasets import load

    return load(name, folder)
