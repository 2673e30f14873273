"""What an oracle says about a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from conformance.base.arrays import Array, Arrays, Steps


@dataclass(frozen=True)
class Expectation:
    """The expected outputs of a case and what is allowed around them.

    Attributes
    ----------
    outputs : tuple of arrays
        float64 where they are floats at all.
    dtypes : tuple of dtypes
        What Keras answers in the case's dtype.
    meaning, rounding : callables without arguments
        The largest allowed error of each output under the float64 and the float32 rule; computed when first asked for.
    keras : tuple of arrays, or None
        Keras's own answer in the case's dtype; None where Keras raises (a defect that the case names), and where it was not recorded.
    keras_ratio : float or None
        Where it was not recorded: its largest error over tolerance.
    names : tuple of str
        What each output is called, of several; from the oracle, of a backward pass, what each is the gradient of.
    alternatives : sequence of tuples of arrays
        Other answers that are right as well, where Keras's own modes of execution disagree.
    arguments : mapping
        Arguments that only the oracle could choose: a dropout mask that Keras drew.
    single : callable without arguments, or None
        Of a float64 case: what is expected for its arrays rounded to float32, which is what code sees that computes in float32 inside.
    """

    outputs: tuple[Array, ...]
    dtypes: tuple[np.dtype[Any], ...]
    meaning: Callable[[], tuple[Array, ...]]
    rounding: Callable[[], tuple[Array, ...]]
    keras: tuple[Array, ...] | None = None
    alternatives: tuple[tuple[Array, ...], ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    single: Callable[[], Expectation] | None = None
    keras_ratio: float | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class TextExpectation:
    """The vocabulary with its special terms, the idf weights (``tf_idf`` only) and the output: an array, or a list of them if ragged."""

    vocabulary: list[str]
    idf_weights: Array | None
    output: Any


@dataclass(frozen=True)
class LossExpectation:
    """What a loss is asked with, its value and the gradient of its predictions."""

    arrays: Arrays
    value: Expectation
    gradient: Expectation


@dataclass(frozen=True)
class StepsExpectation:
    """What an optimizer is asked with, and the variables after each step."""

    steps: Steps
    after: tuple[Expectation, ...]


def in_range(y: Array, dtype: str) -> Array:
    """Float outputs as float64, infinite where the case's dtype has no number so large."""
    if y.dtype.kind != "f":
        return y
    y = y.astype(np.float64)
    return np.where(np.abs(y) > np.finfo(dtype).max, np.copysign(np.inf, y), y)
