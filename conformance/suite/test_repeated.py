"""The same arguments give the same answer, whatever was asked in between."""

from __future__ import annotations

from typing import Any

from conformance.checks import repeated
from conformance.judging.session import CaseRunner


def test_repeated(question: tuple[Any, ...], conform: CaseRunner) -> None:
    repeated.check(conform, *question)
