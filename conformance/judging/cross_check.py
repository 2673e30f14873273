"""The two oracles beside each other: on a case that live Keras has answered, what do the recorded vectors say?"""

from __future__ import annotations

from collections.abc import Sequence

from conformance.base.arrays import same
from conformance.base.errors import SuiteError
from conformance.cases.case import Case
from conformance.cases.questions import backward_question, forward_question
from conformance.cases.tolerance import ITERATED
from conformance.implementations.protocol import Implementation
from conformance.judging.judge import CaseResult
from conformance.judging.verdict import Verdict, judge
from conformance.oracle.recorded.reader import Recorded


def check_agreement(result: CaseResult, implementations: Sequence[Implementation]) -> None:
    """Both oracles must come to the same verdict on each implementation.

    Raises
    ------
    SuiteError
        Where they do not; the sentence names case, implementation and both verdicts.
    """
    layer, case, expectation = result.layer, result.case, result.expectation
    if expectation is None:
        return
    recorded = Recorded()
    (arrays,) = recorded.draws(layer, case, 0)
    other = recorded.expect(layer, case, arrays)
    again = forward_question(layer, case, arrays, other.arguments)
    # Strict where a second look in float32 would ask Keras for a second perturbation of everything.
    strict = case.layer in ITERATED
    for implementation in implementations:
        if implementation.refusal(result.question) is None:
            live = judge(expectation, implementation.ask(result.question), case.dtype, strict=strict)
            stored = judge(other, implementation.ask(again), case.dtype, strict=strict)
            _require_equal(case, implementation.spec, live, stored)


def check_gradient_agreement(result: CaseResult, spec: str, *, strict: bool) -> None:
    """What live Keras said about an answer (of the implementation `spec`) to a question about gradients, the vectors must say, too.

    Raises
    ------
    SuiteError
        Where they do not, or where they were recorded with other arrays.
    """
    layer, case = result.layer, result.case
    if result.expectation is None:
        return
    recorded = Recorded()
    backward = recorded.backward(layer, case, 0)
    other = recorded.gradients(layer, case, backward)
    again = backward_question(layer, case, backward.arrays, other.arguments, backward.grads)
    if not same((again.positional, again.keywords), (result.question.positional, result.question.keywords)):
        raise SuiteError(f"{case.id} is differentiated with other arrays than were recorded; `conform record` records them again")
    _require_equal(case, spec, result.verdict, judge(other, result.answer, case.dtype, strict=strict))


def _require_equal(case: Case, spec: str, live: Verdict, stored: Verdict) -> None:
    if (live.status, live.remarks) != (stored.status, stored.remarks):
        said = [f"{one.status} ({one.sentence or '; '.join(one.remarks) or 'no remark'})" for one in (live, stored)]
        raise SuiteError(
            f"{case.id} of {spec}: live Keras says {said[0]}, the recorded vectors say {said[1]}; `conform record` records them again"
        )
