"""The two oracles beside each other: on a case that live Keras has answered, what do the recorded vectors say?"""

from __future__ import annotations

from collections.abc import Sequence

from conformance.allowance import ITERATED
from conformance.contract import forward_question
from conformance.examination import Examination, SuiteError
from conformance.implementations.implementation import Implementation
from conformance.oracle.recorded import Recorded
from conformance.verdict import judge


def check_agreement(examination: Examination, implementations: Sequence[Implementation]) -> None:
    """Both oracles must come to the same verdict on each implementation.

    Raises
    ------
    SuiteError
        Where they do not; the sentence names case, implementation and both verdicts.
    """
    layer, case, expectation = examination.layer, examination.case, examination.expectation
    if expectation is None:
        return
    recorded = Recorded()
    (arrays,) = recorded.draws(layer, case, 0)
    other = recorded.expect(layer, case, arrays)
    again = forward_question(layer, case, arrays, other.arguments)
    # Strict where a second look in float32 would ask Keras for a second perturbation of everything.
    strict = case.layer in ITERATED
    for implementation in implementations:
        if implementation.refusal(examination.question) is None:
            live = judge(expectation, implementation.ask(examination.question), case.dtype, strict=strict)
            stored = judge(other, implementation.ask(again), case.dtype, strict=strict)
            if (live.status, live.remarks) != (stored.status, stored.remarks):
                said = [f"{one.status} ({one.sentence or '; '.join(one.remarks) or 'no remark'})" for one in (live, stored)]
                raise SuiteError(
                    f"{case.id} of {implementation.spec}: live Keras says {said[0]}, the recorded vectors say {said[1]}; "
                    "`conform record` records them again"
                )
