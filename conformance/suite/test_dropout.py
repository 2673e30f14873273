"""Dropout draws its own mask: how often, how large, how independent, and how reproducible."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from conformance.plugin import selected_layers

RATES = (0.1, 0.5, 0.8)
SHAPE = (200, 40, 25)
# Each check below has a false-alarm rate of at most 1e-6: a normal deviate beyond 4.9 has 9.6e-7, two-sided.
DEVIATES = 4.9


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every subject, every question, every rate."""
    subjects = [name for name in SUBJECTS if name.split("-")[0] in selected_layers(metafunc.config)]
    cases = [(name, check, rate) for name in subjects for check in CHECKS for rate in RATES if check not in NOT_ASKED.get(name, ())]
    metafunc.parametrize(("subject", "check", "rate"), cases, ids=[f"{name}-{check}-rate={rate}" for name, check, rate in cases])


def test_dropout(subject: str, check: str, rate: float, conform: Any) -> None:
    from conformance.record import Record
    from conformance.statuses import FAILED, PASSED

    x = np.random.default_rng(conform.seed_of(conform.identifier)).uniform(0.5, 1.5, SHAPE).astype("float32")
    status, message = PASSED, ""
    answers = [conform.ask(SUBJECTS[subject](x, rate, keywords)) for keywords in CHECKS[check][0]]
    bad = next((answer for answer in answers if answer.status != PASSED), None)
    if bad is not None:
        status, message = bad.status, bad.message
    else:
        values = [np.asarray(answer.value) for answer in answers]
        wrong = next((y.shape for y in values if y.size != x.size), None)
        message = f"{x.size} values became the shape {wrong}" if wrong else CHECKS[check][1](x, rate, [y.reshape(x.shape) for y in values])
        status = FAILED if message else PASSED
    record = Record(conform.identifier, subject.split("-")[0], "random", status, {"rate": str(rate)}, message=message)
    conform.settle(record, lambda: f"{subject} {check}, rate={rate}: {message}\n  again   {conform.again}")


def _dropout(x: np.ndarray, rate: float, keywords: dict[str, Any]) -> Any:
    from conformance.contract import Question

    return Question("dropout_forward", (x,), {"rate": rate, **keywords})


def _open_cell(x: np.ndarray, keywords: dict[str, Any], recurrent: bool) -> Any:
    """An LSTM call that hands its input (or its state ``h``) through its dropout unchanged: all gates open, the candidate linear."""
    from conformance.contract import Question

    rows = x.reshape(-1, x.shape[-1])
    units = rows.shape[1]
    through = np.zeros((units, 4, units), x.dtype)
    through[:, 2] = np.eye(units)
    through = through.reshape(units, 4 * units)
    closed = np.zeros_like(through)
    bias = np.repeat(np.array([10, 10, 0, 10], x.dtype), units)
    common = {"activation": "linear", "recurrent_activation": "hard_sigmoid", **keywords}
    if not recurrent:
        return Question("lstm_forward", (rows[:, None, :], through, closed, bias), common)
    state = (rows, np.zeros_like(rows))
    return Question("lstm_forward", (np.zeros_like(rows)[:, None, :], closed, through, bias), {"initial_state": state, **common})


SUBJECTS = {
    "Dropout": _dropout,
    "LSTM-dropout": lambda x, rate, keywords: _open_cell(x, {"dropout": rate, **keywords}, False),
    "LSTM-recurrent_dropout": lambda x, rate, keywords: _open_cell(x, {"recurrent_dropout": rate, **keywords}, True),
}
"""What drops: calls that give every kept value times ``1 / (1 - rate)``, and zeros."""
NOT_ASKED = {"LSTM-dropout": ("inference", "noise_shape"), "LSTM-recurrent_dropout": ("inference", "noise_shape")}


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
    kept = (y != 0) - (1 - rate)
    for axis, name in enumerate(("batch", "axis 1", "axis 2")):
        before, after = (kept.take(range(start, kept.shape[axis] - 1 + start), axis) for start in (0, 1))
        correlation = float(np.mean(before * after)) / (rate * (1 - rate))
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


def _shared(x: np.ndarray, rate: float, answers: list[np.ndarray]) -> str:
    kept = answers[0] != 0
    if not np.array_equal(kept, np.broadcast_to(kept[:, :1], kept.shape)):
        return "noise_shape=(None, 1, None) drops values along axis 1 one by one instead of together"
    return "" if 0 < np.mean(kept[:, 0]) < 1 else "nothing or everything is dropped"


TRAINING = {"training": True}
CHECKS: dict[str, tuple[list[dict[str, Any]], Any]] = {
    "share_kept": ([TRAINING], _share),
    "scale_of_kept": ([TRAINING], _scale),
    "independence": ([TRAINING], _independent),
    "noise_shape": ([{**TRAINING, "noise_shape": (None, 1, None)}], _shared),
    "seed": ([{**TRAINING, "seed": seed} for seed in (0, 0, 1)], _reproducible),
    "fresh": ([TRAINING, TRAINING], _fresh),
    "inference": ([{}], _identity),
}
"""A question by name: the arguments of the calls that it makes and what is wrong with their answers."""
