"""A row of the tables: one model, one data set and one way of training, as data.

A row states its total of parameters; the trainer refuses to train a model whose total differs, for that is another
model. Seeds vary a row with :func:`dataclasses.replace`. A row is written into its checkpoint's manifest and into the
records of its runs, so a row that changes makes them stale.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from conformance.studies.data.subwords import Subwords

Family = Literal["cnn", "rnn", "lstm"]
SKIP_SCALE = 4.0
FOLDS = 5


@dataclass(frozen=True)
class Recurrent:
    """One recurrent layer: its units, and whether it reads both ways (``Bidirectional``, halves concatenated)."""

    units: int
    bidirectional: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """One trained model.

    Attributes
    ----------
    name : str
        Name of the task on the command line, and of the checkpoint's folder.
    family : {"cnn", "rnn", "lstm"}
        Convolutions, ``SimpleRNN`` layers or ``LSTM`` layers.
    dataset : str
        A name that :func:`conformance.studies.data.datasets.load` knows.
    parameters : int
        Total of the model's parameters; exact, but for a fold, whose vocabulary is another.
    epochs, batch_size, learning_rate, seed
        Of the training; the optimizer is Adam, the loss sparse categorical cross-entropy.
    fold : int or None
        Of :data:`FOLDS` parts of training and validation split, the one that is held out and scored, instead of the test split.
    refit_of : str or None
        The row whose options these are, fitted on training and validation split together, as is done once options are chosen; there is
        no validation split then.
    dropout : float
        Rate of the ``Dropout`` before the last ``Dense``; 0 leaves the layer out.
    schedule : {"constant", "cosine"}
        Of the learning rate: as it is, or down to 0 along half a cosine over all epochs, changed after each.
    patience : int
        Stop after so many epochs without a smaller validation loss, and keep the weights of the best; 0 runs all epochs.
    averaging : float
        Momentum of a running average of the weights, which is what is measured and kept; 0 keeps the weights themselves.
    filters, kernels, pooling, dense
        For "cnn": ``Conv2D(filters, kernels, same, relu)`` and a pooling of 2 by 2 ("max" or "average") for each block,
        then ``Flatten`` and ``Dense(dense, relu)``.
    convolutions : tuple of int
        For "cnn": how many convolutions a block has; one each where it is empty.
    normalization : bool
        For "cnn": a ``BatchNormalization`` between each convolution, which has no bias then, and its relu.
    block_dropout : float
        For "cnn": rate of the ``Dropout`` after each block; 0 leaves it out.
    head : {"dense", "average"}
        For "cnn": ``Flatten`` and ``Dense``, or a ``GlobalAveragePooling2D`` instead of both.
    augment : bool
        For "cnn": training images are mirrored at random and moved by up to 4 pixels each way, zeros moving in.
    stack : tuple of Recurrent
        For "rnn" and "lstm": the recurrent layers; all but the last return sequences.
    embedding, mask
        ``output_dim`` and ``mask_zero`` of the ``Embedding``.
    dropout_between : float
        Rate of the ``Dropout`` between recurrent layers; 0 leaves it out.
    max_tokens, sequence_length
        Of the text vectorization, which stands before the model and outside its archive.
    subwords : Subwords or None
        For "rnn" and "lstm": a word is read as its own id and those of its character n-grams, whose embeddings are averaged, times
        the square root of the slots; ``max_tokens`` does not count then.
    word_dropout : float
        Rate at which whole words are dropped after the embedding, for the recurrent layers and the skip; 0 drops none.
    embedding_dropout : float
        Rate of the ``SpatialDropout1D`` after the embedding; 0 leaves it out.
    pooled : bool
        The last recurrent layer returns sequences too, and the largest value of each unit over time is kept.
    skip : bool
        Beside what the recurrent layers give stands the average of the embeddings over time, times :data:`SKIP_SCALE`.
    ratios : float
        For "rnn" and "lstm": the last ``Dense`` also reads, for each class, the average over all that is read of an embedding that starts
        at the terms' log-count ratios and is trained like the rest, times this number; 0 leaves it out.
    """

    name: str
    family: Family
    dataset: str
    parameters: int
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 0.001
    seed: int = 0
    fold: int | None = None
    refit_of: str | None = None
    dropout: float = 0.5
    schedule: Literal["constant", "cosine"] = "constant"
    patience: int = 0
    averaging: float = 0.0
    filters: tuple[int, ...] = ()
    kernels: tuple[tuple[int, int], ...] = ()
    pooling: Literal["max", "average"] = "max"
    dense: int = 128
    convolutions: tuple[int, ...] = ()
    normalization: bool = False
    block_dropout: float = 0.0
    head: Literal["dense", "average"] = "dense"
    augment: bool = False
    stack: tuple[Recurrent, ...] = ()
    embedding: int = 256
    mask: bool = False
    dropout_between: float = 0.0
    max_tokens: int = 5000
    sequence_length: int = 100
    subwords: Subwords | None = None
    word_dropout: float = 0.0
    embedding_dropout: float = 0.0
    pooled: bool = False
    skip: bool = False
    ratios: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a row that describes no model of its family, or no training."""
        if self.refit_of and (self.patience or self.fold is not None):
            raise ValueError(f"{self.name}: a refit has no validation split, by which training could stop, and no fold to hold out.")
        if self.patience and self.fold is not None:
            raise ValueError(f"{self.name}: a fold is held out to be scored, not to stop the training by it.")
        if self.family == "cnn":
            if not self.filters or len(self.filters) != len(self.kernels):
                raise ValueError(f"{self.name}: a CNN needs as many kernels as filters, and at least one.")
            if self.convolutions and len(self.convolutions) != len(self.filters):
                raise ValueError(f"{self.name}: a CNN needs as many counts of convolutions as filters, or none.")
        elif not self.stack:
            raise ValueError(f"{self.name}: a recurrent model needs a stack of layers.")

    @property
    def variant(self) -> str:
        """Which of the row's trainings this is: its seed, or the fold that is held out."""
        return f"seed-{self.seed}" if self.fold is None else f"fold-{self.fold}"

    @property
    def scored_splits(self) -> tuple[str, ...]:
        """The splits that have no part in the fitting."""
        return ("test",) if self.refit_of else ("valid", "test")

    @property
    def is_text(self) -> bool:
        """Whether the model reads token ids."""
        return self.family != "cnn"

    def to_json(self) -> dict[str, Any]:
        """The fields that describe this row's family, in JSON's types."""
        other = _TEXT_FIELDS if self.family == "cnn" else _IMAGE_FIELDS
        return {key: _json(value) for key, value in asdict(self).items() if key not in other}

    def is_described_by(self, stored: dict[str, Any]) -> bool:
        """Whether a stored description is of this row; a field that it does not know yet must have its default."""
        own = self.to_json()
        defaults = {field.name: _json(field.default) for field in fields(self)}
        return all(own[key] == stored.get(key, defaults[key]) for key in own) and stored.keys() <= own.keys()


_IMAGE_FIELDS = frozenset({"filters", "kernels", "pooling", "dense", "convolutions", "normalization", "block_dropout", "head", "augment"})
_TEXT_FIELDS = frozenset(
    {"stack", "embedding", "mask", "dropout_between", "max_tokens", "sequence_length", "subwords", "word_dropout"}
    | {"embedding_dropout", "pooled", "skip", "ratios"}
)


def _json(value: Any) -> Any:
    return [_json(item) for item in value] if isinstance(value, tuple) else value
