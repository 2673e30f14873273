"""What all recurrent layers share: the run of a cell over time, and its gradient, backpropagation through time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from reference.layers.dense import floating
from reference.layers.rnn.cells import Cell, States, StepGradient
from reference.layers.rnn.projection import Projection, total

Array = NDArray[Any]
Masked = Callable[[Array, Array, States, States, bool], tuple[Array, States]]
"""As :func:`held`."""


@dataclass(frozen=True)
class SavedScan:
    """What a run leaves to its gradient.

    Attributes
    ----------
    x : array (batch, time, features)
        As floats.
    given : pair of bool
        Whether x was given as floats, and whether initial states were given: only then do they have a gradient.
    counts : bool array (time, batch, 1), optional
        The steps that the mask lets count.
    tape : list of (states before, what the cell kept)
        Of every step, in the order in which they ran; empty where no gradient is wanted.
    """

    cell: Cell
    x: Array
    given: tuple[bool, bool]
    input: Projection
    recurrent: Projection
    counts: Array | None
    return_sequences: bool
    return_state: bool
    go_backwards: bool
    zero_output_for_mask: bool
    tape: list[tuple[States, States]]

    def steps(self) -> Iterator[tuple[int, int]]:
        """The steps in the order in which they run: the place among the outputs, the place in the input."""
        steps = self.x.shape[1]
        return zip(range(steps), reversed(range(steps)) if self.go_backwards else range(steps), strict=True)


class RunOptions(TypedDict, total=False):
    """Options of all recurrent layers, read by :func:`run`, with its defaults; :func:`reference.lstm_forward` says what they do."""

    mask: Array | None
    initial_state: States | None
    return_sequences: bool
    return_state: bool
    go_backwards: bool
    zero_output_for_mask: bool
    training: bool
    dropout: float
    recurrent_dropout: float
    dropout_mask: Array | None
    recurrent_dropout_mask: Array | None
    seed: int | tuple[int, ...] | None


def run(
    cell: Cell,
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None,
    save: bool = True,
    *,
    mask: Array | None = None,
    initial_state: States | None = None,
    return_sequences: bool = False,
    return_state: bool = False,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
    training: bool = False,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    dropout_mask: Array | None = None,
    recurrent_dropout_mask: Array | None = None,
    seed: int | tuple[int, ...] | None = None,
) -> tuple[Array | tuple[Array, ...], SavedScan]:
    """Run a cell over a sequence, as its layer's forward says; with `save`, keep what :func:`gradients` needs."""
    is_float = np.issubdtype(np.asarray(x).dtype, np.floating)
    x, units, rng = _sequence(x, kernel, recurrent_kernel, cell.gates), len(recurrent_kernel), np.random.default_rng(seed)
    if bias is not None and bias.shape != cell.bias_shape(units):
        raise ValueError(f"{cell} of {units} units takes a bias of the shape {cell.bias_shape(units)}, got {bias.shape}")
    input_bias, recurrent_bias = (bias[0], bias[1]) if bias is not None and bias.ndim == 2 else (bias, None)
    per_gate = cell.gates if cell.gates > 1 and 0 < recurrent_dropout < 1 else None
    # Keras ignores a rate of 1 in the layers that have gates.
    drops, drops_h = (training and (rate < 1 or cell.gates == 1) for rate in (dropout, recurrent_dropout))
    keep_x = _keep(drops, dropout, dropout_mask, per_gate, x, x.shape[-1], rng)
    keep_h = _keep(drops_h, recurrent_dropout, recurrent_dropout_mask, per_gate, x, units, rng)
    saved = SavedScan(
        cell,
        x,
        (bool(is_float), initial_state is not None),
        Projection(kernel, input_bias, cell.gates, keep_x),
        Projection(recurrent_kernel, recurrent_bias, cell.gates, keep_h),
        None if mask is None else _step_mask(mask, *x.shape[:2]),
        return_sequences,
        return_state,
        go_backwards,
        zero_output_for_mask,
        [],
    )
    return scan(saved, initial_state, save), saved


def held(counts: Array, y: Array, before: States, after: States, zero: bool) -> tuple[Array, States]:
    """What a mask makes of a step: the output and the states, from the output before and the states before and after the step."""
    states = tuple(np.where(counts, new, old) for new, old in zip(after, before, strict=True))
    return np.where(counts, after[0], np.zeros_like(y) if zero else y), states


def scan(saved: SavedScan, initial_state: States | None, save: bool, masked: Masked = held) -> Array | tuple[Array, ...]:
    """Run the cell over the time axis, `masked` at every step, collect what the options ask for, and with `save` write the tape."""
    projected, counts = saved.input(np.moveaxis(saved.x, 1, 0)), saved.counts
    steps, _, batch, units = projected.shape
    states = _initial_states(initial_state, saved.cell.states, (batch, units), projected.dtype)
    y = np.zeros((batch, units), projected.dtype)
    sequence = np.empty((batch, steps, units), projected.dtype) if saved.return_sequences else None
    for n, t in saved.steps():
        new, kept = saved.cell.step(projected[t], states, saved.recurrent)
        if save:
            saved.tape.append((states, kept))
        if counts is None:
            y, states = new[0], new
        else:
            y, states = masked(counts[t], y, states, new, saved.zero_output_for_mask)
        if sequence is not None:
            sequence[:, n] = y
    output = y if sequence is None else sequence
    return (output, *states) if saved.return_state else output


def gradients(grad_output: Array | Sequence[Array | None], saved: SavedScan) -> tuple[Any, ...]:
    """The gradients of x, kernel, recurrent kernel, bias and of given initial states, from that of what :func:`run` returned."""
    state, dtype = (len(saved.x), len(saved.recurrent.weight)), np.result_type(saved.x, saved.input.weight)
    output = (state[0], saved.x.shape[1], state[1]) if saved.return_sequences else state
    number = saved.cell.states
    grad_y, *grad_states = grad_outputs(grad_output, [output, *[state] * number] if saved.return_state else [output], dtype)
    back, states = _scan_back(saved, grad_y, tuple(grad_states) or (np.zeros(state, dtype),) * number)
    ordered = back if saved.go_backwards else back[::-1]
    # The products of all steps at once: (time, batch, gates * units), and what the recurrent kernel saw.
    projected = np.stack([step.projected for step in ordered])
    same = all(step.recurrent is step.projected for step in ordered)
    recurrent = projected if same else np.stack([step.recurrent for step in ordered])
    seen = np.stack([step.seen for step in ordered])
    is_float, has_states = saved.given
    return (
        np.moveaxis(saved.input.grad_x(projected), 0, 1) if is_float else None,
        saved.input.grad_weight(np.moveaxis(saved.x, 1, 0), projected),
        saved.recurrent.grad_weight(seen, recurrent),
        _grad_bias(saved, projected, recurrent),
        *(states if has_states else ()),
    )


def _grad_bias(saved: SavedScan, projected: Array, recurrent: Array) -> Array | None:
    """The gradient of the bias, in two rows where the recurrent product has one of its own."""
    if saved.input.bias is None:
        return None
    return total(projected) if saved.recurrent.bias is None else np.stack([total(projected), total(recurrent)])


def _scan_back(saved: SavedScan, grad_y: Array, grad_states: States) -> tuple[list[StepGradient], States]:
    """Backpropagation through time: what goes back from each step, the last one first, and the gradients of the first states.

    With k = 1 where a step counts, the output is ``y = k h' + (1 - k) y_before`` (or ``k h'``, with zeros for the others) and
    every state ``k s' + (1 - k) s``; so a gradient goes to the new states where k = 1 and past the step where k = 0.
    """
    none = np.zeros_like(grad_states[0])
    from_y = none if saved.return_sequences else grad_y  # the gradient of y, of this step and of later ones that repeat it
    back = []
    for n, t in reversed(list(saved.steps())):
        if saved.return_sequences:
            from_y = from_y + grad_y[:, n]
        states, kept = saved.tape[n]
        grad = (grad_states[0] + from_y, *grad_states[1:])
        if saved.counts is None:
            step = saved.cell.step_gradient(grad, states, kept, saved.recurrent)
            grad_states, from_y = step.states, none
        else:
            count = saved.counts[t]
            step = saved.cell.step_gradient(tuple(np.where(count, one, 0) for one in grad), states, kept, saved.recurrent)
            grad_states = tuple(one + np.where(count, 0, past) for one, past in zip(step.states, grad_states, strict=True))
            from_y = none if saved.zero_output_for_mask else np.where(count, 0, from_y)
        back.append(step)
    return back, grad_states


def grad_outputs(grad_output: Any, shapes: Sequence[tuple[int, ...]], dtype: Any) -> list[Array]:
    """The gradient of every output, zeros where none comes, after a check of their shapes; one output is no tuple."""
    given = [grad_output] if len(shapes) == 1 else list(grad_output)
    found = [shape if one is None else np.shape(one) for one, shape in zip(given, shapes, strict=False)]
    if len(given) != len(shapes) or found != list(shapes):
        raise ValueError(f"grad_output must have the shapes {list(shapes)} of the outputs, got {[np.shape(one) for one in given]}")
    return [np.zeros(shape, dtype) if one is None else np.asarray(one, dtype) for one, shape in zip(given, shapes, strict=True)]


def _keep(
    training: bool, rate: float, mask: Array | None, gates: int | None, x: Array, width: int, rng: np.random.Generator
) -> Array | None:
    """What dropout multiplies (batch, width) with, 0 or ``1 / (1 - rate)``; None where it does not act.

    With `gates` every gate has a mask of its own: (gates, batch, width).
    """
    if not training or rate <= 0:
        return None
    shape = (len(x), width) if gates is None else (gates, len(x), width)
    if rate >= 1:
        return np.zeros(shape, x.dtype)
    kept = rng.random(shape) >= rate if mask is None else mask
    return np.asarray(kept * np.asarray(1 / (1 - rate), x.dtype))


def _initial_states(given: States | None, number: int, shape: tuple[int, int], dtype: Any) -> States:
    """The states before the first step, each (batch, units): zeros where none are given."""
    if given is None:
        return (np.zeros(shape, dtype),) * number
    if len(given) != number or any(state.shape != shape for state in given):
        shapes = [np.shape(state) for state in given]
        raise ValueError(f"initial_state must hold {number} arrays of shape {shape}, got {shapes}")
    return tuple(given)


def _step_mask(mask: Array, batch: int, steps: int) -> Array:
    """A mask (batch, time) or (batch, time, 1) of any type as bool (time, batch, 1)."""
    mask = np.asarray(mask)
    if mask.shape not in ((batch, steps), (batch, steps, 1)):
        raise ValueError(f"mask must have the shape {(batch, steps)}, got {mask.shape}")
    return np.moveaxis(mask.reshape(batch, steps, 1) != 0, 1, 0)


def _sequence(x: Array, kernel: Array, recurrent_kernel: Array, gates: int) -> Array:
    """The input as floats, after a check of all shapes."""
    x, units = floating(x, kernel), len(recurrent_kernel)
    if x.ndim != 3 or x.shape[1] == 0:
        raise ValueError(f"a recurrent layer takes an array (batch, time, features) with at least one step, got {x.shape}")
    if kernel.shape != (x.shape[-1], gates * units):
        raise ValueError(f"{x.shape[-1]} features and {units} units need a kernel {(x.shape[-1], gates * units)}, got {kernel.shape}")
    return x
