"""How far off the value and gradient of a loss, and the variables after steps of an optimizer, may be.

As in :mod:`.tolerance`: derived, never tuned. In float32 both rules follow from the response of the float64 oracle to inputs
that are off by half an eps of themselves, which is what rounding each of them once would do; formulas of a few operations round a few
times more, and sums of at most twenty terms not much more than their terms: 16 such responses, and ``8 eps (1 + |o|)`` for the operations
behind the last input.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.base.arrays import EPS, Array, Arrays, Steps, changed
from conformance.cases.tolerance import MEANING, rounding_of

if TYPE_CHECKING:
    from conformance.cases.case import Case

Outputs = tuple[Array, ...]

DRAWS = 2


def loss(ask: Callable[[Arrays], Outputs], case: Case, arrays: Arrays, outputs: Outputs) -> Outputs:
    """The float32 rule of value and gradient.

    In float32 probabilities are clipped at 1 - 2**-23, the nearest there is to 1 - 1e-7; where the loss takes ``log(1 - p)`` that is
    15.94 instead of 16.12. What it does to a value is what the float64 oracle says of predictions held below that bound.

    Predictions that a case puts on a kink stay on it: they are numbers of few bits, or equal to their labels, and float32 rounds neither
    their products nor their differences.
    """
    rng = np.random.default_rng(case.seed())
    kept = _on_a_kink(case, arrays)
    responses = [np.zeros(y.shape) for y in outputs]
    for _ in range(DRAWS):
        moved = Arrays(np.where(kept, arrays.x, _off(rng, arrays.x)), arrays.weights, arrays.arguments)
        for response, y, other in zip(responses, outputs, ask(moved), strict=True):
            np.maximum(response, np.nan_to_num(np.abs(other - y)), out=response)
    allowed = [16 * response + 8 * EPS * (1 + np.abs(y)) for response, y in zip(responses, outputs, strict=True)]
    if case.layer == "binary_crossentropy" and not case.config.get("from_logits"):
        held = ask(Arrays(np.minimum(arrays.x, 1 - EPS), arrays.weights, arrays.arguments))
        allowed[0] = allowed[0] + np.abs(held[0] - outputs[0])
    return tuple(allowed)


def _on_a_kink(case: Case, arrays: Arrays) -> Array:
    """Which predictions a case of a loss puts where a slope ends."""
    values = case.call.get("values")
    if values == "equal":
        return np.asarray(arrays.x == arrays.weights[0])
    return np.full(arrays.x.shape, values in ("at_margin", "at_delta"))


def loss_meaning(case: Case, arrays: Arrays, outputs: Outputs) -> Outputs:
    """The float64 rule; Keras has the log(2) of `log_cosh` in float32, which moves each loss, and with weights up to 2 their sum."""
    value, gradient = (MEANING * (1 + np.abs(y)) for y in outputs)
    if case.layer == "log_cosh":
        value = value + 2 * max(1, arrays.x.size) * rounding_of(np.log(2))
    return value, gradient


def _off(rng: np.random.Generator, x: Array) -> Array:
    return x * (1 + EPS / 2 * rng.choice((-1, 1), x.shape))


History = Sequence[Outputs]
AskSteps = Callable[..., History]
CORRECTED = {"Adam": ("beta_1", "beta_2"), "AdamW": ("beta_1", "beta_2"), "Adamax": ("beta_1",), "Nadam": ("beta_1", "beta_2")}
"""Optimizers that divide by ``1 - beta**t``."""
POWER = {"beta_1": 1.0, "beta_2": 0.5}
"""How an update depends on ``1 - beta**t``: on it, or on its root."""
MOVED = {"Nadam": ("beta_1", "beta_2"), "Lion": ("beta_1", "beta_2"), "Ftrl": ("learning_rate",)}
"""Constants that Keras rounds to float32 and whose effect is no factor of the update."""


def optimizer(ask: AskSteps, case: Case, steps: Steps, history: History) -> list[Outputs]:
    """The float32 rule after each step.

    Besides the response to variables and gradients off by half an eps: every step rounds a variable (of which Ftrl makes differences), and
    its update carries the error of ``1 - beta**t``, which is eps by ``1 - beta**t`` of itself, since the power is rounded near 1.
    """
    rng = np.random.default_rng(case.seed())
    moved = ask(_all_off(rng, steps))
    responses = [[np.nan_to_num(np.abs(a - b)) for a, b in zip(*pair, strict=True)] for pair in zip(moved, history, strict=True)]
    names = CORRECTED.get(case.layer, ())
    share = [sum(EPS / (1 - _option(case, name) ** _number(case, n)) for name in names) for n in range(len(history))]
    befores = [steps.variables, *history]
    rounded = _summed(history, lambda n, outputs: [8 * EPS * (np.abs(y) + np.abs(x)) for y, x in zip(outputs, befores[n], strict=True)])
    corrected = _summed(history, lambda n, outputs: [share[n] * room for room in _change(steps, history, n)])
    return [
        tuple(16 * one + two + three + 8 * EPS * 1e-3 for one, two, three in zip(*parts, strict=True))
        for parts in zip(responses, rounded, corrected, strict=True)
    ]


def steps_meaning(ask: AskSteps, case: Case, steps: Steps, history: History) -> list[Outputs]:
    """The float64 rule after each step: 1e-11, and by name what the constants do that Keras rounds to float32.

    The learning rate is a factor of every update, and so is what ``1 - beta**t`` changes by; the decay is a part of the variable. Other
    constants are moved to the next float32, which is at least as far as their rounding.
    """
    rate, decay = (_option(case, name) or 0.0 for name in ("learning_rate", "weight_decay"))
    names = CORRECTED.get(case.layer, ())
    factors = [_relative(rate) + sum(_of_power(case, name, n) for name in names) for n in range(len(history))]
    updates = _summed(history, lambda n, outputs: [factors[n] * room for room in _change(steps, history, n)])
    decayed = _summed(history, lambda n, outputs: [rounding_of(decay) * rate * (1 + np.abs(y)) for y in outputs])
    moved = {name: float(np.nextafter(np.float32(_option(case, name)), np.float32(2))) for name in MOVED.get(case.layer, ())}
    moved = {name: value for name, value in moved.items() if rounding_of(_option(case, name))}
    others = ask(steps, **moved) if moved else history
    return [
        tuple(MEANING * (1 + np.abs(y)) + np.nan_to_num(a + b + np.abs(z - y)) for y, a, b, z in zip(*parts, strict=True))
        for parts in zip(history, updates, decayed, others, strict=True)
    ]


def _all_off(rng: np.random.Generator, steps: Steps) -> Steps:
    gradients = changed(functools.partial(_off, rng), steps.gradients)
    return Steps(changed(functools.partial(_off, rng), steps.variables), gradients)


def _change(steps: Steps, history: History, n: int) -> list[Array]:
    """How far step n moved each variable."""
    before = history[n - 1] if n else steps.variables
    return [np.abs(np.asarray(y) - old) for y, old in zip(history[n], before, strict=True)]


def _summed(history: History, part: Callable[[int, Outputs], list[Array]]) -> list[list[Array]]:
    """Something of each step, added up over the steps so far."""
    sums: list[list[Array]] = []
    for n, outputs in enumerate(history):
        here = part(n, outputs)
        sums.append([one + other for one, other in zip(here, sums[-1], strict=True)] if sums else here)
    return sums


def _number(case: Case, n: int) -> int:
    """The number of the update, from 1, that step n makes."""
    return n // (case.config.get("gradient_accumulation_steps") or 1) + 1


DEFAULTS: Mapping[str, float] = {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999}


def _option(case: Case, name: str) -> Any:
    """The value of an option, Keras's default where it is not given."""
    return case.options.get(name, DEFAULTS.get(name))


def _relative(constant: float) -> float:
    return rounding_of(constant) / abs(constant) if constant else 0.0


def _of_power(case: Case, name: str, n: int) -> float:
    """How far, relatively, the rounding of beta moves the power of ``1 - beta**t`` by which an update is divided."""
    beta, t = _option(case, name), _number(case, n)
    return float(abs(((1 - float(np.float32(beta)) ** t) / (1 - beta**t)) ** POWER[name] - 1))
