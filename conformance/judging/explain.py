"""A failure in words: which layer and options, the worst value, where the values are off, what they look like, how to run it again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from conformance.base.arrays import Array
from conformance.cases.case import Case, LayerCases
from conformance.judging.outputs import GRADIENT, NEW_STATISTICS
from conformance.judging.verdict import Mismatch, Verdict

NEAR_MISS = 1e4
PRINTED_AT_MOST = 400
BETWEEN_WORDS = re.compile(r"(?<![=x])-")
"""What stands between the words of a title; behind "=" and "x" it is the sign of a number."""
IN_WORDS = {"their_mean": "the mean of all losses"}
"""Words of titles that say nothing alone."""


def explain(layer: LayerCases, case: Case, kind: str, verdict: Verdict, again: str, printed: str, likely: Sequence[str]) -> str:
    """The report of a case that did not pass, as it stands in the terminal.

    Parameters
    ----------
    layer, case, kind
        What was asked.
    verdict : Verdict
    again : str
        The command that runs this case alone.
    printed : str
        What the implementation printed, in one piece.
    likely : sequence of str
        Mistakes that would give this very answer.
    """
    lines = [f"{headline(case, kind)}    {verdict.status.upper()}"]
    mismatch = verdict.mismatch
    if mismatch is None:
        lines.append(f"  {verdict.sentence}")
    else:
        names = names_of_axes(layer, case, mismatch)
        lines.append(f"  {verdict.sentence}{which_output(mismatch)}; {_worst(mismatch, names, verdict.keras_ratio)}")
        lines.append(f"  where   {where(mismatch.ratio > 1, names)}")
        pattern = relation(mismatch)
        if pattern:
            lines.append(f"  note    {pattern}")
    if case.deviation:
        lines.append(f"  Keras   {keras_itself(case.deviation, verdict)} (see reports/keras_deviations.md)")
    lines += [f"  looks like   {sentence}" for sentence in likely]
    if printed:
        lines.append(f"  printed      {last_printed(printed)}")
    return "\n".join([*lines, f"  again   {again}"])


def deviates(case: Case, verdict: Verdict) -> bool:
    """Whether Keras itself does not give what is expected in this case, which is then what it documents."""
    # Without a ratio Keras raised an error, or answered in another shape.
    return case.deviation is not None and (verdict.keras_ratio is None or verdict.keras_ratio > 1)


def keras_itself(deviation: str, verdict: Verdict) -> str:
    """What Keras does in a case that meets one of its defects, in words that follow its name: its number where the worst value stands."""
    mismatch, ratio = verdict.mismatch, verdict.keras_ratio
    if ratio is not None and ratio <= 1:
        return f"gives something else in another mode or dtype: its defect {deviation}"
    if ratio is None:
        return f"does not give what it documents, but an error or another shape: its defect {deviation}"
    if mismatch is None or mismatch.keras is None:
        return f"does not give what it documents: its defect {deviation}"
    place = np.unravel_index(int(np.argmax(mismatch.ratio)), mismatch.ratio.shape)
    expected, own = mismatch.expected[place], mismatch.keras[place]
    if np.isclose(own, expected, rtol=1e-5, atol=1e-7, equal_nan=True):
        return f"gives that there, but not elsewhere what it documents: its defect {deviation}"
    return f"itself gives {own:.6g} there, which is not what it documents: its defect {deviation}"


def last_printed(printed: str) -> str:
    """The end of what was printed, where the cause of an error stands."""
    text = printed.strip()
    return repr(text) if len(text) <= PRINTED_AT_MOST else f"... {text[-PRINTED_AT_MOST:]!r}"


def headline(case: Case, kind: str) -> str:
    """Layer, pass, what is special about the case, the input's shape and dtype."""
    title = what_is_special(case) or "defaults"
    return f"{case.layer} {kind}  {title}, input {'x'.join(map(str, case.shape))}, {case.dtype}"


def what_is_special(case: Case) -> str:
    """The title of a case in words: options as they are, everything else without underscores; empty of the plain case."""
    options = {*case.config, *case.call}
    parts = BETWEEN_WORDS.split(case.title)
    return ", ".join(part if "=" in part or part in options else IN_WORDS.get(part, part.replace("_", " ")) for part in parts)


def names_of_axes(layer: LayerCases, case: Case, mismatch: Mismatch) -> list[str]:
    """Names of the axes of what is off; those of a gradient have numbers, and moving statistics have one for the channels."""
    ndim = mismatch.expected.ndim
    if mismatch.of in NEW_STATISTICS:
        return ["channel"] if ndim == 1 else [f"axis {n}" for n in range(ndim)]
    return [f"axis {n}" for n in range(ndim)] if mismatch.of.startswith(GRADIENT) else axis_names(layer, case, ndim)


def axis_names(layer: LayerCases, case: Case, ndim: int) -> list[str]:
    """Names of an output's axes: those of the declaration, without the middle ones where the output has fewer."""
    names = list(layer.axes)
    if case.config.get("data_format") == "channels_first" and len(names) == 4:
        names = [names[0], names[3], names[1], names[2]]
    if ndim > len(names) or _numbered(names[0]):
        return [f"axis {n}" for n in range(ndim)]
    if _numbered(names[-1]) or ndim == 0:
        return names[:ndim]
    return names if ndim == len(names) else [*names[: ndim - 1], names[-1]]


def _numbered(name: str) -> bool:
    """Whether an axis has a number for a name."""
    return name.startswith("axis ")


def where(off: Array, names: Sequence[str]) -> str:
    """Along each axis, the indices at which anything is off: 'every batch; only step 0; units 1 to 3'; or 'everywhere'."""
    if off.all():
        return "everywhere" if off.size > 1 else "the only value"
    parts = []
    for axis, name in enumerate(names):
        others = tuple(n for n in range(off.ndim) if n != axis)
        indices = np.flatnonzero(off.any(axis=others))
        if off.shape[axis] == 1:
            continue
        parts.append(_indices(indices, off.shape[axis], name))
    return "; ".join(parts) or "the only value"


def _indices(indices: Array, size: int, name: str) -> str:
    if indices.size == size:
        return f"all along {name}" if _numbered(name) else f"every {name}"
    said, along = ("", f" along {name}") if _numbered(name) else (f"{name} ", "")
    if indices.size == 1:
        last = " (the last)" if indices[0] == size - 1 else ""
        return f"only {said}{indices[0]}{along}{last}"
    if np.all(np.diff(indices) == 1):
        return f"{said}{indices[0]} to {indices[-1]} of 0 to {size - 1}{along}"
    return f"{said}{', '.join(map(str, indices[:8]))}{' ...' if indices.size > 8 else ''} of 0 to {size - 1}{along}"


def _worst(mismatch: Mismatch, names: Sequence[str], keras_ratio: float | None) -> str:
    at, place = worst_place(mismatch, names)
    expected, got, ratio = mismatch.expected[place], mismatch.got[place], mismatch.ratio[place]
    # How near a miss is matters only where rounding could be the cause.
    keras = "" if keras_ratio is None else f"; Keras itself is off by {keras_ratio:.2g} times that at most"
    size = f" ({ratio:.2g} times what rounding allows{keras})" if ratio < NEAR_MISS else ""
    worst = f"worst at [{at}]: " if at else ""
    return f"{worst}expected {expected:.6g}, got {got:.6g}{size}"


def worst_place(mismatch: Mismatch, names: Sequence[str]) -> tuple[str, tuple[Any, ...]]:
    """The index of the largest error, in words (none for a single number) and as it is."""
    place = np.unravel_index(int(np.argmax(mismatch.ratio)), mismatch.ratio.shape)
    words = (f"{name}: {index}" if _numbered(name) else f"{name} {index}" for name, index in zip(names, place, strict=True))
    return ", ".join(words), place


def which_output(mismatch: Mismatch) -> str:
    """Which of several outputs, or of several gradients, is off."""
    return f" in {mismatch.of}" if mismatch.of else ""


def relation(mismatch: Mismatch) -> str:
    """One simple relation between what is expected and what came, where there is one."""
    off = mismatch.ratio > 1
    expected, got = mismatch.expected[off].astype(float), mismatch.got[off].astype(float)
    if expected.size < 2 or not np.all(np.isfinite(expected)):
        return ""
    if np.all(np.isnan(got)):
        return "every value that is off is NaN"
    if not np.all(np.isfinite(got)):
        return ""
    if np.all(got == 0):
        return "every value that is off is 0"
    if np.ptp(got) == 0:
        return f"every value that is off is {got[0]:.6g}"
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = got / expected
    if np.all(np.isfinite(factor)) and np.ptp(factor) < 1e-4 * abs(factor[0]) and abs(factor[0] - 1) > 1e-3:
        return f"every value that is off is {factor[0]:.4g} times what is expected"
    if np.ptp(got - expected) < 1e-5 * np.max(np.abs(got - expected)):
        return f"every value that is off differs by the same {np.mean(got - expected):.6g}"
    if off.all() and np.allclose(np.sort(got), np.sort(expected), rtol=1e-5, atol=1e-7):
        return "the values are right but stand in other places"
    return ""
