"""Mistakes in Bidirectional around any recurrent layer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, Shared, changed, right_function
from reference.layers.wrappers import MERGE, half_options, joined

Array = NDArray[Any]
Half = dict[str, Any]
Merge = Callable[[Array, Array], Any]
States = tuple[Array, ...]


def _as_passed(outputs: States) -> Any:
    return outputs if len(outputs) > 1 else outputs[0]


def merging(
    merge: Mapping[Any, Merge], order: Callable[[States, States], States] = lambda one, two: (*one, *two), flip: bool = True
) -> Function:
    """A Bidirectional that puts the outputs and states of its halves together in another way."""

    def function(right: Function, *arguments: Any, merge_mode: str | None = "concat", return_state: bool = False, **options: Any) -> Any:
        one, two, *states = right(*arguments, merge_mode=None, return_state=True, **options)
        merged = merge[merge_mode](one, two if flip or not options.get("return_sequences") else two[:, ::-1])
        half = len(states) // 2
        own = order(tuple(states[:half]), tuple(states[half:])) if return_state else ()
        return _as_passed((*(merged if isinstance(merged, tuple) else (merged,)), *own))

    return function


BOTH: Mapping[Any, Merge] = {**MERGE, None: lambda one, two: (one, two)}
bidirectional = Shared("Bidirectional")
merges = Shared("Bidirectional", wrap=lambda changes: merging({**BOTH, **changes})).table(
    concat_backward_first=("concat puts the backward half first", {"concat": lambda f, b: np.concatenate([b, f], axis=-1)}),
    ave_as_sum=("merge_mode='ave' does not halve the sum", {"ave": np.add}),
    sum_as_ave=("merge_mode='sum' halves the sum", {"sum": MERGE["ave"]}),
    mul_as_sum=("merge_mode='mul' adds the halves", {"mul": np.add}),
    sum_as_mul=("merge_mode='sum' multiplies the halves", {"sum": np.multiply}),
    none_as_concat=("merge_mode=None concatenates the halves instead of returning both", {None: MERGE["concat"]}),
    none_backward_first=("merge_mode=None returns the backward half first", {None: lambda f, b: (b, f)}),
    merge_always_concat=("merge_mode is ignored: the halves are concatenated", dict.fromkeys(MERGE, MERGE["concat"])),
    merge_always_sum=("merge_mode is ignored: the halves are added", dict.fromkeys(MERGE, np.add)),
)
returned = Shared("Bidirectional", wrap=lambda order: merging(BOTH, order)).table(
    states_backward_first=("the returned states of the backward half come first", lambda f, b: (*b, *f)),
    states_forward_only=("only the forward half's states are returned", lambda f, b: f),
    states_forward_twice=("the forward half's states are returned for both halves", lambda f, b: (*f, *f)),
)


@returned.by(lambda f, b: tuple(itertools.chain(*zip(f, b, strict=True))))
def states_interleaved() -> None:
    """The returned states are interleaved: both h, then both c."""


bidirectional.table(
    backward_not_flipped=("the backward half is not turned back into the order of the input", merging(BOTH, flip=False)),
    mask_ignored=("the mask is ignored", changed(mask=None)),
    initial_state_ignored=("initial_state is ignored", changed(initial_state=None)),
    weights_swapped=("forward and backward weights are swapped", lambda right, x, one, two, **options: right(x, two, one, **options)),
)


@bidirectional.by(lambda right, x, one, two, **options: right(x, one, one, **options))
def forward_weights_for_both() -> None:
    """The forward weights are used for both halves."""


@bidirectional.by(lambda right, x, one, two, **options: right(x, two, two, **options))
def backward_weights_for_both() -> None:
    """The backward weights are used for both halves."""


@bidirectional.by(changed(initial_state=lambda given: given[: len(given) // 2] * 2))
def initial_state_of_forward() -> None:
    """Both halves start from the forward half's initial state."""


@bidirectional.by(changed(initial_state=lambda given: given[len(given) // 2 :] + given[: len(given) // 2]))
def initial_state_backward_first() -> None:
    """initial_state is taken as backward first, then forward."""


@bidirectional.by(changed(initial_state=lambda given: given[::2] + given[1::2]))
def initial_state_interleaved() -> None:
    """initial_state is taken as both h, then both c."""


def half_by_half(
    change: Callable[[Half, int], Half] = lambda half, n: half, inner: Callable[[Function, int], Function] | None = None
) -> Function:
    """A Bidirectional with another call of each half, or with a wrong layer in it."""

    def function(right: Function, x: Array, *weights: Any, layer: str = "LSTM", merge_mode: str | None = "concat", **options: Any) -> Any:
        return_state, found = options.pop("return_state", False), []
        for n, own in enumerate(half_options(**options)):
            half = change({**own, "x": x, "weights": weights[n]}, n)
            run = inner(right_function(layer), n) if inner else right_function(layer)
            found.append(run(half.pop("x"), *half.pop("weights"), **half))
        one, two = found
        return _as_passed(joined(one, two, merge_mode, options.get("return_sequences", False), return_state)[0])

    return function


def _without_activations(half: Half) -> Half:
    return {name: value for name, value in half.items() if name not in ("activation", "recurrent_activation")}


halves = Shared("Bidirectional", wrap=half_by_half).table(
    backward_runs_forward=("both halves run forward", lambda half, n: {**half, "go_backwards": False}),
    mask_backward_only=("the forward half ignores the mask", lambda half, n: half if n else {**half, "mask": None}),
)


@halves.by(lambda half, n: {**half, "go_backwards": not n})
def forward_runs_backward() -> None:
    """The two directions are swapped: the forward weights run backward."""


@halves.by(lambda half, n: {**half, "zero_output_for_mask": False})
def masked_outputs_not_zeroed() -> None:
    """Masked steps repeat the output before; Bidirectional makes them zeros when it returns sequences."""


@halves.by(lambda half, n: {**half, "zero_output_for_mask": True})
def last_output_zeroed() -> None:
    """Masked steps give zeros without return_sequences too, where the last output that counts belongs."""


@halves.by(lambda half, n: _without_activations(half))
def activations_default() -> None:
    """The options activation and recurrent_activation of the wrapped layer are ignored."""


backward_half = Shared("Bidirectional", wrap=lambda change: half_by_half(lambda half, n: change(half) if n else half)).table(
    mask_forward_only=("the backward half ignores the mask", lambda half: {**half, "mask": None}),
    initial_state_forward_only=("the backward half ignores its initial state", lambda half: {**half, "initial_state": None}),
    activation_forward_only=("the backward half ignores activation and recurrent_activation", _without_activations),
    bias_forward_only=("the backward half has no bias", lambda half: {**half, "weights": half["weights"][:2]}),
    dropout_mask_of_forward=("dropout acts in the forward half only", lambda half: {**half, "training": False}),
)


@backward_half.by(lambda half: {**half, "x": half["x"][:, :, ::-1], "go_backwards": False})
def input_order_by_feature() -> None:
    """The backward half reverses the features instead of the steps."""


@backward_half.by(lambda half: {**half, "mask": None if half.get("mask") is None else half["mask"][:, ::-1]})
def backward_mask_not_reversed() -> None:
    """The backward half reverses the input but not the mask."""


def _first_computed(right: Function, n: int) -> Function:
    def function(x: Array, *weights: Array, **options: Any) -> Any:
        if not n or options["return_sequences"]:
            return right(x, *weights, **options)
        y, *states = right(x, *weights, **{**options, "return_sequences": True})
        return (y[:, 0], *states)

    return function


bidirectional.add(
    "backward_last_time_step",
    "without return_sequences the backward half gives its output beside the last step, not the one after the whole sequence",
    half_by_half(inner=_first_computed),
)


@bidirectional
def backward_starts_from_forward(right: Function, x: Array, *weights: Any, layer: str = "LSTM", **options: Any) -> Any:
    """The backward half starts from the states in which the forward half ended."""
    inner, _ = half_options(**{name: value for name, value in options.items() if name != "merge_mode"})
    _, *last = right_function(layer)(x, *weights[0], **inner)
    first = inner.get("initial_state") or tuple(np.zeros_like(state) for state in last)
    return right(x, *weights, layer=layer, **{**options, "initial_state": (*first, *last)})


LAYERS = (bidirectional, merges, returned, halves, backward_half)
