"""Equations between answers of the implementation itself: parts and whole, one layer in terms of another, gradients and slopes."""

from __future__ import annotations

import pytest

from conformance.cases.case import Case
from conformance.checks import properties
from conformance.judging.session import CaseRunner
from conformance.plugin import parametrize
from conformance.properties.property import Property


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a question."""
    parametrize(metafunc, ("one",), properties.cases)


def test_properties(one: Property | Case, conform: CaseRunner) -> None:
    properties.check(conform, one)
