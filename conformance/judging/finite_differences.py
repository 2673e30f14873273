"""Finite differences: the slope that two forward passes show, and the cross-check of every expected gradient against it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.base.arrays import Arrays
from conformance.cases.case import Case, LayerCases
from conformance.cases.questions import forward_question
from conformance.implementations.protocol import Implementation
from conformance.judging.judge import CaseResult, SuiteError

Array = NDArray[Any]

SMOOTH = ("ordinary", "wide", "positive", "negative", "ids", "ids_int64", "repeated_ids", "ids_with_zeros")
"""Inputs of which no value was chosen to lie where a function has a kink or runs out of numbers."""
STEP = 1e-6
ALLOWED = 1e-6
"""Of the sizes that the slope is summed from: the difference of two numbers with 16 digits, a step of 1e-6 apart, has about 9."""


def check_finite_differences(result: CaseResult, implementation: Implementation) -> None:
    """The gradients that the oracle expects must be the slopes of a forward pass that is right.

    For the number ``L = sum of grad * y`` and one random direction d of everything that has a gradient,
    ``(L(v + h d) - L(v - h d)) / 2 h = sum of gradient * d``. Only in float64, on inputs that are :func:`smooth`.

    Raises
    ------
    SuiteError
        Where they are not: then Keras's differentiation and its forward pass are not of one function.
    """
    layer, case, expectation = result.layer, result.case, result.expectation
    if expectation is None or not smooth(layer, case):
        return
    asked = expectation.arguments

    def number(arrays: Arrays) -> float:
        value = implementation.ask(forward_question(layer, case, arrays, asked)).value
        return weighted(value if isinstance(value, tuple) else (value,), result.grads)

    rng = np.random.default_rng(case.seed(2))
    directions = [rng.normal(size=one.shape) for one in expectation.outputs]
    shown = slope(number, layer, case, result.arrays, directions, STEP)
    told, size = along(expectation.outputs, directions)
    # Where the forward pass gives NaN (the mean of nothing) there is no slope to be measured.
    if np.isfinite(shown) and not abs(shown - told) <= ALLOWED * (1 + size):
        raise SuiteError(f"{case.id}: by the expected gradients the slope is {told:.9g}, by two forward passes {shown:.9g}")


def smooth(layer: LayerCases, case: Case) -> bool:
    """Whether slopes can be measured: in float64, away from kinks, ties, whole numbers, NaN and infinity."""
    return case.dtype == "float64" and case.call.get("values", layer.call.get("values", ["ordinary"])[0]) in SMOOTH


def slope(
    number: Callable[[Arrays], float], layer: LayerCases, case: Case, arrays: Arrays, directions: Sequence[Array], step: float
) -> float:
    """``(L(v + h d) - L(v - h d)) / 2 h``, L being `number`, v the `arrays` and d the `directions`, in the order of the gradients."""
    ahead, back = (number(_moved(layer, case, arrays, directions, h)) for h in (step, -step))
    return (ahead - back) / (2 * step)


def along(gradients: Sequence[Array], directions: Sequence[Array]) -> tuple[float, float]:
    """``sum of gradient * d``, the same slope by the gradients, and the sum of the terms' sizes."""
    terms = [gradient * direction for gradient, direction in zip(gradients, directions, strict=True)]
    return sum(float(np.sum(term)) for term in terms), sum(float(np.sum(np.abs(term))) for term in terms)


def weighted(outputs: Sequence[Array], grads: Sequence[Array]) -> float:
    """``L = sum of grad * y``; what has no gradient, the new statistics of BatchNormalization, stands behind the outputs that have."""
    return sum(float(np.sum(y * grad)) for y, grad in zip(outputs, grads, strict=False))


def differentiated(layer: LayerCases, case: Case, arrays: Arrays) -> list[Array]:
    """What has a gradient, in the order of :func:`conformance.cases.gradients.gradient_names`."""
    found: list[Array] = []

    def collect(value: Array) -> Array:
        found.append(value)
        return value

    _changed(layer, case, arrays, collect)
    return found


def _moved(layer: LayerCases, case: Case, arrays: Arrays, directions: Sequence[Array], step: float) -> Arrays:
    """The arrays of a case moved along the directions."""
    ahead = iter(directions)
    return _changed(layer, case, arrays, lambda value: value + step * next(ahead))


def _changed(layer: LayerCases, case: Case, arrays: Arrays, change: Callable[[Array], Array]) -> Arrays:
    """The arrays of a case with everything changed that has a gradient: float inputs, trainable weights, given initial states."""

    def each(values: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(change(value) if value.dtype.kind == "f" else value for value in values)

    several = isinstance(arrays.x, tuple)
    xs = arrays.x if several else (arrays.x,)
    if case.layer != "Embedding":  # floats, too, only name rows
        xs = each(xs)
    trainable = sum(not name.startswith("moving_") for name in layer.weights(case.config, case.shape))
    weights = (*each(arrays.weights[:trainable]), *arrays.weights[trainable:])
    states = arrays.arguments.get("initial_state")
    given = {} if states is None else {"initial_state": each(states)}
    return replace(arrays, x=xs if several else xs[0], weights=weights, arguments={**arrays.arguments, **given})
