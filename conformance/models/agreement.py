"""Two sets of probabilities for the same samples, Keras's and another's: the classes they name, and how far they are apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.base.arrays import Array
from reference.metrics import confusion_matrix, macro_f1, precision_recall_f1

FURTHEST = 16
"""So many of the samples that are furthest off are always among those of which more is asked."""
DIGITS = 6


@dataclass(frozen=True)
class Comparison:
    """Keras's probabilities and another implementation's, on the same samples.

    Attributes
    ----------
    agreement : float
        Share of the samples that both put into the same class.
    disagreeing, decided : arrays of int
        The other samples; and those among them whose two most probable classes (Keras's) are further apart than the bound.
    largest, mean : float
        Differences of probabilities; infinite where one is not a number.
    bound : float
        What float32 arithmetic explains.
    """

    agreement: float
    disagreeing: Array
    decided: Array
    largest: float
    mean: float
    bound: float

    @property
    def within(self) -> bool:
        """Whether every difference keeps the bound, and every disagreement is a near tie."""
        return self.largest <= self.bound and not self.decided.size


def compare(keras: Array, other: Array, bound: Callable[[Array], float]) -> Comparison:
    """Compare probabilities (samples, classes); `bound` is asked with the samples on which the two disagree or are furthest apart."""
    disagreeing = np.flatnonzero(keras.argmax(axis=-1) != other.argmax(axis=-1))
    difference = np.nan_to_num(np.abs(keras.astype(np.float64) - other.astype(np.float64)), nan=np.inf)
    allowed = bound(np.union1d(disagreeing, np.argsort(difference.max(axis=-1, initial=0))[-FURTHEST:]))
    top = np.sort(keras[disagreeing].astype(np.float64), axis=-1)
    return Comparison(
        agreement=1 - disagreeing.size / max(len(keras), 1),
        disagreeing=disagreeing,
        decided=disagreeing[top[:, -1] - top[:, -2] > allowed],
        largest=float(difference.max(initial=0)),
        mean=float(difference.mean()) if difference.size else 0.0,
        bound=allowed,
    )


def figures(
    labels: Array, classes: Sequence[str], keras: Array, reference: Array, bound: Callable[[Array], float], ids: Sequence[int] | None = None
) -> dict[str, Any]:
    """The figures of two sets of probabilities for the same samples, still as exact as they were measured.

    Parameters
    ----------
    labels : array (samples,)
    classes : sequence of str
        ``classes[label]`` names a label.
    keras, reference : arrays (samples, classes)
    bound : callable
        From the rows on which the two disagree to the largest difference that rounding explains.
    ids : sequence of int, optional
        The labels that are scored and averaged; all of them without it.
    """
    own, other = keras.argmax(axis=1), reference.argmax(axis=1)
    found = compare(keras, reference, bound)
    ids = list(range(len(classes))) if ids is None else list(ids)
    scores = np.round(precision_recall_f1(labels, other, labels=ids), DIGITS).T.tolist()
    matrix = confusion_matrix(labels, other, labels=ids)
    return {
        "samples": len(labels),
        "keras_macro_f1": round(macro_f1(labels, own, labels=ids), DIGITS),
        "reference_macro_f1": round(macro_f1(labels, other, labels=ids), DIGITS),
        "agreement": found.agreement,
        "disagreements": found.disagreeing.size,
        "disagreements_beyond_bound": found.decided.size,
        "max_probability_difference": found.largest,
        "mean_probability_difference": found.mean,
        "bound": found.bound,
        "within_bound": found.largest <= found.bound,
        "per_class": [
            {"class": classes[label], "precision": precision, "recall": recall, "f1": f1, "samples": samples}
            for label, (precision, recall, f1), samples in zip(ids, scores, matrix.sum(axis=1).tolist(), strict=True)
        ],
        "confusion_matrix": matrix.tolist(),
    }
