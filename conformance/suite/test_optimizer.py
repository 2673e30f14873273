"""Optimizers: the variables after each of a few steps."""

from __future__ import annotations

import pytest

from conformance.cases.case import Case
from conformance.checks import optimizer
from conformance.judging.session import CaseRunner
from conformance.plugin import parametrize


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a question."""
    parametrize(metafunc, ("case",), optimizer.cases)


def test_optimizer(case: Case, conform: CaseRunner) -> None:
    optimizer.check(conform, case)
