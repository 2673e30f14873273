"""The declared rows: every model of the studies' grids, the best one of each family, and the two embedded tasks."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Any

from conformance.studies.data.subwords import Subwords
from conformance.studies.experiments.row import Family, Recurrent, Row


def _cnn(name: str, parameters: int, filters: tuple[int, ...], kernel: int = 3, **other: Any) -> Row:
    settings: dict[str, Any] = {"dataset": "cifar10", "batch_size": 64, "kernels": ((kernel, kernel),) * len(filters)} | other
    return Row(name=name, family="cnn", parameters=parameters, filters=filters, **settings)


def _text(name: str, family: Family, parameters: int, stack: tuple[Recurrent, ...], **other: Any) -> Row:
    return Row(name=name, family=family, parameters=parameters, stack=stack, **({"dataset": "nusax"} | other))


def _refit(row: Row, parameters: int) -> Row:
    """A row fitted on training and validation split together; more texts have a larger vocabulary."""
    return replace(row, name=f"{row.name}-refit", refit_of=row.name, parameters=parameters)


def _both_ways(*units: int) -> tuple[Recurrent, ...]:
    return tuple(Recurrent(number, bidirectional=True) for number in units)


def _one_way(*units: int) -> tuple[Recurrent, ...]:
    return tuple(Recurrent(number) for number in units)


CNN: tuple[Row, ...] = (
    _cnn("cifar10-cnn-32-64", 545_098, (32, 64)),
    _cnn("cifar10-cnn-32-64-average", 545_098, (32, 64), pooling="average"),
    _cnn("cifar10-cnn-32", 1_050_890, (32,)),
    _cnn("cifar10-cnn-32-64-128", 356_810, (32, 64, 128)),
    _cnn("cifar10-cnn-32-64-128-256", 520_906, (32, 64, 128, 256)),
    _cnn("cifar10-cnn-16-32", 268_650, (16, 32)),
    _cnn("cifar10-cnn-64-128", 1_125_642, (64, 128)),
    _cnn("cifar10-cnn-32-64-5x5", 579_402, (32, 64), 5),
    _cnn("cifar10-cnn-32-64-7x7-3x3", 548_938, (32, 64), kernels=((7, 7), (3, 3))),
    _cnn("cifar10-cnn-32-64-3x3-5x5", 577_866, (32, 64), kernels=((3, 3), (5, 5))),
)
RNN: tuple[Row, ...] = (
    _text("nusax-rnn-128", "rnn", 775_683, _one_way(128)),
    _text("nusax-rnn-128-mask", "rnn", 775_683, _one_way(128), mask=True),
    _text("nusax-birnn-128", "rnn", 825_347, _both_ways(128)),
    _text("nusax-birnn-128-mask", "rnn", 825_347, _both_ways(128), mask=True),
    _text("nusax-rnn-final", "rnn", 825_091, _one_way(128) + _both_ways(64, 64), dropout_between=0.5),
    _text("nusax-birnn-64", "rnn", 767_491, _both_ways(64)),
    _text("nusax-birnn-64-64", "rnn", 792_195, _both_ways(64, 64)),
    _text("nusax-birnn-64-64-64", "rnn", 816_899, _both_ways(64, 64, 64)),
    _text("nusax-birnn-32", "rnn", 744_707, _both_ways(32)),
)
LSTM: tuple[Row, ...] = (
    _text("nusax-bilstm-64", "lstm", 890_755, _both_ways(64)),
    _text("nusax-bilstm-64-mask", "lstm", 890_755, _both_ways(64), mask=True),
    _text("nusax-lstm-128", "lstm", 923_523, _one_way(128)),
    _text("nusax-lstm-128-mask", "lstm", 923_523, _one_way(128), mask=True),
    _text("nusax-lstm-final", "lstm", 1_318_659, _one_way(128, 128) + _both_ways(128), dropout_between=0.5),
    _text("nusax-bilstm-64-64", "lstm", 989_571, _both_ways(64, 64)),
    _text("nusax-bilstm-64-64-64", "lstm", 1_088_387, _both_ways(64, 64, 64)),
    _text("nusax-bilstm-32", "lstm", 800_195, _both_ways(32)),
    _text("nusax-bilstm-128", "lstm", 1_121_027, _both_ways(128)),
)
BEST_TEXT: dict[str, Any] = {
    "embedding": 64,
    "subwords": Subwords(shortest=3, longest=5, slots=20),
    "sequence_length": 48,
    "embedding_dropout": 0.4,
    "pooled": True,
    "skip": True,
    "dropout": 0.6,
    "learning_rate": 0.002,
    "averaging": 0.98,
    "batch_size": 16,
    "epochs": 12,
}
"""Chosen by cross-validation on training and validation split."""
BEST_RNN = _text("nusax-rnn-best", "rnn", 835_843, _both_ways(32), **BEST_TEXT)
BEST_LSTM = _text("nusax-lstm-best", "lstm", 854_467, _both_ways(32), **BEST_TEXT)
RATIOS_RNN = _text("nusax-rnn-ratios", "rnn", 874_723, _both_ways(32), **BEST_TEXT | {"ratios": 80.0})
RATIOS_LSTM = _text("nusax-lstm-ratios", "lstm", 893_347, _both_ways(32), **BEST_TEXT | {"ratios": 40.0})
NO_DROPOUT = {"embedding_dropout": 0.0, "dropout": 0.0}
BEST: tuple[Row, ...] = (
    _cnn(
        "cifar10-cnn-best",
        280_298,
        (32, 64, 128),
        convolutions=(1, 2, 2),
        normalization=True,
        block_dropout=0.2,
        head="average",
        dropout=0.3,
        augment=True,
        schedule="cosine",
        learning_rate=0.002,
        epochs=25,
    ),
    _refit(RATIOS_RNN, 961_086),
    _refit(RATIOS_LSTM, 979_710),
)
EMBEDDED: tuple[Row, ...] = (
    _cnn("digits-cnn", 6_058, (8, 16), dataset="digits", dense=64, batch_size=32, dropout=0.25, epochs=20),
    _text(
        "reviews-lstm",
        "lstm",
        54_003,
        _both_ways(24),
        dataset="reviews",
        embedding=32,
        mask=True,
        sequence_length=32,
        epochs=4,
        batch_size=16,
        learning_rate=0.003,
    ),
)
ROWS: tuple[Row, ...] = CNN + RNN + LSTM + BEST + EMBEDDED
"""The rows that have a checkpoint."""

UNKEPT: tuple[Row, ...] = (
    _cnn("cifar10-cnn-32-64-2x2", 534_378, (32, 64), 2),
    _cnn("cifar10-cnn-32-64-4x4", 560_106, (32, 64), 4),
    _cnn("cifar10-cnn-64-64", 564_426, (64, 64)),
    _cnn("cifar10-cnn-128-128", 1_201_162, (128, 128)),
    _text("nusax-birnn-16-8", "rnn", 735_459, _both_ways(16, 8)),
    _text("nusax-birnn-32-16", "rnn", 747_203, _both_ways(32, 16)),
    _text("nusax-birnn-64-32", "rnn", 777_603, _both_ways(64, 32)),
    _text("nusax-rnn-16-8", "rnn", 730_611, _one_way(16, 8)),
    _text("nusax-rnn-32-16", "rnn", 736_099, _one_way(32, 16)),
    _text("nusax-rnn-64-32", "rnn", 749_763, _one_way(64, 32)),
    _text("nusax-bilstm-16-8", "lstm", 763_635, _both_ways(16, 8)),
    _text("nusax-bilstm-32-16", "lstm", 810_467, _both_ways(32, 16)),
    _text("nusax-bilstm-64-32", "lstm", 931_779, _both_ways(64, 32)),
    _text("nusax-lstm-16-8", "lstm", 744_315, _one_way(16, 8)),
    _text("nusax-lstm-32-16", "lstm", 766_195, _one_way(32, 16)),
    _text("nusax-lstm-64-32", "lstm", 820_707, _one_way(64, 32)),
    _cnn("cifar10-cnn-32-64-augmented", 545_098, (32, 64), augment=True),
    _cnn("cifar10-cnn-32-64-normalized", 545_386, (32, 64), normalization=True),
    BEST_RNN,
    BEST_LSTM,
    _refit(BEST_RNN, 918_339),
    _refit(BEST_LSTM, 936_963),
    RATIOS_RNN,
    RATIOS_LSTM,
    _text("nusax-rnn-best-without-skip", "rnn", 835_651, _both_ways(32), **BEST_TEXT | {"skip": False}),
    _text("nusax-lstm-best-without-skip", "lstm", 854_275, _both_ways(32), **BEST_TEXT | {"skip": False}),
    _text("nusax-lstm-best-without-averaging", "lstm", 854_467, _both_ways(32), **BEST_TEXT | {"averaging": 0.0}),
    _text("nusax-lstm-best-without-subwords", "lstm", 206_723, _both_ways(32), **BEST_TEXT | {"subwords": None}),
    _text("nusax-lstm-best-word-dropout", "lstm", 854_467, _both_ways(32), **BEST_TEXT | {"word_dropout": 0.2, "epochs": 14}),
    _text("nusax-lstm-best-without-dropout", "lstm", 854_467, _both_ways(32), **BEST_TEXT | NO_DROPOUT),
)
"""Study A's variations, and the best models with one thing added or left out: their runs are recorded, their weights are not kept."""

_CHOSEN = BEST_RNN, BEST_LSTM, RATIOS_RNN, RATIOS_LSTM
TUNED: frozenset[str] = frozenset(name for row in _CHOSEN for name in (row.name, f"{row.name}-refit"))
"""The rows whose options were chosen by cross-validation."""
NAMES: tuple[str, ...] = tuple(row.name for row in ROWS)
SEEDS = {"cifar10": 1, "nusax": 5, "digits": 1, "reviews": 1}
"""With how many seeds a row of this data set is trained."""
ALL: tuple[str, ...] = tuple(row.name for row in ROWS + UNKEPT)
_BY_NAME = {row.name: row for row in ROWS + UNKEPT}


def find(name: str) -> Row:
    """The row of this name; raises ``KeyError`` with a sentence that names the nearest ones."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    near = difflib.get_close_matches(name, _BY_NAME, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(_BY_NAME)}."
    raise KeyError(f"There is no task {name!r}; {hint}")
