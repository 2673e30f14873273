"""The catalogue of named faults: what a wrong answer looks like, and what the suite's cases must catch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from conformance.statuses import FAILED, PASSED

if TYPE_CHECKING:
    from conformance.examination import Examination
    from conformance.faults.fault import Fault
    from conformance.oracle.expectation import Expectation

AT_MOST = 3
ROOM = {"float64": 1e-9, "float32": 1e-5}
"""How closely a fault must repeat an answer, relative to ``1 + |answer|``: wider than correct code needs, closer than two faults are."""


def consistent_faults(examination: Examination) -> list[str]:
    """Sentences of the faults that give this very wrong answer, at most three; those of the layer before those of its parts.

    Every fault is asked the same question. One is listed when it repeats the answer (shape, type and values) and is wrong itself.
    """
    from conformance.faults.catalogue import ALL, faults_of_parts

    expectation = examination.expectation
    if expectation is None:
        return []
    try:
        for faults in (ALL[examination.case.layer], faults_of_parts(examination.case)):
            found = _consistent(examination, expectation, faults)
            if found:
                return found[:AT_MOST]
    except Exception:  # A diagnosis must never stand in the way of the failure that it explains.
        return []
    return []


def _consistent(examination: Examination, expectation: Expectation, faults: Iterable[Fault]) -> list[str]:
    """Those that repeat the answer; where some do to the digits of its type, no others that do only as float32 would."""
    from conformance.faults.fault import FaultyImplementation
    from conformance.verdict import SINGLE_ONLY, judge

    dtype = examination.case.dtype
    target = _as_expectation(examination, expectation)
    closely: list[str] = []
    roughly: list[str] = []
    for fault in faults:
        answer = FaultyImplementation(fault, examination.case.layer).ask(examination.question)
        if answer.status != PASSED:
            continue
        likeness = judge(target, answer, dtype, strict=False)
        if likeness.status == PASSED and judge(expectation, answer, dtype, strict=False).status == FAILED:
            (roughly if SINGLE_ONLY in likeness.remarks else closely).append(fault.sentence)
    return list(dict.fromkeys(closely or roughly))


def _as_expectation(examination: Examination, expectation: Expectation) -> Expectation:
    """The implementation's answer as if it were what is expected, with room for another order of the same arithmetic."""
    value = examination.answer.value
    outputs = tuple(np.asarray(part) for part in (value if isinstance(value, tuple) else (value,)))
    own = expectation.meaning() if examination.case.dtype == "float64" else expectation.rounding()

    def room(least: float) -> tuple[NDArray[Any], ...]:
        floor = [least * (1 + np.abs(np.nan_to_num(y.astype(float), posinf=0, neginf=0))) for y in outputs]
        fits = len(own) == len(outputs) and all(a.shape == y.shape for a, y in zip(own, outputs, strict=True))
        return tuple(np.maximum(a, b) for a, b in zip(own, floor, strict=True)) if fits else tuple(floor)

    return replace(
        expectation,
        outputs=tuple(y.astype(float) if y.dtype.kind == "f" else y for y in outputs),
        dtypes=tuple(y.dtype for y in outputs),
        meaning=lambda: room(ROOM["float64"]),
        rounding=lambda: room(ROOM["float32"]),
        keras=None,
        alternatives=(),
        single=None,
    )
