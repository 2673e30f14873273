"""Optimizers: the variables after each of a few steps, the state handed from one to the next, against Keras's optimizers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from conformance.base.arrays import Arrays, Steps
from conformance.base.record import PASSED
from conformance.cases.case import Case
from conformance.cases.level import level
from conformance.cases.optimizers import OPTIMIZER_CASES, function_of, optimizer_cases
from conformance.cases.questions import Question
from conformance.implementations.protocol import Implementation
from conformance.judging.arguments import with_names
from conformance.judging.judge import CaseResult, answers_to_steps, as_row, require_of_keras
from conformance.judging.session import CaseRunner, Explanation
from conformance.judging.verdict import Verdict, judge
from conformance.oracle.expectation import Expectation
from conformance.oracle.protocol import Oracle


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[Case]]]:
    """Every declared case of these optimizers."""
    for name in layers:
        if name in OPTIMIZER_CASES:
            yield from ((case.id, (case,)) for case in optimizer_cases(name, profile))


def level_of(case: Case) -> str:
    """Of the case."""
    return level(case)


def check(runner: CaseRunner, case: Case) -> None:
    """The variables must be Keras's after every step."""
    session = runner.session
    result = runner.kept(judge_steps(case, session.implementation, runner.oracle, session.seed, strict=session.strict))
    runner.settle(result.record(runner.identifier, "optimizer"), Explanation(runner, result, "optimizer"))


def judge_steps(case: Case, implementation: Implementation, oracle: Oracle, seed: int, *, strict: bool) -> CaseResult:
    """Judge the steps up to the first that is wrong; SuiteError as :func:`conformance.judging.judge.judge_case`."""
    expected = oracle.steps(case, seed)
    answers, verdicts = [], []
    for expectation, answer in zip(map(_named, expected.after), answers_to_steps(implementation, case, expected.steps), strict=False):
        answers.append(answer)
        verdicts.append(judge(expectation, with_names(function_of(case.layer), answer), case.dtype, strict=strict))
        if verdicts[-1].status != PASSED:
            break
    verdict = _verdict(verdicts)
    require_of_keras(case, verdict.keras_ratio)
    made = len(answers)
    steps = Steps(expected.steps.variables, expected.steps.gradients[:made])
    question = Question(function_of(case.layer), (list(steps.variables), list(steps.gradients[0]), None), dict(case.config))
    whole = _row(expected.after[:made])
    layer, arrays = OPTIMIZER_CASES[case.layer], Arrays(steps.variables)
    result = CaseResult(layer, case, arrays, question, whole, as_row(answers), verdict, steps=steps)
    return result.confirmed(implementation)


def _verdict(verdicts: Sequence[Verdict]) -> Verdict:
    """That of the step that is wrong, the last; else of the one that came nearest to it, with Keras's largest error."""
    last = verdicts[-1]
    if last.status != PASSED:
        return replace(last, sentence=f"step {len(verdicts)}: {last.sentence}" if last.sentence else "")
    nearest = max(verdicts, key=lambda verdict: verdict.ratio or 0)
    return replace(nearest, keras_ratio=max(verdict.keras_ratio or 0 for verdict in verdicts))


def _named(expectation: Expectation) -> Expectation:
    """With names for the variables, of which a step returns several."""
    count = len(expectation.outputs)
    return replace(expectation, names=tuple(f"variable {n} of {count}" for n in range(1, count + 1)) if count > 1 else ())


def _row(expectations: Sequence[Expectation]) -> Expectation:
    """What is expected of several steps, as one expectation of all their variables."""
    return Expectation(
        tuple(y for one in expectations for y in one.outputs),
        tuple(dtype for one in expectations for dtype in one.dtypes),
        lambda: tuple(room for one in expectations for room in one.meaning()),
        lambda: tuple(room for one in expectations for room in one.rounding()),
    )
