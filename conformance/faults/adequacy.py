"""The suite on trial: which declared cases catch which faults.

A case catches a fault when the suite, judging the faulty function as it judges a stranger's, fails it (or the function raises).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.base.record import FAILED_STATUSES, PASSED
from conformance.cases import layer_cases, masks
from conformance.cases.case import Case, declared_cases
from conformance.cases.gradients import Backward, backward_cases
from conformance.cases.questions import Answer, Question, backward_question, forward_question
from conformance.checks.mask import mask_question, same_mask
from conformance.faults.backward.catalogue import BACKWARD
from conformance.faults.fault import Fault, FaultyImplementation
from conformance.faults.forward.catalogue import ALL
from conformance.implementations.module import ModuleImplementation
from conformance.implementations.protocol import Implementation
from conformance.judging.judge import ask_gradients
from conformance.judging.verdict import Verdict, judge
from conformance.oracle.expectation import Expectation
from conformance.oracle.recorded.reader import Recorded

if TYPE_CHECKING:
    from conformance.cases.masks import MaskCase

CLEARLY = 1e-6
REFERENCE = ModuleImplementation("reference")
ORACLE = Recorded()


@dataclass(frozen=True)
class Kills:
    """A row of the kill matrix: a fault, and how many of its layer's cases catch it."""

    layer: str
    fault: str
    sentence: str
    caught: int
    cases: int


def kill_matrix(layers: Sequence[str] | None = None, profile: str = "standard") -> list[Kills]:
    """Every fault of these layers (all of them unless given) against every declared case of its layer."""
    rows = []
    for layer in ALL if layers is None else layers:
        cases = list(declared_cases(layer_cases(layer), profile))
        for fault in (*ALL[layer], *BACKWARD[layer]):
            if fault.part == "forward":
                caught = [is_caught(fault, case) for case in cases]
            elif fault.part == "backward":
                caught = [is_caught_by_gradients(fault, case) for case in gradient_cases(layer, profile)]
            else:
                caught = [is_caught_by_mask(fault, asked) for asked in mask_cases(layer)]
            rows.append(Kills(layer, fault.name, fault.sentence, sum(caught), len(caught)))
    return rows


def first_kill(fault: Fault, layer: str, profile: str = "standard") -> str | None:
    """The id of a declared case of the layer that catches the fault, or None.

    Those are asked first in which the fault visibly departs from the reference, and among them those whose answer is known already;
    the verdict is always the oracle's.
    """
    if fault.part == "backward":
        return next((case.id for case in gradient_cases(layer, profile) if is_caught_by_gradients(fault, case)), None)
    if fault.part != "forward":
        return next((asked.id for asked in mask_cases(layer) if is_caught_by_mask(fault, asked)), None)
    cases = _declared(layer, profile)
    known = sorted(cases, key=lambda case: not prepared.knows(case))
    tried = set()
    for case in (case for case in known if departs(fault, case)):
        tried.add(case.id)
        if is_caught(fault, case):
            return case.id
    return next((case.id for case in cases if case.id not in tried and is_caught(fault, case)), None)


def is_caught(fault: Fault, case: Case) -> bool:
    """Whether the suite fails the fault in this case."""
    return verdict(FaultyImplementation(fault, case.layer), case).status in FAILED_STATUSES


def mask_cases(layer: str) -> Iterator[MaskCase]:
    """The suite's questions about the mask that a layer hands on."""
    yield from (case for case in masks.mask_cases() if case.layer == layer)


def is_caught_by_mask(fault: Fault, asked: MaskCase) -> bool:
    """Whether the fault's mask is another one than Keras's."""
    answer = FaultyImplementation(fault, asked.layer).ask(mask_question(asked))
    return answer.status in FAILED_STATUSES or (answer.status == PASSED and not same_mask(answer.value, ORACLE.mask(asked)))


def is_caught_by_gradients(fault: Fault, case: Case) -> bool:
    """Whether the suite fails the fault when it asks for the gradients of this case."""
    return gradient_verdict(FaultyImplementation(fault, case.layer), case).status in FAILED_STATUSES


def gradient_verdict(implementation: Implementation, case: Case) -> Verdict:
    """The suite's verdict on the backward pass, not strict."""
    backward, question, expectation = prepared_gradients(case)
    answer = ask_gradients(layer_cases(case.layer), case, backward.arrays, question, implementation)
    return judge(expectation, answer, case.dtype, strict=False)


def verdict(implementation: Implementation, case: Case) -> Verdict:
    """The suite's verdict, not strict."""
    question, expectation = prepared(case)
    return judge(expectation, implementation.ask(question), case.dtype, strict=False)


def departs(fault: Fault, case: Case) -> bool:
    """Whether the fault's answer is clearly another one than the reference's (without asking Keras)."""
    question, right = _reference_answer(case)
    wrong = FaultyImplementation(fault, case.layer).ask(question)
    if wrong.status != PASSED:
        return wrong.status in FAILED_STATUSES
    pairs = list(zip(_parts(right), _parts(wrong), strict=False))
    return len(_parts(right)) != len(_parts(wrong)) or any(_far(a, b) for a, b in pairs)


def _parts(answer: Answer) -> tuple[Any, ...]:
    return answer.value if isinstance(answer.value, tuple) else (answer.value,)


def _far(right: Any, wrong: Any) -> bool:
    right, wrong = np.asarray(right), np.asarray(wrong)
    if right.shape != wrong.shape or right.dtype.kind != wrong.dtype.kind:
        return True
    return not np.allclose(right, wrong, rtol=CLEARLY, atol=CLEARLY, equal_nan=right.dtype.kind == "f")


class CachedByCase:
    """A function of a case, called once for each: cases hold mappings and cannot be hashed, but their ids are unique."""

    def __init__(self, function: Callable[[Case], Any]) -> None:
        self.function = function
        self.results: dict[str, Any] = {}

    def __call__(self, case: Case) -> Any:
        """The function's result."""
        if not self.knows(case):
            self.results[case.id] = self.function(case)
        return self.results[case.id]

    def knows(self, case: Case) -> bool:
        """Whether the case was asked before."""
        return case.id in self.results


@CachedByCase
def prepared(case: Case) -> tuple[Question, Expectation]:
    """The question of a case and what the oracle expects."""
    layer = layer_cases(case.layer)
    (arrays,) = ORACLE.draws(layer, case, 0)
    expectation = ORACLE.expect(layer, case, arrays)
    return forward_question(layer, case, arrays, expectation.arguments), expectation


@CachedByCase
def prepared_gradients(case: Case) -> tuple[Backward, Question, Expectation]:
    """What the backward pass of a case is asked with, the question and what the oracle expects."""
    layer = layer_cases(case.layer)
    backward = ORACLE.backward(layer, case, 0)
    expectation = ORACLE.gradients(layer, case, backward)
    return backward, backward_question(layer, case, backward.arrays, expectation.arguments, backward.grads), expectation


@CachedByCase
def _reference_answer(case: Case) -> tuple[Question, Answer]:
    question, _ = prepared(case)
    return question, REFERENCE.ask(question)


@functools.cache
def gradient_cases(layer: str, profile: str = "standard") -> tuple[Case, ...]:
    """The cases that are differentiated, those that judge the meaning first."""
    return tuple(sorted(backward_cases(layer_cases(layer), profile), key=lambda case: case.dtype != "float64"))


@functools.cache
def _declared(layer: str, profile: str) -> tuple[Case, ...]:
    """Declared cases: those that judge the meaning first, and among them those that Keras answers quickly."""
    cases = declared_cases(layer_cases(layer), profile)
    return tuple(sorted(cases, key=lambda case: (case.dtype != "float64", bool(case.config.get("unroll")), case.deviation is not None)))


def every_fault() -> Iterator[tuple[str, Fault]]:
    """Each layer with each of its faults, those of its backward pass excepted."""
    yield from ((layer, fault) for layer, faults in ALL.items() for fault in faults)
