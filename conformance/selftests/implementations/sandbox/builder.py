"""Where the sandbox can be tested."""

from __future__ import annotations

import os

import pytest

from conformance.implementations.sandbox import landlock, launcher


def _missing() -> str | None:
    """What the kernel lacks, found out without the sandbox: where it has the locks, the tests run, and fail if the sandbox is at fault."""
    complaint = launcher.unsupported()
    try:
        return complaint or (None if landlock.version() else "the kernel has no Landlock")
    except OSError as error:
        return f"the kernel has no Landlock ({error.strerror})"


REQUIRED = "CONFORM_REQUIRE_SANDBOX"
"""The variable that lets these tests fail, where they would be left out."""
needs_locks = pytest.mark.skipif(_missing() is not None and not os.environ.get(REQUIRED), reason=str(_missing()))
"""Tests that are left out where the kernel lacks the locks."""
