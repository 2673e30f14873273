"""Mistakes in LSTM."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Collection, Function
from conformance.faults.plain_lstm import cell, held, plain_lstm
from reference import lstm_forward

Array = NDArray[Any]
Pair = tuple[Array, Array]
Triple = tuple[Array, Array, Array]

lstm = Collection("LSTM")

GATES = "ifco"


def _reordered(weight: Array, order: str) -> Array:
    """The weight as it must stand for code in Keras's order to compute what code in another order would."""
    blocks = np.split(weight, 4, axis=-1)
    return np.concatenate([blocks[order.index(gate)] for gate in GATES], axis=-1)


def _in_order(order: str) -> Function:
    def function(x: Array, *weights: Array, **options: Any) -> Any:
        return lstm_forward(x, *(_reordered(weight, order) for weight in weights), **options)

    return function


for _order in map("".join, itertools.permutations(GATES)):
    if _order != GATES:
        _sentence = f"the gates stand in the order {', '.join(_order)} instead of i, f, c, o"
        lstm.add(f"gates_{_order}", _sentence, _in_order(_order))


def _with_step(step: Function) -> Function:
    def function(x: Array, *weights: Array, **options: Any) -> Any:
        return plain_lstm(x, *weights, step=step, **options)

    return function


def _with_mask(masked: Function) -> Function:
    def function(x: Array, *weights: Array, **options: Any) -> Any:
        return plain_lstm(x, *weights, masked=masked, **options)

    return function


cells = Collection("LSTM", wrap=_with_step)
masks = Collection("LSTM", wrap=_with_mask)


@cells
def cell_state_not_activated(z: Array, h: Array, c: Array, g: Function, r: Function) -> Pair:
    """The output is o * c: the activation is not applied to the cell state."""
    i, f, candidate, o = z
    c = r(f) * c + r(i) * g(candidate)
    return r(o) * c, c


@cells
def candidate_not_activated(z: Array, h: Array, c: Array, g: Function, r: Function) -> Pair:
    """The candidate does not go through the activation."""
    i, f, candidate, o = z
    c = r(f) * c + r(i) * candidate
    return r(o) * g(c), c


@cells
def candidate_by_recurrent_activation(z: Array, h: Array, c: Array, g: Function, r: Function) -> Pair:
    """The candidate goes through the recurrent activation instead of the activation."""
    i, f, candidate, o = z
    c = r(f) * c + r(i) * r(candidate)
    return r(o) * g(c), c


@cells
def output_from_old_cell_state(z: Array, h: Array, c: Array, g: Function, r: Function) -> Pair:
    """The output gate acts on the cell state of the step before."""
    _, after = cell(z, h, c, g, r)
    return r(z[3]) * g(c), after


@cells
def coupled_gates(z: Array, h: Array, c: Array, g: Function, r: Function) -> Pair:
    """The input gate is 1 - f instead of one of its own."""
    _, f, candidate, o = z
    c = r(f) * c + (1 - r(f)) * g(candidate)
    return r(o) * g(c), c


@cells
def input_gate_left_out(z: Array, h: Array, c: Array, g: Function, r: Function) -> Pair:
    """The input gate is left out."""
    _, f, candidate, o = z
    c = r(f) * c + g(candidate)
    return r(o) * g(c), c


@cells
def output_gate_left_out(z: Array, h: Array, c: Array, g: Function, r: Function) -> Pair:
    """The output gate is left out."""
    _, c = cell(z, h, c, g, r)
    return g(c), c


@cells
def forget_gate_inverted(z: Array, h: Array, c: Array, g: Function, r: Function) -> Pair:
    """The forget gate forgets what it should keep (1 - f)."""
    i, f, candidate, o = z
    c = (1 - r(f)) * c + r(i) * g(candidate)
    return r(o) * g(c), c


@masks
def masked_steps_zero(keep: Array, y: Array, before: Pair, after: Pair, zero: bool) -> Triple:
    """Masked steps output zeros instead of the output before."""
    return held(keep, y, before, after, True)


@masks
def masked_steps_output_the_state(keep: Array, y: Array, before: Pair, after: Pair, zero: bool) -> Triple:
    """Masked steps output the carried state h, also before the first step that counts (where zeros belong)."""
    _, h, c = held(keep, y, before, after, zero)
    return np.where(keep, after[0], 0 if zero else before[0]), h, c


@masks
def state_not_held(keep: Array, y: Array, before: Pair, after: Pair, zero: bool) -> Triple:
    """The mask blanks the output of a step but does not hold the state across it."""
    return held(keep, y, before, after, zero)[0], *after


@masks
def output_not_held(keep: Array, y: Array, before: Pair, after: Pair, zero: bool) -> Triple:
    """The mask holds the state but lets the output of masked steps through."""
    return after[0], *held(keep, y, before, after, zero)[1:]


@masks
def cell_state_not_held(keep: Array, y: Array, before: Pair, after: Pair, zero: bool) -> Triple:
    """The mask holds h but not the cell state c."""
    y, h, _ = held(keep, y, before, after, zero)
    return y, h, after[1]


@masks
def state_reset_by_mask(keep: Array, y: Array, before: Pair, after: Pair, zero: bool) -> Triple:
    """The states start from zeros again after a masked step."""
    y, h, c = held(keep, y, before, after, zero)
    return y, np.where(keep, h, 0), np.where(keep, c, 0)


@masks
def masked_for_all_rows(keep: Array, y: Array, before: Pair, after: Pair, zero: bool) -> Triple:
    """A step is masked for the whole batch as soon as one row masks it."""
    return held(np.broadcast_to(np.all(keep), keep.shape), y, before, after, zero)


@masks
def counted_for_all_rows(keep: Array, y: Array, before: Pair, after: Pair, zero: bool) -> Triple:
    """A step counts for the whole batch as soon as it counts in one row."""
    return held(np.broadcast_to(np.any(keep), keep.shape), y, before, after, zero)


@masks
def mask_inverted(keep: Array, y: Array, before: Pair, after: Pair, zero: bool) -> Triple:
    """The mask is inverted: True is taken as padding."""
    return held(~keep, y, before, after, zero)


@masks
def mask_multiplied(keep: Array, y: Array, before: Pair, after: Pair, zero: bool) -> Triple:
    """Masked states are multiplied by 0, which is NaN where the input of a masked step is."""
    h, c = (new * keep + old * ~keep for new, old in zip(after, before, strict=True))
    return after[0] * keep + (0 if zero else y * ~keep), h, c


@lstm
def mask_ignored(x: Array, *weights: Array, **options: Any) -> Any:
    """The mask is ignored."""
    return lstm_forward(x, *weights, **{**options, "mask": None})


@lstm
def mask_zeroes_the_input(x: Array, *weights: Array, mask: Array | None = None, **options: Any) -> Any:
    """The mask sets the input of masked steps to zeros instead of skipping them."""
    if mask is not None:
        x = np.where(np.reshape(mask, (*x.shape[:2], 1)) != 0, x, 0)
    return lstm_forward(x, *weights, **options)


@lstm
def mask_of_first_row(x: Array, *weights: Array, mask: Array | None = None, **options: Any) -> Any:
    """The mask of the first row is used for all rows."""
    return lstm_forward(x, *weights, mask=None if mask is None else np.broadcast_to(mask[:1], mask.shape), **options)


@lstm
def mask_one_step_late(x: Array, *weights: Array, mask: Array | None = None, **options: Any) -> Any:
    """The mask acts one step too late."""
    return lstm_forward(x, *weights, mask=None if mask is None else np.roll(mask, 1, axis=1), **options)


@lstm
def mask_not_reversed(x: Array, *weights: Array, mask: Array | None = None, go_backwards: bool = False, **options: Any) -> Any:
    """go_backwards reverses the input but not the mask."""
    mask = mask[:, ::-1] if mask is not None and go_backwards else mask
    return lstm_forward(x, *weights, mask=mask, go_backwards=go_backwards, **options)


@lstm
def zeros_at_the_unreversed_mask(x: Array, *weights: Array, mask: Array | None = None, **options: Any) -> Any:
    """With go_backwards, zero_output_for_mask zeroes the steps of the mask before it was reversed: the defect D3 of Keras itself."""
    wanted = ("go_backwards", "zero_output_for_mask", "return_sequences")
    if mask is None or not all(options.get(name) for name in wanted):
        return lstm_forward(x, *weights, mask=mask, **options)
    result = lstm_forward(x, *weights, mask=mask, **{**options, "zero_output_for_mask": False})
    y, *states = result if isinstance(result, tuple) else (result,)
    y = np.where(np.reshape(mask, (*y.shape[:2], 1)) != 0, y, 0)
    return (y, *states) if states else y


@lstm
def zero_output_ignored(x: Array, *weights: Array, zero_output_for_mask: bool = False, **options: Any) -> Any:
    """zero_output_for_mask is ignored."""
    return lstm_forward(x, *weights, **options)


LAYERS = (lstm, cells, masks)
