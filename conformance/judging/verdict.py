"""The verdict: does an answer agree with what is expected, and if not, how far and where is it off?

Exact first (number of outputs, type, shape, dtype, where values are NaN or infinite), then the error model. Nothing here formats text
for a reader beyond the sentence of the verdict, and nothing after it computes numerics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from conformance.base.arrays import EPS, Array
from conformance.base.record import FAILED, PASSED
from conformance.base.words import a
from conformance.cases.questions import Answer
from conformance.oracle.expectation import Expectation

SINGLE_ONLY = "accurate to float32 only"
LARGEST_RATIO = 1e12
"""A ratio of error to tolerance is cut here, since records hold no infinities (an exact output has a tolerance of 0)."""
SMALLEST_NORMAL = 1.2e-38
LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Mismatch:
    """An output that is off: which one, what was expected and got, the error as a multiple of the tolerance at every place.

    ``of`` names the output, where there are several or it is a gradient; ``keras`` is Keras's own answer in the case's dtype, where it is
    known and of that shape.
    """

    output: int
    expected: Array
    got: Array
    ratio: Array
    of: str = ""
    keras: Array | None = None


@dataclass(frozen=True)
class Verdict:
    """What became of a case.

    Attributes
    ----------
    status : str
    sentence : str
        Why it did not pass.
    ratio : float or None
        Largest error over tolerance; None where nothing was compared.
    keras_ratio : float or None
        The same for Keras's own answer in the case's dtype.
    remarks : tuple of str
        What a pass does not hide: "accurate to float32 only", "answers in float64".
    mismatch : Mismatch or None
    steady : bool
        False where the same call, made again, gave another answer: no answer then shows what is wrong.
    """

    status: str
    sentence: str = ""
    ratio: float | None = None
    keras_ratio: float | None = None
    remarks: tuple[str, ...] = ()
    mismatch: Mismatch | None = None
    steady: bool = True


def judge(expectation: Expectation, answer: Answer, dtype: str, *, strict: bool) -> Verdict:
    """Judge an answer.

    Parameters
    ----------
    expectation : Expectation
    answer : Answer
    dtype : 'float64' or 'float32'
        Of the case: the rule that holds.
    strict : bool
        Whether a float64 case that keeps only the float32 rule fails, and an answer in another float type.
    """
    of_keras = keras_ratio(expectation, dtype)
    if answer.status != PASSED:
        return Verdict(answer.status, answer.message, keras_ratio=of_keras)
    if answer.changed:
        return Verdict(FAILED, f"it changes its arguments: {', '.join(answer.changed)}", keras_ratio=of_keras)
    with np.errstate(all="ignore"):  # huge values, among them those of another byte order
        return _judge_value(expectation, answer, dtype, strict, of_keras)


def _judge_value(expectation: Expectation, answer: Answer, dtype: str, strict: bool, of_keras: float | None) -> Verdict:
    """The verdict on an answer that came."""
    outputs, complaint = _as_outputs(answer.value, len(expectation.outputs))
    if complaint:
        return Verdict(FAILED, complaint, keras_ratio=of_keras)
    names = expectation.names or _numbered(len(outputs))
    complaint = _shape_complaint(expectation.outputs, outputs, names) or _dtype_complaint(expectation.dtypes, outputs, names)
    if complaint:
        return Verdict(FAILED, complaint, keras_ratio=of_keras)
    remarks = _dtype_remarks(expectation.dtypes, outputs)
    if strict and remarks:
        return Verdict(FAILED, f"it {remarks[0]}", keras_ratio=of_keras, remarks=remarks)
    if dtype == "float64" and all(want == np.float32 for want in expectation.dtypes):
        dtype = "float32"  # whole numbers, which Keras answers in float32 whatever the layer's dtype
    rule = expectation.meaning if dtype == "float64" else expectation.rounding
    mismatch, ratio = _closest(expectation, outputs, rule())
    remarks += answer.remarks
    if mismatch is None:
        return Verdict(PASSED, "", ratio, of_keras, remarks)
    if dtype == "float64" and not strict and _right_in_float32(expectation, outputs):
        return Verdict(PASSED, "", ratio, of_keras, (*remarks, SINGLE_ONLY))
    own = expectation.keras[mismatch.output] if expectation.keras and not _shape_complaint(expectation.outputs, expectation.keras) else None
    mismatch = replace(mismatch, of=expectation.names[mismatch.output] if expectation.names else "", keras=own)
    return Verdict(FAILED, _value_sentence(mismatch), ratio, of_keras, remarks, mismatch)


def error_ratio(expected: Array, got: Array, allowed: Array) -> Array:
    """Error as a multiple of the tolerance: 0 where equal, infinity where NaN or infinity stand in other places."""
    if expected.dtype.kind not in "f":
        return np.where(expected == got, 0.0, np.inf)
    same = (expected == got) | (np.isnan(expected) & np.isnan(got))
    if same.all():
        return np.zeros(expected.shape)
    got = got.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio = np.abs(got - expected) / np.fmax(np.fmin(allowed, LARGEST), SMALLEST_NORMAL)  # neither NaN nor infinite
    comparable = np.isfinite(expected) & np.isfinite(got)
    return np.where(same, 0.0, np.where(comparable, ratio, np.inf))


def _right_in_float32(expectation: Expectation, outputs: Sequence[Array]) -> bool:
    """Whether an answer to float64 input is right for code that computes in float32 inside, on the input as it is or rounded."""
    if _closest(expectation, outputs, _rounded_input(expectation))[0] is None:
        return True
    single = expectation.single() if expectation.single is not None else None
    return single is not None and _closest(single, outputs, _rounded_input(single))[0] is None


def _rounded_input(expectation: Expectation) -> tuple[Array, ...]:
    """The float32 rule for an answer to float64 input: values that are only moved are rounded once, by half an eps of themselves."""
    moved = (EPS / 2 * np.abs(y) if y.dtype.kind == "f" else np.zeros(y.shape) for y in expectation.outputs)
    return tuple(room + once for room, once in zip(expectation.rounding(), moved, strict=True))


def _closest(expectation: Expectation, outputs: Sequence[Array], allowed: Sequence[Array]) -> tuple[Mismatch | None, float]:
    """The mismatch (None for a pass) and largest ratio against the expected outputs or the alternative that is nearest."""
    best: tuple[Mismatch | None, float] | None = None
    for candidate in (expectation.outputs, *expectation.alternatives):
        found = _compare([_like(y) for y in candidate], outputs, allowed)
        if best is None or found[1] < best[1]:
            best = found
    assert best is not None
    return best


def _compare(expected: Sequence[Array], outputs: Sequence[Array], allowed: Sequence[Array]) -> tuple[Mismatch | None, float]:
    worst, mismatch = 0.0, None
    for n, (want, got, room) in enumerate(zip(expected, outputs, allowed, strict=True)):
        ratio = error_ratio(want, got, room)
        largest = float(np.max(ratio, initial=0.0))
        if largest > 1 and (mismatch is None or largest > worst):
            mismatch = Mismatch(n, want, got, ratio)
        worst = max(worst, largest)
    return mismatch, min(worst, LARGEST_RATIO)


def _like(y: Array) -> Array:
    return y.astype(np.float64) if y.dtype.kind == "f" else y


def keras_ratio(expectation: Expectation, dtype: str) -> float | None:
    """Keras's own largest error over tolerance; None where Keras has no answer of that form."""
    if expectation.keras is None:
        return expectation.keras_ratio
    if _shape_complaint(expectation.outputs, expectation.keras):
        return None
    allowed = expectation.meaning() if dtype == "float64" else expectation.rounding()
    return _closest(expectation, expectation.keras, allowed)[1]


def _as_outputs(value: Any, count: int) -> tuple[tuple[Array, ...], str]:
    """The arrays of an answer, or what is wrong with its form."""
    parts = tuple(value) if isinstance(value, tuple) else (value,)
    if isinstance(value, tuple) and count == 1:
        return (), f"it returns a tuple of {len(parts)} where one array is expected"
    if len(parts) != count:
        returned = f"a tuple of {len(parts)}" if isinstance(value, tuple) else f"one {type(value).__name__}"
        return (), f"it returns {returned} where a tuple of {count} arrays is expected"
    for part in parts:
        if not isinstance(part, np.ndarray | np.generic):
            return (), f"it returns {a(type(part).__name__)} where an array is expected"
    return tuple(np.asarray(part) for part in parts), ""


def _shape_complaint(expected: Sequence[Array], outputs: Sequence[Array], names: Sequence[str] = ()) -> str:
    for want, got, name in zip(expected, outputs, names or _numbered(len(outputs)), strict=True):
        if want.shape != got.shape:
            return f"{name} has the shape {got.shape}, expected {want.shape}"
    return ""


def _dtype_complaint(dtypes: Sequence[np.dtype[Any]], outputs: Sequence[Array], names: Sequence[str]) -> str:
    for want, got, name in zip(dtypes, outputs, names, strict=True):
        if want != got.dtype and not (want.kind == "f" and got.dtype in (np.float32, np.float64)):
            return f"{name} has the dtype {got.dtype}, expected {want}"
    return ""


def _dtype_remarks(dtypes: Sequence[np.dtype[Any]], outputs: Sequence[Array]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(f"answers in {got.dtype} to {want}" for want, got in zip(dtypes, outputs, strict=True) if want != got.dtype)
    )


def _value_sentence(mismatch: Mismatch) -> str:
    off = mismatch.ratio > 1
    count = int(np.sum(off))
    if off.size == 1:
        return "the only value is off"
    return f"{count} of {off.size} values {'is' if count == 1 else 'are'} off" if count < off.size else f"all {count} values are off"


def _numbered(count: int) -> Sequence[str]:
    """What outputs are called of which nothing is known."""
    return ("the output",) if count == 1 else [f"output {n} of {count}" for n in range(1, count + 1)]
