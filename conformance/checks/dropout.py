"""Dropout draws its own mask: how often, how large, how independent, and how reproducible. No oracle is asked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from conformance.base.record import CORE, FAILED, PASSED, Record
from conformance.cases.questions import Question
from conformance.judging.session import CaseRunner

RATES = (0.1, 0.5, 0.8)
SHAPE = (100, 40, 15)
# Each check below has a false-alarm rate of at most 1e-6: a normal deviate beyond 4.9 has 9.6e-7, two-sided.
DEVIATES = 4.9


def cases(layers: Sequence[str], profile: str) -> Iterator[tuple[str, tuple[str, str, float]]]:
    """Every subject of these layers, every question, every rate."""
    for subject in (name for name in SUBJECTS if name.split("-")[0] in layers):
        for question in (name for name in QUESTIONS if name not in NOT_ASKED.get(subject, ())):
            yield from ((f"{subject}-{question}-rate={rate}", (subject, question, rate)) for rate in RATES)


def level_of(subject: str, question: str, rate: float) -> str:
    """Core: everything that drops does so."""
    return CORE


def check(runner: CaseRunner, subject: str, question: str, rate: float) -> None:
    """Ask one question about one rate; see :data:`QUESTIONS`."""
    x = np.random.default_rng(runner.seed_of(runner.identifier)).uniform(0.5, 1.5, SHAPE).astype("float32")
    status, message = PASSED, ""
    calls, complaint = QUESTIONS[question]
    answers = [runner.ask(SUBJECTS[subject](x, rate, keywords)) for keywords in calls]
    bad = next((answer for answer in answers if answer.status != PASSED), None)
    if bad is not None:
        status, message = bad.status, bad.message
    else:
        values = [np.asarray(answer.value) for answer in answers]
        wrong = next((y.shape for y in values if y.size != x.size), None)
        message = f"{x.size} values became the shape {wrong}" if wrong else complaint(x, rate, [y.reshape(x.shape) for y in values])
        status = FAILED if message else PASSED
    record = Record(runner.identifier, subject.split("-")[0], "random", status, {"rate": str(rate)}, message=message)
    runner.settle(record, lambda: f"{subject} {question}, rate={rate}: {message}\n  again   {runner.again()}")


def _dropout(x: np.ndarray, rate: float, keywords: dict[str, Any]) -> Any:
    return Question("dropout_forward", (x,), {"rate": rate, **keywords})


def _spatial(name: str, places: tuple[int, ...], x: np.ndarray, rate: float, keywords: dict[str, Any]) -> Any:
    """Places that share a decision where that is asked for; else a place for each value, so that every decision stands alone.

    Where ``data_format`` is given, axis 1 of the values is that of the channels, and the rest are places.
    """
    if "data_format" in keywords:
        return Question(f"{name}_forward", (x.reshape(*x.shape[:2], 3, 5),), {"rate": rate, **keywords})
    shared = "noise_shape" in keywords
    own = {option: value for option, value in keywords.items() if option != "noise_shape"}
    shape = (len(x), *places, x.shape[-1]) if shared else (-1, *(1,) * len(places), x.shape[-1])
    return Question(f"{name}_forward", (x.reshape(shape),), {"rate": rate, **own})


GATES = {
    "lstm": (np.array([10, 10, 0, 10]), 2, 2),
    "gru": (np.array([-10, 10, 0]), 2, 1),
    "simple_rnn": (np.array([0]), 0, 1),
}
"""By cell: biases that open what must be open and close the rest, the place of the candidate, the number of states."""


def _open_cell(cell: str, x: np.ndarray, keywords: dict[str, Any], recurrent: bool) -> Any:
    """A call that hands the input (or the state ``h``) through its dropout unchanged: the gates open, the candidate linear."""
    gates, candidate, states = GATES[cell]
    rows = x.reshape(-1, x.shape[-1])
    units = rows.shape[1]
    through = np.zeros((units, len(gates), units), x.dtype)
    through[:, candidate] = np.eye(units)
    through = through.reshape(units, -1)
    closed = np.zeros_like(through)
    bias = np.repeat(gates.astype(x.dtype), units)
    bias = np.stack([bias, np.zeros_like(bias)]) if cell == "gru" else bias
    common = {"activation": "linear", **({"recurrent_activation": "hard_sigmoid"} if len(gates) > 1 else {}), **keywords}
    if not recurrent:
        return Question(f"{cell}_forward", (rows[:, None, :], through, closed, bias), common)
    state = (rows, np.zeros_like(rows))[:states]
    return Question(f"{cell}_forward", (np.zeros_like(rows)[:, None, :], closed, through, bias), {"initial_state": state, **common})


def _recurrent(cell: str, option: str, x: np.ndarray, rate: float, keywords: dict[str, Any]) -> Any:
    return _open_cell(cell, x, {option: rate, **keywords}, option == "recurrent_dropout")


SUBJECTS: dict[str, Any] = {
    "Dropout": _dropout,
    "SpatialDropout1D": partial(_spatial, "spatial_dropout1d", SHAPE[1:2]),
    "SpatialDropout2D": partial(_spatial, "spatial_dropout2d", (8, 5)),
    **{
        f"{layer}-{option}": partial(_recurrent, cell, option)
        for layer, cell in (("LSTM", "lstm"), ("GRU", "gru"), ("SimpleRNN", "simple_rnn"))
        for option in ("dropout", "recurrent_dropout")
    },
}
"""What drops: calls that give every kept value times ``1 / (1 - rate)``, and zeros."""
NOT_ASKED = {
    **{name: ("inference", "noise_shape", "data_format") for name in SUBJECTS if "-" in name},
    **dict.fromkeys(("Dropout", "SpatialDropout1D"), ("data_format",)),
}


def _share(x: np.ndarray, rate: float, answers: list[np.ndarray]) -> str:
    y = answers[0]
    kept = float(np.mean(y != 0))
    room = DEVIATES * math.sqrt(rate * (1 - rate) / x.size)
    return "" if abs(kept - (1 - rate)) <= room else f"keeps {kept:.4f} of the values, expected {1 - rate:.4f} within {room:.4f}"


def _scale(x: np.ndarray, rate: float, answers: list[np.ndarray]) -> str:
    y = answers[0]
    wanted = x / (1 - rate)
    off = (y != 0) & ~np.isclose(y, wanted, rtol=1e-6, atol=0)
    return f"{int(off.sum())} kept values are not scaled by 1 / (1 - rate) = {1 / (1 - rate):.4g}" if off.any() else ""


def _independent(x: np.ndarray, rate: float, answers: list[np.ndarray]) -> str:
    """Neighbours along every axis are kept together as often as chance has it: no mask shared along an axis, none repeated."""
    y = answers[0]
    kept = (y != 0) - np.mean(y != 0)  # how many are kept is the question of another check
    for axis, name in enumerate(("batch", "axis 1", "axis 2")):
        before, after = (kept.take(range(start, kept.shape[axis] - 1 + start), axis) for start in (0, 1))
        spread = math.sqrt(float(np.mean(before**2) * np.mean(after**2)))
        correlation = float(np.mean(before * after)) / spread if spread else 0.0
        # The product of two independent unit variables has unit variance.
        if abs(correlation) * math.sqrt(before.size) > DEVIATES:
            return f"neighbours along the {name} axis are dropped together (correlation {correlation:.3f}, expected 0)"
    return ""


def _reproducible(x: np.ndarray, rate: float, answers: list[np.ndarray]) -> str:
    first, again, other = answers
    if not np.array_equal(first, again):
        return "the same seed gives two different masks"
    return "two seeds give the same mask" if np.array_equal(first, other) else ""


def _fresh(x: np.ndarray, rate: float, answers: list[np.ndarray]) -> str:
    return "two calls without a seed draw the same mask" if np.array_equal(answers[0], answers[1]) else ""


def _identity(x: np.ndarray, rate: float, answers: list[np.ndarray]) -> str:
    return "" if np.array_equal(answers[0], x) else "changes its input outside training"


def _shared(said: str, axis: int, x: np.ndarray, rate: float, answers: list[np.ndarray]) -> str:
    kept = answers[0] != 0
    if not np.array_equal(kept, np.broadcast_to(kept.take([0], axis), kept.shape)):
        return f"values along {said} are dropped one by one instead of together"
    return "" if 0 < np.mean(kept.take(0, axis)) < 1 else "nothing or everything is dropped"


TRAINING = {"training": True}
QUESTIONS: dict[str, tuple[list[dict[str, Any]], Any]] = {
    "share_kept": ([TRAINING], _share),
    "scale_of_kept": ([TRAINING], _scale),
    "independence": ([TRAINING], _independent),
    "noise_shape": ([{**TRAINING, "noise_shape": (None, 1, None)}], partial(_shared, "axis 1", 1)),
    "data_format": ([{**TRAINING, "data_format": "channels_first"}], partial(_shared, "rows and columns", 2)),
    "seed": ([{**TRAINING, "seed": seed} for seed in (0, 0, 1)], _reproducible),
    "fresh": ([TRAINING, TRAINING], _fresh),
    "inference": ([{}], _identity),
}
"""A question by name: the arguments of the calls that it makes and what is wrong with their answers."""
