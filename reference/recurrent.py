"""Recurrent layers: one scan over time, and a cell for each layer."""

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


def simple_rnn_forward(
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
    training: bool = False,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    dropout_mask: Array | None = None,
    recurrent_dropout_mask: Array | None = None,
    seed: int | tuple[int, ...] | None = None,
) -> Array | tuple[Array, ...]:
    r"""Fully connected recurrent layer: ``h' = activation(x_t @ kernel + h @ recurrent_kernel + bias)``.

    Parameters
    ----------
    x : array (batch, time, features)
    kernel : array (features, units)
    recurrent_kernel : array (units, units)
    bias : array (units,), optional
    initial_state : (h,), with h (batch, units), optional
        Zeros where not given.
    dropout, recurrent_dropout : float in [0, 1]
        Rates on the input and on ``h``, one mask for all steps; a rate of 1 leaves nothing.
    dropout_mask, recurrent_dropout_mask : bool arrays (batch, features) and (batch, units), optional
        True where kept; used instead of drawing.
    mask, return_sequences, return_state, go_backwards, zero_output_for_mask, activation, training, seed
        As in :func:`lstm_forward`.

    Returns
    -------
    y : array (batch, time, units) with `return_sequences`, else (batch, units)
    h : array (batch, units), only with `return_state`

    Raises
    ------
    ValueError
        If shapes do not fit each other or `x` has no time step.

    Source: Elman 1990; keras.layers.SimpleRNN.
    """
    x, rng = _sequence(x, kernel, recurrent_kernel, 1), np.random.default_rng(seed)
    keep_x = _keep(training, dropout, dropout_mask, None, x, x.shape[-1], rng)
    keep_h = _keep(training, recurrent_dropout, recurrent_dropout_mask, None, x, len(recurrent_kernel), rng)
    projected = _by_gate(np.moveaxis(x, 1, 0), kernel, 1, keep_x)
    if bias is not None:
        projected += bias
    g = activation_function(activation)

    def step(z_x: Array, states: States) -> States:
        (h,) = states
        return (g(z_x[0] + _by_gate(h, recurrent_kernel, 1, keep_h)[0]),)

    states = _initial_states(initial_state, 1, projected)
    return _scan(step, projected, states, mask, return_sequences, return_state, go_backwards, zero_output_for_mask)


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
        (what Keras draws when `recurrent_dropout` acts); used instead of drawing.
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
    x, rng = _sequence(x, kernel, recurrent_kernel, 4), np.random.default_rng(seed)
    per_gate = 4 if 0 < recurrent_dropout < 1 else None
    keep_x = _keep(training and dropout < 1, dropout, dropout_mask, per_gate, x, x.shape[-1], rng)
    keep_h = _keep(training and recurrent_dropout < 1, recurrent_dropout, recurrent_dropout_mask, per_gate, x, len(recurrent_kernel), rng)
    projected = _by_gate(np.moveaxis(x, 1, 0), kernel, 4, keep_x)
    if bias is not None:
        projected += bias.reshape(4, 1, -1)
    g, r = activation_function(activation), activation_function(recurrent_activation)

    def step(z_x: Array, states: States) -> States:
        h, c = states
        i, f, candidate, o = z_x + _by_gate(h, recurrent_kernel, 4, keep_h)
        c = r(f) * c + r(i) * g(candidate)
        return r(o) * g(c), c

    states = _initial_states(initial_state, 2, projected)
    return _scan(step, projected, states, mask, return_sequences, return_state, go_backwards, zero_output_for_mask)


def gru_forward(
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
    reset_after: bool = True,
    training: bool = False,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    dropout_mask: Array | None = None,
    recurrent_dropout_mask: Array | None = None,
    seed: int | tuple[int, ...] | None = None,
) -> Array | tuple[Array, ...]:
    r"""Gated recurrent unit; the gates stand in the order z (update), r (reset), h (candidate) along the last axis of every weight.

    ::

        z  = s(x_t @ W_z + h @ R_z + b_z),    r = s(x_t @ W_r + h @ R_r + b_r)
        hh = g(x_t @ W_h + b_h + r (h @ R_h + b'_h))     with `reset_after`, the reset gate after the product
        hh = g(x_t @ W_h + b_h + (r h) @ R_h)            without it
        h' = z h + (1 - z) hh

    with ``g`` the `activation` and ``s`` the `recurrent_activation`. With `reset_after` every gate has two biases, one of the input and
    one (``b'``) of the recurrent product.

    Parameters
    ----------
    x : array (batch, time, features)
    kernel : array (features, 3 * units)
    recurrent_kernel : array (units, 3 * units)
    bias : array (2, 3 * units) with `reset_after` (the input's, then the recurrent one), else (3 * units,), optional
    initial_state : (h,), with h (batch, units), optional
        Zeros where not given.
    reset_after : bool
    dropout, recurrent_dropout, dropout_mask, recurrent_dropout_mask
        As in :func:`lstm_forward`, with masks for 3 gates; the ``h`` of ``z h`` is never dropped.
    mask, return_sequences, return_state, go_backwards, zero_output_for_mask, activation, recurrent_activation, training, seed
        As in :func:`lstm_forward`.

    Returns
    -------
    y : array (batch, time, units) with `return_sequences`, else (batch, units)
    h : array (batch, units), only with `return_state`

    Raises
    ------
    ValueError
        If shapes do not fit each other or `x` has no time step.

    Source: Cho et al. 2014, arXiv:1406.1078 (without `reset_after`: its first version); keras.layers.GRU.
    """
    x, rng = _sequence(x, kernel, recurrent_kernel, 3), np.random.default_rng(seed)
    per_gate = 3 if 0 < recurrent_dropout < 1 else None
    keep_x = _keep(training and dropout < 1, dropout, dropout_mask, per_gate, x, x.shape[-1], rng)
    keep_h = _keep(training and recurrent_dropout < 1, recurrent_dropout, recurrent_dropout_mask, per_gate, x, len(recurrent_kernel), rng)
    projected = _by_gate(np.moveaxis(x, 1, 0), kernel, 3, keep_x)
    biases = np.zeros((2, 3, 1, 1), x.dtype) if bias is None else _gru_biases(bias, reset_after, len(recurrent_kernel))
    projected += biases[0]
    g, s = activation_function(activation), activation_function(recurrent_activation)

    def step(z_x: Array, states: States) -> States:
        (h,) = states
        z_h = _by_gate(h, recurrent_kernel, 3, keep_h) + biases[1]
        z, r = s(z_x[0] + z_h[0]), s(z_x[1] + z_h[1])
        reset = r * z_h[2] if reset_after else _by_gate(r * h, recurrent_kernel, 3, keep_h)[2]
        return (z * h + (1 - z) * g(z_x[2] + reset),)

    states = _initial_states(initial_state, 1, projected)
    return _scan(step, projected, states, mask, return_sequences, return_state, go_backwards, zero_output_for_mask)


def _gru_biases(bias: Array, reset_after: bool, units: int) -> Array:
    """Biases of the input and of the recurrent product, (2, gates, 1, units); without `reset_after` the second ones are zeros."""
    if bias.shape != ((2, 3 * units) if reset_after else (3 * units,)):
        raise ValueError(f"a GRU of {units} units with reset_after={reset_after} cannot have a bias of the shape {bias.shape}")
    both = bias if reset_after else np.stack([bias, np.zeros_like(bias)])
    return both.reshape(2, 3, 1, units)


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


def _initial_states(given: States | None, number: int, projected: Array) -> States:
    """The states before the first step, each (batch, units): zeros where none are given."""
    shape = projected.shape[2:]
    if given is None:
        return (np.zeros(shape, projected.dtype),) * number
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
