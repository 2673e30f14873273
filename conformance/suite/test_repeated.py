"""The same arguments give the same answer, whatever was asked in between."""

from __future__ import annotations

import pytest

from conformance.checks import repeated
from conformance.judging.session import CaseRunner
from conformance.plugin import parametrize


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a question."""
    parametrize(metafunc, ("layer",), repeated.cases)


def test_repeated(layer: str, conform: CaseRunner) -> None:
    repeated.check(conform, layer)
