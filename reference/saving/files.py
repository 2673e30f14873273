"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A new file beside `path`, which takes its place when the block ends without an exception.

    Whatever happens, `path` holds all of the new content or all of the old.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_folder(what: str, path: str | os.PathLike[str]) -> None:
    """``ValueError`` where the folder of a file that is to be written later is missing; `what` says who will write it."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise ValueError(f"{what}={os.fspath(path)!r}: there is no folder {str(folder)!r}")


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a :func:`whole_file` of these bytes."""
    with whole_file(path) as file:
        file.write(data)
