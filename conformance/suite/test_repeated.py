"""The same arguments give the same answer, whatever was asked in between: no state between calls."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conformance.cases import ALL, layer_cases
from conformance.cases.case import declared_cases
from conformance.plugin import selected_layers

SAMPLE = 6


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a layer."""
    metafunc.parametrize("layer", [name for name in selected_layers(metafunc.config) if name in ALL])


def _overwritten(examination: Any, session: Any) -> bool:
    """Whether an answer, kept, changes by a call of the same function with the batch in another order."""
    question = examination.question
    x, *weights = question.positional
    flipped: bool = session.implementation.overwrites(question, replace(question, positional=(np.flip(x, axis=0), *weights)))
    return flipped


def test_repeated(layer: str, conform: Any) -> None:
    from conformance.examination import judge_again
    from conformance.record import Record
    from conformance.statuses import BLOCKED, FAILED, PASSED, UNSUPPORTED

    cases = itertools.islice((case for case in declared_cases(layer_cases(layer), "smoke") if case.dtype == "float64"), SAMPLE)
    examinations = [conform.examine(case) for case in cases]
    passed = [examination for examination in examinations if examination.verdict.status == PASSED]
    status, message = PASSED, ""
    if not passed:
        verdicts = [examination.verdict for examination in examinations]
        status = UNSUPPORTED if all(verdict.status == UNSUPPORTED for verdict in verdicts) else BLOCKED
        message = f"no sampled case passes, so that nothing can be repeated: {verdicts[0].sentence}"
    for examination in reversed(passed):
        verdict = judge_again(examination, conform.session.implementation, strict=conform.session.strict)
        if verdict.status != PASSED:
            status = FAILED
            message = f"{examination.case.id}: passed at first, but the same call later, out of order: {verdict.sentence}"
            break
    kept = next((examination for examination in passed if status == PASSED and _overwritten(examination, conform.session)), None)
    if kept is not None:
        status = FAILED
        message = f"{kept.case.id}: what it returned changes when it is called again: the array is used for the next answer as well"
    record = Record(conform.identifier, layer, "repeated", status, message=message, needs=layer_cases(layer).needs)
    conform.settle(record, lambda: f"{layer} repeated  {message}\n  again   {conform.again}")
