"""The sandbox: an implementation in a process that can compute, and do nothing else.

A file, an idea: what it may spend (``limits``, ``resources``), read (``landlock``) and ask of the system (``seccomp``, ``syscalls``), who
it is (``user``), what it may import (``finder``) and call (``forbidden``); ``child`` locks itself in with them and only then imports the
submission; ``program``, ``submission`` and ``launcher`` stand outside. ``conformance/docs/grading.md`` says what this protects against.

This file imports nothing. Everything that ``child`` needs before the locks needs the standard library alone.
"""

ATTEMPTS = "attempts"
"""The operation that asks a sandboxed process what was tried there that is not allowed."""
