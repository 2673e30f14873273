"""Ways to reach an implementation under test.

This file imports nothing, so that its constants cost nothing.
"""

IN_PROCESS, PROCESS, SANDBOX = MODES = ("inprocess", "process", "sandbox")
"""Where Python code runs: in the suite's process, in one of its own, or in one that can compute and do nothing else."""
TIMEOUT = 60.0
"""Seconds that one call may take in another process, where nothing else is said; a sandbox has limits of its own."""
EXEC = "exec:"
"""What the name of a program begins with."""
