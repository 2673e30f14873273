"""The mistakes that are switched on in trainings: each is the one that its sentence names, and nothing of it stays."""

import numpy as np
import pytest

import reference
from conformance.studies.data.paths import checkpoints_dir
from conformance.studies.experiments.gap_faults import FAULTS, _of_probabilities, planted
from reference.training.step import start_training, train_step

BATCH = 4
LSTM, RNN = "reviews-lstm", "nusax-rnn-final"
LAYERS = {LSTM: ["embedding", "bidirectional_1"], RNN: ["embedding", "rnn_1", "bidirectional_2", "bidirectional_3"]}
"""By model: the layers below the last Dense, from the first one up."""
UNTOUCHED = {("next-state", RNN)}
"""The state before a step of a SimpleRNN enters the gradient of its recurrent kernel alone: the embedding gets what it should."""


@pytest.fixture(scope="module")
def models():
    """Two trained models, one with a bidirectional LSTM, one with a SimpleRNN below two bidirectional ones, in float64."""
    return {name: reference.load_model(checkpoints_dir() / name / "model.keras").astype("float64") for name in LAYERS}


@pytest.fixture(scope="module")
def right(models):
    return {name: gradients(model, "") for name, model in models.items()}


def gradients(model, fault):
    """The gradients of a step by layer, in one array each: with SGD and a rate of 1 they are what the weights lose."""
    ids = np.random.default_rng(0).integers(2, 1000, size=(BATCH, *model.graph.specs["input"].shape[1:]))
    state = start_training(model, optimizer=("sgd", {"learning_rate": 1.0}), loss="sparse_categorical_crossentropy")
    model, state = planted(fault, model, state)
    after, _ = train_step(model, state, ids, np.arange(BATCH) % 3)
    lost = {name: [old - new for old, new in zip(own, after.weights[name], strict=True)] for name, own in state.weights.items() if own}
    return {name: np.concatenate([one.reshape(-1) for one in own]) for name, own in lost.items()}


def same(one, other):
    # What is taken from weights of about 1 keeps 16 digits of them, not of the gradient.
    return np.allclose(one, other, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_changes_the_gradients_and_nothing_of_it_stays(models, right, name, fault):
    wrong = gradients(models[name], fault)
    assert not same(wrong["embedding"], right[name]["embedding"]) or (fault, name) in UNTOUCHED, f"{fault} changes what goes down"
    assert all(np.isfinite(one).all() for one in wrong.values()), "and all of it is finite"
    again = gradients(models[name], "")
    assert all(np.array_equal(again[layer], right[name][layer]) for layer in again), "switched off again, nothing is left of it"


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("fault", "factor"), [("not-averaged", BATCH), ("averaged-twice", 1 / BATCH)])
def test_the_mean_over_the_batch_is_left_out_or_taken_twice(models, right, name, fault, factor):
    wrong = gradients(models[name], fault)
    assert all(same(wrong[layer], factor * right[name][layer]) for layer in wrong), f"every gradient is {factor} times what it is"


@pytest.mark.parametrize("name", LAYERS)
def test_the_gradient_is_doubled_from_the_layer_that_returns_one_step_downwards(models, right, name):
    wrong = gradients(models[name], "doubled")
    assert same(wrong["probabilities"], right[name]["probabilities"]), "above the recurrent layers all is right"
    assert all(same(wrong[layer], 2 * right[name][layer]) for layer in LAYERS[name]), "each layer below gets twice its gradient, once"


def test_the_next_state_is_taken_in_bidirectional_layers_only(models, right):
    wrong = gradients(models[RNN], "next-state")
    changed = {layer for layer in wrong if not same(wrong[layer], right[RNN][layer])}
    assert changed == {"bidirectional_2", "bidirectional_3"}, "their recurrent kernels see another state, all else stays"


def test_the_softmax_is_passed_with_a_derivative_of_1(models):
    of_logits = np.array([[0.2, 0.3, -0.5], [-0.1, 0.05, 0.05]]) / 2  # (p - one_hot(y)) / batch, where p of the true class is 0.5 and 0.9
    expected = [[0, 0, -1 / 0.5 / 2], [-1 / 0.9 / 2, 0, 0]]
    assert np.allclose(_of_probabilities(of_logits), expected), "what comes down is the gradient of the cross-entropy: -1 / p / batch"
    for name, model in models.items():
        bias = gradients(model, "softmax-identity")["probabilities"][-3:]
        assert (bias < 0).all() and bias.sum() <= -1, f"{name}: it only ever raises the true class, by 1 / p as a mean, which is 1 at least"


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("fault", ["no-slope", "slope-of-pre-activation", "relu-slope", "last-cache"])
def test_mistakes_within_recurrent_layers_leave_the_last_layer_alone(models, right, name, fault):
    wrong = gradients(models[name], fault)
    assert same(wrong["probabilities"], right[name]["probabilities"]), "the Dense above is not touched"
    changed = [layer for layer in LAYERS[name] if not same(wrong[layer], right[name][layer])]
    assert changed == LAYERS[name], "every layer from there downwards is"
