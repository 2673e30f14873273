"""The filter of system calls, on both architectures: run here by an interpreter of its instructions, call by call."""

from __future__ import annotations

import errno

import pytest

from conformance.implementations.sandbox.seccomp import AND, AT_LEAST, EQUAL, GREATER, LOAD, MACHINES, RETURN, assemble
from conformance.implementations.sandbox.syscalls import ALLOWED, NEWEST

PID = 4321
ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
COMPARED = {EQUAL: int.__eq__, GREATER: int.__gt__, AT_LEAST: int.__ge__}
LONGEST = 4096
"""Instructions that the kernel takes."""
REFUSED = {
    "x86_64": {
        **{"fork": 57, "vfork": 58, "execve": 59, "execveat": 322, "socket": 41, "socketpair": 53, "connect": 42, "ptrace": 101},
        **{"tkill": 200, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "pidfd_open": 434, "pidfd_send_signal": 424},
        **{"process_vm_readv": 310, "process_vm_writev": 311, "mount": 165, "umount2": 166, "bpf": 321, "io_uring_setup": 425},
        **{"unshare": 272, "setns": 308, "memfd_create": 319, "keyctl": 250, "add_key": 248, "userfaultfd": 323, "perf_event_open": 298},
        **{"openat2": 437, "open_by_handle_at": 304, "creat": 85, "truncate": 76, "ftruncate": 77, "rename": 82, "unlink": 87},
        **{"chmod": 90, "chown": 92, "utimensat": 280, "setxattr": 188, "mkdir": 83, "symlink": 88, "link": 86},
        **{"mknod": 133, "shmget": 29, "mq_open": 240},
        **{"setuid": 105, "setsid": 112, "setpriority": 141, "sched_setaffinity": 203, "chroot": 161, "init_module": 175},
        **{"reboot": 169, "personality": 135, "modify_ldt": 154, "seccomp": 317, "landlock_restrict_self": 446, "process_madvise": 440},
        **{"fanotify_init": 300},
    },
    "aarch64": {
        **{"execve": 221, "execveat": 281, "socket": 198, "socketpair": 199, "connect": 203, "ptrace": 117, "tkill": 130},
        **{"rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240, "pidfd_open": 434, "pidfd_send_signal": 424, "process_vm_readv": 270},
        **{"process_vm_writev": 271, "mount": 40, "umount2": 39, "bpf": 280, "io_uring_setup": 425, "unshare": 97, "setns": 268},
        **{"memfd_create": 279, "keyctl": 219, "add_key": 217, "userfaultfd": 282, "perf_event_open": 241, "openat2": 437},
        **{"open_by_handle_at": 265, "truncate": 45, "ftruncate": 46, "renameat2": 276, "unlinkat": 35, "fchmodat": 53, "fchownat": 54},
        **{"utimensat": 88, "setxattr": 5, "mkdirat": 34, "symlinkat": 36, "linkat": 37, "mknodat": 33, "shmget": 194, "mq_open": 180},
        **{"setuid": 146, "setsid": 157, "setpriority": 140, "sched_setaffinity": 122, "chroot": 51, "init_module": 105, "reboot": 142},
        **{"personality": 92, "seccomp": 277, "landlock_restrict_self": 446, "process_madvise": 440, "fanotify_init": 262},
    },
}
"""Calls that must fail, with numbers that were not taken from the table of those that may be made."""
WITH_ARGUMENTS = [
    ("clone", (0x3D0F00,), ALLOW),  # what glibc makes threads with
    ("clone", (0x1200011,), EPERM),  # what it forks with
    ("clone", (0x10000 | 0x10000000,), EPERM),
    ("kill", (PID, 9), ALLOW),
    ("kill", (PID - 1, 9), EPERM),
    ("kill", (0xFFFFFFFF, 9), EPERM),
    ("kill", (0, 9), EPERM),
    ("tgkill", (PID, 1, 6), ALLOW),
    ("tgkill", (1, 1, 6), EPERM),
    ("prlimit64", (0, 7), ALLOW),
    ("prlimit64", (PID - 1, 7), EPERM),
    ("ioctl", (0, 0x5401), ALLOW),
    ("ioctl", (0, 0x5412), EPERM),  # types into a terminal
    ("ioctl", (0, 0x8901), EPERM),  # whom to send signals
    ("fcntl", (0, 1), ALLOW),
    ("fcntl", (0, 8), EPERM),
    ("fcntl", (0, 10), EPERM),
    ("fcntl", (0, 15), EPERM),
    ("prctl", (15,), ALLOW),
    ("prctl", (1, 0), EPERM),
    ("openat", (0, 0, 0o2000000), ALLOW),
    ("openat", (0, 0, 0o1102), ALLOW),  # to write, which Landlock refuses but for /dev/null
    ("openat", (0, 0, 0o1000), EPERM),
    ("openat", (0, 0, 0o1003), EPERM),
    ("openat", (0, 0, 0o3), EPERM),
]


def decide(code, architecture, number, arguments=()):
    """What the filter answers to a call."""
    seen = number.to_bytes(4, "little") + architecture.to_bytes(4, "little") + bytes(8)
    seen += b"".join(argument.to_bytes(8, "little") for argument in arguments).ljust(48, b"\0")
    place, value = 0, 0
    while True:
        operation, holds, fails = int.from_bytes(code[place : place + 2], "little"), code[place + 2], code[place + 3]
        constant = int.from_bytes(code[place + 4 : place + 8], "little")
        place += 8
        if operation == RETURN:
            return constant
        if operation == LOAD:
            value = int.from_bytes(seen[constant : constant + 4], "little")
        elif operation == AND:
            value &= constant
        else:
            place += 8 * (holds if COMPARED[operation](value, constant) else fails)


@pytest.fixture(params=MACHINES)
def machine(request):
    return request.param, MACHINES[request.param], assemble(MACHINES[request.param], PID)


def test_what_is_not_computing_is_refused(machine):
    name, known, code = machine
    answers = {call: decide(code, known.number, number) for call, number in REFUSED[name].items()}
    assert set(answers.values()) == {EPERM}, f"not refused: {[call for call, answer in answers.items() if answer != EPERM]}"


def test_what_is_in_the_table_is_allowed_or_looked_at(machine):
    _, known, code = machine
    looked_at = {call for call, _, _ in WITH_ARGUMENTS} | {"open"}
    plain = {call: numbers[known.column] for call, numbers in ALLOWED.items() if call not in looked_at}
    answers = {call: decide(code, known.number, number, (1, 2, 3)) for call, number in plain.items() if number is not None}
    assert set(answers.values()) == {ALLOW}, f"refused: {[call for call, answer in answers.items() if answer != ALLOW]}"


@pytest.mark.parametrize(("call", "arguments", "answer"), WITH_ARGUMENTS)
def test_arguments_decide_where_a_call_can_do_both(call, arguments, answer, machine):
    _, known, code = machine
    assert decide(code, known.number, ALLOWED[call][known.column], arguments) == answer, f"{call}{arguments} on {machine[0]}"


def test_another_architecture_ends_the_process(machine):
    name, known, code = machine
    strangers = [0x40000003, *(other.number for other in MACHINES.values() if other != known)]  # i386, and the other one
    assert {decide(code, stranger, 1) for stranger in strangers} == {KILL}, f"calls of another table are not stopped on {name}"
    assert decide(code, known.number, 0x40000000 | 1) == KILL, "calls of x32 have numbers of their own"


def test_what_is_newer_than_the_table_is_not_there(machine):
    _, known, code = machine
    assert {decide(code, known.number, number) for number in (NEWEST + 1, NEWEST + 100, 435)} == {ENOSYS}, "the C library goes no older way"
    assert len(code) // 8 <= LONGEST, "the kernel takes no filter of this length"
