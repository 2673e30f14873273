"""Answers that hold what is expected in another order: axes that are swapped, or what is along them turned round."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations

import numpy as np

from conformance.base.arrays import Array
from conformance.base.words import listed
from conformance.judging.judge import CaseResult
from conformance.oracle.expectation import Expectation

ROOM = {"float64": 1e-9, "float32": 1e-5}
"""How closely the values must agree, relative to the largest."""
MOST_AXES = 5


def rearranged(result: CaseResult, expectation: Expectation) -> list[str]:
    """How the answer is a rearrangement of what is expected, as a sentence of the catalogue; nothing where it is none, or too plain."""
    found = _wrong_output(result, expectation)
    if found is None:
        return []
    name, expected, got = found
    if expected.ndim > MOST_AXES or expected.size != got.size or not np.isfinite(expected).all() or len(np.unique(expected)) < 3:
        return []
    room = ROOM.get(result.case.dtype, ROOM["float32"]) * (1 + float(np.max(np.abs(expected), initial=0)))
    orders = ((said, one) for said, one in _orders(name, expected) if one.shape == got.shape)
    return next(([said] for said, one in orders if np.allclose(one, got, rtol=0, atol=room)), [])


def _wrong_output(result: CaseResult, expectation: Expectation) -> tuple[str, Array, Array] | None:
    """The name of the output that is most off, or of the first of another shape; what is expected, and what came."""
    parts = result.answer.value if isinstance(result.answer.value, tuple) else (result.answer.value,)
    names = expectation.names or ("the output",) * len(expectation.outputs)
    mismatch = result.verdict.mismatch
    for n, (name, expected, got) in enumerate(zip(names, expectation.outputs, parts, strict=True)):
        off = np.shape(got) != expected.shape if mismatch is None else n == mismatch.output
        if off and isinstance(got, np.ndarray) and {got.dtype.kind, expected.dtype.kind} <= {*"fiu"}:
            return name, expected, got
    return None


def _orders(name: str, expected: Array) -> Iterator[tuple[str, Array]]:
    """The rearrangements that people make by mistake, the simplest first."""
    axes = range(expected.ndim)
    orders = (order for order in permutations(axes) if order != (*axes,))
    for order in sorted(orders, key=lambda order: sum(n != axis for n, axis in enumerate(order))):
        moved = [n for n, axis in enumerate(order) if n != axis]
        told = f"axes {listed([*map(str, moved)])} of {name} are swapped"
        other = f"the axes of {name} stand in the order {', '.join(map(str, order))} of those that are expected"
        yield (told if len(moved) == 2 else other), expected.transpose(order)
    for count in range(1, expected.ndim + 1):
        for flipped in combinations((axis for axis in axes if expected.shape[axis] > 1), count):
            said = f"axis {flipped[0]}" if count == 1 else f"axes {listed([*map(str, flipped)])}"
            yield f"{name} is the expected one in the opposite order along {said}", np.flip(expected, flipped)
