"""What a training of a model aims at: for every output a loss, its weight and metrics; the optimizer; the weights that it moves."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.layers.calls import signature_of
from reference.losses.loss import LOSSES
from reference.models import Model
from reference.network.execution import Layer
from reference.network.graph import Graph, Ref, leaves
from reference.training.names import Named, loss_named, optimizer_named
from reference.training.variables import Variable, trained_weights

Array = NDArray[Any]

FROM_LOGITS = ("categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy", "binary_focal_crossentropy")
"""Losses that Keras computes from the logits where a softmax or sigmoid made the output."""


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
        The key of an output of a dict, else the name of its layer, in the order of :func:`reference.network.graph.leaves`.
    objectives : dict of output name to Objective
        Of the outputs that have a loss.
    optimizer : Named
        With ``learning_rate`` among its options: a number, or a function of the number of the update.
    metrics : dict of output name to what was asked for
    trained : list of Variable
    frozen : set of layer path
        Layers whose own ``trainable`` is False.
    """

    outputs: dict[str, Ref]
    objectives: dict[str, Objective]
    optimizer: Named
    metrics: dict[str, list[Any]]
    trained: list[Variable]
    frozen: frozenset[str]

    def acts(self, layer: Layer) -> bool:
        """Whether a layer acts as in training: a frozen BatchNormalization does not."""
        return layer.class_name != "BatchNormalization" or layer.name not in self.frozen


def make_plan(model: Model, optimizer: Any, loss: Any, loss_weights: Any = None, metrics: Any = None, *, training: bool = True) -> Plan:
    """Check what is asked of a training.

    Parameters
    ----------
    model : Model
        It computes with the reference's own functions.
    optimizer, loss
        See :mod:`reference.training.names`. For several outputs one loss for all, a list, or a dict by output name; None is no loss.
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
    outputs = output_names(model.graph)
    losses, weights = by_output("loss", outputs, loss), by_output("loss_weights", outputs, loss_weights)
    objectives = {}
    for name, given in losses.items():
        if given is not None:
            found = loss_named(given)
            weight = 1.0 if weights[name] is None else weights[name]
            if not isinstance(weight, int | float | np.number) or not np.isfinite(weight):
                raise ValueError(f"loss_weights: the output {name!r} has {weight!r}, which is no finite number")
            objectives[name] = Objective(found, LOSSES[found.name].backward, float(weight))
    if not objectives:
        alone = "" if training else ", and an evaluation as well, whatever its metrics: name one, loss='sparse_categorical_crossentropy'"
        raise ValueError(f"training needs a loss for one output at least{alone}")
    frozen = frozenset(layer.name for layer in model.layers if not layer.config.get("trainable", True))
    trained = trained_weights(model.context.layers, training)
    if training and not trained:
        warnings.warn("the model has no weights that are trained: all layers are frozen, or have none", stacklevel=3)
    return Plan(outputs, objectives, optimizer_named(optimizer), _metrics(outputs, metrics), trained, frozen)


def output_names(graph: Graph) -> dict[str, Ref]:
    """The outputs of a model by name: the keys of a dict, else the names of the layers; a name that comes again gets a number."""
    refs = leaves(graph.outputs)
    if isinstance(graph.outputs, dict) and all(isinstance(one, Ref) for one in graph.outputs.values()):
        return dict(zip(sorted(graph.outputs), refs, strict=True))
    names: dict[str, Ref] = {}
    for ref in refs:
        name, number = ref.layer, 0
        while name in names:
            number += 1
            name = f"{ref.layer}_{number}"
        names[name] = ref
    return names


def by_output(what: str, outputs: Mapping[str, Ref], given: Any) -> dict[str, Any]:
    """What is given for every output: one for all, a list in their order, or a dict by name; None where nothing is."""
    if isinstance(given, dict):
        unknown = sorted(set(given) - set(outputs))
        if unknown:
            raise ValueError(f"{what}: the model has no output {unknown[0]!r}; its outputs are {list(outputs)}")
        return {name: given.get(name) for name in outputs}
    if isinstance(given, list):
        if len(given) != len(outputs):
            raise ValueError(f"{what}: {len(given)} were given for the outputs {list(outputs)}")
        return dict(zip(outputs, given, strict=True))
    return dict.fromkeys(outputs, given)


def _metrics(outputs: Mapping[str, Ref], given: Any) -> dict[str, list[Any]]:
    """The metrics that are asked for, by output."""
    if given is None:
        return {}
    if len(outputs) == 1 and not isinstance(given, dict):
        given = {next(iter(outputs)): given}
    found = by_output("metrics", outputs, given)
    return {name: some if isinstance(some, list) else [] if some is None else [some] for name, some in found.items()}


def _check_functions(model: Model) -> None:
    """Training runs the reference's layers: a model that was loaded with other functions would be trained with functions not its own."""
    own = import_module("reference")
    for layer in model.layers:
        text = layer.class_name == "TextVectorization"
        name = f"{'text_vectorization' if text else signature_of(layer.class_name).name}_forward"
        if model.context.find(name) is not getattr(own, name):
            raise NotImplementedError(f"layer {layer.name!r} has a {name} that is not the reference's: only its own functions are trained")
