"""Training over epochs, as Keras's ``Model.fit`` does it, and evaluation."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic

import numpy as np

from reference.network.network import AnyNetwork, Network
from reference.saving.files import check_folder
from reference.training.checkpoint import description, load_checkpoint, save_checkpoint
from reference.training.compile import make_plan
from reference.training.data import Samples, checked, checked_validation, class_weights, split
from reference.training.metrics import metrics_of
from reference.training.run import History, Logs, Run, Totals
from reference.training.step import TrainingState, first_state, make_step, measure, start_training

__all__ = ["evaluate", "fit"]

HOOKS = ("on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_epoch_end", "on_train_end")


def fit(
    model: AnyNetwork,
    x: Any,
    y: Any,
    *,
    optimizer: Any = "rmsprop",
    loss: Any,
    loss_weights: Any = None,
    metrics: Any = None,
    batch_size: int | None = 32,
    epochs: int = 1,
    verbose: int | str = 1,
    callbacks: Any = (),
    validation_split: float = 0.0,
    validation_data: Any = None,
    shuffle: bool = True,
    class_weight: Mapping[int, float] | None = None,
    sample_weight: Any = None,
    initial_epoch: int = 0,
    validation_batch_size: int | None = None,
    validation_freq: int = 1,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
) -> History[AnyNetwork]:
    """Train a model for some epochs, with the names and the meaning of Keras's ``compile`` and ``fit``.

    Parameters
    ----------
    model : Network
        It is not changed; see :meth:`Model.fit` for what is.
    x, y, sample_weight
        As in :func:`reference.train_step`, of all samples.
    optimizer, loss, loss_weights, metrics, seed
        As in :func:`reference.start_training`.
    batch_size, epochs, initial_epoch : int
        The last batch of an epoch may be smaller; None is 32. `epochs` counts from epoch 0.
    verbose : 0, 1, 2 or 'auto'
        Nothing, a moving line where the output is a terminal (as 'auto'), a line for each epoch.
    callbacks : object or list of objects, optional
        With any of Keras's hooks (``on_epoch_end(epoch, logs)`` ...); ``training`` of each is the :class:`Run`.
    validation_split : float
        Part of the samples, the last ones before any shuffling, that is not trained on but evaluated after each epoch.
    validation_data : (x, y) or (x, y, sample_weight), optional
    shuffle : bool
        A new order in each epoch, which follows from `seed` and the epoch alone.
    class_weight : dict of class to float, optional
        1 for classes that it does not name; not together with `sample_weight`.
    validation_batch_size, validation_freq : int, optional
    checkpoint : path, optional
        A file (``.npz``) that holds the whole training after each epoch. Where it is there, the training goes on from it: whatever
        interrupted it, it ends with the same bits as one that was not interrupted. See :mod:`reference.training.checkpoint`.

    Returns
    -------
    History

    Raises
    ------
    ValueError, TypeError, NotImplementedError
        If something does not fit, before the first step.
    CheckpointError
        If `checkpoint` is damaged or that of another training (a ``ValueError``).
    FloatingPointError
        If the loss of a batch, or a weight, is NaN or infinite; the sentence names epoch and batch.
    """
    batch_size, verbose = 32 if batch_size is None else batch_size, 1 if verbose == "auto" else verbose
    validation_batch_size = batch_size if validation_batch_size is None else validation_batch_size
    _check_counts(batch_size=batch_size, epochs=epochs, initial_epoch=initial_epoch)
    _check_counts(validation_batch_size=validation_batch_size, validation_freq=validation_freq)
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose is 0, 1, 2 or 'auto', not {verbose!r}")
    hooked = _callbacks(callbacks)
    if checkpoint is not None:
        check_folder("checkpoint", checkpoint)
    state = start_training(model, optimizer=optimizer, loss=loss, loss_weights=loss_weights, metrics=metrics, seed=seed)
    if class_weight is not None and sample_weight is not None:
        raise ValueError("class_weight and sample_weight cannot both be given")
    samples, shapes = checked(model, state.plan, x, y, sample_weight)
    validation = None
    if validation_data is not None:
        validation = checked_validation(model, state.plan, validation_data)
    elif validation_split:
        samples, validation = split(samples, validation_split)
    if class_weight is not None:
        weights = class_weights(state.plan, class_weight, samples.targets, shapes)
        samples = samples._replace(weights=dict.fromkeys(samples.targets, weights))
    run = Run(model, state, metrics_of(state.plan, samples.targets, shapes))
    sizes = (batch_size, validation_batch_size, validation_freq)
    loop = _Loop(run, samples, validation, *sizes, shuffle, epochs, verbose, None if checkpoint is None else Path(checkpoint))
    return loop.run(hooked, initial_epoch)


def fit_in_place(model: AnyNetwork, x: Any, y: Any, *, callbacks: Any = (), **options: Any) -> History[AnyNetwork]:
    """:func:`fit`, which leaves the weights of every finished epoch in the model itself."""
    history = fit(model, x, y, callbacks=[*_callbacks(callbacks), _Keep(model)], **options)
    return replace(history, model=model)


def evaluate(
    model: Network,
    x: Any,
    y: Any,
    *,
    loss: Any = None,
    loss_weights: Any = None,
    metrics: Any = None,
    batch_size: int = 32,
    sample_weight: Any = None,
) -> Logs:
    """Loss and metrics of a model, as Keras's ``evaluate(return_dict=True)``; arguments and errors are those of :func:`fit`.

    As in Keras metrics alone are not enough: ``ValueError`` without a loss.
    """
    _check_counts(batch_size=batch_size)
    state = first_state(model, make_plan(model, "sgd", loss, loss_weights, metrics, training=False))
    samples, shapes = checked(model, state.plan, x, y, sample_weight)
    return _evaluated(Run(model, state, metrics_of(state.plan, samples.targets, shapes)), samples, batch_size)


class _Keep:
    """A callback, the last one, that writes the weights of a training into a model."""

    training: Run[Any]

    def __init__(self, model: Network) -> None:
        self.model = model

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.on_train_end()

    def on_train_end(self) -> None:
        self.model.context.layers.update(self.training.current_model().context.layers)


@dataclass
class _Loop(Generic[AnyNetwork]):
    """The loop over epochs and batches."""

    training: Run[AnyNetwork]
    samples: Samples
    validation: Samples | None
    batch_size: int
    validation_batch_size: int
    validation_freq: int
    shuffle: bool
    epochs: int
    verbose: int
    checkpoint: Path | None

    def run(self, callbacks: list[Any], initial_epoch: int) -> History[AnyNetwork]:
        """Train."""
        training = self.training
        for callback in callbacks:
            callback.training = training
        progress = _Progress(self.verbose, self.epochs, math.ceil(self.samples.number / self.batch_size))
        _call(callbacks, "on_train_begin")
        about = description(training, self.samples, self.validation, self.batch_size, self.shuffle) if self.checkpoint else {}
        if self.checkpoint is not None and self.checkpoint.exists():
            load_checkpoint(self.checkpoint, training, callbacks, about)
            initial_epoch = max([initial_epoch, *(epoch + 1 for epoch in training.epochs)])
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
            if self.checkpoint is not None:
                save_checkpoint(self.checkpoint, training, callbacks, about)
            progress.epoch(epoch, logs)
        training.state = _averaged(training.state)
        _call(callbacks, "on_train_end")
        return History(training.history, training.epochs, training.current_model(), training.state)

    def _epoch(self, epoch: int, callbacks: list[Any], progress: _Progress) -> Logs:
        """One epoch: a step for every batch."""
        training = self.training
        totals = Totals(training)
        told = progress.verbose == 1 or any(hasattr(callback, "on_train_batch_end") for callback in callbacks)
        for number, batch in enumerate(self._batches(epoch)):
            _call(callbacks, "on_train_batch_begin", number)
            training.state, found = make_step(training.model, training.state, batch, {})
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


class _Progress:
    """What a training prints: with ``verbose=1`` a line that moves, on a terminal alone; with ``verbose=2`` a line for each epoch."""

    def __init__(self, verbose: int, epochs: int, batches: int) -> None:
        self.verbose = verbose if verbose != 1 or sys.stdout.isatty() else 0
        self.epochs, self.batches, self.width = epochs, batches, 0

    def batch(self, epoch: int, number: int, logs: Mapping[str, float]) -> None:
        """After a batch, counted from 1."""
        self._show(epoch, number, logs, end="")

    def epoch(self, epoch: int, logs: Mapping[str, float]) -> None:
        """After an epoch."""
        if self.verbose == 1:
            self._show(epoch, self.batches, logs, end="\n")
        elif self.verbose == 2:
            print(f"Epoch {epoch + 1}/{self.epochs}  {_listed(logs)}", flush=True)

    def _show(self, epoch: int, number: int, logs: Mapping[str, float], end: str) -> None:
        line = f"Epoch {epoch + 1}/{self.epochs}  {number}/{self.batches}  {_listed(logs)}"
        # What a longer line before has left is overwritten.
        print("\r" + line.ljust(self.width), end=end, flush=True)
        self.width = 0 if end else len(line)


def _listed(logs: Mapping[str, float]) -> str:
    return " - ".join(f"{name} {value:.4g}" for name, value in logs.items())


def _evaluated(run: Run[Any], samples: Samples, batch_size: int) -> Logs:
    totals, model = Totals(run), run.current_model()
    for start in range(0, samples.number, batch_size):
        batch = samples.take(slice(start, start + batch_size))
        totals.add(measure(model, run.state, batch), batch)
    return totals.logs()


def _require_finite(state: TrainingState, epoch: int) -> None:
    for path, arrays in state.weights.items():
        if not all(np.isfinite(one).all() for one in arrays):
            raise FloatingPointError(f"layer {path!r} has a weight that is NaN or infinite after epoch {epoch + 1}")


def _averaged(state: TrainingState) -> TrainingState:
    """With ``use_ema`` a training leaves the moving averages of the weights."""
    if not state.plan.optimizer.options.get("use_ema") or state.optimizer is None:
        return state
    return state.with_variables(state.optimizer["average"])


def _callbacks(given: Any) -> list[Any]:
    """The callbacks as a list; ``TypeError`` for what is none."""
    found = list(given) if isinstance(given, list | tuple) else [] if given is None else [given]
    for one in found:
        if isinstance(one, type | str) or not any(hasattr(one, hook) for hook in HOOKS):
            raise TypeError(f"a callback is an object with one of the hooks {', '.join(HOOKS)}, not {one!r}")
    return found


def _call(callbacks: list[Any], hook: str, *args: Any, **kwargs: Any) -> None:
    for callback in callbacks:
        function = getattr(callback, hook, None)
        if function is not None:
            function(*args, **kwargs)


def _check_counts(**counts: int) -> None:
    for name, value in counts.items():
        lowest = 0 if name == "initial_epoch" else 1
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < lowest:
            raise ValueError(f"{name} is an int from {lowest}, not {value!r}")
