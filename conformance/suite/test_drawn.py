"""Cases that Hypothesis draws, layer by layer."""

from __future__ import annotations

import pytest

from conformance.checks import drawn
from conformance.judging.session import CaseRunner
from conformance.plugin import parametrize


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a question."""
    parametrize(metafunc, ("layer", "part"), drawn.cases)


def test_drawn(layer: str, part: str, conform: CaseRunner) -> None:
    drawn.check(conform, layer, part)
