"""What a training of a model aims at: for every output a loss, its weight and metrics; the optimizer; the weights that it moves.

Losses, optimizers and metrics go by Keras's names. Each may be given as a name (``"adam"``, ``"SparseCategoricalCrossentropy"``,
``"mse"``), as the reference's own function (``reference.adam_step``), either of them with options as a pair, ``("sgd", {"momentum":
0.9})``, or as ``functools.partial`` of a function.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from reference._arrays import Array
from reference.losses.loss import LOSSES
from reference.network.execution import Layer
from reference.network.graph import Graph, Ref, is_floating, leaves
from reference.network.network import Network
from reference.optimizers import formulas
from reference.optimizers.step import Options
from reference.training.variables import Variable, is_trainable, trained_weights

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
FROM_LOGITS = ("categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy", "binary_focal_crossentropy")
"""Losses that Keras computes from the logits where a softmax or sigmoid made the output."""


class Named(NamedTuple):
    """A function with options: its name in the tables here, the function, the options."""

    name: str
    function: Callable[..., Any]
    options: dict[str, Any]


@dataclass(frozen=True)
class Objective:
    """The loss of one output: its function, its gradient, its options, the weight with which it counts."""

    loss: Named
    backward: Callable[..., Array]
    weight: float

    @property
    def takes_logits(self) -> bool:
        """Whether the loss is computed from the logits below a softmax or sigmoid."""
        return self.loss.name in FROM_LOGITS and self.loss.options.get("ignore_class") is None


@dataclass(frozen=True)
class Plan:
    """All that stays the same in a training.

    Attributes
    ----------
    outputs : dict of output name to Ref
        The key of an output of a dict, else the name of its layer, in the order of :func:`reference.network.graph.leaves`. What one layer
        gives several times is numbered: ``dense``, ``dense_1``.
    titles : dict of output name to str
        The same without the numbers, as Keras calls outputs, and with them the keys of a history.
    objectives : dict of output name to Objective
        Of the outputs that have a loss.
    optimizer : Named
        With ``learning_rate`` among its options: a number, or a function of the number of the update.
    metrics : dict of output name to what was asked for
    trained : list of Variable
    frozen : set of layer path
        Layers whose own ``trainable`` is False.
    rates : type
        In what a learning rate is kept: ``numpy.float32``, or ``numpy.float64`` for a model that was made under ``floatx="float64"``.
    """

    outputs: dict[str, Ref]
    titles: dict[str, str]
    objectives: dict[str, Objective]
    optimizer: Named
    metrics: dict[str, list[Any]]
    trained: list[Variable]
    frozen: frozenset[str]
    rates: type[np.float32 | np.float64] = np.float32

    def acts(self, layer: Layer) -> bool:
        """Whether a layer acts as in training: a frozen BatchNormalization does not."""
        return not layer.spec.normalizes or layer.name not in self.frozen


def make_plan(model: Network, optimizer: Any, loss: Any, loss_weights: Any = None, metrics: Any = None, *, training: bool = True) -> Plan:
    """Check what is asked of a training.

    Parameters
    ----------
    model : Network
        It computes with the reference's own functions.
    optimizer, loss
        As the module says. For several outputs one loss for all, a list, or a dict by output name; None is no loss.
    loss_weights : number, list or dict, optional
    metrics : list of names, or for several outputs a list of lists or a dict by output name, optional
    training : bool
        Whether weights will move; an evaluation alone needs less of what a model may have.

    Raises
    ------
    ValueError, TypeError
        If a name or an option is not known, or losses and outputs do not fit.
    NotImplementedError
        If the model has what training does not support; the sentence names the layer.
    """
    if not model.config:
        raise ValueError("the model was not read from a file: it has no configuration that says what is trained")
    _check_functions(model)
    outputs, titles = output_names(model.graph)
    asked, weights = by_output("loss", titles, loss), by_output("loss_weights", titles, loss_weights)
    objectives = {}
    for name, given in asked.items():
        if given is not None:
            found = loss_named(given)
            weight = 1.0 if weights[name] is None else weights[name]
            if not isinstance(weight, int | float | np.number) or not np.isfinite(weight):
                raise ValueError(f"loss_weights: the output {name!r} has {weight!r}, which is no finite number")
            objectives[name] = Objective(found, LOSSES[found.name].backward, float(weight))
    if not objectives:
        alone = "" if training else ", and an evaluation as well, whatever its metrics: name one, loss='sparse_categorical_crossentropy'"
        raise ValueError(f"training needs a loss for one output at least{alone}")
    frozen = frozenset(layer.name for layer in model.layers if not is_trainable(layer))
    trained = trained_weights(model.context.layers, training)
    if training and not trained:
        warnings.warn("the model has no weights that are trained: all layers are frozen, or have none", stacklevel=3)
    return Plan(outputs, titles, objectives, optimizer_named(optimizer), _metrics(titles, metrics), trained, frozen, _rates(model))


def _rates(model: Network) -> type[np.float32 | np.float64]:
    """In what Keras keeps a learning rate: its ``floatx``, which is the dtype of inputs that are declared without one."""
    inputs = {spec.dtype for spec in model.graph.specs.values() if is_floating(spec)}
    return np.float64 if {model.dtype.name, *inputs} == {"float64"} else np.float32


def output_names(graph: Graph) -> tuple[dict[str, Ref], dict[str, str]]:
    """The outputs of a model by name, and the title of each: see :class:`Plan`."""
    refs = leaves(graph.outputs)
    if isinstance(graph.outputs, dict) and all(isinstance(one, Ref) for one in graph.outputs.values()):
        keys = sorted(graph.outputs)
        return dict(zip(keys, refs, strict=True)), {key: key for key in keys}
    names: dict[str, Ref] = {}
    for ref in refs:
        name, number = ref.layer, 0
        while name in names:
            number += 1
            name = f"{ref.layer}_{number}"
        names[name] = ref
    return names, {name: ref.layer for name, ref in names.items()}


def by_output(what: str, titles: Mapping[str, str], given: Any) -> dict[str, Any]:
    """What is given for every output: one for all, a list in their order, or a dict by name or, for all of one title, by that."""
    if isinstance(given, dict):
        unknown = sorted(set(given) - {*titles, *titles.values()})
        if unknown:
            raise ValueError(f"{what}: the model has no output {unknown[0]!r}; its outputs are {list(titles)}")
        alone = set(titles) - set(titles.values())  # names that have a number
        return {name: given.get(name if alone & set(given) else title) for name, title in titles.items()}
    if isinstance(given, list):
        if len(given) != len(titles):
            raise ValueError(f"{what}: {len(given)} were given for the outputs {list(titles)}")
        return dict(zip(titles, given, strict=True))
    return dict.fromkeys(titles, given)


def _metrics(titles: Mapping[str, str], given: Any) -> dict[str, list[Any]]:
    """The metrics that are asked for, by output."""
    if given is None or (isinstance(given, list | tuple | dict) and not given):
        return {}
    if len(titles) == 1 and not isinstance(given, dict):
        nested = isinstance(given, list) and len(given) == 1 and isinstance(given[0], list)
        given = {next(iter(titles)): given[0] if nested else given}
    found = by_output("metrics", titles, given)
    return {name: some if isinstance(some, list) else [] if some is None else [some] for name, some in found.items()}


def _check_functions(model: Network) -> None:
    """Training runs the reference's layers: a model that was loaded with other functions would be trained with functions not its own."""
    for layer in model.layers:
        if model.context.function(layer) is not layer.spec.forward:
            name = layer.spec.forward.__name__
            raise NotImplementedError(f"layer {layer.name!r} has a {name} that is not the reference's: only its own functions are trained")


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
    elif isinstance(one, str):
        name = _lookup(what, table, one)
    else:
        article = "an" if what == "optimizer" else "a"
        raise TypeError(f"{article} {what} is a name, a function of the reference, or a pair of either with options, not {given!r}")
    _check_options(f"{what} {name}", table[name], options, more)
    return Named(name, table[name], dict(options))


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
    raise ValueError(f"there is no {what} {name!r}; {_hint(wanted, keys, 'there are')}")


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _check_options(title: str, function: Callable[..., Any], options: Mapping[str, Any], more: Iterable[str]) -> None:
    parameters = inspect.signature(function).parameters.values()
    known = {one.name for one in parameters if one.kind is one.KEYWORD_ONLY} - set(GIVEN_LATER) | set(more)
    for name in options:
        if name not in known:
            raise ValueError(f"{title} has no option {name!r}; {_hint(name, {one: one for one in known}, 'it has')}")


def _hint(name: str, known: Mapping[str, str], otherwise: str) -> str:
    """What may have been meant instead of a name; else all that there is."""
    import difflib  # here, because only this message needs it

    near = [known[one] for one in difflib.get_close_matches(name, known, n=3, cutoff=0.5)]
    return f"did you mean {' or '.join(near)}?" if near else f"{otherwise} {', '.join(sorted(known.values()))}"
