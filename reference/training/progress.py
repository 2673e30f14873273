"""What a training prints: with ``verbose=1`` a line that moves, on a terminal alone; with ``verbose=2`` a line for each epoch."""

from __future__ import annotations

import sys
from collections.abc import Mapping


class Progress:
    """The lines of one training."""

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
