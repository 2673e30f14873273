"""Limits of the system, which hold even if nobody watches."""

from __future__ import annotations

import contextlib
import math
import resource
from pathlib import Path

from conformance.implementations.sandbox.limits import MIB


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
