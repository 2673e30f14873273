"""A sequence read in two halves, the state of the first given to the second."""

from __future__ import annotations

from typing import Any

from conformance.checks import stateful
from conformance.judging.session import CaseRunner


def test_stateful(question: tuple[Any, ...], conform: CaseRunner) -> None:
    stateful.check(conform, *question)
