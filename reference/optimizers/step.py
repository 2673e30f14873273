"""What every optimizer does around its own formula.

One step, in Keras's order: the gradients are divided by `loss_scale_factor`, averaged over `gradient_accumulation_steps` calls, clipped;
the variables decay; the optimizer's formula moves them; their moving average follows.

A step is a pure function of the variables, the gradients and the state that the step before returned (None at first). A state is a
mapping of names to lists of arrays, one for each variable; what is in it depends on the optimizer. Arguments are never changed.

Variables are float arrays. A gradient is an array like its variable; None, which leaves the variable, its decay included, alone; or, for
the table of an Embedding, a pair ``(indices, rows)``: row ``indices[i]`` gets ``rows[i]``. An index that comes twice is handled as Keras
handles it: the gradient is the sum of its rows, but its square is the sum of their squares; norms and clipping see the rows as they stand.
`global_clipnorm` and accumulation make an array of them, after which the square is that of the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Rows = tuple[Array, Array]
Gradient = Array | Rows
State = Mapping[str, Any]
Slots = Mapping[str, Array]
Update = Callable[[Array, Gradient, Slots, float, int], tuple[Array, dict[str, Array]]]
"""An optimizer's own formula: (variable, gradient, slots, learning rate, number of the update from 1) -> (variable, slots)."""
Result = tuple[list[Array], dict[str, Any]]


class Common(TypedDict, total=False):
    """Keyword arguments that every optimizer takes, with Keras's names and defaults.

    clipnorm : float or None
        Each gradient whose norm is larger is scaled to this norm.
    global_clipnorm : float or None
        All gradients together are scaled to this norm, if theirs is larger.
    clipvalue : float or None
        Every element is held in [-clipvalue, clipvalue]. Only one of the three may be given; 0 or less clips nothing.
    use_ema, ema_momentum, ema_overwrite_frequency : bool, 0.99, int or None
        Keep ``a = ema_momentum * a + (1 - ema_momentum) * v``, first ``a = v``; every so many updates ``v = a``.
    loss_scale_factor : float or None
        What the loss was multiplied by before its gradient was taken.
    gradient_accumulation_steps : int or None
        Variables move in every n-th step only, by the mean of n gradients.
    """

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None


class Options(Common, total=False):
    """Those, and ``weight_decay`` : float or None. Before the update, ``v -= v * weight_decay * learning_rate``."""

    weight_decay: float | None


def single(constant: float) -> float:
    """A constant that Keras holds in float32, whatever the dtype of the variables."""
    return float(np.float32(constant))


def dense(gradient: Gradient, like: Array, of: Callable[[Array], Array] = np.asarray) -> Array:
    """A function of the gradient as an array like its variable; rows with the same index are added up after it."""
    if not isinstance(gradient, tuple):
        return of(gradient)
    indices, rows = gradient
    total = np.zeros_like(like)
    np.add.at(total, indices, of(rows))
    return total


def apply_step(
    update: Update,
    variables: Sequence[ArrayLike],
    gradients: Sequence[Any],
    state: State | None,
    learning_rate: float,
    options: Options,
) -> Result:
    """Make one step with an optimizer's formula; the new variables and the new state.

    A learning rate is rounded to float32, in which Keras holds it, but for a NumPy number, which has a precision of its own.

    ValueError if no gradient is given at all, their number is not that of the variables, or options contradict each other; TypeError for
    an option that there is not.
    """
    _check(options)
    values = [np.asarray(variable) for variable in variables]
    if len(gradients) != len(values) or all(gradient is None for gradient in gradients):
        raise ValueError(f"{len(values)} variables need as many gradients, and one of these at least that is not None")
    before = {"iterations": 0, "slots": [{} for _ in values], **(state or {})}
    count, every = before["iterations"], options.get("gradient_accumulation_steps") or 1
    after: dict[str, Any] = {**before, "iterations": count + 1}
    given = [_unscaled(gradient, value, options) for gradient, value in zip(gradients, values, strict=True)]
    moves = (count + 1) % every == 0
    if every > 1:
        given, after["accumulated"] = _accumulated(given, values, before.get("accumulated"), every, moves)
    if moves:
        rate = learning_rate if isinstance(learning_rate, np.floating) else single(learning_rate)
        clipped = _clipped(given, values, options)
        values, after["slots"] = _updated(update, values, clipped, before["slots"], rate, count // every + 1, options)
    if options.get("use_ema"):
        values, after["average"] = _averaged(values, before.get("average"), count // every, options)
    return values, after


def _check(options: Options) -> None:
    unknown = set(options) - set(Options.__annotations__)
    if unknown:
        raise TypeError(f"an optimizer has no option {', '.join(sorted(unknown))}")
    clips = [name for name in ("clipnorm", "clipvalue", "global_clipnorm") if options.get(name) is not None]
    if len(clips) > 1:
        raise ValueError(f"only one of {', '.join(clips)} can be given")
    steps = options.get("gradient_accumulation_steps")
    if steps and (not isinstance(steps, int | np.integer) or steps < 2):
        raise ValueError(f"gradient_accumulation_steps is an int of at least 2, not {steps!r}")
    if options.get("use_ema") and not 0 <= options.get("ema_momentum", 0.99) <= 1:
        raise ValueError(f"ema_momentum is from 0 to 1, not {options['ema_momentum']}")


def _unscaled(gradient: Any, like: Array, options: Options) -> Gradient | None:
    if gradient is None:
        return None
    scale = options.get("loss_scale_factor")
    if isinstance(gradient, tuple):
        indices, rows = np.asarray(gradient[0]), np.asarray(gradient[1], like.dtype)
        return indices, rows if scale is None else rows / scale
    array = np.asarray(gradient, like.dtype)
    return array if scale is None else array / scale


def _accumulated(
    gradients: Sequence[Gradient | None], variables: Sequence[Array], sums: Sequence[Array] | None, every: int, moves: bool
) -> tuple[list[Gradient | None], list[Array]]:
    """The mean of the gradients since the last update, and the sums to go on with."""
    sums = [np.zeros_like(variable) for variable in variables] if sums is None else sums
    totals = [total if g is None else dense(g, total) + total for g, total in zip(gradients, sums, strict=True)]
    means = [None if g is None else total / every for g, total in zip(gradients, totals, strict=True)]
    return list(means), [np.zeros_like(total) for total in totals] if moves else totals


def _clipped(gradients: Sequence[Gradient | None], variables: Sequence[Array], options: Options) -> list[Gradient | None]:
    """Gradients as `clipnorm`, `global_clipnorm` or `clipvalue` leave them."""
    norm, together, limit = options.get("clipnorm"), options.get("global_clipnorm"), options.get("clipvalue")
    if norm and norm > 0:
        return [_each(g, lambda x: x * norm / np.maximum(np.sqrt(np.sum(x * x)), norm)) for g in gradients]
    if together and together > 0:
        length = np.sqrt(sum(np.sum(_values(g) ** 2) for g in gradients if g is not None))
        with np.errstate(divide="ignore"):
            # The last term is 0, and NaN where the norm is infinite.
            scale = together * np.minimum(1 / length, 1 / together) + (length - length)
        return [None if g is None else dense(g, v) * scale for g, v in zip(gradients, variables, strict=True)]
    if limit and limit > 0:
        return [_each(g, lambda x: np.clip(x, -limit, limit)) for g in gradients]
    return list(gradients)


def _values(gradient: Gradient) -> Array:
    return gradient[1] if isinstance(gradient, tuple) else gradient


def _each(gradient: Gradient | None, function: Callable[[Array], Array]) -> Gradient | None:
    if gradient is None:
        return None
    return (gradient[0], function(gradient[1])) if isinstance(gradient, tuple) else function(gradient)


def _updated(
    update: Update,
    variables: Sequence[Array],
    gradients: Sequence[Gradient | None],
    slots: Sequence[Slots],
    rate: float,
    number: int,
    options: Options,
) -> tuple[list[Array], list[Slots]]:
    """Every variable that has a gradient, decayed and moved, and what the optimizer remembers of it."""
    decay = options.get("weight_decay")
    moved: list[Array] = []
    kept: list[Slots] = []
    for variable, gradient, own in zip(variables, gradients, slots, strict=True):
        new, remembered = variable, own
        if gradient is not None:
            decayed = variable if decay is None else variable - variable * single(decay) * rate
            new, remembered = update(decayed, gradient, own, rate, number)
        moved.append(np.asarray(new))
        kept.append(remembered)
    return moved, kept


def _averaged(
    variables: Sequence[Array], averages: Sequence[Array] | None, updates: int, options: Options
) -> tuple[list[Array], list[Array]]:
    """The variables, overwritten when it is time, and their moving averages."""
    momentum = options.get("ema_momentum", 0.99) if updates else 0.0
    last = [np.zeros_like(variable) for variable in variables] if averages is None else averages
    new = [np.asarray(momentum * a + (1 - momentum) * v) for a, v in zip(last, variables, strict=True)]
    frequency = options.get("ema_overwrite_frequency")
    return (new if frequency and (updates + 1) % frequency == 0 else list(variables)), new
