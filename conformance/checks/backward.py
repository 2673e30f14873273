"""Every declared case that has gradients: the backward pass against Keras's automatic differentiation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conformance.cases import ALL, layer_cases
from conformance.cases.case import Case
from conformance.cases.gradients import backward_cases
from conformance.cases.level import BACKWARD, level
from conformance.judging.cross_check import check_gradient_agreement
from conformance.judging.finite_differences import check_finite_differences
from conformance.judging.session import CaseRunner, Explanation


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[Case]]]:
    """The declared cases that can be differentiated, see :func:`conformance.cases.gradients.backward_cases`."""
    for name in layers:
        if name in ALL:
            yield from ((case.id, (case,)) for case in backward_cases(layer_cases(name), profile))


def level_of(case: Case) -> str:
    """Of the case, asked about its backward pass."""
    return level(case, BACKWARD)


def check(runner: CaseRunner, case: Case) -> None:
    """The gradients must be Keras's, within what is allowed."""
    result = runner.judge_backward(case)
    session = runner.session
    if session.cross_checked:
        check_gradient_agreement(result, session.iut, strict=session.strict)
        check_finite_differences(result, session.cross_checked[0])
    runner.settle(result.record(runner.identifier, "backward"), Explanation(runner, result, "backward"))
