"""The system calls that a sandboxed process may make: their numbers on x86-64 and on aarch64 (None where there is none).

Not here, and so refused, is everything else: processes, programs, sockets, signals to others, changes to files, mounts, name spaces,
keys, other processes' memory, io_uring, BPF, and whatever a newer kernel brings. Of some, the arguments are looked at as well: see
:func:`conformance.implementations.sandbox.seccomp.arguments`.
"""

from __future__ import annotations

ALLOWED: dict[str, tuple[int, int | None]] = {
    # reading and writing what is open
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "lseek": (8, 62),
    "close": (3, 57),
    "close_range": (436, 436),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "pipe": (22, None),
    "pipe2": (293, 59),
    "fcntl": (72, 25),
    "ioctl": (16, 29),
    "fadvise64": (221, 223),
    # opening what Landlock leaves, and looking at it
    "open": (2, None),
    "openat": (257, 56),
    "stat": (4, None),
    "lstat": (6, None),
    "fstat": (5, 80),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getdents64": (217, 61),
    "getcwd": (79, 17),
    "chdir": (80, 49),
    "fchdir": (81, 50),
    # memory
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "mprotect": (10, 226),
    "madvise": (28, 233),
    "brk": (12, 214),
    "mincore": (27, 232),
    "msync": (26, 227),
    "membarrier": (324, 283),
    # waiting
    "poll": (7, None),
    "ppoll": (271, 73),
    "select": (23, None),
    "pselect6": (270, 72),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_wait": (232, None),
    "epoll_pwait": (281, 22),
    "eventfd2": (290, 19),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "pause": (34, None),
    "restart_syscall": (219, 128),
    # threads
    "clone": (56, 220),
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "get_robust_list": (274, 100),
    "set_tid_address": (218, 96),
    "rseq": (334, 293),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120),
    "getcpu": (309, 168),
    # signals, to itself
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137),
    "rt_sigsuspend": (130, 133),
    "sigaltstack": (131, 132),
    "kill": (62, 129),
    "tgkill": (234, 131),
    # clocks
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "times": (100, 153),
    "getrusage": (98, 165),
    "alarm": (37, None),
    "getitimer": (36, 102),
    "setitimer": (38, 103),
    "timer_create": (222, 107),
    "timer_settime": (223, 110),
    "timer_gettime": (224, 108),
    "timer_delete": (226, 111),
    # what it is and where
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getppid": (110, 173),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getgroups": (115, 158),
    "getresuid": (118, 148),
    "getresgid": (120, 150),
    "getpgrp": (111, None),
    "getpgid": (121, 155),
    "getsid": (124, 156),
    "getpriority": (140, 141),
    "prlimit64": (302, 261),
    "getrlimit": (97, 163),
    "sysinfo": (99, 179),
    "uname": (63, 160),
    "getrandom": (318, 278),
    "prctl": (157, 167),
    # the end
    "exit": (60, 93),
    "exit_group": (231, 94),
}
NEWEST = 450
"""The newest number that was looked at when the table was made."""
CLONE3 = 435
"""Starts threads and processes alike by a structure that a filter cannot see; the C library uses ``clone`` where it is missing."""
THREAD, NAMESPACES = 0x00010000, 0x7E020080
"""Flags of ``clone``: a thread of this process; name spaces of its own."""
OPEN_MODE, TRUNCATE = 0o3, 0o1000
"""Flags of ``open``: the bits for reading and writing, together for neither; cutting the file, which old Landlock leaves to readers."""
SAFE_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""Whether it is a terminal, of what size, how much can be read, not to block, whether programs inherit it."""
SAFE_FILE_COMMANDS = (0, 1, 2, 3, 4, 1030, 1032)
"""Copying descriptors and their flags. Not: whom to send a signal when there is something to read."""
SAFE_CONTROLS = (3, 15, 16, 21, 23, 30, 39, 0x53564D41)
"""Names of threads and of memory, and questions. Not: to outlive the parent."""
