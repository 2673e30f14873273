"""Mistakes in backpropagation through time."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.backward.slopes import SILU, SLOPES, WrongSlope
from conformance.faults.backward.sums import DROPOUT_MASKS, with_bias, with_weights
from conformance.faults.cells import back_again, with_cell, with_option
from conformance.faults.fault import Function, Shared, changed, pair_of, right_function
from conformance.faults.forward.recurrent_cells import GATES
from reference.activations import BACKWARDS
from reference.layers.rnn.cells import Activation, StepGradient
from reference.layers.rnn.scan import SavedScan

Array = NDArray[Any]
NAMES = ("SimpleRNN", "LSTM", "GRU")


def after_step(change: Callable[[StepGradient], StepGradient]) -> Function:
    """The gradients when `change` is made to what goes back from every step."""
    return back_again(lambda saved: with_cell(saved, back=lambda step, *_: change(step)))


recurrent = Shared(*NAMES, part="backward")
saved = Shared(*NAMES, part="backward", wrap=back_again)
lstm, gru = Shared("LSTM", part="backward"), Shared("GRU", part="backward")


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


def _with_befores(change: Callable[[list[Any]], list[Any]]) -> Callable[[SavedScan], SavedScan]:
    """With other states before the steps, made of the right ones in the order in which the steps ran."""
    return lambda saved: replace(
        saved, tape=list(zip(change([states for states, _ in saved.tape]), (kept for _, kept in saved.tape), strict=True))
    )


@recurrent.by(after_step(lambda step: step._replace(states=tuple(0 * one for one in step.states))))
def truncated_to_one_step() -> None:
    """The gradient goes no step back in time: each step has that of its own output alone."""


@saved.by(lambda saved: replace(saved, tape=[saved.tape[-1]] * len(saved.tape)))
def saved_by_the_last_step() -> None:
    """Every step is differentiated with what the last step saved."""


@saved.by(_with_befores(lambda befores: [befores[0], *befores[:-1]]))
def state_of_two_steps_before() -> None:
    """The state of two steps before is taken for the state before each step: an index is off by one."""


@saved.by(lambda saved: replace(saved, counts=None))
def mask_ignored() -> None:
    """The mask is ignored in the backward pass: steps that it hides are differentiated as all others."""


@recurrent
def state_after_the_step(right: Function, grad_output: Any, x: Array, *weights: Array, **options: Any) -> Any:
    """The state after each step is taken for the state before it: an index is off by one."""
    forward = right_function(next(name for name in NAMES if right is right_function(name, "backward")))
    last = tuple(forward(x, *weights, **{**options, "return_state": True})[1:])
    return back_again(_with_befores(lambda befores: [*befores[1:], last]))(right, grad_output, x, *weights, **options)


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

    cut = replace(with_cell(saved, back=lambda step, *_: counted(step)), counts=None, return_sequences=True)
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


@saved
def recurrent_kernel_not_transposed(saved: SavedScan) -> SavedScan:
    """The gradient goes back in time through the recurrent kernel of each gate as it is, not transposed."""
    blocks = np.split(saved.recurrent.weight, saved.recurrent.gates, axis=-1)
    return replace(saved, recurrent=replace(saved.recurrent, weight=np.concatenate([block.T for block in blocks], axis=-1)))


@recurrent
def dropout_ignored(right: Function, *arguments: Any, **options: Any) -> Any:
    """The dropout masks are left out of the backward pass."""

    def whole(saved: SavedScan) -> SavedScan:
        return replace(saved, input=replace(saved.input, keep=None), recurrent=replace(saved.recurrent, keep=None))

    given = any(options.get(name) is not None for name in DROPOUT_MASKS)
    return (back_again(whole) if given else changed())(right, *arguments, **options)


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
def states_swapped(right: Function, *arguments: Any, **options: Any) -> Any:
    """The gradients of the initial h and c are swapped."""
    gradients = right(*arguments, **options)
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

    found: tuple[Any, ...] = after_step(first)(right, *arguments, **options)
    return found


@lstm.by(after_step(lambda step: step._replace(states=(step.states[0], 0 * step.states[1]))))
def cell_state_cut() -> None:
    """The cell state hands nothing back in time: f dc is left out."""


@lstm.by(after_step(lambda step: step._replace(states=(0 * step.states[0], step.states[1]))))
def hidden_state_cut() -> None:
    """The gradient goes back in time through the cell state alone, not through h and the gates."""


def _kept_left_out(step: StepGradient, grad: Any, kept: Any) -> StepGradient:
    """The step without what the update gate z keeps of the state."""
    return step._replace(states=(step.states[0] - grad[0] * kept[3],))


@gru.by(back_again(lambda saved: with_cell(saved, back=_kept_left_out)))
def kept_state_left_out() -> None:
    """What the update gate keeps of the state hands nothing back in time: z dh is left out."""


@gru.by(back_again(lambda saved: with_option(saved, "reset_after", not saved.cell.reset_after)))
def other_reset_form() -> None:
    """The backward pass is that of the other reset_after than the forward pass's."""


@gru
def one_bias_for_both(right: Function, *arguments: Any, **options: Any) -> Any:
    """With reset_after both rows of the bias get the gradient of the first: the reset gate is left out of the second."""
    return with_bias(right(*arguments, **options), lambda one: np.stack([one[0], one[0]]) if one.ndim == 2 else one)


@gru.by(lambda right, *arguments, **options: with_bias(right(*arguments, **options), lambda one: one[[1, 1]] if one.ndim == 2 else one))
def recurrent_bias_for_both() -> None:
    """With reset_after both rows of the bias get the gradient of the second, in which the reset gate is."""


@gru.by(lambda right, *arguments, **options: with_bias(right(*arguments, **options), lambda one: one[0] if one.ndim == 2 else one))
def bias_of_one_row() -> None:
    """With reset_after the gradient of the bias has one row instead of two."""


@gru.by(changed(bias=lambda bias: bias[[0, 0]] if bias.ndim == 2 else bias))
def first_row_for_both() -> None:
    """With reset_after the backward pass takes the first row of the bias, the input's, for the recurrent product too."""


recurrent.table(
    activation_taken_for_tanh=("the option activation is ignored: the backward pass is that of tanh", changed(activation="tanh")),
)


@saved
def activation_differentiated_as_tanh(saved: SavedScan) -> SavedScan:
    """The derivative is 1 - y**2, that of tanh, whatever the option activation is."""
    cell: Any = saved.cell
    return with_option(saved, "activation", _Sloped(cell.activation.name, TANH))


def _in_order(order: str, gates: str) -> Function:
    def reordered(one: Array) -> Array:
        blocks = np.split(one, len(order), axis=-1)
        return np.concatenate([blocks[gates.index(gate)] for gate in order], axis=-1)

    return lambda right, *arguments, **options: with_weights(right(*arguments, **options), reordered)


def _gate_orders(layer: str, gates: str) -> Shared:
    collection = Shared(layer, part="backward")
    for order in map("".join, itertools.permutations(gates)):
        if order != gates:
            said = f"the gradients of the weights hold the gates in the order {', '.join(order)} instead of {', '.join(gates)}"
            collection.add(f"gates_{order}", said, _in_order(order, gates))
    return collection


@dataclass(frozen=True)
class _Sloped(Activation):
    """An activation with a wrong derivative."""

    wrong: WrongSlope

    def gradient(self, grad_output: Array, z: Array, y: Array) -> Array:
        """The wrong gradient."""
        name = self.name or "linear"
        return self.wrong(BACKWARDS[name], name, grad_output, z, y)


TANH = WrongSlope("", lambda right, name, grad, z, y: grad * (1 - y * y), lambda name: True)
"""The slope of tanh, whatever the function."""


def _sloped(wrong: WrongSlope) -> Function:
    """The gradients with a wrong derivative of every activation."""

    def change(saved: SavedScan) -> SavedScan:
        for option in ("activation", "recurrent_activation"):
            if hasattr(saved.cell, option):
                saved = with_option(saved, option, _Sloped(getattr(saved.cell, option).name, wrong))
        return saved

    return back_again(change)


slopes, gated_slopes = Shared(*NAMES, part="backward"), Shared("LSTM", "GRU", part="backward")
for _name, _wrong in SLOPES.items():
    if _name not in ("relu_passes_everything", *SILU):
        (gated_slopes if _name == "sigmoid_of_the_argument" else slopes).add(_name, _wrong.sentence, _sloped(_wrong))

LAYERS = (recurrent, saved, lstm, gru, *(_gate_orders(*layer) for layer in GATES.items()), slopes, gated_slopes)
