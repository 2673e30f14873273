"""Optimizers: the variables after each of a few steps, the state handed from one to the next, against Keras's optimizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from conformance.cases.case import Case
from conformance.cases.optimizers import OPTIMIZER_CASES, function_of, optimizer_cases
from conformance.contract import Answer, Question
from conformance.desk import Desk
from conformance.examination import SuiteError
from conformance.oracle.expectation import StepsExpectation
from conformance.record import Record
from conformance.statuses import FAILED, PASSED
from conformance.verdict import Verdict, judge

FORM = "it does not return (variables, state)"


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[Case]]]:
    """Every declared case of these optimizers."""
    for name in layers:
        if name in OPTIMIZER_CASES:
            yield from ((case.id, (case,)) for case in optimizer_cases(name, profile))


def check(desk: Desk, case: Case) -> None:
    """The variables must be Keras's after every step."""
    number, verdict, printed = judge_steps(desk.ask, case, desk.oracle.steps(case, desk.session.seed), strict=desk.session.strict)
    if verdict.keras_ratio is not None and verdict.keras_ratio > 1:
        raise SuiteError(f"{case.id}: Keras itself is off by {verdict.keras_ratio:.3g} times what the suite allows")
    options = {name: str(value) for name, value in case.options.items()}
    said = verdict.sentence or "; ".join(verdict.remarks)
    message = said if verdict.status == PASSED or not said else f"step {number}: {said}"
    ratios = (verdict.ratio, verdict.keras_ratio)
    record = Record(desk.identifier, case.layer, "optimizer", verdict.status, options, *ratios, message, remarks=verdict.remarks)
    told = replace(verdict, sentence=message)
    desk.settle(record, lambda: desk.explain(OPTIMIZER_CASES[case.layer], case, "optimizer", told, desk.again(), printed, []))


def judge_steps(ask: Callable[[Question], Answer], case: Case, expected: StepsExpectation, *, strict: bool) -> tuple[int, Verdict, str]:
    """The number and verdict of the first step that is wrong, else those of the step that comes nearest to it, and what was printed.

    Each step gets the variables and the state that the implementation itself returned.
    """
    variables: Any = list(expected.steps.variables)
    state: Any = None
    found: list[tuple[int, Verdict, str]] = []
    for number, (gradients, expectation) in enumerate(zip(expected.steps.gradients, expected.after, strict=True), 1):
        answer = ask(Question(function_of(case.layer), (variables, list(gradients), state), dict(case.config)))
        if answer.status == PASSED and not _well_formed(answer.value):
            return number, Verdict(FAILED, FORM), answer.printed
        moved = replace(answer, value=tuple(answer.value[0])) if answer.status == PASSED else answer
        verdict = judge(expectation, moved, case.dtype, strict=strict)
        found.append((number, verdict, answer.printed))
        if verdict.status != PASSED:
            return found[-1]
        variables, state = list(moved.value), answer.value[1]
    largest = max(verdict.keras_ratio or 0 for _, verdict, _ in found)
    number, verdict, printed = max(found, key=lambda one: one[1].ratio or 0)
    return number, replace(verdict, keras_ratio=largest), printed


def _well_formed(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], tuple | list)
