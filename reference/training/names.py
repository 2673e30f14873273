"""The losses, optimizers and metrics that training takes by Keras's names, and options for them.

Each may be given as a name (``"adam"``, ``"SparseCategoricalCrossentropy"``, ``"mse"``), as the reference's own function
(``reference.adam_step``), either of them with options as a pair, ``("sgd", {"momentum": 0.9})``, or as ``functools.partial`` of a function.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from reference.losses.loss import LOSSES
from reference.optimizers import formulas
from reference.optimizers.step import Options

ALIASES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
}
LOSS_FUNCTIONS = {name: one.forward for name, one in LOSSES.items()}
OPTIMIZERS = {
    name: getattr(formulas, f"{name}_step")
    for name in ("sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "adamax", "nadam", "lion", "ftrl")
}
GIVEN_LATER = ("sample_weight", "mask")


class Named(NamedTuple):
    """A function with options: its name in the tables here, how it was called, the function, the options."""

    name: str
    given: str
    function: Callable[..., Any]
    options: dict[str, Any]


def named(what: str, table: Mapping[str, Callable[..., Any]], given: Any, more: Iterable[str] = ()) -> Named:
    """The function that `given` names in a table.

    Parameters
    ----------
    what : str
        What the table holds, for the sentences.
    table : mapping of name to function
    given : name, function, pair or functools.partial
    more : iterable of str
        Options that are known beside the arguments of the function.

    Raises
    ------
    ValueError
        If there is no such function (close names are listed), or the function has no such option.
    TypeError
        If `given` is none of these.
    """
    options: Mapping[str, Any] = {}
    one = given
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], Mapping):
        one, options = given
    if isinstance(given, functools.partial) and not given.args:
        one, options = given.func, given.keywords
    if callable(one):
        name = next((key for key, function in table.items() if function is one), None)
        if name is None:
            raise ValueError(f"{getattr(one, '__name__', one)!r} is no {what} of the reference")
        title = name
    elif isinstance(one, str):
        name, title = _lookup(what, table, one), one
    else:
        article = "an" if what == "optimizer" else "a"
        raise TypeError(f"{article} {what} is a name, a function of the reference, or a pair of either with options, not {given!r}")
    _check_options(f"{what} {name}", table[name], options, more)
    return Named(name, title, table[name], dict(options))


def loss_named(given: Any) -> Named:
    """A loss; its ``reduction`` must make one number of the losses of a batch."""
    found = named("loss", LOSS_FUNCTIONS, given)
    reduction = found.options.get("reduction", "mean")
    if reduction in (None, "none"):
        raise ValueError(f"loss {found.name}: reduction={reduction!r} does not make one number of a batch, which training needs")
    return found


def optimizer_named(given: Any) -> Named:
    """An optimizer; its options are tried on one number, so that a bad one is found before anything moves."""
    found = named("optimizer", OPTIMIZERS, given, Options.__annotations__)
    rate = found.options.get("learning_rate", inspect.signature(found.function).parameters["learning_rate"].default)
    if not callable(rate) and not (isinstance(rate, int | float | np.number) and np.isfinite(rate)):
        raise ValueError(f"optimizer {found.name}: learning_rate is a finite number or a function of the step, not {rate!r}")
    options = {name: value for name, value in found.options.items() if name != "learning_rate"}
    try:
        found.function([np.zeros(1)], [np.zeros(1)], None, learning_rate=rate(0) if callable(rate) else rate, **options)
    except TypeError as error:
        raise ValueError(f"optimizer {found.name} with {found.options}: {error}") from None
    return found._replace(options={**options, "learning_rate": rate})


def _lookup(what: str, table: Mapping[str, Any], name: str) -> str:
    """The key of a name; underscores and capitals do not count, so that Keras's class names fit."""
    keys = {_plain(key): key for key in table}
    wanted = _plain(ALIASES.get(name.lower(), name))
    if wanted in keys:
        return keys[wanted]
    near = [keys[one] for one in difflib.get_close_matches(wanted, keys, n=3, cutoff=0.5)]
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(table))}"
    raise ValueError(f"there is no {what} {name!r}; {hint}")


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _check_options(title: str, function: Callable[..., Any], options: Mapping[str, Any], more: Iterable[str]) -> None:
    parameters = inspect.signature(function).parameters.values()
    known = {one.name for one in parameters if one.kind is one.KEYWORD_ONLY} - set(GIVEN_LATER) | set(more)
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(sorted(known))}"
            raise ValueError(f"{title} has no option {name!r}; {hint}")
