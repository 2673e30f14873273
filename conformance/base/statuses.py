"""What can become of a case; only `passed` earns."""

PASSED = "passed"
FAILED = "failed"
UNSUPPORTED = "unsupported"
ERROR = "error"
TIMEOUT = "timeout"
BLOCKED = "blocked"
SKIPPED = "skipped"
STATUSES = (PASSED, FAILED, UNSUPPORTED, ERROR, TIMEOUT, BLOCKED, SKIPPED)
FAILED_STATUSES = (FAILED, ERROR, TIMEOUT)
KNOWABLE = (FAILED, ERROR)
"""What a known failure (``--conform-xfail``) may be."""
