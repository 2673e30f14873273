"""Mistakes around the formula of an optimizer: decay, clipping, accumulation, the moving average, the state, options that are not read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.cases.optimizers import CLIPPED, OPTIMIZER_CASES
from conformance.faults.fault import Function, Shared, changed
from conformance.faults.training.loss_calls import without

Array = NDArray[Any]
FULL = ("SGD", "Adam", "AdamW", "RMSprop")
"""Optimizers that are asked with everything that surrounds the formula."""
INVISIBLE = ("ema_overwrite_frequency",)
"""Without it the moving average is never seen, as without use_ema."""

every = Shared(*OPTIMIZER_CASES, part="step")
full = Shared(*FULL, part="step")
adamw = Shared("AdamW", part="step")


def ignoring(option: str) -> Function:
    """A function that does not read an option."""

    def function(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
        return right(variables, gradients, state, **without(options, option))

    return function


def _ignored() -> list[Shared]:
    """Every option ignored, wherever cases give it."""
    declared = {
        name: dict.fromkeys([*layer.options, *(option for one in layer.special for option in one.config)])
        for name, layer in OPTIMIZER_CASES.items()
    }
    collections = []
    for option in dict.fromkeys(option for options in declared.values() for option in options if option not in INVISIBLE):
        collection = Shared(*(name for name, options in declared.items() if option in options), part="step")
        collection.add(f"{option}_ignored", f"{option} is ignored", ignoring(option))
        collections.append(collection)
    return collections


def of_each(gradients: Any, change: Function) -> list[Any]:
    """The gradients with all that are there changed."""
    return [None if g is None else change(g) for g in gradients]


def rate_and_decay(right: Function, options: Mapping[str, Any]) -> tuple[float, float]:
    """Learning rate and decay of a call; the decay is 0 where there is none."""
    rate = options.get("learning_rate", 0.01 if right is reference.sgd_step else 0.001)
    return rate, options.get("weight_decay", 0.004 if right is reference.adamw_step else None) or 0.0


def undecayed(right: Function, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options without a decay."""
    return {**without(options, "weight_decay"), **({"weight_decay": 0.0} if right is reference.adamw_step else {})}


every.table(
    gradient_added=("the gradient is added instead of subtracted", changed(gradients=lambda gradients: of_each(gradients, np.negative))),
    state_lost=("the state is forgotten: every step is like the first", changed(state=None)),
)


@every
def missing_taken_for_0(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """A gradient of None is taken for zeros, so that the variable decays."""
    return right(variables, [np.zeros_like(v) if g is None else g for g, v in zip(gradients, variables, strict=True)], state, **options)


@every
def decay_coupled(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """weight_decay is added to the gradient (L2) instead of taken from the variable."""
    _, decay = rate_and_decay(right, options)
    added = [None if g is None else g + decay * v for g, v in zip(gradients, variables, strict=True)]
    return right(variables, added, state, **undecayed(right, options))


@every
def decay_without_the_rate(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """weight_decay is not multiplied by the learning rate."""
    rate, decay = rate_and_decay(right, options)
    return right(variables, gradients, state, **{**options, **({"weight_decay": decay / rate} if decay else {})})


@every
def decay_after_the_update(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """The variable decays after the update instead of before."""
    if options.get("gradient_accumulation_steps"):
        return right(variables, gradients, state, **options)
    rate, decay = rate_and_decay(right, options)
    moved, state = right(variables, gradients, state, **undecayed(right, options))
    return [v if g is None else v - v * decay * rate for v, g in zip(moved, gradients, strict=True)], state


@adamw
def no_decay(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """There is no decay: it is Adam."""
    return right(variables, gradients, state, **undecayed(right, options))


def _renamed(option: str, other: str) -> Function:
    """A function that takes a limit for another one."""

    def function(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
        limit = {other: options[option]} if option in options else {}
        return right(variables, gradients, state, **without(options, option), **limit)

    return function


full.add("clipped_by_element", "each element is held in [-clipnorm, clipnorm] instead of the norm", _renamed("clipnorm", "clipvalue"))
full.add("clipvalue_as_norm", "clipvalue limits the norm of a gradient instead of each element", _renamed("clipvalue", "clipnorm"))
full.add("norm_of_all", "clipnorm limits the norm of all gradients together, not that of each", _renamed("clipnorm", "global_clipnorm"))
full.add(
    "global_norm_by_variable",
    "global_clipnorm limits the norm of each variable's gradient, not that of all together",
    _renamed("global_clipnorm", "clipnorm"),
)


def norm(*arrays: Array) -> Any:
    """The length of arrays together."""
    return np.sqrt(sum(np.sum(x * x) for x in arrays))


@full
def always_scaled(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """Gradients are always scaled to clipnorm or global_clipnorm, shorter ones as well."""
    limit, together = options.get("clipnorm"), options.get("global_clipnorm")
    if limit:
        gradients = of_each(gradients, lambda g: g * limit / norm(g))
    if together:
        length = norm(*(g for g in gradients if g is not None))
        gradients = of_each(gradients, lambda g: g * together / length)
    return right(variables, gradients, state, **without(options, "clipnorm", "global_clipnorm"))


@full
def root_of_the_norm_left_out(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """The norm that clipnorm limits is not the root of the sum of squares, but the sum itself."""
    limit = options.get("clipnorm")
    if limit:
        gradients = of_each(gradients, lambda g: g * limit / np.maximum(norm(g) ** 2, limit))
    return right(variables, gradients, state, **without(options, "clipnorm"))


@full
def clipped_before_unscaled(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """Gradients are clipped before they are divided by loss_scale_factor."""
    limit = options.get("clipvalue")
    if limit and options.get("loss_scale_factor"):
        gradients = of_each(gradients, lambda g: np.clip(g, -limit, limit))
        options = without(options, "clipvalue")
    return right(variables, gradients, state, **options)


@full
def clipped_before_averaged(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """Each gradient is clipped before it is accumulated, not their mean."""
    if not options.get("gradient_accumulation_steps"):
        return right(variables, gradients, state, **options)
    limit, each, together = (options.get(name) for name in ("clipvalue", "clipnorm", "global_clipnorm"))
    length = norm(*(g for g in gradients if g is not None))
    if limit:
        gradients = of_each(gradients, lambda g: np.clip(g, -limit, limit))
    if each:
        gradients = of_each(gradients, lambda g: g * each / np.maximum(norm(g), each))
    if together:
        gradients = of_each(gradients, lambda g: g * together / np.maximum(length, together))
    return right(variables, gradients, state, **without(options, *CLIPPED))


@full
def accumulated_not_averaged(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """Accumulated gradients are added up, not averaged."""
    count = options.get("gradient_accumulation_steps") or 1
    return right(variables, of_each(gradients, lambda g: count * g), state, **options)


def moving_average(old: Array, new: Array, momentum: float, first: bool) -> Array:
    """The next value of an average, as it is: the variable itself until its first update is over."""
    return new if first else momentum * old + (1 - momentum) * new


def averaging(right: Function, average: Function = moving_average) -> Function:
    """A step that keeps the moving average by itself, in every call, those among them that only accumulate."""

    def function(variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
        if not options.get("use_ema"):
            return right(variables, gradients, state, **options)
        every_so_many, momentum = options.get("ema_overwrite_frequency"), options.get("ema_momentum", 0.99)
        number, own, averages = state or (0, None, [np.zeros_like(v) for v in variables])
        updates = number // (options.get("gradient_accumulation_steps") or 1)
        given = without(options, "use_ema", "ema_momentum", "ema_overwrite_frequency")
        variables, own = right(variables, gradients, own, **given)
        averages = [average(a, v, momentum, updates == 0) for a, v in zip(averages, variables, strict=True)]
        if every_so_many and (updates + 1) % every_so_many == 0:
            variables = averages
        return variables, (number + 1, own, averages)

    return function


def accumulating(right: Function, moves: Callable[[int, int], bool], keeps: bool) -> Function:
    """A step that accumulates by itself: it moves when `moves` says so, and keeps the sum when it has moved."""

    def moving(variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
        count = options["gradient_accumulation_steps"]
        number, own, totals = state or (0, None, [np.zeros_like(v) for v in variables])
        totals = [total if g is None else total + g for total, g in zip(totals, gradients, strict=True)]
        if moves(number, count):
            means = [total / count for total in totals]
            variables, own = right(variables, means, own, **without(options, "gradient_accumulation_steps"))
            totals = totals if keeps else [np.zeros_like(total) for total in totals]
        return variables, (number + 1, own, totals)

    def function(variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
        # The step inside is not called each time, and would not see what its average has to follow.
        step = averaging(moving) if options.get("gradient_accumulation_steps") else right
        return step(variables, gradients, state, **options)

    return function


@full
def sum_not_cleared(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """The accumulated sum is not cleared after the update."""
    return accumulating(right, lambda number, count: (number + 1) % count == 0, keeps=True)(variables, gradients, state, **options)


@full
def moves_at_the_first_call(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """With accumulation variables move at the first of n calls, not at the last."""
    return accumulating(right, lambda number, count: number % count == 0, keeps=False)(variables, gradients, state, **options)


@full
def average_from_0(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """The moving average starts at 0 instead of at the variables."""

    def average(old: Array, new: Array, momentum: float, first: bool) -> Array:
        return momentum * old + (1 - momentum) * new

    return averaging(right, average)(variables, gradients, state, **options)


@full
def ema_momentum_inverted(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """ema_momentum multiplies the new value of a variable instead of the average."""

    def average(old: Array, new: Array, momentum: float, first: bool) -> Array:
        return moving_average(old, new, 1 - momentum, first)

    return averaging(right, average)(variables, gradients, state, **options)


all_of_them = Shared(*OPTIMIZER_CASES, part="step")
"""What says most is told last: one option that is ignored gives the same answer where only that matters."""


@all_of_them
def all_options_ignored(right: Function, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """All options are ignored."""
    several = len(without(options, "learning_rate")) > 1
    return right(variables, gradients, state, **({} if several else options))


LAYERS = (every, adamw, full, *_ignored(), all_of_them)
