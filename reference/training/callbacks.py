"""What may happen between the epochs of a training: Keras's callbacks, with their names, options and decisions.

A callback is any object with some of the hooks ``on_train_begin()``, ``on_epoch_begin(epoch)``, ``on_train_batch_begin(batch)``,
``on_train_batch_end(batch, logs)``, ``on_epoch_end(epoch, logs)`` and ``on_train_end()``; :func:`reference.fit` sets its ``training``, a
:class:`reference.training.run.Run`. What a callback remembers from one epoch to the next it gives as a dict of numbers, texts and arrays
in ``get_state()`` and takes back in ``set_state(state)``, so that a training that was interrupted goes on with it.
"""

from __future__ import annotations

import csv
import inspect
import io
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reference.saving.files import check_folder, write_json, write_whole
from reference.saving.writer import save_model
from reference.training.checkpoint import flat_weights
from reference.training.run import Logs, Run

__all__ = ["EarlyStopping", "HistoryLog", "LearningRateScheduler", "ModelCheckpoint", "ReduceLROnPlateau"]


@dataclass
class Monitor:
    """A number of the logs and whether it got better: by more than `min_delta`, upwards or downwards."""

    monitor: str
    mode: str
    min_delta: float

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "min", "max"):
            raise ValueError(f"mode is 'auto', 'min' or 'max', not {self.mode!r}")

    def value(self, logs: Logs) -> float | None:
        """The number; None, after a warning that lists the logs, where there is none in this epoch."""
        if self.monitor not in logs:
            warnings.warn(f"monitor={self.monitor!r} is not in the logs; they hold {', '.join(logs)}", stacklevel=4)
        return logs.get(self.monitor)

    def improves(self, training: Run[Any], value: float, reference: float | None) -> bool:
        """Whether a value is better than another one; anything is better than None."""
        if reference is None:
            return True
        grows = self.mode == "max"
        if self.mode == "auto":
            name = self.monitor.removeprefix("val_")
            if name not in training.directions:
                raise ValueError(f"monitor={self.monitor!r}: mode='auto' does not know whether more is better; give 'min' or 'max'")
            grows = training.directions[name]
        return value - abs(self.min_delta) > reference if grows else value + abs(self.min_delta) < reference


class Remembering:
    """A callback that goes on after an interruption with the values of these attributes of its own."""

    training: Run[Any]
    remembered: tuple[str, ...] = ("best",)

    def get_state(self) -> dict[str, Any]:
        """What the next epoch needs."""
        return {name: getattr(self, name) for name in self.remembered}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`get_state` gave."""
        for name in self.remembered:
            setattr(self, name, state[name])


class EarlyStopping(Remembering):
    """End a training whose monitored value has not improved for `patience` epochs. Source: keras.callbacks.EarlyStopping.

    Parameters
    ----------
    monitor : str
    min_delta : float
        Smaller changes are no improvement.
    patience : int
    mode : 'auto', 'min' or 'max'
    baseline : float, optional
        Epochs that are not better than this count as none, even where they are the best so far.
    restore_best_weights : bool
        At the end the weights of the best epoch come back.
    start_from_epoch : int
        Epochs before it are not looked at.
    """

    remembered = ("wait", "stopped_epoch", "best_epoch", "best")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        self.monitor = Monitor(monitor, mode, min_delta)
        self.patience, self.baseline = patience, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.on_train_begin()

    def on_train_begin(self) -> None:
        """Forget what an earlier training left."""
        self.wait, self.stopped_epoch, self.best_epoch = 0, 0, 0
        self.best: float | None = None
        self.best_weights: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Compare, and decide."""
        if epoch < self.start_from_epoch:
            return
        current = self.monitor.value(logs)
        if current is None:
            return
        if not self.best_weights:
            self._remember(epoch)
        self.wait += 1
        if self.monitor.improves(self.training, current, self.best):
            self.best = current
            self._remember(epoch)
            # Only what beats the baseline as well starts the wait again.
            if self.baseline is None or self.monitor.improves(self.training, current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.training.stop_training = True

    def on_train_end(self) -> None:
        """Bring the best weights back."""
        if self.restore_best_weights and self.best_weights:
            self.training.set_weights(self.best_weights)

    def get_state(self) -> dict[str, Any]:
        """What the next epoch needs."""
        return super().get_state() | {f"weights/{name}": value for name, value in self.best_weights.items()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`get_state` gave."""
        super().set_state(state)
        self.best_weights = {name.removeprefix("weights/"): value for name, value in state.items() if name.startswith("weights/")}

    def _remember(self, epoch: int) -> None:
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = flat_weights(self.training.state.weights)


class ReduceLROnPlateau(Remembering):
    """Multiply the learning rate by `factor` where the monitored value has not improved for `patience` epochs.

    Source: keras.callbacks.ReduceLROnPlateau.

    Parameters
    ----------
    monitor, mode, min_delta
        As in :class:`EarlyStopping`.
    factor : float below 1
    patience : int
    cooldown : int
        How many epochs after a reduction do not count.
    min_lr : float
        The rate goes no lower.
    """

    remembered = ("wait", "cooldown_counter", "best")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        if factor >= 1:
            raise ValueError(f"factor is below 1, not {factor}")
        self.monitor = Monitor(monitor, mode, min_delta)
        self.factor, self.patience, self.cooldown, self.min_lr = factor, patience, cooldown, min_lr
        self.on_train_begin()

    def on_train_begin(self) -> None:
        """Forget what an earlier training left."""
        self.wait, self.cooldown_counter = 0, 0
        self.best: float | None = None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Compare, and decide."""
        rate = logs["learning_rate"] = self.training.learning_rate
        current = self.monitor.value(logs)
        if current is None:
            return
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.monitor.improves(self.training, current, self.best):
            self.best, self.wait = current, 0
        elif not self.cooldown_counter:
            self.wait += 1
            if self.wait >= self.patience and rate > np.float32(self.min_lr):
                self.training.learning_rate = max(rate * self.factor, self.min_lr)
                self.cooldown_counter, self.wait = self.cooldown, 0


class LearningRateScheduler:
    """Before each epoch the learning rate becomes ``schedule(epoch, rate)``, or ``schedule(epoch)`` where that takes one argument.

    Source: keras.callbacks.LearningRateScheduler.
    """

    training: Run[Any]

    def __init__(self, schedule: Callable[..., float]) -> None:
        self.schedule = schedule

    def on_epoch_begin(self, epoch: int) -> None:
        """Set it."""
        try:
            given = inspect.signature(self.schedule).bind(epoch, self.training.learning_rate).args
        except TypeError:
            given = (epoch,)
        rate = self.schedule(*given)
        if not isinstance(rate, float | np.floating) or not math.isfinite(rate):
            raise ValueError(f"the schedule gives a finite float, not {rate!r} for epoch {epoch}")
        self.training.learning_rate = float(rate)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Tell it."""
        logs["learning_rate"] = self.training.learning_rate


class ModelCheckpoint(Remembering):
    """Save the model after each epoch, or with `save_best_only` after each that is the best so far.

    Source: keras.callbacks.ModelCheckpoint.

    Parameters
    ----------
    filepath : path
        May name ``{epoch}`` and whatever the logs hold, ``"{epoch:02d}-{val_loss:.2f}.json"``; its ending says the form of the file.
    monitor, mode
        As in :class:`EarlyStopping`.
    """

    def __init__(
        self, filepath: str | os.PathLike[str], monitor: str = "val_loss", save_best_only: bool = False, mode: str = "auto"
    ) -> None:
        self.filepath, self.save_best_only = os.fspath(filepath), save_best_only
        self.monitor = Monitor(monitor, mode, 0)
        self.on_train_begin()

    def on_train_begin(self) -> None:
        """Forget what an earlier training left; ``ValueError`` if the folder is missing."""
        if "{" not in os.path.dirname(self.filepath):
            check_folder("ModelCheckpoint", self.filepath)
        self.best: float | None = None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Save."""
        if self.save_best_only:
            current = self.monitor.value(logs)
            if current is None or not self.monitor.improves(self.training, current, self.best):
                return
            self.best = current
        try:
            path = self.filepath.format(epoch=epoch + 1, **logs)
        except KeyError as error:
            raise ValueError(f"filepath={self.filepath!r} names {error}; the logs hold {', '.join(logs)}") from None
        save_model(self.training.current_model(), path)


class HistoryLog(Remembering):
    """Write the logs of all epochs into a file after each of them: a table for ``.csv`` (keras.callbacks.CSVLogger), else a JSON list.

    The file is written whole each time, so that an interrupted training leaves no half of a line and no epoch twice.
    """

    remembered = ("rows",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.on_train_begin()

    def on_train_begin(self) -> None:
        """Begin a new file; ``ValueError`` if its folder is missing."""
        check_folder("HistoryLog", self.path)
        self.rows: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write."""
        self.rows.append({"epoch": epoch, **logs})
        if self.path.suffix != ".csv":
            # JSON has no NaN.
            finite = [{name: value if math.isfinite(value) else None for name, value in row.items()} for row in self.rows]
            write_json(self.path, finite)
            return
        table = io.StringIO()
        names = sorted({name for row in self.rows for name in row} - {"epoch"})
        writer = csv.DictWriter(table, ["epoch", *names], restval="NA", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_whole(self.path, table.getvalue().encode())
