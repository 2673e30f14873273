"""What an implementation's backward pass returned, as a row of arrays that can be judged one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from conformance.base.arrays import Arrays
from conformance.base.record import FAILED, PASSED
from conformance.cases.case import Case, FunctionCases, LayerCases
from conformance.cases.questions import Answer
from reference.activations import ACTIVATIONS
from reference.layers import LayerSpec, spec_of
from reference.layers.kinds import WrapperSpec


def flattened(layer: LayerCases, case: Case, arrays: Arrays, weights: Sequence[Any], answer: Answer) -> Answer:
    """The gradients that an answer holds, one after the other; an answer of another structure fails with a sentence."""
    value = answer.value
    if isinstance(layer, FunctionCases) or (layer.layer.lower() in ACTIVATIONS and isinstance(value, np.ndarray)):
        return answer  # softmax_backward and elu_backward are those of a function and of a layer
    inputs: Any = list(arrays.x) if isinstance(arrays.x, tuple) else arrays.x
    spec = spec_of(case.layer)
    if spec.rows is not None:
        inputs = None  # floats, too, only name rows
    states = arrays.arguments.get("initial_state", ())
    trainable = tuple(weights[: sum(weight.trained for weight in spec.weights.values())] if spec.normalizes else weights)
    template = (inputs, *_with_removed(spec, case, trainable), *states)
    if not isinstance(value, tuple):
        return _wrong(answer, f"returns {_a(value)}, where a tuple of gradients is expected: of input, weights and states")
    if not isinstance(spec, WrapperSpec) and len(value) == 1 + len(trainable) + len(states):
        template = (inputs, *trainable, *states)  # nothing stands for a weight that an option removed
    if len(value) != len(template):
        return _wrong(answer, f"returns {len(value)} gradients, where {len(template)} are expected: of input, weights and states")
    found: list[Any] = []
    for number, (gradient, source) in enumerate(zip(value, template, strict=True)):
        complaint = _collect(found, gradient, source)
        if complaint:
            return _wrong(answer, f"returns gradients of which number {number + 1} of {len(template)} {complaint}")
    return Answer(PASSED, tuple(found) if len(found) != 1 else found[0], changed=answer.changed, printed=answer.printed)


def _with_removed(spec: LayerSpec, case: Case, weights: tuple[Any, ...]) -> tuple[Any, ...]:
    """The weights with None for those at the end that an option removed; those of a wrapped layer likewise."""
    if isinstance(spec, WrapperSpec):
        inner = spec_of(case.config.get("layer", spec.wraps))
        return tuple(_filled(part, len(inner.weights)) for part in weights)
    return weights if spec.normalizes else _filled(weights, len(spec.weights))


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
