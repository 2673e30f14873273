"""Mistakes in the formulas of Adam and of what descends from it: AdamW, Adamax, Nadam. See :mod:`.optimizer_formulas`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Collection, Fault, Function
from conformance.faults.training.optimizer_formulas import Clock, Moved, Slots, stepping

Array = NDArray[Any]


def adam(
    v: Array,
    g: Array,
    slots: Slots,
    lr: float,
    t: int,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
    *,
    change: Callable[..., Array],
    largest: Function = lambda before, u, d: (np.maximum(before, u),) * 2,
) -> Moved:
    """Adam with its last line replaced.

    `change` gives what lr multiplies from both moments, their corrections and epsilon; `largest` what amsgrad remembers and takes for u.
    """
    m = beta_1 * slots.get("m", 0 * v) + (1 - beta_1) * g
    u = beta_2 * slots.get("u", 0 * v) + (1 - beta_2) * g * g
    c, d = 1 - beta_1**t, 1 - beta_2**t
    hat, divides = largest(slots.get("hat", 0 * v), u, d) if amsgrad else (u, u)
    return v - lr * change(m, divides, c, d, epsilon), {"m": m, "u": u, "hat": hat}


def plain_adam(m: Array, u: Array, c: float, d: float, e: float) -> Array:
    """The last line of Keras's Adam."""
    return m / c * np.sqrt(d) / (np.sqrt(u) + e)


CHANGES: dict[str, tuple[str, Callable[..., Array]]] = {
    "epsilon_inside_the_root": (
        "epsilon stands inside the root, sqrt(u + epsilon)",
        lambda m, u, c, d, e: m / c * np.sqrt(d) / np.sqrt(u + e),
    ),
    "epsilon_inside_the_corrected_root": (
        "epsilon stands inside the root of the corrected second moment",
        lambda m, u, c, d, e: m / c / np.sqrt(u / d + e),
    ),
    "epsilon_corrected": (
        "epsilon is added after the second moment is corrected; Keras adds it to the uncorrected root",
        lambda m, u, c, d, e: m / c / (np.sqrt(u / d) + e),
    ),
    "epsilon_left_out": ("epsilon is left out: 0 divides", lambda m, u, c, d, e: plain_adam(m, u, c, d, 0)),
    "bias_not_corrected": ("the moments are not corrected for their start at 0", lambda m, u, c, d, e: m / (np.sqrt(u) + e)),
    "first_moment_not_corrected": ("only the second moment is corrected", lambda m, u, c, d, e: m * np.sqrt(d) / (np.sqrt(u) + e)),
    "second_moment_not_corrected": ("only the first moment is corrected", lambda m, u, c, d, e: m / c / (np.sqrt(u) + e)),
    "root_of_the_correction_left_out": (
        "the correction of the second moment stands outside the root",
        lambda m, u, c, d, e: m / c * d / (np.sqrt(u) + e),
    ),
    "root_left_out": ("the root of the second moment is not taken", lambda m, u, c, d, e: m / c * d / (u + e)),
    "second_moment_left_out": ("nothing divides: only the first moment is used", lambda m, u, c, d, e: m / c),
}
CLOCKS: dict[str, tuple[str, Clock]] = {
    "updates_counted_from_0": ("updates are counted from 0 in the correction, where 0 divides", lambda t, place, count: t - 1),
    "updates_counted_from_2": ("updates are counted from 2 in the correction", lambda t, place, count: t + 1),
    "always_the_first_update": ("the number of the update stays 1 in the correction", lambda t, place, count: 1),
    "variables_counted": (
        "the number of the update in the correction grows with each variable, not with each step",
        lambda t, place, count: (t - 1) * count + place + 1,
    ),
}
LARGEST: dict[str, tuple[str, Function]] = {
    "amsgrad_of_the_corrected": (
        "amsgrad takes the largest of the corrected second moments",
        lambda before, u, d: (np.maximum(before, u / d), d * np.maximum(before, u / d)),
    ),
    "amsgrad_of_this_step": ("amsgrad takes the largest of two steps alone", lambda before, u, d: (u, np.maximum(before, u))),
}


def adam_like(layer: str, **defaults: Any) -> Collection:
    """The faults of Adam's formula in an optimizer that has it."""
    collection = Collection(layer, part="step")
    for name, (said, change) in CHANGES.items():
        collection.add(name, said, stepping(functools.partial(adam, change=change), **defaults))
    for name, (said, clock) in CLOCKS.items():
        collection.add(name, said, stepping(functools.partial(adam, change=plain_adam), clock, **defaults))
    for name, (said, largest) in LARGEST.items():
        collection.add(name, said, stepping(functools.partial(adam, change=plain_adam, largest=largest), **defaults))
    return collection


adamax, nadam = (Collection(layer, part="step", wrap=stepping) for layer in ("Adamax", "Nadam"))


@adamax
def adamax_not_corrected(
    v: Array, g: Array, slots: Slots, lr: float, t: int, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
) -> Moved:
    """The first moment is not corrected for its start at 0."""
    m = beta_1 * slots.get("m", 0 * v) + (1 - beta_1) * g
    u = np.maximum(beta_2 * slots.get("u", 0 * v), np.abs(g))
    return v - lr * m / (u + epsilon), {"m": m, "u": u}


@adamax
def norm_does_not_fade(
    v: Array, g: Array, slots: Slots, lr: float, t: int, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
) -> Moved:
    """The largest gradient so far is kept as it is, not multiplied by beta_2."""
    m = beta_1 * slots.get("m", 0 * v) + (1 - beta_1) * g
    u = np.maximum(slots.get("u", 0 * v), np.abs(g))
    return v - lr * m / ((1 - beta_1**t) * (u + epsilon)), {"m": m, "u": u}


@nadam
def beta_1_constant(
    v: Array, g: Array, slots: Slots, lr: float, t: int, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
) -> Moved:
    """beta_1 is the same in every step: its schedule with 0.96 is left out."""
    m = beta_1 * slots.get("m", 0 * v) + (1 - beta_1) * g
    u = beta_2 * slots.get("u", 0 * v) + (1 - beta_2) * g * g
    ahead = beta_1 * m / (1 - beta_1 ** (t + 1)) + (1 - beta_1) * g / (1 - beta_1**t)
    return v - lr * ahead / (np.sqrt(u / (1 - beta_2**t)) + epsilon), {"m": m, "u": u}


@nadam
def plain_momentum(v: Array, g: Array, slots: Slots, lr: float, t: int, **own: Any) -> Moved:
    """It is Adam: nothing looks ahead."""
    return adam(v, g, slots, lr, t, **own, change=plain_adam)


LAYERS: tuple[list[Fault], ...] = (adam_like("Adam"), adam_like("AdamW", weight_decay=0.004), adamax, nadam)
