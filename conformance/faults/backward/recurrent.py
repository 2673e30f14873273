"""Mistakes in backpropagation through time."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.backward.cells import OpenCell, again
from conformance.faults.backward.slopes import SLOPES, WrongSlope
from conformance.faults.backward.sums import DROPOUT_MASKS, with_bias, with_weights
from conformance.faults.fault import Collection, Function, Shared, pair_of, right_function
from conformance.faults.forward.lstm import GATES
from reference.activations import BACKWARDS
from reference.layers.rnn.cells import StepGradient

Array = NDArray[Any]
NAMES = ("SimpleRNN", "LSTM", "GRU")

recurrent = Shared(*NAMES, part="backward")
lstm, gru = Collection("LSTM", part="backward"), Collection("GRU", part="backward")


def outputs(grad_output: Any) -> tuple[Array, ...]:
    """The gradients of the output and of the states that were returned."""
    return grad_output if isinstance(grad_output, tuple) else (grad_output,)


def asked_with(grads: tuple[Array, ...]) -> Any:
    """As they are passed."""
    return grads if len(grads) > 1 else grads[0]


@recurrent
def doubled_at_the_last_step(right: Function, grad_output: Any, *arguments: Any, **options: Any) -> Any:
    """Without return_sequences the gradient of the output enters twice."""
    y, *states = outputs(grad_output)
    return right(asked_with((y if options.get("return_sequences") else 2 * y, *states)), *arguments, **options)


@recurrent
def only_the_last_output(right: Function, grad_output: Any, *arguments: Any, **options: Any) -> Any:
    """With return_sequences only the gradient of the last step's output is used."""
    y, *states = outputs(grad_output)
    if options.get("return_sequences"):
        y = np.where(np.arange(y.shape[1])[:, None] == y.shape[1] - 1, y, 0)
    return right(asked_with((y, *states)), *arguments, **options)


@recurrent
def returned_states_left_out(right: Function, grad_output: Any, *arguments: Any, **options: Any) -> Any:
    """The gradients of the returned states are left out."""
    y, *states = outputs(grad_output)
    return right(asked_with((y, *(0 * state for state in states))), *arguments, **options)


@recurrent
def truncated_to_one_step(right: Function, *arguments: Any, **options: Any) -> Any:
    """The gradient goes no step back in time: each step has that of its own output alone."""
    return _after(right, lambda step: step._replace(states=tuple(0 * one for one in step.states)), *arguments, **options)


def _after(right: Function, change: Callable[[StepGradient], StepGradient], *arguments: Any, **options: Any) -> tuple[Any, ...]:
    """The gradients when `change` is made to what goes back from every step."""
    return again(right, lambda saved: replace(saved, cell=OpenCell(saved.cell, after=change)), *arguments, **options)


@recurrent
def saved_by_the_last_step(right: Function, *arguments: Any, **options: Any) -> Any:
    """Every step is differentiated with what the last step saved."""
    return again(right, lambda saved: replace(saved, tape=[saved.tape[-1]] * len(saved.tape)), *arguments, **options)


@recurrent
def state_after_the_step(right: Function, grad_output: Any, x: Array, *weights: Array, **options: Any) -> Any:
    """The state after each step is taken for the state before it: an index is off by one."""

    def moved(saved: Any) -> Any:
        befores = [states for states, _ in saved.tape]
        return replace(saved, tape=list(zip([*befores[1:], last], (kept for _, kept in saved.tape), strict=True)))

    forward = right_function(next(name for name in NAMES if right is right_function(name, "backward")))
    last = tuple(forward(x, *weights, **{**options, "return_state": True})[1:])
    return again(right, moved, grad_output, x, *weights, **options)


@recurrent
def state_of_two_steps_before(right: Function, *arguments: Any, **options: Any) -> Any:
    """The state of two steps before is taken for the state before each step: an index is off by one."""

    def moved(saved: Any) -> Any:
        befores = [states for states, _ in saved.tape]
        return replace(saved, tape=list(zip([befores[0], *befores[:-1]], (kept for _, kept in saved.tape), strict=True)))

    return again(right, moved, *arguments, **options)


@recurrent
def mask_ignored(right: Function, *arguments: Any, **options: Any) -> Any:
    """The mask is ignored in the backward pass: steps that it hides are differentiated as all others."""
    return again(right, lambda saved: replace(saved, counts=None), *arguments, **options)


@recurrent
def states_lost_at_masked_steps(right: Function, grad_output: Any, *arguments: Any, **options: Any) -> Any:
    """The gradients of the states end at masked steps instead of going past them."""
    run, gradients = pair_of(right)
    saved = run(*arguments, **options)[1]
    if saved.counts is None:
        return right(grad_output, *arguments, **options)
    y, *states = outputs(grad_output)
    counts = saved.counts[[t for _, t in saved.steps()]]
    left = iter(counts[::-1])

    def counted(step: StepGradient) -> StepGradient:
        count = next(left)
        projected, recurrent, *befores = (np.where(count, one, 0) for one in (step.projected, step.recurrent, *step.states))
        return step._replace(projected=projected, recurrent=recurrent, states=tuple(befores))

    cut = replace(saved, cell=OpenCell(saved.cell, after=counted), counts=None, return_sequences=True)
    return gradients(asked_with((_of_counted_steps(y, counts, saved), *states)), cut)


def _of_counted_steps(grad_y: Array, counts: Array, saved: Any) -> Array:
    """The gradients of the outputs of all steps: what a masked step has belongs to the step whose output it repeats."""
    if not saved.return_sequences:
        grad_y = np.where(np.arange(len(counts))[:, None] == len(counts) - 1, grad_y[:, None], 0)
    found, carried = np.zeros_like(grad_y), np.zeros_like(grad_y[:, 0])
    for n in reversed(range(len(counts))):
        carried = carried + grad_y[:, n]
        found[:, n] = np.where(counts[n], carried, 0)
        carried = np.where(counts[n] | saved.zero_output_for_mask, 0, carried)
    return found


@recurrent
def outputs_of_masked_steps_left_out(right: Function, grad_output: Any, x: Array, *weights: Any, **options: Any) -> Any:
    """The gradients of the outputs at masked steps are left out, though these outputs repeat an earlier one."""
    y, *states = outputs(grad_output)
    if options.get("mask") is not None and options.get("return_sequences"):
        counts = np.reshape(options["mask"] != 0, (*x.shape[:2], 1))
        y = np.where(counts[:, ::-1] if options.get("go_backwards") else counts, y, 0)
    return right(asked_with((y, *states)), x, *weights, **options)


@recurrent
def recurrent_kernel_not_transposed(right: Function, *arguments: Any, **options: Any) -> Any:
    """The gradient goes back in time through the recurrent kernel of each gate as it is, not transposed."""

    def turned(saved: Any) -> Any:
        blocks = np.split(saved.recurrent.weight, saved.recurrent.gates, axis=-1)
        return replace(saved, recurrent=replace(saved.recurrent, weight=np.concatenate([block.T for block in blocks], axis=-1)))

    return again(right, turned, *arguments, **options)


@recurrent
def dropout_ignored(right: Function, *arguments: Any, **options: Any) -> Any:
    """The dropout masks are left out of the backward pass."""

    def whole(saved: Any) -> Any:
        return replace(saved, input=replace(saved.input, keep=None), recurrent=replace(saved.recurrent, keep=None))

    return again(right, whole, *arguments, **options) if any(name in options for name in DROPOUT_MASKS) else right(*arguments, **options)


@recurrent
def input_not_turned_back(right: Function, *arguments: Any, **options: Any) -> Any:
    """With go_backwards the gradient of the input stays in the order in which the steps were run."""
    grad_x, *others = right(*arguments, **options)
    return (grad_x[:, ::-1] if options.get("go_backwards") else grad_x, *others)


@recurrent
def initial_state_without_gradient(right: Function, *arguments: Any, **options: Any) -> Any:
    """The gradient of the initial state is 0."""
    gradients = right(*arguments, **options)
    return (*gradients[:4], *(0 * one for one in gradients[4:]))


@lstm
def states_swapped(grad_output: Any, *arguments: Any, **options: Any) -> Any:
    """The gradients of the initial h and c are swapped."""
    gradients = right_function("LSTM", "backward")(grad_output, *arguments, **options)
    return (*gradients[:4], *gradients[4:][::-1])


@recurrent
def weights_averaged_over_time(right: Function, grad_output: Any, x: Array, *weights: Any, **options: Any) -> Any:
    """The gradients of the weights are divided by the number of steps."""
    return with_weights(right(grad_output, x, *weights, **options), lambda one: one / x.shape[1])


@recurrent
def weights_of_the_first_step(right: Function, *arguments: Any, **options: Any) -> Any:
    """The gradients of the weights are those of the first step that ran alone: = instead of +=."""
    gradients = right(*arguments, **options)
    found = _of_the_first_step(right, *arguments, **options)
    return (gradients[0], *found[1:4], *gradients[4:])


@recurrent
def bias_of_the_first_step(right: Function, *arguments: Any, **options: Any) -> Any:
    """The gradient of the bias is that of the first step that ran alone: = instead of +=."""
    found = _of_the_first_step(right, *arguments, **options)
    return with_bias(right(*arguments, **options), lambda one: found[3])


def _of_the_first_step(right: Function, *arguments: Any, **options: Any) -> tuple[Any, ...]:
    """The gradients with what goes into the weights from the first step alone, which comes last."""
    left = [arguments[1].shape[1]]

    def first(step: StepGradient) -> StepGradient:
        left[0] -= 1
        return step if not left[0] else step._replace(projected=0 * step.projected, recurrent=0 * step.recurrent)

    return _after(right, first, *arguments, **options)


@lstm
def cell_state_cut(grad_output: Any, *arguments: Any, **options: Any) -> Any:
    """The cell state hands nothing back in time: f dc is left out."""

    def cut(step: StepGradient) -> StepGradient:
        return step._replace(states=(step.states[0], 0 * step.states[1]))

    return _after(right_function("LSTM", "backward"), cut, grad_output, *arguments, **options)


@lstm
def hidden_state_cut(grad_output: Any, *arguments: Any, **options: Any) -> Any:
    """The gradient goes back in time through the cell state alone, not through h and the gates."""

    def cut(step: StepGradient) -> StepGradient:
        return step._replace(states=(0 * step.states[0], step.states[1]))

    return _after(right_function("LSTM", "backward"), cut, grad_output, *arguments, **options)


@dataclass(frozen=True)
class _NothingKept:
    """The cell of a GRU of which only the candidate goes back in time."""

    cell: Any
    states: int = 1

    def step_gradient(self, grad: Any, states: Any, kept: Any, recurrent: Any) -> StepGradient:
        """The step without what the update gate z keeps of the state."""
        step: StepGradient = self.cell.step_gradient(grad, states, kept, recurrent)
        return step._replace(states=(step.states[0] - grad[0] * kept[3],))


@gru
def kept_state_left_out(grad_output: Any, *arguments: Any, **options: Any) -> Any:
    """What the update gate keeps of the state hands nothing back in time: z dh is left out."""
    right = right_function("GRU", "backward")
    return again(right, lambda saved: replace(saved, cell=_NothingKept(saved.cell)), grad_output, *arguments, **options)


@gru
def other_reset_form(grad_output: Any, *arguments: Any, **options: Any) -> Any:
    """The backward pass is that of the other reset_after than the forward pass's."""

    def other(saved: Any) -> Any:
        return replace(saved, cell=replace(saved.cell, reset_after=not saved.cell.reset_after))

    return again(right_function("GRU", "backward"), other, grad_output, *arguments, **options)


@gru
def one_bias_for_both(grad_output: Any, *arguments: Any, **options: Any) -> Any:
    """With reset_after both rows of the bias get the gradient of the first: the reset gate is left out of the second."""
    gradients = right_function("GRU", "backward")(grad_output, *arguments, **options)
    return with_bias(gradients, lambda one: np.stack([one[0], one[0]]) if one.ndim == 2 else one)


def _in_order(layer: str, order: str) -> Function:
    right = right_function(layer, "backward")

    def reordered(one: Array) -> Array:
        blocks = np.split(one, len(order), axis=-1)
        return np.concatenate([blocks[GATES[layer].index(gate)] for gate in order], axis=-1)

    return lambda *arguments, **options: with_weights(right(*arguments, **options), reordered)


def _gate_orders(layer: str) -> Collection:
    collection = Collection(layer, part="backward")
    for order in map("".join, itertools.permutations(GATES[layer])):
        if order != GATES[layer]:
            said = f"the gradients of the weights hold the gates in the order {', '.join(order)} instead of {', '.join(GATES[layer])}"
            collection.add(f"gates_{order}", said, _in_order(layer, order))
    return collection


def _slopes(right: Function, wrong: WrongSlope, *arguments: Any, **options: Any) -> tuple[Any, ...]:
    """The gradients with a wrong derivative of every activation."""

    def slope(name: str | None, grad: Array, z: Array, y: Array) -> Array:
        return wrong(BACKWARDS[name or "linear"], name or "linear", grad, z, y)

    return again(right, lambda saved: replace(saved, cell=OpenCell(saved.cell, slope)), *arguments, **options)


def _wrong_slopes() -> list[Collection]:
    collections = []
    for layer in NAMES:
        collection = Collection(layer, part="backward")
        right = right_function(layer, "backward")
        for name, wrong in SLOPES.items():
            if name != "relu_passes_everything" and not (layer == "SimpleRNN" and name == "sigmoid_of_the_argument"):
                collection.add(name, wrong.sentence, functools.partial(_slopes, right, wrong))
        collections.append(collection)
    return collections


LAYERS = (recurrent, lstm, gru, *map(_gate_orders, ("LSTM", "GRU")), *_wrong_slopes())
