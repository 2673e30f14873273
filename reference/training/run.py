"""What a training of several epochs works with: checked data, the run that callbacks see, the sums of an epoch, the history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference.layers.shapes import Shape
from reference.models import Model
from reference.training.compile import Plan
from reference.training.data import targets_of, weights_of
from reference.training.metrics import Metric, metric_keys
from reference.training.step import Batch, TrainingState, with_weights

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
        found = {name: metric.grows for name, _, metric in metric_keys(self.metrics, self.state.plan)}
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

    def set_weights(self, flat: Mapping[str, Array]) -> None:
        """Go on with other weights, by ``path/number``."""
        weights = {path: [flat[f"{path}/{index}"] for index in range(len(arrays))] for path, arrays in self.state.weights.items()}
        self.state = replace(self.state, weights=weights)

    def current_model(self) -> Model:
        """The model with the weights of the last step."""
        return with_weights(self.model, self.state)


class Totals:
    """What the batches of an epoch add up to."""

    def __init__(self, run: Run) -> None:
        self.plan, self.metrics, self.samples = run.state.plan, run.metrics, 0
        self.sums: dict[str, float] = {}
        self.counts: dict[str, Array] = {}

    def add(self, found: Batch, batch: Samples) -> None:
        """Losses count by the size of the batch."""
        self.samples += found.size
        for name, value in {"loss": found.loss, **found.losses}.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * found.size
        for key, output, metric in metric_keys(self.metrics, self.plan):
            counts = metric.count(batch.targets[output], found.predictions[output], found.masks[output])
            self.counts[key] = self.counts[key] + counts if key in self.counts else counts

    def logs(self) -> Logs:
        """The numbers so far."""
        losses = {name: value / self.samples for name, value in self.sums.items()}
        return losses | {key: metric.result(self.counts[key]) for key, _, metric in metric_keys(self.metrics, self.plan)}


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
