"""Cases that Hypothesis draws, layer by layer; a failure is made small and printed as a script."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence

from conformance.base.errors import IllConditionedCaseError, NotDiscriminatingError
from conformance.base.record import PASSED, SKIPPED, TIMEOUT, UNSUPPORTED, Record
from conformance.cases import ALL, layer_cases
from conformance.cases.case import Case
from conformance.cases.gradients import backward_cases
from conformance.judging.judge import CaseResult
from conformance.judging.session import CaseRunner


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """A question a layer about its forward pass, and one about its backward pass where that has cases at all."""
    for name in (name for name in layers if name in ALL):
        yield name, (name, "forward")
        if any(backward_cases(layer_cases(name), "smoke")):
            yield f"{name}-backward", (name, "backward")


def check(runner: CaseRunner, layer: str, part: str) -> None:
    """Cases are drawn until one fails; the smallest one like it is shown."""
    declaration = layer_cases(layer)
    judge_case = runner.judge_case if part == "forward" else runner.judge_backward
    if not runner.oracle.live:
        runner.settle(Record(runner.identifier, layer, "drawn", SKIPPED, message=NOT_RECORDED), lambda: "")
        return
    from hypothesis.errors import Flaky

    from conformance.cases.strategies import run_drawn

    statuses: Counter[str] = Counter()
    failing: list[CaseResult] = []
    reasons: list[str] = []

    def judge_one(case: Case) -> None:
        if failing and failing[-1].verdict.status == TIMEOUT:
            return  # to make it smaller would take that long again and again
        try:
            result = judge_case(case)
        except (IllConditionedCaseError, NotDiscriminatingError):
            return
        verdict = result.verdict
        statuses[verdict.status] += 1
        if verdict.status == UNSUPPORTED:
            reasons.append(verdict.sentence)
        elif verdict.status != PASSED:
            failing.append(result)
            raise AssertionError(verdict.sentence)

    # Flaky: an implementation that answers the same call differently, which Hypothesis notices.
    with contextlib.suppress(AssertionError, Flaky):
        run_drawn(declaration, runner.seed_of(layer), runner.session.profile, judge_one, part)
    if failing:
        smallest = failing[-1]
        record = smallest.record(runner.identifier, "drawn")
        said = "drawn" if part == "forward" else "drawn backward"
        runner.settle(record, lambda: runner.explanation(smallest, said) + runner.shrunk_script(smallest))
        return
    status = PASSED if statuses[PASSED] else UNSUPPORTED
    unsupported = f"; {statuses[UNSUPPORTED]} unsupported" if statuses[UNSUPPORTED] else ""
    message = reasons[0] if status == UNSUPPORTED and reasons else f"{statuses[PASSED]} drawn cases passed{unsupported}"
    if runner.session.must_support and reasons:
        status, message = UNSUPPORTED, reasons[0]
    runner.settle(Record(runner.identifier, layer, "drawn", status, message=message), lambda: message)


NOT_RECORDED = "drawn cases need live Keras to answer them: recorded vectors hold the declared cases"
