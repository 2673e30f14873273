"""Every declared case that has gradients: the backward pass against Keras's automatic differentiation."""

from __future__ import annotations

import pytest

from conformance.cases.case import Case
from conformance.checks import backward
from conformance.judging.session import CaseRunner
from conformance.plugin import parametrize


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a question."""
    parametrize(metafunc, ("case",), backward.cases)


def test_backward(case: Case, conform: CaseRunner) -> None:
    backward.check(conform, case)
