"""An LSTM and a Bidirectional written out step by step, with the places open at which people go wrong.

With nothing replaced they compute what the reference computes, more slowly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference import lstm_forward
from reference.activations import activation_function

Array = NDArray[Any]
Activation = Callable[[Array], Array]


def cell(z: Array, h: Array, c: Array, g: Activation, r: Activation) -> tuple[Array, Array]:
    """One step: gates ``z`` (4, batch, units) to the new (h, c)."""
    i, f, candidate, o = z
    c = r(f) * c + r(i) * g(candidate)
    return r(o) * g(c), c


def held(keep: Array, y: Array, before: tuple[Array, Array], after: tuple[Array, Array], zero: bool) -> tuple[Array, Array, Array]:
    """What a mask does to a step: the output and the states, from the previous output and the states before and after."""
    h, c = (np.where(keep, new, old) for new, old in zip(after, before, strict=True))
    return np.where(keep, after[0], np.zeros_like(y) if zero else y), h, c


def plain_lstm(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    *,
    step: Callable[..., tuple[Array, Array]] = cell,
    masked: Callable[..., tuple[Array, Array, Array]] = held,
    mask: Array | None = None,
    initial_state: tuple[Array, Array] | None = None,
    return_sequences: bool = False,
    return_state: bool = False,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
    activation: Any = "tanh",
    recurrent_activation: Any = "sigmoid",
    training: bool = False,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    dropout_mask: Array | None = None,
    recurrent_dropout_mask: Array | None = None,
) -> Any:
    """Long short-term memory with `step` for the cell and `masked` for the mask; activations may be functions."""
    x = np.asarray(x) if np.asarray(x).dtype.kind == "f" else np.asarray(x).astype(kernel.dtype)
    batch, steps, features = x.shape
    units = recurrent_kernel.shape[0]
    by_gate = np.moveaxis(kernel.reshape(features, 4, units), 1, 0), np.moveaxis(recurrent_kernel.reshape(units, 4, units), 1, 0)
    g, r = (_function(activation), _function(recurrent_activation))
    keep_x = dropout_mask / (1 - dropout) if training and dropout_mask is not None else 1.0
    keep_h = recurrent_dropout_mask / (1 - recurrent_dropout) if training and recurrent_dropout_mask is not None else 1.0
    h, c = initial_state or (np.zeros((batch, units), x.dtype), np.zeros((batch, units), x.dtype))
    y, outputs = np.zeros_like(h), []
    counts = None if mask is None else np.asarray(mask).reshape(batch, steps, 1) != 0
    for t in reversed(range(steps)) if go_backwards else range(steps):
        z = (x[:, t] * keep_x) @ by_gate[0] + (h * keep_h) @ by_gate[1]
        new = step(z if bias is None else z + bias.reshape(4, 1, -1), h, c, g, r)
        if counts is None:
            y, (h, c) = new[0], new
        else:
            y, h, c = masked(counts[:, t], y, (h, c), new, zero_output_for_mask)
        outputs.append(y)
    output = np.stack(outputs, axis=1) if return_sequences else y
    return (output, h, c) if return_state else output


def _function(activation: Any) -> Activation:
    return activation if callable(activation) else activation_function(activation)


MERGE: dict[Any, Callable[[Array, Array], Any]] = {
    "concat": lambda forward, backward: np.concatenate([forward, backward], axis=-1),
    "sum": np.add,
    "mul": np.multiply,
    "ave": lambda forward, backward: (forward + backward) / 2,
    None: lambda forward, backward: (forward, backward),
}


def unchanged(half: dict[str, Any], n: int) -> dict[str, Any]:
    """The call of half `n` as it is."""
    return half


def plain_bidirectional(
    x: Array,
    forward_weights: Any,
    backward_weights: Any,
    *,
    lstm: Callable[..., Any] = lstm_forward,
    flip: bool = True,
    merge: Any = MERGE,
    change: Callable[[dict[str, Any], int], dict[str, Any]] = unchanged,
    backward_output: Callable[[Array], Array] = lambda y: y,
    state_order: Callable[..., tuple[Array, ...]] = lambda forward, backward: (*forward, *backward),
    merge_mode: str | None = "concat",
    initial_state: Any = None,
    return_state: bool = False,
    return_sequences: bool = False,
    dropout_mask: Any = None,
    recurrent_dropout_mask: Any = None,
    **options: Any,
) -> Any:
    """Two LSTMs; `change` edits the arguments of each half, `backward_output` and `state_order` what comes of them."""
    options = {**options, "return_sequences": return_sequences, "zero_output_for_mask": return_sequences, "return_state": True}
    halves = []
    for n, weights in enumerate((forward_weights, backward_weights)):
        half = {**options, "x": x, "weights": weights, "go_backwards": bool(n)}
        if initial_state is not None:
            half["initial_state"] = tuple(initial_state[2 * n : 2 * n + 2])
        for name, masks in (("dropout_mask", dropout_mask), ("recurrent_dropout_mask", recurrent_dropout_mask)):
            if masks is not None:
                half[name] = masks[n]
        half = change(half, n)
        halves.append(lstm(half.pop("x"), *half.pop("weights"), **half))
    (forward, *forward_states), (backward, *backward_states) = halves
    backward = backward_output(backward[:, ::-1] if return_sequences and flip else backward)
    merged = merge[merge_mode](forward, backward)
    outputs = (
        *(merged if isinstance(merged, tuple) else (merged,)),
        *(state_order(forward_states, backward_states) if return_state else ()),
    )
    return outputs if len(outputs) > 1 else outputs[0]
