"""Mistakes that the recurrent layers make with masks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.cells import run_again
from conformance.faults.fault import Function, Shared, changed
from reference.layers.rnn.cells import States
from reference.layers.rnn.scan import held

Array = NDArray[Any]
StepOutput = tuple[Array, States]

NAMES = ("LSTM", "GRU", "SimpleRNN")


def _with_mask(masked: Function) -> Function:
    """A recurrent layer in which this is what a mask makes of a step."""
    return run_again(masked=masked)


masks = Shared(*NAMES, wrap=_with_mask).table(
    mask_inverted=("the mask is inverted: True is taken as padding", lambda keep, *step: held(~keep, *step)),
)


@masks.by(lambda keep, y, before, after, zero: held(keep, y, before, after, True))
def masked_steps_zero() -> None:
    """Masked steps output zeros instead of the output before."""


@masks.by(lambda keep, y, before, after, zero: held(keep, before[0], before, after, zero))
def masked_steps_output_the_state() -> None:
    """Masked steps output the carried state h, also before the first step that counts (where zeros belong)."""


@masks.by(lambda keep, y, before, after, zero: (held(keep, y, before, after, zero)[0], after))
def state_not_held() -> None:
    """The mask blanks the output of a step but does not hold the state across it."""


@masks.by(lambda keep, y, before, after, zero: (after[0], held(keep, y, before, after, zero)[1]))
def output_not_held() -> None:
    """The mask holds the state but lets the output of masked steps through."""


@masks.by(lambda keep, y, before, after, zero: (held(keep, y, before, after, zero)[0], tuple(np.where(keep, state, 0) for state in after)))
def state_reset_by_mask() -> None:
    """The states start from zeros again after a masked step."""


@masks.by(lambda keep, *step: held(np.broadcast_to(np.all(keep), keep.shape), *step))
def masked_for_all_rows() -> None:
    """A step is masked for the whole batch as soon as one row masks it."""


@masks.by(lambda keep, *step: held(np.broadcast_to(np.any(keep), keep.shape), *step))
def counted_for_all_rows() -> None:
    """A step counts for the whole batch as soon as it counts in one row."""


lstm_masks = Shared("LSTM", wrap=_with_mask)


@lstm_masks.by(
    lambda keep, y, before, after, zero: (held(keep, y, before, after, zero)[0], (np.where(keep, after[0], before[0]), after[1]))
)
def cell_state_not_held() -> None:
    """The mask holds h but not the cell state c."""


@masks
def mask_multiplied(keep: Array, y: Array, before: States, after: States, zero: bool) -> StepOutput:
    """Masked states are multiplied by 0, which is NaN where the input of a masked step is."""
    states = tuple(new * keep + old * ~keep for new, old in zip(after, before, strict=True))
    return after[0] * keep + (0 if zero else y * ~keep), states


recurrent = Shared(*NAMES).table(
    mask_ignored=("the mask is ignored", changed(mask=None)),
    mask_of_first_row=("the mask of the first row is used for all rows", changed(mask=lambda mask: np.broadcast_to(mask[:1], mask.shape))),
    mask_one_step_late=("the mask acts one step too late", changed(mask=lambda mask: np.roll(mask, 1, axis=1))),
    zero_output_ignored=("zero_output_for_mask is ignored", changed(zero_output_for_mask=False)),
)


@recurrent
def mask_zeroes_the_input(right: Function, x: Array, *weights: Array, mask: Array | None = None, **options: Any) -> Any:
    """The mask sets the input of masked steps to zeros instead of skipping them."""
    return right(x if mask is None else np.where(np.reshape(mask, (*x.shape[:2], 1)) != 0, x, 0), *weights, **options)


@recurrent
def initial_state_lost_at_a_masked_start(
    right: Function, x: Array, *weights: Array, mask: Array | None = None, initial_state: Any = None, **options: Any
) -> Any:
    """A masked first step drops the initial state: the first step that counts starts from zeros."""
    if mask is not None and initial_state is not None:
        first = np.reshape(mask, x.shape[:2])[:, -1 if options.get("go_backwards") else 0, np.newaxis] != 0
        initial_state = tuple(np.where(first, state, 0).astype(state.dtype) for state in initial_state)
    return right(x, *weights, mask=mask, initial_state=initial_state, **options)


@recurrent
def mask_not_reversed(
    right: Function, x: Array, *weights: Array, mask: Array | None = None, go_backwards: bool = False, **options: Any
) -> Any:
    """go_backwards reverses the input but not the mask."""
    mask = mask[:, ::-1] if mask is not None and go_backwards else mask
    return right(x, *weights, mask=mask, go_backwards=go_backwards, **options)


@recurrent
def zeros_at_the_unreversed_mask(right: Function, x: Array, *weights: Array, mask: Array | None = None, **options: Any) -> Any:
    """With go_backwards, zero_output_for_mask zeroes the steps of the mask before it was reversed: the defect D3 of Keras itself."""
    wanted = ("go_backwards", "zero_output_for_mask", "return_sequences")
    if mask is None or not all(options.get(name) for name in wanted):
        return right(x, *weights, mask=mask, **options)
    result = right(x, *weights, mask=mask, **{**options, "zero_output_for_mask": False})
    y, *states = result if isinstance(result, tuple) else (result,)
    y = np.where(np.reshape(mask, (*y.shape[:2], 1)) != 0, y, 0)
    return (y, *states) if states else y


LAYERS = (masks, lstm_masks, recurrent)
