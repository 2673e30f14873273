"""One case from question to record: draw its arrays, ask the oracle and the implementation, judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.base.arrays import Array, Arrays, Steps
from conformance.base.errors import IllConditionedCaseError, NotDiscriminatingError, SuiteError
from conformance.base.record import ERROR, FAILED, PASSED, Record
from conformance.cases import layer_cases
from conformance.cases.case import Case, LayerCases
from conformance.cases.gradients import Backward
from conformance.cases.level import level
from conformance.cases.optimizers import function_of
from conformance.cases.questions import Answer, Question, backward_question, forward_question
from conformance.cases.titles import in_words
from conformance.implementations.protocol import Implementation
from conformance.judging.again import judged_again
from conformance.judging.along_rows import answer_along_rows
from conformance.judging.arguments import with_names
from conformance.judging.discriminating import check_discriminating
from conformance.judging.gradients import flattened
from conformance.judging.outputs import named_gradients, named_outputs
from conformance.judging.refusal import ask, without_a_weight
from conformance.judging.verdict import Verdict, judge
from conformance.oracle.expectation import Expectation
from conformance.oracle.protocol import Oracle

FORM = "it does not return (variables, state)"


@dataclass(frozen=True)
class CaseResult:
    """A judged case, with everything that an explanation of it needs; Keras is not asked about what is not supported.

    ``grads`` are the gradients of the outputs where the backward pass was asked; its answer is then the row of the gradients. ``steps``
    are those of an optimizer up to the first wrong one; its answer is then the row of the variables after each of them. ``along_rows`` is
    true of a gradient that is compared along rows alone.
    """

    layer: LayerCases
    case: Case
    arrays: Arrays
    question: Question
    expectation: Expectation | None
    answer: Answer
    verdict: Verdict
    grads: tuple[Array, ...] = ()
    steps: Steps | None = None
    along_rows: bool = False

    @property
    def part(self) -> str:
        """Which function was asked: 'forward', 'backward' or 'step'."""
        return next((part for part in ("backward", "step") if self.question.function.endswith(f"_{part}")), "forward")

    @property
    def key(self) -> tuple[str, str]:
        """What tells the question from all others: what is compared, and the id of the case."""
        return f"{self.part}{' along rows' * self.along_rows}", self.case.id

    def ask(self, implementation: Implementation) -> Answer:
        """What another implementation answers to the same question."""
        if self.steps is not None:
            return as_row(list(answers_to_steps(implementation, self.case, self.steps)))
        if self.grads:
            return ask_gradients(self.layer, self.case, self.arrays, self.question, implementation)
        answer = ask(implementation, self.question)
        return answer_along_rows(self.case, answer) if self.along_rows else answer

    def confirmed(self, implementation: Implementation) -> CaseResult:
        """The result; of a failure whose call gives another answer when it is made again, with this for a verdict."""
        return replace(self, verdict=judged_again(self.verdict, self.answer, lambda: self.ask(implementation)))

    def record(self, identifier: str, kind: str = "forward") -> Record:
        """The record of the case."""
        verdict = self.verdict
        return Record(
            identifier,
            self.case.layer,
            kind,
            verdict.status,
            {name: in_words(value) for name, value in self.case.options.items()},
            verdict.ratio,
            verdict.keras_ratio,
            verdict.sentence or "; ".join(verdict.remarks),
            self.layer.needs(self.case.config),
            verdict.remarks,
            level=level(self.case, self.part),
            axes=len(self.case.shape),
        )


def judge_case(case: Case, implementation: Implementation, oracle: Oracle, seed: int, *, strict: bool) -> CaseResult:
    """Judge one case; arrays that could not tell right from wrong are drawn again.

    Raises
    ------
    SuiteError
        If Keras itself does not keep the tolerance of the case.
    NotDiscriminatingError, IllConditionedCaseError
        If every draw of its arrays was weak.
    """
    layer = layer_cases(case.layer)
    weak: Exception = NotDiscriminatingError(f"{case.id}: no arrays were drawn")
    for arrays in oracle.draws(layer, case, seed):
        try:
            return _judge_arrays(layer, case, arrays, implementation, oracle, strict)
        except (NotDiscriminatingError, IllConditionedCaseError) as error:
            weak = error
    raise weak


def _judge_arrays(
    layer: LayerCases, case: Case, arrays: Arrays, implementation: Implementation, oracle: Oracle, strict: bool
) -> CaseResult:
    question = forward_question(layer, case, arrays, {})
    if refusal := implementation.refusal(question):
        return _refused(layer, case, arrays, question, refusal)
    expectation = oracle.expect(layer, case, arrays)
    if oracle.live:  # what was recorded was checked then
        check_discriminating(layer, case, arrays, expectation)
    question = forward_question(layer, case, arrays, expectation.arguments)
    result = judged(layer, case, arrays, question, expectation, ask(implementation, question), strict)
    return _of_what_is_wrapped(result.confirmed(implementation), implementation)


def judge_backward(case: Case, implementation: Implementation, oracle: Oracle, seed: int, *, strict: bool) -> CaseResult:
    """Judge the backward pass of one case; SuiteError as :func:`judge_case`."""
    layer = layer_cases(case.layer)
    backward = oracle.backward(layer, case, seed)
    arrays, grads = backward.arrays, backward.grads
    question = backward_question(layer, case, arrays, {}, grads)
    if refusal := implementation.refusal(question):
        return replace(_refused(layer, case, arrays, question, refusal), grads=grads)
    expectation = oracle.gradients(layer, case, backward)
    question = backward_question(layer, case, arrays, expectation.arguments, grads)
    answer = ask_gradients(layer, case, arrays, question, implementation)
    result = replace(judged(layer, case, arrays, question, expectation, answer, strict), grads=grads)
    return _of_what_is_wrapped(result.confirmed(implementation), implementation)


def _refused(layer: LayerCases, case: Case, arrays: Arrays, question: Question, refusal: Answer) -> CaseResult:
    return CaseResult(layer, case, arrays, question, None, refusal, Verdict(refusal.status, refusal.message))


def _of_what_is_wrapped(result: CaseResult, implementation: Implementation) -> CaseResult:
    """The result; of a failure that comes of a weight which the wrapped layer requires, that this is not supported."""
    missing = without_a_weight(implementation, result.question) if result.verdict.status in (FAILED, ERROR) else None
    return result if missing is None else replace(result, verdict=Verdict(missing.status, missing.message), answer=missing)


def judged(
    layer: LayerCases, case: Case, arrays: Arrays, question: Question, expectation: Expectation, answer: Answer, strict: bool
) -> CaseResult:
    """The verdict on an answer, by an expectation that Keras itself meets."""
    found = named_gradients(expectation.names) if expectation.names else named_outputs(layer, case, len(expectation.outputs))
    expectation = replace(expectation, names=found)
    verdict = judge(expectation, with_names(question.function, answer), case.dtype, strict=strict)
    require_of_keras(case, verdict.keras_ratio)
    return CaseResult(layer, case, arrays, question, expectation, answer, verdict)


def ask_gradients(layer: LayerCases, case: Case, arrays: Arrays, question: Question, implementation: Implementation) -> Answer:
    """The answer to a question about gradients, as a row of them."""
    answer = ask(implementation, question)
    return flattened(layer, case, arrays, question.positional[2:], answer) if answer.status == PASSED else answer


def answers_to_steps(implementation: Implementation, case: Case, steps: Steps) -> Iterator[Answer]:
    """The variables after each step, as long as there are any; a step gets the variables and the state that the one before returned."""
    variables: Any = list(steps.variables)
    state: Any = None
    for gradients in steps.gradients:
        answer = ask(implementation, Question(function_of(case.layer), (variables, list(gradients), state), dict(case.config)))
        if answer.status == PASSED and not _well_formed(answer.value):
            answer = replace(answer, status=FAILED, value=None, message=FORM)
        if answer.status != PASSED:
            yield answer
            return
        variables, state = list(answer.value[0]), answer.value[1]
        yield replace(answer, value=tuple(variables))


def _well_formed(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], tuple | list)


def as_row(answers: Sequence[Answer]) -> Answer:
    """The answers to several steps as one, what each returned one after the other; the last alone where it returned nothing."""
    last = answers[-1]
    return replace(last, value=tuple(y for answer in answers for y in answer.value)) if last.status == PASSED else last


def require_of_keras(case: Case, ratio: float | None) -> None:
    """SuiteError where Keras, off by so many times what is allowed, does not keep the tolerance of a case that names no defect."""
    if case.deviation is None and ratio is not None and ratio > 1:
        raise SuiteError(f"{case.id}: Keras itself is off by {ratio:.3g} times what the suite allows")


def judge_again(result: CaseResult, implementation: Implementation, *, strict: bool) -> Verdict:
    """Ask the same question once more and judge the answer."""
    if result.expectation is None:
        return result.verdict
    return judge(result.expectation, with_names(result.question.function, result.ask(implementation)), result.case.dtype, strict=strict)


def still_fails(result: CaseResult, implementation: Implementation, oracle: Oracle, arrays: Arrays, *, strict: bool) -> bool:
    """Whether the case also fails with other arrays."""
    layer, case = result.layer, result.case
    question, expectation = asked_again(result, oracle, arrays)
    answer = ask_gradients(layer, case, arrays, question, implementation) if result.grads else ask(implementation, question)
    return judge(expectation, answer, case.dtype, strict=strict).status == result.verdict.status


def asked_again(result: CaseResult, oracle: Oracle, arrays: Arrays) -> tuple[Question, Expectation]:
    """The same question with other arrays (the gradients of the outputs stay), and what is expected then."""
    layer, case, grads = result.layer, result.case, result.grads
    if not grads:
        expectation = oracle.expect(layer, case, arrays)
        return forward_question(layer, case, arrays, expectation.arguments), expectation
    expectation = oracle.gradients(layer, case, Backward(arrays, grads))
    return backward_question(layer, case, arrays, expectation.arguments, grads), expectation
