"""Mistakes in Bidirectional around any recurrent layer."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Collection, Function, right_function
from conformance.faults.forward.plain_recurrent import MERGE, plain_bidirectional

Array = NDArray[Any]
Half = dict[str, Any]

bidirectional = Collection("Bidirectional")


def _with(**replaced: Any) -> Callable[..., Any]:
    def function(x: Array, forward_weights: Any, backward_weights: Any, **options: Any) -> Any:
        return plain_bidirectional(x, forward_weights, backward_weights, **replaced, **options)

    return function


def _merging(name: str | None, merge: Callable[[Array, Array], Any]) -> Callable[..., Any]:
    return _with(merge={**MERGE, name: merge})


for _name, _sentence, _function in (
    ("backward_not_flipped", "the backward half is not turned back into the order of the input", _with(flip=False)),
    ("concat_backward_first", "concat puts the backward half first", _merging("concat", lambda f, b: np.concatenate([b, f], axis=-1))),
    ("ave_as_sum", "merge_mode='ave' does not halve the sum", _merging("ave", np.add)),
    ("sum_as_ave", "merge_mode='sum' halves the sum", _merging("sum", lambda f, b: (f + b) / 2)),
    ("mul_as_sum", "merge_mode='mul' adds the halves", _merging("mul", np.add)),
    ("sum_as_mul", "merge_mode='sum' multiplies the halves", _merging("sum", np.multiply)),
    ("none_as_concat", "merge_mode=None concatenates the halves instead of returning both", _merging(None, MERGE["concat"])),
    ("none_backward_first", "merge_mode=None returns the backward half first", _merging(None, lambda f, b: (b, f))),
    ("merge_always_concat", "merge_mode is ignored: the halves are concatenated", _with(merge=dict.fromkeys(MERGE, MERGE["concat"]))),
    ("merge_always_sum", "merge_mode is ignored: the halves are added", _with(merge=dict.fromkeys(MERGE, np.add))),
    (
        "states_interleaved",
        "the returned states are interleaved: both h, then both c",
        _with(state_order=lambda f, b: tuple(itertools.chain(*zip(f, b, strict=True)))),
    ),
    ("states_backward_first", "the returned states of the backward half come first", _with(state_order=lambda f, b: (*b, *f))),
    ("states_forward_only", "only the forward half's states are returned", _with(state_order=lambda f, b: tuple(f))),
    ("states_forward_twice", "the forward half's states are returned for both halves", _with(state_order=lambda f, b: (*f, *f))),
):
    bidirectional.add(_name, _sentence, _function)


def _changing(change: Callable[[Half, int], Half]) -> Callable[..., Any]:
    return _with(change=change)


halves = Collection("Bidirectional", wrap=_changing)


@halves
def backward_runs_forward(half: Half, n: int) -> Half:
    """Both halves run forward."""
    return {**half, "go_backwards": False}


@halves
def forward_runs_backward(half: Half, n: int) -> Half:
    """The two directions are swapped: the forward weights run backward."""
    return {**half, "go_backwards": not n}


@halves
def input_order_by_feature(half: Half, n: int) -> Half:
    """The backward half reverses the features instead of the steps."""
    return {**half, "x": half["x"][:, :, ::-1], "go_backwards": False} if n else half


@halves
def backward_mask_not_reversed(half: Half, n: int) -> Half:
    """The backward half reverses the input but not the mask."""
    return {**half, "mask": half["mask"][:, ::-1]} if n and half.get("mask") is not None else half


@halves
def mask_forward_only(half: Half, n: int) -> Half:
    """The backward half ignores the mask."""
    return {**half, "mask": None} if n else half


@halves
def mask_backward_only(half: Half, n: int) -> Half:
    """The forward half ignores the mask."""
    return half if n else {**half, "mask": None}


@halves
def mask_ignored(half: Half, n: int) -> Half:
    """The mask is ignored."""
    return {**half, "mask": None}


@halves
def masked_outputs_not_zeroed(half: Half, n: int) -> Half:
    """Masked steps repeat the output before; Bidirectional makes them zeros when it returns sequences."""
    return {**half, "zero_output_for_mask": False}


@halves
def last_output_zeroed(half: Half, n: int) -> Half:
    """Masked steps give zeros without return_sequences too, where the last output that counts belongs."""
    return {**half, "zero_output_for_mask": True}


@halves
def initial_state_ignored(half: Half, n: int) -> Half:
    """initial_state is ignored."""
    return {**half, "initial_state": None}


@halves
def initial_state_forward_only(half: Half, n: int) -> Half:
    """The backward half ignores its initial state."""
    return {**half, "initial_state": None} if n else half


@halves
def activations_default(half: Half, n: int) -> Half:
    """The options activation and recurrent_activation of the wrapped layer are ignored."""
    return {name: value for name, value in half.items() if name not in ("activation", "recurrent_activation")}


@halves
def activation_forward_only(half: Half, n: int) -> Half:
    """The backward half ignores activation and recurrent_activation."""
    return activations_default(half, n) if n else half


@halves
def bias_forward_only(half: Half, n: int) -> Half:
    """The backward half has no bias."""
    return {**half, "weights": half["weights"][:2]} if n else half


@halves
def dropout_mask_of_forward(half: Half, n: int) -> Half:
    """Dropout acts in the forward half only."""
    return {**half, "training": False} if n else half


@bidirectional
def forward_weights_for_both(x: Array, forward_weights: Any, backward_weights: Any, **options: Any) -> Any:
    """The forward weights are used for both halves."""
    return plain_bidirectional(x, forward_weights, forward_weights, **options)


@bidirectional
def backward_weights_for_both(x: Array, forward_weights: Any, backward_weights: Any, **options: Any) -> Any:
    """The backward weights are used for both halves."""
    return plain_bidirectional(x, backward_weights, backward_weights, **options)


@bidirectional
def weights_swapped(x: Array, forward_weights: Any, backward_weights: Any, **options: Any) -> Any:
    """Forward and backward weights are swapped."""
    return plain_bidirectional(x, backward_weights, forward_weights, **options)


@bidirectional
def backward_last_time_step(x: Array, forward_weights: Any, backward_weights: Any, **options: Any) -> Any:
    """Without return_sequences the backward half gives its output beside the last step, not the one after the whole sequence."""
    wrapped = functools.partial(functools.partial, _first_computed)
    return plain_bidirectional(x, forward_weights, backward_weights, **options, wrapped=wrapped)


def _first_computed(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    if not options["go_backwards"] or options["return_sequences"]:
        return right(x, *weights, **options)
    y, *states = right(x, *weights, **{**options, "return_sequences": True})
    return (y[:, 0], *states)


def _with_states(reorder: Callable[[tuple[Array, ...], int], tuple[Array, ...]]) -> Callable[..., Any]:
    """Both halves with the initial states in another order, made from them and the number of states of a half."""

    def function(x: Array, *weights: Any, initial_state: Any = None, **options: Any) -> Any:
        state = None if initial_state is None else reorder(tuple(initial_state), len(initial_state) // 2)
        return plain_bidirectional(x, *weights, initial_state=state, **options)

    return function


for _name, _sentence, _reorder in (
    ("of_forward", "both halves start from the forward half's initial state", lambda given, half: given[:half] * 2),
    ("backward_first", "initial_state is taken as backward first, then forward", lambda given, half: given[half:] + given[:half]),
    ("interleaved", "initial_state is taken as both h, then both c", lambda given, half: given[::2] + given[1::2]),
):
    bidirectional.add(f"initial_state_{_name}", _sentence, _with_states(_reorder))


@bidirectional
def backward_starts_from_forward(x: Array, *weights: Any, initial_state: Any = None, layer: str = "LSTM", **options: Any) -> Any:
    """The backward half starts from the states in which the forward half ended."""
    first = None if initial_state is None else tuple(initial_state[: len(initial_state) // 2])
    _, *last = right_function(layer)(x, *weights[0], **_inner(options), initial_state=first)
    first = first or tuple(np.zeros_like(state) for state in last)
    return plain_bidirectional(x, *weights, initial_state=(*first, *last), layer=layer, **options)


def _inner(options: Any) -> dict[str, Any]:
    masks = {name: options[name][0] for name in ("dropout_mask", "recurrent_dropout_mask") if options.get(name) is not None}
    return {**{name: value for name, value in options.items() if name != "merge_mode"}, **masks, "return_state": True}


LAYERS = (bidirectional, halves)
