"""How arrays, and what is allowed around them, become the tensors of an entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from conformance.base.arrays import EPS, Array, Arrays
from conformance.cases.case import Case, LayerCases
from conformance.cases.tolerance import MEANING, meaning_of_gradients
from conformance.oracle.expectation import Expectation

Tensors = dict[str, Array]

SHARES = (0.0, MEANING, 8 * EPS)
"""Rules that are written down as one number a, for a tolerance of ``a (1 + |output|)``: exact, the float64 rule, elementwise."""

STEP = {"float64": 2.0**-7, "float32": 2.0**-19}
"""How finely expected values are written down, by the dtype of the rule, as a part of what is allowed: 1e-11, or about 1e-6."""


def put(tensors: Tensors, name: str, value: Any) -> None:
    """An array under its name, a tuple of arrays numbered."""
    if isinstance(value, tuple):
        tensors.update({f"{name}/{n}": part for n, part in enumerate(value)})
    else:
        tensors[name] = np.asarray(value)


def put_call(tensors: Tensors, layer: LayerCases, case: Case, arrays: Arrays, chosen: Mapping[str, Any]) -> None:
    """What a forward pass is asked with; `chosen` are arguments that only the oracle could choose."""
    put(tensors, "input", arrays.x)
    for name, weight in zip(layer.weights(case.config, case.shape), arrays.weights, strict=True):
        tensors[f"weight/{name}"] = weight
    for name, value in {**arrays.arguments, **chosen}.items():
        if not isinstance(value, bool):
            put(tensors, f"argument/{name}", value)


def put_expectation(tensors: Tensors, rules: dict[str, float], prefix: str, expectation: Expectation, dtype: str) -> None:
    """Outputs, what is allowed around them by the rule of this dtype (in float64 by that of float32 as well), and other right answers."""
    outputs, wide = expectation.outputs, dtype == "float64"
    allowed = expectation.meaning() if wide else expectation.rounding()
    put(tensors, f"{prefix}output", tuple(rounded(y, room, dtype) for y, room in zip(outputs, allowed, strict=True)))
    _put_allowed(tensors, rules, f"{prefix}allowed", outputs, allowed)
    others = [other for other in expectation.alternatives if not _equal(other, outputs)]
    for n, other in enumerate(others):
        put(tensors, f"{prefix}alternative/{n}", widened(other))
    if wide:
        _put_allowed(tensors, rules, f"{prefix}float32_allowed", outputs, expectation.rounding())


def widened(outputs: Sequence[Array]) -> tuple[Array, ...]:
    """Floats as float64, in which they are compared."""
    return tuple(y.astype(np.float64) if y.dtype.kind == "f" else y for y in outputs)


def rounded(y: Array, allowed: Array, dtype: str) -> Array:
    """Expected values as multiples of a power of two that is a small part of the least that is allowed; exact where nothing is allowed."""
    some = np.isfinite(allowed) & (allowed > 0)
    if y.dtype != np.float64 or not some.any():
        return y
    step = 2.0 ** np.floor(np.log2(np.min(allowed[some]) * STEP[dtype]))
    with np.errstate(all="ignore"):
        whole = np.rint(y / step) * step + 0.0  # no -0.0
    return np.where(some & np.isfinite(whole), whole, y)


def least_of_gradients(y: Array, response: float, dtype: str) -> Array:
    """No more than what is allowed around a gradient, see :func:`conformance.cases.tolerance.rounding_of_gradients`."""
    with np.errstate(over="ignore"):
        return meaning_of_gradients((y,))[0] if dtype == "float64" else np.full(y.shape, 8 * (response + EPS))


def _put_allowed(tensors: Tensors, rules: dict[str, float], name: str, outputs: Sequence[Array], allowed: Sequence[Array]) -> None:
    """The number that stands for the tolerance, or the tolerance itself: in float32 where that holds it."""
    with np.errstate(all="ignore"):
        for share in SHARES:
            if _equal([share * (1 + np.abs(y)) for y in outputs], allowed):
                rules[name] = share
                return
        single = [room.astype(np.float32) for room in allowed]
    fits = all(np.array_equal(np.isfinite(a), np.isfinite(b)) for a, b in zip(allowed, single, strict=True))
    put(tensors, name, tuple(single) if fits else tuple(allowed))


def _equal(one: Sequence[Array], other: Sequence[Array]) -> bool:
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f" and b.dtype.kind == "f") for a, b in zip(one, other, strict=True))
