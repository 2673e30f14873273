"""Mistakes of the recurrent layers around the recurrence: weights, states, order of steps, what is returned, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, Shared
from conformance.faults.forward.plain_recurrent import gates_of

Array = NDArray[Any]

recurrent = Shared("LSTM", "GRU", "SimpleRNN", words={"GRU": {" (PyTorch has two biases, Keras one)": ""}})
gated = Shared("LSTM", "GRU")
lstm = Shared("LSTM")
simple_rnn = Shared("SimpleRNN")


def _run(right: Function, x: Array, weights: Any, options: Any, **changes: Any) -> tuple[Array, ...]:
    """The right output and states with options changed."""
    result: tuple[Array, ...] = right(x, *weights, **{**options, **changes, "return_state": True})
    return result


def _returned(options: Any, y: Array, *states: Array) -> Any:
    return (y, *states) if options.get("return_state") else y


def _bias_changed(right: Function, x: Array, weights: Any, options: Any, change: Any) -> Any:
    kernel, recurrent_kernel, *bias = weights
    return right(x, kernel, recurrent_kernel, *map(change, bias), **options)


@recurrent
def bias_left_out(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """The bias is left out."""
    return _bias_changed(right, x, weights, options, np.zeros_like)


@recurrent
def bias_added_twice(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """The bias is added twice (PyTorch has two biases, Keras one)."""
    return _bias_changed(right, x, weights, options, lambda bias: 2 * bias)


@lstm
def forget_bias_added(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """1 is added to the bias of the forget gate (unit_forget_bias only initialises it)."""
    return _bias_changed(right, x, weights, options, lambda bias: bias + np.repeat([0, 1, 0, 0], bias.size // 4).astype(bias.dtype))


@gated
def bias_of_one_gate(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """The bias of the first gate is used for all gates."""
    return _bias_changed(right, x, weights, options, lambda bias: _of_first_gate(bias, gates_of(weights[1])))


def _of_first_gate(weight: Array, gates: int) -> Array:
    return np.concatenate([weight[..., : weight.shape[-1] // gates]] * gates, axis=-1)


@gated
def weights_interleaved(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """The gates of one unit are taken to stand side by side, instead of all units of one gate."""
    gates = gates_of(weights[1])
    return right(x, *(np.concatenate([w[..., gate::gates] for gate in range(gates)], axis=-1) for w in weights), **options)


@recurrent
def recurrent_kernel_transposed(right: Function, x: Array, kernel: Array, recurrent_kernel: Array, *bias: Array, **options: Any) -> Any:
    """The recurrent kernel (of each gate) is transposed."""
    transposed = np.concatenate([block.T for block in np.split(recurrent_kernel, gates_of(recurrent_kernel), axis=1)], axis=1)
    return right(x, kernel, transposed, *bias, **options)


@recurrent
def recurrent_kernel_left_out(right: Function, x: Array, kernel: Array, recurrent_kernel: Array, *bias: Array, **options: Any) -> Any:
    """The previous output is not fed back (the recurrent kernel is left out)."""
    return right(x, kernel, np.zeros_like(recurrent_kernel), *bias, **options)


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
def activation_ignored(right: Function, x: Array, *weights: Array, activation: str = "tanh", **options: Any) -> Any:
    """The option activation is ignored: tanh is always used."""
    return right(x, *weights, **options)


@gated
def recurrent_activation_ignored(
    right: Function, x: Array, *weights: Array, recurrent_activation: str = "sigmoid", **options: Any
) -> Any:
    """recurrent_activation is ignored: sigmoid is always used."""
    return right(x, *weights, **options)


@gated
def recurrent_activation_hard(
    right: Function, x: Array, *weights: Array, recurrent_activation: str = "hard_sigmoid", **options: Any
) -> Any:
    """recurrent_activation is hard_sigmoid unless given, as in the first Keras; the default is sigmoid."""
    return right(x, *weights, recurrent_activation=recurrent_activation, **options)


@recurrent
def initial_state_ignored(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """initial_state is ignored."""
    return right(x, *weights, **{**options, "initial_state": None})


@lstm
def initial_state_swapped(right: Function, x: Array, *weights: Array, initial_state: Any = None, **options: Any) -> Any:
    """The states h and c are swapped in initial_state."""
    return right(x, *weights, initial_state=None if initial_state is None else tuple(initial_state)[::-1], **options)


@lstm
def initial_cell_state_ignored(right: Function, x: Array, *weights: Array, initial_state: Any = None, **options: Any) -> Any:
    """Only h of initial_state is used; c starts from zeros."""
    state = None if initial_state is None else (initial_state[0], np.zeros_like(initial_state[1]))
    return right(x, *weights, initial_state=state, **options)


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


@lstm
def returned_states_swapped(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """return_state returns c before h."""
    y, h, c = _run(right, x, weights, options)
    return _returned(options, y, c, h)


@lstm
def returned_h_twice(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """return_state returns h twice instead of h and c."""
    y, h, _ = _run(right, x, weights, options)
    return _returned(options, y, h, h)


@recurrent
def returned_state_is_the_output(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """return_state returns the last output as h, which differs from it where the last steps are masked."""
    y, _, *others = _run(right, x, weights, options)
    return _returned(options, y, y[:, -1] if options.get("return_sequences") else y, *others)


@recurrent
def last_state_as_output(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """Without return_sequences the last state h is returned, not the last output (zeros when every step is masked)."""
    y, *states = _run(right, x, weights, options)
    return _returned(options, y if options.get("return_sequences") else states[0], *states)


@recurrent
def return_sequences_ignored(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """return_sequences is ignored: only the last output is returned."""
    return right(x, *weights, **{**options, "return_sequences": False})


@recurrent
def return_sequences_always(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """The outputs of all steps are returned although return_sequences is False."""
    return right(x, *weights, **{**options, "return_sequences": True})


@recurrent
def go_backwards_ignored(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """go_backwards is ignored."""
    return right(x, *weights, **{**options, "go_backwards": False})


@recurrent
def outputs_in_input_order(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """With go_backwards the outputs are put back into the order of the input; Keras returns them as computed, last step first."""
    y, *states = _run(right, x, weights, options)
    turned = options.get("go_backwards") and options.get("return_sequences")
    return _returned(options, y[:, ::-1] if turned else y, *states)


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
def batch_and_time_swapped(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """Batch and time are swapped in the input where both are equally long."""
    return right(x.swapaxes(0, 1) if x.shape[0] == x.shape[1] else x, *weights, **options)


@recurrent
def time_and_features_swapped(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """Time and features are swapped in the input where both are equally many."""
    return right(x.swapaxes(1, 2) if x.shape[1] == x.shape[2] else x, *weights, **options)


@recurrent
def dropout_never(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """Dropout does not act in training."""
    return right(x, *weights, **{**options, "training": False})


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


@simple_rnn
def rate_1_drops_nothing(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """A dropout rate of 1 drops nothing."""
    rates: dict[str, float] = {name: options[name] % 1 for name in ("dropout", "recurrent_dropout") if name in options}
    return right(x, *weights, **{**options, **rates})


@recurrent
def dropout_mask_inverted(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """dropout_mask is inverted: what it keeps is dropped."""
    names = ("dropout_mask", "recurrent_dropout_mask")
    return right(x, *weights, **{name: ~value if name in names else value for name, value in options.items()})


@recurrent
def recurrent_dropout_never(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """recurrent_dropout does not act."""
    return right(x, *weights, **{**options, "recurrent_dropout": 0.0})


@gated
def recurrent_mask_of_one_gate(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """The recurrent dropout mask of the first gate is used for all gates."""
    mask = options.get("recurrent_dropout_mask")
    if mask is not None and mask.ndim == 3:
        options = {**options, "recurrent_dropout_mask": np.broadcast_to(mask[:1], mask.shape)}
    return right(x, *weights, **options)


@gated
def dropout_mask_of_one_gate(right: Function, x: Array, *weights: Array, **options: Any) -> Any:
    """The dropout mask of the first gate is used for all gates."""
    mask = options.get("dropout_mask")
    if mask is not None and mask.ndim == 3:
        options = {**options, "dropout_mask": np.broadcast_to(mask[:1], mask.shape)}
    return right(x, *weights, **options)


LAYERS = (recurrent, gated, lstm, simple_rnn)
