"""Training a model step by step: loss, gradients by the graph, optimizer.

::

    state = start_training(model, optimizer="adam", loss="sparse_categorical_crossentropy")
    state, logs = train_step(model, state, x, y)
    trained = with_weights(model, state)

A step is a pure function: neither the model nor the state that it gets is changed. The loss is Keras's: the mean over the batch, masks and
sample weights counted, several outputs weighted, regularisation added. The whole loop over epochs is :func:`reference.fit`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from reference._arrays import Array
from reference.network.backpropagation import Tape, add_gradients
from reference.network.execution import Layer, run_graph
from reference.network.network import AnyNetwork, Network
from reference.optimizers.step import Gradient, State
from reference.training.compile import Plan, make_plan
from reference.training.data import Samples, samples_of
from reference.training.metrics import metric_keys, metrics_of
from reference.training.variables import penalty, penalty_gradient

__all__ = ["TrainingState", "start_training", "train_step", "with_weights"]

Draw = Callable[[str, Layer], dict[str, Any]]


@dataclass(frozen=True, repr=False)
class TrainingState:
    """All that changes in a training.

    Attributes
    ----------
    plan : Plan
        What does not change: losses, optimizer, which weights are trained.
    weights : dict of layer path to arrays
        In the order of ``get_weights()``, moving statistics included.
    optimizer : mapping, optional
        What the optimizer remembers; None before the first step.
    step : int
        How many steps were made.
    seed : int
        With `step` and the path of a layer, it decides what dropout drops: a training that goes on from a state draws as if it had never
        stopped.
    learning_rate : float
        Of the next step; NaN where it follows a schedule.
    """

    plan: Plan
    weights: dict[str, list[Array]]
    optimizer: State | None
    step: int
    seed: int
    learning_rate: float

    def __repr__(self) -> str:
        return f"<TrainingState after {self.step} steps of {self.plan.optimizer.name}, seed {self.seed}>"

    @property
    def iterations(self) -> int:
        """How often the optimizer has moved the weights: fewer than the steps where it accumulates gradients."""
        return self.step // (self.plan.optimizer.options.get("gradient_accumulation_steps") or 1)

    def with_variables(self, values: Sequence[Array]) -> TrainingState:
        """The state with other values of the weights that are trained, in the order of the plan."""
        weights = {path: list(arrays) for path, arrays in self.weights.items()}
        for weight, value in zip(self.plan.trained, values, strict=True):
            weights[weight.path][weight.index] = value
        return replace(self, weights=weights)

    def rate(self) -> float:
        """The learning rate of the next step."""
        given = self.plan.optimizer.options["learning_rate"]
        return float(given(self.iterations)) if callable(given) else self.learning_rate


class Batch(NamedTuple):
    """What a run of the model on a batch gave.

    Attributes
    ----------
    loss : float
    losses : dict of ``<title of an output>_loss`` to float
        Where several outputs have one.
    predictions, masks : dicts of output name to array
    size : int
        The number of samples.
    """

    loss: float
    losses: dict[str, float]
    predictions: dict[str, Array]
    masks: dict[str, Array | None]
    size: int


def start_training(
    model: Network, *, optimizer: Any = "rmsprop", loss: Any, loss_weights: Any = None, metrics: Any = None, seed: int = 0
) -> TrainingState:
    """The state before the first step.

    Parameters
    ----------
    model : Network
        As it was read from a file; its weights are the first ones.
    optimizer : name, function or pair
        ``"adam"``, ``reference.adam_step`` or ``("adam", {"learning_rate": 0.01, "clipnorm": 1.0})``; a learning rate may be a function
        of the number of the update, such as ``functools.partial(reference.cosine_decay, initial_learning_rate=0.1, decay_steps=100)``.
    loss : name, function or pair; for several outputs also a list, or a dict by output name
    loss_weights : number, list or dict, optional
    metrics : list of names, or for several outputs a list of lists or a dict by output name, optional
        ``"accuracy"``, ``"macro_f1"``, any loss; see :mod:`reference.training.metrics`.
    seed : int
        Of all random numbers; not negative.

    A learning rate is rounded to float32, in which Keras keeps it, but for ``floatx="float64"``: where model and inputs are of float64.

    Raises
    ------
    ValueError, TypeError
        If a name or an option is not known, or losses and outputs do not fit.
    NotImplementedError
        If the model has what training does not support (constraints, activity regularizers ...); the sentence names the layer.
    """
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"seed is an int from 0, not {seed!r}")
    return first_state(model, make_plan(model, optimizer, loss, loss_weights, metrics), int(seed))


def first_state(model: Network, plan: Plan, seed: int = 0) -> TrainingState:
    """The state before the first step of a plan."""
    rate = plan.optimizer.options["learning_rate"]
    return TrainingState(plan, model.weights, None, 0, seed, float("nan") if callable(rate) else float(plan.rates(rate)))


def with_weights(model: AnyNetwork, state: TrainingState) -> AnyNetwork:
    """The model with the weights of a state."""
    return model.with_weights(state.weights)


def train_step(
    model: Network, state: TrainingState, x: Any, y: Any, *, sample_weight: Any = None, dropout_masks: Mapping[str, Any] | None = None
) -> tuple[TrainingState, dict[str, float]]:
    """Make one step on one batch.

    Parameters
    ----------
    model : Network
        Its graph is run with the weights of the state.
    state : TrainingState
        From :func:`start_training` or from the step before.
    x : array, or list or dict of arrays
        As :meth:`Model.predict` takes it.
    y : array, or list or dict of arrays
        Labels for every output that has a loss.
    sample_weight : array (samples,), or as `y`, optional
    dropout_masks : mapping of call path to mask, optional
        True where kept, used instead of drawing: an array for Dropout layers; for recurrent ones a pair ``(dropout_mask,
        recurrent_dropout_mask)``, either of which may be None, each of them a pair ``(forward, backward)`` for Bidirectional. The second
        call of a layer ``name`` goes by ``name[1]``, and a layer of a nested model by ``model/name``.

    Returns
    -------
    state, logs : TrainingState, dict
        `logs` holds ``loss``, that of the weights before the step, regularisation included; ``<output>_loss`` where several outputs have
        losses; and the metrics of the batch.

    Raises
    ------
    ValueError
        If something does not fit the model; nothing has changed then.
    """
    samples, shapes = samples_of(state.plan, model.as_inputs(x), y, sample_weight, "the batch")
    metrics = metrics_of(state.plan, samples.targets, shapes)
    state, batch = make_step(model, state, samples, dropout_masks or {})
    logs = {"loss": batch.loss, **batch.losses}
    for key, output, metric in metric_keys(metrics, state.plan):
        logs[key] = metric.result(metric.count(samples.targets[output], batch.predictions[output], batch.masks[output]))
    return state, logs


def make_step(model: Network, state: TrainingState, samples: Samples, masks: Mapping[str, Any]) -> tuple[TrainingState, Batch]:
    """:func:`train_step` for data that has been checked."""
    unused = dict(masks)
    tape = Tape(model.graph, state.plan.acts, _draw(state, masks, unused))
    batch, gradients, of_logits = _run(with_weights(model, state), state, samples, tape)
    if unused:
        raise ValueError(f"dropout_masks: there is no layer {next(iter(unused))!r} that drops anything")
    found: dict[str, list[Gradient | None]] = {}
    tape.backward(gradients, of_logits, found)
    return _moved(state, found, tape.moved), batch


def measure(model: Network, state: TrainingState, samples: Samples) -> Batch:
    """Loss and predictions of a batch with nothing in training; the model has the weights of the state."""
    return _run(model, state, samples, Tape(model.graph, lambda layer: False, lambda path, layer: {}))[0]


def _run(model: Network, state: TrainingState, samples: Samples, tape: Tape) -> tuple[Batch, dict[Any, Array], dict[Any, Array]]:
    """A run that a tape records: its loss, and the gradients of that by the outputs and by the logits of outputs."""
    values, carried = run_graph(model.context, model.graph, samples.inputs, {}, recorder=tape)
    plan = state.plan
    losses: dict[str, float] = {}
    by_value: dict[Any, Array] = {}
    by_logits: dict[Any, Array] = {}
    total = penalty(state.weights, plan.trained)
    for name, objective in plan.objectives.items():
        ref, loss = plan.outputs[name], objective.loss
        logits = tape.logits(ref) if objective.takes_logits else None
        options = dict(loss.options)
        if logits is not None:
            options["from_logits"] = True
        y_pred = values[ref] if logits is None else logits
        options |= {"sample_weight": samples.weights.get(name), "mask": carried.get(ref)}
        value = float(loss.function(samples.targets[name], y_pred, **options))
        losses[f"{plan.titles[name]}_loss"] = value  # of outputs with one title the last, as in Keras
        gradient = objective.backward(samples.targets[name], y_pred, **options)
        into = by_value if logits is None else by_logits
        weighted = gradient if objective.weight == 1 else gradient * gradient.dtype.type(objective.weight)
        into[ref] = into[ref] + weighted if ref in into else weighted
        total += objective.weight * value
    predictions = {name: values[ref] for name, ref in plan.outputs.items()}
    masks = {name: carried.get(ref) for name, ref in plan.outputs.items()}
    return Batch(total, losses if len(plan.objectives) > 1 else {}, predictions, masks, samples.number), by_value, by_logits


def _moved(
    state: TrainingState, found: Mapping[str, list[Gradient | None]], statistics: Mapping[str, tuple[Array, Array]]
) -> TrainingState:
    """The state after the optimizer's step and with new moving statistics."""
    plan = state.plan
    weights = {**state.weights, **{path: [*state.weights[path][:-2], *moved] for path, moved in statistics.items()}}
    variables = [state.weights[weight.path][weight.index] for weight in plan.trained]
    gradients = [
        add_gradients(found[weight.path][weight.index] if weight.path in found else None, penalty_gradient(value, weight))
        for weight, value in zip(plan.trained, variables, strict=True)
    ]
    optimizer = state.optimizer
    if variables:
        # In a training the loss is multiplied by loss_scale_factor, and its gradients are divided by it: nothing is left of it.
        passed = ("learning_rate", "loss_scale_factor")
        options = {name: value for name, value in plan.optimizer.options.items() if name not in passed}
        rate = plan.rates(state.rate())
        variables, optimizer = plan.optimizer.function(variables, gradients, optimizer, learning_rate=rate, **options)
    return replace(state, weights=weights, optimizer=optimizer, step=state.step + 1).with_variables(variables)


def _draw(state: TrainingState, masks: Mapping[str, Any], unused: dict[str, Any]) -> Draw:
    """What decides which values a layer drops: the masks given for its call, else a seed of this call of this step."""

    def options(path: str, layer: Layer) -> dict[str, Any]:
        seed = (state.seed, state.step, zlib.crc32(path.encode()))
        if path not in masks:
            return {"seed": seed}
        unused.pop(path, None)
        if layer.spec.drops:
            return {"dropout_mask": masks[path]}
        dropout_mask, recurrent_dropout_mask = masks[path]
        return {"dropout_mask": dropout_mask, "recurrent_dropout_mask": recurrent_dropout_mask, "seed": seed}

    return options
