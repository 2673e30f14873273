"""A cross-check of every gradient: the slope that two forward passes show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.base.arrays import Arrays
from conformance.cases.questions import forward_question
from conformance.implementations.protocol import Implementation
from conformance.judging.judge import CaseResult, SuiteError

Array = NDArray[Any]

SMOOTH = ("ordinary", "positive", "negative", "ids", "ids_int64", "repeated_ids", "ids_with_zeros")
"""Inputs of which no value was chosen to lie where a function has a kink or runs out of numbers."""
STEP = 1e-6
ALLOWED = 1e-6
"""Of the sizes that the slope is summed from: the difference of two numbers with 16 digits, a step of 1e-6 apart, has about 9."""


def check_finite_differences(result: CaseResult, implementation: Implementation) -> None:
    """The gradients that the oracle expects must be the slopes of a forward pass that is right.

    For the number ``L = sum of grad * y`` and one random direction d of everything that has a gradient,
    ``(L(v + h d) - L(v - h d)) / 2 h = sum of gradient * d``. Only in float64, on inputs that are :data:`SMOOTH`.

    Raises
    ------
    SuiteError
        Where they are not: then Keras's differentiation and its forward pass are not of one function.
    """
    case, expectation = result.case, result.expectation
    values = case.call.get("values", result.layer.call.get("values", ["ordinary"])[0])
    if expectation is None or case.dtype != "float64" or values not in SMOOTH:
        return
    rng = np.random.default_rng(case.seed(2))
    directions = [rng.normal(size=one.shape) for one in expectation.outputs]
    ends = [_number(result, implementation, _moved(result, directions, step)) for step in (STEP, -STEP)]
    slope = (ends[0] - ends[1]) / (2 * STEP)
    terms = [gradient * direction for gradient, direction in zip(expectation.outputs, directions, strict=True)]
    told, size = (sum(float(np.sum(one)) for one in ones) for ones in (terms, map(np.abs, terms)))
    # Where the forward pass gives NaN (the mean of nothing) there is no slope to be measured.
    if np.isfinite(slope) and not abs(slope - told) <= ALLOWED * (1 + size):
        raise SuiteError(f"{case.id}: by the expected gradients the slope is {told:.9g}, by two forward passes {slope:.9g}")


def _number(result: CaseResult, implementation: Implementation, arrays: Arrays) -> float:
    """L of the forward pass on these arrays."""
    expectation, grads = result.expectation, result.grads
    assert expectation is not None
    answer = implementation.ask(forward_question(result.layer, result.case, arrays, expectation.arguments))
    outputs = answer.value if isinstance(answer.value, tuple) else (answer.value,)
    # What has no gradient, the new statistics of BatchNormalization, stands behind the outputs that have.
    return sum(float(np.sum(y * grad)) for y, grad in zip(outputs, grads, strict=False))


def _moved(result: CaseResult, directions: list[Array], step: float) -> Arrays:
    """The arrays of the case moved along the directions, which are in the order of the gradients."""
    arrays, case = result.arrays, result.case
    along = iter(directions)
    several = isinstance(arrays.x, tuple)
    xs = arrays.x if several else (arrays.x,)
    if case.layer != "Embedding":
        xs = tuple(_along(xs, along, step))
    names = result.layer.weights(case.config, case.shape)
    trainable = sum(not name.startswith("moving_") for name in names)
    weights = (*_along(arrays.weights[:trainable], along, step), *arrays.weights[trainable:])
    moved = replace(arrays, x=xs if several else xs[0], weights=weights)
    states = arrays.arguments.get("initial_state")
    return moved if states is None else replace(moved, arguments={**arrays.arguments, "initial_state": tuple(_along(states, along, step))})


def _along(values: tuple[Array, ...], directions: Iterator[Array], step: float) -> Iterator[Array]:
    """Floats moved by a step along the next direction; integers have none."""
    return (value + step * next(directions) if value.dtype.kind == "f" else value for value in values)
