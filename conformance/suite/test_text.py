"""TextVectorization: the vocabulary, the idf weights and the ids or counts, exactly as Keras has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conformance.cases.text import ADAPTED, ASKED, LAYER, in_shape, text_cases
from conformance.plugin import selected_layers, setting

PASSES = ("adapt", "idf", "forward")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every combination of options, for each of the three functions that it concerns."""
    profile = setting(metafunc.config, "--conform-profile", "standard")
    cases = []
    for identifier, options in text_cases(profile) if LAYER in selected_layers(metafunc.config) else []:
        for kind in PASSES:
            if kind != "idf" or options.get("output_mode") == "tf_idf":
                cases.append(pytest.param(kind, options, id=f"{identifier}-{kind}"))
    metafunc.parametrize(("kind", "options"), cases)


def test_text(kind: str, options: dict[str, Any], conform: Any) -> None:
    from conformance.contract import Question
    from conformance.oracle.text import expect_text
    from conformance.record import Record
    from conformance.statuses import FAILED, PASSED

    given = {name: value for name, value in options.items() if name != "shape"}
    asked = in_shape(ASKED, options.get("shape", "(batch,)"))
    expected = expect_text(ADAPTED, asked, given)
    adapting = {name: value for name, value in given.items() if name in ("max_tokens", "standardize", "split", "ngrams", "output_mode")}
    question, wanted = {
        "adapt": (Question("text_vectorization_adapt", (ADAPTED,), adapting), expected.vocabulary),
        "idf": (Question("text_vectorization_idf", (ADAPTED, expected.vocabulary), adapting), expected.idf_weights),
        "forward": (Question("text_vectorization_forward", (asked, expected.vocabulary), _with_idf(given, expected)), expected.output),
    }[kind]
    answer = conform.ask(question)
    status, message = answer.status, answer.message
    if status == PASSED:
        message = _difference(answer.value, wanted)
        status = FAILED if message else PASSED
    record = Record(conform.identifier, LAYER, kind, status, {name: str(value) for name, value in options.items()}, message=message)
    said = ", ".join(f"{name}={value!r}" for name, value in options.items()) or "defaults"
    conform.settle(record, lambda: f"{LAYER} {kind}  {said}    {status.upper()}\n  {message}\n  again   {conform.again}")


def _with_idf(options: dict[str, Any], expected: Any) -> dict[str, Any]:
    return options if expected.idf_weights is None else {**options, "idf_weights": expected.idf_weights}


def _difference(got: Any, wanted: Any) -> str:
    """What differs, in words; empty where nothing does."""
    if isinstance(wanted, list):
        if not isinstance(got, list | tuple):
            return f"expected a list, got a {type(got).__name__}"
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
