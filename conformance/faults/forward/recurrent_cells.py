"""Mistakes in the cells of GRU and SimpleRNN."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Collection
from conformance.faults.forward.plain_recurrent import Moment, States, gru_candidate, gru_cell, gru_gates, simple_rnn_cell, with_step
from reference import gru_forward

Array = NDArray[Any]

gru = Collection("GRU")
gru_cells = Collection("GRU", wrap=with_step)
simple_rnn = Collection("SimpleRNN", wrap=with_step)


@gru_cells
def update_gate_inverted(now: Moment) -> States:
    """The update gate works the wrong way round: (1 - z) h + z hh instead of z h + (1 - z) hh."""
    (h,), (z, r) = now.states, gru_gates(now)
    return ((1 - z) * h + z * now.g(gru_candidate(now, r)),)


@gru_cells
def update_gate_left_out(now: Moment) -> States:
    """The update gate is left out: the new state is the candidate alone."""
    return (now.g(gru_candidate(now, gru_gates(now)[1])),)


@gru_cells
def candidate_added(now: Moment) -> States:
    """The candidate is added without its share: z h + hh instead of z h + (1 - z) hh."""
    (h,), (z, r) = now.states, gru_gates(now)
    return (z * h + now.g(gru_candidate(now, r)),)


@gru_cells
def reset_gate_left_out(now: Moment) -> States:
    """The reset gate is left out of the candidate."""
    (h,), (z, r) = now.states, gru_gates(now)
    return (z * h + (1 - z) * now.g(gru_candidate(now, np.ones_like(r))),)


@gru_cells
def reset_gate_inverted(now: Moment) -> States:
    """The reset gate works the wrong way round (1 - r)."""
    (h,), (z, r) = now.states, gru_gates(now)
    return (z * h + (1 - z) * now.g(gru_candidate(now, 1 - r)),)


@gru_cells
def reset_gate_on_the_state(now: Moment) -> States:
    """The reset gate acts on the old state in the sum as well: z r h + (1 - z) hh."""
    (h,), (z, r) = now.states, gru_gates(now)
    return (z * r * h + (1 - z) * now.g(gru_candidate(now, r)),)


@gru_cells
def recurrent_bias_outside_the_reset_gate(now: Moment) -> States:
    """The recurrent bias of the candidate is added outside the reset gate, which should act on it too."""
    (h,), (z, r) = now.states, gru_gates(now)
    outside = (1 - r) * now.bias[1, 2] if now.reset_after else 0
    return (z * h + (1 - z) * now.g(gru_candidate(now, r) + outside),)


@gru_cells
def input_bias_inside_the_reset_gate(now: Moment) -> States:
    """The input bias of the candidate is added inside the reset gate, which should not act on it."""
    (h,), (z, r) = now.states, gru_gates(now)
    return (z * h + (1 - z) * now.g(gru_candidate(now, r) - (1 - r) * now.bias[0, 2]),)


@gru_cells
def reset_before(now: Moment) -> States:
    """The reset gate acts on h before the recurrent product, as with reset_after=False; the default is after it."""
    (h,), (z, r) = now.states, gru_gates(now)
    candidate = now.x[2] + now.bias[:, 2].sum(axis=0) + now.times(r * h)[2]
    return (z * h + (1 - z) * now.g(candidate),)


@gru_cells
def reset_after_always(now: Moment) -> States:
    """reset_after=False is ignored: the reset gate acts after the recurrent product."""
    (h,), (z, r) = now.states, gru_gates(now)
    candidate = now.x[2] + now.bias[0, 2] + r * (now.times(h)[2] + now.bias[1, 2])
    return (z * h + (1 - z) * now.g(candidate),)


@gru_cells
def candidate_not_activated(now: Moment) -> States:
    """The candidate does not go through the activation."""
    (h,), (z, r) = now.states, gru_gates(now)
    return (z * h + (1 - z) * gru_candidate(now, r),)


@gru_cells
def candidate_by_recurrent_activation(now: Moment) -> States:
    """The candidate goes through the recurrent activation instead of the activation."""
    (h,), (z, r) = now.states, gru_gates(now)
    return (z * h + (1 - z) * now.r(gru_candidate(now, r)),)


@gru_cells
def output_activated(now: Moment) -> States:
    """The new state goes through the activation once more."""
    return (now.g(gru_cell(now)[0]),)


@gru_cells
def dropped_state_kept(now: Moment) -> States:
    """recurrent_dropout acts on the h of z h as well, which is never dropped."""
    (h,), (z, r) = now.states, gru_gates(now)
    keep = now.keep[0] if np.ndim(now.keep) == 3 else now.keep
    return (z * keep * h + (1 - z) * now.g(gru_candidate(now, r)),)


@gru
def bias_halves_swapped(x: Array, kernel: Array, recurrent_kernel: Array, bias: Array | None = None, **options: Any) -> Any:
    """The two rows of the bias are swapped: the first is the input's, the second the recurrent one."""
    both = bias is not None and bias.ndim == 2
    return gru_forward(x, kernel, recurrent_kernel, bias[::-1] if both and bias is not None else bias, **options)


@gru
def recurrent_bias_left_out(x: Array, kernel: Array, recurrent_kernel: Array, bias: Array | None = None, **options: Any) -> Any:
    """The second row of the bias, the recurrent one, is left out."""
    if bias is not None and bias.ndim == 2:
        bias = np.stack([bias[0], np.zeros_like(bias[0])])
    return gru_forward(x, kernel, recurrent_kernel, bias, **options)


@gru
def input_bias_left_out(x: Array, kernel: Array, recurrent_kernel: Array, bias: Array | None = None, **options: Any) -> Any:
    """The first row of the bias, the input's, is left out."""
    if bias is not None and bias.ndim == 2:
        bias = np.stack([np.zeros_like(bias[1]), bias[1]])
    return gru_forward(x, kernel, recurrent_kernel, bias, **options)


@gru
def input_bias_twice(x: Array, kernel: Array, recurrent_kernel: Array, bias: Array | None = None, **options: Any) -> Any:
    """The first row of the bias is used for the recurrent product too."""
    return gru_forward(x, kernel, recurrent_kernel, bias if bias is None or bias.ndim == 1 else np.stack([bias[0]] * 2), **options)


@gru
def bias_read_in_pairs(x: Array, kernel: Array, recurrent_kernel: Array, bias: Array | None = None, **options: Any) -> Any:
    """The bias is read as pairs (input, recurrent) for each unit instead of one row after the other."""
    if bias is not None and bias.ndim == 2:
        bias = np.ascontiguousarray(bias.reshape(-1, 2).T)
    return gru_forward(x, kernel, recurrent_kernel, bias, **options)


@simple_rnn
def input_activated_alone(now: Moment) -> States:
    """The activation is applied to the input's part alone, before the recurrent product is added."""
    return (now.g(now.x[0] + now.bias[0, 0]) + now.times(now.states[0])[0],)


@simple_rnn
def parts_activated_apart(now: Moment) -> States:
    """The activation is applied to the input's part and to the recurrent product, one by one, instead of to their sum."""
    return (now.g(now.x[0] + now.bias[0, 0]) + now.g(now.times(now.states[0])[0]),)


@simple_rnn
def state_activated_before_the_product(now: Moment) -> States:
    """The activation is applied to the previous output before the recurrent product as well."""
    return (now.g(now.x[0] + now.bias[0, 0] + now.times(now.g(now.states[0]))[0]),)


@simple_rnn
def not_activated(now: Moment) -> States:
    """The activation is not applied."""
    return (now.z[0],)


@simple_rnn
def bias_after_activation(now: Moment) -> States:
    """The bias is added after the activation instead of before it."""
    return (now.g(now.x[0] + now.times(now.states[0])[0]) + now.bias[0, 0],)


@simple_rnn
def state_added(now: Moment) -> States:
    """The previous output is added to the new one."""
    return (now.states[0] + simple_rnn_cell(now)[0],)


@simple_rnn
def state_averaged(now: Moment) -> States:
    """The new output is the mean of the activated sum and the previous output (a leaky unit)."""
    return ((now.states[0] + simple_rnn_cell(now)[0]) / 2,)


@simple_rnn
def relu_always(now: Moment) -> States:
    """Relu is applied although another activation is asked for (the default is tanh)."""
    return (np.maximum(now.z[0], 0),)


LAYERS = (gru, gru_cells, simple_rnn)
