"""Optimizers: the variables after each of a few steps."""

from __future__ import annotations

from typing import Any

from conformance.checks import optimizer
from conformance.judging.session import CaseRunner


def test_optimizer(question: tuple[Any, ...], conform: CaseRunner) -> None:
    optimizer.check(conform, *question)
