"""The cells of recurrent layers in the backward pass, written out with the places open at which people go wrong.

With nothing replaced they compute what the reference computes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, pair_of
from reference.activations import activation_gradient
from reference.layers.rnn.cells import StepGradient

Array = NDArray[Any]
Slope = Callable[[str | None, Array, Array, Array], Array]
"""From the name of an activation, the gradient of its output, its argument and its output to the gradient of the argument."""


def simple_rnn_step(cell: Any, grad: Any, states: Any, kept: Any, recurrent: Any, slope: Slope) -> StepGradient:
    """A step of a SimpleRNN."""
    (grad_after,), (h,), (z, after) = grad, states, kept
    grad_z = slope(cell.activation, grad_after, z, after)
    return StepGradient(grad_z, grad_z, h, (recurrent.grad_x(grad_z),))


def lstm_step(cell: Any, grad: Any, states: Any, kept: Any, recurrent: Any, slope: Slope) -> StepGradient:
    """A step of an LSTM."""
    g, r = functools.partial(slope, cell.activation), functools.partial(slope, cell.recurrent_activation)
    (grad_h, grad_c), (h, c) = grad, states
    z, i, f, candidate, o, after, active = kept
    grad_c = grad_c + g(grad_h * o, after, active)
    gates = (r(grad_c * candidate, z[0], i), r(grad_c * c, z[1], f), g(grad_c * i, z[2], candidate), r(grad_h * active, z[3], o))
    grad_z = np.concatenate(gates, axis=-1)
    return StepGradient(grad_z, grad_z, h, (recurrent.grad_x(grad_z), grad_c * f))


def gru_step(cell: Any, grad: Any, states: Any, kept: Any, recurrent: Any, slope: Slope) -> StepGradient:
    """A step of a GRU."""
    g, s = functools.partial(slope, cell.activation), functools.partial(slope, cell.recurrent_activation)
    (grad_after,), (h,) = grad, states
    a_z, a_r, a_h, z, r, candidate, z_h = kept
    grad_h, grad_z = g(grad_after * (1 - z), a_h, candidate), s(grad_after * (h - candidate), a_z, z)
    if cell.reset_after:
        grad_r = s(grad_h * z_h, a_r, r)
        back = np.concatenate([grad_z, grad_r, grad_h * r], axis=-1)
        return StepGradient(np.concatenate([grad_z, grad_r, grad_h], axis=-1), back, h, (grad_after * z + recurrent.grad_x(back),))
    grad_reset = recurrent.grad_x(grad_h, first=2)
    grad_r = s(grad_reset * h, a_r, r)
    before = grad_after * z + grad_reset * r + recurrent.grad_x(np.concatenate([grad_z, grad_r], axis=-1), last=2)
    whole = np.concatenate([grad_z, grad_r, grad_h], axis=-1)
    return StepGradient(whole, whole, np.stack([h, h, r * h]), (before,))


STEPS = {1: simple_rnn_step, 3: gru_step, 4: lstm_step}
"""The step of the cell of so many gates."""


@dataclass(frozen=True)
class OpenCell:
    """A cell with another step gradient: other derivatives of its activations, and `after` that changes what goes back."""

    cell: Any
    slope: Slope = activation_gradient
    after: Callable[[StepGradient], StepGradient] = lambda step: step

    @property
    def states(self) -> int:
        """As many as the cell has."""
        return int(self.cell.states)

    def step_gradient(self, grad: Any, states: Any, kept: Any, recurrent: Any) -> StepGradient:
        """The step, then what `after` makes of it."""
        return self.after(STEPS[self.cell.gates](self.cell, grad, states, kept, recurrent, self.slope))


def again(right: Function, change: Callable[[Any], Any], grad_output: Any, *arguments: Any, **options: Any) -> tuple[Any, ...]:
    """The gradients of a recurrent layer when `change` is made to what its forward pass saved."""
    run, gradients = pair_of(right)
    return gradients(grad_output, change(run(*arguments, **options)[1]))
