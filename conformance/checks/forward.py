"""Every declared case of every layer: the forward pass against Keras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conformance.cases import ALL, layer_cases
from conformance.cases.case import Case, declared_cases
from conformance.judging.cross_check import check_agreement
from conformance.judging.session import Desk


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[Case]]]:
    """The declared cases."""
    for name in layers:
        if name in ALL:
            yield from ((case.id, (case,)) for case in declared_cases(layer_cases(name), profile))


def check(desk: Desk, case: Case) -> None:
    """The answer must be Keras's, within what is allowed."""
    examination = desk.examine(case)
    if desk.session.witnesses:
        check_agreement(examination, desk.session.witnesses)
    desk.settle(examination.record(desk.identifier), lambda: desk.explanation(examination, "forward"))
