"""The axes of the tables: which rows are compared in which respect, and what the two published studies report for them.

A study's figure (macro-F1 on the test split) stands only on a variation with that study's configuration. The same row may stand on several
axes: it is trained once, and where a study gives one model another figure in each of its tables, :func:`published` has them all.
"""

from __future__ import annotations

from dataclasses import dataclass
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
RNN: tuple[Axis, ...] = (
    Axis(
        "rnn",
        "depth",
        (
            Variation("1 layer", "nusax-birnn-64", a=0.4413, b=0.4920),
            Variation("2 layers", "nusax-birnn-64-64", a=0.3185, b=0.5551),
            Variation("3 layers", "nusax-birnn-64-64-64", a=0.4498, b=0.5571),
        ),
        "64 units each way in every layer.",
    ),
    Axis(
        "rnn",
        "units",
        (
            Variation("32 units", "nusax-birnn-32", a=0.3178, b=0.5640),
            Variation("64 units", "nusax-birnn-64", a=0.3377, b=0.5052),
            Variation("128 units", "nusax-birnn-128", a=0.3561, b=0.4158),
        ),
        "One layer, so many units each way.",
    ),
    Axis(
        "rnn",
        "direction",
        (
            Variation("one way", "nusax-rnn-128", a=0.4420, b=0.3770),
            Variation("both ways", "nusax-birnn-128", a=0.4683, b=0.5701),
        ),
        "128 units, each way where it is both ways.",
        ('Study B calls its 128 units each way "64 + 64"; the total of parameters says which it is.',),
    ),
    Axis(
        "rnn",
        "final model",
        (
            Variation("final model of study B", "nusax-rnn-final", b=0.6105),
            Variation("3 layers of 64 both ways", "nusax-birnn-64-64-64", a=0.4498, b=0.5571),
        ),
        "The final model of study B: 128 units one way, then 64 and 64 both ways, Dropout(0.5) between them.",
    ),
    Axis("rnn", "masking, one way", (Variation("no mask", "nusax-rnn-128"), Variation("mask", "nusax-rnn-128-mask")), "128 units."),
    Axis(
        "rnn",
        "masking, both ways",
        (Variation("no mask", "nusax-birnn-128"), Variation("mask", "nusax-birnn-128-mask")),
        "128 units each way.",
    ),
    Axis(
        "rnn",
        "stack of study A, one way",
        (
            Variation("16-8", "nusax-rnn-16-8"),
            Variation("32-16", "nusax-rnn-32-16"),
            Variation("64-32", "nusax-rnn-64-32"),
        ),
        "Two layers of so many units, one way.",
    ),
    Axis(
        "rnn",
        "stack of study A, both ways",
        (
            Variation("16-8", "nusax-birnn-16-8"),
            Variation("32-16", "nusax-birnn-32-16"),
            Variation("64-32", "nusax-birnn-64-32"),
        ),
        "Two layers of so many units each way.",
    ),
)
LSTM: tuple[Axis, ...] = (
    Axis(
        "lstm",
        "depth",
        (
            Variation("1 layer", "nusax-bilstm-64", a=0.1836, b=0.7505),
            Variation("2 layers", "nusax-bilstm-64-64", a=0.1836, b=0.5604),
            Variation("3 layers", "nusax-bilstm-64-64-64", a=0.1836, b=0.5914),
        ),
        "64 units each way in every layer.",
    ),
    Axis(
        "lstm",
        "units",
        (
            Variation("32 units", "nusax-bilstm-32", a=0.1836, b=0.7407),
            Variation("64 units", "nusax-bilstm-64", a=0.1836, b=0.7408),
            Variation("128 units", "nusax-bilstm-128", a=0.1836, b=0.7186),
        ),
        "One layer, so many units each way.",
    ),
    Axis(
        "lstm",
        "direction",
        (
            Variation("one way", "nusax-lstm-128", a=0.4420, b=0.1827),
            Variation("both ways", "nusax-bilstm-128", a=0.7636, b=0.5941),
        ),
        "128 units, each way where it is both ways.",
        (
            'Study B calls its 128 units each way "64 + 64"; the total of parameters says which it is.',
            "Study A's figure of the LSTM that reads one way, 0.4420, is also its figure of the SimpleRNN that reads one way.",
        ),
    ),
    Axis(
        "lstm",
        "final model",
        (
            Variation("final model of study B", "nusax-lstm-final", b=0.6275),
            Variation("3 layers of 64 both ways", "nusax-bilstm-64-64-64", a=0.1836, b=0.5914),
        ),
        "The final model of study B: 128 and 128 units one way, then 128 both ways, Dropout(0.5) between them.",
    ),
    Axis("lstm", "masking, one way", (Variation("no mask", "nusax-lstm-128"), Variation("mask", "nusax-lstm-128-mask")), "128 units."),
    Axis(
        "lstm",
        "masking, both ways",
        (Variation("no mask", "nusax-bilstm-64"), Variation("mask", "nusax-bilstm-64-mask")),
        "64 units each way.",
    ),
    Axis(
        "lstm",
        "stack of study A, one way",
        (
            Variation("16-8", "nusax-lstm-16-8"),
            Variation("32-16", "nusax-lstm-32-16"),
            Variation("64-32", "nusax-lstm-64-32"),
        ),
        "Two layers of so many units, one way.",
    ),
    Axis(
        "lstm",
        "stack of study A, both ways",
        (
            Variation("16-8", "nusax-bilstm-16-8"),
            Variation("32-16", "nusax-bilstm-32-16"),
            Variation("64-32", "nusax-bilstm-64-32"),
        ),
        "Two layers of so many units each way.",
    ),
)
BEST: tuple[Axis, ...] = (
    Axis(
        "cnn",
        "best model",
        (
            Variation("2 blocks (32-64)", "cifar10-cnn-32-64"),
            Variation("3 blocks (32-64-128)", "cifar10-cnn-32-64-128"),
            Variation("2 blocks, augmented images", "cifar10-cnn-32-64-augmented"),
            Variation("2 blocks, batch normalisation", "cifar10-cnn-32-64-normalized"),
            Variation("best model", "cifar10-cnn-best"),
        ),
        "The best model: blocks of 1, 2 and 2 convolutions of 32, 64 and 128 filters, each with batch normalisation, Dropout(0.2) after "
        "each block, an average over what is left of the image instead of the hidden layer, augmented images (mirrored, moved by up to 4 "
        "pixels), 25 epochs with a learning rate from 0.002 down along a cosine. The others are trained as in the axes above.",
    ),
    Axis(
        "rnn",
        "best model",
        (
            Variation("both ways 128, mask", "nusax-birnn-128-mask"),
            Variation("final model of study B", "nusax-rnn-final"),
            Variation("best model", "nusax-rnn-ratios-refit"),
        ),
        BEST_TEXT.format(80),
    ),
    Axis(
        "rnn",
        "ratios of the best model",
        (
            Variation("no ratios", "nusax-rnn-best-refit"),
            Variation("ratios", "nusax-rnn-ratios-refit"),
        ),
        "The best model, which is fitted on both splits, and the same without the ratios.",
    ),
    Axis(
        "rnn",
        PARTS,
        (
            Variation("whole", "nusax-rnn-ratios"),
            Variation("no ratios", "nusax-rnn-best"),
            Variation("no ratios, no skip", "nusax-rnn-best-without-skip"),
            Variation("no ratios, fitted on both splits", "nusax-rnn-best-refit"),
            Variation("fitted on both splits", "nusax-rnn-ratios-refit"),
        ),
        PARTS_OF_BEST,
    ),
    Axis(
        "lstm",
        "best model",
        (
            Variation("both ways 64", "nusax-bilstm-64"),
            Variation("one way 128, mask", "nusax-lstm-128-mask"),
            Variation("best model", "nusax-lstm-ratios-refit"),
        ),
        BEST_TEXT.format(40),
    ),
    Axis(
        "lstm",
        "ratios of the best model",
        (
            Variation("no ratios", "nusax-lstm-best-refit"),
            Variation("ratios", "nusax-lstm-ratios-refit"),
        ),
        "The best model, which is fitted on both splits, and the same without the ratios.",
    ),
    Axis(
        "lstm",
        PARTS,
        (
            Variation("whole", "nusax-lstm-ratios"),
            Variation("no ratios", "nusax-lstm-best"),
            Variation("no ratios, no skip", "nusax-lstm-best-without-skip"),
            Variation("no ratios, weights not averaged", "nusax-lstm-best-without-averaging"),
            Variation("no ratios, no sub-words", "nusax-lstm-best-without-subwords"),
            Variation("no ratios, no dropout", "nusax-lstm-best-without-dropout"),
            Variation("no ratios, 0.2 of the words dropped, 14 epochs", "nusax-lstm-best-word-dropout"),
            Variation("no ratios, fitted on both splits", "nusax-lstm-best-refit"),
            Variation("fitted on both splits", "nusax-lstm-ratios-refit"),
        ),
        PARTS_OF_BEST,
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
