"""Classification metrics of class ids, with the definitions of scikit-learn (``zero_division=0``)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Share of samples whose predicted class is the true one.

    Takes class ids of shape (samples,), not probabilities. ValueError if the shapes differ or there are no samples.

    Source: sklearn.metrics.accuracy_score.
    """
    true, predicted = _class_ids(y_true, y_pred)
    return float(np.mean(true == predicted))


def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike, *, labels: ArrayLike | None = None) -> Array:
    """``C[i, j]``: how many samples of true class ``labels[i]`` were predicted as ``labels[j]``.

    int64 (labels, labels). `labels` defaults to the classes that occur, sorted; samples of other classes are left out.
    ValueError if the shapes differ, there are no samples, or no label occurs among the true classes.

    Source: sklearn.metrics.confusion_matrix.
    """
    true, predicted = _class_ids(y_true, y_pred)
    matrix, places = _full_confusion_matrix(true, predicted, labels)
    if not matrix[places].any():
        raise ValueError("none of the labels occurs among the true classes")
    return np.asarray(matrix[np.ix_(places, places)])


def precision_recall_f1(y_true: ArrayLike, y_pred: ArrayLike, *, labels: ArrayLike | None = None) -> tuple[Array, Array, Array]:
    """Precision ``TP / (TP + FP)``, recall ``TP / (TP + FN)`` and F1 ``2 TP / (2 TP + FP + FN)`` of each label.

    TP counts the samples of a class that were predicted as it, FP those of other classes predicted as it, FN its own
    predicted as another. A ratio without samples, 0 / 0, is 0. Three float64 arrays (labels,); `labels` defaults to the
    classes that occur, sorted. ValueError if the shapes differ or there are no samples.

    Source: sklearn.metrics.precision_recall_fscore_support.
    """
    true, predicted = _class_ids(y_true, y_pred)
    matrix, places = _full_confusion_matrix(true, predicted, labels)
    hits = np.diagonal(matrix)[places]
    of_predicted = matrix.sum(axis=0)[places]  # TP + FP
    of_true = matrix.sum(axis=1)[places]  # TP + FN
    return _ratio(hits, of_predicted), _ratio(hits, of_true), _ratio(2 * hits, of_predicted + of_true)


def macro_f1(y_true: ArrayLike, y_pred: ArrayLike, *, labels: ArrayLike | None = None) -> float:
    """Mean of the F1 of every label, rare classes counting as much as frequent ones.

    Source: sklearn.metrics.f1_score with average="macro".
    """
    return float(np.mean(precision_recall_f1(y_true, y_pred, labels=labels)[2]))


def _class_ids(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    true, predicted = np.asarray(y_true), np.asarray(y_pred)
    if true.ndim != 1 or true.shape != predicted.shape:
        raise ValueError(
            f"y_true and y_pred are class ids of one shape (samples,), not {true.shape} and {predicted.shape}"
            + ("; take the argmax of probabilities first" if predicted.ndim == 2 else "")
        )
    if true.size == 0:
        raise ValueError("there are no samples")
    for ids in (true, predicted):
        if ids.dtype.kind == "f" and not np.array_equal(ids, np.round(ids)):
            raise ValueError("y_true and y_pred are class ids, but hold fractions or NaN")
    return true, predicted


def _full_confusion_matrix(true: Array, predicted: Array, labels: ArrayLike | None) -> tuple[Array, Array]:
    """Confusion matrix of every class that occurs or is a label, and the places of the labels in it."""
    occurring = np.union1d(true, predicted)
    wanted = occurring if labels is None else np.asarray(labels)
    if wanted.size == 0:
        raise ValueError("labels is empty")
    classes = np.union1d(occurring, wanted)
    cells = np.searchsorted(classes, true) * len(classes) + np.searchsorted(classes, predicted)
    matrix = np.bincount(cells, minlength=len(classes) ** 2).reshape(len(classes), len(classes))
    return matrix, np.searchsorted(classes, wanted)


def _ratio(numerator: Array, denominator: Array) -> Array:
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator != 0)
