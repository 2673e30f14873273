"""Which declared cases have gradients, and what a backward pass is asked with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.base.arrays import Array, Arrays
from conformance.cases.case import Case, FunctionCases, LayerCases, declared_cases, pairs_of_options
from conformance.cases.draw import draw_arrays
from conformance.cases.tolerance import ITERATED, rounds_constants
from reference.layers import spec_of

WITHOUT_GRADIENT = frozenset({"nan", "infinite", "minus_infinite", "all_nan", "all_minus_infinity", "booleans", "minus_zero"})
"""Inputs on which a gradient is not a number, or none is defined."""
CHOSEN = {"D8": frozenset({"nan", "all_nan"})}
"""Defects of Keras where values have a gradient all the same, that of the cell that is chosen; more than one choice is right."""


@dataclass(frozen=True)
class Backward:
    """A backward pass: the arrays of the forward pass and a gradient for each of its outputs."""

    arrays: Arrays
    grads: tuple[Array, ...]


def backward_cases(layer: LayerCases, profile: str) -> Iterator[Case]:
    """The declared cases that can be differentiated.

    In float64 all, in float32 every option alone. Of layers that Keras differentiates step by step, which takes longest, every option
    and every pair of them alone in float64 and none but the inputs in float32. ``full`` asks all of them.
    """
    alone = {case.id for case in declared_cases(layer, "smoke")}
    pairs = {case.id for case in pairs_of_options(layer)} if profile != "smoke" else set()
    for case in declared_cases(layer, profile):
        if layer.layer not in ITERATED:
            wanted = case.dtype == "float64" or case.id in alone
        else:
            plain = not {*layer.options, *layer.call} & {*case.config, *case.call}
            wanted = (case.id in alone and (case.dtype == "float64" or plain)) or case.id in pairs
        if differentiable(layer, case) and (wanted or profile == "full"):
            yield case


def differentiable(layer: LayerCases, case: Case) -> bool:
    """Whether the values have gradients, and Keras and the documentation agree on them; ``unroll`` changes nothing of them."""
    values = case.call.get("values", layer.call.get("values", ["ordinary"])[0])
    whole = values == "integers" and not layer.weights(case.config, case.shape)
    defined = values in CHOSEN.get(case.deviation, ()) if case.deviation else values not in WITHOUT_GRADIENT
    return defined and not whole and not case.config.get("unroll") and not (case.dtype == "float64" and rounds_constants(case))


def draw_backward(layer: LayerCases, case: Case, seed: int) -> Backward:
    """The arrays of a case, and beside them a gradient for each output.

    The gradients have the eleven digits of float16, so that every float type holds them and a recording is short.
    """
    arrays = draw_arrays(layer, case, case.seed(seed))
    rng = np.random.default_rng([case.seed(seed), 1])
    shapes = shapes_of_outputs(layer, case, arrays)
    return Backward(arrays, tuple(np.asarray(rng.normal(0, 1, shape)).astype(np.float16).astype(case.dtype) for shape in shapes))


def shapes_of_outputs(layer: LayerCases, case: Case, arrays: Arrays) -> list[Any]:
    """The shapes of the outputs that have gradients."""
    xs = arrays.x if isinstance(arrays.x, tuple) else (arrays.x,)
    if isinstance(layer, FunctionCases):
        shape = list(arrays.x.shape)
        if case.layer == "glu":
            shape[case.config.get("axis", -1)] //= 2
        return [shape]
    if case.layer == "Concatenate" and case.config.get("axis") == 0:
        return [(sum(len(x) for x in xs), *xs[0].shape[1:])]
    return list(spec_of(case.layer).output_shapes(layer.keras_config(case.config), [x.shape for x in xs]))


def gradient_names(layer: LayerCases, case: Case, arrays: Arrays) -> tuple[str, ...]:
    """What the gradients are of, in their order: inputs that are floats, trainable weights, initial states."""
    xs = arrays.x if isinstance(arrays.x, tuple) else (arrays.x,)
    if not isinstance(layer, FunctionCases) and spec_of(case.layer).rows is not None:
        xs = ()
    inputs = [("the input" if len(xs) == 1 else f"input {n}") for n, x in enumerate(xs) if x.dtype.kind == "f"]
    weights = [name for name in layer.weights(case.config, case.shape) if not name.startswith("moving_")]
    states = [f"the initial state {name}" for name in state_names(case, len(arrays.arguments.get("initial_state", ())))]
    return (*inputs, *weights, *states)


def state_names(case: Case, count: int) -> list[str]:
    """What so many states of a recurrent layer are called: h, and c of an LSTM; those of the forward half come first of two."""
    halves = ("forward ", "backward ") if case.layer == "Bidirectional" else ("",)
    return [half + name for half in halves for name in "hc"[: count // len(halves)]]
