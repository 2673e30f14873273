"""A failure told in full sentences, for somebody who wrote the function a minute ago."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.base.record import ERROR, TIMEOUT
from conformance.cases.case import Case, LayerCases
from conformance.judging.explain import (
    NEAR_MISS,
    deviates,
    keras_itself,
    last_printed,
    names_of_axes,
    relation,
    what_is_special,
    where,
    which_output,
    worst_place,
)
from conformance.judging.verdict import Verdict


def in_sentences(layer: LayerCases, case: Case, kind: str, verdict: Verdict, again: str, printed: str, likely: Sequence[str]) -> str:
    """The report of a case that did not pass; the arguments are those of :func:`conformance.judging.explain.explain`."""
    wanted = "the documentation of Keras says" if deviates(case, verdict) else "Keras gives"
    lines = [f"{_called(case, kind)} {_outcome(verdict, wanted)}"]
    if verdict.mismatch is not None:
        names = names_of_axes(layer, case, verdict.mismatch)
        at, place = worst_place(verdict.mismatch, names)
        expected, got = verdict.mismatch.expected[place], verdict.mismatch.got[place]
        worst, there = (f"The largest error is at {at}: ", " there") if at else ("", "")
        lines.append(_capital(f"{worst}{wanted} {expected:.6g}{there}, your function gives {got:.6g}."))
        if verdict.mismatch.ratio[place] < NEAR_MISS:
            lines.append(f"That is {verdict.mismatch.ratio[place]:.2g} times the error that rounding explains.")
        lines.append(f"Where it is wrong: {where(verdict.mismatch.ratio > 1, names)}.")
        pattern = relation(verdict.mismatch)
        lines += [f"{_capital(pattern)}."] if pattern else []
    if case.deviation:
        right = "; what is documented is right" if deviates(case, verdict) else ""
        lines.append(f"Keras {keras_itself(case.deviation, verdict)}{right}.")
    lines += [f"You would get exactly these values when {_clause(sentence)}." for sentence in likely]
    if printed:
        lines.append(f"Your function printed {last_printed(printed)}.")
    return "\n".join([*lines, f"To run this case alone: {again}"])


def _called(case: Case, kind: str) -> str:
    """What was asked, as the beginning of a sentence."""
    said = what_is_special(case)
    name = f"The backward pass of {case.layer}" if kind == "backward" else case.layer
    return f"{name} ({said or 'default options'}; input of shape {case.shape}, {case.dtype})"


def _outcome(verdict: Verdict, wanted: str) -> str:
    if verdict.status == ERROR:
        return f"did not give an answer: {verdict.sentence}."
    if verdict.status == TIMEOUT:
        return f"was not answered in time: {verdict.sentence}."
    if verdict.mismatch is not None:
        return f"does not give what {wanted}: {verdict.sentence}{which_output(verdict.mismatch)}."
    return f"is not right: {verdict.sentence}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _clause(sentence: str) -> str:
    """A sentence of the fault catalogue as the end of another."""
    return sentence.rstrip(".")
