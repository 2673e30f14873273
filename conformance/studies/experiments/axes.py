"""The axes of the tables: which rows are compared in which respect, and what the two published studies report for them.

A study's figure (macro-F1 on the test split) stands only on a variation with that study's configuration. The same row may stand on several
axes: it is trained once, and where a study gives one model another figure in each of its tables, :func:`published` has them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from conformance.studies.experiments.row import Family

Study = Literal["a", "b"]


@dataclass(frozen=True)
class Variation:
    """One row in an axis.

    Attributes
    ----------
    label : str
        What is varied, in a few words.
    row : str
        Name of a row of :mod:`conformance.studies.experiments.grid`.
    a, b : float or None
        Macro-F1 that study A or B reports for it in its table of this axis.
    """

    label: str
    row: str
    a: float | None = None
    b: float | None = None


@dataclass(frozen=True)
class Axis:
    """The variations of one choice, in order.

    Attributes
    ----------
    family, name
    variations : tuple of Variation
    held : str
        What all of them share and the family's other axes do not.
    remarks : tuple of str
        Sentences about what was published.
    """

    family: Family
    name: str
    variations: tuple[Variation, ...]
    held: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        """Family and name for the name of a file."""
        words = "".join(letter if letter.isalnum() else " " for letter in self.name)
        return "_".join([self.family, *words.split()])


Figures = tuple[float | None, float | None]
"""What study A and study B report for one variation."""


def _axis(
    family: Family, name: str, held: str, rows: Mapping[str, str], figures: Sequence[Figures] = (), remarks: Sequence[str] = ()
) -> Axis:
    """An axis of rows by their labels; the figures are in the same order, none for the rows behind them."""
    pairs = zip_longest(rows.items(), figures, fillvalue=(None, None))
    return Axis(family, name, tuple(Variation(*row, *own) for row, own in pairs), held, tuple(remarks))


def _recurrent(
    family: Family,
    depth: Sequence[Figures],
    units: Sequence[Figures],
    direction: Sequence[Figures],
    final: tuple[float, str],
    masked: int,
    remark: str = "",
) -> tuple[Axis, ...]:
    """The axes that the studies have for both families of recurrent layers.

    Parameters
    ----------
    depth, units, direction : sequences of figures
    final : float, str
        Macro-F1 of study B's final model, and what it consists of.
    masked : int
        The units each way of the row that has a mask.
    remark : str
        About the direction.
    """
    one, both = f"nusax-{family}", f"nusax-bi{family}"
    deep = f"{both}-64-64-64"
    layers = {"1 layer": f"{both}-64", "2 layers": f"{both}-64-64", "3 layers": deep}
    ways = {"one way": f"{one}-128", "both ways": f"{both}-128"}
    stacks = ("16-8", "32-16", "64-32")
    return (
        _axis(family, "depth", "64 units each way in every layer.", layers, depth),
        _axis(family, "units", "One layer, so many units each way.", {f"{n} units": f"{both}-{n}" for n in (32, 64, 128)}, units),
        _axis(family, "direction", "128 units, each way where it is both ways.", ways, direction, [TOTALS, remark] if remark else [TOTALS]),
        _axis(
            family,
            "final model",
            f"The final model of study B: {final[1]}, Dropout(0.5) between them.",
            {"final model of study B": f"{one}-final", "3 layers of 64 both ways": deep},
            [(None, final[0]), depth[-1]],
        ),
        _masks(family, "one way", f"{one}-128", "128 units."),
        _masks(family, "both ways", f"{both}-{masked}", f"{masked} units each way."),
        _axis(family, "stack of study A, one way", "Two layers of so many units, one way.", {n: f"{one}-{n}" for n in stacks}),
        _axis(family, "stack of study A, both ways", "Two layers of so many units each way.", {n: f"{both}-{n}" for n in stacks}),
    )


def _masks(family: Family, way: str, row: str, held: str) -> Axis:
    return _axis(family, f"masking, {way}", held, {"no mask": row, "mask": f"{row}-mask"})


def _ratios(family: Family) -> Axis:
    rows = {"no ratios": f"nusax-{family}-best-refit", "ratios": f"nusax-{family}-ratios-refit"}
    held = "The best model, which is fitted on both splits, and the same without the ratios."
    return _axis(family, "ratios of the best model", held, rows)


def _parts(family: Family, others: Mapping[str, str]) -> Axis:
    """The parts of the best model; `others` are those that this family alone leaves out or adds, by their labels."""
    best, ratios = f"nusax-{family}-best", f"nusax-{family}-ratios"
    rows = {"whole": ratios, "no ratios": best, "no ratios, no skip": f"{best}-without-skip"}
    rows |= {f"no ratios, {label}": f"{best}-{row}" for label, row in others.items()}
    rows |= {"no ratios, fitted on both splits": f"{best}-refit", "fitted on both splits": f"{ratios}-refit"}
    return _axis(family, PARTS, PARTS_OF_BEST, rows)


BEST_TEXT = (
    "The best model reads 48 words, each as 20 ids: its own and those of its first character n-grams (3 to 5 letters); empty places are "
    "ids of the padding. It averages their embeddings (64 numbers), drops 0.4 of these numbers for all words alike, reads both ways with "
    "32 units each, keeps the largest value of each unit over time, sets the average of all 48 places beside it (the skip, times 4), and "
    "drops 0.6. Beside that the last layer reads the ratios: for each class the average over all ids of a second embedding (times {}), "
    "which starts at the logarithm of how much more frequent a term is in the training texts of the class than in the others, and is "
    "trained on (Wang and Manning 2012). Adam 0.002, batches of 16; a running average of the weights (0.98) is what is measured. Its "
    "options and its 12 epochs were chosen by cross-validation on training and validation split, and in the end it is fitted on both "
    "splits; then there is no validation split left, and its curves are missing."
)
TOTALS = 'Study B calls its 128 units each way "64 + 64"; the total of parameters says which it is.'
PARTS = "parts of the best model"
PARTS_OF_BEST = (
    "The best model fitted on the training split alone; without the ratios, and then without one part more or with one added; fitted on "
    "both splits."
)
CNN: tuple[Axis, ...] = (
    Axis(
        "cnn",
        "depth",
        (
            Variation("1 block (32)", "cifar10-cnn-32", b=0.5655),
            Variation("2 blocks (32-64)", "cifar10-cnn-32-64", b=0.6965),
            Variation("3 blocks (32-64-128)", "cifar10-cnn-32-64-128", b=0.7143),
            Variation("4 blocks (32-64-128-256)", "cifar10-cnn-32-64-128-256"),
        ),
        remarks=("The best of study A's depths scored 0.6718; with which filters is not known, so it stands on no row.",),
    ),
    Axis(
        "cnn",
        "filters",
        (
            Variation("16-32", "cifar10-cnn-16-32", b=0.6728),
            Variation("32-64", "cifar10-cnn-32-64", b=0.6965),
            Variation("64-128", "cifar10-cnn-64-128", b=0.7065),
            Variation("64-64", "cifar10-cnn-64-64", a=0.6878),
            Variation("128-128", "cifar10-cnn-128-128", a=0.6967),
        ),
        remarks=(
            'What study A calls "64 filters" and "128 filters" is taken as every block having so many. '
            "Its 256 filters (0.7009) are not trained here: an epoch of it takes minutes.",
        ),
    ),
    Axis(
        "cnn",
        "kernel",
        (
            Variation("2×2", "cifar10-cnn-32-64-2x2", a=0.6936),
            Variation("3×3", "cifar10-cnn-32-64", a=0.6779, b=0.6965),
            Variation("4×4", "cifar10-cnn-32-64-4x4", a=0.6419),
            Variation("5×5", "cifar10-cnn-32-64-5x5", b=0.6897),
            Variation("7×7 then 3×3", "cifar10-cnn-32-64-7x7-3x3", b=0.6627),
            Variation("3×3 then 5×5", "cifar10-cnn-32-64-3x3-5x5"),
        ),
    ),
    Axis(
        "cnn",
        "pooling",
        (
            Variation("max", "cifar10-cnn-32-64", a=0.7205, b=0.6965),
            Variation("average", "cifar10-cnn-32-64-average", a=0.7121, b=0.6826),
        ),
    ),
)
RNN = _recurrent(
    "rnn",
    depth=[(0.4413, 0.4920), (0.3185, 0.5551), (0.4498, 0.5571)],
    units=[(0.3178, 0.5640), (0.3377, 0.5052), (0.3561, 0.4158)],
    direction=[(0.4420, 0.3770), (0.4683, 0.5701)],
    final=(0.6105, "128 units one way, then 64 and 64 both ways"),
    masked=128,
)
LSTM = _recurrent(
    "lstm",
    depth=[(0.1836, 0.7505), (0.1836, 0.5604), (0.1836, 0.5914)],
    units=[(0.1836, 0.7407), (0.1836, 0.7408), (0.1836, 0.7186)],
    direction=[(0.4420, 0.1827), (0.7636, 0.5941)],
    final=(0.6275, "128 and 128 units one way, then 128 both ways"),
    masked=64,
    remark="Study A's figure of the LSTM that reads one way, 0.4420, is also its figure of the SimpleRNN that reads one way.",
)
BEST = (
    _axis(
        "cnn",
        "best model",
        "The best model: blocks of 1, 2 and 2 convolutions of 32, 64 and 128 filters, each with batch normalisation, Dropout(0.2) after "
        "each block, an average over what is left of the image instead of the hidden layer, augmented images (mirrored, moved by up to 4 "
        "pixels), 25 epochs with a learning rate from 0.002 down along a cosine. The others are trained as in the axes above.",
        {
            "2 blocks (32-64)": "cifar10-cnn-32-64",
            "3 blocks (32-64-128)": "cifar10-cnn-32-64-128",
            "2 blocks, augmented images": "cifar10-cnn-32-64-augmented",
            "2 blocks, batch normalisation": "cifar10-cnn-32-64-normalized",
            "best model": "cifar10-cnn-best",
        },
    ),
    _axis(
        "rnn",
        "best model",
        BEST_TEXT.format(80),
        {
            "both ways 128, mask": "nusax-birnn-128-mask",
            "final model of study B": "nusax-rnn-final",
            "best model": "nusax-rnn-ratios-refit",
        },
    ),
    _ratios("rnn"),
    _parts("rnn", {}),
    _axis(
        "lstm",
        "best model",
        BEST_TEXT.format(40),
        {"both ways 64": "nusax-bilstm-64", "one way 128, mask": "nusax-lstm-128-mask", "best model": "nusax-lstm-ratios-refit"},
    ),
    _ratios("lstm"),
    _parts(
        "lstm",
        {
            "weights not averaged": "without-averaging",
            "no sub-words": "without-subwords",
            "no dropout": "without-dropout",
            "0.2 of the words dropped, 14 epochs": "word-dropout",
        },
    ),
)
AXES: tuple[Axis, ...] = CNN + RNN + LSTM + BEST

STUDY_B_TEST: dict[str, tuple[float, float]] = {
    "cifar10-cnn-32": (0.5727, 1.2411),
    "cifar10-cnn-32-64": (0.6968, 0.8760),
    "cifar10-cnn-32-64-128": (0.7177, 0.8765),
    "cifar10-cnn-16-32": (0.6737, 0.9423),
    "cifar10-cnn-64-128": (0.7098, 0.8824),
    "cifar10-cnn-32-64-5x5": (0.6905, 0.9138),
    "cifar10-cnn-32-64-7x7-3x3": (0.6644, 0.9994),
    "cifar10-cnn-32-64-average": (0.6889, 0.9054),
}
"""Accuracy and loss on the test split that study B reports beside macro-F1; of CNNs alone."""


def published(row: str, study: Study) -> list[float]:
    """Every figure that a study reports for the row, in the order of the axes, each once."""
    found = [getattr(variation, study) for axis in AXES for variation in axis.variations if variation.row == row]
    return list(dict.fromkeys(figure for figure in found if figure is not None))
