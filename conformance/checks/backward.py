"""Every declared case that has gradients: the backward pass against Keras's automatic differentiation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.allowance import ITERATED, rounds_constants
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
from reference.activations import ACTIVATIONS
from reference.calls import WRAPPERS, signature_of
from reference.output_shapes import output_shapes

Array = NDArray[Any]

WITHOUT_GRADIENT = frozenset(
    {"nan", "infinite", "minus_infinite", "all_nan", "all_minus_infinity", "booleans", "minus_zero"}
)
"""Inputs on which a gradient is not a number, or none is defined."""
NOT_RECORDED = "gradients are compared with live Keras only: the recorded vectors hold forward passes"


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[Case]]]:
    """The declared cases that can be differentiated.

    In float64 all, in float32 every option alone. Of layers that Keras differentiates step by step, which takes longest, every option
    alone in float64 and none but the inputs in float32. ``full`` asks all of them.
    """
    for layer in (layer_cases(name) for name in layers if name in ALL):
        alone = {case.id for case in declared_cases(layer, "smoke")}
        for case in declared_cases(layer, profile):
            if layer.layer not in ITERATED:
                wanted = case.dtype == "float64" or case.id in alone
            else:
                wanted = case.id in alone and (case.dtype == "float64" or not {*layer.options, *layer.call} & {*case.config, *case.call})
            if differentiable(layer, case) and (wanted or profile == "full"):
                yield case.id, (case,)


def differentiable(layer: LayerCases, case: Case) -> bool:
    """Whether Keras and the documentation agree on the values, and these have gradients; ``unroll`` changes nothing of them."""
    values = case.call.get("values", layer.call.get("values", ["ordinary"])[0])
    whole = values == "integers" and not layer.weights(case.config, case.shape)
    known = case.deviation is None and values not in WITHOUT_GRADIENT and not whole and not case.config.get("unroll")
    return known and not (case.dtype == "float64" and rounds_constants(case))


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
        shape = list(arrays.x.shape)
        if case.layer == "glu":
            shape[case.config.get("axis", -1)] //= 2
        shapes = [shape]
    elif case.layer == "Concatenate" and case.config.get("axis") == 0:
        shapes = [(sum(len(x) for x in xs), *xs[0].shape[1:])]
    else:
        shapes = output_shapes(case.layer, layer.keras_config(case.config), [x.shape for x in xs])
    rng = np.random.default_rng([case.seed(seed), 1])
    return tuple(np.asarray(rng.normal(0, 1, shape)).astype(case.dtype) for shape in shapes)


def flattened(layer: LayerCases, case: Case, arrays: Arrays, weights: Sequence[Any], answer: Answer) -> Answer:
    """The gradients that an answer holds, one after the other; an answer of another structure fails with a sentence."""
    value = answer.value
    if layer.function or (layer.layer.lower() in ACTIVATIONS and isinstance(value, np.ndarray)):
        return answer  # softmax_backward and elu_backward are those of a function and of a layer
    inputs: Any = list(arrays.x) if isinstance(arrays.x, tuple) else arrays.x
    if case.layer == "Embedding":
        inputs = None  # floats, too, only name rows
    states = arrays.arguments.get("initial_state", ())
    trainable = tuple(weights[:2] if case.layer == "BatchNormalization" else weights)
    template = (inputs, *_with_removed(case, trainable), *states)
    if not isinstance(value, tuple):
        return _wrong(answer, f"returns {_a(value)}, where a tuple of gradients is expected: of input, weights and states")
    if case.layer not in WRAPPERS and len(value) == 1 + len(trainable) + len(states):
        template = (inputs, *trainable, *states)  # nothing stands for a weight that an option removed
    if len(value) != len(template):
        return _wrong(answer, f"returns {len(value)} gradients, where {len(template)} are expected: of input, weights and states")
    found: list[Any] = []
    for number, (gradient, source) in enumerate(zip(value, template, strict=True)):
        complaint = _collect(found, gradient, source)
        if complaint:
            return _wrong(answer, f"returns gradients of which number {number + 1} of {len(template)} {complaint}")
    return Answer(PASSED, tuple(found) if len(found) != 1 else found[0], changed=answer.changed, printed=answer.printed)


def _with_removed(case: Case, weights: tuple[Any, ...]) -> tuple[Any, ...]:
    """The weights with None for those at the end that an option removed; those of a wrapped layer likewise."""
    if case.layer in WRAPPERS:
        inner = case.config.get("layer", WRAPPERS[case.layer])
        return tuple(_filled(part, len(signature_of(inner).weights)) for part in weights)
    return weights if case.layer == "BatchNormalization" else _filled(weights, len(signature_of(case.layer).weights))


def _filled(weights: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    return (*weights, *(None,) * (count - len(weights)))


def _collect(found: list[Any], gradient: Any, source: Any) -> str:
    """Add the gradients of one argument; what is wrong with their structure, if anything is."""
    if isinstance(source, tuple | list):
        kind = type(source)
        if isinstance(gradient, tuple) and len(gradient) < len(source) and all(one is None for one in source[len(gradient) :]):
            source = source[: len(gradient)]
        if not isinstance(gradient, kind) or len(gradient) != len(source):
            return f"is {_a(gradient)}, where a {kind.__name__} of {len(source)} is expected"
        return next(filter(None, [_collect(found, one, of) for one, of in zip(gradient, source, strict=True)]), "")
    if source is None or source.dtype.kind != "f":
        return "" if gradient is None else f"is {_a(gradient)}, where None is expected: nothing there has a gradient"
    if gradient is None:
        return "is None"
    found.append(gradient)
    return ""


def _wrong(answer: Answer, sentence: str) -> Answer:
    return Answer(FAILED, message=f"it {sentence}", changed=answer.changed, printed=answer.printed)


def _a(value: Any) -> str:
    return f"a {type(value).__name__}" + (f" of {len(value)}" if isinstance(value, tuple | list) else "")
