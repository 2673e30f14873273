"""The same arguments give the same answer, whatever was asked in between: no state between calls."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from conformance.base.errors import ImplementationError
from conformance.base.record import BLOCKED, CORE, ERROR, FAILED, PASSED, UNSUPPORTED, Record
from conformance.cases import ALL, layer_cases
from conformance.cases.case import Case, declared_cases
from conformance.cases.gradients import backward_cases
from conformance.cases.level import ALONG_ROWS, level
from conformance.cases.losses import LOSS_CASES, divides_by_sums, loss_cases
from conformance.cases.optimizers import OPTIMIZER_CASES, optimizer_cases
from conformance.checks.loss import GRADIENT, ROWS, VALUE, judge_loss
from conformance.checks.optimizer import judge_steps
from conformance.judging.again import unsteady
from conformance.judging.judge import CaseResult, judge_again
from conformance.judging.session import CaseRunner, Session
from conformance.judging.verdict import Verdict

FORWARD, BACKWARD, STEP = "forward", "backward", "step"
SAMPLE = {FORWARD: 6, BACKWARD: 3, STEP: 3}
"""How many cases are asked again."""
ANSWERED = {PASSED, FAILED, ERROR}
"""How a question ends that was answered in time."""


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """A question for each function of a layer, a loss or an optimizer, where it has cases."""
    for name in layers:
        if name in (*ALL, *LOSS_CASES):
            yield name, (name, FORWARD)
        if name in LOSS_CASES or (name in ALL and any(backward_cases(layer_cases(name), "smoke"))):
            yield f"{name}-{BACKWARD}", (name, BACKWARD)
        if name in OPTIMIZER_CASES:
            yield name, (name, STEP)


def level_of(*question: str) -> str:
    """Core: whatever is asked, the answer must not depend on what was asked before."""
    return CORE


def check(runner: CaseRunner, layer: str, part: str) -> None:
    """A sample of the cases is asked again, in reverse order; and no answer may change when it is."""
    first = dict(runner.session.first)
    supported = (result for result in map(lambda case: _judged(runner, part, case), _declared(layer, part)) if not _refused(result))
    results = list(itertools.islice(supported, SAMPLE[part]))
    verdict = next((found for result in reversed(results) if (found := _changing(runner, result, first))), None)
    passed = [result for result in results if result.verdict.status == PASSED]
    if verdict is None:
        verdict = _overwriting(passed, runner.session) if part == FORWARD and layer in ALL else None
    if verdict is None:
        verdict = Verdict(PASSED) if passed else _nothing_repeated(runner, layer, part, results)
    needs = tuple(dict.fromkeys(name for result in results for name in result.layer.needs(result.case.config)))
    own = (layer,) if verdict.status == BLOCKED else ()
    record = Record(runner.identifier, layer, "repeated", verdict.status, message=verdict.sentence, needs=(*own, *needs))
    runner.settle(record, lambda: f"{layer} repeated  {verdict.sentence}\n  again   {runner.again()}")


def _declared(layer: str, part: str) -> Iterable[Case]:
    """The cases of which a sample is taken: every option alone, and of these the ones of the core that judge the meaning, if there are any.

    A layer may well be wrong in all cases of the edge, and nothing be said against it.
    """
    if layer in ALL:
        declared = (declared_cases if part == FORWARD else backward_cases)(layer_cases(layer), "smoke")
    else:
        declared = loss_cases(layer, "smoke") if layer in LOSS_CASES else optimizer_cases(layer, "smoke")
    alone = list(declared)
    meaning = [case for case in alone if case.dtype == "float64"] or alone
    return [case for case in meaning if level(case, _direction(part, case)) == CORE] or meaning


def _direction(part: str, case: Case) -> str:
    """What the level of a case is asked for; the gradient of probabilities is judged along rows."""
    return ALONG_ROWS if part == BACKWARD and _along_rows(case) else part


def _along_rows(case: Case) -> bool:
    return case.layer in LOSS_CASES and divides_by_sums(case)


def _judged(runner: CaseRunner, part: str, case: Case) -> CaseResult:
    """The result of a case, as the check of its own kind finds it."""
    session = runner.session
    if case.layer in ALL:
        return runner.judge_case(case) if part == FORWARD else runner.judge_backward(case)
    about = (case, session.implementation, runner.oracle, session.seed)
    if part == STEP:
        return runner.kept(judge_steps(*about, strict=session.strict))
    asked = VALUE if part == FORWARD else ROWS if _along_rows(case) else GRADIENT
    return runner.kept(judge_loss(asked, *about, strict=session.strict))


def _refused(result: CaseResult) -> bool:
    return result.verdict.status == UNSUPPORTED


def _changing(runner: CaseRunner, result: CaseResult, first: dict[tuple[str, str], str]) -> Verdict | None:
    """The verdict on a case that ends otherwise than when it was asked first, or whose answer changes by asking once more."""
    verdict, identifier = result.verdict, result.case.id
    if not verdict.steady:
        return replace(verdict, sentence=f"{identifier}: {verdict.sentence}")
    earlier = first.get(result.key, verdict.status)
    if earlier != verdict.status and {earlier, verdict.status} <= ANSWERED:
        return unsteady(f"{identifier} {earlier} at first, but {verdict.status} later{f': {verdict.sentence}' * bool(verdict.sentence)}")
    if verdict.status == PASSED:
        again = judge_again(result, runner.session.implementation, strict=runner.session.strict)
        if again.status != PASSED:
            return unsteady(f"{identifier} passed at first, but {again.status} later, out of order: {again.sentence}")
    return None


def _nothing_repeated(runner: CaseRunner, layer: str, part: str, results: Sequence[CaseResult]) -> Verdict:
    """The verdict where no sampled case passes: none is asked of what is not supported, and what is wrong is so in other checks."""
    if results:
        return Verdict(BLOCKED, f"no sampled case passes, so that nothing can be repeated: {results[0].verdict.sentence}")
    refused = _judged(runner, part, next(iter(_declared(layer, part))))
    return Verdict(UNSUPPORTED, refused.verdict.sentence)


def _overwriting(passed: Sequence[CaseResult], session: Session) -> Verdict | None:
    """The verdict on a layer that fills the array it returned with the next answer."""
    try:
        kept = next((result for result in passed if _overwritten(result, session)), None)
    except ImplementationError as error:
        return Verdict(ERROR, str(error))
    if kept is None:
        return None
    said = "what it returned changes when it is called again: the array is used for the next answer as well"
    return Verdict(FAILED, f"{kept.case.id}: {said}")


def _overwritten(result: CaseResult, session: Session) -> bool:
    """Whether an answer, kept, changes by a call of the same function with the batch in another order."""
    question = result.question
    x, *weights = question.positional
    return session.implementation.overwrites(question, replace(question, positional=(np.flip(x, axis=0), *weights)))
