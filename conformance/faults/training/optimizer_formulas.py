"""Mistakes in the formula of an optimizer.

A wrong formula takes a variable, its gradient, what is remembered of it (a mapping, empty at first), the learning rate, the number of the
update from 1, and the optimizer's own options; it returns the variable and what is to be remembered.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Collection, Fault, Function, Shared, assuming, changed
from reference.optimizers.step import Options, apply_step

Array = NDArray[Any]
Moved = tuple[Array, dict[str, Array]]
Slots = Mapping[str, Array]
Clock = Callable[[int, int, int], int]
"""(number of the update, place of the variable, number of variables) -> the number that the formula sees."""


def on_time(t: int, place: int, count: int) -> int:
    """The number of the update."""
    return t


def stepping(formula: Function, clock: Clock = on_time, **defaults: Any) -> Function:
    """A step with this formula, and Keras's around it; `defaults` are options with other defaults than the formula's."""

    def function(variables: Any, gradients: Any, state: Any = None, **given: Any) -> Any:
        options = {"learning_rate": 0.001, **defaults, **given}
        rate = options.pop("learning_rate")
        own = {name: value for name, value in options.items() if name not in Options.__annotations__}
        around: Any = {name: value for name, value in options.items() if name not in own}
        places = itertools.count()

        def update(v: Array, g: Any, slots: Slots, lr: float, t: int) -> Moved:
            moved: Moved = formula(v, g, slots, lr, clock(t, next(places), len(variables)), **own)
            return moved

        return apply_step(update, variables, gradients, state, rate, around)

    return function


sgd = Collection("SGD", part="step", wrap=functools.partial(stepping, learning_rate=0.01))


@sgd
def momentum_averages(v: Array, g: Array, slots: Slots, lr: float, t: int, momentum: float = 0.0, nesterov: bool = False) -> Moved:
    """The momentum is an average, m = momentum m + (1 - momentum) g."""
    m = momentum * slots.get("m", 0 * v) + (1 - momentum) * g
    return v - lr * (momentum * m + (1 - momentum) * g if nesterov else m), {"m": m}


@sgd
def nesterov_after_the_step(v: Array, g: Array, slots: Slots, lr: float, t: int, momentum: float = 0.0, nesterov: bool = False) -> Moved:
    """Nesterov adds momentum m to the whole step, v += m + momentum m, instead of to the gradient's."""
    m = momentum * slots.get("m", 0 * v) - lr * g
    return v + m + (momentum * m if nesterov else 0), {"m": m}


@sgd
def nesterov_without_the_gradient(
    v: Array, g: Array, slots: Slots, lr: float, t: int, momentum: float = 0.0, nesterov: bool = False
) -> Moved:
    """Nesterov moves by momentum m alone, without the step of the gradient."""
    m = momentum * slots.get("m", 0 * v) - lr * g
    return v + (momentum * m if nesterov else m), {"m": m}


@sgd
def momentum_after_the_step(v: Array, g: Array, slots: Slots, lr: float, t: int, momentum: float = 0.0, nesterov: bool = False) -> Moved:
    """The momentum is of the step before: it moves the variable before it is renewed."""
    m = slots.get("m", 0 * v)
    return v - lr * g if not momentum else v + m, {"m": momentum * m - lr * g}


Root = Callable[[Array, float], Array]
"""What divides, from the mean square and epsilon."""


def keras_root(u: Array, epsilon: float) -> Array:
    """Keras's way: epsilon stands under the root."""
    return np.asarray(np.sqrt(u + epsilon))


def rmsprop_update(
    root: Root, momentum_of: Function, v: Array, g: Array, slots: Slots, lr: float, t: int,
    rho: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-7, centered: bool = False,
) -> Moved:  # fmt: skip
    """RMSprop with its root or its momentum replaced; that returns what is remembered and what is subtracted."""
    u = rho * slots.get("u", 0 * v) + (1 - rho) * g * g
    a = rho * slots.get("a", 0 * v) + (1 - rho) * g
    divisor = root(u - a * a if centered else u, epsilon)
    m, moved = momentum_of(slots.get("m", 0 * v), g, divisor, lr, momentum)
    return v - moved, {"u": u, "a": a, "m": m}


def divided_first(m: Array, g: Array, divisor: Array, lr: float, momentum: float) -> tuple[Array, Array]:
    """Keras's way: the momentum is of what is subtracted."""
    m = momentum * m + lr * g / divisor
    return m, m


def divided_last(m: Array, g: Array, divisor: Array, lr: float, momentum: float) -> tuple[Array, Array]:
    """The momentum is of the gradients."""
    m = momentum * m + g
    return m, lr * m / divisor


def averaging_momentum(m: Array, g: Array, divisor: Array, lr: float, momentum: float) -> tuple[Array, Array]:
    """The momentum is an average."""
    m = momentum * m + (1 - momentum) * lr * g / divisor
    return m, m


def adagrad_update(
    root: Root, v: Array, g: Array, slots: Slots, lr: float, t: int, initial_accumulator_value: float = 0.1, epsilon: float = 1e-7
) -> Moved:
    """Adagrad with its root replaced."""
    u = slots.get("u", np.full_like(v, initial_accumulator_value)) + g * g
    return v - lr * g / root(u, epsilon), {"u": u}


def adadelta_update(root: Root, v: Array, g: Array, slots: Slots, lr: float, t: int, rho: float = 0.95, epsilon: float = 1e-7) -> Moved:
    """Adadelta with both roots replaced."""
    w = slots.get("w", 0 * v)
    u = rho * slots.get("u", 0 * v) + (1 - rho) * g * g
    step = root(w, epsilon) / root(u, epsilon) * g
    return v - lr * step, {"u": u, "w": rho * w + (1 - rho) * step * step}


rmsprop, adagrad, adadelta = (Collection(layer, part="step", wrap=stepping) for layer in ("RMSprop", "Adagrad", "Adadelta"))
ROOTS: dict[str, tuple[str, Root]] = {
    "epsilon_outside_the_root": ("epsilon is added to the root instead of under it", lambda u, e: np.sqrt(u) + e),
    "epsilon_left_out": ("epsilon is left out: 0 divides", lambda u, e: np.sqrt(u)),
    "root_left_out": ("the root is not taken", lambda u, e: u + e),
}
for _name, (_said, _root) in ROOTS.items():
    rmsprop.add(_name, _said, stepping(functools.partial(rmsprop_update, _root, divided_first)))
    adadelta.add(_name, _said, stepping(functools.partial(adadelta_update, _root)))
    adagrad.add(_name, _said, stepping(functools.partial(adagrad_update, _root)))
MOMENTA: dict[str, tuple[str, Function]] = {
    "momentum_before_the_division": ("the momentum is of the gradients, before they are divided by the root", divided_last),
    "momentum_averages": ("the momentum is an average: what is new is multiplied by 1 - momentum", averaging_momentum),
}
for _name, (_said, _momentum) in MOMENTA.items():
    rmsprop.add(_name, _said, stepping(functools.partial(rmsprop_update, keras_root, _momentum)))


@rmsprop
def rho_inverted(v: Array, g: Array, slots: Slots, lr: float, t: int, rho: float = 0.9, **own: Any) -> Moved:
    """Rho multiplies the new square instead of the mean so far."""
    return rmsprop_update(keras_root, divided_first, v, g, slots, lr, t, rho=1 - rho, **own)


@adadelta
def rate_left_out(v: Array, g: Array, slots: Slots, lr: float, t: int, **own: Any) -> Moved:
    """The learning rate does not multiply, as in the paper."""
    return adadelta_update(keras_root, v, g, slots, 1.0, t, **own)


lion = Collection("Lion", part="step", wrap=stepping)


@lion
def sign_left_out(v: Array, g: Array, slots: Slots, lr: float, t: int, beta_1: float = 0.9, beta_2: float = 0.99) -> Moved:
    """The sign is not taken: the average itself is subtracted."""
    m = slots.get("m", 0 * v)
    return v - lr * (beta_1 * m + (1 - beta_1) * g), {"m": beta_2 * m + (1 - beta_2) * g}


@lion
def momentum_renewed_first(v: Array, g: Array, slots: Slots, lr: float, t: int, beta_1: float = 0.9, beta_2: float = 0.99) -> Moved:
    """The momentum is renewed before the sign is taken instead of after."""
    m = beta_2 * slots.get("m", 0 * v) + (1 - beta_2) * g
    return v - lr * np.sign(beta_1 * m + (1 - beta_1) * g), {"m": m}


betas = Shared("Adam", "AdamW", "Adamax", "Nadam", "Lion", part="step")
accumulators = Shared("Adagrad", "Ftrl", part="step")
ftrl = Shared("Ftrl", part="step")
epsilons = Shared("Adam", "AdamW", "Adamax", "Nadam", "RMSprop", "Adadelta", "Adagrad", part="step")


@betas
def betas_swapped(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """beta_1 and beta_2 are swapped."""
    beta_1, beta_2 = (options.get(name, inspect.signature(right).parameters[name].default) for name in ("beta_1", "beta_2"))
    return right(variables, gradients, state, **{**options, "beta_1": beta_2, "beta_2": beta_1})


accumulators.table(
    accumulator_from_0=("the accumulator starts at 0 instead of at initial_accumulator_value", changed(initial_accumulator_value=0.0)),
)


ftrl.table(
    l2_not_doubled=("l2_regularization_strength is not doubled", changed(l2_regularization_strength=lambda strength: strength / 2)),
)


epsilons.table(
    epsilon_of_pytorch=("epsilon is 1e-8 where none is given; in Keras it is 1e-7", assuming(epsilon=1e-8)),
)


LAYERS: tuple[list[Fault], ...] = (sgd, rmsprop, adagrad, adadelta, lion, betas, accumulators, ftrl, epsilons)
