"""Optimizers: ``xyz_step(variables, gradients, state, **options)`` makes one step and returns ``(variables, state)``.

`variables` is a list of arrays, `gradients` one of as many; `state` is what the step before returned, None at first. Options common to all
(`weight_decay`, `clipnorm` ...) are those of :class:`reference.optimizers.step.Options`, and what surrounds the formulas below, as well as
gradients that hold only some rows, is explained there. `learning_rate` is that of this step; schedules are in :mod:`.schedules`.

In the formulas ``v`` is a variable, ``g`` its gradient, ``t`` the number of the update from 1, everything by element. Constants that Keras
rounds to float32, whatever the dtype of the variables, are rounded here as well: the learning rate, the decay, and those named so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from reference.optimizers.step import Array, Common, Gradient, Options, Result, Slots, State, apply_step, dense, single

__all__ = [
    "adadelta_step", "adagrad_step", "adam_step", "adamax_step", "adamw_step", "ftrl_step", "lion_step", "nadam_step", "rmsprop_step",
    "sgd_step",
]  # fmt: skip


def sgd_step(
    variables: Sequence[ArrayLike],
    gradients: Sequence[Any],
    state: State | None = None,
    *,
    learning_rate: float = 0.01,
    momentum: float = 0.0,
    nesterov: bool = False,
    **options: Unpack[Options],
) -> Result:
    """``m = momentum m - lr g``, ``v += m``; with `nesterov` ``v += momentum m - lr g``. Without momentum ``v -= lr g``.

    `momentum` is from 0 to 1 (ValueError) and is rounded to float32. Source: keras.optimizers.SGD.
    """
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum is from 0 to 1, not {momentum}")
    mu = single(momentum)

    def update(v: Array, gradient: Gradient, slots: Slots, lr: float, t: int) -> tuple[Array, dict[str, Array]]:
        g = dense(gradient, v)
        if not momentum:
            return v - g * lr, {}
        m = _slot(slots, "momentum", v) * mu - g * lr
        return v + (m * mu - g * lr if nesterov else m), {"momentum": m}

    return apply_step(update, variables, gradients, state, learning_rate, options)


def adam_step(
    variables: Sequence[ArrayLike],
    gradients: Sequence[Any],
    state: State | None = None,
    *,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
    **options: Unpack[Options],
) -> Result:
    """``m += (1 - beta_1) (g - m)``, ``u += (1 - beta_2) (g**2 - u)``, ``v -= a m / (sqrt(u) + epsilon)``.

    ``a = lr sqrt(1 - beta_2**t) / (1 - beta_1**t)`` corrects for m and u starting at 0; epsilon stands outside of the correction. With
    `amsgrad` the largest (uncorrected) u so far divides. The betas are rounded to float32 where they are raised to a power, and only there.

    Source: Kingma and Ba 2015, arXiv:1412.6980; keras.optimizers.Adam.
    """

    def update(v: Array, gradient: Gradient, slots: Slots, lr: float, t: int) -> tuple[Array, dict[str, Array]]:
        m, u = _slot(slots, "momentum", v), _slot(slots, "velocity", v)
        rate = lr * np.sqrt(1 - _power(beta_2, t, v)) / (1 - _power(beta_1, t, v))
        m = m + (dense(gradient, v) - m) * (1 - beta_1)
        u = u + (dense(gradient, v, np.square) - u) * (1 - beta_2)
        new = {"momentum": m, "velocity": u}
        if amsgrad:
            u = new["velocity_hat"] = np.maximum(_slot(slots, "velocity_hat", v), u)
        return v - m * rate / (np.sqrt(u) + epsilon), new

    return apply_step(update, variables, gradients, state, learning_rate, options)


def adamw_step(
    variables: Sequence[ArrayLike],
    gradients: Sequence[Any],
    state: State | None = None,
    *,
    learning_rate: float = 0.001,
    weight_decay: float = 0.004,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
    **options: Unpack[Common],
) -> Result:
    """``v -= weight_decay lr v``, then :func:`adam_step`: the decay does not pass through the moments.

    ValueError without a decay. Source: Loshchilov and Hutter 2019, arXiv:1711.05101; keras.optimizers.AdamW.
    """
    if weight_decay is None:
        raise ValueError("weight_decay is a number; without one this is Adam")
    own: dict[str, Any] = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon, "amsgrad": amsgrad, "weight_decay": weight_decay}
    return adam_step(variables, gradients, state, learning_rate=learning_rate, **own, **options)


def rmsprop_step(
    variables: Sequence[ArrayLike],
    gradients: Sequence[Any],
    state: State | None = None,
    *,
    learning_rate: float = 0.001,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
    **options: Unpack[Options],
) -> Result:
    """``u = rho u + (1 - rho) g**2``, ``v -= lr g / sqrt(u + epsilon)``: epsilon stands inside the root.

    With `centered` the root is of ``u - a**2 + epsilon``, ``a = rho a + (1 - rho) g``. With `momentum` what is subtracted is
    ``m = momentum m + lr g / sqrt(...)``.

    Source: Tieleman and Hinton 2012; keras.optimizers.RMSprop.
    """

    def update(v: Array, gradient: Gradient, slots: Slots, lr: float, t: int) -> tuple[Array, dict[str, Array]]:
        g = dense(gradient, v)
        u = rho * _slot(slots, "velocity", v) + (1 - rho) * dense(gradient, v, np.square)
        new = {"velocity": u}
        if centered:
            a = new["average_gradient"] = rho * _slot(slots, "average_gradient", v) + (1 - rho) * g
            u = u - a * a
        increment = lr * g / np.sqrt(u + epsilon)
        if momentum > 0:
            increment = new["momentum"] = momentum * _slot(slots, "momentum", v) + increment
        return v - increment, new

    return apply_step(update, variables, gradients, state, learning_rate, options)


def adagrad_step(
    variables: Sequence[ArrayLike],
    gradients: Sequence[Any],
    state: State | None = None,
    *,
    learning_rate: float = 0.001,
    initial_accumulator_value: float = 0.1,
    epsilon: float = 1e-7,
    **options: Unpack[Options],
) -> Result:
    """``u += g**2``, starting at `initial_accumulator_value` (in float32); ``v -= lr g / sqrt(u + epsilon)``.

    Source: Duchi, Hazan and Singer 2011; keras.optimizers.Adagrad.
    """

    def update(v: Array, gradient: Gradient, slots: Slots, lr: float, t: int) -> tuple[Array, dict[str, Array]]:
        u = _slot(slots, "accumulator", v, initial_accumulator_value) + dense(gradient, v, np.square)
        return v - lr * dense(gradient, v) / np.sqrt(u + epsilon), {"accumulator": u}

    return apply_step(update, variables, gradients, state, learning_rate, options)


def adadelta_step(
    variables: Sequence[ArrayLike],
    gradients: Sequence[Any],
    state: State | None = None,
    *,
    learning_rate: float = 0.001,
    rho: float = 0.95,
    epsilon: float = 1e-7,
    **options: Unpack[Options],
) -> Result:
    """``u = rho u + (1 - rho) g**2``, ``d = g sqrt(w + epsilon) / sqrt(u + epsilon)``, ``w = rho w + (1 - rho) d**2``, ``v -= lr d``.

    Source: Zeiler 2012, arXiv:1212.5701; keras.optimizers.Adadelta.
    """

    def update(v: Array, gradient: Gradient, slots: Slots, lr: float, t: int) -> tuple[Array, dict[str, Array]]:
        w = _slot(slots, "accumulated_delta", v)
        squares = dense(gradient, v, np.square)
        u = rho * _slot(slots, "accumulated_gradient", v) + (1 - rho) * squares
        ratio = np.sqrt(w + epsilon) / np.sqrt(u + epsilon)
        w = rho * w + (1 - rho) * ratio**2 * squares
        return v - lr * (ratio * dense(gradient, v)), {"accumulated_gradient": u, "accumulated_delta": w}

    return apply_step(update, variables, gradients, state, learning_rate, options)


def adamax_step(
    variables: Sequence[ArrayLike],
    gradients: Sequence[Any],
    state: State | None = None,
    *,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **options: Unpack[Options],
) -> Result:
    """``m += (1 - beta_1) (g - m)``, ``u = max(beta_2 u, |g|)``, ``v -= lr m / ((1 - beta_1**t) (u + epsilon))``.

    `beta_1` is rounded to float32 where it is raised to a power. Source: Kingma and Ba 2015, section 7; keras.optimizers.Adamax.
    """

    def update(v: Array, gradient: Gradient, slots: Slots, lr: float, t: int) -> tuple[Array, dict[str, Array]]:
        m = _slot(slots, "momentum", v)
        m = m + (dense(gradient, v) - m) * (1 - beta_1)
        u = np.maximum(beta_2 * _slot(slots, "norm", v), dense(gradient, v, np.abs))
        return v - lr * m / ((1 - _power(beta_1, t, v)) * (u + epsilon)), {"momentum": m, "norm": u}

    return apply_step(update, variables, gradients, state, learning_rate, options)


def nadam_step(
    variables: Sequence[ArrayLike],
    gradients: Sequence[Any],
    state: State | None = None,
    *,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **options: Unpack[Options],
) -> Result:
    """Adam with Nesterov's momentum; ``b_t = beta_1 (1 - 0.96**t / 2)``, and ``B_t`` the product of the b up to t::

        m += (1 - beta_1) (g - m),  u += (1 - beta_2) (g**2 - u)
        v -= lr (b_{t+1} m / (1 - B_{t+1}) + (1 - b_t) g / (1 - B_t)) / (sqrt(u / (1 - beta_2**t)) + epsilon)

    The betas and 0.96 are rounded to float32, except in the product B.

    Source: Dozat 2015; keras.optimizers.Nadam.
    """
    b1, b2 = single(beta_1), single(beta_2)

    def update(v: Array, gradient: Gradient, slots: Slots, lr: float, t: int) -> tuple[Array, dict[str, Array]]:
        m, u, g = _slot(slots, "momentum", v), _slot(slots, "velocity", v), dense(gradient, v)
        now, next_one = (b1 * (1 - 0.5 * _power(0.96, step, v)) for step in (t, t + 1))
        # Of all updates so far, also of those in which this variable had no gradient.
        product = np.prod(v.dtype.type(beta_1) * (1 - 0.5 * v.dtype.type(0.96) ** np.arange(1, t + 1, dtype=v.dtype)))
        m = m + (g - m) * (1 - b1)
        u = u + (dense(gradient, v, np.square) - u) * (1 - b2)
        ahead = next_one * m / (1 - product * next_one) + (1 - now) * g / (1 - product)
        return v - ahead * lr / (np.sqrt(u / (1 - _power(beta_2, t, v))) + epsilon), {"momentum": m, "velocity": u}

    return apply_step(update, variables, gradients, state, learning_rate, options)


def lion_step(
    variables: Sequence[ArrayLike],
    gradients: Sequence[Any],
    state: State | None = None,
    *,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.99,
    **options: Unpack[Options],
) -> Result:
    """``v -= lr sign(beta_1 m + (1 - beta_1) g)``, then ``m = beta_2 m + (1 - beta_2) g``. Both betas are rounded to float32.

    ValueError for a `beta_1` outside (0, 1]. Source: Chen et al. 2023, arXiv:2302.06675; keras.optimizers.Lion.
    """
    if not 0 < beta_1 <= 1:
        raise ValueError(f"beta_1 is above 0 and at most 1, not {beta_1}")
    b1, b2 = single(beta_1), single(beta_2)

    def update(v: Array, gradient: Gradient, slots: Slots, lr: float, t: int) -> tuple[Array, dict[str, Array]]:
        m, g = _slot(slots, "momentum", v), dense(gradient, v)
        return v - lr * np.sign(m * b1 + g * (1 - b1)), {"momentum": m * b2 + g * (1 - b2)}

    return apply_step(update, variables, gradients, state, learning_rate, options)


def ftrl_step(
    variables: Sequence[ArrayLike],
    gradients: Sequence[Any],
    state: State | None = None,
    *,
    learning_rate: float = 0.001,
    learning_rate_power: float = -0.5,
    initial_accumulator_value: float = 0.1,
    l1_regularization_strength: float = 0.0,
    l2_regularization_strength: float = 0.0,
    l2_shrinkage_regularization_strength: float = 0.0,
    beta: float = 0.0,
    **options: Unpack[Options],
) -> Result:
    """Follow the regularised leader; ``s = g + 2 l2_shrinkage v``, ``p = -learning_rate_power``, u starting as in Adagrad::

        w += s - ((u + g**2)**p - u**p) / lr * v,  u += g**2
        v = (clip(w, -l1, l1) - w) / (u**p / lr + 2 (l2 + beta / (2 lr)))

    ValueError for a negative strength or initial value, or a positive power. Source: McMahan et al. 2013; keras.optimizers.Ftrl.
    """
    strengths = (l1_regularization_strength, l2_regularization_strength, l2_shrinkage_regularization_strength)
    if min(*strengths, initial_accumulator_value) < 0 or learning_rate_power > 0:
        raise ValueError("strengths and initial_accumulator_value are at least 0, and learning_rate_power is at most 0")
    l1, l2, shrinkage = strengths
    power = -learning_rate_power

    def update(v: Array, gradient: Gradient, slots: Slots, lr: float, t: int) -> tuple[Array, dict[str, Array]]:
        u, w = _slot(slots, "accumulator", v, initial_accumulator_value), _slot(slots, "linear", v)
        new = u + dense(gradient, v, np.square)
        w = w + (dense(gradient, v) + 2 * shrinkage * v - (new**power - u**power) / lr * v)
        quadratic = new**power / lr + 2 * (l2 + beta / (2 * lr))
        return (np.clip(w, -l1, l1) - w) / quadratic, {"accumulator": new, "linear": w}

    return apply_step(update, variables, gradients, state, learning_rate, options)


def _slot(slots: Slots, name: str, like: Array, initial: float = 0.0) -> Array:
    """What the optimizer remembers of a variable under a name, or how that starts."""
    return slots[name] if name in slots else np.full_like(like, single(initial))


def _power(base: float, exponent: int, like: Array) -> Any:
    """A power in the dtype of the variable, of a base that Keras rounds to float32."""
    return like.dtype.type(single(base)) ** like.dtype.type(exponent)
