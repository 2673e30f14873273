"""Which sources made a recording: those that decide what is asked and how the answer is written down."""

from __future__ import annotations

import hashlib
from pathlib import Path

from reference.layers import LAYERS

ROOT = Path(__file__).resolve().parents[3]
GENERATOR = (
    "conformance/base/arrays.py",
    "conformance/cases/*.py",
    "conformance/oracle/**/*.py",
    "conformance/recording/*.py",
    "reference/layers/kinds.py",
    "reference/layers/options.py",
    "reference/layers/shapes.py",
    "reference/layers/spec.py",
)
"""The sources that decide what is asked and how it is written down; of the layers their records alone, see :func:`records`."""


def generator_hash() -> str:
    """SHA-256 of the sources in :data:`GENERATOR` and of what the records of the layers say."""
    total = hashlib.sha256()
    total.update(records().encode())
    for path in sorted(path for pattern in GENERATOR for path in ROOT.glob(pattern)):
        total.update(f"{path.relative_to(ROOT).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()


def records() -> str:
    """What the records say about calls: weights, options, arguments. So a formula can change without a recording losing its worth."""
    said = []
    for name, spec in sorted(LAYERS.items()):
        weights = [(one, weight.unless, weight.trained) for one, weight in spec.weights.items()]
        options = [(one, option.default, option.taken_by, option.length, option.like) for one, option in spec.options.items()]
        said.append((name, spec.name, weights, options, spec.takes, spec.mask_acts, spec.drops))
    return repr(said)
