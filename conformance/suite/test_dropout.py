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
    """Every rate, every question."""
    chosen = "Dropout" in selected_layers(metafunc.config)
    cases = [(check, rate) for check in CHECKS for rate in RATES] if chosen else []
    metafunc.parametrize(("check", "rate"), cases, ids=[f"Dropout-{check}-rate={rate}" for check, rate in cases])


def test_dropout(check: str, rate: float, conform: Any) -> None:
    from conformance.record import Record
    from conformance.statuses import FAILED, PASSED

    x = np.random.default_rng(conform.seed_of(conform.identifier)).uniform(0.5, 1.5, SHAPE).astype("float32")
    status, message = PASSED, ""
    answers = [_ask(conform, x, keywords) for keywords in CHECKS[check][0](rate)]
    bad = next((answer for answer in answers if answer.status != PASSED), None)
    if bad is not None:
        status, message = bad.status, bad.message
    else:
        message = CHECKS[check][1](x, rate, [np.asarray(answer.value) for answer in answers]) or ""
        status = FAILED if message else PASSED
    record = Record(conform.identifier, "Dropout", "random", status, {"rate": str(rate)}, message=message)
    conform.settle(record, lambda: f"Dropout {check}, rate={rate}: {message}\n  again   {conform.again}")


def _ask(conform: Any, x: np.ndarray, keywords: dict[str, Any]) -> Any:
    from conformance.contract import Question

    return conform.ask(Question("dropout_forward", (x,), keywords))


def _shape(x: np.ndarray, y: np.ndarray) -> str:
    return "" if y.shape == x.shape else f"the output has the shape {y.shape}, expected {x.shape}"


def _share(x: np.ndarray, rate: float, answers: list[np.ndarray]) -> str:
    y = answers[0]
    if _shape(x, y):
        return _shape(x, y)
    kept = float(np.mean(y != 0))
    room = DEVIATES * math.sqrt(rate * (1 - rate) / x.size)
    return "" if abs(kept - (1 - rate)) <= room else f"keeps {kept:.4f} of the values, expected {1 - rate:.4f} within {room:.4f}"


def _scale(x: np.ndarray, rate: float, answers: list[np.ndarray]) -> str:
    y = answers[0]
    if _shape(x, y):
        return _shape(x, y)
    wanted = x / (1 - rate)
    off = (y != 0) & ~np.isclose(y, wanted, rtol=1e-6, atol=0)
    return f"{int(off.sum())} kept values are not scaled by 1 / (1 - rate) = {1 / (1 - rate):.4g}" if off.any() else ""


def _independent(x: np.ndarray, rate: float, answers: list[np.ndarray]) -> str:
    """Neighbours along every axis are kept together as often as chance has it: no mask shared along an axis, none repeated."""
    y = answers[0]
    if _shape(x, y):
        return _shape(x, y)
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


def _identity(x: np.ndarray, rate: float, answers: list[np.ndarray]) -> str:
    return "" if np.array_equal(answers[0], x) else "changes its input outside training"


TRAINING = {"training": True}
CHECKS: dict[str, tuple[Any, Any]] = {
    "share_kept": (lambda rate: [{"rate": rate, **TRAINING}], _share),
    "scale_of_kept": (lambda rate: [{"rate": rate, **TRAINING}], _scale),
    "independence": (lambda rate: [{"rate": rate, **TRAINING}], _independent),
    "seed": (lambda rate: [{"rate": rate, **TRAINING, "seed": seed} for seed in (1, 1, 2)], _reproducible),
    "inference": (lambda rate: [{"rate": rate}], _identity),
}
"""A question by name: the calls that it makes and what is wrong with their answers."""
