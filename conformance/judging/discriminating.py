"""Rules that every case keeps so that it can fail: checked whenever a case is run, declared or drawn.

A test whose biases are zero, whose gates are saturated or whose sequence reads the same backwards passes for wrong code as well.
"""

from __future__ import annotations

import numpy as np

from conformance.base.arrays import Array, Arrays
from conformance.base.errors import NotDiscriminatingError
from conformance.cases.case import Case, LayerCases
from conformance.cases.tolerance import ITERATED
from conformance.oracle.expectation import Expectation

SATURATED = 0.95
BOUNDED = ("tanh", "sigmoid", "softsign", "hard_sigmoid")


def check_discriminating(layer: LayerCases, case: Case, arrays: Arrays, expectation: Expectation) -> None:
    """Raise :class:`NotDiscriminatingError` with the rule that a case breaks."""
    for name, weight in zip(layer.weights(case.config, case.shape), arrays.weights, strict=True):
        _check_weight(case, name, weight)
    for x in arrays.x if isinstance(arrays.x, tuple) else (arrays.x,):
        if "values" not in case.call and x.dtype.kind == "f":
            _check_input(case, x)
    if "mask" in case.call:
        _check_mask(case, arrays.arguments["mask"])
    bounded = case.config.get("activation", "tanh") in BOUNDED and case.config.get("recurrent_activation", "sigmoid") in BOUNDED
    if layer.layer in ITERATED and bounded and case.call.get("mask") != "all_masked":
        _check_saturation(case, expectation.outputs)


def _check_weight(case: Case, name: str, weight: Array) -> None:
    if not weight.size:
        return
    _require(case, bool(np.all(weight != 0)), f"{name} holds a zero")
    _require(case, _distinct(weight), f"{name} repeats values: gates or channels could be swapped unseen")
    square = weight.ndim == 2 and weight.shape[0] == weight.shape[1] > 1
    _require(case, not square or not np.allclose(weight, weight.T), f"{name} is symmetric")


def _check_input(case: Case, x: Array) -> None:
    if x.size > 4:
        _require(case, bool(np.any(x < 0) and np.any(x > 0)), "the input has values of one sign only")
        _require(case, _distinct(x), "the input repeats values")
    for axis in range(1, x.ndim):
        if x.size and x.shape[axis] > 1:
            _require(case, not np.allclose(x, np.flip(x, axis)), f"the input is a palindrome along axis {axis}")


def _distinct(values: Array) -> bool:
    """Nearly all values differ: in float32 a few of thousands of random numbers coincide."""
    return np.unique(values).size >= 0.99 * values.size


def _check_mask(case: Case, mask: Array) -> None:
    _require(case, bool(np.any(mask <= 0.5)) or case.shape[1] == 1, "the mask hides nothing")


def _check_saturation(case: Case, outputs: tuple[Array, ...]) -> None:
    share = [float(np.mean(np.abs(y) > SATURATED)) for y in outputs if y.size]
    _require(case, not share or max(share) < 0.5, "most outputs are saturated")


def _require(case: Case, holds: bool, rule: str) -> None:
    if not holds:
        raise NotDiscriminatingError(f"{case.id}: {rule}")
