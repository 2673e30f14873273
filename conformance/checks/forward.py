"""Every declared case of every layer: the forward pass against Keras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conformance.cases import ALL, layer_cases
from conformance.cases.case import Case, declared_cases
from conformance.cases.level import FORWARD, level
from conformance.judging.cross_check import check_agreement
from conformance.judging.session import CaseRunner, Explanation


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[Case]]]:
    """The declared cases."""
    for name in layers:
        if name in ALL:
            yield from ((case.id, (case,)) for case in declared_cases(layer_cases(name), profile))


def level_of(case: Case) -> str:
    """Of the case, asked about its forward pass."""
    return level(case, FORWARD)


def check(runner: CaseRunner, case: Case) -> None:
    """The answer must be Keras's, within what is allowed."""
    result = runner.judge_case(case)
    if runner.session.cross_checked:
        check_agreement(result, runner.session.cross_checked)
    runner.settle(result.record(runner.identifier), Explanation(runner, result, "forward"))
