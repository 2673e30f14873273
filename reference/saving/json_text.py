"""JSON from a stranger, and JSON files that are written whole or not at all."""

from __future__ import annotations

import json
import os
from typing import Any

from reference.network.errors import ArchiveError
from reference.saving.files import write_whole

FREE_BRACKETS = 100_000
BYTES_A_BRACKET = 12
"""A list in memory takes many times the two bytes of its brackets; in a model's file there are far more numbers and names than lists."""


def parse_json(data: bytes) -> Any:
    """The value of a JSON text, after its lists and objects have been counted.

    Raises
    ------
    ArchiveError
        If the text is damaged, too deeply nested, or has more lists than a model's file could have.
    """
    brackets = data.count(b"[") + data.count(b"{")
    if brackets > FREE_BRACKETS + len(data) // BYTES_A_BRACKET:
        raise ArchiveError(f"{brackets} lists and objects in {len(data)} bytes are not those of a model")
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"not readable as JSON ({type(error).__name__}: {str(error)[:120]})") from None


def write_json(path: str | os.PathLike[str], document: Any) -> None:
    """Write a value as JSON with :func:`write_whole`; ``ValueError`` if it has no JSON form, as NaN and infinity have none."""
    write_whole(path, json.dumps(document, allow_nan=False).encode())
