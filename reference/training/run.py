"""What a training of several epochs works with: the run that callbacks see, the sums of an epoch, the history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic

from reference._arrays import Array
from reference.network.network import AnyNetwork
from reference.training.data import Samples
from reference.training.metrics import Metric, metric_keys
from reference.training.step import Batch, TrainingState

__all__ = ["History"]

Logs = dict[str, float]


@dataclass
class History(Generic[AnyNetwork]):
    """What a training gave.

    Attributes
    ----------
    history : dict of str to list of float
        By Keras's keys (``loss``, ``accuracy``, ``val_loss`` ...), a number for each epoch.
    epoch : list of int
        The epochs, from 0.
    model : Network, of the class that was trained
        With the weights after the last of them.
    state : TrainingState
        After the last of them.
    """

    history: dict[str, list[float]]
    epoch: list[int]
    model: AnyNetwork
    state: TrainingState


@dataclass
class Run(Generic[AnyNetwork]):
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

    model: AnyNetwork
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
        self.state = replace(self.state, learning_rate=float(self.state.plan.rates(value)))

    def set_weights(self, flat: Mapping[str, Array]) -> None:
        """Go on with other weights, by ``path/number``."""
        weights = {path: [flat[f"{path}/{index}"] for index in range(len(arrays))] for path, arrays in self.state.weights.items()}
        self.state = replace(self.state, weights=weights)

    def current_model(self) -> AnyNetwork:
        """The model with the weights of the last step."""
        return self.model.with_weights(self.state.weights)


class Totals:
    """What the batches of an epoch add up to."""

    def __init__(self, run: Run[Any]) -> None:
        self.plan, self.metrics, self.samples, self.batches = run.state.plan, run.metrics, 0, 0
        self.loss = 0.0
        self.sums: dict[str, float] = {}
        self.counts: dict[str, Array] = {}

    def add(self, found: Batch, batch: Samples) -> None:
        """The loss counts by the size of the batch; those of single outputs do not, as in Keras, which does not know it there."""
        self.samples += found.size
        self.batches += 1
        self.loss += found.loss * found.size
        for name, value in found.losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        for key, output, metric in metric_keys(self.metrics, self.plan):
            counts = metric.count(batch.targets[output], found.predictions[output], found.masks[output])
            self.counts[key] = self.counts[key] + counts if key in self.counts else counts

    def logs(self) -> Logs:
        """The numbers so far."""
        losses = {"loss": self.loss / self.samples} | {name: value / self.batches for name, value in self.sums.items()}
        return losses | {key: metric.result(self.counts[key]) for key, _, metric in metric_keys(self.metrics, self.plan)}
