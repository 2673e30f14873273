"""An item about a whole trained model: does the submission predict what Keras predicts?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from conformance.base.arrays import Array
from conformance.base.errors import reason
from conformance.base.record import ERROR, FAILED, PASSED, UNSUPPORTED
from conformance.grading.points import blank
from conformance.grading.result import RAISED, WRONG_FORM, WRONG_VALUES, Cause, ItemResult
from conformance.grading.rubric import Item
from conformance.implementations.protocol import Implementation
from conformance.models.functions import predictor
from reference.metrics import macro_f1
from reference.models import load_model

AT_ONCE = 16
"""Samples that are predicted together: a call of a layer may only take so long."""
TIE = 1e-5
"""Two classes whose probabilities are closer than this are both right."""


def model_result(item: Item, implementation: Implementation) -> ItemResult:
    """The share of samples that get the class which Keras gives them, and both macro-F1 scores.

    ``data`` holds inputs ``x``, classes ``y``, and Keras's probabilities as ``keras``; without these the reference's stand in for them.
    """
    assert item.model is not None and item.data is not None, "an item about a model has a model and data"
    with np.load(item.data, allow_pickle=False) as stored:
        x, y = stored["x"], stored["y"]
        who = "Keras" if "keras" in stored.files else "the reference"
        expected = stored["keras"] if "keras" in stored.files else load_model(item.model).predict(x)
    try:
        predict = predictor(implementation, item.model)
        got = np.concatenate([np.asarray(predict(x[start : start + AT_ONCE])) for start in range(0, len(x), AT_ONCE)])
    except NotImplementedError as error:
        why = f"There are no predictions to compare: {str(error).rstrip('.')}."
        return blank(item, counts={UNSUPPORTED: len(x)}, counted=len(x), notes=(why,))
    except (Exception, SystemExit) as error:
        return _stopped(item, len(x), ERROR, RAISED, reason(error))
    if got.shape != expected.shape or got.dtype.kind not in "fiu":
        return _stopped(item, len(x), FAILED, WRONG_FORM, f"it predicts the shape {got.shape}, expected {expected.shape}")
    right = agree(got, expected)
    scores = [macro_f1(y, _classes(one)) for one in (got, expected)]
    passed = int(right.sum())
    said = f"macro-F1 {scores[0]:.4f}, {who}'s {scores[1]:.4f}; {passed} of {len(x)} samples get the class that {who} gives them."
    causes = () if right.all() else (Cause("the model", "core", len(x) - passed, WRONG_VALUES, "Samples get another class than expected."),)
    counts = {status: count for status, count in ((FAILED, len(x) - passed), (PASSED, passed)) if count}
    done = blank(item, counts=counts, passed=passed, counted=len(x), causes=causes, notes=(said,))
    return replace(done, earned=round(item.points * passed / len(x), 6), right=("the model",) if right.all() else ())


def agree(got: Array, expected: Array) -> Any:
    """For each sample whether it gets the class that is expected, or one that is as probable."""
    rows, ours = np.arange(len(expected)), _classes(got)
    if expected.shape[-1] == 1:
        return (ours == _classes(expected)) | (np.abs(expected[:, 0] - 0.5) < TIE)
    return np.isfinite(got).all(axis=-1) & (expected[rows, ours] >= expected.max(axis=-1) - TIE)


def _classes(probabilities: Array) -> Any:
    """The most probable class of each sample; of one probability whether it is more than a half."""
    return (probabilities[:, 0] > 0.5).astype(int) if probabilities.shape[-1] == 1 else probabilities.argmax(axis=-1)


def _stopped(item: Item, samples: int, status: str, category: str, why: str) -> ItemResult:
    """Nothing earned, since there are no predictions."""
    cause = Cause("the model", "core", samples, category, f"There are no predictions to compare: {why.rstrip('.')}.")
    return blank(item, counts={status: samples}, counted=samples, causes=(cause,))
