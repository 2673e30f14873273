"""seccomp: which system calls this process can make. What is not allowed by name fails with EPERM, as if it were forbidden.

The filter is a program of the kernel's classic BPF, made of the tables in :mod:`conformance.implementations.sandbox.syscalls`. Allowed is
what computing takes: memory, threads, clocks, and reading files that Landlock leaves. Calls of another architecture end the process.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from conformance.implementations.sandbox import system
from conformance.implementations.sandbox.syscalls import (
    ALLOWED,
    CLONE3,
    NAMESPACES,
    NEWEST,
    OPEN_MODE,
    SAFE_CONTROLS,
    SAFE_FILE_COMMANDS,
    SAFE_IOCTLS,
    THREAD,
    TRUNCATE,
)

SET_MODE_FILTER, ALL_THREADS = 1, 1
KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
LOAD, AND, EQUAL, GREATER, AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x25, 0x35, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Where a call's number, its architecture and its arguments, of 8 bytes each, stand in what the filter sees."""
X32 = 0x40000000
"""From this number on calls of x86-64 have pointers of 32 bits, which is a table of their own."""

Instruction = tuple[int, int, int, int]
"""Operation, how many instructions to skip where a comparison holds and where not, and a number."""


class Machine(NamedTuple):
    """An architecture: its number in the filter, which column of the table is its own, and the number of the call ``seccomp``."""

    number: int
    column: int
    seccomp: int


MACHINES = {"x86_64": Machine(0xC000003E, 0, 317), "aarch64": Machine(0xC00000B7, 1, 277)}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def restrict() -> None:
    """Put this process, which may gain no privileges, under the filter for good; ``OSError`` where that is not possible."""
    machine = MACHINES[platform.machine()]
    code = assemble(machine, os.getpid())
    program = _Program(len(code) // 8, code)
    system.call(machine.seccomp, SET_MODE_FILTER, ALL_THREADS, ctypes.byref(program))


def assemble(machine: Machine, pid: int) -> bytes:
    """The filter for a process of this number, which is the only one that it may send signals to."""
    instructions = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, machine.number),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        *_answered(AT_LEAST, X32, KILL),
        # What is newer than the table is answered as by a kernel that does not have it, so that the C library goes an older way.
        *_answered(GREATER, NEWEST, ERRNO | errno.ENOSYS),
        *_answered(EQUAL, CLONE3, ERRNO | errno.ENOSYS),
    ]
    looked_at = arguments(pid)
    for name, numbers in ALLOWED.items():
        number = numbers[machine.column]
        if number is not None:
            checks = looked_at.get(name, [(RETURN, 0, 0, ALLOW)])
            instructions += [(EQUAL, 0, len(checks), number), *checks]
    instructions.append((RETURN, 0, 0, ERRNO | errno.EPERM))
    return b"".join(_encoded(instructions))


def arguments(pid: int) -> Mapping[str, list[Instruction]]:
    """Of calls that are harmless with some arguments only: the instructions that decide."""
    opened: list[tuple[int, int]] = [(OPEN_MODE, OPEN_MODE), (OPEN_MODE | TRUNCATE, TRUNCATE)]
    return {
        "clone": _only(0, THREAD, mask=THREAD | NAMESPACES),
        "kill": _only(0, pid),
        "tgkill": _only(0, pid),
        "prlimit64": _only(0, 0, pid),
        "ioctl": _only(1, *SAFE_IOCTLS),
        "fcntl": _only(1, *SAFE_FILE_COMMANDS),
        "prctl": _only(0, *SAFE_CONTROLS),
        "open": _but(1, *opened),
        "openat": _but(2, *opened),
    }


def _only(place: int, *values: int, mask: int = 0xFFFFFFFF) -> list[Instruction]:
    """Allow a call where an argument, under the mask, is one of these values."""
    allowed = [one for value in values for one in _answered(EQUAL, value, ALLOW)]
    return [(LOAD, 0, 0, ARGUMENTS + 8 * place), (AND, 0, 0, mask), *allowed, (RETURN, 0, 0, ERRNO | errno.EPERM)]


def _but(place: int, *refused: tuple[int, int]) -> list[Instruction]:
    """Allow a call but where an argument, under a mask, is the value that stands beside the mask."""
    instructions: list[Instruction] = []
    for mask, value in refused:
        instructions += [(LOAD, 0, 0, ARGUMENTS + 8 * place), (AND, 0, 0, mask), *_answered(EQUAL, value, ERRNO | errno.EPERM)]
    return [*instructions, (RETURN, 0, 0, ALLOW)]


def _answered(comparison: int, value: int, answer: int) -> list[Instruction]:
    """Answer so where the comparison holds, else go on."""
    return [(comparison, 0, 1, value), (RETURN, 0, 0, answer)]


def _encoded(instructions: list[Instruction]) -> Iterator[bytes]:
    for operation, holds, fails, number in instructions:
        yield operation.to_bytes(2, "little") + bytes([holds, fails]) + number.to_bytes(4, "little")
