"""Training over epochs, as Keras's ``Model.fit`` does it, and evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference.network import Model
from reference.progress import Progress
from reference.shapes import Shape
from reference.training import Batch, TrainingState, make_step, measure, start_training, with_weights
from reference.training_data import class_weights, targets_of, weights_of
from reference.training_metrics import Metric, metric_named
from reference.training_plan import Plan, by_output

Array = NDArray[Any]
Logs = dict[str, float]


class Samples(NamedTuple):
    """Data that has been checked: inputs by name, labels and sample weights by output."""

    inputs: dict[str, Array]
    targets: dict[str, Array]
    weights: dict[str, Array | None]

    @property
    def number(self) -> int:
        """How many samples there are."""
        return len(next(iter(self.inputs.values())))

    def take(self, which: Any) -> Samples:
        """Some of the samples: a slice, or their numbers."""
        weights = {name: None if one is None else one[which] for name, one in self.weights.items()}
        inputs, targets = ({name: one[which] for name, one in part.items()} for part in self[:2])
        return Samples(inputs, targets, weights)


@dataclass
class History:
    """What a training gave.

    Attributes
    ----------
    history : dict of str to list of float
        By Keras's keys (``loss``, ``accuracy``, ``val_loss`` ...), a number for each epoch.
    epoch : list of int
        The epochs, from 0.
    model : Model
        With the weights after the last of them.
    state : TrainingState
        After the last of them.
    """

    history: dict[str, list[float]]
    epoch: list[int]
    model: Model
    state: TrainingState


@dataclass
class Run:
    """A training that is going on: what callbacks see as ``self.training``, and may change.

    Attributes
    ----------
    state : TrainingState
        Of the last step; one in its place goes on from there.
    stop_training : bool
        Set to end the training after this epoch.
    history, epochs : dict of lists, list
        Of the epochs that are finished.
    """

    model: Model
    state: TrainingState
    metrics: dict[str, list[Metric]]
    stop_training: bool = False
    history: dict[str, list[float]] = field(default_factory=dict)
    epochs: list[int] = field(default_factory=list)

    @property
    def directions(self) -> dict[str, bool]:
        """Of every metric by its key: whether more is better."""
        found = {name: metric.grows for name, metric in _keys(self.metrics, self.state.plan)}
        return {"loss": False, **found}

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return self.state.rate()

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if callable(self.state.plan.optimizer.options["learning_rate"]):
            raise ValueError("the learning rate follows a schedule: it cannot be set")
        # Keras keeps it in a float32 variable.
        self.state = replace(self.state, learning_rate=float(np.float32(value)))

    def current_model(self) -> Model:
        """The model with the weights of the last step."""
        return with_weights(self.model, self.state)


def fit(
    model: Model,
    x: Any,
    y: Any,
    *,
    optimizer: Any = "rmsprop",
    loss: Any,
    loss_weights: Any = None,
    metrics: Any = None,
    batch_size: int = 32,
    epochs: int = 1,
    verbose: int = 1,
    callbacks: Sequence[Any] = (),
    validation_split: float = 0.0,
    validation_data: Any = None,
    shuffle: bool = True,
    class_weight: Mapping[int, float] | None = None,
    sample_weight: Any = None,
    initial_epoch: int = 0,
    validation_batch_size: int | None = None,
    validation_freq: int = 1,
    seed: int = 0,
) -> History:
    """Train a model for some epochs, with the names and the meaning of Keras's ``compile`` and ``fit``.

    Parameters
    ----------
    model : Model
        It is not changed; see :meth:`Model.fit` for what is.
    x, y, sample_weight
        As in :func:`reference.train_step`, of all samples.
    optimizer, loss, loss_weights, seed
        As in :func:`reference.start_training`.
    metrics : list of names, or for several outputs a list of lists or a dict by output name
        ``"accuracy"``, ``"macro_f1"``, any loss ...
    batch_size, epochs, initial_epoch : int
        The last batch of an epoch may be smaller. `epochs` counts from epoch 0.
    verbose : 0, 1 or 2
        Nothing, a moving line where the output is a terminal, a line for each epoch.
    callbacks : list of objects
        With any of Keras's hooks (``on_epoch_end(epoch, logs)`` ...); ``training`` of each is the :class:`Run`.
    validation_split : float
        Part of the samples, the last ones before any shuffling, that is not trained on but evaluated after each epoch.
    validation_data : (x, y) or (x, y, sample_weight), optional
    shuffle : bool
        A new order in each epoch, which follows from `seed` and the epoch alone.
    class_weight : dict of class to float, optional
        1 for classes that it does not name; not together with `sample_weight`.
    validation_batch_size, validation_freq : int, optional

    Returns
    -------
    History

    Raises
    ------
    ValueError, TypeError, NotImplementedError
        If something does not fit, before the first step.
    FloatingPointError
        If the loss of a batch, or a weight, is NaN or infinite; the sentence names epoch and batch.
    """
    _check_counts(batch_size, epochs, initial_epoch, validation_batch_size or 1, validation_freq, verbose)
    state = start_training(model, optimizer=optimizer, loss=loss, loss_weights=loss_weights, seed=seed)
    if class_weight is not None and sample_weight is not None:
        raise ValueError("class_weight and sample_weight cannot both be given")
    samples, shapes = checked(model, state.plan, x, y, sample_weight)
    validation = None
    if validation_data is not None:
        validation = _validation(model, state.plan, validation_data)
    elif validation_split:
        samples, validation = _split(samples, validation_split)
    if class_weight is not None:
        weights = class_weights(state.plan, class_weight, samples.targets)
        samples = samples._replace(weights=dict.fromkeys(samples.targets, weights))
    run = Run(model, state, metrics_of(state.plan, metrics, samples, shapes))
    loop = _Loop(run, samples, validation, batch_size, validation_batch_size or batch_size, validation_freq, shuffle, epochs, verbose)
    return loop.run(list(callbacks), initial_epoch)


def fit_in_place(model: Model, x: Any, y: Any, *, callbacks: Sequence[Any] = (), **options: Any) -> History:
    """:func:`fit`, which leaves the weights of every finished epoch in the model itself."""
    history = fit(model, x, y, callbacks=[*callbacks, _Keep(model)], **options)
    return replace(history, model=model)


def evaluate(
    model: Model,
    x: Any,
    y: Any,
    *,
    loss: Any,
    loss_weights: Any = None,
    metrics: Any = None,
    batch_size: int = 32,
    sample_weight: Any = None,
) -> Logs:
    """Loss and metrics of a model, as Keras's ``evaluate(return_dict=True)``; arguments and errors are those of :func:`fit`."""
    _check_counts(batch_size)
    state = start_training(model, loss=loss, loss_weights=loss_weights)
    samples, shapes = checked(model, state.plan, x, y, sample_weight)
    return _evaluated(Run(model, state, metrics_of(state.plan, metrics, samples, shapes)), samples, batch_size)


class _Keep:
    """A callback, the last one, that writes the weights of a training into a model."""

    training: Run

    def __init__(self, model: Model) -> None:
        self.model = model

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.model.context.layers.update(self.training.current_model().context.layers)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.model.context.layers.update(self.training.current_model().context.layers)


@dataclass
class _Loop:
    """The loop over epochs and batches."""

    training: Run
    samples: Samples
    validation: Samples | None
    batch_size: int
    validation_batch_size: int
    validation_freq: int
    shuffle: bool
    epochs: int
    verbose: int

    def run(self, callbacks: list[Any], initial_epoch: int) -> History:
        """Train."""
        training = self.training
        for callback in callbacks:
            callback.training = training
        progress = Progress(self.verbose, self.epochs, math.ceil(self.samples.number / self.batch_size))
        _call(callbacks, "on_train_begin")
        for epoch in range(initial_epoch, self.epochs):
            if training.stop_training:
                break
            _call(callbacks, "on_epoch_begin", epoch)
            logs = self._epoch(epoch, callbacks, progress)
            _require_finite(training.state, epoch)
            if self.validation is not None and (epoch + 1) % self.validation_freq == 0:
                values = _evaluated(training, self.validation, self.validation_batch_size)
                logs |= {f"val_{name}": value for name, value in values.items()}
            _call(callbacks, "on_epoch_end", epoch, logs)
            training.epochs.append(epoch)
            for name, value in logs.items():
                training.history.setdefault(name, []).append(value)
            progress.epoch(epoch, logs)
        training.state = _averaged(training.state)
        _call(callbacks, "on_train_end")
        return History(training.history, training.epochs, training.current_model(), training.state)

    def _epoch(self, epoch: int, callbacks: list[Any], progress: Progress) -> Logs:
        """One epoch: a step for every batch."""
        training = self.training
        totals = _Totals(training)
        told = progress.verbose == 1 or any(hasattr(callback, "on_train_batch_end") for callback in callbacks)
        for number, batch in enumerate(self._batches(epoch)):
            _call(callbacks, "on_train_batch_begin", number)
            training.state, found = make_step(training.model, training.state, *batch, {})
            if not math.isfinite(found.loss):
                raise FloatingPointError(f"the loss is {found.loss} in batch {number + 1} of epoch {epoch + 1}")
            totals.add(found, batch)
            if told:
                logs = totals.logs()
                _call(callbacks, "on_train_batch_end", number, logs)
                if progress.verbose == 1:
                    progress.batch(epoch, number + 1, logs)
            if training.stop_training:
                break
        return totals.logs()

    def _batches(self, epoch: int) -> Iterator[Samples]:
        number = self.samples.number
        order = np.random.default_rng((self.training.state.seed, epoch)).permutation(number) if self.shuffle else None
        for start in range(0, number, self.batch_size):
            rows = slice(start, start + self.batch_size)
            yield self.samples.take(rows if order is None else order[rows])


class _Totals:
    """What the batches of an epoch add up to."""

    def __init__(self, run: Run) -> None:
        self.plan, self.metrics, self.samples = run.state.plan, run.metrics, 0
        self.sums: dict[str, float] = {}
        self.counts: dict[tuple[str, str], Array] = {}

    def add(self, found: Batch, batch: Samples) -> None:
        """Losses count by the size of the batch."""
        self.samples += found.size
        for name, value in {"loss": found.loss, **found.losses}.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * found.size
        for output, metrics in self.metrics.items():
            for metric in metrics:
                counts = metric.count(batch.targets[output], found.predictions[output])
                key = (output, metric.name)
                self.counts[key] = self.counts[key] + counts if key in self.counts else counts

    def logs(self) -> Logs:
        """The numbers so far."""
        losses = {name: value / self.samples for name, value in self.sums.items()}
        return losses | {
            key: metric.result(self.counts[output, metric.name])
            for (output, metrics) in self.metrics.items()
            for key, metric in _keys({output: metrics}, self.plan)
        }


def checked(model: Model, plan: Plan, x: Any, y: Any, sample_weight: Any) -> tuple[Samples, dict[str, Shape]]:
    """The data of a training, and the shapes of the model's outputs; ``ValueError`` where they do not fit, or there are none."""
    inputs, found = model._inputs(x)
    shapes = dict(zip(plan.outputs, found.outputs, strict=True))
    samples = len(next(iter(inputs.values())))
    if not samples:
        raise ValueError("x has no samples")
    for name, value in inputs.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ValueError(f"input {name!r} holds NaN or infinite numbers")
    return Samples(inputs, targets_of(plan, y, shapes, samples), weights_of(plan, sample_weight, shapes, samples)), shapes


def metrics_of(plan: Plan, metrics: Any, samples: Samples, shapes: Mapping[str, Shape]) -> dict[str, list[Metric]]:
    """The metrics of every output that has a loss."""
    if metrics is None:
        return {}
    given = {next(iter(plan.outputs)): metrics} if len(plan.outputs) == 1 and not isinstance(metrics, dict) else metrics
    found: dict[str, list[Metric]] = {}
    for name, some in by_output("metrics", plan.outputs, given).items():
        wanted = some if isinstance(some, list) else [] if some is None else [some]
        if wanted and name not in plan.objectives:
            raise ValueError(f"metrics: the output {name!r} has no loss, and so no labels")
        shape = tuple(size or 1 for size in shapes[name])
        found[name] = [metric_named(one, samples.targets[name], shape) for one in wanted]
    return found


def _keys(metrics: Mapping[str, list[Metric]], plan: Plan) -> Iterator[tuple[str, Metric]]:
    """Metrics by their keys in the history."""
    for output, some in metrics.items():
        for metric in some:
            yield (metric.name if len(plan.outputs) == 1 else f"{output}_{metric.name}"), metric


def _evaluated(run: Run, samples: Samples, batch_size: int) -> Logs:
    totals, model = _Totals(run), run.current_model()
    for start in range(0, samples.number, batch_size):
        batch = samples.take(slice(start, start + batch_size))
        totals.add(measure(model, run.state, *batch), batch)
    return totals.logs()


def _validation(model: Model, plan: Plan, given: Any) -> Samples:
    if not isinstance(given, tuple) or len(given) not in (2, 3):
        raise ValueError("validation_data is a tuple (x, y) or (x, y, sample_weight)")
    try:
        return checked(model, plan, *given, *[None] * (3 - len(given)))[0]
    except ValueError as error:
        raise ValueError(f"validation_data: {error}") from None


def _split(samples: Samples, part: float) -> tuple[Samples, Samples]:
    """The first samples, and the last ones for validation."""
    number = samples.number
    first = math.floor(number * (1 - part)) if 0 < part < 1 else 0
    if not 0 < first < number:
        raise ValueError(f"validation_split={part} of {number} samples leaves none to train or none to validate on")
    return samples.take(slice(first)), samples.take(slice(first, None))


def _require_finite(state: TrainingState, epoch: int) -> None:
    for path, arrays in state.weights.items():
        if not all(np.isfinite(one).all() for one in arrays):
            raise FloatingPointError(f"layer {path!r} has a weight that is NaN or infinite after epoch {epoch + 1}")


def _averaged(state: TrainingState) -> TrainingState:
    """With ``use_ema`` a training leaves the moving averages of the weights."""
    if not state.plan.optimizer.options.get("use_ema") or state.optimizer is None:
        return state
    weights = {path: list(arrays) for path, arrays in state.weights.items()}
    for weight, average in zip(state.plan.trained, state.optimizer["average"], strict=True):
        weights[weight.path][weight.index] = average
    return replace(state, weights=weights)


def _call(callbacks: list[Any], hook: str, *args: Any, **kwargs: Any) -> None:
    for callback in callbacks:
        function = getattr(callback, hook, None)
        if function is not None:
            function(*args, **kwargs)


def _check_counts(batch_size: int, epochs: int = 1, initial_epoch: int = 0, *others: int) -> None:
    named = {"batch_size": (batch_size, 1), "epochs": (epochs, 1), "initial_epoch": (initial_epoch, 0)}
    named |= dict(zip(("validation_batch_size", "validation_freq"), ((one, 1) for one in others), strict=False))
    for name, (value, lowest) in named.items():
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < lowest:
            raise ValueError(f"{name} is an int from {lowest}, not {value!r}")
    if len(others) > 2 and others[2] not in (0, 1, 2):
        raise ValueError(f"verbose is 0, 1 or 2, not {others[2]!r}")
