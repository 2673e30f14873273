"""Which sources made a recording: those that decide what is asked and how the answer is written down."""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
GENERATOR = (
    "conformance/base/arrays.py",
    "conformance/cases/*.py",
    "conformance/oracle/**/*.py",
    "conformance/recording/*.py",
    "reference/layers/*.py",
    "reference/layers/rnn/recurrent.py",
)


def generator_hash() -> str:
    """SHA-256 of the sources in :data:`GENERATOR`."""
    total = hashlib.sha256()
    for path in sorted(path for pattern in GENERATOR for path in ROOT.glob(pattern)):
        total.update(f"{path.relative_to(ROOT).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()
