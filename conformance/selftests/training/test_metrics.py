import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from reference.metrics import accuracy, confusion_matrix, macro_f1, precision_recall_f1


def random_classes(seed, samples, classes):
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes, samples), rng.integers(0, classes, samples)


PAIRS = {
    "three classes": random_classes(0, 200, 3),
    "forty classes, few samples": random_classes(1, 60, 40),
    "one sample": random_classes(2, 1, 5),
    "all right": (np.array([2, 0, 2, 1]), np.array([2, 0, 2, 1])),
    "all wrong": (np.array([0, 0, 1]), np.array([1, 1, 0])),
    "one class predicted": (np.array([0, 1, 2, 2]), np.array([1, 1, 1, 1])),
    "a class only predicted": (np.array([0, 0, 1]), np.array([0, 2, 1])),
    "no class in common": (np.array([0, 0, 1]), np.array([3, 4, 3])),
    "negative and distant ids": (np.array([-1, 1000, 7, 7]), np.array([7, 1000, -1, 7])),
    "whole numbers as floats": (np.array([0.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.0])),
    "strings": (np.array(["a", "b", "b", "c"]), np.array(["a", "b", "c", "c"])),
    "lists": ([0, 1, 1], [0, 1, 0]),
}
LABELS = {
    "subset": [0, 1],
    "other order": [2, 0, 1],
    "one label": [1],
    "an absent label": [0, 1, 2, 77],
}


@pytest.mark.parametrize(("y_true", "y_pred"), PAIRS.values(), ids=PAIRS)
def test_equal_to_scikit_learn(y_true, y_pred):
    assert_equal_to_scikit_learn(y_true, y_pred, None)
    assert accuracy(y_true, y_pred) == sklearn_metrics.accuracy_score(y_true, y_pred)


@pytest.mark.filterwarnings("ignore:A single label was found")
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("pair", ["three classes", "forty classes, few samples", "one class predicted"])
def test_labels_equal_to_scikit_learn(pair, labels):
    assert_equal_to_scikit_learn(*PAIRS[pair], labels)


def assert_equal_to_scikit_learn(y_true, y_pred, labels):
    expected = sklearn_metrics.confusion_matrix(y_true, y_pred, labels=labels)
    np.testing.assert_array_equal(confusion_matrix(y_true, y_pred, labels=labels), expected)
    expected = sklearn_metrics.precision_recall_fscore_support(y_true, y_pred, labels=labels, zero_division=0)
    for actual, wanted in zip(precision_recall_f1(y_true, y_pred, labels=labels), expected[:3], strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-15)
    expected = sklearn_metrics.f1_score(y_true, y_pred, labels=labels, average="macro", zero_division=0)
    assert macro_f1(y_true, y_pred, labels=labels) == pytest.approx(expected, rel=1e-14)


def test_by_hand():
    y_true, y_pred = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 0]
    assert accuracy(y_true, y_pred) == 3 / 6
    assert confusion_matrix(y_true, y_pred).tolist() == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    precision, recall, f1 = precision_recall_f1(y_true, y_pred)
    assert precision.tolist() == [2 / 4, 1 / 2, 0]
    assert recall.tolist() == [2 / 3, 1 / 2, 0]
    assert f1.tolist() == [4 / 7, 1 / 2, 0]
    assert macro_f1(y_true, y_pred) == pytest.approx((4 / 7 + 1 / 2) / 3)


@pytest.mark.parametrize("metric", [accuracy, confusion_matrix, precision_recall_f1, macro_f1])
@pytest.mark.parametrize(
    ("y_true", "y_pred", "sentence"),
    [
        ([], [], "no samples"),
        ([0, 1], [0, 1, 1], "one shape"),
        ([[0], [1]], [[0], [1]], "one shape"),
        ([0, 1], [[0.9, 0.1], [0.2, 0.8]], "argmax"),
        ([0, 1], [0.9, 0.1], "fractions"),
        ([0, 1], [np.nan, 1], "fractions or NaN"),
    ],
)
def test_refusals(metric, y_true, y_pred, sentence):
    with pytest.raises(ValueError, match=sentence):
        metric(y_true, y_pred)


def test_confusion_matrix_refuses_labels_that_never_occur():
    with pytest.raises(ValueError, match="none of the labels"):
        confusion_matrix([0, 1], [2, 1], labels=[2])
    with pytest.raises(ValueError, match="labels is empty"):
        confusion_matrix([0, 1], [0, 1], labels=[])
