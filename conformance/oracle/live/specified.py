"""The documented meaning, where Keras deviates from it: one entry for each defect that a case can meet.

The ids are those of ``reports/keras_deviations.md``. A defect that float64 or the ``channels_last`` route of the oracle does not have
(D1, D2, D11) needs no entry: the oracle's value is the documented one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from conformance.base.arrays import Array

CONFIG: Mapping[str, Mapping[str, Any]] = {
    # Unrolling changes how the steps are executed, never what they compute.
    "D3": {"unroll": False},
    "D4": {"unroll": False},
    # The last axis by its other name.
    "D22": {"axis": -1},
}
"""Defects that disappear with these arguments of the constructor."""

EITHER = ("D8", "D20")
"""Defects where Keras's modes or dtypes disagree and none is documented: Keras's own answer to the case is accepted as well."""

MAY_SPREAD_NAN = ("D8",)
"""Defects where NaN in, NaN out is accepted as well: what ``np.max``, ``np.nanmax`` and Keras's own global pooling do."""

COMPILED = ("D8",)
"""Defects whose expected value is that of the XLA-compiled call."""


def sparsemax(x: Array, axis: int = -1) -> Array:
    """Projection onto the probability simplex: ``max(x - t, 0)`` with t such that the sum is 1, found by bisection."""
    low, high = np.max(x, axis=axis, keepdims=True) - 1, np.max(x, axis=axis, keepdims=True)
    for _ in range(80):
        middle = (low + high) / 2
        too_much = np.sum(np.maximum(x - middle, 0), axis=axis, keepdims=True) > 1
        low, high = np.where(too_much, middle, low), np.where(too_much, high, middle)
    return np.maximum(x - high, 0)


def add(x: tuple[Array, ...]) -> Array:
    """The sum by NumPy's broadcasting, an array of lower rank with new axes behind the batch."""
    rank = max(one.ndim for one in x)
    return np.asarray(sum(np.expand_dims(one, tuple(range(1, 1 + rank - one.ndim))) for one in x))


LAYERS = {"Add": add}
"""Layers that Keras computes wrongly in float64 as well (D1), as they are documented."""

FUNCTIONS = {"sparsemax": sparsemax}
"""Activation functions that Keras computes wrongly (D5), as they are documented."""
