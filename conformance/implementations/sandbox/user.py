"""Who a sandboxed process is: started by root, it becomes a user that nothing belongs to."""

from __future__ import annotations

import ctypes
import os
import platform

from conformance.implementations.sandbox import system

NOBODY = 65534
CAPSET = {"x86_64": 126, "aarch64": 91}
VERSION_3 = 0x20080522
"""Of the structures of ``capset``."""


def become_nobody() -> str:
    """Give up root and everything that comes with it; who this process is now, in words.

    Where the system has no other user to become (a container with one user, or without the right to change it), at least every
    capability goes.
    """
    if os.getuid() != 0:
        return f"user {os.getuid()}"
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError:
        header = (ctypes.c_uint32 * 2)(VERSION_3, 0)
        system.call(CAPSET[platform.machine()], header, (ctypes.c_uint32 * 6)())
        return f"user {os.getuid()} without capabilities (this system has no other user to become)"
    return f"user {NOBODY} in place of root"
