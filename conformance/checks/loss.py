"""Losses: the value and the gradient of the predictions, against Keras's loss objects and its automatic differentiation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from conformance.cases.case import Case
from conformance.cases.level import ALONG_ROWS, BACKWARD, FORWARD, level
from conformance.cases.losses import LOSS_CASES, divides_by_sums, loss_cases
from conformance.cases.questions import backward_question, forward_question
from conformance.implementations.protocol import Implementation
from conformance.judging.along_rows import answer_along_rows, expected_along_rows
from conformance.judging.judge import CaseResult, judged
from conformance.judging.refusal import ask
from conformance.judging.session import CaseRunner, Explanation
from conformance.oracle.protocol import Oracle

VALUE, GRADIENT, ROWS = "value", "gradient", "gradient_along_rows"
PARTS = {VALUE: "loss", GRADIENT: "loss_gradient", ROWS: "loss_gradient"}
"""What is asked about, and how its records are called."""
DIRECTIONS = {VALUE: FORWARD, GRADIENT: BACKWARD, ROWS: ALONG_ROWS}


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[str, Case]]]:
    """Every declared case of these losses, once for the value and once for the gradient.

    Where Keras divides probabilities by their sum the gradient is asked about along rows that go on adding up to 1 as well.
    """
    for name in layers:
        if name in LOSS_CASES:
            for case in loss_cases(name, profile):
                yield from ((f"{case.id}-{part}", (part, case)) for part in PARTS if part != ROWS or divides_by_sums(case))


def level_of(part: str, case: Case) -> str:
    """Of the case; its gradient may stand at a kink, or be known up to a constant in each row."""
    return level(case, DIRECTIONS[part])


def check(runner: CaseRunner, part: str, case: Case) -> None:
    """The answer must be Keras's, within what is allowed."""
    session = runner.session
    result = runner.kept(judge_loss(part, case, session.implementation, runner.oracle, session.seed, strict=session.strict))
    record = replace(result.record(runner.identifier, PARTS[part]), level=level_of(part, case))
    runner.settle(record, Explanation(runner, result, PARTS[part]))


def judge_loss(part: str, case: Case, implementation: Implementation, oracle: Oracle, seed: int, *, strict: bool) -> CaseResult:
    """Judge the value, the gradient, or the gradient along rows; SuiteError as :func:`conformance.judging.judge.judge_case`."""
    expected = oracle.loss(case, seed)
    expectation = expected.value if part == VALUE else replace(expected.gradient, names=("y_pred",))
    layer, arrays = LOSS_CASES[case.layer], expected.arrays
    question = forward_question(layer, case, arrays, {}) if part == VALUE else backward_question(layer, case, arrays, {}, ())
    answer = ask(implementation, question)
    if part == ROWS:
        expectation, answer = expected_along_rows(case, expectation), answer_along_rows(case, answer)
    result = judged(layer, case, arrays, question, expectation, answer, strict)
    return replace(result, along_rows=part == ROWS).confirmed(implementation)
