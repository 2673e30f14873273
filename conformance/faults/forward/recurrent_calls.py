"""Mistakes of the recurrent layers around the recurrence: weights, states, order of steps, what is returned, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, Shared, assuming, changed

Array = NDArray[Any]


def _gates(weights: Array) -> list[Array]:
    """The parts of a recurrent kernel, gate by gate."""
    return np.split(weights, weights.shape[1] // weights.shape[0], axis=1)


def _transposed(recurrent_kernel: Array) -> Array:
    return np.concatenate([gate.T for gate in _gates(recurrent_kernel)], axis=1)


def _of_first_gate(mask: Array) -> Array:
    return np.broadcast_to(mask[:1], mask.shape) if mask.ndim == 3 else mask


recurrent = Shared("LSTM", "GRU", "SimpleRNN", words={"GRU": {" (PyTorch has two biases, Keras one)": ""}}).table(
    bias_left_out=("the bias is left out", changed(bias=np.zeros_like)),
    bias_added_twice=("the bias is added twice (PyTorch has two biases, Keras one)", changed(bias=lambda bias: 2 * bias)),
    recurrent_kernel_transposed=("the recurrent kernel (of each gate) is transposed", changed(recurrent_kernel=_transposed)),
    activation_ignored=("the option activation is ignored: tanh is always used", changed(activation="tanh")),
    initial_state_ignored=("initial_state is ignored", changed(initial_state=None)),
    return_sequences_ignored=("return_sequences is ignored: only the last output is returned", changed(return_sequences=False)),
    return_sequences_always=("the outputs of all steps are returned although return_sequences is False", changed(return_sequences=True)),
    go_backwards_ignored=("go_backwards is ignored", changed(go_backwards=False)),
    go_backwards_always=("the sequence is always read from the last step to the first", changed(go_backwards=True)),
    dropout_never=("dropout does not act in training", changed(training=False)),
    recurrent_dropout_never=("recurrent_dropout does not act", changed(recurrent_dropout=0.0)),
)


@recurrent.by(changed(recurrent_kernel=np.zeros_like))
def recurrent_kernel_left_out() -> None:
    """The previous output is not fed back (the recurrent kernel is left out)."""


@recurrent.by(changed(dropout_mask=np.invert, recurrent_dropout_mask=np.invert))
def dropout_mask_inverted() -> None:
    """dropout_mask is inverted: what it keeps is dropped."""


@recurrent.by(changed(x=lambda x: x.swapaxes(0, 1) if x.shape[0] == x.shape[1] else x))
def batch_and_time_swapped() -> None:
    """Batch and time are swapped in the input where both are equally long."""


@recurrent.by(changed(x=lambda x: x.swapaxes(1, 2) if x.shape[1] == x.shape[2] else x))
def time_and_features_swapped() -> None:
    """Time and features are swapped in the input where both are equally many."""


lstm = Shared("LSTM").table(
    initial_state_swapped=("the states h and c are swapped in initial_state", changed(initial_state=lambda state: state[::-1])),
)


@lstm.by(changed(bias=lambda bias: bias + np.repeat([0, 1, 0, 0], bias.size // 4).astype(bias.dtype)))
def forget_bias_added() -> None:
    """1 is added to the bias of the forget gate (unit_forget_bias only initialises it)."""


@lstm.by(changed(initial_state=lambda state: (state[0], np.zeros_like(state[1]))))
def initial_cell_state_ignored() -> None:
    """Only h of initial_state is used; c starts from zeros."""


gated = Shared("LSTM", "GRU").table(
    dropout_mask_of_one_gate=("the dropout mask of the first gate is used for all gates", changed(dropout_mask=_of_first_gate)),
)


@gated.by(changed(recurrent_activation="sigmoid"))
def recurrent_activation_ignored() -> None:
    """recurrent_activation is ignored: sigmoid is always used."""


@gated.by(assuming(recurrent_activation="hard_sigmoid"))
def recurrent_activation_hard() -> None:
    """recurrent_activation is hard_sigmoid unless given, as in the first Keras; the default is sigmoid."""


@gated.by(changed(recurrent_dropout_mask=_of_first_gate))
def recurrent_mask_of_one_gate() -> None:
    """The recurrent dropout mask of the first gate is used for all gates."""


simple_rnn = Shared("SimpleRNN")


@simple_rnn.by(changed(dropout=lambda rate: rate % 1, recurrent_dropout=lambda rate: rate % 1))
def rate_1_drops_nothing() -> None:
    """A dropout rate of 1 drops nothing."""


@gated
def bias_of_one_gate(right: Function, x: Array, kernel: Array, recurrent_kernel: Array, *bias: Array, **options: Any) -> Any:
    """The bias of the first gate is used for all gates."""
    gates = len(_gates(recurrent_kernel))
    own = (np.concatenate([one[..., : one.shape[-1] // gates]] * gates, axis=-1) for one in bias)
    return right(x, kernel, recurrent_kernel, *own, **options)


@gated
def weights_interleaved(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """The gates of one unit are taken to stand side by side, instead of all units of one gate."""
    gates = len(_gates(weights[1]))
    return right(x, *(np.concatenate([w[..., gate::gates] for gate in range(gates)], axis=-1) for w in weights), **options)


def _run(right: Function, x: Array, weights: Any, options: Any, **changes: Any) -> tuple[Array, ...]:
    """The right output and states with options changed."""
    result: tuple[Array, ...] = right(x, *weights, **{**options, **changes, "return_state": True})
    return result


def _returned(options: Any, y: Array, *states: Array) -> Any:
    return (y, *states) if options.get("return_state") else y


@recurrent
def kernels_swapped(right: Function, x: Array, kernel: Array, recurrent_kernel: Array, *bias: Array, **options: Any) -> Any:
    """Kernel and recurrent kernel are swapped where both have the same shape."""
    same = kernel.shape == recurrent_kernel.shape
    return right(x, *((recurrent_kernel, kernel) if same else (kernel, recurrent_kernel)), *bias, **options)


@gated
def activations_swapped(
    right: Function, x: Array, *weights: Array, activation: str = "tanh", recurrent_activation: str = "sigmoid", **options: Any
) -> Any:
    """The options activation and recurrent_activation are swapped."""
    return right(x, *weights, activation=recurrent_activation, recurrent_activation=activation, **options)


@recurrent
def initial_state_at_every_step(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """Every step starts from the initial state: nothing is remembered between steps."""
    y, *states = _run(right, x[:, -1:], weights, {**options, "mask": None, "return_sequences": False})
    if options.get("return_sequences"):
        steps = [_run(right, x[:, t : t + 1], weights, options, mask=None, return_sequences=False)[0] for t in range(x.shape[1])]
        y = np.stack(steps, axis=1)
    return _returned(options, y, *states)


@recurrent
def state_kept_between_rows(right: Function, x: Array, *weights: Array, initial_state: Any = None, **options: Any) -> Any:
    """The states are not reset between the rows of the batch: each row starts where the one before ended."""
    rows: list[tuple[Array, ...]] = []
    for row in range(x.shape[0]):
        own = None if initial_state is None else tuple(state[row : row + 1] for state in initial_state)
        own = rows[-1][1:] if rows else own
        rows.append(_run(right, x[row : row + 1], weights, {**options, **_row(options, row)}, initial_state=own))
    return _returned(options, *(np.concatenate(parts) for parts in zip(*rows, strict=True)))


def _row(options: Any, row: int) -> dict[str, Any]:
    own = {name: options[name][row : row + 1] for name in ("mask",) if options.get(name) is not None}
    masks = {name: options[name] for name in ("dropout_mask", "recurrent_dropout_mask") if options.get(name) is not None}
    return own | {name: mask[..., row : row + 1, :] for name, mask in masks.items()}


@recurrent
def output_of_last_input_step(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """With go_backwards the output beside the last input step is returned, which is the first one computed."""
    y, *states = _run(right, x, weights, options, return_sequences=True)
    if not options.get("return_sequences"):
        y = y[:, 0 if options.get("go_backwards") else -1]
    return _returned(options, y, *states)


@recurrent
def outputs_one_step_late(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """Each output is that of the step before (the output is taken before the state is updated)."""
    y, *states = _run(right, x, weights, options, return_sequences=True)
    first = np.zeros_like(y[:, :1]) if options.get("initial_state") is None else options["initial_state"][0][:, None]
    y = np.concatenate([first, y[:, :-1]], axis=1)
    return _returned(options, y if options.get("return_sequences") else y[:, -1], *states)


@recurrent
def states_reset_after_32_steps(right: Function, x: Array, *weights: Array, mask: Array | None = None, **options: Any) -> Any:
    """The states start again from zeros after 32 steps."""
    steps, parts = x.shape[1], []
    if steps <= 32 or options.get("go_backwards"):
        return right(x, *weights, mask=mask, **options)
    for start in range(0, steps, 32):
        part = slice(start, start + 32)
        parts.append(_run(right, x[:, part], weights, options, mask=None if mask is None else mask[:, part], return_sequences=True))
    y = np.concatenate([part[0] for part in parts], axis=1)
    return _returned(options, y if options.get("return_sequences") else y[:, -1], *parts[-1][1:])


@recurrent
def dropout_not_scaled(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """What dropout keeps of the input is not scaled by 1 / (1 - dropout)."""
    options = dict(options)
    mask = options.pop("dropout_mask", None)
    if mask is None or mask.ndim == 3:
        return right(x, *weights, **options, dropout_mask=mask)
    return right(np.where(mask[:, None], x, 0), *weights, **{**options, "dropout": 0.0})


@gated
def rate_1_drops_everything(right: Function, x: Array, kernel: Array, recurrent_kernel: Array, *bias: Array, **options: Any) -> Any:
    """A dropout rate of 1 drops everything; Keras ignores it here."""
    if options.get("training"):
        x = np.zeros_like(x) if options.get("dropout", 0) >= 1 else x
        recurrent_kernel = np.zeros_like(recurrent_kernel) if options.get("recurrent_dropout", 0) >= 1 else recurrent_kernel
    return right(x, kernel, recurrent_kernel, *bias, **options)


def with_outputs(change: Function) -> Function:
    """A recurrent layer whose output and states are made of the right ones and of the options of the call."""

    def function(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
        return _returned(options, *change(options, *_run(right, x, weights, options)))

    return function


outputs = Shared("LSTM", "GRU", "SimpleRNN", wrap=with_outputs)


@outputs.by(lambda options, y, h, *others: (y, y[:, -1] if options.get("return_sequences") else y, *others))
def returned_state_is_the_output() -> None:
    """return_state returns the last output as h, which differs from it where the last steps are masked."""


@outputs.by(lambda options, y, *states: (y if options.get("return_sequences") else states[0], *states))
def last_state_as_output() -> None:
    """Without return_sequences the last state h is returned, not the last output (zeros when every step is masked)."""


@outputs.by(lambda options, y, *states: (y[:, ::-1] if options.get("go_backwards") and options.get("return_sequences") else y, *states))
def outputs_in_input_order() -> None:
    """With go_backwards the outputs are put back into the order of the input; Keras returns them as computed, last step first."""


@outputs.by(lambda options, y, *states: (y[:, ::-1] if options.get("return_sequences") else y, *states))
def outputs_in_reverse() -> None:
    """With return_sequences the outputs stand in the opposite order: that of the last step comes first."""


lstm_outputs = Shared("LSTM", wrap=with_outputs).table(
    returned_states_swapped=("return_state returns c before h", lambda options, y, h, c: (y, c, h)),
    returned_h_twice=("return_state returns h twice instead of h and c", lambda options, y, h, c: (y, h, h)),
)

LAYERS = (recurrent, gated, lstm, simple_rnn, outputs, lstm_outputs)
