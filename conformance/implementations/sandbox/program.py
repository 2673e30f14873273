"""A sandboxed process from outside: started with nothing of this one, asked whether its locks hold, and stopped by what it computes."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from conformance.base.errors import SandboxError
from conformance.base.record import PASSED
from conformance.implementations.frames import Frame, ProtocolError, decode, encode
from conformance.implementations.program import EndedError, Program
from conformance.implementations.sandbox.limits import Limits

ROOT = Path(__file__).resolve().parents[3]
BEGIN = "import sys; sys.path += sys.argv[2:]; from conformance.implementations.sandbox.child import main; main()"
STARTS_WITHIN = 60.0
"""Seconds by the clock for Python and NumPy to start and be locked, which is not the submission's time."""
WALL = 30.0
"""How many times as long as its seconds of computing anything may take by the clock, where nothing else stops it."""
LEAST = 0.05
"""Seconds that a call always has, however much was lost before."""
GLANCE = 0.05
"""Seconds after which it is looked at how far a call is."""
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
ENVIRONMENT = {"LANG": "C.UTF-8", "HOME": "/nonexistent", "PATH": "", "MALLOC_ARENA_MAX": "1", **dict.fromkeys(THREADS, "1")}
KEPT = ("LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""What Python and NumPy may need to run here as they do in this process; no other variable is handed on."""


class Spent(NamedTuple):
    """Seconds that a process has computed, and seconds that it waited, from some moment on."""

    computed: float
    idle: float

    def __sub__(self, before: Spent) -> Spent:
        # The clocks are read one after the other.
        return Spent(self.computed - before.computed, max(0.0, self.idle - before.idle))


@dataclass
class Usage:
    """What a submission has used so far, over all its processes.

    Attributes
    ----------
    computed, idle : float
        Seconds of imports and calls in which it computed, and in which it slept or waited.
    read : float
        Seconds in which its replies were read, outside.
    lost : float
        Seconds of those in which no answer came.
    timeouts, crashes : int
        How often a call or an import took too long, and how often its process ended.
    locks : str
        What holds it, in words; empty before the first start.
    """

    computed: float = 0.0
    idle: float = 0.0
    read: float = 0.0
    lost: float = 0.0
    timeouts: int = 0
    crashes: int = 0
    locks: str = ""

    def left(self, limits: Limits) -> float:
        """Seconds that the submission still has."""
        return limits.submission - self.computed - self.idle - self.read

    def share(self, limits: Limits) -> float:
        """Seconds that a call may take, answer or not, of those that may be lost: half of them, and never nothing."""
        return max(LEAST, (limits.lost - self.lost) / 2)


class LockedProgram(Program):
    """A process in the sandbox, whose deadlines are in seconds that it computes.

    Parameters
    ----------
    told : mapping
        What :mod:`conformance.implementations.sandbox.child` is told, in JSON, but what follows from the other arguments.
    limits : Limits
    usage : Usage
        What the submission has used before; what this process uses is added.

    Raises
    ------
    SandboxError
        If the process cannot be locked. Nothing of the submission was run.
    """

    def __init__(self, told: Mapping[str, Any], limits: Limits, usage: Usage) -> None:
        self._limits, self._usage, self._locked, self._last = limits, usage, False, Spent(0.0, 0.0)
        left = usage.left(limits)
        seconds = left if math.isfinite(left) else "inf"
        homes = list(dict.fromkeys([str(ROOT), told["packages"]["numpy"]]))
        settings = {**told, "homes": homes, "parent": os.getpid(), "memory": limits.memory, "seconds": seconds}
        command = [sys.executable, "-I", "-S", "-B", "-c", BEGIN, json.dumps(settings), *homes]
        try:
            kept = {name: os.environ[name] for name in KEPT if name in os.environ}
            super().__init__(command, ENVIRONMENT | kept, folder=told["folder"], at_most=limits.reply)
        except OSError as error:
            raise SandboxError(f"the sandbox cannot be started: {error}") from None
        # How long it waited for a processor; of a kernel that does not tell, no waiting counts.
        queue = Path(f"/proc/{self._process.pid}/schedstat")
        self._queue = queue.open("rb", buffering=0) if queue.exists() else None
        try:
            usage.locks = self._locks()
            self._locked = True
        except BaseException:
            self.close()
            raise

    def _locks(self) -> str:
        """What the process says of its locks, before the submission can say anything."""
        try:
            reply = decode(super().exchange(encode(Frame({"id": "locks"})), STARTS_WITHIN)).metadata
        except (TimeoutError, EndedError, ProtocolError) as error:
            why = str(error) or f"it gave no sign within {STARTS_WITHIN:g} s"
            raise SandboxError(f"the sandbox cannot be started: {why} {self.last_words()}") from None
        if reply.get("status") != PASSED:
            raise SandboxError(f"the sandbox does not hold here: {reply.get('message', 'it does not say why')}")
        return reply["locks"]

    def exchange(self, request: bytes, seconds: float) -> bytes:
        """As that of any program, for so many seconds of computing; what is used and how it ends is noted."""
        before, answered = self._spent(), False
        try:
            reply = super().exchange(request, seconds)
            answered = True
            return reply
        except TimeoutError as error:
            self._usage.timeouts += 1
            spent = self._spent() - before
            if spent.computed + spent.idle >= self._usage.left(self._limits):
                raise TimeoutError(f"the submission has used up its {self._limits.submission:g} s") from None
            if spent.computed < seconds:
                raise TimeoutError(f"it computed for {spent.computed:.1f} s and waited for {spent.idle:.1f} s") from None
            raise error
        except EndedError:
            self._usage.crashes += 1
            raise
        finally:
            spent = self._spent() - before
            self._usage.computed += spent.computed
            self._usage.idle += spent.idle
            self._usage.lost += 0.0 if answered else spent.computed + spent.idle

    def _clock(self, seconds: float) -> Callable[[], float]:
        if not self._locked:
            return super()._clock(seconds)
        before, by_the_clock = self._spent(), super()._clock(seconds * WALL)
        left = min(self._usage.left(self._limits), self._usage.share(self._limits))

        def remaining() -> float:
            if seconds * WALL - by_the_clock() < GLANCE:  # most calls are done by then
                return GLANCE
            spent = self._spent() - before
            of_all = left - spent.computed - spent.idle
            return min(seconds - spent.computed, self._limits.idle - spent.idle, of_all, by_the_clock())

        return remaining

    def _spent(self) -> Spent:
        """What the process has computed, all its threads together, and how long it waited for anything but a processor."""
        with contextlib.suppress(OSError):  # it is gone
            # The number of a process's clock, as glibc's clock_getcpuclockid makes it.
            computed = time.clock_gettime(~self._process.pid << 3 | 2)
            queued = int(os.pread(self._queue.fileno(), 100, 0).split()[1]) / 1e9 if self._queue else time.monotonic() - computed
            self._last = Spent(computed, time.monotonic() - computed - queued)
        return self._last

    def close(self, *, gently: bool = False) -> None:
        """As that of any program."""
        super().close(gently=gently)
        if self._queue:
            self._queue.close()

    def _started_as(self, command: Sequence[str]) -> Sequence[str]:
        return command  # it asks for its end with this process itself
