"""Every declared case that has gradients: the backward pass against Keras's automatic differentiation."""

from __future__ import annotations

from typing import Any

from conformance.checks import backward
from conformance.judging.session import CaseRunner


def test_backward(question: tuple[Any, ...], conform: CaseRunner) -> None:
    backward.check(conform, *question)
