"""What every loss is made of: its formula, the losses of single samples, from which the value and the gradient follow.

::

    @loss
    def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike, **how: Unpack[Reducing]) -> PerSample:
        ...

    mean_squared_error_backward = backward_of(mean_squared_error)

The formula has the loss's own options. ``**how`` says to readers and type checkers that the two public functions take `reduction`,
`sample_weight` and `mask` as well (see :mod:`reference.losses.reduction`); the formula itself never gets them. The paragraph of the
docstring that begins with "Gradient:" becomes that of the gradient.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec

from numpy.typing import ArrayLike

from reference._options import takes_options_of
from reference.losses.reduction import Array, PerSample, Reducing, gradient, reduced, value

P = ParamSpec("P")


class Loss(NamedTuple):
    """The public functions of a loss."""

    forward: Callable[..., Array]
    backward: Callable[..., Array]


LOSSES: dict[str, Loss] = {}
"""Every loss by name."""


def loss(formula: Callable[P, PerSample]) -> Callable[P, Array]:
    """Decorator: the value of a loss from its formula; in :data:`LOSSES` with the gradient, which :func:`backward_of` gives."""

    def forward(y_true: ArrayLike, y_pred: ArrayLike, **options: Any) -> Array:
        found, how = _per_sample(formula, y_true, y_pred, options)
        return value(found, **how)

    def backward(y_true: ArrayLike, y_pred: ArrayLike, **options: Any) -> Array:
        found, how = _per_sample(formula, y_true, y_pred, options)
        return gradient(found, y_pred, **how)

    name, (_, _, slopes) = formula.__name__, (formula.__doc__ or "").partition("Gradient: ")
    for function in (forward, backward):
        functools.update_wrapper(function, formula, ("__module__", "__name__", "__qualname__", "__doc__"))
    backward.__name__ = backward.__qualname__ = f"{name}_backward"
    backward.__doc__ = f"{slopes.strip()}\n\nThe gradient of `y_pred`. Arguments, errors and source are those of :func:`{name}`."
    spelled_out = takes_options_of(formula, reduced)
    LOSSES[name] = Loss(spelled_out(forward), spelled_out(backward))
    return LOSSES[name].forward


def backward_of(forward: Callable[P, Array]) -> Callable[P, Array]:
    """The gradient of a loss, a function of the same arguments."""
    return LOSSES[forward.__name__].backward


def _per_sample(
    formula: Callable[..., PerSample], y_true: ArrayLike, y_pred: ArrayLike, options: dict[str, Any]
) -> tuple[PerSample, Reducing]:
    """The losses of single samples, and the options that say how they are reduced."""
    how: Any = {name: options.pop(name) for name in Reducing.__annotations__ if name in options}
    return formula(y_true, y_pred, **options), how
