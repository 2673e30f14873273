"""What a sandboxed implementation may use and spend."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
    lost : float
        Seconds that all calls which give no answer may take together: each may take half of what is left of them at most, so that endless
        loops in all functions cost little more than one, and what answers is asked all the same. Infinite if not given.
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
    lost: float = math.inf
    memory: int = 1024
    reply: int = 64 * MIB
