"""What an implementation's backward pass returned, as a row of arrays that can be judged one by one."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

import reference
from conformance.base.arrays import Arrays
from conformance.base.record import FAILED
from conformance.base.words import a, are, counted, listed
from conformance.cases.case import Case, FunctionCases, LayerCases
from conformance.cases.gradients import state_names
from conformance.cases.questions import Answer
from conformance.judging.arguments import INPUT
from reference.activations import ACTIVATIONS
from reference.layers import LayerSpec, spec_of
from reference.layers.kinds import WrapperSpec

WITHOUT_NONE = "leaves out the None that stands for the gradient of the input"


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
    names = _names(layer, case, len(template) - len(states), len(states))
    if _leaves_out_none(value, template):
        value, answer = (None, *(value if isinstance(value, tuple) else (value,))), replace(answer, remarks=(WITHOUT_NONE,))
    if not isinstance(value, tuple):
        return _wrong(answer, f"returns {_a(value)}, where a tuple of gradients is expected: of {listed(names)}")
    if not isinstance(spec, WrapperSpec) and len(value) == 1 + len(trainable) + len(states):
        template = (inputs, *trainable, *states)  # nothing stands for a weight that an option removed
        names = [*names[: 1 + len(trainable)], *names[len(names) - len(states) :]]
    if len(value) != len(template):
        expected = f"where {len(template)} {are(len(template))} expected: of {listed(names)}"
        return _wrong(answer, f"returns {counted(len(value), 'gradient')}, {expected}{_missing(value, template, names)}")
    found: list[Any] = []
    for name, gradient, source in zip(names, value, template, strict=True):
        complaint = _collect(found, gradient, source, name)
        if complaint:
            return _wrong(answer, complaint)
    return replace(answer, value=tuple(found) if len(found) != 1 else found[0])


def _leaves_out_none(value: Any, template: Sequence[Any]) -> bool:
    """Whether all gradients are there but that of an input which has none, as courses write it: ids, of which a single table is left."""
    inputs, *rest = template
    if isinstance(inputs, list) or (inputs is not None and inputs.dtype.kind == "f"):
        return False
    parts = value if isinstance(value, tuple) else (value,)
    return len(parts) == len(rest) and all(map(_fits, parts, rest))


def _names(layer: LayerCases, case: Case, arguments: int, states: int) -> list[str]:
    """What gradients are expected of, in their order: of so many arguments, and of so many initial states."""
    taken = list(inspect.signature(getattr(reference, layer.function_name("backward"))).parameters)[1 : 1 + arguments]
    called = [{"x": INPUT, "inputs": "the inputs"}.get(name, name) for name in taken]
    return [*called, *(f"the initial state {name}" for name in state_names(case, states))]


def _missing(value: Sequence[Any], template: Sequence[Any], names: Sequence[str]) -> str:
    """Which gradients are not there, by the shapes of those that are; empty where that does not tell."""
    kept = [list(ones) for ones in combinations(range(len(template)), len(value))]
    ways = [ones for ones in kept if all(_fits(one, template[n]) for one, n in zip(value, ones, strict=True))]
    left = [name for n, name in enumerate(names) if n not in ways[0]] if len(ways) == 1 else []
    return f" ({'that' if len(left) == 1 else 'those'} of {listed(left)} {are(len(left))} missing)" if left else ""


def _fits(gradient: Any, source: Any) -> bool:
    """Whether a gradient may be that of an argument, by its form."""
    if isinstance(source, tuple | list):
        return isinstance(gradient, type(source)) and len(gradient) == len(source) and all(map(_fits, gradient, source))
    return gradient is None if source is None else isinstance(gradient, np.ndarray) and gradient.shape == source.shape


def _with_removed(spec: LayerSpec, case: Case, weights: tuple[Any, ...]) -> tuple[Any, ...]:
    """The weights with None for those at the end that an option removed; those of a wrapped layer likewise."""
    if isinstance(spec, WrapperSpec):
        inner = spec_of(case.config.get("layer", spec.wraps))
        return tuple(_filled(part, len(inner.weights)) for part in weights)
    return weights if spec.normalizes else _filled(weights, len(spec.weights))


def _filled(weights: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    return (*weights, *(None,) * (count - len(weights)))


def _collect(found: list[Any], gradient: Any, source: Any, name: str) -> str:
    """Add the gradients of one argument, which has this name; what is wrong with their structure, if anything is."""
    if isinstance(source, tuple | list):
        kind = type(source)
        if isinstance(gradient, tuple) and len(gradient) < len(source) and all(one is None for one in source[len(gradient) :]):
            source = source[: len(gradient)]
        if not isinstance(gradient, kind) or len(gradient) != len(source):
            return f"returns {_a(gradient)} as the gradient of {name}, where a {kind.__name__} of {len(source)} is expected"
        return next(filter(None, [_collect(found, one, of, name) for one, of in zip(gradient, source, strict=True)]), "")
    if gradient is None and source is not None and source.dtype.kind == "f":
        return f"returns None as the gradient of {name}"
    if source is None or source.dtype.kind != "f":
        nothing = "where None is expected: nothing there has a gradient"
        return "" if gradient is None else f"returns {_a(gradient)} as the gradient of {name}, {nothing}"
    if not isinstance(gradient, np.ndarray | np.generic):
        return f"returns {_a(gradient)} as the gradient of {name}, where an array is expected"
    found.append(gradient)
    return ""


def _wrong(answer: Answer, sentence: str) -> Answer:
    return Answer(FAILED, message=f"it {sentence}", changed=answer.changed, printed=answer.printed)


def _a(value: Any) -> str:
    return a(type(value).__name__) + (f" of {len(value)}" if isinstance(value, tuple | list) else "")
