"""Cases that Hypothesis draws, layer by layer."""

from __future__ import annotations

from typing import Any

from conformance.checks import drawn
from conformance.judging.session import CaseRunner


def test_drawn(question: tuple[Any, ...], conform: CaseRunner) -> None:
    drawn.check(conform, *question)
