"""Masks that layers hand on, against Keras's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from conformance.base.record import PASSED, Record
from conformance.cases.level import level
from conformance.cases.masks import MaskCase, mask_cases
from conformance.cases.questions import Question
from conformance.judging.exact import ExactResult
from conformance.judging.session import CaseRunner, ExactExplanation
from reference.layers import spec_of


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[MaskCase]]]:
    """Those of these layers."""
    yield from ((case.id, (case,)) for case in mask_cases() if case.layer in layers)


def level_of(case: MaskCase) -> str:
    """Of what the layer is fed."""
    return level(case.case)


def check(runner: CaseRunner, case: MaskCase) -> None:
    """The mask must be Keras's."""
    name = f"{spec_of(case.layer).name}_compute_mask"
    expected = runner.oracle.mask(case)
    question = mask_question(case)
    answer = runner.ask(question)
    result = ExactResult(case.layer, "compute_mask", question, expected, answer, same_mask)
    wrong = answer.status == PASSED and not same_mask(answer.value, expected)
    difference = f"{name} of {case.id} gives\n  {answer.value}\nexpected\n  {expected}" if wrong else ""
    status, message = runner.exact(result, difference)
    options = {option: str(value) for option, value in case.options.items()}
    record = Record(runner.identifier, case.layer, "mask", status, options, message=message, level=level_of(case))
    told = ExactExplanation(result, lambda: f"{message}{runner.looks_like(result, message)}\n  again   {runner.again()}")
    runner.settle(record, told)


def mask_question(case: MaskCase) -> Question:
    """The call that a case asks for."""
    keywords = {**({"mask": case.mask} if case.mask is not None else {}), **case.options}
    return Question(f"{spec_of(case.layer).name}_compute_mask", (case.x,), keywords)


def same_mask(got: Any, expected: Any) -> bool:
    """Whether a mask is the expected one: None alone is None, and whatever is not 0 counts."""
    if expected is None or got is None:
        return got is expected
    got = np.asarray(got)
    return got.shape == expected.shape and got.dtype.kind in "bi" and bool(np.array_equal(got != 0, expected))
