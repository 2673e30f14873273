"""Losses: value and gradient."""

from __future__ import annotations

from typing import Any

from conformance.checks import loss
from conformance.judging.session import CaseRunner


def test_loss(question: tuple[Any, ...], conform: CaseRunner) -> None:
    loss.check(conform, *question)
