"""Losses: the value and the gradient of the predictions, against Keras's loss objects and its automatic differentiation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from conformance.cases.case import Case
from conformance.cases.level import BACKWARD, FORWARD, level
from conformance.cases.losses import LOSS_CASES, loss_cases
from conformance.cases.questions import backward_question, forward_question
from conformance.implementations.protocol import Implementation
from conformance.judging.judge import CaseResult, judged
from conformance.judging.refusal import ask
from conformance.judging.session import CaseRunner, Explanation
from conformance.oracle.protocol import Oracle

PARTS = {"value": "loss", "gradient": "loss_gradient"}
"""What is asked about, and how its records are called."""


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[str, Case]]]:
    """Every declared case of these losses, once for the value and once for the gradient."""
    for name in layers:
        if name in LOSS_CASES:
            yield from ((f"{case.id}-{part}", (part, case)) for case in loss_cases(name, profile) for part in PARTS)


def level_of(part: str, case: Case) -> str:
    """Of the case; its gradient may stand at a kink."""
    return level(case, FORWARD if part == "value" else BACKWARD)


def check(runner: CaseRunner, part: str, case: Case) -> None:
    """The answer must be Keras's, within what is allowed."""
    session = runner.session
    result = runner.kept(judge_loss(part, case, session.implementation, runner.oracle, session.seed, strict=session.strict))
    runner.settle(result.record(runner.identifier, PARTS[part]), Explanation(runner, result, PARTS[part]))


def judge_loss(part: str, case: Case, implementation: Implementation, oracle: Oracle, seed: int, *, strict: bool) -> CaseResult:
    """Judge the value or the gradient; SuiteError as :func:`conformance.judging.judge.judge_case`."""
    expected = oracle.loss(case, seed)
    expectation = expected.value if part == "value" else replace(expected.gradient, names=("y_pred",))
    layer, arrays = LOSS_CASES[case.layer], expected.arrays
    question = forward_question(layer, case, arrays, {}) if part == "value" else backward_question(layer, case, arrays, {}, ())
    result = judged(layer, case, arrays, question, expectation, ask(implementation, question), strict)
    return result.confirmed(implementation)
