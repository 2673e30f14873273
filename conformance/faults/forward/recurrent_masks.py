"""Mistakes that the recurrent layers make with masks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Collection, Function, Shared
from conformance.faults.forward.plain_recurrent import States, held, plain_recurrent

Array = NDArray[Any]
StepOutput = tuple[Array, States]

NAMES = ("LSTM", "GRU", "SimpleRNN")


def _with_mask(masked: Function) -> Function:
    def function(x: Array, *weights: Array, **options: Any) -> Any:
        return plain_recurrent(x, *weights, masked=masked, **options)

    return function


recurrent = Shared(*NAMES)
masks = Collection(*NAMES, wrap=_with_mask)
lstm_masks = Collection("LSTM", wrap=_with_mask)


@masks
def masked_steps_zero(keep: Array, y: Array, before: States, after: States, zero: bool) -> StepOutput:
    """Masked steps output zeros instead of the output before."""
    return held(keep, y, before, after, True)


@masks
def masked_steps_output_the_state(keep: Array, y: Array, before: States, after: States, zero: bool) -> StepOutput:
    """Masked steps output the carried state h, also before the first step that counts (where zeros belong)."""
    return np.where(keep, after[0], 0 if zero else before[0]), held(keep, y, before, after, zero)[1]


@masks
def state_not_held(keep: Array, y: Array, before: States, after: States, zero: bool) -> StepOutput:
    """The mask blanks the output of a step but does not hold the state across it."""
    return held(keep, y, before, after, zero)[0], after


@masks
def output_not_held(keep: Array, y: Array, before: States, after: States, zero: bool) -> StepOutput:
    """The mask holds the state but lets the output of masked steps through."""
    return after[0], held(keep, y, before, after, zero)[1]


@lstm_masks
def cell_state_not_held(keep: Array, y: Array, before: States, after: States, zero: bool) -> StepOutput:
    """The mask holds h but not the cell state c."""
    y, (h, _) = held(keep, y, before, after, zero)
    return y, (h, after[1])


@masks
def state_reset_by_mask(keep: Array, y: Array, before: States, after: States, zero: bool) -> StepOutput:
    """The states start from zeros again after a masked step."""
    y, states = held(keep, y, before, after, zero)
    return y, tuple(np.where(keep, state, 0) for state in states)


@masks
def masked_for_all_rows(keep: Array, y: Array, before: States, after: States, zero: bool) -> StepOutput:
    """A step is masked for the whole batch as soon as one row masks it."""
    return held(np.broadcast_to(np.all(keep), keep.shape), y, before, after, zero)


@masks
def counted_for_all_rows(keep: Array, y: Array, before: States, after: States, zero: bool) -> StepOutput:
    """A step counts for the whole batch as soon as it counts in one row."""
    return held(np.broadcast_to(np.any(keep), keep.shape), y, before, after, zero)


@masks
def mask_inverted(keep: Array, y: Array, before: States, after: States, zero: bool) -> StepOutput:
    """The mask is inverted: True is taken as padding."""
    return held(~keep, y, before, after, zero)


@masks
def mask_multiplied(keep: Array, y: Array, before: States, after: States, zero: bool) -> StepOutput:
    """Masked states are multiplied by 0, which is NaN where the input of a masked step is."""
    states = tuple(new * keep + old * ~keep for new, old in zip(after, before, strict=True))
    return after[0] * keep + (0 if zero else y * ~keep), states


@recurrent
def mask_ignored(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """The mask is ignored."""
    return right(x, *weights, **{**options, "mask": None})


@recurrent
def mask_zeroes_the_input(right: Function, x: Array, *weights: Array, mask: Array | None = None, **options: Any) -> Any:
    """The mask sets the input of masked steps to zeros instead of skipping them."""
    if mask is not None:
        x = np.where(np.reshape(mask, (*x.shape[:2], 1)) != 0, x, 0)
    return right(x, *weights, **options)


@recurrent
def mask_of_first_row(right: Function, x: Array, *weights: Array, mask: Array | None = None, **options: Any) -> Any:
    """The mask of the first row is used for all rows."""
    return right(x, *weights, mask=None if mask is None else np.broadcast_to(mask[:1], mask.shape), **options)


@recurrent
def mask_one_step_late(right: Function, x: Array, *weights: Array, mask: Array | None = None, **options: Any) -> Any:
    """The mask acts one step too late."""
    return right(x, *weights, mask=None if mask is None else np.roll(mask, 1, axis=1), **options)


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


@recurrent
def zero_output_ignored(right: Function, x: Array, *weights: Array, zero_output_for_mask: bool = False, **options: Any) -> Any:
    """zero_output_for_mask is ignored."""
    return right(x, *weights, **options)


LAYERS = (masks, lstm_masks, recurrent)
