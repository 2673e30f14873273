"""Mistakes in the backward passes of Bidirectional and TimeDistributed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.backward.recurrent import asked_with, outputs
from conformance.faults.fault import Function, Shared, changed, pair_of, right_function
from reference.layers.wrappers import half_options, unmerged

Array = NDArray[Any]
Halves = tuple[Array, Array]

time_distributed = Shared("TimeDistributed", part="backward")


def half_by_half(
    change: Callable[[Array, Array, Mapping[str, Any]], Halves] = lambda one, two, options: (one, two),
    join: Callable[[Array, Array], Array] = np.add,
    inner: Callable[[Function, int], Function] = lambda right, n: right,
) -> Function:
    """A Bidirectional whose halves are differentiated one by one.

    `change` is made to the gradients of their outputs, `join` makes the gradient of the input from theirs, and `inner` the backward pass of
    half n from the right one.
    """

    def function(right: Function, grad_output: Any, x: Array, *weights: Any, layer: str = "LSTM", **options: Any) -> Any:
        saved = pair_of(right)[0](x, *weights, layer=layer, **options)[1]
        grads, found = outputs(grad_output), []
        one, two = change(*unmerged(grads, saved), options)
        return_state, states = options.pop("return_state", False), grads[2 if options.pop("merge_mode", "concat") is None else 1 :]
        for n, (grad, own) in enumerate(zip((one, two[:, ::-1] if options.get("return_sequences") else two), weights, strict=True)):
            call = {**half_options(**options)[n], "return_state": return_state}
            half = states[n * len(states) // 2 : (n + 1) * len(states) // 2]
            found.append(inner(right_function(layer, "backward"), n)(asked_with((grad, *half)), x, *own, **call))
        one, two = found
        return (None if one[0] is None else join(one[0], two[0]), one[1:4], two[1:4], *one[4:], *two[4:])

    return function


def _swapped(one: Array, two: Array, options: Mapping[str, Any]) -> Halves:
    """The halves of a concatenation in the other order, cut where the units of the second end."""
    if options.get("merge_mode", "concat") != "concat":
        return one, two
    grad = np.concatenate([one, two], axis=-1)
    return grad[..., two.shape[-1] :], grad[..., : two.shape[-1]]


def _merged_as(mode: str, other: str) -> Function:
    """With another merge_mode in the backward pass."""
    return changed(merge_mode=lambda given: other if given == mode else given)


bidirectional = Shared("Bidirectional", part="backward").table(
    average_as_sum=("with merge_mode='ave' the gradient of the halves is not halved", _merged_as("ave", "sum")),
    sum_as_average=("with merge_mode='sum' the gradient of the halves is halved", _merged_as("sum", "ave")),
    input_of_forward_half_alone=("the gradient of the input is that of the forward half alone", half_by_half(join=lambda one, two: one)),
)


@bidirectional.by(half_by_half(_swapped))
def concatenated_halves_swapped() -> None:
    """The halves of the gradient are swapped: the forward half gets the one that belongs to the backward half."""


@bidirectional.by(_merged_as("mul", "sum"))
def product_as_sum() -> None:
    """With merge_mode='mul' both halves get the gradient as it is, not times the output of the other."""


@bidirectional.by(half_by_half(lambda one, two, options: (two, one) if options.get("merge_mode") == "mul" else (one, two)))
def product_by_the_own_output() -> None:
    """With merge_mode='mul' each half's gradient is multiplied with its own output instead of the other's."""


@bidirectional.by(half_by_half(lambda one, two, options: (one, two[:, ::-1] if options.get("return_sequences") else two)))
def backward_half_not_turned() -> None:
    """The gradient of the backward half's output is not reversed in time."""


@bidirectional.by(half_by_half(join=lambda one, two: one + two[:, ::-1]))
def input_of_backward_half_not_turned() -> None:
    """The gradient of the input by the backward half is not reversed back in time."""


@bidirectional.by(half_by_half(join=lambda one, two: (one + two) / 2))
def input_averaged() -> None:
    """The gradients of the input by the two halves are averaged instead of summed."""


@bidirectional
def states_of_the_halves_swapped(right: Function, *arguments: Any, **options: Any) -> Any:
    """The gradients of the initial states of the two halves are swapped."""
    gradients = right(*arguments, **options)
    half = len(gradients[3:]) // 2
    return (*gradients[:3], *gradients[3 + half :], *gradients[3 : 3 + half])


@bidirectional
def weights_divided_by_batch(right: Function, grad_output: Any, x: Array, *weights: Any, **options: Any) -> Any:
    """The gradients of the weights are divided by the batch size."""
    grad_x, one, two, *states = right(grad_output, x, *weights, **options)
    halves = (tuple(None if part is None else part / len(x) for part in half) for half in (one, two))
    return (grad_x, *halves, *states)


def _around(inner: Callable[[Function, int], Function]) -> Function:
    return functools.partial(half_by_half(inner=inner), right_function("Bidirectional", "backward"))


def both_ways(recurrent: Function) -> Function:
    """A Bidirectional of this backward pass."""
    return _around(lambda right, n: recurrent)


def in_the_backward_half(recurrent: Function) -> Function:
    """A Bidirectional with this backward pass in its second half."""
    return _around(lambda right, n: recurrent if n else right)


def in_every_step(backward: Function) -> Function:
    """A TimeDistributed of this backward pass."""

    def function(grad_output: Array, x: Array, weights: Any = (), *, layer: str = "Dense", **options: Any) -> Any:
        steps = [one.reshape(one.shape[0] * one.shape[1], *one.shape[2:]) for one in (grad_output, x)]
        found = backward(*steps, *weights, **options)
        grad_x, *others = found if isinstance(found, tuple) else (found,)
        return grad_x.reshape(x.shape), tuple(others)

    return function


def _last_step(right: Function, grad_output: Array, x: Array, *weights: Any, **options: Any) -> Any:
    """The gradients of the last step alone."""
    return right(grad_output[:, -1:], x[:, -1:], *weights, **options)


@time_distributed
def weights_of_the_last_step(right: Function, grad_output: Array, x: Array, *weights: Any, **options: Any) -> Any:
    """The gradients of the weights are those of the last step alone: = instead of +=."""
    grad_x, _ = right(grad_output, x, *weights, **options)
    return grad_x, _last_step(right, grad_output, x, *weights, **options)[1]


@time_distributed
def weights_averaged_over_time(right: Function, grad_output: Array, x: Array, *weights: Any, **options: Any) -> Any:
    """The gradients of the weights are averaged over the steps instead of summed."""
    grad_x, found = right(grad_output, x, *weights, **options)
    return grad_x, tuple(None if one is None else one / x.shape[1] for one in found)


@time_distributed
def only_the_last_step(right: Function, grad_output: Array, x: Array, *weights: Any, **options: Any) -> Any:
    """Only the last step has gradients."""
    grad_x, found = _last_step(right, grad_output, x, *weights, **options)
    return np.concatenate([np.zeros_like(x[:, :-1]), grad_x], axis=1), found


LAYERS = (bidirectional, time_distributed)
