"""One case from question to record: draw its arrays, ask the oracle and the implementation, judge."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.allowance import ChaoticCaseError
from conformance.arrays import Arrays
from conformance.cases import layer_cases
from conformance.cases.case import Case, LayerCases
from conformance.cases.quality import WeakCaseError, check_quality
from conformance.contract import Answer, Question, forward_question
from conformance.implementations.implementation import Implementation
from conformance.oracle.expectation import Expectation
from conformance.oracle.oracle import Oracle
from conformance.record import Record
from conformance.verdict import Verdict, judge


class SuiteError(Exception):
    """The suite contradicts itself: Keras does not pass a case."""


@dataclass(frozen=True)
class Examination:
    """A judged case, with everything that an explanation of it needs; Keras is not asked about what is not supported."""

    layer: LayerCases
    case: Case
    arrays: Arrays
    question: Question
    expectation: Expectation | None
    answer: Answer
    verdict: Verdict

    def record(self, identifier: str, kind: str = "forward") -> Record:
        """The record of the case."""
        verdict = self.verdict
        return Record(
            identifier,
            self.case.layer,
            kind,
            verdict.status,
            {name: _words(value) for name, value in self.case.options.items()},
            verdict.ratio,
            verdict.keras_ratio,
            verdict.sentence or "; ".join(verdict.remarks),
            self.layer.needs,
            verdict.remarks,
        )


def examine(case: Case, implementation: Implementation, oracle: Oracle, seed: int, *, strict: bool) -> Examination:
    """Judge one case; arrays that could not tell right from wrong are drawn again.

    Raises
    ------
    SuiteError
        If Keras itself does not keep the allowance of the case.
    WeakCaseError, ChaoticCaseError
        If every draw of its arrays was weak.
    """
    layer = layer_cases(case.layer)
    weak: Exception = WeakCaseError(f"{case.id}: no arrays were drawn")
    for arrays in oracle.draws(layer, case, seed):
        try:
            return _examine(layer, case, arrays, implementation, oracle, strict)
        except (WeakCaseError, ChaoticCaseError) as error:
            weak = error
    raise weak


def _examine(
    layer: LayerCases, case: Case, arrays: Arrays, implementation: Implementation, oracle: Oracle, strict: bool
) -> Examination:
    question = forward_question(layer, case, arrays, {})
    refusal = implementation.refusal(question)
    if refusal is not None:
        return Examination(layer, case, arrays, question, None, refusal, Verdict(refusal.status, refusal.message))
    expectation = oracle.expect(layer, case, arrays)
    if oracle.live:  # what was recorded was checked then
        check_quality(layer, case, arrays, expectation)
    question = forward_question(layer, case, arrays, expectation.arguments)
    answer = implementation.ask(question)
    verdict = judge(expectation, answer, case.dtype, strict=strict)
    if case.deviation is None and verdict.keras_ratio is not None and verdict.keras_ratio > 1:
        raise SuiteError(f"{case.id}: Keras itself is off by {verdict.keras_ratio:.3g} times what the suite allows")
    return Examination(layer, case, arrays, question, expectation, answer, verdict)


def judge_again(examination: Examination, implementation: Implementation, *, strict: bool) -> Verdict:
    """Ask the same question once more and judge the answer."""
    if examination.expectation is None:
        return examination.verdict
    return judge(examination.expectation, implementation.ask(examination.question), examination.case.dtype, strict=strict)


def still_fails(
    examination: Examination, implementation: Implementation, oracle: Oracle, arrays: Arrays, *, strict: bool
) -> bool:
    """Whether the case also fails with other arrays."""
    expectation = oracle.expect(examination.layer, examination.case, arrays)
    question = forward_question(examination.layer, examination.case, arrays, expectation.arguments)
    verdict = judge(expectation, implementation.ask(question), examination.case.dtype, strict=strict)
    return verdict.status == examination.verdict.status


def _words(value: object) -> str:
    if isinstance(value, tuple | list):
        return "x".join(str(part) for part in value)
    return str(value)
