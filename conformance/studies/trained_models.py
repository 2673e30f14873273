"""Trained models, whole: the implementation's probabilities against Keras's on the same test split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conformance.base.record import Record
from conformance.base.statuses import SKIPPED
from conformance.cases import NAMES
from conformance.judging.session import Desk


class RequiredDataError(Exception):
    """A data set that ``--conform-require-data`` asks for is not there."""


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[str]]]:
    """One question for each row that has a checkpoint; none when only some layers are asked about."""
    from conformance.studies.experiments import grid

    yield from ((name, (name,)) for name in (grid.NAMES if list(layers) == list(NAMES) else []))


def check(desk: Desk, name: str) -> None:
    """Every sample must be in Keras's class, with Keras's probabilities.

    Raises
    ------
    RequiredDataError
        If data or checkpoint are missing that must be there.
    """
    if not desk.oracle.live:
        desk.settle(Record(desk.identifier, name, "model", SKIPPED, message=NOT_RECORDED), lambda: "")
        return
    from conformance.models.judge import examine_model
    from conformance.studies.data.downloads import DataUnavailable

    try:
        record = examine_model(name, desk)
    except (DataUnavailable, FileNotFoundError) as reason:
        if desk.session.require_data:
            raise RequiredDataError(f"--conform-require-data: {reason}") from None
        record = Record(desk.identifier, name, "model", SKIPPED, message=str(reason))
    desk.settle(record, lambda: f"{name} of {desk.session.iut}: {record.message}\n  again   {desk.again()}")


NOT_RECORDED = "trained models are compared with live Keras only: the recorded vectors hold layers"
