"""Mistakes in the backward passes of Bidirectional and TimeDistributed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.backward.recurrent import asked_with, outputs
from conformance.faults.fault import Collection, Function, right_function
from conformance.faults.forward.plain_recurrent import _own

Array = NDArray[Any]
Halves = tuple[Array, Array]
Unmerge = Callable[[Array, Array, Array], Halves]

bidirectional, time_distributed = Collection("Bidirectional", part="backward"), Collection("TimeDistributed", part="backward")

UNMERGE: dict[Any, Unmerge] = {
    "concat": lambda grad, forward, backward: (grad[..., : forward.shape[-1]], grad[..., forward.shape[-1] :]),
    "sum": lambda grad, forward, backward: (grad, grad),
    "mul": lambda grad, forward, backward: (grad * backward, grad * forward),
    "ave": lambda grad, forward, backward: (grad / 2, grad / 2),
}


def plain_bidirectional_backward(
    grad_output: Any,
    x: Array,
    forward_weights: Any,
    backward_weights: Any,
    *,
    layer: str = "LSTM",
    wrapped: Callable[[Function, int], Function] = lambda right, n: right,
    unmerge: Mapping[Any, Unmerge] = UNMERGE,
    turned: Callable[[Array], Array] = lambda grad: grad[:, ::-1],
    joined: Callable[[Array, Array], Array] = np.add,
    merge_mode: str | None = "concat",
    return_sequences: bool = False,
    return_state: bool = False,
    go_backwards: bool = False,
    **options: Any,
) -> tuple[Any, ...]:
    """The gradients of two recurrent layers.

    `wrapped` makes the backward pass of half `n` from the right one, `unmerge` the gradients of the halves from that of the merged output,
    `turned` reverses a sequence of the backward half, `joined` makes the gradient of the input from those of the halves.
    """
    forward, right = right_function(layer), right_function(layer, "backward")
    options |= {"return_sequences": return_sequences, "zero_output_for_mask": return_sequences}
    calls = [
        ((x, *weights), {**_own(options, n), "go_backwards": go_backwards ^ bool(n)})
        for n, weights in enumerate((forward_weights, backward_weights))
    ]
    grads = outputs(grad_output)
    if merge_mode is None:
        one, two, *states = grads
    else:
        first, second = (forward(*arguments, **own) for arguments, own in calls)
        one, two = unmerge[merge_mode](grads[0], first, second[:, ::-1] if return_sequences else second)
        states = list(grads[1:])
    found = []
    for n, (grad, (arguments, own)) in enumerate(zip((one, turned(two) if return_sequences else two), calls, strict=True)):
        half = states[n * len(states) // 2 : (n + 1) * len(states) // 2]
        found.append(wrapped(right, n)(asked_with((grad, *half)), *arguments, **own, return_state=return_state))
    one, two = found
    grad_x = None if one[0] is None else joined(one[0], two[0])
    return (grad_x, one[1:4], two[1:4], *one[4:], *two[4:])


def _changed(name: str, sentence: str, **changed: Any) -> None:
    bidirectional.add(name, sentence, functools.partial(plain_bidirectional_backward, **changed))


_changed(
    "concatenated_halves_swapped",
    "the halves of the gradient are swapped: the forward half gets the one that belongs to the backward half",
    unmerge={**UNMERGE, "concat": lambda grad, one, two: (grad[..., two.shape[-1] :], grad[..., : two.shape[-1]])},
)
_changed(
    "product_as_sum",
    "with merge_mode='mul' both halves get the gradient as it is, not times the output of the other",
    unmerge={**UNMERGE, "mul": UNMERGE["sum"]},
)
_changed(
    "product_by_the_own_output",
    "with merge_mode='mul' each half's gradient is multiplied with its own output instead of the other's",
    unmerge={**UNMERGE, "mul": lambda grad, one, two: (grad * one, grad * two)},
)
_changed(
    "average_as_sum",
    "with merge_mode='ave' the gradient of the halves is not halved",
    unmerge={**UNMERGE, "ave": UNMERGE["sum"]},
)
_changed("sum_as_average", "with merge_mode='sum' the gradient of the halves is halved", unmerge={**UNMERGE, "sum": UNMERGE["ave"]})
_changed("backward_half_not_turned", "the gradient of the backward half's output is not reversed in time", turned=lambda grad: grad)
_changed(
    "input_of_backward_half_not_turned",
    "the gradient of the input by the backward half is not reversed back in time",
    joined=lambda one, two: one + two[:, ::-1],
)
_changed(
    "input_of_forward_half_alone",
    "the gradient of the input is that of the forward half alone",
    joined=lambda one, two: one,
)
_changed("input_averaged", "the gradients of the input by the two halves are averaged instead of summed", joined=lambda a, b: (a + b) / 2)


@bidirectional
def states_of_the_halves_swapped(*arguments: Any, **options: Any) -> Any:
    """The gradients of the initial states of the two halves are swapped."""
    gradients = right_function("Bidirectional", "backward")(*arguments, **options)
    half = len(gradients[3:]) // 2
    return (*gradients[:3], *gradients[3 + half :], *gradients[3 : 3 + half])


@bidirectional
def weights_divided_by_batch(grad_output: Any, x: Array, *weights: Any, **options: Any) -> Any:
    """The gradients of the weights are divided by the batch size."""
    grad_x, one, two, *states = right_function("Bidirectional", "backward")(grad_output, x, *weights, **options)
    halves = (tuple(None if part is None else part / len(x) for part in half) for half in (one, two))
    return (grad_x, *halves, *states)


def both_ways(recurrent: Function) -> Function:
    """A Bidirectional of this backward pass."""
    return functools.partial(plain_bidirectional_backward, wrapped=lambda right, n: recurrent)


def in_the_backward_half(recurrent: Function) -> Function:
    """A Bidirectional with this backward pass in its second half."""
    return functools.partial(plain_bidirectional_backward, wrapped=lambda right, n: recurrent if n else right)


def in_every_step(backward: Function) -> Function:
    """A TimeDistributed of this backward pass."""

    def function(grad_output: Array, x: Array, weights: Any = (), *, layer: str = "Dense", **options: Any) -> Any:
        steps = [one.reshape(one.shape[0] * one.shape[1], *one.shape[2:]) for one in (grad_output, x)]
        found = backward(*steps, *weights, **options)
        grad_x, *others = found if isinstance(found, tuple) else (found,)
        return grad_x.reshape(x.shape), tuple(others)

    return function


def _step(grad_output: Array, x: Array, weights: Any, options: Any) -> Any:
    """The gradients of the last step alone."""
    return right_function("TimeDistributed", "backward")(grad_output[:, -1:], x[:, -1:], weights, **options)


@time_distributed
def weights_of_the_last_step(grad_output: Array, x: Array, weights: Any = (), **options: Any) -> Any:
    """The gradients of the weights are those of the last step alone: = instead of +=."""
    grad_x, _ = right_function("TimeDistributed", "backward")(grad_output, x, weights, **options)
    return grad_x, _step(grad_output, x, weights, options)[1]


@time_distributed
def weights_averaged_over_time(grad_output: Array, x: Array, weights: Any = (), **options: Any) -> Any:
    """The gradients of the weights are averaged over the steps instead of summed."""
    grad_x, found = right_function("TimeDistributed", "backward")(grad_output, x, weights, **options)
    return grad_x, tuple(None if one is None else one / x.shape[1] for one in found)


@time_distributed
def only_the_last_step(grad_output: Array, x: Array, weights: Any = (), **options: Any) -> Any:
    """Only the last step has gradients."""
    grad_x, found = _step(grad_output, x, weights, options)
    return np.concatenate([np.zeros_like(x[:, :-1]), grad_x], axis=1), found


LAYERS = (bidirectional, time_distributed)
