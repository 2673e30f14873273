"""Mistakes in the cells of the recurrent layers, and in the order of the gates of LSTM and GRU."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.cells import bias_of, run_again, with_cell
from conformance.faults.fault import Function, Shared, changed
from reference.layers.rnn.cells import States

Array = NDArray[Any]

GATES = {"LSTM": "ifco", "GRU": "zrh"}
"""The gates of each layer in Keras's order."""


def _reordered(order: str, right: str) -> Callable[[Array], Array]:
    """A weight as it must stand for code in Keras's order to compute what code in another order would."""
    places = [order.index(gate) for gate in right]
    return lambda weight: np.concatenate([np.split(weight, len(right), axis=-1)[place] for place in places], axis=-1)


def _gate_orders(layer: str) -> Shared:
    collection = Shared(layer)
    for order in map("".join, itertools.permutations(GATES[layer])):
        if order != GATES[layer]:
            sentence = f"the gates stand in the order {', '.join(order)} instead of {', '.join(GATES[layer])}"
            turned = _reordered(order, GATES[layer])
            collection.add(f"gates_{order}", sentence, changed(kernel=turned, recurrent_kernel=turned, bias=turned))
    return collection


def with_step(wrong: Callable[[Any], States]) -> Function:
    """A recurrent layer whose new states are made of the parts of the right step, in the names of :data:`.cells.KEPT`."""
    return run_again(lambda saved: with_cell(saved, wrong=wrong))


def with_cell_state(wrong: Callable[[Any], Array]) -> Function:
    """An LSTM whose new cell state is made of the parts of the right step and of the old one."""

    def states(s: Any) -> States:
        s.old, s.r = s.before[1], s.cell.recurrent_activation
        c = wrong(s)
        return s.o * s.g(c), c

    return with_step(states)


def with_new_state(wrong: Callable[[Any], Array]) -> Function:
    """A GRU or a SimpleRNN whose new state is made of the parts of the right step."""
    return with_step(lambda s: (wrong(s),))


def with_candidate(wrong: Callable[[Any], Array]) -> Function:
    """A GRU with another candidate."""
    return with_new_state(lambda s: s.z * s.h + (1 - s.z) * wrong(s))


def _candidate(s: Any, r: Array) -> Array:
    """The candidate with another reset gate."""
    return np.asarray(s.g(s.z_x[2] + s.cell.reset(r, s.h, s.product, s.recurrent)))


lstm = Shared("LSTM", wrap=with_step).table(
    cell_state_not_activated=("the output is o * c: the activation is not applied to the cell state", lambda s: (s.o * s.c, s.c)),
    output_from_old_cell_state=("the output gate acts on the cell state of the step before", lambda s: (s.o * s.g(s.before[1]), s.c)),
    output_gate_left_out=("the output gate is left out", lambda s: (s.active, s.c)),
    cell_state_by_tanh=("the cell state goes through tanh whatever the option activation is", lambda s: (s.o * np.tanh(s.c), s.c)),
)
lstm_cell_states = Shared("LSTM", wrap=with_cell_state).table(
    candidate_not_activated=("the candidate does not go through the activation", lambda s: s.f * s.old + s.i * s.z[2]),
    candidate_by_tanh=("the candidate goes through tanh whatever the option activation is", lambda s: s.f * s.old + s.i * np.tanh(s.z[2])),
    coupled_gates=("the input gate is 1 - f instead of one of its own", lambda s: s.f * s.old + (1 - s.f) * s.candidate),
    input_gate_left_out=("the input gate is left out", lambda s: s.f * s.old + s.candidate),
    forget_gate_inverted=("the forget gate forgets what it should keep (1 - f)", lambda s: (1 - s.f) * s.old + s.i * s.candidate),
)


@lstm_cell_states.by(lambda s: s.f * s.old + s.i * s.r(s.z[2]))
def candidate_by_recurrent_activation() -> None:
    """The candidate goes through the recurrent activation instead of the activation."""


gru = Shared("GRU", wrap=with_new_state)
gru_candidates = Shared("GRU", wrap=with_candidate)


@gru
def update_gate_inverted(s: Any) -> Array:
    """The update gate works the wrong way round: (1 - z) h + z hh instead of z h + (1 - z) hh."""
    return np.asarray((1 - s.z) * s.h + s.z * s.hh)


@gru
def dropped_state_kept(s: Any) -> Array:
    """recurrent_dropout acts on the h of z h as well, which is never dropped."""
    keep: Any = 1 if s.recurrent.keep is None else s.recurrent.keep
    return np.asarray(s.z * (keep[0] if np.ndim(keep) == 3 else keep) * s.h + (1 - s.z) * s.hh)


gru.table(
    update_gate_left_out=("the update gate is left out: the new state is the candidate alone", lambda s: s.hh),
    candidate_added=("the candidate is added without its share: z h + hh instead of z h + (1 - z) hh", lambda s: s.z * s.h + s.hh),
    output_activated=("the new state goes through the activation once more", lambda s: s.g(s.new[0])),
)


@gru.by(lambda s: s.z * s.r * s.h + (1 - s.z) * s.hh)
def reset_gate_on_the_state() -> None:
    """The reset gate acts on the old state in the sum as well: z r h + (1 - z) hh."""


gru_candidates.table(
    reset_gate_left_out=("the reset gate is left out of the candidate", lambda s: _candidate(s, np.ones_like(s.r))),
    reset_gate_inverted=("the reset gate works the wrong way round (1 - r)", lambda s: _candidate(s, 1 - s.r)),
    candidate_not_activated=("the candidate does not go through the activation", lambda s: s.a_h),
    candidate_by_recurrent_activation=(
        "the candidate goes through the recurrent activation instead of the activation",
        lambda s: s.cell.recurrent_activation(s.a_h),
    ),
)


@gru_candidates.by(lambda s: s.g(s.z_x[2] + s.r * s.product))
def reset_after_always() -> None:
    """reset_after=False is ignored: the reset gate acts after the recurrent product."""


@gru_candidates
def recurrent_bias_outside_the_reset_gate(s: Any) -> Array:
    """The recurrent bias of the candidate is added outside the reset gate, which should act on it too."""
    return np.asarray(s.g(s.a_h + (1 - s.r) * bias_of(s.recurrent, 2)))


@gru_candidates
def input_bias_inside_the_reset_gate(s: Any) -> Array:
    """The input bias of the candidate is added inside the reset gate, which should not act on it."""
    return np.asarray(s.g(s.a_h - (1 - s.r) * bias_of(s.input, 2)))


@gru_candidates
def reset_before(s: Any) -> Array:
    """The reset gate acts on h before the recurrent product, as with reset_after=False; the default is after it."""
    return np.asarray(s.g(s.z_x[2] + s.recurrent(s.r * s.h)[2]))


def _of_rows(change: Callable[[Array], Array]) -> Function:
    """A GRU whose bias, where it has two rows, is another one."""
    return changed(bias=lambda bias: change(bias) if bias.ndim == 2 else bias)


gru_biases = Shared("GRU", wrap=_of_rows).table(
    bias_halves_swapped=("the two rows of the bias are swapped: the first is the input's, the second the recurrent one", lambda b: b[::-1]),
    recurrent_bias_left_out=("the second row of the bias, the recurrent one, is left out", lambda b: np.stack([b[0], 0 * b[0]])),
    input_bias_left_out=("the first row of the bias, the input's, is left out", lambda b: np.stack([0 * b[1], b[1]])),
    recurrent_bias_twice=("the second row of the bias is used for the input's product too", lambda b: np.stack([b[1], b[1]])),
    input_bias_twice=("the first row of the bias is used for the recurrent product too", lambda b: np.stack([b[0], b[0]])),
)


@gru_biases.by(lambda b: np.ascontiguousarray(b.reshape(-1, 2).T))
def bias_read_in_pairs() -> None:
    """The bias is read as pairs (input, recurrent) for each unit instead of one row after the other."""


simple_rnn = Shared("SimpleRNN", wrap=with_new_state).table(
    not_activated=("the activation is not applied", lambda s: s.z),
    state_added=("the previous output is added to the new one", lambda s: s.h + s.after),
    relu_always=("relu is applied although another activation is asked for (the default is tanh)", lambda s: np.maximum(s.z, 0)),
)


@simple_rnn.by(lambda s: s.g(s.z_x[0]) + s.recurrent(s.h)[0])
def input_activated_alone() -> None:
    """The activation is applied to the input's part alone, before the recurrent product is added."""


@simple_rnn.by(lambda s: s.g(s.z_x[0]) + s.g(s.recurrent(s.h)[0]))
def parts_activated_apart() -> None:
    """The activation is applied to the input's part and to the recurrent product, one by one, instead of to their sum."""


@simple_rnn.by(lambda s: s.g(s.z_x[0] + s.recurrent(s.g(s.h))[0]))
def state_activated_before_the_product() -> None:
    """The activation is applied to the previous output before the recurrent product as well."""


@simple_rnn.by(lambda s: s.g(s.z - bias_of(s.input, 0)) + bias_of(s.input, 0))
def bias_after_activation() -> None:
    """The bias is added after the activation instead of before it."""


@simple_rnn.by(lambda s: (s.h + s.after) / 2)
def state_averaged() -> None:
    """The new output is the mean of the activated sum and the previous output (a leaky unit)."""


LAYERS = (_gate_orders("LSTM"), _gate_orders("GRU"), lstm, lstm_cell_states, gru, gru_candidates, gru_biases, simple_rnn)
