"""Options and their values in words, of which titles of cases, and so test ids, are made."""

from __future__ import annotations

import json
from typing import Any


def words(name: str, value: Any) -> str:
    """An option and its value as they stand in a test id."""
    if value is True:
        return name
    return f"{name}={json.dumps(value, sort_keys=True) if isinstance(value, dict) else in_words(value)}"


def in_words(value: Any) -> str:
    """The value of an option as records have it."""
    return "x".join(str(part) for part in value) if isinstance(value, tuple | list) else str(value)
