"""Recurrent layers: one scan over time, a cell for each layer, and the wrapper that runs a layer both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.activations import activation_function
from reference.core import floating

Array = NDArray[Any]
States = tuple[Array, ...]
Step = Callable[[Array, States], States]
"""From a step's projected input (gates, batch, units) and the states to the new states; the output is the first of them."""


def lstm_forward(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    *,
    mask: Array | None = None,
    initial_state: States | None = None,
    return_sequences: bool = False,
    return_state: bool = False,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
    activation: str | None = "tanh",
    recurrent_activation: str | None = "sigmoid",
    training: bool = False,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    dropout_mask: Array | None = None,
    recurrent_dropout_mask: Array | None = None,
    seed: int | tuple[int, ...] | None = None,
) -> Array | tuple[Array, ...]:
    r"""Long short-term memory; the gates stand in the order i, f, c, o along the last axis of every weight.

    ::

        z  = x_t @ kernel + h @ recurrent_kernel + bias,    z = (z_i, z_f, z_c, z_o)
        c' = r(z_f) c + r(z_i) g(z_c)
        h' = r(z_o) g(c')

    with ``g`` the `activation` and ``r`` the `recurrent_activation`. The output of a step is ``h'``.

    Parameters
    ----------
    x : array (batch, time, features)
    kernel : array (features, 4 * units)
    recurrent_kernel : array (units, 4 * units)
    bias : array (4 * units,), optional
    mask : array (batch, time) or (batch, time, 1), optional
        True where a step counts. At other steps the states are carried through and the output repeats the one before: zeros
        before the first step that counts, whatever the initial state.
    initial_state : (h, c), each (batch, units), optional
        Zeros where not given.
    return_sequences : bool
        The output of every step instead of the last one.
    return_state : bool
        Return the last states as well.
    go_backwards : bool
        Run from the last step to the first; outputs come in the order in which they were computed.
    zero_output_for_mask : bool
        Zeros as the output of the steps that do not count.
    activation, recurrent_activation : str, optional
        Names of activation functions; None is linear.
    training : bool
        Whether dropout acts.
    dropout, recurrent_dropout : float in [0, 1]
        Rates on the input and on ``h``. One mask serves all steps of a call; a rate of 1 is ignored, as in Keras.
    dropout_mask, recurrent_dropout_mask : bool arrays, optional
        True where kept: (batch, features) and (batch, units), or with a leading axis of 4 for a mask of its own for each gate
        (what Keras draws when `recurrent_dropout` is not 0); used instead of drawing.
    seed : int or tuple of int, optional
        Makes drawn masks reproducible.

    Returns
    -------
    y : array (batch, time, units) with `return_sequences`, else (batch, units)
    h, c : arrays (batch, units), only with `return_state`

    Raises
    ------
    ValueError
        If shapes do not fit each other or `x` has no time step.

    Source: Hochreiter and Schmidhuber 1997; Gers et al. 2000 (forget gate); keras.layers.LSTM.
    """
    gates, units = 4, recurrent_kernel.shape[0]
    x = floating(x, kernel)
    _check_recurrent(x, kernel, gates, units)
    batch, _, features = x.shape
    rng = np.random.default_rng(seed)
    own = (gates,) if 0 < recurrent_dropout < 1 else ()
    keep_x = _keep_factor(training, dropout, dropout_mask, (*own, batch, features), x.dtype, rng)
    keep_h = _keep_factor(training, recurrent_dropout, recurrent_dropout_mask, (*own, batch, units), x.dtype, rng)
    projected = _by_gate(np.moveaxis(x, 1, 0), kernel, gates, keep_x)
    if bias is not None:
        projected += bias.reshape(gates, 1, units)
    g, r = activation_function(activation), activation_function(recurrent_activation)

    def step(z_x: Array, states: States) -> States:
        h, c = states
        i, f, candidate, o = z_x + _by_gate(h, recurrent_kernel, gates, keep_h)
        c = r(f) * c + r(i) * g(candidate)
        return r(o) * g(c), c

    states = _initial_states(initial_state, 2, batch, units, x.dtype)
    return _scan(step, projected, states, mask, return_sequences, return_state, go_backwards, zero_output_for_mask)


def bidirectional_forward(
    x: Array,
    forward_weights: tuple[Array, ...],
    backward_weights: tuple[Array, ...],
    *,
    layer: str = "LSTM",
    merge_mode: str | None = "concat",
    mask: Array | None = None,
    initial_state: States | None = None,
    return_sequences: bool = False,
    return_state: bool = False,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
    dropout_mask: tuple[Array, Array] | None = None,
    recurrent_dropout_mask: tuple[Array, Array] | None = None,
    seed: int | None = None,
    **options: Any,
) -> Array | tuple[Array, ...]:
    r"""A recurrent layer run in both directions of time, with weights of its own for each.

    ``y = merge(layer(x), reversed in time(layer(x, go_backwards=True)))``. Without `return_sequences` the backward output is the one
    after the whole sequence was read from its end, the step that stands beside ``x[:, 0]``.

    Parameters
    ----------
    x : array (batch, time, features)
    forward_weights, backward_weights : tuples of arrays
        The weights of each half in the order of the wrapped layer; their units may differ with ``concat`` and None.
    layer : str
        Keras class of the wrapped layer.
    merge_mode : 'concat' (forward first), 'sum', 'mul', 'ave' or None (both outputs)
    initial_state : the states of the forward half, then those of the backward half
    return_state : bool
        Append the last states of the forward half, then those of the backward half.
    go_backwards : bool
        The first half runs from the end and the second one from the start.
    zero_output_for_mask : bool
        Without effect, as in Keras: masked outputs are zeros exactly when `return_sequences` is set.
    dropout_mask, recurrent_dropout_mask : (forward, backward), optional
    seed : int, optional
        Makes drawn masks reproducible; each half draws its own.
    mask, return_sequences, **options
        As in the wrapped layer.

    Returns
    -------
    y : array (batch, [time,] units), twice the units with ``concat``; a pair with ``merge_mode=None``; states after it

    Raises
    ------
    ValueError
        If `layer` or `merge_mode` is not known, or as the wrapped layer.

    Source: Schuster and Paliwal 1997; keras.layers.Bidirectional.
    """
    if layer not in _LAYERS:
        raise ValueError(f"layer must be one of {', '.join(_LAYERS)}, got {layer!r}")
    if merge_mode not in _MERGE:
        raise ValueError(f"merge_mode must be one of {', '.join(map(repr, _MERGE))}, got {merge_mode!r}")
    half = len(initial_state) // 2 if initial_state is not None else 0
    halves = []
    for n, weights in enumerate((forward_weights, backward_weights)):
        y, *states = _LAYERS[layer](
            x,
            *weights,
            mask=mask,
            initial_state=None if initial_state is None else tuple(initial_state[n * half : (n + 1) * half]),
            return_sequences=return_sequences,
            return_state=True,
            go_backwards=go_backwards ^ bool(n),
            zero_output_for_mask=return_sequences,
            dropout_mask=None if dropout_mask is None else dropout_mask[n],
            recurrent_dropout_mask=None if recurrent_dropout_mask is None else recurrent_dropout_mask[n],
            seed=None if seed is None else (seed, n),
            **options,
        )
        halves.append((y, states))
    (forward, forward_states), (backward, backward_states) = halves
    if return_sequences:
        backward = backward[:, ::-1]
    merged = (forward, backward) if merge_mode is None else (_MERGE[merge_mode](forward, backward),)
    outputs = (*merged, *forward_states, *backward_states) if return_state else merged
    return outputs if len(outputs) > 1 else outputs[0]


_LAYERS: dict[str, Callable[..., Any]] = {"LSTM": lstm_forward}
_MERGE: dict[str | None, Callable[[Array, Array], Array]] = {
    "concat": lambda forward, backward: np.concatenate([forward, backward], axis=-1),
    "sum": np.add,
    "mul": np.multiply,
    "ave": lambda forward, backward: (forward + backward) / 2,
    None: lambda forward, backward: forward,
}


def _scan(
    step: Step,
    projected: Array,
    states: States,
    mask: Array | None,
    return_sequences: bool,
    return_state: bool,
    go_backwards: bool,
    zero_output_for_mask: bool,
) -> Array | tuple[Array, ...]:
    """Run `step` over the time axis of `projected` (time, gates, batch, units) and collect what the options ask for."""
    steps, _, batch, units = projected.shape
    counts = None if mask is None else _step_mask(mask, batch, steps)
    y = np.zeros((batch, units), projected.dtype)
    sequence = np.empty((batch, steps, units), projected.dtype) if return_sequences else None
    for n, t in enumerate(reversed(range(steps)) if go_backwards else range(steps)):
        new = step(projected[t], states)
        if counts is None:
            y, states = new[0], new
        else:
            y = np.where(counts[t], new[0], np.zeros_like(y) if zero_output_for_mask else y)
            states = tuple(np.where(counts[t], after, before) for after, before in zip(new, states, strict=True))
        if sequence is not None:
            sequence[:, n] = y
    output = y if sequence is None else sequence
    return (output, *states) if return_state else output


def _by_gate(x: Array, weight: Array, gates: int, keep: Array | None) -> Array:
    """``x @ weight`` of every gate, (..., gates, batch, units), with x (..., batch, rows) and weight (rows, gates * units).

    `keep` is what dropout multiplies x with: (batch, rows), or (gates, batch, rows) when every gate has a mask of its own.
    """
    rows, units = weight.shape[0], weight.shape[1] // gates
    if keep is not None and keep.ndim == 3:
        own: Array = (x[..., None, :, :] * keep) @ np.moveaxis(weight.reshape(rows, gates, units), 1, 0)
        return own
    product = (x if keep is None else x * keep) @ weight
    return np.moveaxis(product.reshape(*x.shape[:-1], gates, units), -2, -3)


def _keep_factor(
    training: bool, rate: float, mask: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any], rng: np.random.Generator
) -> Array | None:
    """What dropout multiplies with, 0 or ``1 / (1 - rate)``; None where it does not act."""
    if not training or not 0 < rate < 1:
        return None
    kept = rng.random(shape) >= rate if mask is None else mask
    return np.asarray(kept * np.asarray(1 / (1 - rate), dtype))


def _initial_states(given: States | None, count: int, batch: int, units: int, dtype: np.dtype[Any]) -> States:
    if given is None:
        return tuple(np.zeros((batch, units), dtype) for _ in range(count))
    if len(given) != count or any(state.shape != (batch, units) for state in given):
        shapes = [np.shape(state) for state in given]
        raise ValueError(f"initial_state must hold {count} arrays of shape {(batch, units)}, got {shapes}")
    return tuple(given)


def _step_mask(mask: Array, batch: int, steps: int) -> Array:
    """A mask (batch, time) or (batch, time, 1) of any type as bool (time, batch, 1)."""
    mask = np.asarray(mask)
    if mask.shape not in ((batch, steps), (batch, steps, 1)):
        raise ValueError(f"mask must have the shape {(batch, steps)}, got {mask.shape}")
    return np.moveaxis(mask.reshape(batch, steps, 1) != 0, 1, 0)


def _check_recurrent(x: Array, kernel: Array, gates: int, units: int) -> None:
    if x.ndim != 3 or x.shape[1] == 0:
        raise ValueError(f"a recurrent layer takes an array (batch, time, features) with at least one step, got {x.shape}")
    if kernel.shape != (x.shape[-1], gates * units):
        raise ValueError(f"{x.shape[-1]} features and {units} units need a kernel {(x.shape[-1], gates * units)}, got {kernel.shape}")
