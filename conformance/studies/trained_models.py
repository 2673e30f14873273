"""Trained models, whole: the implementation's probabilities against Keras's on the same test split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conformance.base.record import SKIPPED, Record
from conformance.cases import NAMES
from conformance.judging.session import CaseRunner


class RequiredDataError(Exception):
    """A data set that ``--conform-require-data`` asks for is not there."""


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[str]]]:
    """One question for each row that has a checkpoint; none when only some layers are asked about."""
    from conformance.studies.experiments import grid

    yield from ((name, (name,)) for name in (grid.NAMES if list(layers) == list(NAMES) else []))


def check(runner: CaseRunner, name: str) -> None:
    """Every sample must be in Keras's class, with Keras's probabilities.

    Raises
    ------
    RequiredDataError
        If data or checkpoint are missing that must be there.
    """
    if not runner.oracle.live:
        runner.settle(Record(runner.identifier, name, "model", SKIPPED, message=NOT_RECORDED), lambda: "")
        return
    from conformance.models.judge import judge_model
    from conformance.studies.data.downloads import DataUnavailable

    try:
        record = judge_model(name, runner)
    except (DataUnavailable, FileNotFoundError) as reason:
        if runner.session.require_data:
            raise RequiredDataError(f"--conform-require-data: {reason}") from None
        record = Record(runner.identifier, name, "model", SKIPPED, message=str(reason))
    runner.settle(record, lambda: f"{name} of {runner.session.iut}: {record.message}\n  again   {runner.again()}")


NOT_RECORDED = "trained models are compared with live Keras only: the recorded vectors hold layers"
