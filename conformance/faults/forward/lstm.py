"""Mistakes in the cell of LSTM, and the order of gates in LSTM and GRU."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Collection, Function, right_function
from conformance.faults.forward.plain_recurrent import Moment, States, lstm_cell, with_step

Array = NDArray[Any]

GATES = {"LSTM": "ifco", "GRU": "zrh"}
"""The gates of each layer in Keras's order."""


def _reordered(weight: Array, order: str, right: str) -> Array:
    """The weight as it must stand for code in Keras's order to compute what code in another order would."""
    blocks = np.split(weight, len(right), axis=-1)
    return np.concatenate([blocks[order.index(gate)] for gate in right], axis=-1)


def _in_order(layer: str, order: str) -> Function:
    right = right_function(layer)

    def function(x: Array, *weights: Array, **options: Any) -> Any:
        return right(x, *(_reordered(weight, order, GATES[layer]) for weight in weights), **options)

    return function


def _gate_orders(layer: str) -> Collection:
    collection = Collection(layer)
    for order in map("".join, itertools.permutations(GATES[layer])):
        if order != GATES[layer]:
            sentence = f"the gates stand in the order {', '.join(order)} instead of {', '.join(GATES[layer])}"
            collection.add(f"gates_{order}", sentence, _in_order(layer, order))
    return collection


lstm = Collection("LSTM", wrap=with_step)


@lstm
def cell_state_not_activated(now: Moment) -> States:
    """The output is o * c: the activation is not applied to the cell state."""
    _, c = lstm_cell(now)
    return now.r(now.z[3]) * c, c


@lstm
def candidate_not_activated(now: Moment) -> States:
    """The candidate does not go through the activation."""
    (i, f, candidate, o), (_, c) = now.z, now.states
    c = now.r(f) * c + now.r(i) * candidate
    return now.r(o) * now.g(c), c


@lstm
def candidate_by_recurrent_activation(now: Moment) -> States:
    """The candidate goes through the recurrent activation instead of the activation."""
    (i, f, candidate, o), (_, c) = now.z, now.states
    c = now.r(f) * c + now.r(i) * now.r(candidate)
    return now.r(o) * now.g(c), c


@lstm
def output_from_old_cell_state(now: Moment) -> States:
    """The output gate acts on the cell state of the step before."""
    _, after = lstm_cell(now)
    return now.r(now.z[3]) * now.g(now.states[1]), after


@lstm
def coupled_gates(now: Moment) -> States:
    """The input gate is 1 - f instead of one of its own."""
    (_, f, candidate, o), (_, c) = now.z, now.states
    c = now.r(f) * c + (1 - now.r(f)) * now.g(candidate)
    return now.r(o) * now.g(c), c


@lstm
def input_gate_left_out(now: Moment) -> States:
    """The input gate is left out."""
    (_, f, candidate, o), (_, c) = now.z, now.states
    c = now.r(f) * c + now.g(candidate)
    return now.r(o) * now.g(c), c


@lstm
def output_gate_left_out(now: Moment) -> States:
    """The output gate is left out."""
    _, c = lstm_cell(now)
    return now.g(c), c


@lstm
def forget_gate_inverted(now: Moment) -> States:
    """The forget gate forgets what it should keep (1 - f)."""
    (i, f, candidate, o), (_, c) = now.z, now.states
    c = (1 - now.r(f)) * c + now.r(i) * now.g(candidate)
    return now.r(o) * now.g(c), c


LAYERS = (_gate_orders("LSTM"), _gate_orders("GRU"), lstm)
