"""Running a module in a process of its own, with a number of threads that holds for every library: each fixes its own at the start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from conformance.oracle.environment import THREAD_VARIABLES


def apart(module: str, threads: int, *arguments: object) -> Any:
    """What a module prints as JSON in its last line, run with these arguments; those that are None are left out."""
    command = [sys.executable, "-m", module, *(str(one) for one in arguments if one is not None)]
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
