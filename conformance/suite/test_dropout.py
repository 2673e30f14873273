"""Dropout draws its own mask: how often, how large, how independent, and how reproducible."""

from __future__ import annotations

import pytest

from conformance.checks import dropout
from conformance.judging.session import CaseRunner
from conformance.plugin import parametrize


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a question."""
    parametrize(metafunc, ("subject", "question", "rate"), dropout.cases)


def test_dropout(subject: str, question: str, rate: float, conform: CaseRunner) -> None:
    dropout.check(conform, subject, question, rate)
