"""A sequence read in two halves, the state of the first given to the second."""

from __future__ import annotations

import pytest

from conformance.cases.stateful import StatefulCase
from conformance.checks import stateful
from conformance.judging.session import CaseRunner
from conformance.plugin import parametrize


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a question."""
    parametrize(metafunc, ("case",), stateful.cases)


def test_stateful(case: StatefulCase, conform: CaseRunner) -> None:
    stateful.check(conform, case)
