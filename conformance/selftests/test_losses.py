"""The loss of the reference against Keras's own, in float64: every reduction, weights, ignored classes, logits, extremes."""

from __future__ import annotations

import numpy as np
import pytest

from reference.losses import sparse_categorical_crossentropy

RNG = np.random.default_rng(5)
LABELS = np.array([0, 2, 1, 2, 0, 1, 2])
LOGITS = RNG.normal(0, 3, (7, 3))
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
EXTREMES = np.array([[0, 1, 0], [1, 0, 0], [0.2, 0.2, 0.2], [0.5, 0.3, 0.9], [1e-9, 1e-8, 1], [0, 0, 0], [1, 1, 1]], float)
PREDICTIONS = {
    "probabilities": (PROBABILITIES, False),
    "logits": (LOGITS, True),
    "huge_logits": (400 * LOGITS, True),
    "extremes": (EXTREMES, False),
}
WEIGHTS = {"unweighted": None, "weights": RNG.uniform(0.1, 2, 7), "column_of_weights": RNG.uniform(0.1, 2, (7, 1))}


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("ignore_class", [None, 2])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", None])
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_loss_is_the_one_of_keras(prediction, reduction, ignore_class, weights):
    from conformance.oracle.environment import import_keras

    predicted, from_logits = PREDICTIONS[prediction]
    options = {"from_logits": from_logits, "reduction": reduction, "ignore_class": ignore_class}
    keras_loss = import_keras().losses.SparseCategoricalCrossentropy(**options, dtype="float64")
    wanted = np.asarray(keras_loss(LABELS, predicted, sample_weight=WEIGHTS[weights]))
    got = np.asarray(sparse_categorical_crossentropy(LABELS, predicted, **options, sample_weight=WEIGHTS[weights]))
    assert got.shape == wanted.shape, f"the loss has the shape {got.shape}, in Keras {wanted.shape}"
    worst = np.max(np.abs(got - wanted) / (1 + np.abs(wanted)))
    assert worst < 1e-11, f"the loss is {got}, in Keras {wanted}"
