"""One training from two sides: Keras's own step, and the reference's, started from the same weights and fed the same noise."""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import reference
from conformance.base.arrays import Array
from conformance.oracle.environment import import_keras
from conformance.studies.experiments.replay import replayed_masks, set_noise
from reference.training.step import start_training, train_step, with_weights

LOSS = "sparse_categorical_crossentropy"


@dataclass(frozen=True)
class Optimizer:
    """A Keras optimizer: its class, its options, and the schedule of its learning rate where that is no number.

    Both sides are made of it by name.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    schedule: str = ""
    schedule_options: Mapping[str, Any] = field(default_factory=dict)

    def keras(self) -> Any:
        """A new optimizer of Keras."""
        optimizers = import_keras().optimizers
        rate = {"learning_rate": getattr(optimizers.schedules, self.schedule)(**self.schedule_options)} if self.schedule else {}
        return getattr(optimizers, self.name)(**self.options, **rate)

    def reference(self) -> tuple[str, dict[str, Any]]:
        """The same as the reference's training takes it."""
        if not self.schedule:
            return self.name, dict(self.options)
        # CosineDecay is cosine_decay.
        function = getattr(reference, re.sub("(?<!^)(?=[A-Z])", "_", self.schedule).lower())
        return self.name, {**self.options, "learning_rate": functools.partial(function, **self.schedule_options)}


class Side(NamedTuple):
    """A training under way.

    Attributes
    ----------
    step : callable (x, y, noise) -> loss
        Trains on a batch; `noise` is what :func:`conformance.studies.experiments.replay.draw_noise` draws.
    predict : callable (x) -> probabilities
    weights : callable () -> list of arrays
        Of the whole model, moving statistics included, in Keras's order.
    """

    step: Callable[[Array, Array, Array], float]
    predict: Callable[[Array], Array]
    weights: Callable[[], list[Array]]


def keras_side(model: Any, optimizer: Optimizer) -> Side:
    """Keras in graph mode; the model itself is trained."""
    model.compile(optimizer=optimizer.keras(), loss=LOSS, jit_compile=False)

    def step(x: Array, y: Array, noise: Array) -> float:
        set_noise(model, noise)
        model.reset_metrics()  # newer Keras does so itself: what comes back is this batch's alone
        return float(model.train_on_batch(x, y))

    return Side(step, lambda x: np.asarray(model.predict_on_batch(x)), model.get_weights)



Plant = Callable[[reference.Model, reference.TrainingState], tuple[reference.Model, reference.TrainingState]]


def numpy_side(
    model: Any, optimizer: Optimizer, dtype: str = "float32", plant: Plant = lambda model, state: (model, state)
) -> Side:
    """The reference, from the weights that the Keras model has now, through its file; what the model drops is asked of it, step by step.

    `plant` may put mistakes into the model and its training.
    """
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        own = reference.load_model(Path(folder) / "model.keras").astype(dtype)
    own, state = plant(own, start_training(own, optimizer=optimizer.reference(), loss=LOSS))

    def step(x: Array, y: Array, noise: Array) -> float:
        nonlocal state
        state, logs = train_step(own, state, x, y, dropout_masks=replayed_masks(model, noise, len(x)))
        return logs["loss"]

    def weights() -> list[Array]:
        return [weight for layer in own.layers for weight in state.weights[layer.name]]

    return Side(step, lambda x: np.asarray(with_weights(own, state).predict(x)), weights)
