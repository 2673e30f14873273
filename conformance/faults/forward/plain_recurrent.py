"""The recurrent layers and Bidirectional written out step by step, with the places open at which people go wrong.

With nothing replaced they compute what the reference computes, more slowly. One scan serves all layers: the number of gates in the
weights says which cell it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, right_function
from reference.activations import activation_function

Array = NDArray[Any]
States = tuple[Array, ...]
Activation = Callable[[Array], Array]


@dataclass(frozen=True)
class Moment:
    """What a cell has in hand at one step.

    Attributes
    ----------
    x : array (gates, batch, units)
        The input times the kernel.
    bias : array (2, gates, 1, units)
        That of the input and that of the recurrent product; zeros where the cell has none.
    states : tuple of arrays
        Before the step.
    times : callable
        The recurrent product of an ``h``, (gates, batch, units), with dropout.
    keep : array or 1.0
        What dropout multiplies ``h`` with.
    g, r : callables
        `activation` and `recurrent_activation`.
    reset_after : bool
        The option of a GRU.
    """

    x: Array
    bias: Array
    states: States
    times: Callable[[Array], Array]
    keep: Any
    g: Activation
    r: Activation
    reset_after: bool = True

    @property
    def z(self) -> Array:
        """The sum that every gate starts from."""
        return np.asarray(self.x + self.bias[0] + self.times(self.states[0]) + self.bias[1])


def simple_rnn_cell(now: Moment) -> States:
    """One step of a SimpleRNN."""
    return (now.g(now.z[0]),)


def lstm_cell(now: Moment) -> States:
    """One step of an LSTM: (h, c)."""
    (i, f, candidate, o), (_, c) = now.z, now.states
    c = now.r(f) * c + now.r(i) * now.g(candidate)
    return now.r(o) * now.g(c), c


def gru_gates(now: Moment) -> tuple[Array, Array]:
    """The gates of a GRU that mix the candidate: update and reset."""
    z, r, _ = now.z
    return now.r(z), now.r(r)


def gru_candidate(now: Moment, r: Array) -> Array:
    """The candidate of a GRU, before its activation, from the reset gate."""
    (h,) = now.states
    after = r * (now.times(h)[2] + now.bias[1, 2])
    return np.asarray(now.x[2] + now.bias[0, 2] + (after if now.reset_after else now.times(r * h)[2]))


def gru_cell(now: Moment) -> States:
    """One step of a GRU."""
    (h,), (z, r) = now.states, gru_gates(now)
    return (z * h + (1 - z) * now.g(gru_candidate(now, r)),)


CELLS: dict[int, tuple[Callable[[Moment], States], int]] = {1: (simple_rnn_cell, 1), 3: (gru_cell, 1), 4: (lstm_cell, 2)}
"""The cell of so many gates, and the number of its states."""


def held(keep: Array, y: Array, before: States, after: States, zero: bool) -> tuple[Array, States]:
    """What a mask does to a step: the output and the states, from the previous output and the states before and after."""
    states = tuple(np.where(keep, new, old) for new, old in zip(after, before, strict=True))
    return np.where(keep, after[0], np.zeros_like(y) if zero else y), states


def gates_of(recurrent_kernel: Array) -> int:
    """How many gates a recurrent kernel has side by side."""
    return recurrent_kernel.shape[1] // recurrent_kernel.shape[0]


def plain_recurrent(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    *,
    step: Callable[[Moment], States] | None = None,
    masked: Callable[..., tuple[Array, States]] = held,
    mask: Array | None = None,
    initial_state: States | None = None,
    return_sequences: bool = False,
    return_state: bool = False,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
    **options: Any,
) -> Any:
    """A SimpleRNN, GRU or LSTM with `step` for the cell and `masked` for the mask; activations may be functions."""
    x = np.asarray(x) if np.asarray(x).dtype.kind == "f" else np.asarray(x).astype(kernel.dtype)
    cell, number = CELLS[gates_of(recurrent_kernel)]
    moment = _moments(x, kernel, recurrent_kernel, bias, **options)
    states = tuple(initial_state or (np.zeros((x.shape[0], recurrent_kernel.shape[0]), x.dtype),) * number)
    y, outputs = np.zeros_like(states[0]), []
    counts = None if mask is None else np.asarray(mask).reshape(*x.shape[:2], 1) != 0
    for t in reversed(range(x.shape[1])) if go_backwards else range(x.shape[1]):
        new = (step or cell)(moment(t, states))
        if counts is None:
            y, states = new[0], new
        else:
            y, states = masked(counts[:, t], y, states, new, zero_output_for_mask)
        outputs.append(y)
    output = np.stack(outputs, axis=1) if return_sequences else y
    return (output, *states) if return_state else output


def _moments(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None,
    *,
    activation: Any = "tanh",
    recurrent_activation: Any = "sigmoid",
    reset_after: bool = True,
    training: bool = False,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    dropout_mask: Array | None = None,
    recurrent_dropout_mask: Array | None = None,
) -> Callable[[int, States], Moment]:
    """What the cell has in hand at step t with these states."""
    gates, units = gates_of(recurrent_kernel), recurrent_kernel.shape[0]
    by_gate = [np.moveaxis(weight.reshape(-1, gates, units), 1, 0) for weight in (kernel, recurrent_kernel)]
    bias = np.zeros(gates * units, x.dtype) if bias is None else bias
    biases = (bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])).reshape(2, gates, 1, units)
    keep_x = _keep(training, dropout, dropout_mask, gates)
    keep_h = _keep(training, recurrent_dropout, recurrent_dropout_mask, gates)
    g, r = (one if callable(one) else activation_function(one) for one in (activation, recurrent_activation))

    def times(h: Array) -> Array:
        return np.asarray((h * keep_h) @ by_gate[1])

    return lambda t, states: Moment((x[:, t] * keep_x) @ by_gate[0], biases, states, times, keep_h, g, r, reset_after)


def _keep(training: bool, rate: float, mask: Array | None, gates: int) -> Any:
    """What dropout multiplies with; cells with gates ignore a rate of 1, as in Keras."""
    if training and rate >= 1 and gates == 1:
        return 0.0
    return mask / (1 - rate) if training and mask is not None else 1.0


def with_step(step: Function) -> Function:
    """A recurrent layer whose cell is `step`."""

    def function(x: Array, *weights: Array, **options: Any) -> Any:
        return plain_recurrent(x, *weights, step=step, **options)

    return function


MERGE: dict[Any, Callable[[Array, Array], Any]] = {
    "concat": lambda forward, backward: np.concatenate([forward, backward], axis=-1),
    "sum": np.add,
    "mul": np.multiply,
    "ave": lambda forward, backward: (forward + backward) / 2,
    None: lambda forward, backward: (forward, backward),
}


def plain_bidirectional(
    x: Array,
    forward_weights: Any,
    backward_weights: Any,
    *,
    layer: str = "LSTM",
    wrapped: Callable[[Function], Function] = lambda right: right,
    flip: bool = True,
    merge: Mapping[Any, Callable[[Array, Array], Any]] = MERGE,
    change: Callable[[dict[str, Any], int], dict[str, Any]] = lambda half, n: half,
    backward_output: Callable[[Array], Array] = lambda y: y,
    state_order: Callable[[Sequence[Array], Sequence[Array]], States] = lambda forward, backward: (*forward, *backward),
    merge_mode: str | None = "concat",
    return_state: bool = False,
    return_sequences: bool = False,
    **options: Any,
) -> Any:
    """Two recurrent layers.

    `wrapped` makes the layer from the right one, `change` edits the arguments of each half, `backward_output` and `state_order` what
    comes of them.
    """
    function = wrapped(right_function(layer))
    options = {**options, "return_sequences": return_sequences, "zero_output_for_mask": return_sequences, "return_state": True}
    halves = []
    for n, weights in enumerate((forward_weights, backward_weights)):
        half = change({**_own(options, n), "x": x, "weights": weights, "go_backwards": bool(n)}, n)
        halves.append(function(half.pop("x"), *half.pop("weights"), **half))
    (forward, *forward_states), (backward, *backward_states) = halves
    backward = backward_output(backward[:, ::-1] if return_sequences and flip else backward)
    merged = merge[merge_mode](forward, backward)
    outputs = (
        *(merged if isinstance(merged, tuple) else (merged,)),
        *(state_order(forward_states, backward_states) if return_state else ()),
    )
    return outputs if len(outputs) > 1 else outputs[0]


def _own(options: Mapping[str, Any], n: int) -> dict[str, Any]:
    """What half `n` gets of states and dropout masks, and everything else."""
    own = {name: options[name][n] for name in ("dropout_mask", "recurrent_dropout_mask") if options.get(name) is not None}
    if options.get("initial_state") is not None:
        half = len(options["initial_state"]) // 2
        own["initial_state"] = tuple(options["initial_state"][n * half : (n + 1) * half])
    return {**options, **own}
