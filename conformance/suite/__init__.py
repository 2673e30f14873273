"""The tests that judge an implementation: thin, one kind of question a file."""

from __future__ import annotations

from types import ModuleType

from conformance import checks
from conformance.suite import trained_models

KINDS: dict[str, ModuleType] = {**checks.KINDS, "model": trained_models}
"""Every kind of question by name: ``test_<name>`` is the pytest function that asks it."""
