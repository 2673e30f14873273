"""Recurrent layers of the reference where Keras cannot be asked: drawn masks, halves of their own, very long sequences."""

from __future__ import annotations

import numpy as np
import pytest

from reference import bidirectional_forward, dropout_forward, gru_forward, lstm_forward, simple_rnn_forward, sparsemax

RNG = np.random.default_rng(5)
SEQUENCE = RNG.normal(size=(2, 4, 5))


LAYERS = {"SimpleRNN": (simple_rnn_forward, 1, 1), "LSTM": (lstm_forward, 4, 2), "GRU": (gru_forward, 3, 1)}
"""By class: the function, the number of gates and of states."""
every_layer = pytest.mark.parametrize("layer", LAYERS)


def weights(units: int = 3, features: int = 5, layer: str = "LSTM") -> tuple[np.ndarray, ...]:
    wide = LAYERS[layer][1] * units
    bias = (2, wide) if layer == "GRU" else (wide,)
    return tuple(RNG.normal(size=shape) / 2 for shape in ((features, wide), (units, wide), bias))


def through(size: int, *gates: int) -> np.ndarray:
    """A kernel that hands its input on to these gates."""
    kernel = np.zeros((size, 4, size))
    for gate in gates:
        kernel[:, gate] = np.eye(size)
    return kernel.reshape(size, 4 * size)


def test_bidirectional_backwards_swaps_the_directions():
    one, two = weights(), weights()
    first, second = bidirectional_forward(SEQUENCE, one, two, go_backwards=True, return_sequences=True, merge_mode=None)
    backwards = lstm_forward(SEQUENCE, *one, go_backwards=True, return_sequences=True)
    assert np.array_equal(first, backwards), "with go_backwards the first half does not run from the end"
    forwards = lstm_forward(SEQUENCE, *two, return_sequences=True)[:, ::-1]
    assert np.array_equal(second, forwards), "with go_backwards the second half does not run from the start"


def test_the_halves_of_bidirectional_draw_masks_of_their_own():
    one = weights()
    halves = bidirectional_forward(np.ones((4, 1, 5)), one, one, training=True, dropout=0.5, seed=1, merge_mode=None)
    assert not np.array_equal(*halves), "one seed gives both halves the same dropout mask"


def test_the_halves_of_bidirectional_may_differ_in_units():
    three, two = weights(3), weights(2)
    wanted = np.concatenate([lstm_forward(SEQUENCE, *three), lstm_forward(SEQUENCE, *two, go_backwards=True)], axis=-1)
    assert np.array_equal(bidirectional_forward(SEQUENCE, three, two), wanted), "halves of 3 and 2 units are not put side by side"


@pytest.mark.parametrize("rates", [(0.5, 0.0), (0.0, 0.5)], ids=["dropout", "recurrent_dropout"])
def test_gates_have_masks_of_their_own_with_recurrent_dropout_only(rates):
    size = 200
    # Candidate and output gate see the same value: h = (v m_c) (v m_o - 1), negative only where their masks differ.
    open_, shut = through(size, 2, 3), through(size)
    kernels = (open_, shut) if rates[0] else (shut, open_)
    state = (np.ones((1, size)), np.zeros((1, size)))
    rate = {"training": True, "dropout": rates[0], "recurrent_dropout": rates[1], "seed": 1}
    bias = np.repeat([10.0, 10, 0, -1], size)
    linear = {"activation": "linear", "recurrent_activation": "linear"}
    y = lstm_forward(np.ones((1, 1, size)), *kernels, bias, initial_state=state, **rate, **linear)
    own = bool(y.min() < 0)
    assert own == (rates[1] > 0), f"with the rates {rates} the gates {'have masks of their own' if own else 'share one mask'}"


def test_the_masks_of_input_and_state_are_independent():
    size = 400
    state = (np.ones((1, size)), np.zeros((1, size)))
    y = lstm_forward(
        np.ones((1, 1, size)), through(size, 2), 10 * through(size, 2), np.repeat([10.0, 10, 0, 10], size), initial_state=state,
        training=True, dropout=0.5, recurrent_dropout=0.5, seed=3, activation="linear", recurrent_activation="hard_sigmoid",
    )  # fmt: skip
    assert len(np.unique(np.round(y, 6))) == 4, "input and state are not dropped in all four combinations"


@every_layer
def test_dropout_acts_in_training_only(layer):
    forward, own = LAYERS[layer][0], weights(layer=layer)
    plain = forward(SEQUENCE, *own)
    assert np.array_equal(forward(SEQUENCE, *own, dropout=0.5, recurrent_dropout=0.5), plain), "dropout acts without training"


@every_layer
def test_a_seed_makes_drawn_masks_reproducible(layer):
    forward, own = LAYERS[layer][0], weights(layer=layer)
    rates = {"training": True, "dropout": 0.5, "recurrent_dropout": 0.5}
    first, again, other = (forward(SEQUENCE, *own, **rates, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again), "one seed gives two results"
    assert not np.array_equal(first, other), "two seeds give one result"


@every_layer
def test_whatever_is_not_zero_in_a_mask_counts(layer):
    forward, own = LAYERS[layer][0], weights(layer=layer)
    mask = np.array([[0.25, 0, -1, 0.5], [0, 1e-9, 3, 0]])
    wanted = forward(SEQUENCE, *own, mask=mask != 0)
    assert np.array_equal(forward(SEQUENCE, *own, mask=mask), wanted), "a small or negative mask value does not count"


@every_layer
def test_a_long_sequence_is_the_sequence_of_its_steps(layer):
    forward, _, count = LAYERS[layer]
    x, own, states, outputs = RNG.normal(size=(2, 300, 5)), weights(layer=layer), (np.zeros((2, 3)),) * count, []
    for step in range(300):
        y, *states = forward(x[:, step : step + 1], *own, initial_state=tuple(states), return_state=True)
        outputs.append(y)
    whole = forward(x, *own, return_sequences=True)
    worst = float(np.max(np.abs(whole - np.stack(outputs, axis=1))))
    assert worst < 1e-12, f"300 steps at once differ by {worst} from 300 calls of one step"


def test_dropout_never_hands_out_its_input():
    x = RNG.normal(size=(3, 4))
    assert not np.shares_memory(dropout_forward(x, rate=0.5), x), "a change of the output would change the input"


def test_sparsemax_may_keep_every_value():
    y = sparsemax(np.linspace(0, 1e-3, 40)[None])
    assert np.all(y > 0) and abs(float(y.sum()) - 1) < 1e-12, "40 nearly equal values do not share the probability"
