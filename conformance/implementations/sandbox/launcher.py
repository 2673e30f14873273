"""A submission in the sandbox, as an implementation like any other, and how it ended."""

from __future__ import annotations

import importlib.util
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from conformance.base.call import Answer, Question
from conformance.base.errors import SandboxError, UnimportableError
from conformance.base.record import ERROR, TIMEOUT
from conformance.implementations.frames import Frame
from conformance.implementations.messages import answer_of, readable
from conformance.implementations.process import BrokenError, ProcessImplementation, T
from conformance.implementations.program import Program
from conformance.implementations.sandbox import ATTEMPTS
from conformance.implementations.sandbox import limits as smallest
from conformance.implementations.sandbox.attempts import MOST
from conformance.implementations.sandbox.finder import NotAllowedError
from conformance.implementations.sandbox.forbidden import ForbiddenCallError
from conformance.implementations.sandbox.limits import MIB, Limits
from conformance.implementations.sandbox.program import LockedProgram, Usage
from conformance.implementations.sandbox.seccomp import MACHINES
from conformance.implementations.sandbox.submission import Copy, copied

OK, UNGRADABLE, REJECTED, TIMED_OUT, CRASHED = ENDINGS = ("ok", "ungradable", "rejected", "timeout", "crash")
"""How a submission can end: well; it cannot be imported, or not without what may not be imported; calls took too long, or ended it."""
UNLIMITED = Limits()
MOST_PARTS = 2000
"""Values and arrays in an answer: comparing very many takes longer than making them."""
SENTENCE_AT_MOST = 300
"""Characters of what is told of an attempt."""
MANY = 6
"""Calls without an answer, of all functions together, after which no function gets a second chance."""


class SandboxImplementation(ProcessImplementation):
    """The functions of a submission in the sandbox. It is copied and started at the first question, and started again after a crash.

    ``usage`` tells what it has used, :attr:`ending` how it has ended. Every question may raise :class:`SandboxError`, which is nobody's
    fault but the system's; nothing of the submission has run then.

    Parameters
    ----------
    spec : str
        A file, or a module that can be found from here, and an attribute of it: ``layers.py``, ``layers.py:by_name``. Nothing beside the
        file can be read, unless `folder` is given: then the file is named as it lies in there, and all of that folder can be.
    limits : Limits
    folder : path, optional
    """

    starts = 2

    @property
    def attempts(self) -> int:
        """How often a function may give no answer: less where many did not already, since each time takes a start as well."""
        return super().attempts if self.usage.timeouts + self.usage.crashes < MANY else 1

    def __init__(self, spec: str, limits: Limits = UNLIMITED, folder: Path | None = None) -> None:
        super().__init__([], spec, limits.call)
        self.limits, self.folder, self.usage = limits, folder, Usage()
        self.starting = limits.start
        self._copy: Copy | None = None
        self._imported = False

    @property
    def ending(self) -> str:
        """How it has ended so far, one of :data:`ENDINGS`; the worst where there are several."""
        try:
            self.has("")
            found = OK
        except UnimportableError as error:
            refused = any(f"{kind.__name__}: " in str(error) for kind in (NotAllowedError, ForbiddenCallError))
            found = REJECTED if refused else UNGRADABLE if "cannot be imported" in str(error) else CRASHED
        return TIMED_OUT if self.usage.timeouts else CRASHED if self.usage.crashes else found

    def attempted(self) -> list[str]:
        """What it tried that is not allowed, as its process remembers, in sentences that may quote it."""
        if self._program is None:
            return []
        told = self._put(Question(ATTEMPTS, ()), answer_of, op=ATTEMPTS).value
        if not isinstance(told, list):
            return []
        return [readable(one[:SENTENCE_AT_MOST]) for one in told if isinstance(one, str)][:MOST]

    def ask(self, question: Question) -> Answer:
        """As that of a process; a call that ends it counts as one that gives no answer, since each start takes its time as well."""
        crashes = self.usage.crashes
        answer = super().ask(question)
        self._timeouts[question.function] += self.usage.crashes > crashes
        return answer

    def has(self, name: str) -> bool:
        """As that of a process; once imported it can always be asked, if only to be told why there is no answer."""
        try:
            found = super().has(name)
        except UnimportableError:
            if not self._imported:
                raise
            return True
        self._imported = True
        return found

    def predictor(self, path: Path) -> Callable[[Any], Any] | None:
        """As that of a process; the model's file is copied to where the submission can read it."""
        if not self.has("load_model") or self._copy is None:
            return None
        return super().predictor(self._copy.add(path))

    def _exchange(self, what: str, message: Frame, read: Callable[[Frame], T], seconds: float) -> T:
        """As that of a process; a reply that is none counts as its end. The time that reading a reply takes is the submission's."""
        silent, began = self.usage.timeouts + self.usage.crashes, time.thread_time()
        try:
            return super()._exchange(what, message, read, seconds)
        except BrokenError:
            self.usage.crashes += self.usage.timeouts + self.usage.crashes == silent
            raise
        finally:
            self.usage.read += time.thread_time() - began

    def _put(self, question: Question, read: Callable[[Frame], Answer], other: Question | None = None, **metadata: str) -> Answer:
        answer = super()._put(question, read, other, **metadata)
        if parts_of(answer.value) > MOST_PARTS:
            return Answer(ERROR, message=f"{question.function} returned more than {MOST_PARTS} values and arrays")
        # An array of which only dtype and shape are told takes no memory until somebody computes with it.
        if size_of(answer.value) <= self.limits.reply:
            return answer
        return Answer(ERROR, message=f"{question.function} returned more than {self.limits.reply // MIB} MiB")

    def close(self) -> None:
        """End the process, and remove the copy of the submission."""
        super().close()
        if self._copy is not None:
            self._copy.remove()
            self._copy = None

    def _launch(self) -> Program:
        if self.usage.left(self.limits) <= 0:
            raise BrokenError(Answer(TIMEOUT, message=f"not asked: the submission has used up its {self.limits.submission:g} s"))
        complaint = unsupported()
        if complaint:
            raise SandboxError(complaint)
        if self._copy is None:
            self._copy = copied(self.spec, self.folder)
        told = {
            "spec": self._copy.spec,
            "folder": str(self._copy.folder),
            "read": self._copy.read,
            "packages": homes(self.limits),
            "forbidden": self.limits.forbidden,
        }
        try:
            return LockedProgram(told, self.limits, self.usage)
        except SandboxError:  # what is missing is missing again; what the system ended, for want of memory, may start now
            return LockedProgram(told, self.limits, self.usage)


def parts_of(value: Any) -> int:
    """How many values and arrays an answer is made of, lists and the like counted as well."""
    if isinstance(value, dict | list | tuple):
        return 1 + sum(map(parts_of, value.values() if isinstance(value, dict) else value))
    return 1


def size_of(value: Any) -> int:
    """Bytes that the arrays of an answer have, or would have if somebody computed with them."""
    if isinstance(value, dict | list | tuple):
        return sum(map(size_of, value.values() if isinstance(value, dict) else value))
    return int(getattr(value, "nbytes", 0))


def sandboxed(spec: str, timeout: float | None = None) -> SandboxImplementation:
    """A file or a module in the sandbox with the usual limits, where a call may compute for `timeout` seconds."""
    return SandboxImplementation(spec, UNLIMITED if timeout is None else replace(UNLIMITED, call=timeout))


def unsupported() -> str | None:
    """Why there can be no sandbox on this system, whatever its kernel; None where there can."""
    if sys.platform == "linux" and platform.machine() in MACHINES:
        return None
    return f"the sandbox is only to be had on Linux, on {' and '.join(MACHINES)}, not on {platform.system()} on {platform.machine()}"


def homes(limits: Limits) -> dict[str, str]:
    """The folders that the allowed packages lie in, by their names; ``SandboxError`` where one is not installed."""
    found = {"numpy": str(Path(np.__file__).resolve().parents[1])}
    for name in limits.packages:
        if name in found or name in limits.forbidden:
            continue
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise SandboxError(f"the package {name}, which submissions may import, is not installed here")
        found[name] = str(Path(spec.origin).parents[1 if spec.submodule_search_locations else 0])
    return found


def locks() -> str:
    """What holds a sandbox here, in words, found out by making one; :class:`SandboxError` where something is missing."""
    implementation = SandboxImplementation(smallest.__file__)  # a file like any other
    try:
        implementation.has("")
        return implementation.usage.locks
    finally:
        implementation.close()
