"""Losses: the value and the gradient of the predictions, against Keras's loss objects and its automatic differentiation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conformance.cases.case import Case
from conformance.cases.losses import LOSS_CASES, loss_cases
from conformance.contract import Question
from conformance.desk import Desk
from conformance.examination import SuiteError
from conformance.oracle.expectation import LossExpectation
from conformance.record import Record
from conformance.verdict import judge

PARTS = {"value": "loss", "gradient": "loss_gradient"}
"""What is asked about, and how its records are called."""


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[str, Case]]]:
    """Every declared case of these losses, once for the value and once for the gradient."""
    for name in layers:
        if name in LOSS_CASES:
            yield from ((f"{case.id}-{part}", (part, case)) for case in loss_cases(name, profile) for part in PARTS)


def check(desk: Desk, part: str, case: Case) -> None:
    """The answer must be Keras's, within what is allowed."""
    expected = desk.oracle.loss(case, desk.session.seed)
    expectation = expected.value if part == "value" else expected.gradient
    answer = desk.ask(loss_question(part, case, expected))
    verdict = judge(expectation, answer, case.dtype, strict=desk.session.strict)
    if verdict.keras_ratio is not None and verdict.keras_ratio > 1:
        raise SuiteError(f"{case.id}: Keras itself is off by {verdict.keras_ratio:.3g} times what the suite allows")
    options = {name: str(value) for name, value in case.options.items()}
    message = verdict.sentence or "; ".join(verdict.remarks)
    ratios = (verdict.ratio, verdict.keras_ratio)
    record = Record(desk.identifier, case.layer, PARTS[part], verdict.status, options, *ratios, message, remarks=verdict.remarks)
    desk.settle(record, lambda: desk.explain(LOSS_CASES[case.layer], case, PARTS[part], verdict, desk.again(), answer.printed, []))


def loss_question(part: str, case: Case, expected: LossExpectation) -> Question:
    """The call that a case asks for; labels come first."""
    arrays = expected.arrays
    name = case.layer if part == "value" else f"{case.layer}_backward"
    return Question(name, (arrays.weights[0], arrays.x), {**case.config, **arrays.arguments})
