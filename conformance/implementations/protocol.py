"""What the suite asks of an implementation under test, however that is reached, and which of the ways a name means."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from conformance.base.call import Answer, Question
from conformance.implementations import EXEC, IN_PROCESS, PROCESS, SANDBOX, TIMEOUT, module, process
from conformance.implementations.sandbox.launcher import sandboxed, unsupported


class Implementation(Protocol):
    """A set of functions, found by name."""

    spec: str

    def ask(self, question: Question) -> Answer:
        """Make one call; whatever goes wrong becomes an answer."""

    def refusal(self, question: Question) -> Answer | None:
        """The answer to a question of which it is known beforehand that it cannot be asked; None where it can."""

    def has(self, name: str) -> bool:
        """Whether there is a function of this name; ``UnimportableError`` where that cannot be found out."""

    def names(self) -> dict[str, bool]:
        """The public names of what it defines, and whether each is a class; ``UnimportableError`` where that cannot be found out."""

    def overwrites(self, question: Question, other: Question) -> bool:
        """Whether the answer to `question`, kept, changes while `other` is asked."""

    def predictor(self, path: Path) -> Callable[[Any], Any] | None:
        """How the implementation predicts with a model's file by itself; None where it only has layers."""

    def close(self) -> None:
        """End what was started."""


def implementation_of(spec: str, mode: str = IN_PROCESS, timeout: float | None = None) -> Implementation:
    """The implementation that a name means: ``exec:COMMAND`` is a program, all else Python code, in this process or in one of its own.

    A call to another process may take `timeout` seconds; what the mode has if not given: 60, or in the sandbox 2 of computing.
    """
    if spec.startswith(EXEC):
        return process.program_process(spec, timeout or TIMEOUT)
    if mode == SANDBOX:
        return sandboxed(spec, timeout)
    if mode == PROCESS:
        return process.python_process(spec, timeout or TIMEOUT)
    return module.ModuleImplementation(spec)


def find(spec: str, mode: str = IN_PROCESS) -> str | None:
    """Why an implementation of this name cannot be there, or None. Imports and starts nothing of it."""
    if os.name != "posix" and (mode == PROCESS or spec.startswith(EXEC)):
        return "a process of its own is only to be had on Linux, macOS and other POSIX systems"
    if mode == SANDBOX and not spec.startswith(EXEC):
        # Looking for a part of a package would import the package.
        target, _ = module.split_name(spec)
        return unsupported() or module.find(target if target.endswith(".py") else target.partition(".")[0])
    if mode == SANDBOX:
        return "a program is not put into the sandbox, only Python code"
    return process.find(spec) if spec.startswith(EXEC) else module.find(spec)
