"""What is asked of the options that an implementation takes: all pairs of them, then cases that Hypothesis draws, made small on failure.

Declared cases are the same for everybody, and one that lacks an option leaves out every case with it. Here the implementation is at hand:
nothing that its signatures refuse is asked, and all pairs of the rest are.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from conformance.base.errors import IllConditionedCaseError, NotDiscriminatingError
from conformance.base.record import EDGE, LEVELS, PASSED, SKIPPED, TIMEOUT, UNSUPPORTED, Record
from conformance.cases import ALL, layer_cases
from conformance.cases.case import Case, declared_cases
from conformance.cases.gradients import backward_cases
from conformance.cases.level import BACKWARD, FORWARD, level
from conformance.judging.accepted import accepted, pairs_of_accepted
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
    special, rank = {one.title for one in layer.special}, len(layer.drawn["shape"])
    found = {(level(case, part), len(case.shape)) for case in DECLARED[part](layer, profile) if case.title not in special}
    return {wanted for wanted, axes in found if wanted != EDGE or axes == rank}  # the rank may be what makes an edge, and is never drawn


def level_of(layer: str, part: str, wanted: str) -> str:
    """As the question says: cases of another level are not drawn."""
    return wanted


def check(runner: CaseRunner, layer: str, part: str, wanted: str) -> None:
    """Pairs and drawn cases until one fails; of drawn ones the smallest like it is shown."""

    def settled(status: str, message: str) -> None:
        record = Record(runner.identifier, layer, "drawn", status, message=message, level=wanted)
        runner.settle(record, lambda: message)

    if not runner.oracle.live:
        settled(SKIPPED, NOT_RECORDED)
        return
    found = Found(runner.judge_case if part == FORWARD else runner.judge_backward)
    _ask(runner, layer, part, wanted, found)
    if found.failing:
        smallest = found.failing[-1]
        record = smallest.record(runner.identifier, "drawn")
        said = "drawn" if part == FORWARD else "drawn backward"
        runner.settle(record, lambda: runner.explanation(smallest, said) + runner.shrunk_script(smallest))
        return
    passed, reasons = found.statuses[PASSED], found.reasons
    if reasons and (runner.session.must_support or not passed):
        settled(UNSUPPORTED, reasons[0])
        return
    unsupported = f"; {len(reasons)} unsupported" if reasons else ""
    message = f"{passed} case{'s' * (passed != 1)} of what it takes passed{unsupported}"
    settled(PASSED if passed else UNSUPPORTED, message)


@dataclass
class Found:
    """What came of the cases so far: how many of each status, those that failed, why others are unsupported."""

    judge: Callable[[Case], CaseResult]
    statuses: Counter[str] = field(default_factory=Counter)
    failing: list[CaseResult] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def judge_one(self, case: Case) -> None:
        """Judge a case; an AssertionError where it fails."""
        if self.failing and self.failing[-1].verdict.status == TIMEOUT:
            return  # to make it smaller would take that long again and again
        try:
            result = self.judge(case)
        except (IllConditionedCaseError, NotDiscriminatingError):
            return
        verdict = result.verdict
        self.statuses[verdict.status] += 1
        if verdict.status == UNSUPPORTED:
            self.reasons.append(verdict.sentence)
        elif verdict.status != PASSED:
            self.failing.append(result)
            raise AssertionError(verdict.sentence)


def _ask(runner: CaseRunner, layer: str, part: str, wanted: str, found: Found) -> None:
    from hypothesis.errors import Flaky

    from conformance.cases.strategies import run_drawn

    declaration, profile = layer_cases(layer), runner.session.profile
    taken = accepted(declaration, runner.session.implementation, part)
    # Flaky: an implementation that answers the same call differently, which Hypothesis notices.
    with contextlib.suppress(AssertionError, Flaky):
        for case in pairs_of_accepted(declaration, taken, runner.session.implementation, part, profile):
            if level(case, part) == wanted:
                found.judge_one(case)
        run_drawn(taken, runner.seed_of(layer), profile, found.judge_one, part, wanted)


NOT_RECORDED = "drawn cases need live Keras to answer them: recorded vectors hold the declared cases"
