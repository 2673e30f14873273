"""Equations between answers of the same implementation: no oracle is asked, whatever the run is compared with.

Where an equation with another layer fails, that one is asked its own simplest cases: if it is wrong, the first is not charged.

That a backward pass is the derivative of the forward pass is one of them; its two sides are numbers that the suite makes of the answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from conformance.base.arrays import EPS, Arrays
from conformance.base.record import BLOCKED, CORE, FAILED_STATUSES, PASSED, Record, blocked_by
from conformance.cases import layer_cases
from conformance.cases.case import Case, FunctionCases, declared_cases
from conformance.cases.draw import draw_arrays
from conformance.cases.level import BACKWARD, FORWARD, level
from conformance.cases.questions import Answer, forward_question
from conformance.cases.tolerance import MEANING
from conformance.judging.check_grads import check_grads
from conformance.judging.form import Outputs, UnansweredError, well_formed
from conformance.judging.session import CaseRunner
from conformance.judging.verdict import Verdict, judge
from conformance.oracle.expectation import Expectation
from conformance.properties import ALL
from conformance.properties.derivatives import derivative_cases
from conformance.properties.property import Property
from reference.layers import spec_of

SUMMED = 100
"""Roundings of float32 by which two ways to one answer may differ, in units of the largest sum of absolute values on the way.

A sum of K products is off by at most ``(4 + sqrt(K)) eps S``, S being the same sum over absolute values
(:func:`conformance.cases.tolerance.dot_product`), and two ways by twice that: ``55 eps S`` for the 541 terms of the longest sum here. What
is iterated damps its roundings, eight at each of a few steps.
"""


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[Property | Case]]]:
    """Those of these layers; a case stands for the property that its backward pass is the derivative of the forward pass."""
    yield from ((one.id, (one,)) for one in ALL if one.case.layer in layers)
    yield from ((identifier, (case,)) for name in layers for identifier, case in derivative_cases(name))


def level_of(one: Property | Case) -> str:
    """Of the case that the property starts from."""
    return level(one, BACKWARD) if isinstance(one, Case) else level(one.case, FORWARD)


def check(runner: CaseRunner, one: Property | Case) -> None:
    """Both ways must lead to the same answer."""
    if isinstance(one, Case):
        _check_derivative(runner, one)
        return
    arrays = draw_arrays(layer_cases(one.case.layer), one.case, runner.seed_of(runner.identifier))
    verdict = _judged(one, arrays, runner)
    if verdict.status in FAILED_STATUSES and (other := _wrong_itself(one, runner)):
        verdict = replace(verdict, status=BLOCKED, sentence=blocked_by([other], verdict.sentence))
    runner.settle(_record(runner, one, verdict, one.needs), lambda: f"{verdict.sentence}\n  again   {runner.again()}")


def _wrong_itself(one: Property, runner: CaseRunner) -> str:
    """The layer that an equation compares with where that one fails a core case of its own, among other layers or alone; else nothing."""
    declared = ((name, case) for name in one.needs for case in declared_cases(layer_cases(name), "smoke") if level(case) == CORE)
    return next((name for name, case in declared if runner.judge_case(case).verdict.status in FAILED_STATUSES), "")


def _check_derivative(runner: CaseRunner, case: Case) -> None:
    session, layer = runner.session, layer_cases(case.layer)
    verdict = check_grads(session.implementation, layer, case, session.seed, strict=session.strict)
    told = partial(runner.explain, layer, case, "backward", verdict)
    runner.settle(_record(runner, case, verdict, layer.needs(case.config)), lambda: told(runner.again(), "", ()))


def _record(runner: CaseRunner, one: Property | Case, verdict: Verdict, needs: tuple[str, ...]) -> Record:
    layer, said = (one if isinstance(one, Case) else one.case).layer, verdict.sentence
    return Record(
        runner.identifier, layer, "property", verdict.status, message=said, needs=needs, remarks=verdict.remarks, level=level_of(one)
    )


def _judged(one: Property, arrays: Arrays, runner: CaseRunner) -> Verdict:
    """What becomes of a property, its sentence complete."""
    asker = Asker(runner)
    try:
        with np.errstate(all="ignore"):
            got, expected = one.equation(asker, one.case, arrays)
    except UnansweredError as reason:
        return reason.verdict
    answer = Answer(PASSED, got if len(got) > 1 else got[0])
    wanted = _expectation(expected, MEANING + one.room, asker.largest)
    verdict = judge(wanted, answer, "float64", strict=runner.session.strict)
    if verdict.status == PASSED:
        return replace(verdict, sentence="")
    function = forward_question(layer_cases(one.case.layer), one.case, arrays, {}).function
    return replace(verdict, sentence=f"{function} {one.sentence}: {verdict.sentence}{_first(verdict, len(got))}")


class Asker:
    """Asks the questions of one property.

    Attributes
    ----------
    largest : float
        A bound on the sums of absolute values in all answers so far: the largest input times the largest sum of weights that meet.
    """

    def __init__(self, runner: CaseRunner) -> None:
        self.runner = runner
        self.largest = 1.0

    def __call__(self, case: Case, arrays: Arrays) -> Outputs:
        """The answer in its parts, of the right number and shapes, finite; :class:`UnansweredError` where it is anything else."""
        question = forward_question(layer_cases(case.layer), case, arrays, {})
        found = well_formed(question.function, self.runner.ask(question), _shapes(case, arrays), strict=self.runner.session.strict)
        self.largest = max(self.largest, _largest(arrays))
        return found


def _shapes(case: Case, arrays: Arrays) -> list[tuple[int, ...]]:
    """The shapes that an answer must have."""
    declaration = layer_cases(case.layer)
    xs = arrays.x if isinstance(arrays.x, tuple) else (arrays.x,)
    if isinstance(declaration, FunctionCases):
        halved = (arrays.x.shape[-1] // 2,) if case.layer == "glu" else arrays.x.shape[-1:]
        return [(*arrays.x.shape[:-1], *halved)]
    shapes = spec_of(case.layer).output_shapes(declaration.keras_config(case.config), [x.shape for x in xs])
    if case.layer == "BatchNormalization" and arrays.arguments.get("training"):
        shapes += [arrays.x.shape[-1:]] * 2
    return shapes  # type: ignore[return-value]


def _largest(arrays: Arrays) -> float:
    xs = arrays.x if isinstance(arrays.x, tuple) else (arrays.x,)
    sums = [np.max(np.sum(np.abs(weight), axis=tuple(range(weight.ndim - 1))), initial=1) for weight in arrays.weights if weight.ndim > 1]
    return float(max(np.max(np.abs(x)) for x in xs) * max(sums, default=1))


def _expectation(outputs: Outputs, meaning: float, largest: float) -> Expectation:
    """These outputs in float64, with room for either rule: ``share (size + |y|)``."""

    def room(share: float, size: float) -> Outputs:
        return tuple(share * (size + np.abs(y)) for y in outputs)

    dtypes = (np.dtype(np.float64),) * len(outputs)
    return Expectation(outputs, dtypes, partial(room, meaning, 1.0), partial(room, SUMMED * EPS, largest))


def _first(verdict: Verdict, outputs: int) -> str:
    """Where the first value is that is off, and what stands there."""
    if verdict.mismatch is None:
        return ""
    mismatch = verdict.mismatch
    place = tuple(int(n) for n in np.argwhere(mismatch.ratio > 1)[0])
    expected, got = mismatch.expected[place], mismatch.got[place]
    digits = 6 if f"{expected:.6g}" != f"{got:.6g}" else 17
    output = f"in output {mismatch.output + 1} of {outputs} " if outputs > 1 else ""
    return f"; the first {output}at {place}: expected {expected:.{digits}g}, got {got:.{digits}g}"
