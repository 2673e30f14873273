"""The same question with fewer options: what a refusal is told from an error by."""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.base.arrays import Array, Arrays
from conformance.cases import NAMES, TEXT, layer_cases
from conformance.cases.case import Case, FunctionCases, LayerCases
from conformance.cases.gradients import shapes_of_outputs
from conformance.cases.questions import Origin, Question, backward_question, forward_question
from reference.layers import LAYERS, LayerSpec, spec_of
from reference.layers.kinds import WrapperSpec
from reference.layers.spec import REQUIRED

REMOVING = frozenset(weight.unless for spec in LAYERS.values() for weight in spec.weights.values() if weight.unless)
"""The options that remove a weight where they are False; they are not passed."""

INSTEAD = {"Activation": {"activation": "relu"}}
"""Of options without a default, which are refused like others, the value that stands for one: the one that most people have."""

DOUBLED = 4
"""So often an image that is too small is doubled: no window covers 16 cells."""


def options_of(question: Question) -> dict[str, Any]:
    """The options that differ from Keras's defaults: those that are passed, and those that only a missing weight shows.

    What has no default (``rate``) is not among them, nor has any in its stead.
    """
    origin, spec = question.origin, _spec(question)
    required = {name for name, option in spec.options.items() if option.default is REQUIRED} if spec else set()
    instead = INSTEAD.get(spec.class_name, {}) if spec else {}
    required -= {name for name in instead if question.keywords.get(name) != instead[name]}
    if not isinstance(origin, Origin):
        return {name: value for name, value in question.keywords.items() if name not in required}
    if isinstance(origin.layer, FunctionCases):
        required = origin.case.config.keys() - origin.layer.defaults().keys()
    passed = {name: value for name, value in question.keywords.items() if name not in required}
    return passed | dict.fromkeys(_removing(origin), False)


def with_options(question: Question, kept: Collection[str]) -> Question | None:
    """The same question with these of its options alone, all others at Keras's defaults.

    The arrays are the same where they fit. A weight of another shape (without ``groups``, ``reset_after=False``) repeats the values of the
    one that it stands for, and one that was not there is 1. An image is turned from ``channels_first``, and repeated where only padding
    made it large enough. Gradients of outputs repeat theirs. Where ``glu`` halves nothing any more, the activation goes, too.
    None where Keras has no such layer.
    """
    dropped = options_of(question).keys() - set(kept)
    origin = question.origin
    if not isinstance(origin, Origin):
        return replace(question, keywords={name: value for name, value in question.keywords.items() if name not in dropped})
    layer, config = origin.layer, {name: value for name, value in origin.case.config.items() if name not in dropped}
    if "layer" in dropped:  # the one that is wrapped otherwise has sizes of its own, and as many gates
        config = {**{name: values[0] for name, values in layer.sizes.items()}, **config}
        dropped = dropped | {"dropout_mask", "recurrent_dropout_mask"}
    instead = {name: value for name, value in INSTEAD.get(layer.layer, {}).items() if name in dropped}
    case = replace(origin.case, config={**layer.constant, **config, **instead})
    try:
        arrays = _fitting(origin, case, dropped)
        grads = _grads(origin, case, arrays)
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError):
        return with_options(question, set(kept) - {"activation"}) if "activation" in options_of(question).keys() & set(kept) else None
    chosen = {name: value for name, value in origin.chosen.items() if name not in dropped}
    return forward_question(layer, case, arrays, chosen) if grads is None else backward_question(layer, case, arrays, chosen, grads)


def acts_with(question: Question, name: str) -> frozenset[str]:
    """The options without which one of a question's does nothing, as the declaration of the layer has them."""
    origin = question.origin
    layer = origin.layer if isinstance(origin, Origin) else _declared().get(question.function)
    return frozenset() if layer is None else frozenset(layer.alone.acts_with.get(name, ()))


@functools.cache
def _declared() -> dict[str, LayerCases]:
    """The declaration of each function that is asked without a case."""
    layers = [layer_cases(name) for name in NAMES if name != TEXT]
    return {layer.function_name(part): layer for layer in layers for part in ("forward", "backward", "compute_mask")}


def _spec(question: Question) -> LayerSpec | None:
    """The record of the layer that is asked for; None for activation functions, losses and optimizers."""
    name = question.function.removesuffix("_compute_mask").removesuffix("_forward").removesuffix("_backward")
    return next((spec for spec in LAYERS.values() if spec.name == name and question.function != name), None)


def _removing(origin: Origin) -> list[str]:
    """The options that remove a weight, of those that are set so."""
    if isinstance(origin.layer, FunctionCases):
        return []
    spec = spec_of(origin.case.layer)
    owner = spec_of(origin.case.config.get("layer", spec.wraps)) if isinstance(spec, WrapperSpec) else spec
    switches = dict.fromkeys(weight.unless for weight in owner.weights.values() if weight.unless)
    return [name for name in switches if origin.case.config.get(name, True) is False]


def _fitting(origin: Origin, case: Case, dropped: Collection[str]) -> Arrays:
    """The arrays of a question for the same case with fewer options."""
    layer, arrays = origin.layer, origin.arrays
    arguments = {name: value for name, value in arrays.arguments.items() if name not in dropped}
    if isinstance(layer, FunctionCases):
        return replace(arrays, arguments=arguments)
    x = _input(origin, case, dropped)
    weights = _weights(layer, origin, case, x)
    if "initial_state" in arguments:
        given, widths = arguments["initial_state"], spec_of(case.layer).state_widths(layer.keras_config(case.config))
        arguments["initial_state"] = tuple(np.resize(given[n % len(given)], (len(x), width)) for n, width in enumerate(widths))
    return Arrays(x, weights, arguments)


def _input(origin: Origin, case: Case, dropped: Collection[str]) -> Any:
    """The input, turned from ``channels_first``, and repeated where a window only fits into it with padding.

    Several inputs that differ along an axis become as many of the first. ``ValueError`` where Keras has no such layer.
    """
    x = origin.arrays.x
    if isinstance(x, tuple):
        return (x[0],) * len(x) if "axis" in dropped else x
    if "data_format" in dropped:
        x = np.moveaxis(x, 1, -1)
    first = 2 if case.config.get("data_format") == "channels_first" else 1
    for _ in range(DOUBLED if "padding" in dropped else 0):
        if _shapes(origin, case, x) is not None:
            break
        x = np.tile(x, [2 if first <= axis < first + x.ndim - 2 else 1 for axis in range(x.ndim)])
    if _shapes(origin, case, x) is None:
        raise ValueError(f"{case.layer} takes no such input with these options")
    return x


def _shapes(origin: Origin, case: Case, x: Any) -> list[Any] | None:
    """The shapes of the outputs; None where Keras has no such layer."""
    try:
        return spec_of(case.layer).output_shapes(origin.layer.keras_config(case.config), [x.shape])
    except ValueError:
        return None


def _weights(layer: LayerCases, origin: Origin, case: Case, x: Any) -> tuple[Array, ...]:
    if isinstance(x, tuple):
        return origin.arrays.weights
    given = dict(zip(layer.weights(origin.case.config, origin.arrays.x.shape), origin.arrays.weights, strict=True))
    wanted = layer.weights(case.config, x.shape)
    return tuple(np.resize(given[name], shape) if name in given else np.ones(shape, case.dtype) for name, shape in wanted.items())


def _grads(origin: Origin, case: Case, arrays: Arrays) -> tuple[Array, ...] | None:
    """Gradients of the outputs that the case now has; none for a forward pass, and an empty row for a loss."""
    if not origin.grads:
        return origin.grads
    shapes = shapes_of_outputs(origin.layer, case, arrays)
    return tuple(np.resize(origin.grads[n % len(origin.grads)], shape) for n, shape in enumerate(shapes))
