"""TextVectorization: the vocabulary, the idf weights and the ids or counts, exactly as Keras has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from conformance.base.record import CORE, PASSED, Record
from conformance.base.words import a
from conformance.cases.questions import Question
from conformance.cases.text import ADAPTED, ASKED, LAYER, in_shape, text_cases
from conformance.judging.exact import ExactResult
from conformance.judging.session import CaseRunner, ExactExplanation
from conformance.oracle.expectation import TextExpectation

PASSES = ("adapt", "idf", "forward")


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
    """Every combination of options, for each of the three functions that it concerns."""
    for identifier, options in text_cases(profile) if LAYER in layers else []:
        for kind in PASSES:
            if kind != "idf" or options.get("output_mode") == "tf_idf":
                yield f"{identifier}-{kind}", (kind, options)


def level_of(kind: str, options: dict[str, Any]) -> str:
    """Core: the unusual texts stand among the others."""
    return CORE


def check(runner: CaseRunner, kind: str, options: dict[str, Any]) -> None:
    """Vocabulary, weights and output must be Keras's, item by item."""
    given = {name: value for name, value in options.items() if name != "shape"}
    asked = in_shape(ASKED, options.get("shape", "(batch,)"))
    expected = runner.oracle.text(options)
    adapting = {name: value for name, value in given.items() if name in ("max_tokens", "standardize", "split", "ngrams", "output_mode")}
    question, wanted = {
        "adapt": (Question("text_vectorization_adapt", (ADAPTED,), adapting), expected.vocabulary),
        "idf": (Question("text_vectorization_idf", (ADAPTED, expected.vocabulary), adapting), expected.idf_weights),
        "forward": (Question("text_vectorization_forward", (asked, expected.vocabulary), _with_idf(given, expected)), expected.output),
    }[kind]
    answer = runner.ask(question)
    result = ExactResult(LAYER, kind, question, wanted, answer, lambda got, wanted: not _difference(got, wanted))
    status, message = runner.exact(result, _difference(answer.value, wanted) if answer.status == PASSED else "")
    record = Record(runner.identifier, LAYER, kind, status, {name: str(value) for name, value in options.items()}, message=message)
    said = ", ".join(f"{name}={value!r}" for name, value in options.items()) or "defaults"
    headline = f"{LAYER} {kind}  {said}    {status.upper()}"
    told = ExactExplanation(result, lambda: f"{headline}\n  {message}{runner.looks_like(result, message)}\n  again   {runner.again()}")
    runner.settle(record, told)


def _with_idf(options: dict[str, Any], expected: TextExpectation) -> dict[str, Any]:
    return options if expected.idf_weights is None else {**options, "idf_weights": expected.idf_weights}


def _difference(got: Any, wanted: Any) -> str:
    """What differs, in words; empty where nothing does."""
    if isinstance(wanted, list):
        if not isinstance(got, list | tuple):
            return f"expected a list, got {a(type(got).__name__)}"
        if len(got) != len(wanted):
            return f"expected {len(wanted)} items, got {len(got)}"
        for n, (item, want) in enumerate(zip(got, wanted, strict=True)):
            if not np.array_equal(np.asarray(item), np.asarray(want)):
                return f"item {n}: expected {want!r}, got {item!r}"
        return ""
    got = np.asarray(got)
    if got.shape != wanted.shape:
        return f"expected the shape {wanted.shape}, got {got.shape}"
    # Ids and counts are integers; tf-idf is one float32 product.
    same = np.isclose(got, wanted, rtol=1e-6, atol=0) if wanted.dtype.kind == "f" else got == wanted
    if np.all(same):
        return ""
    place = tuple(int(i) for i in np.argwhere(~same)[0])
    return f"{int(np.sum(~same))} of {same.size} values are off; the first at {place}: expected {wanted[place]}, got {got[place]}"
