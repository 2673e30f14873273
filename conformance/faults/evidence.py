"""Whether an answer that a fault repeats speaks for the fault: for the mistake that its sentence names, and not for something beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from conformance.base.record import PASSED
from conformance.cases.case import declared_cases
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
    (NaN, zeros, nothing at all) speak for a mistake that gives wrong numbers on ordinary inputs: those would show it.
    """
    if fault.plain is not None and not _is_right(replace(fault, function=fault.plain), result):
        return False
    return fault.of_a_part or holds_numbers(result.answer) or not _departs_on_ordinary_inputs(fault, result)


def holds_numbers(answer: Answer) -> bool:
    """Whether there is a number in an answer: anything finite but 0."""
    parts = answer.value if isinstance(answer.value, tuple) else (answer.value,)
    return any(bool(np.any(np.isfinite(one) & (one != 0))) for one in map(np.asarray, parts))


def _is_right(fault: Fault, result: CaseResult) -> bool:
    expectation = result.expectation
    assert expectation is not None
    answer = result.ask(FaultyImplementation(fault, result.case.layer))
    return judge(expectation, answer, result.case.dtype, strict=False).status == PASSED


def _departs_on_ordinary_inputs(fault: Fault, result: CaseResult) -> bool:
    """Whether the fault is wrong in the layer's first case already."""
    asked, layer = _first(result), result.case.layer
    right = Fault("none", (layer,), "", right_function(layer, fault.part), fault.part)
    return not same_answer(*(asked.ask(FaultyImplementation(one, layer)) for one in (fault, right)))


def _first(result: CaseResult) -> CaseResult:
    """The first case of the layer, with the question about the same function."""
    layer, name = result.layer, result.case.layer
    if result.steps is not None:
        case = next(optimizer_cases(name))
        return replace(result, case=case, steps=draw_steps(case, 0))
    if isinstance(layer, LossCases):
        case = next(loss_cases(name))
        arrays = draw_loss(case, 0)
        backward = result.part == "backward"
        question = backward_question(layer, case, arrays, {}, ()) if backward else forward_question(layer, case, arrays, {})
        return replace(result, case=case, arrays=arrays, question=question)
    if result.part == "backward":
        case = next(backward_cases(layer, "smoke"))
        drawn = draw_backward(layer, case, 0)
        question = backward_question(layer, case, drawn.arrays, {}, drawn.grads)
        return replace(result, case=case, arrays=drawn.arrays, question=question, grads=drawn.grads)
    case = next(declared_cases(layer))
    arrays = draw_arrays(layer, case, case.seed(0))
    return replace(result, case=case, arrays=arrays, question=forward_question(layer, case, arrays, {}))
