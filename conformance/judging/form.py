"""Answers of which only the form is known beforehand: how many arrays of which shapes, and that their numbers are finite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.base.record import FAILED, PASSED
from conformance.cases.questions import Answer
from conformance.judging.arguments import with_names
from conformance.judging.verdict import Verdict, judge
from conformance.oracle.expectation import Expectation

Outputs = tuple[NDArray[Any], ...]


class UnansweredError(Exception):
    """A question has no answer that could be compared; the verdict says why."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.sentence)
        self.verdict = verdict


def well_formed(
    function: str, answer: Answer, shapes: Sequence[tuple[int, ...]], *, strict: bool, names: tuple[str, ...] = ()
) -> Outputs:
    """The arrays of an answer of `function`, of these shapes and names, finite; :class:`UnansweredError` where it is anything else."""
    zeros, anything = (tuple(np.full(shape, value) for shape in shapes) for value in (0.0, np.inf))
    expectation = Expectation(zeros, (np.dtype(np.float64),) * len(zeros), lambda: anything, lambda: anything, names=names)
    verdict = judge(expectation, with_names(function, answer), "float64", strict=strict)
    if verdict.mismatch is not None:
        verdict = replace(verdict, sentence="gives NaN or infinity for ordinary numbers", mismatch=None)
    if verdict.status == FAILED:
        raise UnansweredError(replace(verdict, sentence=f"{function}: {verdict.sentence}"))
    if verdict.status != PASSED:
        raise UnansweredError(verdict)
    parts = answer.value if isinstance(answer.value, tuple) else (answer.value,)
    # Copies: an implementation may use an array for its next answer as well, which is the question of another check.
    return tuple(np.array(part) for part in parts)
