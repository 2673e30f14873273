"""Ways to reach an implementation under test.

This file imports nothing, so that its constants cost nothing.
"""

IN_PROCESS, PROCESS = MODES = ("inprocess", "process")
"""Where Python code runs: in the suite's process, or in one of its own."""
TIMEOUT = 60.0
"""Seconds that one call may take in another process, where nothing else is said."""
EXEC = "exec:"
"""What the name of a program begins with."""
