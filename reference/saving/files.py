"""Files that are written whole or not at all, and JSON from a stranger."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from reference.network.errors import ArchiveError


@contextmanager
def whole_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name beside `path`, with the same ending, for a file that takes its place when the block ends without an exception.

    Whatever happens, `path` holds all of the new content or all of the old.
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(6)}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A new file at a :func:`whole_path`, open for writing.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with whole_path(path) as temporary, open(temporary, "xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def check_folder(what: str, path: str | os.PathLike[str]) -> None:
    """``ValueError`` where the folder of a file that is to be written later is missing; `what` says who will write it."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise ValueError(f"{what}={os.fspath(path)!r}: there is no folder {str(folder)!r}")


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a :func:`whole_file` of these bytes."""
    with whole_file(path) as file:
        file.write(data)


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


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write text in UTF-8 with :func:`write_whole`, into folders that are made for it."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())


def write_document(path: str | os.PathLike[str], document: Any) -> None:
    """Write a value as JSON to be read by people: indented, letters as they are; ``ValueError`` as :func:`write_json`."""
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
