"""Layers around another layer: Bidirectional and TimeDistributed."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.calls import SIGNATURES, WRAPPERS, signature_of
from reference.chain_rule import Gradients, fitting, pair
from reference.recurrent import States, gru_forward, lstm_forward, simple_rnn_forward

Array = NDArray[Any]


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


_LAYERS: dict[str, Callable[..., Any]] = {"LSTM": lstm_forward, "GRU": gru_forward, "SimpleRNN": simple_rnn_forward}
_MERGE: dict[str | None, Callable[[Array, Array], Array]] = {
    "concat": lambda forward, backward: np.concatenate([forward, backward], axis=-1),
    "sum": np.add,
    "mul": np.multiply,
    "ave": lambda forward, backward: (forward + backward) / 2,
    None: lambda forward, backward: forward,
}


def time_distributed_forward(x: Array, weights: tuple[Array, ...] = (), *, layer: str = "Dense", **options: Any) -> Array:
    r"""A layer applied to every time step with the same weights: ``y[:, t] = layer(x[:, t])``.

    All steps of all samples are one batch of the wrapped layer, which treats the samples of a batch alone.

    Parameters
    ----------
    x : array (batch, time, ...), at least of rank 3
    weights : tuple of arrays
        Those of the wrapped layer.
    layer : str
        Keras class of the wrapped layer: any that takes one array and returns one.
    **options
        Of the wrapped layer.

    Returns
    -------
    y : array (batch, time, ...)

    Raises
    ------
    ValueError
        If `layer` is not known or does not take one array, `x` has no time axis or no step; or as the wrapped layer.
    NotImplementedError
        If the wrapped layer is in training, where samples of a batch need not be alone.

    Source: keras.layers.TimeDistributed.
    """
    function = getattr(import_module("reference"), f"{_wrapped(x, layer, options)}_forward")
    y = function(_as_one_batch(x), *weights, **options)
    return np.asarray(y.reshape(*np.shape(x)[:2], *y.shape[1:]))


def time_distributed_backward(
    grad_output: ArrayLike, x: Array, weights: tuple[Array, ...] = (), *, layer: str = "Dense", **options: Any
) -> Gradients:
    r"""Gradients of :func:`time_distributed_forward`: those of the wrapped layer, whose batch all steps of all samples are.

    Every step uses the same weights, so that their gradients are the sums over the steps.

    Returns
    -------
    grad_x, grad_weights : an array of the shape of `x`, None for integers; the tuple of the gradients of the wrapped layer's weights

    Raises
    ------
    ValueError
        If `grad_output` does not have the shape of the output, or as :func:`time_distributed_forward`.
    """
    return _time_distributed_gradients(grad_output, _time_distributed_run(x, weights, layer=layer, **options)[1])


SavedSteps = tuple[str, Array, Array, Any]
"""Of a TimeDistributed: the wrapped layer's name, input and output, and what the wrapped layer saved."""


def _time_distributed_run(x: Array, weights: tuple[Array, ...] = (), *, layer: str = "Dense", **options: Any) -> tuple[Array, SavedSteps]:
    name = _wrapped(x, layer, options)
    run, _ = pair(name)
    steps, inner = run(_as_one_batch(x), *weights, **options)
    y = np.asarray(steps.reshape(*np.shape(x)[:2], *steps.shape[1:]))
    return y, (name, np.asarray(x), y, inner)


def _time_distributed_gradients(grad_output: ArrayLike, saved: SavedSteps) -> Gradients:
    name, x, y, inner = saved
    _, gradients = pair(name)
    grad_x, *grad_weights = gradients(_as_one_batch(fitting(grad_output, y.shape, y.dtype)), inner)
    return None if grad_x is None else grad_x.reshape(x.shape), tuple(grad_weights)


def _wrapped(x: Array, layer: str, options: dict[str, Any]) -> str:
    """The snake-case name of the wrapped layer, once the call is known to be possible."""
    signature = signature_of(layer)
    if layer in WRAPPERS or signature.merges:
        single = [name for name, one in SIGNATURES.items() if name not in WRAPPERS and not one.merges]
        raise ValueError(f"layer must be one of {', '.join(single)}, got {layer!r}")
    if options.get("training"):
        raise NotImplementedError(f"TimeDistributed({layer}) in training: each step would be a call of its own")
    if np.ndim(x) < 3 or np.shape(x)[1] == 0:
        raise ValueError(f"TimeDistributed takes an array (batch, time, ...) with at least one step, got the shape {np.shape(x)}")
    return signature.name


def _as_one_batch(x: Array) -> Array:
    x = np.asarray(x)
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])
