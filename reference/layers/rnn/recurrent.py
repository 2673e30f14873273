"""Recurrent layers, forward and backward. Their cells are in :mod:`.cells`, the run over time in :mod:`.scan`."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from reference._options import takes_options_of
from reference.layers.kinds import SEQUENCE_OPTIONS, RecurrentSpec, recurrent_weights
from reference.layers.options import COUNT, FLAG, GATE
from reference.layers.rnn.cells import Activation, GRUCell, LSTMCell, SimpleRNNCell
from reference.layers.rnn.scan import RunOptions, SavedScan, gradients, run
from reference.layers.shapes import Config, Shape, count
from reference.layers.spec import FORWARD, REQUIRED, USE_BIAS, Function, Option, Weight, layer

__all__ = ["gru_backward", "gru_forward", "lstm_backward", "lstm_forward", "simple_rnn_backward", "simple_rnn_forward"]

Array = NDArray[Any]
Outputs = Array | tuple[Array, ...]


@takes_options_of(run)
def simple_rnn_forward(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    *,
    activation: str | None = "tanh",
    **options: Unpack[RunOptions],
) -> Outputs:
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
    return _simple_rnn_run(x, kernel, recurrent_kernel, bias, activation=activation, save=False, **options)[0]


def simple_rnn_backward(
    grad_output: Array | tuple[Array | None, ...],
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    **options: Any,
) -> tuple[Any, ...]:
    r"""Gradients of :func:`simple_rnn_forward`, by backpropagation through time.

    With ``z_t`` the argument of the activation and ``dh_t`` the gradient of ``h_t``, that of the output ``y_t`` included, from the
    last step to the first::

        dz_t     = g'(z_t) dh_t
        dh_(t-1) = dz_t @ recurrent_kernel.T  (+ the gradient of y_(t-1))

    and with all steps at once, in one product each::

        dx_t = dz_t @ kernel.T,    dkernel = sum_t x_t.T @ dz_t,    drecurrent_kernel = sum_t h_(t-1).T @ dz_t,    dbias = sum_t dz_t

    At a step that the mask leaves out, ``dh_t`` goes to ``h_(t-1)`` unchanged, the gradient of ``y_t`` to ``y_(t-1)``, or nowhere
    with `zero_output_for_mask`, and ``dx_t`` is 0. Dropout multiplies ``x_t`` and ``h_(t-1)`` here and their gradients by its masks.

    Parameters
    ----------
    grad_output : array with the shape of the output; with `return_state` a tuple (of the output, of ``h``)
        In a tuple, None where no gradient comes.
    x, kernel, recurrent_kernel, bias, **options
        As the forward was called; where dropout drew its masks, with the same `seed`.

    Returns
    -------
    grad_x : array (batch, time, features), None for integers
    grad_kernel, grad_recurrent_kernel, grad_bias : arrays with the shapes of the weights, None for a bias that is not there
    grad_h : array (batch, units), only with `initial_state`

    Raises
    ------
    ValueError
        If `grad_output` has not the shapes of the outputs; or as the forward.

    Source: Werbos 1990; keras.layers.SimpleRNN.
    """
    _, saved = _simple_rnn_run(x, kernel, recurrent_kernel, bias, **options)
    return gradients(grad_output, saved)


def _simple_rnn_run(
    x: Array, kernel: Array, recurrent_kernel: Array, bias: Array | None = None, *, activation: str | None = "tanh", **options: Any
) -> tuple[Outputs, SavedScan]:
    return run(SimpleRNNCell(Activation(activation)), x, kernel, recurrent_kernel, bias, **options)


@takes_options_of(run)
def lstm_forward(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    *,
    activation: str | None = "tanh",
    recurrent_activation: str | None = "sigmoid",
    **options: Unpack[RunOptions],
) -> Outputs:
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
    return _lstm_run(
        x, kernel, recurrent_kernel, bias, activation=activation, recurrent_activation=recurrent_activation, save=False, **options
    )[0]


def lstm_backward(
    grad_output: Array | tuple[Array | None, ...],
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    **options: Any,
) -> tuple[Any, ...]:
    r"""Gradients of :func:`lstm_forward`, by backpropagation through time.

    With ``i = r(z_i)``, ``f = r(z_f)``, ``o = r(z_o)``, ``k = g(z_c)`` of a step, and ``dh'``, ``dc'`` the gradients of its new states,
    that of its output included in ``dh'``, from the last step to the first::

        ds   = dc' + g'(c') o dh'
        dz_i = r'(z_i) k ds,    dz_f = r'(z_f) c ds,    dz_c = g'(z_c) i ds,    dz_o = r'(z_o) g(c') dh'
        dh   = dz @ recurrent_kernel.T,    dc = f ds

    and the gradients of ``x`` and of the weights from the ``dz`` of all steps at once, as in :func:`simple_rnn_backward`, with masks and
    dropout as there. A softmax has a matrix of slopes in the place of ``r'`` or ``g'``.

    Parameters
    ----------
    grad_output : array with the shape of the output; with `return_state` a tuple (of the output, of ``h``, of ``c``)
    x, kernel, recurrent_kernel, bias, **options
        All as in :func:`simple_rnn_backward`.

    Returns
    -------
    grad_x : array (batch, time, features), None for integers
    grad_kernel, grad_recurrent_kernel, grad_bias : arrays with the shapes of the weights, None for a bias that is not there
    grad_h, grad_c : arrays (batch, units), only with `initial_state`

    Raises
    ------
    ValueError
        If `grad_output` has not the shapes of the outputs; or as the forward.

    Source: Greff et al. 2017, arXiv:1503.04069, section II.B (there with peepholes); keras.layers.LSTM.
    """
    _, saved = _lstm_run(x, kernel, recurrent_kernel, bias, **options)
    return gradients(grad_output, saved)


def _lstm_run(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    *,
    activation: str | None = "tanh",
    recurrent_activation: str | None = "sigmoid",
    **options: Any,
) -> tuple[Outputs, SavedScan]:
    return run(LSTMCell(Activation(activation), Activation(recurrent_activation)), x, kernel, recurrent_kernel, bias, **options)


@takes_options_of(run)
def gru_forward(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    *,
    activation: str | None = "tanh",
    recurrent_activation: str | None = "sigmoid",
    reset_after: bool = True,
    **options: Unpack[RunOptions],
) -> Outputs:
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
    return _gru_run(
        x, kernel, recurrent_kernel, bias,
        activation=activation, recurrent_activation=recurrent_activation, reset_after=reset_after, save=False, **options,
    )[0]  # fmt: skip


def gru_backward(
    grad_output: Array | tuple[Array | None, ...],
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    **options: Any,
) -> tuple[Any, ...]:
    r"""Gradients of :func:`gru_forward`, by backpropagation through time.

    With ``a_z``, ``a_r``, ``a_h`` the arguments of the three activations of a step and ``dh'`` the gradient of its new state, that of
    its output included, from the last step to the first::

        da_h = g'(a_h) (1 - z) dh',    da_z = s'(a_z) (h - hh) dh',    da_r = s'(a_r) dr

    With `reset_after`, the gradients of the recurrent products ``q = h @ R + b'`` differ from the ``da`` in the candidate::

        dr = (h @ R_h + b'_h) da_h,    dq = (da_z, da_r, r da_h),    dh = z dh' + dq @ R.T

    Without it, ``p = r h`` has a gradient of its own::

        dp = da_h @ R_h.T,    dr = h dp,    dh = z dh' + r dp + da_z @ R_z.T + da_r @ R_r.T

    The gradients of ``x`` and of the weights come from all steps at once: those of kernel and input bias from ``da``, those of the
    recurrent kernel and its bias from ``dq`` (without `reset_after`: ``R_h`` from ``p.T @ da_h``). Masks and dropout as in
    :func:`simple_rnn_backward`.

    Parameters
    ----------
    grad_output, x, kernel, recurrent_kernel, bias, **options
        As in :func:`simple_rnn_backward`, and so are results and errors.

    Source: Werbos 1990; keras.layers.GRU.
    """
    _, saved = _gru_run(x, kernel, recurrent_kernel, bias, **options)
    return gradients(grad_output, saved)


def _gru_run(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    *,
    activation: str | None = "tanh",
    recurrent_activation: str | None = "sigmoid",
    reset_after: bool = True,
    **options: Any,
) -> tuple[Outputs, SavedScan]:
    return run(GRUCell(Activation(activation), Activation(recurrent_activation), reset_after), x, kernel, recurrent_kernel, bias, **options)


def _record(
    class_name: str, forward: Function, run: Function, states: int, gates: int, bias: Weight | None = None, **options: Option
) -> RecurrentSpec:
    return layer(
        RecurrentSpec(
            class_name, forward, run, gradients,
            weights=recurrent_weights(gates) | ({"bias": bias} if bias else {}),
            options={
                "units": Option(REQUIRED, COUNT, taken_by=()),
                "use_bias": USE_BIAS,
                "activation": Option("tanh", GATE),
                **options,
                **SEQUENCE_OPTIONS,
            },
            takes=("initial_state", "mask", "training"), mask_acts=(FORWARD,), states=states, gates=gates,
        )
    )  # fmt: skip


def _forget_bias(config: Config, initialize: Function) -> Function:
    """The bias of an LSTM by its gates i, f, c, o: 1 for f; for i, and for c and o together, what `initialize` gives."""
    if not config.get("unit_forget_bias", True):
        return initialize

    def adapted(shape: tuple[int], *, seed: Any, dtype: str) -> Array:
        units = shape[0] // 4
        before, after = (initialize((size,), seed=seed, dtype=dtype) for size in (units, 2 * units))
        return np.concatenate([before, np.ones(units, dtype), after])

    return adapted


def _gru_bias(config: Config, shape: Shape) -> Shape:
    wide = 3 * count(config, "units")
    return (2, wide) if config.get("reset_after", True) else (wide,)


SIMPLE_RNN = _record("SimpleRNN", simple_rnn_forward, _simple_rnn_run, states=1, gates=1)
GRU = _record(
    "GRU", gru_forward, _gru_run, states=1, gates=3, bias=Weight(_gru_bias, unless="use_bias"),
    recurrent_activation=Option("sigmoid", GATE), reset_after=Option(True, FLAG),
)  # fmt: skip
LSTM = _record(
    "LSTM", lstm_forward, _lstm_run, states=2, gates=4,
    bias=Weight(lambda config, shape: (4 * count(config, "units"),), unless="use_bias", adapted=_forget_bias),
    recurrent_activation=Option("sigmoid", GATE),
)  # fmt: skip
