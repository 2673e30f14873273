"""TextVectorization: vocabulary, idf weights, ids and counts."""

from __future__ import annotations

from typing import Any

from conformance.checks import text
from conformance.judging.session import CaseRunner


def test_text(question: tuple[Any, ...], conform: CaseRunner) -> None:
    text.check(conform, *question)
