"""Masks that layers make: of ids, of values, of the masks of several inputs."""

from __future__ import annotations

import pytest

from conformance.cases.masks import MaskCase
from conformance.checks import mask
from conformance.judging.session import CaseRunner
from conformance.plugin import parametrize


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a question."""
    parametrize(metafunc, ("case",), mask.cases)


def test_mask(case: MaskCase, conform: CaseRunner) -> None:
    mask.check(conform, case)
