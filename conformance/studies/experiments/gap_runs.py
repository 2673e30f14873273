"""The trainings that take apart why a from-scratch training scored below Keras: every cell is a model, an optimizer and a way of training.

Study B trained one recurrent model with Keras and Adam, and a smaller one with its own code and SGD at 0.001. Three things differ at once.
Here each of them changes alone: both models, both optimizers, Keras and the reference, and the reference with one mistake in its gradients.
All cells of a seed start from the same weights (of their model) and see the same samples and the same dropout in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from conformance.studies.experiments.gap_faults import FAULTS
from conformance.studies.experiments.grid import find
from conformance.studies.experiments.row import Recurrent, Row

KERAS, NUMPY = "keras", "numpy"
STUDY, SCRATCH = "study", "scratch"
FAMILIES = ("rnn", "lstm")
RATE = 0.001
OPTIMIZERS = ("adam", "sgd")
"""Both with the learning rate 0.001."""
SEEDS = range(5)
SCRATCH_ROWS = {
    "rnn": Row(
        name="nusax-rnn-scratch",
        family="rnn",
        dataset="nusax",
        parameters=818_691,
        stack=(Recurrent(128), Recurrent(128), Recurrent(32, bidirectional=True)),
        dropout_between=0.5,
    ),
    "lstm": Row(
        name="nusax-lstm-scratch",
        family="lstm",
        dataset="nusax",
        parameters=931_779,
        stack=(Recurrent(64, bidirectional=True), Recurrent(32, bidirectional=True)),
        dropout_between=0.5,
    ),
}
"""The layers that study B wrote from scratch; embedding and dropout are those of its Keras models, of which it says nothing else."""


@dataclass(frozen=True)
class GapRun:
    """One training.

    Attributes
    ----------
    seed : int
    family : {"rnn", "lstm"}
    model : {"study", "scratch"}
        The layers of the study's Keras model, or of its from-scratch one.
    optimizer : {"adam", "sgd"}
    side : {"keras", "numpy"}
    fault : str
        The name of a mistake in the gradients (of the NumPy side), or nothing.
    """

    seed: int
    family: str
    model: str
    optimizer: str
    side: str
    fault: str = ""

    @property
    def row(self) -> Row:
        """The model that is trained."""
        return SCRATCH_ROWS[self.family] if self.model == SCRATCH else find(f"nusax-{self.family}-final")

    @property
    def name(self) -> str:
        """Also that of its file."""
        return "-".join(part for part in (f"seed{self.seed}", self.family, self.model, self.optimizer, self.side, self.fault) if part)

    def to_json(self) -> dict[str, Any]:
        """What identifies the run."""
        return asdict(self)


def runs(seeds: Sequence[int] = SEEDS, sides: Sequence[str] = (KERAS, NUMPY)) -> Iterator[GapRun]:
    """All runs, seed by seed, so that an unfinished study is complete for its first seeds; mistakes with Adam come after all others."""
    for seed in seeds:
        yield from (GapRun(seed, *cell) for cell in product(FAMILIES, (STUDY, SCRATCH), OPTIMIZERS, sides))
        if NUMPY in sides:
            yield from _mistakes(seed, "sgd")
    if NUMPY in sides:
        for seed in seeds:
            yield from _mistakes(seed, "adam")


def _mistakes(seed: int, optimizer: str) -> Iterator[GapRun]:
    return (GapRun(seed, family, SCRATCH, optimizer, NUMPY, fault) for family in FAMILIES for fault in FAULTS)
