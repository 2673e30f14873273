"""The rows of the tables, as data: each is one model, one data set and one way of training.

A row states its total of parameters; the trainer refuses to train a model whose total differs, for that is another
model. Sweeps vary a row with :func:`dataclasses.replace`. A row is written into its checkpoint's manifest, so a row
that changes makes its checkpoint stale.
"""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Family = Literal["cnn", "rnn", "lstm"]


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
        A name that :func:`conformance.experiments.datasets.load` knows.
    parameters : int
        Total of the model's parameters; exact.
    epochs, batch_size, learning_rate, seed
        Of the training; the optimizer is Adam, the loss sparse categorical cross-entropy.
    dropout : float
        Rate of the ``Dropout`` before the last ``Dense``; 0 leaves the layer out.
    filters, kernels, pooling, dense
        For "cnn": ``Conv2D(filters, kernels, same, relu)`` and a pooling of 2 by 2 ("max" or "average") for each block,
        then ``Flatten`` and ``Dense(dense, relu)``.
    stack : tuple of Recurrent
        For "rnn" and "lstm": the recurrent layers; all but the last return sequences.
    embedding, mask
        ``output_dim`` and ``mask_zero`` of the ``Embedding``.
    dropout_between : float
        Rate of the ``Dropout`` between recurrent layers; 0 leaves it out.
    max_tokens, sequence_length
        Of the text vectorization, which stands before the model and outside its archive.
    """

    name: str
    family: Family
    dataset: str
    parameters: int
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 0.001
    seed: int = 0
    dropout: float = 0.5
    filters: tuple[int, ...] = ()
    kernels: tuple[tuple[int, int], ...] = ()
    pooling: Literal["max", "average"] = "max"
    dense: int = 128
    stack: tuple[Recurrent, ...] = ()
    embedding: int = 256
    mask: bool = False
    dropout_between: float = 0.0
    max_tokens: int = 5000
    sequence_length: int = 100

    def __post_init__(self) -> None:
        """Refuse a row that describes no model of its family."""
        if self.family == "cnn":
            if not self.filters or len(self.filters) != len(self.kernels):
                raise ValueError(f"{self.name}: a CNN needs as many kernels as filters, and at least one.")
        elif not self.stack:
            raise ValueError(f"{self.name}: a recurrent model needs a stack of layers.")

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


_IMAGE_FIELDS = frozenset({"filters", "kernels", "pooling", "dense"})
_TEXT_FIELDS = frozenset({"stack", "embedding", "mask", "dropout_between", "max_tokens", "sequence_length"})


def _json(value: Any) -> Any:
    return [_json(item) for item in value] if isinstance(value, tuple) else value


def _cnn(name: str, parameters: int, filters: tuple[int, ...], kernel: int = 3, **other: Any) -> Row:
    kernels = ((kernel, kernel),) * len(filters)
    settings: dict[str, Any] = {"dataset": "cifar10", "batch_size": 64, "kernels": kernels} | other
    return Row(name=name, family="cnn", parameters=parameters, filters=filters, **settings)


def _text(name: str, family: Family, parameters: int, stack: tuple[Recurrent, ...], **other: Any) -> Row:
    return Row(name=name, family=family, parameters=parameters, stack=stack, **({"dataset": "nusax"} | other))


ROWS: tuple[Row, ...] = (
    _cnn("cifar10-cnn-32-64", 545_098, (32, 64)),
    _cnn("cifar10-cnn-32-64-average", 545_098, (32, 64), pooling="average"),
    _text("nusax-rnn-128", "rnn", 775_683, (Recurrent(128),)),
    _text("nusax-rnn-128-mask", "rnn", 775_683, (Recurrent(128),), mask=True),
    _text("nusax-birnn-128", "rnn", 825_347, (Recurrent(128, bidirectional=True),)),
    _text("nusax-birnn-128-mask", "rnn", 825_347, (Recurrent(128, bidirectional=True),), mask=True),
    _text(
        "nusax-rnn-final",
        "rnn",
        825_091,
        (Recurrent(128), Recurrent(64, bidirectional=True), Recurrent(64, bidirectional=True)),
        dropout_between=0.5,
    ),
    _text("nusax-bilstm-64", "lstm", 890_755, (Recurrent(64, bidirectional=True),)),
    _text("nusax-bilstm-64-mask", "lstm", 890_755, (Recurrent(64, bidirectional=True),), mask=True),
    _text("nusax-lstm-128", "lstm", 923_523, (Recurrent(128),)),
    _text("nusax-lstm-128-mask", "lstm", 923_523, (Recurrent(128),), mask=True),
    _text(
        "nusax-lstm-final",
        "lstm",
        1_318_659,
        (Recurrent(128), Recurrent(128), Recurrent(128, bidirectional=True)),
        dropout_between=0.5,
    ),
    _cnn("digits-cnn", 6_058, (8, 16), dataset="digits", dense=64, batch_size=32, dropout=0.25, epochs=20),
    _text(
        "reviews-lstm",
        "lstm",
        54_003,
        (Recurrent(24, bidirectional=True),),
        dataset="reviews",
        embedding=32,
        mask=True,
        sequence_length=32,
        epochs=4,
        batch_size=16,
        learning_rate=0.003,
    ),
)

_BY_NAME = {row.name: row for row in ROWS}
NAMES: tuple[str, ...] = tuple(_BY_NAME)


def find(name: str) -> Row:
    """The row of this name; raises ``KeyError`` with a sentence that names the nearest ones."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    near = difflib.get_close_matches(name, NAMES, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(NAMES)}."
    raise KeyError(f"There is no task {name!r}; {hint}")
