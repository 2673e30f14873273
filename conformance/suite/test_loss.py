"""Losses: value and gradient."""

from __future__ import annotations

import pytest

from conformance.cases.case import Case
from conformance.checks import loss
from conformance.judging.session import CaseRunner
from conformance.plugin import parametrize


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a question."""
    parametrize(metafunc, ("part", "case"), loss.cases)


def test_loss(part: str, case: Case, conform: CaseRunner) -> None:
    loss.check(conform, part, case)
