"""A sequence read in two halves: Keras keeps the states between calls, an implementation is given them back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.base.arrays import EPS, Arrays
from conformance.base.record import FAILED, PASSED, Record
from conformance.cases.level import level
from conformance.cases.questions import forward_question
from conformance.cases.stateful import StatefulCase, stateful_cases
from conformance.cases.tolerance import MEANING
from conformance.judging.session import CaseRunner
from conformance.judging.verdict import Verdict, judge
from conformance.oracle.expectation import Expectation

Array = NDArray[Any]

ITERATED = 100
"""Roundings that float32 arithmetic may show after these few steps of gates that damp: eight for each of them, and room."""


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[StatefulCase]]]:
    """Those of these layers."""
    yield from ((case.id, (case,)) for case in stateful_cases() if case.case.layer in layers)


def level_of(case: StatefulCase) -> str:
    """Of the layer over the whole sequence."""
    return level(case.case)


def check(runner: CaseRunner, case: StatefulCase) -> None:
    """Both halves must be what a stateful Keras layer gives."""
    name = case.case.layer
    halves, wanted = runner.oracle.stateful(case, runner.session.seed)
    states: dict[str, Any] = {}
    status, message = PASSED, ""
    for number, (half, want) in enumerate(zip(halves, wanted, strict=True), 1):
        arrays = Arrays(half.x, half.weights, {**half.arguments, **states})
        answer = runner.ask(forward_question(case.layer, case.asked(half), arrays, {}))
        if answer.status == PASSED and not (isinstance(answer.value, tuple) and len(answer.value) > 1):
            status, message = FAILED, f"{name} with return_state=True does not return (output, *states)"
            break
        output = replace(answer, value=answer.value[0]) if answer.status == PASSED else answer
        verdict = _verdict(want, output, runner.session.strict)
        if verdict.status != PASSED:
            status = verdict.status
            message = f"{name}: half {number} of a sequence read in two halves, against a stateful Keras layer: {verdict.sentence}"
            break
        states = {"initial_state": tuple(np.asarray(state) for state in answer.value[1:])}
    recorded = {option: str(value) for option, value in case.options.items()} | {"stateful": "True"}
    needs = case.layer.needs(case.case.config)
    record = Record(runner.identifier, name, "stateful", status, recorded, message=message, needs=needs, level=level_of(case))
    runner.settle(record, lambda: f"{message}\n  again   {runner.again()}")


def _verdict(want: Array, answer: Any, strict: bool) -> Verdict:
    expectation = Expectation((want,), (want.dtype,), partial(_allowed, MEANING, want), partial(_allowed, ITERATED * EPS, want))
    return judge(expectation, answer, "float64", strict=strict)


def _allowed(share: float, expected: Array) -> tuple[Array, ...]:
    return (share * (1 + np.abs(expected)),)
