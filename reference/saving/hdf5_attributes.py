"""Reading texts from the attributes of an HDF5 file that may be hostile.

A variable-length string of an attribute is a reference of 16 bytes: its length, and where it lies. The HDF5 library reserves memory for
whatever length stands there before it looks whether there is such a string, and one string can be referred to a thousand times. So the
lengths are added up first, from the bytes of the object header (HDF5 File Format Specification, version 3, IV.A.1.a and IV.A.2.m), in
the one layout that the files of Keras have.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import count, takewhile
from typing import Any

import numpy as np

try:
    import h5py
except ImportError:  # see :mod:`reference.saving.hdf5`
    h5py = None

from reference.network.errors import ArchiveError, shown

MAX_TEXT = 32 * 2**20
"""Most bytes that all texts of one object may have."""

SUPERBLOCK = b"\x89HDF\r\n\x1a\n\x00"
CONTINUATION, ATTRIBUTE, ATTRIBUTE_INFO = 0x10, 0x0C, 0x15
VARIABLE_LENGTH = 9
NOT_READ = "its attributes are laid out in a way that Keras never uses"


def has_texts(holder: Any, name: str) -> bool:
    """Whether there is an attribute of this name, in one piece or in several."""
    return name in holder.attrs or f"{name}0" in holder.attrs


def list_length(holder: Any, name: str) -> int | None:
    """How many texts a list has, in one piece or in several; None where there is none."""
    if not has_texts(holder, name):
        return None
    pieces = [name] if name in holder.attrs else list(takewhile(lambda piece: piece in holder.attrs, (f"{name}{n}" for n in count())))
    shapes = [holder.attrs.get_id(piece).shape for piece in pieces]
    if any(len(shape) != 1 for shape in shapes):
        raise ArchiveError(f"{name} is not a list")
    return int(sum(shape[0] for shape in shapes))


def read_texts(data: bytes, holder: Any, name: str, length: int) -> list[str]:
    """A list of texts, which Keras splits into ``name0``, ``name1`` ... where it is long.

    Parameters
    ----------
    data : bytes
        The whole file.
    holder : h5py.Group
        What has the attribute.
    name : str
    length : int
        How many texts there must be.

    Raises
    ------
    ArchiveError
        If there are more or fewer, or what stands there is no list of texts.
    """
    pieces = takewhile(lambda piece: piece in holder.attrs, (f"{name}{number}" for number in range(length + 1)))
    names = [name] if name in holder.attrs else list(pieces)
    attributes = [holder.attrs.get_id(one) for one in names]
    if any(len(attribute.shape) != 1 for attribute in attributes):
        raise ArchiveError(f"{name} is not a list")
    given = sum(attribute.shape[0] for attribute in attributes)
    if given != length:
        raise ArchiveError(f"{name} has {given} entries, the configuration asks for {length}")
    return [text for one, attribute in zip(names, attributes, strict=True) if attribute.shape[0] for text in _read(data, holder, one)]


def read_text(data: bytes, holder: Any, name: str) -> str:
    """One text; ``ArchiveError`` if the attribute is missing or something else."""
    if name not in holder.attrs:
        raise ArchiveError(f"there is no attribute {name}")
    if holder.attrs.get_id(name).shape != ():
        raise ArchiveError(f"{name} is not a single text")
    return _read(data, holder, name)[0]


def _read(data: bytes, holder: Any, name: str) -> list[str]:
    attribute = holder.attrs.get_id(name)
    kind = h5py.check_string_dtype(attribute.dtype)
    if kind is None:
        raise ArchiveError(f"{name} has the dtype {attribute.dtype}, it is not a text")
    stated = attribute.get_storage_size() if kind.length else 0
    if kind.length is None:
        stated = sum(_stated_lengths(data, h5py.h5o.get_info(holder.id).addr))
    if stated > min(MAX_TEXT, len(data)):
        raise ArchiveError(f"{name}: texts of {stated} bytes are more than the {min(MAX_TEXT, len(data))} allowed")
    texts = []
    for value in np.atleast_1d(np.asarray(holder.attrs[name], dtype=object)).tolist():
        text = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        try:
            texts.append(text.decode("utf-8"))
        except UnicodeDecodeError:
            raise ArchiveError(f"{name} holds {shown(value)}, which is not UTF-8") from None
    return texts


def _stated_lengths(data: bytes, address: int) -> Iterator[int]:
    """The lengths that all variable-length attributes of the object at `address` state."""
    if not data.startswith(SUPERBLOCK) or data[13:15] != b"\x08\x08" or data[address : address + 1] != b"\x01":
        raise ArchiveError(NOT_READ)
    (size,) = struct.unpack_from("<I", data, address + 8)
    blocks, seen = [(address + 16, size)], 0
    while blocks:
        start, size = blocks.pop()
        seen += size
        if start + size > len(data) or seen > len(data):
            raise ArchiveError(NOT_READ)
        end = start + size
        while start + 8 <= end:
            kind, length, flags = struct.unpack_from("<HHB", data, start)
            message = data[start + 8 : min(start + 8 + length, end)]
            start += 8 + length
            if kind == ATTRIBUTE_INFO or (kind == ATTRIBUTE and flags & 2):
                raise ArchiveError(NOT_READ)
            if kind == CONTINUATION:
                blocks.append(struct.unpack_from("<QQ", message))
            elif kind == ATTRIBUTE:
                yield from _lengths_of(message)


def _lengths_of(message: bytes) -> Iterator[int]:
    """The lengths that an attribute message states, if its texts are of variable length."""
    version, flags, *sizes = struct.unpack_from("<BBHHH", message)
    if version not in (1, 2, 3) or (version > 1 and flags):
        raise ArchiveError(NOT_READ)
    offsets = [8 + (version == 3)]
    for size in sizes:
        offsets.append(offsets[-1] + (-(-size // 8) * 8 if version == 1 else size))
    if message[offsets[1]] & 0x0F == VARIABLE_LENGTH:
        for (length,) in struct.iter_unpack("<I12x", message[offsets[3] : offsets[3] + (len(message) - offsets[3]) // 16 * 16]):
            yield length
