"""Mistakes of cross-entropies that make probabilities of logits, which round to 0 and 1: Keras takes the logarithm of the logits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.faults.fault import Collection, Function, Shared
from conformance.faults.training.loss_calls import CATEGORICAL, SPARSE
from conformance.faults.training.losses import rows, shares, split
from reference.losses.reduction import PerSample, value

Array = NDArray[Any]
BINARY = "binary_crossentropy"


def probabilities_of(right: Function, z: Array, axis: int) -> Array:
    """What a loss takes logits for."""
    found: Array = reference.sigmoid(z) if right.__name__.startswith("binary") else reference.softmax(z, axis=axis)
    return found


def _unclipped(right: Function, y: Array, p: Array, axis: int) -> Array:
    """The cross-entropy of labels, as rows, and probabilities as it stands in a book."""
    if right.__name__.startswith("binary"):
        return np.asarray(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p), axis=axis))
    terms = np.where(y > 0, np.log(p), 0) if right.__name__.startswith("sparse") else y * np.log(p)
    return np.asarray(-np.sum(terms, axis=axis))


def of_logits(probabilities: Function) -> Function:
    """A cross-entropy that puts logits through ``probabilities(right, z, axis)`` and clips nothing; of probabilities the right one."""

    def function(right: Function, y_true: Any, y_pred: Any, **options: Any) -> Any:
        own, how = split(options)
        if not own.get("from_logits"):
            return right(y_true, y_pred, **options)
        axis = own.get("axis", -1)
        y, z, kept = rows(right, y_true, y_pred, own)
        losses = _unclipped(right, y, probabilities(right, z, axis), axis)
        return value(PerSample(np.asarray(losses, z.dtype), lambda g: g, kept), **how)

    return function


def _overflowing(right: Function, z: Array, axis: int) -> Array:
    return shares(np.exp(z), axis)


logits = Shared(*CATEGORICAL, SPARSE)
clipped_logits = Shared("categorical_crossentropy", SPARSE, BINARY)
unclipped_classes = Shared("categorical_crossentropy", SPARSE)


@logits
def softmax_overflows(right: Function, y: Any, z: Array, from_logits: bool = False, axis: int = -1, **options: Any) -> Any:
    """Softmax overflows for large logits: their largest is not subtracted."""
    given = {**options, **({} if axis == -1 else {"axis": axis})}
    return right(y, shares(np.exp(z), axis) if from_logits else z, **given)


@clipped_logits
def logits_clipped(right: Function, y: Any, z: Array, from_logits: bool = False, **options: Any) -> Any:
    """Logits become probabilities that are clipped at 1e-7: no loss is above 16.1, where Keras takes the logarithm of the logits."""
    return right(y, probabilities_of(right, z, options.get("axis", -1)) if from_logits else z, **options)


clipped_logits.add(
    "logits_not_clipped",
    "logits become probabilities, which round to 0, and log(0) is infinite, where Keras takes the logarithm of the logits",
    of_logits(probabilities_of),
)
unclipped_classes.add(
    "overflowing_softmax_not_clipped",
    "softmax overflows for large logits (their largest is not subtracted), and the logarithm of what it gives is taken as it is",
    of_logits(_overflowing),
)

LAYERS: tuple[Collection, ...] = (logits, clipped_logits, unclipped_classes)
