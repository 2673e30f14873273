"""Masks that layers make: of ids, of values, of the masks of several inputs."""

from __future__ import annotations

from typing import Any

from conformance.checks import mask
from conformance.judging.session import CaseRunner


def test_mask(question: tuple[Any, ...], conform: CaseRunner) -> None:
    mask.check(conform, *question)
