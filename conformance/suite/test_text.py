"""TextVectorization: vocabulary, idf weights, ids and counts."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.checks import text
from conformance.judging.session import CaseRunner
from conformance.plugin import parametrize


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a question."""
    parametrize(metafunc, ("kind", "options"), text.cases)


def test_text(kind: str, options: dict[str, Any], conform: CaseRunner) -> None:
    text.check(conform, kind, options)
