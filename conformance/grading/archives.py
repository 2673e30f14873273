"""What is in a folder, a zip or a tar archive: entries with names and kinds, read only within limits. Nothing is ever extracted by name."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.grading.paths import DEEPEST, IntakeError, hostile, is_junk, shown

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz")
"""Of archives that are opened; what is in one decides how."""
MB = 1_000_000
MOST_FILES, MOST_ENTRIES, LARGEST_FILE, LARGEST = 2_000, 20_000, 5 * MB, 50 * MB
"""Files; entries with junk; bytes of a file; bytes in all, and of an archive."""
MOST_TIMES, FREE = 200, 1 * MB
"""How many times its size an archive may unpack to, once it unpacks to more than some bytes."""
MOST_STREAMS = 100
XZ_MEMORY = 100 * MB
FILE, FOLDER, LINK, SPECIAL = "file", "folder", "link", "device, pipe or other special file"
ZIP, ZIP_ENTRY = (b"PK\x03\x04", b"PK\x05\x06"), b"PK\x01\x02"


@dataclass(frozen=True)
class Entry:
    """One thing in an archive or a folder; ``read`` gives at most so many of its bytes."""

    name: str
    kind: str
    size: int
    read: Callable[[int], bytes]


def is_archive(path: Path) -> bool:
    """Whether a file is opened as an archive, by its name."""
    return path.name.lower().endswith(ENDINGS)


def entries(path: Path) -> list[Entry]:
    """All that is in a folder, in an archive, or the one file itself, links not followed.

    Raises
    ------
    IntakeError
        If it cannot be read, or there is more than anybody would hand in.
    """
    try:
        if path.is_symlink():
            raise hostile("it is a link.")
        if path.is_dir():
            return list(_limited(_in_folder(path)))
        if not is_archive(path):
            return [_on_disk(path, path.name)]
        content = _content(path, LARGEST)
        return list(_limited(_in_zip(content) if content.startswith(ZIP) else _in_tar(content)))
    except OSError as error:
        raise IntakeError(f"it cannot be read: {error.strerror or type(error).__name__}.") from None


def _limited(found: Iterator[Entry]) -> Iterator[Entry]:
    for count, entry in enumerate(found):
        if count >= MOST_ENTRIES:
            raise hostile(f"it has more than {MOST_ENTRIES} entries.")
        yield entry


def _content(path: Path, most: int) -> bytes:
    """The bytes of an ordinary file; whatever it has become since it was found is not followed or waited for."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise hostile(f"{shown(path.name)} is no ordinary file.")
        content = file.read(most + 1)
    if len(content) > most:
        raise hostile(f"{shown(path.name)} has more than {most // MB} MB.")
    return content


def _in_folder(root: Path) -> Iterator[Entry]:
    """Walk without recursion, without links, and not into junk; what is too deep is not entered, since its name refuses it."""
    waiting = [root]
    while waiting:
        with os.scandir(waiting.pop()) as found:
            for path in (Path(one.path) for one in sorted(found, key=lambda one: one.name)):
                entry = _on_disk(path, path.relative_to(root).as_posix())
                if entry.kind == FOLDER and entry.name.count("/") <= DEEPEST and not is_junk((path.name,)):
                    waiting.append(path)
                yield entry


def _on_disk(path: Path, name: str) -> Entry:
    state = path.lstat()
    return Entry(name, _kind(state.st_mode), state.st_size, lambda most: _content(path, LARGEST)[:most])


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return LINK
    return FOLDER if stat.S_ISDIR(mode) else FILE if stat.S_ISREG(mode) else SPECIAL


def _in_zip(content: bytes) -> Iterator[Entry]:
    """Entries of a zip archive; their declared sizes are believed by nobody."""
    if content.count(ZIP_ENTRY) > MOST_ENTRIES:
        raise hostile(f"it has more than {MOST_ENTRIES} entries.")
    archive = _damaged_or(lambda: zipfile.ZipFile(io.BytesIO(content)))
    for info in archive.infolist():
        mode = info.external_attr >> 16
        kind = _kind(mode) if stat.S_IFMT(mode) else FOLDER if info.is_dir() else FILE
        # The name up to a NUL is what zipfile shows; the whole one is refused.
        yield Entry(info.orig_filename, kind, info.file_size, lambda most, info=info: _unzipped(archive, info, most))  # type: ignore[misc]


def _unzipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    if info.flag_bits & 1:
        raise IntakeError(f"{shown(info.filename)} is encrypted.")
    # zipfile unpacks these two a bounded piece at a time, and the others as far as they go.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise IntakeError(f"{shown(info.filename)} is compressed in a way that is not read here; use an ordinary zip.")

    def read() -> bytes:
        with archive.open(info) as file:
            content = file.read(most)
        if len(content) < min(most, info.file_size):
            raise EOFError(f"{info.filename} is shorter than it says")
        return content

    return _damaged_or(read)


def _in_tar(content: bytes) -> Iterator[Entry]:
    """Entries of a tar archive, which is unpacked in memory before, since its headers say how much of it is read at once."""
    plain = _damaged_or(lambda: _decompressed(content))
    archive = _damaged_or(lambda: tarfile.TarFile(fileobj=io.BytesIO(plain)))
    while (info := _damaged_or(archive.next)) is not None:
        if info.size < 0:  # tarfile would go back and read the same again
            raise hostile(f"{shown(info.name)} says that it has less than nothing.")
        link, ordinary = info.issym() or info.islnk(), info.isreg() and not info.issparse()
        kind = LINK if link else FOLDER if info.isdir() else FILE if ordinary else SPECIAL
        yield Entry(info.name, kind, info.size, lambda most, info=info: _from_tar(archive, info, most))  # type: ignore[misc]


def _from_tar(archive: tarfile.TarFile, info: tarfile.TarInfo, most: int) -> bytes:
    def read() -> bytes:
        with archive.extractfile(info) as file:  # type: ignore[union-attr]
            return file.read(min(most, max(info.size, 0)))

    return _damaged_or(read)


def _decompressed(content: bytes) -> bytes:
    """What gzip, bzip2 or xz has packed, by its first bytes; anything else as it is."""
    packers: dict[bytes, Callable[[], Any]] = {
        b"\x1f\x8b": lambda: zlib.decompressobj(31),
        b"BZh": bz2.BZ2Decompressor,
        b"\xfd7zXZ\x00": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY),
    }
    new = next((new for magic, new in packers.items() if content.startswith(magic)), None)
    if new is None:
        return content
    plain, most, left = bytearray(), max(FREE, min(LARGEST, MOST_TIMES * len(content))), content
    for _ in range(MOST_STREAMS):
        unpacker = new()
        plain += unpacker.decompress(left, most + 1 - len(plain))
        if len(plain) > most:
            raise hostile(bomb(most))
        if not unpacker.eof:
            raise EOFError("its end is missing")
        left = unpacker.unused_data.lstrip(b"\0")
        if not left:
            return bytes(plain)
    raise hostile(f"it has more than {MOST_STREAMS} parts.")


def bomb(most: int) -> str:
    """The sentence on what unpacks to too much."""
    return f"it unpacks to more than {most / MB:.0f} MB."


def _damaged_or(read: Callable[[], Any]) -> Any:
    """What a reader of archives returns; what it raises of a damaged one, which is nowhere listed in full, is one sentence."""
    try:
        return read()
    except IntakeError:
        raise
    except Exception as error:
        raise IntakeError(f"the archive cannot be read ({type(error).__name__}: {repr(str(error))[1:-1][:100]}).") from None
