"""The same call made again: an implementation that gives another answer then has a state, and nothing else can be said of its answers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.base.record import ERROR, FAILED, PASSED
from conformance.cases.questions import Answer
from conformance.judging.verdict import Verdict

ANOTHER_ANSWER = "gives another answer when asked again"
SAME = 1e-5
"""How far two answers may be apart, relative to the largest value: the order of sums may change from call to call."""


def judged_again(verdict: Verdict, answer: Answer, ask: Callable[[], Answer]) -> Verdict:
    """The verdict on an answer; of a failed call that, made again by `ask`, gives another answer, this is what the verdict says."""
    if verdict.status not in (FAILED, ERROR):
        return verdict
    kept = copy.deepcopy(answer.value)  # it may be an array that the next call fills again
    again = ask()
    if same_answer(replace(answer, value=kept), again):
        return verdict
    return unsteady(f"the first time {verdict.sentence}", verdict.keras_ratio)


def unsteady(sentence: str, of_keras: float | None = None) -> Verdict:
    """The verdict on an implementation that answers the same call in two ways; the sentence tells how that was seen."""
    return Verdict(FAILED, f"it {ANOTHER_ANSWER}; {sentence}", keras_ratio=of_keras, steady=False)


def same_answer(one: Answer, other: Answer) -> bool:
    """Whether two answers to one question are the same, as far as rounding goes; two exceptions are, whatever they say."""
    return one.status == other.status and (one.status != PASSED or same_value(one.value, other.value))


def same_value(one: Any, other: Any) -> bool:
    """Whether two values that came back are the same in structure, shapes and types, and as far as rounding goes in their numbers."""
    if isinstance(one, tuple | list) or isinstance(other, tuple | list):
        return type(one) is type(other) and len(one) == len(other) and all(map(same_value, one, other))
    if not isinstance(one, np.ndarray | np.generic) or not isinstance(other, np.ndarray | np.generic):
        return type(one) is type(other) and (one is None or not isinstance(one, str | int | float) or one == other)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind not in "fc":
        return bool(np.array_equal(one, other))
    room = SAME * float(np.max(np.abs(one), initial=0, where=np.isfinite(one)))
    return bool(np.allclose(one, other, rtol=SAME, atol=room, equal_nan=True))
