"""Every declared case that has gradients: the backward pass against Keras's automatic differentiation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.arrays import Arrays
from conformance.cases import ALL, layer_cases
from conformance.cases.arrays import draw_arrays
from conformance.cases.case import Case, LayerCases, declared_cases
from conformance.contract import Answer, backward_question
from conformance.desk import Desk
from conformance.examination import Examination
from conformance.record import Record
from conformance.statuses import FAILED, PASSED, SKIPPED
from conformance.verdict import Verdict, judge
from reference.output_shapes import output_shapes

Array = NDArray[Any]

WITHOUT_GRADIENT = frozenset(
    {"nan", "infinite", "minus_infinite", "all_nan", "all_minus_infinity", "nan_at_masked_steps", "booleans", "minus_zero"}
)
"""Inputs on which a gradient is not a number, or none is defined."""
NOT_RECORDED = "gradients are compared with live Keras only: the recorded vectors hold forward passes"


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[Case]]]:
    """The declared cases that can be differentiated."""
    for layer in (layer_cases(name) for name in layers if name in ALL):
        yield from ((case.id, (case,)) for case in declared_cases(layer, profile) if differentiable(layer, case))


def differentiable(layer: LayerCases, case: Case) -> bool:
    """Whether Keras and the documentation agree on the values, and these have gradients; ``unroll`` changes nothing of them."""
    values = case.call.get("values", layer.call.get("values", ["ordinary"])[0])
    whole = values == "integers" and not layer.weights(case.config, case.shape)
    return case.deviation is None and values not in WITHOUT_GRADIENT and not whole and not case.config.get("unroll")


def check(desk: Desk, case: Case) -> None:
    """The gradients must be Keras's, within what is allowed."""
    if not desk.oracle.live:
        desk.settle(Record(desk.identifier, case.layer, "backward", SKIPPED, message=NOT_RECORDED), lambda: "")
        return
    examination = examine(desk, case)
    desk.settle(examination.record(desk.identifier, "backward"), lambda: desk.explanation(examination, "backward"))


def examine(desk: Desk, case: Case) -> Examination:
    """Judge a case without consequences."""
    from conformance.oracle.gradients import Backward, expect_gradients

    layer = layer_cases(case.layer)
    arrays = draw_arrays(layer, case, case.seed(desk.session.seed))
    grads = draw_gradients(layer, case, arrays, desk.session.seed)
    question = backward_question(layer, case, arrays, {}, grads)
    refusal = desk.session.implementation.refusal(question)
    if refusal is not None:
        return Examination(layer, case, arrays, question, None, refusal, Verdict(refusal.status, refusal.message))
    expectation = expect_gradients(layer, case, Backward(arrays, grads))
    question = backward_question(layer, case, arrays, expectation.arguments, grads)
    answer = desk.ask(question)
    if answer.status == PASSED:
        answer = flattened(layer, case, arrays, question.positional[2:], answer)
    verdict = judge(expectation, answer, case.dtype, strict=desk.session.strict)
    return Examination(layer, case, arrays, question, expectation, answer, verdict)


def draw_gradients(layer: LayerCases, case: Case, arrays: Arrays, seed: int) -> tuple[Array, ...]:
    """A gradient for each output, drawn beside the arrays of the case."""
    xs = arrays.x if isinstance(arrays.x, tuple) else (arrays.x,)
    shapes: Any
    if layer.function:
        halved = arrays.x.shape[-1] // 2 if case.layer == "glu" else arrays.x.shape[-1]
        shapes = [(*arrays.x.shape[:-1], halved)]
    else:
        shapes = output_shapes(case.layer, layer.keras_config(case.config), [x.shape for x in xs])
    rng = np.random.default_rng([case.seed(seed), 1])
    return tuple(np.asarray(rng.normal(0, 1, shape)).astype(case.dtype) for shape in shapes)


def flattened(layer: LayerCases, case: Case, arrays: Arrays, weights: Sequence[Any], answer: Answer) -> Answer:
    """The gradients that an answer holds, one after the other; an answer of another structure fails with a sentence."""
    value = answer.value
    if layer.function:
        return answer
    states = len(arrays.arguments.get("initial_state", ()))
    trainable = weights[:2] if case.layer == "BatchNormalization" else weights
    inputs = list(arrays.x) if isinstance(arrays.x, tuple) else arrays.x
    template = [inputs, *trainable, *arrays.arguments.get("initial_state", ())]
    if not isinstance(value, tuple):
        return _wrong(answer, f"returns {_a(value)}, where a tuple of gradients is expected: of input, weights and states")
    given = list(value)
    while len(given) > len(template) and given[-1] is None and not states:
        given.pop()  # of a weight that an option removed
    if len(given) != len(template):
        return _wrong(answer, f"returns {len(given)} gradients, where {len(template)} are expected: of input, weights and states")
    found: list[Any] = []
    for number, (gradient, source) in enumerate(zip(given, template, strict=True)):
        complaint = _collect(found, gradient, source)
        if complaint:
            return _wrong(answer, f"gradient {number + 1} of {len(template)} {complaint}")
    return Answer(PASSED, tuple(found) if len(found) != 1 else found[0], changed=answer.changed, printed=answer.printed)


def _collect(found: list[Any], gradient: Any, source: Any) -> str:
    """Add the gradients of one argument; what is wrong with their structure, if anything is."""
    if isinstance(source, tuple | list):
        kind = type(source)
        if not isinstance(gradient, kind) or len(gradient) != len(source):
            return f"is {_a(gradient)}, where a {kind.__name__} of {len(source)} is expected"
        return next(filter(None, [_collect(found, one, of) for one, of in zip(gradient, source, strict=True)]), "")
    if source is None or source.dtype.kind != "f":
        of = "a weight that is not there" if source is None else "whole numbers"
        return "" if gradient is None else f"is {_a(gradient)}, where None is expected: it is that of {of}"
    if gradient is None:
        return "is None"
    found.append(gradient)
    return ""


def _wrong(answer: Answer, sentence: str) -> Answer:
    return Answer(FAILED, message=f"it {sentence}", changed=answer.changed, printed=answer.printed)


def _a(value: Any) -> str:
    return f"a {type(value).__name__}" + (f" of {len(value)}" if isinstance(value, tuple | list) else "")
