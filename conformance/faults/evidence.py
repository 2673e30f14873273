"""Whether an answer that a fault repeats speaks for the fault: for the mistake that its sentence names, and not for something beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.base.record import PASSED
from conformance.cases.case import Case, LayerCases, declared_cases
from conformance.cases.draw import draw_arrays
from conformance.cases.gradients import backward_cases, draw_backward
from conformance.cases.losses import LossCases, draw_loss, loss_cases
from conformance.cases.optimizers import draw_steps, optimizer_cases
from conformance.cases.questions import Answer, backward_question, forward_question
from conformance.faults.fault import Fault, FaultyImplementation, right_function
from conformance.judging.again import same_answer
from conformance.judging.judge import CaseResult
from conformance.judging.verdict import judge


def speaks_for(fault: Fault, result: CaseResult) -> bool:
    """Whether the answer, which the fault repeats, differs from the right one for the reason that the fault's sentence gives.

    It does not where the code of the fault is wrong with the mistake taken out as well. Nor does an answer without a single number
    (NaN, zeros, nothing at all) speak for a mistake that gives wrong numbers where no more is asked for: those would show it. NaN in some
    places and zeros in others do, by where they stand.
    """
    if fault.plain is not None and not _is_right(replace(fault, function=fault.plain), result):
        return False
    return holds_numbers(result.answer) or _has_nan_in_places(result.answer) or not shown_by_simpler(fault, result)


def _has_nan_in_places(answer: Answer) -> bool:
    """Whether some values of an array are NaN and others are not."""
    parts = answer.value if isinstance(answer.value, tuple) else (answer.value,)
    return any(0 < np.mean(np.isnan(one)) < 1 for one in map(np.asarray, parts) if one.size and one.dtype.kind == "f")


def holds_numbers(answer: Answer) -> bool:
    """Whether there is a number in an answer: anything finite but 0."""
    parts = answer.value if isinstance(answer.value, tuple) else (answer.value,)
    return any(bool(np.any(np.isfinite(one) & (one != 0))) for one in map(np.asarray, parts))


def _is_right(fault: Fault, result: CaseResult) -> bool:
    expectation = result.expectation
    assert expectation is not None
    answer = result.ask(FaultyImplementation(fault, result.case.layer))
    return judge(expectation, answer, result.case.dtype, strict=False).status == PASSED


def shown_by_simpler(fault: Fault, result: CaseResult) -> int:
    """In how many cases that ask for no more than this one the fault gives wrong numbers, so that each of them would show it better.

    A fault of a part is made for one question; it is shown by none.
    """
    if fault.of_a_part:
        return 0
    return sum(_shown(asked, fault) for asked in _simpler(result))


_known: dict[tuple[str, str, str, bool], bool] = {}


def _shown(asked: CaseResult, fault: Fault) -> bool:
    """As :func:`_wrong_numbers`, found out once for a fault and a case."""
    key = fault.name, fault.part, asked.case.id, asked.along_rows
    if key not in _known:
        _known[key] = _wrong_numbers(asked, fault)
    return _known[key]


def _wrong_numbers(asked: CaseResult, fault: Fault) -> bool:
    """Whether the fault's numbers are others than the right ones in a case whose answer has any."""
    layer = asked.case.layer
    right = Fault("none", (layer,), "", right_function(layer, fault.part), fault.part)
    wrong, wanted = (asked.ask(FaultyImplementation(one, layer)) for one in (fault, right))
    if wrong.status != PASSED or wanted.status != PASSED or not holds_numbers(wanted):
        return False
    return not same_answer(_without_nan(wrong, wanted), _without_nan(wanted, wrong))


def _without_nan(one: Answer, other: Answer) -> Answer:
    """An answer with 0 where either has no finite number."""

    def comparable(y: Any, beside: Any) -> Any:
        y, beside = np.asarray(y), np.asarray(beside)
        return y if y.shape != beside.shape or y.dtype.kind != "f" else np.where(np.isfinite(y) & np.isfinite(beside), y, 0)

    if not isinstance(one.value, tuple) or not isinstance(other.value, tuple) or len(one.value) != len(other.value):
        return replace(one, value=comparable(one.value, other.value)) if not isinstance(one.value, tuple) else one
    return replace(one, value=tuple(map(comparable, one.value, other.value)))


def _simpler(result: CaseResult) -> Iterator[CaseResult]:
    """Questions of the layer's other cases, in float64, with no option that this one has not, and no other kind of values."""
    layer, asked = result.layer, result.case
    for case in _declared(result):
        fewer = case.config.keys() <= asked.config.keys() and case.call.keys() <= asked.call.keys()
        ordinary = case.call.get("values") in (None, asked.call.get("values"))
        if case.dtype == "float64" and fewer and ordinary and case.id != asked.id and not _draws_by_chance(case):
            yield _question(result, layer, case)


def _declared(result: CaseResult) -> Iterator[Case]:
    name = result.case.layer
    if result.steps is not None:
        return optimizer_cases(name, "smoke")
    if isinstance(result.layer, LossCases):
        return loss_cases(name, "smoke")
    return backward_cases(result.layer, "smoke") if result.part == "backward" else declared_cases(result.layer, "smoke")


def _draws_by_chance(case: Case) -> bool:
    """Whether only Keras can say what a Dropout layer drops in this case."""
    return bool(case.call.get("training")) and case.layer.endswith(("Dropout", "Dropout1D", "Dropout2D"))


def _question(result: CaseResult, layer: LayerCases, case: Case) -> CaseResult:
    """The same kind of question about another case."""
    if result.steps is not None:
        return replace(result, case=case, steps=draw_steps(case, 0))
    if isinstance(layer, LossCases):
        arrays = draw_loss(case, 0)
        backward = result.part == "backward"
        question = backward_question(layer, case, arrays, {}, ()) if backward else forward_question(layer, case, arrays, {})
        return replace(result, case=case, arrays=arrays, question=question)
    if result.part == "backward":
        drawn = draw_backward(layer, case, 0)
        question = backward_question(layer, case, drawn.arrays, {}, drawn.grads)
        return replace(result, case=case, arrays=drawn.arrays, question=question, grads=drawn.grads)
    arrays = draw_arrays(layer, case, case.seed(0))
    return replace(result, case=case, arrays=arrays, question=forward_question(layer, case, arrays, {}))
