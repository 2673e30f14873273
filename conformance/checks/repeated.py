"""The same arguments give the same answer, whatever was asked in between: no state between calls."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from conformance.base.errors import ImplementationError
from conformance.base.record import BLOCKED, ERROR, FAILED, PASSED, UNSUPPORTED, Record
from conformance.cases import ALL, layer_cases
from conformance.cases.case import declared_cases
from conformance.judging.judge import CaseResult, judge_again
from conformance.judging.session import CaseRunner, Session

SAMPLE = 6


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[str]]]:
    """One question a layer."""
    yield from ((name, (name,)) for name in layers if name in ALL)


def check(runner: CaseRunner, layer: str) -> None:
    """A sample of the layer's cases is asked again, in reverse order; and no answer may change when it is."""
    sample = itertools.islice((case for case in declared_cases(layer_cases(layer), "smoke") if case.dtype == "float64"), SAMPLE)
    results = [runner.judge_case(case) for case in sample]
    passed = [result for result in results if result.verdict.status == PASSED]
    status, message = PASSED, ""
    if not passed:
        verdicts = [result.verdict for result in results]
        status = UNSUPPORTED if all(verdict.status == UNSUPPORTED for verdict in verdicts) else BLOCKED
        message = f"no sampled case passes, so that nothing can be repeated: {verdicts[0].sentence}"
    for result in reversed(passed):
        verdict = judge_again(result, runner.session.implementation, strict=runner.session.strict)
        if verdict.status != PASSED:
            status = FAILED
            message = f"{result.case.id}: passed at first, but the same call later, out of order: {verdict.sentence}"
            break
    kept = None
    try:
        kept = next((result for result in passed if status == PASSED and _overwritten(result, runner.session)), None)
    except ImplementationError as error:
        status, message = ERROR, str(error)
    if kept is not None:
        status = FAILED
        message = f"{kept.case.id}: what it returned changes when it is called again: the array is used for the next answer as well"
    needs = tuple(dict.fromkeys(name for result in results for name in result.layer.needs(result.case.config)))
    record = Record(runner.identifier, layer, "repeated", status, message=message, needs=needs)
    runner.settle(record, lambda: f"{layer} repeated  {message}\n  again   {runner.again()}")


def _overwritten(result: CaseResult, session: Session) -> bool:
    """Whether an answer, kept, changes by a call of the same function with the batch in another order."""
    question = result.question
    x, *weights = question.positional
    return session.implementation.overwrites(question, replace(question, positional=(np.flip(x, axis=0), *weights)))
