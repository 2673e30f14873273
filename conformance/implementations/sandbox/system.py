"""System calls that Python has no function for, by their numbers."""

from __future__ import annotations

import ctypes
import functools
import os
from typing import Any


@functools.cache
def _library() -> Any:
    """The C library of this process."""
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    return library


def call(number: int, *arguments: Any) -> int:
    """The result of a system call; ``OSError`` where it fails."""
    given = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = int(_library().syscall(ctypes.c_long(number), *given))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def control(option: int, *values: int) -> None:
    """``prctl``, a setting of this process; ``OSError`` where it fails."""
    given = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    if _library().prctl(ctypes.c_int(option), *given) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
