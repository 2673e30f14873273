"""Every declared case of every layer: the forward pass against Keras."""

from __future__ import annotations

import pytest

from conformance.cases.case import Case
from conformance.checks import forward
from conformance.judging.session import CaseRunner
from conformance.plugin import parametrize


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a question."""
    parametrize(metafunc, ("case",), forward.cases)


def test_forward(case: Case, conform: CaseRunner) -> None:
    forward.check(conform, case)
