"""The cells of the recurrent layers: a step, and the step's gradient. The run over time is in :mod:`.scan`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from reference.activations import activation_function, activation_gradient
from reference.layers.rnn.projection import Projection

Array = NDArray[Any]
States = tuple[Array, ...]


@dataclass(frozen=True)
class Activation:
    """An activation function as a cell holds it: ``y = g(z)``, and ``g.gradient(grad_y, z, y)`` is the gradient of z."""

    name: str | None

    def __call__(self, z: Array) -> Array:
        """The function of this name."""
        return activation_function(self.name)(z)

    def gradient(self, grad_output: Array, z: Array, y: Array) -> Array:
        """Its derivative, by :func:`reference.activations.activation_gradient`."""
        return activation_gradient(self.name, grad_output, z, y)

    def __repr__(self) -> str:
        """As the option was given."""
        return repr(self.name)


class StepGradient(NamedTuple):
    """What goes back from one step. The gates stand side by side: a gradient of all of them is (batch, gates * units).

    Attributes
    ----------
    projected, recurrent : arrays (batch, gates * units)
        The gradients of the two products, of the input and of the state; one array where they are equal.
    seen : array (batch, units), or (gates, batch, units) where the gates did not see the same
        What the recurrent kernel was multiplied with.
    states : arrays (batch, units)
        The gradients of the states before the step.
    """

    projected: Array
    recurrent: Array
    seen: Array
    states: States


class Cell(Protocol):
    """One step of a recurrent layer."""

    gates: ClassVar[int]
    states: ClassVar[int]

    def bias_shape(self, units: int) -> tuple[int, ...]:
        """The shape of the bias; where it has two rows, the second belongs to the recurrent product."""

    def step(self, z_x: Array, states: States, recurrent: Projection) -> tuple[States, States]:
        """From a step's projected input (gates, batch, units) to the new states, and what the gradient needs. The first is the output."""

    def step_gradient(self, grad: States, states: States, kept: States, recurrent: Projection) -> StepGradient:
        """From the gradient of the new states, the states before the step and what the step kept."""


@dataclass(frozen=True)
class SimpleRNNCell:
    """``h' = g(z)``."""

    activation: Activation
    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1

    def bias_shape(self, units: int) -> tuple[int, ...]:
        """One bias."""
        return (units,)

    def step(self, z_x: Array, states: States, recurrent: Projection) -> tuple[States, States]:
        """The equation of :func:`reference.simple_rnn_forward`."""
        (h,) = states
        z = z_x[0] + recurrent(h)[0]
        after = self.activation(z)
        return (after,), (z, after)

    def step_gradient(self, grad: States, states: States, kept: States, recurrent: Projection) -> StepGradient:
        """The equations of :func:`reference.simple_rnn_backward`."""
        (grad_after,), (h,), (z, after) = grad, states, kept
        grad_z = self.activation.gradient(grad_after, z, after)
        return StepGradient(grad_z, grad_z, h, (recurrent.grad_x(grad_z),))


@dataclass(frozen=True)
class LSTMCell:
    """``c' = f c + i candidate``, ``h' = o g(c')``."""

    activation: Activation
    recurrent_activation: Activation
    gates: ClassVar[int] = 4
    states: ClassVar[int] = 2

    def bias_shape(self, units: int) -> tuple[int, ...]:
        """One bias a gate."""
        return (4 * units,)

    def step(self, z_x: Array, states: States, recurrent: Projection) -> tuple[States, States]:
        """The equations of :func:`reference.lstm_forward`."""
        g, r = self.activation, self.recurrent_activation
        h, c = states
        z = z_x + recurrent(h)
        i, f, candidate, o = r(z[0]), r(z[1]), g(z[2]), r(z[3])
        c = f * c + i * candidate
        active = g(c)
        return (o * active, c), (z, i, f, candidate, o, c, active)

    def step_gradient(self, grad: States, states: States, kept: States, recurrent: Projection) -> StepGradient:
        """The equations of :func:`reference.lstm_backward`."""
        g, r = self.activation, self.recurrent_activation
        (grad_h, grad_c), (h, c) = grad, states
        z, i, f, candidate, o, after, active = kept
        grad_c = grad_c + g.gradient(grad_h * o, after, active)
        grad_i = r.gradient(grad_c * candidate, z[0], i)
        grad_f = r.gradient(grad_c * c, z[1], f)
        grad_candidate = g.gradient(grad_c * i, z[2], candidate)
        grad_o = r.gradient(grad_h * active, z[3], o)
        grad_z = np.concatenate([grad_i, grad_f, grad_candidate, grad_o], axis=-1)
        return StepGradient(grad_z, grad_z, h, (recurrent.grad_x(grad_z), grad_c * f))


@dataclass(frozen=True)
class GRUCell:
    """``h' = z h + (1 - z) hh``."""

    activation: Activation
    recurrent_activation: Activation
    reset_after: bool
    gates: ClassVar[int] = 3
    states: ClassVar[int] = 1

    def bias_shape(self, units: int) -> tuple[int, ...]:
        """With `reset_after`, the recurrent product has a bias of its own."""
        return (2, 3 * units) if self.reset_after else (3 * units,)

    def step(self, z_x: Array, states: States, recurrent: Projection) -> tuple[States, States]:
        """The equations of :func:`reference.gru_forward`."""
        g, s = self.activation, self.recurrent_activation
        (h,) = states
        z_h = recurrent(h)
        a_z, a_r = z_x[0] + z_h[0], z_x[1] + z_h[1]
        z, r = s(a_z), s(a_r)
        a_h = z_x[2] + self.reset(r, h, z_h[2], recurrent)
        candidate = g(a_h)
        return (z * h + (1 - z) * candidate,), (a_z, a_r, a_h, z, r, candidate, z_h[2])

    def reset(self, r: Array, h: Array, product: Array, recurrent: Projection) -> Array:
        """The recurrent part of the candidate's argument: the reset gate acts on the product of ``h`` or on ``h`` itself."""
        return r * product if self.reset_after else recurrent(r * h)[2]

    def step_gradient(self, grad: States, states: States, kept: States, recurrent: Projection) -> StepGradient:
        """The equations of :func:`reference.gru_backward`."""
        g, s = self.activation, self.recurrent_activation
        (grad_after,), (h,) = grad, states
        a_z, a_r, a_h, z, r, candidate, z_h = kept
        grad_h = g.gradient(grad_after * (1 - z), a_h, candidate)
        grad_z = s.gradient(grad_after * (h - candidate), a_z, z)
        if self.reset_after:
            grad_r = s.gradient(grad_h * z_h, a_r, r)
            grad_recurrent = np.concatenate([grad_z, grad_r, grad_h * r], axis=-1)
            before = grad_after * z + recurrent.grad_x(grad_recurrent)
            return StepGradient(np.concatenate([grad_z, grad_r, grad_h], axis=-1), grad_recurrent, h, (before,))
        grad_reset = recurrent.grad_x(grad_h, first=2)
        grad_r = s.gradient(grad_reset * h, a_r, r)
        before = grad_after * z + grad_reset * r + recurrent.grad_x(np.concatenate([grad_z, grad_r], axis=-1), last=2)
        grad_all = np.concatenate([grad_z, grad_r, grad_h], axis=-1)
        return StepGradient(grad_all, grad_all, np.stack([h, h, r * h]), (before,))
