"""Landlock: which files this process can open, whoever it is. What is named can be read, everything else is out of reach.

An unprivileged process may lock itself in (Linux 5.13 and newer). Rights that a kernel does not know yet, seccomp takes away.
See https://docs.kernel.org/userspace-api/landlock.html.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

from conformance.implementations.sandbox import system

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION = 1
"""A flag: asked for alone, the system tells the version of its interface (ABI)."""
PATH_BENEATH = 1
WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""From which version on there are how many rights about files: truncating came with 3, ioctl on devices with 5."""
TCP_BIND_AND_CONNECT = 0b11
ABSTRACT_SOCKETS_AND_SIGNALS = 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The version of Landlock (1 or more); ``OSError`` where the kernel has none, or has it switched off."""
    return system.call(CREATE_RULESET, None, 0, VERSION)


def ruleset(readable: Iterable[str], writable: Iterable[str] = ()) -> int:
    """A set of rules, as a file descriptor: these files and folders, with all below them, can be read; these files be written as well.

    Nothing else can be opened, made, moved, removed or executed, nor a TCP port be used.
    """
    abi = version()
    handled = (1 << max(count for since, count in FILE_RIGHTS.items() if since <= abi)) - 1
    attributes = _Ruleset(handled, TCP_BIND_AND_CONNECT, ABSTRACT_SOCKETS_AND_SIGNALS)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    rules = system.call(CREATE_RULESET, ctypes.byref(attributes), size, 0)
    for path in readable:
        _allow(rules, path, READ_FILE)
    for path in writable:
        _allow(rules, path, READ_FILE | WRITE_FILE)
    return rules


def restrict(rules: int) -> None:
    """Put this process, which may gain no privileges, under the rules for good."""
    system.call(RESTRICT_SELF, rules, 0)
    os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            rights |= READ_DIR
        beneath = _Beneath(rights, handle)
        system.call(ADD_RULE, rules, PATH_BENEATH, ctypes.byref(beneath), 0)
    finally:
        os.close(handle)
