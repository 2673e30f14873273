"""What a sandboxed implementation may use and spend, and the limits of the system that hold even if nobody watches."""

from __future__ import annotations

import contextlib
import math
import resource
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """What an assignment allows.

    Attributes
    ----------
    packages : tuple of str
        Top-level names that may be imported beside the standard library and the submission's own files; NumPy always may.
    forbidden : tuple of str
        Functions that may not be called, as ``np.convolve``, ``numpy.linalg.lstsq`` or ``sliding_window_view``; or packages, which are then
        not among the allowed ones.
    call : float
        Seconds of computing (of all its threads together) that a call may take.
    start : float
        The same for importing the submission.
    idle : float
        Seconds by the clock that each of these may sleep or wait, which is not the same as waiting for a processor.
    submission : float
        Seconds that all calls and imports may compute and wait together; infinite if not given.
    memory : int
        MiB that it may have beyond what Python and NumPy take.
    reply : int
        Bytes that one reply may have.
    """

    packages: tuple[str, ...] = ("numpy",)
    forbidden: tuple[str, ...] = ()
    call: float = 2.0
    start: float = 5.0
    idle: float = 5.0
    submission: float = math.inf
    memory: int = 1024
    reply: int = 64 * MIB


def limit(memory: int, seconds: float) -> None:
    """Limit this process: no bytes to any file, few files, no core dump, so many MiB more than it has, so many seconds of computing."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    room = pages * resource.getpagesize() + memory * MIB
    limits = {"FSIZE": 0, "CORE": 0, "NOFILE": 64, "MEMLOCK": 0, "MSGQUEUE": 0, "AS": room}
    if math.isfinite(seconds):
        limits["CPU"] = math.ceil(seconds) + 1  # the parent stops it before
    for name, most in limits.items():
        _, hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    with contextlib.suppress(OSError):  # where memory runs out all the same, this process is the one to go
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
