"""Every declared case of every layer: the forward pass against Keras."""

from __future__ import annotations

from typing import Any

from conformance.checks import forward
from conformance.judging.session import CaseRunner


def test_forward(question: tuple[Any, ...], conform: CaseRunner) -> None:
    forward.check(conform, *question)
