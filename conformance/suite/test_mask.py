"""Masks that a layer makes: Embedding's, from the ids that it is given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conformance.plugin import selected_layers

IDS: dict[str, Any] = {
    "ids": np.array([[3, 0, 5, 0], [0, 1, 0, 0]], np.int32),
    "ids_int64": np.array([[0, 2], [7, 0], [1, 1]], np.int64),
    # Compared before the cast to integers: 0.5 counts although it looks up row 0.
    "float_ids": np.array([[0.5, 0.0, 2.0], [-0.0, 1.9, 0.25]], np.float32),
    "negative_ids": np.array([[-1, 0, 2], [0, -3, 1]], np.int32),
    "one_row": np.array([[4, 0, 6]], np.int32),
    "grid": np.array([[[0, 1], [2, 0], [0, 0]]], np.int32),
    "empty_batch": np.zeros((0, 3), np.int32),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every kind of ids, with and without ``mask_zero``, alone and below another mask."""
    chosen = "Embedding" in selected_layers(metafunc.config)
    cases = [(kind, zero, given) for kind in IDS for zero in (True, False) for given in (False, True)] if chosen else []
    ids = [f"Embedding-{'mask_zero-' if zero else ''}{'mask=given-' if given else ''}{kind}" for kind, zero, given in cases]
    metafunc.parametrize(("kind", "mask_zero", "given"), cases, ids=ids)


def test_mask(kind: str, mask_zero: bool, given: bool, conform: Any) -> None:
    from conformance.contract import Question
    from conformance.oracle.live import keras_mask
    from conformance.record import Record
    from conformance.statuses import FAILED, PASSED

    x = IDS[kind]
    mask = np.ones(x.shape, bool) if given else None
    expected = keras_mask("Embedding", {"input_dim": 9, "output_dim": 2, "mask_zero": mask_zero}, x, mask)
    keywords = {**({"mask": mask} if given else {}), **({"mask_zero": True} if mask_zero else {})}
    answer = conform.ask(Question("embedding_compute_mask", (x,), keywords))
    status, message = answer.status, answer.message
    if status == PASSED and not _same(answer.value, expected):
        status = FAILED
        message = f"embedding_compute_mask with mask_zero={mask_zero} on {kind} gives\n  {answer.value}\nexpected\n  {expected}"
    options = {"mask_zero": str(mask_zero)}
    record = Record(conform.identifier, "Embedding", "mask", status, options, message=message)
    conform.settle(record, lambda: f"{message}\n  again   {conform.again}")


def _same(got: Any, expected: Any) -> bool:
    if expected is None or got is None:
        return got is expected
    got = np.asarray(got)
    return got.shape == expected.shape and got.dtype.kind in "bi" and bool(np.array_equal(got != 0, expected))
