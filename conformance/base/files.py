"""Files that are read: JSON, and checksums; and places that cannot be written to. Writing goes through :mod:`reference.saving.files`."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any


def read_json(path: Path) -> Any:
    """What a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def unwritable(path: Path) -> str | None:
    """Why no file can be written at a path, its missing folders made; None as far as that can be known beforehand."""
    if path.is_dir():
        return f"{path} is a folder"
    there = next(folder for folder in path.absolute().parents if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            return None
    except OSError as error:
        return f"{path} cannot be written: {there}: {error.strerror or error}"


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """The digest of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()
