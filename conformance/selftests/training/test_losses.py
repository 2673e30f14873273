"""The sparse loss of the reference against Keras's own with all options at once, and every gradient against central differences."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import reference
from conformance.cases.losses import LOSS_CASES, draw_loss, loss_cases
from reference.losses import sparse_categorical_crossentropy
from reference.losses.loss import LOSSES

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


ONE_HOT = np.eye(3)[LABELS]
SELDOM = {
    "KLDivergence-labels of 0": ("kl_divergence", ONE_HOT, PROBABILITIES, {}),
    "CategoricalCrossentropy-two classes at once": (
        "categorical_crossentropy", np.maximum(ONE_HOT, ONE_HOT[::-1]), LOGITS, {"from_logits": True}
    ),
    "MeanSquaredError-a column for a row": ("mean_squared_error", LOGITS, PROBABILITIES[:, :1], {}),
    "CosineSimilarity-a short vector": ("cosine_similarity", ONE_HOT, 1e-9 * LOGITS, {}),
}  # fmt: skip
"""Labels and predictions with a gradient that no declared case asks for."""


@pytest.mark.parametrize("what", SELDOM)
def test_seldom_gradients_are_those_of_keras(what):
    from conformance.oracle.environment import import_keras, tensorflow

    tf, (name, labels, predicted, options) = tensorflow(), SELDOM[what]
    tensor = tf.constant(predicted)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        loss = getattr(import_keras().losses, what.partition("-")[0])(**options, dtype="float64")(labels, tensor)
    wanted = tape.gradient(loss, tensor).numpy()
    got = getattr(reference, f"{name}_backward")(labels, predicted, **options)
    worst = np.max(np.abs(got - wanted) / (1e-7 + np.abs(wanted)))
    assert worst < 1e-9, f"{what}: the gradient is {got}, in Keras {wanted}"


@pytest.mark.parametrize("name", LOSS_CASES)
def test_gradients_are_the_slopes_of_the_value(name):
    """A cross-check without Keras: the first cases of each loss, at inputs whose neighbours are on no other side of a kink."""
    step = 1e-6
    cases = [case for case in loss_cases(name) if case.dtype == "float64" and "values" not in case.call and case.shape[0] > 1]
    for case in [case for case in cases if case.config.get("reduction", "") not in (None, "none")][:6]:
        arrays = draw_loss(case, 0)
        (labels,), options = arrays.weights, {**case.config, **arrays.arguments}
        gradient = getattr(reference, f"{name}_backward")(labels, arrays.x, **options)
        for place in list(np.ndindex(arrays.x.shape))[:8]:
            moved = step * (place == np.indices(arrays.x.shape).T).all(-1).T
            up, down = (getattr(reference, name)(labels, arrays.x + sign * moved, **options) for sign in (1, -1))
            slope = (up - down) / (2 * step)
            assert abs(gradient[place] - slope) < 1e-6 * (1 + abs(slope)), f"{case.id}: at {place} {gradient[place]}, the slope is {slope}"


@pytest.mark.parametrize("name", LOSS_CASES)
def test_another_reduction_is_refused(name):
    with pytest.raises(ValueError, match="reduction is one of"):
        getattr(reference, name)(np.ones((2, 3)) if name != "sparse_categorical_crossentropy" else [0, 1], np.ones((2, 3)), reduction="avg")


def test_shapes_that_do_not_fit_are_refused():
    for name in ("categorical_crossentropy", "binary_crossentropy"):
        with pytest.raises(ValueError, match="must have the same shape"):
            getattr(reference, name)(np.ones((2, 3)), np.ones((3, 3)))
    with pytest.raises(ValueError, match="class ids go from 0 to 2"):
        sparse_categorical_crossentropy([3], np.ones((1, 3)))
    with pytest.raises(ValueError, match="the classes are the last axis"):
        sparse_categorical_crossentropy([[0, 1]], np.ones((1, 2, 3)), axis=1)


def test_the_table_holds_the_public_functions_of_every_loss():
    public = {name: (getattr(reference, name), getattr(reference, f"{name}_backward")) for name in LOSS_CASES}
    assert public == LOSSES, "training and the suite ask the same functions"


@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient_each_say_their_equation(name):
    forward, backward = LOSSES[name]
    assert inspect.signature(forward) == inspect.signature(backward), "the gradient takes the arguments of the value"
    value, _, gradient = forward.__doc__.partition("Gradient: ")
    assert "``" in value and "keras.losses." in value, f"{name} says its equation and where that comes from"
    assert gradient.strip() and backward.__doc__.startswith(gradient.strip()), f"{name}_backward says its equation"
    assert f":func:`{name}`" in backward.__doc__, f"{name}_backward says where arguments and errors are explained"
