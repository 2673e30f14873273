"""Gradients of probabilities along rows that go on adding up to 1: all that is said by a gradient which is known up to a constant a row.

Keras divides the predictions of a crossentropy by their sum, and differentiates that as well; the gradient of the formula, -y/p, does not.
Where the sums are 1 both differ by a constant in each row, since ``d(p / sum(p)) = dp - p sum(dp)`` is ``dp`` wherever ``sum(dp)`` is 0.
Both are compared without it: of each row its mean is taken away, which projects it on what is left.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from conformance.base.arrays import Array
from conformance.base.record import PASSED
from conformance.cases.case import Case
from conformance.cases.questions import Answer
from conformance.oracle.expectation import Expectation

NAME = "y_pred along rows that add up to 1 (of each row its mean is taken away)"
"""What the gradient is that of, as failures tell it."""


def answer_along_rows(case: Case, answer: Answer) -> Answer:
    """The gradient that an answer holds, projected; whatever is none as it is."""
    value = answer.value
    if answer.status != PASSED or not isinstance(value, np.ndarray) or value.shape != case.shape or value.dtype.kind != "f":
        return answer
    return replace(answer, value=_projected(case, value).astype(value.dtype))


def expected_along_rows(case: Case, expectation: Expectation) -> Expectation:
    """What is expected of it. Of each value its own error is left and the mean of the errors in its row."""

    def room(allowed: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(one + np.mean(one, axis=_axis(case), keepdims=True) for one in allowed)

    return replace(
        expectation,
        outputs=tuple(_projected(case, y) for y in expectation.outputs),
        meaning=lambda: room(expectation.meaning()),
        rounding=lambda: room(expectation.rounding()),
        keras=tuple(_projected(case, y) for y in expectation.keras) if expectation.keras else None,
        names=(NAME,),
    )


def in_a_script(case: Case, call: str) -> str:
    """The line that prints what is compared."""
    return f"gradient = {call}\nprint(gradient - gradient.mean(axis={_axis(case)}, keepdims=True))"


def _projected(case: Case, gradient: Array) -> Array:
    wide = gradient.astype(np.float64)
    projected: Array = wide - np.mean(wide, axis=_axis(case), keepdims=True)
    return projected


def _axis(case: Case) -> int:
    axis: int = case.config.get("axis", -1)
    return axis
