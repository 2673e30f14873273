"""Cases that Hypothesis draws, layer by layer; a failure is made small and printed as a script."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache

from conformance.base.errors import IllConditionedCaseError, NotDiscriminatingError
from conformance.base.record import EDGE, LEVELS, PASSED, SKIPPED, TIMEOUT, UNSUPPORTED, Record
from conformance.cases import ALL, layer_cases
from conformance.cases.case import Case, declared_cases
from conformance.cases.gradients import backward_cases
from conformance.cases.level import BACKWARD, FORWARD, level
from conformance.judging.judge import CaseResult
from conformance.judging.session import CaseRunner

DECLARED = {FORWARD: declared_cases, BACKWARD: backward_cases}
"""The declared cases by what is asked of them."""


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """A question about the core of a layer's forward pass, one about its edge, and both about its backward pass; where there are cases."""
    for name, part, wanted in itertools.product((name for name in layers if name in ALL), DECLARED, LEVELS):
        if wanted in drawable(name, part, profile):
            said = [part] * (part == BACKWARD) + [wanted] * (wanted == EDGE)
            yield "-".join([name, *said]), (name, part, wanted)


@cache
def drawable(name: str, part: str, profile: str) -> set[str]:
    """The levels of which a layer's options and ways to call make cases; what only a special case has is never drawn."""
    layer = layer_cases(name)
    special = {one.title for one in layer.special}
    return {level(case, part) for case in DECLARED[part](layer, profile) if case.title not in special}


def level_of(layer: str, part: str, wanted: str) -> str:
    """As the question says: cases of another level are not drawn."""
    return wanted


def check(runner: CaseRunner, layer: str, part: str, wanted: str) -> None:
    """Cases are drawn until one fails; the smallest one like it is shown."""
    declaration = layer_cases(layer)
    judge_case = runner.judge_case if part == FORWARD else runner.judge_backward

    def settled(status: str, message: str) -> None:
        record = Record(runner.identifier, layer, "drawn", status, message=message, needs=declaration.needs, level=wanted)
        runner.settle(record, lambda: message)

    if not runner.oracle.live:
        settled(SKIPPED, NOT_RECORDED)
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
        run_drawn(declaration, runner.seed_of(layer), runner.session.profile, judge_one, part, wanted)
    if failing:
        smallest = failing[-1]
        record = smallest.record(runner.identifier, "drawn")
        said = "drawn" if part == FORWARD else "drawn backward"
        runner.settle(record, lambda: runner.explanation(smallest, said) + runner.shrunk_script(smallest))
        return
    status = PASSED if statuses[PASSED] else UNSUPPORTED
    unsupported = f"; {statuses[UNSUPPORTED]} unsupported" if statuses[UNSUPPORTED] else ""
    message = reasons[0] if status == UNSUPPORTED and reasons else f"{statuses[PASSED]} drawn cases passed{unsupported}"
    if runner.session.must_support and reasons:
        status, message = UNSUPPORTED, reasons[0]
    settled(status, message)


NOT_RECORDED = "drawn cases need live Keras to answer them: recorded vectors hold the declared cases"
