"""Equations between answers of the implementation itself: parts and whole, one layer in terms of another."""

from __future__ import annotations

from typing import Any

from conformance.checks import properties
from conformance.judging.session import CaseRunner


def test_properties(question: tuple[Any, ...], conform: CaseRunner) -> None:
    properties.check(conform, *question)
