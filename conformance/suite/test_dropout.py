"""Dropout draws its own mask: how often, how large, how independent, and how reproducible."""

from __future__ import annotations

from typing import Any

from conformance.checks import dropout
from conformance.judging.session import CaseRunner


def test_dropout(question: tuple[Any, ...], conform: CaseRunner) -> None:
    dropout.check(conform, *question)
