"""Starts a program that ends with its parent: ``python launcher.py PARENT PROGRAM ARGUMENTS``.

Linux lets a process ask for that itself, before it becomes the program; it is not asked for in a forked copy of the parent, which may
have threads. Imports the standard library alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Ask the system to kill this process when its parent ends; where it cannot, the end of input must do."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it ended before it was asked for
            os._exit(1)


def main(parent: str, *command: str) -> None:
    """Become the program."""
    end_with(int(parent))
    # Python ignores these, and what is ignored stays so in the program.
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main(*sys.argv[1:])
