"""The file of one training: JSON with a line for each key, so that a long list of epochs stays one line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from conformance.base.files import checksum, read_json
from conformance.studies.experiments.row import Row
from reference.saving.files import write_text

MANIFEST_FILE = "manifest.json"
DIGITS = 6


def read_record(path: Path, row: Row, sha256: str | None = None, **other: Any) -> dict[str, Any] | None:
    """The record in a file, or None where it is missing, of another row, of other data (with a checksum), or differs in `other`."""
    try:
        record: dict[str, Any] = read_json(path)
        same = row.is_described_by(record["row"]) and sha256 in (None, record["data_sha256"])
        return record if same and all(record[key] == value for key, value in other.items()) else None
    except (OSError, ValueError, KeyError):
        return None


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record whole or not at all."""
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in record.items())
    write_text(path, f"{{\n{lines}\n}}\n")


def checksums(folder: Path, files: Iterable[Path]) -> dict[str, str]:
    """The SHA-256 of every file, by its path from the folder."""
    return {path.relative_to(folder).as_posix(): checksum(path) for path in files}
