"""Frames: how a message of texts and arrays becomes bytes, and how bytes that may be wrong become a message.

A frame is an unsigned 64-bit little-endian length and a safetensors document of so many bytes: the length of a header (the same kind of
number), the header (JSON), then the bytes of all arrays without a gap. Both sides of the protocol use this file, so it needs NumPy and
the standard library alone. Nothing that was read is trusted: every number is checked before anything of its size is made, and whatever
is wrong is a :class:`ProtocolError` that names it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LENGTH = 8
"""Bytes of a length."""
FRAME_AT_MOST = 2**30
HEADER_AT_MOST = 2**22
TENSORS_AT_MOST = 1024
RANK_AT_MOST = 16
LARGEST = 2**100
"""Of the numbers in a shape, and of offsets: Python writes the product of 16 such numbers, and not of any."""
METADATA = "__metadata__"
DTYPES = {
    "BOOL": np.dtype("|b1"),
    **{f"{kind}{8 * size}": np.dtype(f"<{kind.lower()}{size}") for kind in "UI" for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
NAMES = {dtype.str: name for name, dtype in DTYPES.items()}


class ProtocolError(Exception):
    """What was read, or should be sent, is not what the protocol allows; the text says what."""


@dataclass(frozen=True)
class Frame:
    """A message: texts by name, and arrays by name."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    tensors: Mapping[str, Array] = field(default_factory=dict)


def encode(frame: Frame, at_most: int = FRAME_AT_MOST) -> bytes:
    """The bytes of a frame, its length included; the same message always gives the same bytes."""
    if len(frame.tensors) > TENSORS_AT_MOST:
        raise ProtocolError(f"the frame would hold {len(frame.tensors)} tensors, at most {TENSORS_AT_MOST} are taken")
    # The wide types first, so that every array begins where its type wants it (the header is padded to a multiple of 8).
    names = sorted(frame.tensors, key=lambda name: (-frame.tensors[name].itemsize, name))
    entries: dict[str, Any] = {METADATA: dict(frame.metadata)} if frame.metadata else {}
    end = 0
    for name in names:
        array = frame.tensors[name]
        if array.dtype.str not in NAMES or array.ndim > RANK_AT_MOST:
            raise ProtocolError(f"tensor {name}: an array of {array.dtype} with {array.ndim} axes cannot be sent")
        entries[name] = {"dtype": NAMES[array.dtype.str], "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    header = json.dumps(entries, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    header += b" " * (-len(header) % LENGTH)
    if len(header) > HEADER_AT_MOST:
        raise ProtocolError(f"the header would take {len(header)} bytes, at most {HEADER_AT_MOST} are taken")
    length = LENGTH + len(header) + end
    if length > at_most:
        raise ProtocolError(f"the frame would take {length} bytes, at most {at_most} are taken")
    return b"".join([_number(length), _number(len(header)), header, *(frame.tensors[name].tobytes() for name in names)])


def decode(document: bytes) -> Frame:
    """The message of a safetensors document: a frame without its length. The arrays are read-only views of it."""
    if len(document) < LENGTH:
        raise ProtocolError(f"the frame has {len(document)} bytes, too few for the length of its header")
    length = int.from_bytes(document[:LENGTH], "little")
    if length > HEADER_AT_MOST:
        raise ProtocolError(f"the header announces {length} bytes, at most {HEADER_AT_MOST} are taken")
    if length > len(document) - LENGTH:
        raise ProtocolError(f"the header announces {length} bytes, the frame has only {len(document) - LENGTH} left for it")
    try:
        header = read_json(document[LENGTH : LENGTH + length].decode(), "the header")
    except UnicodeDecodeError as error:
        raise ProtocolError(f"the header is not UTF-8: {error.reason} at byte {error.start}") from None
    if not isinstance(header, dict):
        raise ProtocolError("the header is no JSON object")
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict):
        raise ProtocolError(f"{METADATA} is not an object")
    for key, text in metadata.items():
        if not isinstance(text, str):
            raise ProtocolError(f"{METADATA}: {key[:40]!r} is {json.dumps(text)[:40]}, where a string is expected (of JSON, if need be)")
    return Frame(metadata, _tensors(header, memoryview(document)[LENGTH + length :]))


def frame_length(prefix: bytes, at_most: int = FRAME_AT_MOST) -> int:
    """The number of bytes that a frame announces."""
    length = int.from_bytes(prefix, "little")
    if length > at_most:
        # The usual cause is a program that prints to its standard output.
        printed = all(byte in b"\n\r\t" or 32 <= byte < 127 for byte in prefix)
        text = f"; as text these are {prefix.decode()!r}: is it printed?" if printed else ""
        raise ProtocolError(f"the frame announces {length} bytes, at most {at_most} are taken{text}")
    return length


def read_frame(stream: BinaryIO) -> Frame | None:
    """The next frame of a blocking stream; None at its end."""
    prefix = stream.read(LENGTH)
    if not prefix:
        return None
    document = stream.read(frame_length(prefix)) if len(prefix) == LENGTH else b""
    if len(prefix) < LENGTH or len(document) < frame_length(prefix):
        raise ProtocolError("the input ends within a frame")
    return decode(document)


def read_json(text: str, what: str) -> Any:
    """JSON without duplicate names and numbers that are none; `what` names it in the sentence."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
            raise ProtocolError(f"{what} has the name {twice[:80]!r} twice")
        return made

    def finite(number: str) -> float:
        value = float(number)
        if not math.isfinite(value):
            raise ProtocolError(f"{what} has the number {number}, which JSON and float64 do not have")
        return value

    try:
        return json.loads(text, object_pairs_hook=once, parse_float=finite, parse_constant=finite)
    except RecursionError:
        raise ProtocolError(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise ProtocolError(f"{what} is no JSON: {error}; it begins with {text[:40]!r}") from None


def _tensors(entries: dict[str, Any], data: memoryview) -> dict[str, Array]:
    """The arrays that a header declares, each checked against the bytes that there are."""
    if len(entries) > TENSORS_AT_MOST:
        raise ProtocolError(f"the frame holds {len(entries)} tensors, at most {TENSORS_AT_MOST} are taken")
    declared = {name: _declared(name, entry) for name, entry in entries.items()}
    end, before = 0, "the data"
    tensors: dict[str, Array] = {}
    for name, (dtype, shape, (start, stop)) in sorted(declared.items(), key=lambda item: item[1][2]):
        if start != end:
            place = f"tensor {before} ends at {end}" if tensors else "the first one must begin at 0"
            raise ProtocolError(f"tensor {name}: it begins at {start}, but {place}")
        if stop > len(data):
            raise ProtocolError(f"tensor {name}: it ends at {stop}, but there are only {len(data)} bytes of data")
        taken = math.prod(shape) * dtype.itemsize
        if stop - start != taken:
            said = f"offsets {start} to {stop} for shape {shape} of {NAMES[dtype.str]}, which take {taken}"
            raise ProtocolError(f"tensor {name}: {said}")
        values = np.frombuffer(data[start:stop], np.uint8)
        if dtype.kind == "b" and values.size and values.max() > 1:
            raise ProtocolError(f"tensor {name}: a BOOL is neither 0 nor 1")
        tensors[name] = _shaped(name, values.view(dtype), shape)
        end, before = stop, name
    if end != len(data):
        raise ProtocolError(f"the tensors take {end} of {len(data)} bytes of data")
    return tensors


def _declared(name: str, entry: Any) -> tuple[np.dtype[Any], tuple[int, ...], tuple[int, int]]:
    """Dtype, shape and offsets of one tensor, each of the right kind."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        has = ", ".join(sorted(entry))[:80] if isinstance(entry, dict) else type(entry).__name__
        raise ProtocolError(f"tensor {name}: it needs dtype, shape and data_offsets, and nothing else; it has {has or 'nothing'}")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ProtocolError(f"tensor {name}: the dtype {str(dtype)[:40]!r} is none of {', '.join(DTYPES)}")
    if not _whole(shape):
        raise ProtocolError(f"tensor {name}: its shape {str(shape)[:80]} is not a list of whole numbers from 0 on")
    if len(shape) > RANK_AT_MOST:
        raise ProtocolError(f"tensor {name}: it has {len(shape)} axes, at most {RANK_AT_MOST} are taken")
    if not _whole(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ProtocolError(f"tensor {name}: its data_offsets are not two whole numbers, the second at least the first")
    return DTYPES[dtype], tuple(shape), (offsets[0], offsets[1])


def _shaped(name: str, values: Array, shape: tuple[int, ...]) -> Array:
    try:
        return values.reshape(shape)
    except (ValueError, OverflowError):  # no values, but axes beyond what an array can have
        raise ProtocolError(f"tensor {name}: no array has the shape {shape}") from None


def _whole(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item <= LARGEST for item in value)


def _number(value: int) -> bytes:
    return value.to_bytes(LENGTH, "little")
