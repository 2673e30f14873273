"""Opening the file of a model without trust: what kind it is follows from its first bytes, whatever it is called.

A pipe, a device or a folder is refused without waiting for it; every size is checked before the bytes are read.
"""

from __future__ import annotations

import codecs
import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from reference.network.errors import ArchiveError

MAX_RATIO = 100
"""Keras stores its members uncompressed; a repacked archive may deflate them, but by no more than this."""
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
ZIP, HDF5, JSON = "zip archive", "HDF5 file", "JSON text"
SUFFIXES = {".keras": ZIP, ".h5": HDF5, ".hdf5": HDF5, ".json": JSON}
"""How a file is read whose content tells nothing: a damaged one, which is refused in the words of its kind."""
OTHERS = {
    b"version https://git-lfs": "it is a pointer of Git LFS, not the model itself: `git lfs pull` fetches that",
    b"\x80\x02": "it is a pickle, which is never opened",
    b"\x80\x03": "it is a pickle, which is never opened",
    b"\x80\x04": "it is a pickle, which is never opened",
    b"\x80\x05": "it is a pickle, which is never opened",
    b"\x1f\x8b": "it is packed with gzip: unpack it first",
    b"<!DOCTYPE": "it is a page of the web, not what was to be downloaded",
    b"<!doctype": "it is a page of the web, not what was to be downloaded",
    b"<html": "it is a page of the web, not what was to be downloaded",
}
"""First bytes of what people take for a model's file, and what it is."""
for _name in ("ascii", "cp437"):  # zipfile and h5py ask for them; loaded here, so that reading a file loads nothing
    codecs.lookup(_name)
NO_FILE = "there is no such file"
FOLDER = "cannot be read (it is a folder; of a SavedModel nothing is read: save the model as .keras)"
NOT_REGULAR = "cannot be read (it is not a regular file)"


def file_kind(path: Path) -> str:
    """The kind of a file, :data:`ZIP`, :data:`HDF5` or :data:`JSON`: by its first bytes, else by the ending of its name.

    Raises
    ------
    ArchiveError
        If it cannot be read, or is known to be something else; the sentence says what.
    """
    with opened_file(path) as file:
        head = file.read(64)
        found = JSON if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else None
        found = HDF5 if _hdf5_start(file) is not None else found
        # In an archive the HDF5 file of the weights may lie where one after a block of the user's would begin.
        found = ZIP if head.startswith(b"PK\x03\x04") else found
    if found:
        return found
    for beginning, sentence in OTHERS.items():
        if head.startswith(beginning):
            raise ArchiveError(f"no model's file: {sentence}")
    if head[4:8] == b"TFL3":
        raise ArchiveError("no model's file: it is one of TensorFlow Lite, which holds no layers; the .keras or .h5 before it is read")
    return SUFFIXES.get(path.suffix.lower(), ZIP)


def _hdf5_start(file: BinaryIO) -> int | None:
    """Where an HDF5 file begins: at once, or after a block of the user's of 512 bytes, twice that, and so on; None where it is none."""
    for start in (0, *(1 << n for n in range(9, 32))):
        file.seek(start)
        if file.read(8) == HDF5_SIGNATURE:
            return start
    return None


@contextmanager
def opened_file(path: Path) -> Iterator[BinaryIO]:
    """A file opened for reading; ``ArchiveError`` if it cannot be, or is a folder, a pipe or a device, of which some never end."""
    try:
        # A pipe without a writer would be waited for.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise ArchiveError(NO_FILE) from None
    except (OSError, ValueError) as error:
        raise ArchiveError(FOLDER if path.is_dir() else f"cannot be read ({error})") from None
    try:
        mode = os.fstat(number).st_mode
        if not stat.S_ISREG(mode):
            raise ArchiveError(FOLDER if stat.S_ISDIR(mode) else NOT_REGULAR)
        with open(number, "rb", closefd=False) as file:
            yield file
    except OSError as error:
        raise ArchiveError(f"cannot be read ({error})") from None
    finally:
        os.close(number)


def content(path: Path, limit: int) -> bytes:
    """The bytes of a file, after its size has been found acceptable."""
    with opened_file(path) as file:
        if (size := os.fstat(file.fileno()).st_size) > limit:
            raise ArchiveError(f"{size} bytes are more than the {limit} allowed")
        return file.read(size)


def hdf5_content(path: Path, limit: int) -> bytes:
    """The :func:`content` of an HDF5 file from where it begins, from which all places in it count."""
    data = content(path, limit)
    start = _hdf5_start(io.BytesIO(data))
    return data[start:] if start else data


@contextmanager
def opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip archive opened for reading; whatever is wrong with it is an :class:`ArchiveError`."""
    try:
        with opened_file(path) as opened, zipfile.ZipFile(opened) as file:
            yield file
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ArchiveError(f"not a complete zip archive ({error})") from None
    except NotImplementedError as error:
        raise ArchiveError(f"cannot be read ({error})") from None


def member(file: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """The bytes of one member, after its declared sizes have been found acceptable."""
    infos = [info for info in file.infolist() if info.filename == name]
    if len(infos) != 1:
        raise ArchiveError(f"the archive has {'no' if not infos else 'more than one'} member {name}")
    info = infos[0]
    if info.flag_bits & 0x1:
        raise ArchiveError(f"{name}: encrypted members are not supported")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArchiveError(f"{name}: compression method {info.compress_type} is not supported")
    if info.file_size > limit:
        raise ArchiveError(f"{name}: {info.file_size} bytes are more than the {limit} allowed")
    if info.file_size > MAX_RATIO * max(info.compress_size, 1):
        raise ArchiveError(f"{name}: {info.file_size} bytes packed into {info.compress_size} look like a zip bomb")
    # Asking for the declared size is what holds a lying member to it: without a size, zipfile unpacks all there is.
    with file.open(info) as opened:
        return opened.read(info.file_size)
