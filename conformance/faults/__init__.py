"""The catalogue of named faults: what a wrong answer looks like, and what the suite's cases must catch."""

from __future__ import annotations

import functools
from collections.abc import Container, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from conformance.base.record import FAILED, PASSED

if TYPE_CHECKING:
    from conformance.cases.questions import Answer
    from conformance.faults.fault import Fault
    from conformance.judging.exact import ExactResult
    from conformance.judging.judge import CaseResult
    from conformance.oracle.expectation import Expectation

AT_MOST = 3
ROOM = {"float64": 1e-9, "float32": 1e-5}
"""How closely a fault must repeat an answer, relative to ``1 + |answer|``: wider than correct code needs, closer than two faults are."""


def consistent_faults(
    result: CaseResult | ExactResult, among: Container[str] | None = None, at_most: int | None = AT_MOST
) -> list[str]:
    """Sentences of the faults that give this very wrong answer, at most three; those of the layer before those of its parts.

    Where sentences are given, only faults of which `among` has the sentence are asked.

    Every fault is asked the same question. One is listed when it repeats the answer (shape, type and values), is wrong itself, and is so
    for the reason that its sentence gives (see :mod:`conformance.faults.evidence`).
    Where no fault gives all of several outputs or gradients, those are listed that give the one that is most off: mistakes come
    together. Where none does, what is expected may stand there in another order of axes, or of what is along one. Faults are made of the
    reference's functions: where these are wrong themselves, none is listed.
    """
    from conformance.faults.rearranged import rearranged
    from conformance.judging.exact import ExactResult
    from conformance.judging.verdict import judge

    if isinstance(result, ExactResult):
        return _consistent_exactly(result)[:at_most]
    expectation = result.expectation
    if expectation is None:
        return []
    try:
        plain = _plain_answer(result)
        if judge(expectation, plain, result.case.dtype, strict=False).status != PASSED:
            return []
        asked = []
        for faults in _catalogue(result):
            asked.append([(fault, _answer(result, fault)) for fault in faults if among is None or fault.sentence in among])
            found = _consistent(result, expectation, asked[-1], plain)
            if found:
                return found[:at_most]
        parts = (_consistent_in_one(result, expectation, answers, plain) for answers in asked)
        moved = (sentence for sentence in rearranged(result, expectation) if among is None or sentence in among)
        return (next(filter(None, parts), None) or [*moved])[:at_most]
    except Exception:  # A diagnosis must never stand in the way of the failure that it explains.
        return []


def _consistent_exactly(result: ExactResult) -> list[str]:
    """Those that repeat an answer that is right or wrong as a whole, where the function that they are made of is right."""
    from conformance.faults.fault import Fault, FaultyImplementation, right_function
    from conformance.faults.forward import catalogue, text

    layer, part = result.layer, result.part

    def gives(fault: Fault, value: Any) -> bool:
        answer = FaultyImplementation(fault, layer).ask(result.question)
        return answer.status == PASSED and result.same(answer.value, value)

    try:
        if not gives(Fault("none", (layer,), "", right_function(layer, part), part), result.expected):
            return []
        faults = [fault for fault in catalogue.ALL.get(layer, text.FAULTS) if fault.part == part]
        return [fault.sentence for fault in faults if gives(fault, result.answer.value) and not gives(fault, result.expected)]
    except Exception:  # As above.
        return []


def _plain_answer(result: CaseResult) -> Answer:
    """What the function that the faults are made of answers to this very question."""
    from conformance.faults.fault import Fault, right_function

    layer, part = result.case.layer, result.part
    return _answer(result, Fault("none", (layer,), "", right_function(layer, part), part))


def _catalogue(result: CaseResult) -> Iterator[Iterable[Fault]]:
    """The faults that an answer may be compared with, the likeliest first."""
    from conformance.cases.losses import LOSS_CASES
    from conformance.faults.training.catalogue import TRAINING
    from conformance.faults.training.loss_calls import added_up

    case, part = result.case, result.part
    if case.layer in TRAINING:
        yield (own := [fault for fault in TRAINING[case.layer] if fault.part == part])
        if case.layer in LOSS_CASES:
            yield added_up(own)
    elif part == "backward":
        from conformance.faults.backward.catalogue import BACKWARD, gradient_faults_of_parts

        yield BACKWARD[case.layer]
        yield gradient_faults_of_parts(case)
    else:
        from conformance.faults.forward.catalogue import ALL, faults_of_parts

        yield ALL[case.layer]
        yield faults_of_parts(case)


def _answer(result: CaseResult, fault: Fault) -> Answer:
    """What a fault answers to the question."""
    from conformance.faults.fault import FaultyImplementation

    return result.ask(FaultyImplementation(fault, result.case.layer))


def _consistent(result: CaseResult, expectation: Expectation, answers: Iterable[tuple[Fault, Answer]], plain: Answer) -> list[str]:
    """Those that repeat the answer; where some do to the digits of its type, no others that do only as float32 would.

    None is listed where the right answer repeats it as closely: what differs so little may have another cause. Those come first that
    fewer of the simpler cases would have shown.
    """
    from conformance.faults.evidence import shown_by_simpler, speaks_for
    from conformance.judging.verdict import SINGLE_ONLY, judge

    dtype, strict = result.case.dtype, result.verdict.status == PASSED  # an answer that has the digits of float32 alone
    target = _as_expectation(result, expectation)

    def closeness(answer: Answer) -> int:
        likeness = judge(target, answer, dtype, strict=False)
        return 0 if likeness.status != PASSED else 1 if SINGLE_ONLY in likeness.remarks else 2

    found: dict[int, list[Fault]] = {1: [], 2: []}
    for fault, answer in answers:
        close = closeness(answer)
        if close and judge(expectation, answer, dtype, strict=strict).status == FAILED and speaks_for(fault, result):
            found[close].append(fault)
    best = max((close for close, faults in found.items() if faults), default=0)
    if best <= closeness(plain):
        return []
    faults = found[best] if len(found[best]) == 1 else sorted(found[best], key=lambda fault: shown_by_simpler(fault, result))
    return list(dict.fromkeys(fault.sentence for fault in faults))


def _consistent_in_one(
    result: CaseResult, expectation: Expectation, answers: Iterable[tuple[Fault, Answer]], plain: Answer
) -> list[str]:
    """Those that repeat the output or gradient that is most off, of several that an answer holds."""
    mismatch = result.verdict.mismatch
    if mismatch is None or len(expectation.outputs) < 2 or result.steps is not None:
        return []
    n = mismatch.output
    one = replace(
        expectation,
        outputs=expectation.outputs[n : n + 1],
        dtypes=expectation.dtypes[n : n + 1],
        names=expectation.names[n : n + 1],
        meaning=lambda: expectation.meaning()[n : n + 1],
        rounding=lambda: expectation.rounding()[n : n + 1],
        keras=None,
    )
    alone = replace(result, expectation=one, answer=_part(result.answer, n))
    return _consistent(alone, one, [(fault, _part(answer, n)) for fault, answer in answers], _part(plain, n))


def _part(answer: Answer, n: int) -> Answer:
    """One of the arrays that an answer holds."""
    return replace(answer, value=answer.value[n]) if isinstance(answer.value, tuple) and n < len(answer.value) else answer


def _as_expectation(result: CaseResult, expectation: Expectation) -> Expectation:
    """The implementation's answer as if it were what is expected, with room for another order of the same arithmetic."""
    value = result.answer.value
    outputs = tuple(np.asarray(part) for part in (value if isinstance(value, tuple) else (value,)))
    own = expectation.meaning() if result.case.dtype == "float64" else expectation.rounding()

    @functools.cache  # every fault of the catalogue is judged by it
    def room(rule: str) -> tuple[NDArray[Any], ...]:
        floor = [ROOM[rule] * (1 + np.abs(np.nan_to_num(y.astype(float), posinf=0, neginf=0))) for y in outputs]
        fits = len(own) == len(outputs) and all(a.shape == y.shape for a, y in zip(own, outputs, strict=True))
        return tuple(np.maximum(a, b) for a, b in zip(own, floor, strict=True)) if fits else tuple(floor)

    return replace(
        expectation,
        outputs=tuple(y.astype(float) if y.dtype.kind == "f" else y for y in outputs),
        dtypes=tuple(y.dtype for y in outputs),
        meaning=lambda: room("float64"),
        rounding=lambda: room("float32"),
        keras=None,
        alternatives=(),
        single=None,
    )
