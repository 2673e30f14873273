"""The catalogue of named faults."""

from __future__ import annotations

from typing import Any


def consistent_faults(examination: Any) -> list[str]:
    return []
