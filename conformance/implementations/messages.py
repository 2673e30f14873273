"""Messages: what a frame says. Calls and results as JSON with the arrays beside it, by names that can be used without it.

Both sides use this file. What has no place in JSON or among the tensors keeps what a verdict needs of it: an array of another kind its
dtype and shape, any other object the name of its type.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.base.call import Answer, Question
from conformance.base.record import ERROR, PASSED, UNSUPPORTED
from conformance.implementations.frames import FRAME_AT_MOST, NAMES, RANK_AT_MOST, TENSORS_AT_MOST, Frame, ProtocolError, read_json

Array = NDArray[Any]

PROTOCOL = "1"
TEXT_AT_MOST = 2000
HANDLE_AT_MOST = 200
DEPTH_AT_MOST = 32
VALUES_AT_MOST = 100_000
"""Values in a structure, and among them those of arrays that are no tensors."""
ROOM = FRAME_AT_MOST // 2
"""Bytes of tensors in a result; what is beyond goes without its values."""
ITEM_AT_MOST = 2**16
LISTED_AT_MOST = 2**26
"""Bytes of an array whose values are listed."""
DTYPE = re.compile(r"[<>|=]?[A-Za-z][0-9]{0,5}(\[[0-9]{0,6}[A-Za-z]{1,5}\])?")
STATUSES = (PASSED, UNSUPPORTED, ERROR)
FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class Kept:
    """An object that stays in the process which made it; what was returned is given back by its `handle`, ``State/3``."""

    handle = ""


@dataclass
class Packer:
    """Turns values into a structure for JSON and gathers their arrays.

    Attributes
    ----------
    exact : bool
        Whether what cannot be sent as it is, is an error (a question must arrive whole); else it is described (an answer is only judged).
    keep : callable or None
        Keeps an object that cannot be sent, and returns the handle which goes instead.
    """

    exact: bool
    tensors: dict[str, Array] = field(default_factory=dict)
    values: int = 0
    taken: int = 0
    keep: Callable[[Any], str] | None = None

    def pack(self, value: Any, name: str, depth: int = 0) -> Any:
        """The structure of a value whose arrays are called by `name`, and by numbers or names below it."""
        self.values += 1
        if isinstance(value, np.ndarray | np.generic):
            return self._array(np.array(value, subok=False, copy=None), name, isinstance(value, np.generic))
        if type(value) is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if _is_plain(value):
            return value
        if depth == DEPTH_AT_MOST or self.values > VALUES_AT_MOST:
            return self._other(value, name)
        if isinstance(value, tuple):
            return {"tuple": self._items(value, name, depth)}
        if isinstance(value, list):
            return self._items(value, name, depth)
        if type(value) is dict and all(type(key) is str for key in value):
            return {"dict": {key: self.pack(item, f"{name}/{key}", depth + 1) for key, item in value.items()}}
        return self._other(value, name)

    def _items(self, values: tuple[Any, ...] | list[Any], name: str, depth: int) -> list[Any]:
        return [self.pack(item, f"{name}/{n}", depth + 1) for n, item in enumerate(values)]

    def _array(self, array: Array, name: str, scalar: bool) -> dict[str, Any]:
        fits = len(self.tensors) < TENSORS_AT_MOST and array.ndim <= RANK_AT_MOST and self.taken + array.nbytes <= ROOM
        if array.dtype.str in NAMES and (fits or self.exact):
            self.taken += array.nbytes
            self.tensors[name] = array
            return {"scalar" if scalar else "tensor": name}
        # A structured dtype is a list of its fields, any other a short text.
        described: dict[str, Any] = {"dtype": array.dtype.descr if array.dtype.names else array.dtype.str, "shape": list(array.shape)}
        self.values += array.size
        if array.dtype.kind in "OU" and self.values <= VALUES_AT_MOST and array.nbytes <= LISTED_AT_MOST:
            items = array.ravel().tolist()
            if all(map(_is_plain, items)):
                described["values"] = items
        if self.exact and "values" not in described:
            raise ProtocolError(f"{name}: an array of {array.dtype} cannot be sent")
        return {"array": {**described, "scalar": True} if scalar else described}

    def _other(self, value: Any, name: str) -> dict[str, Any]:
        if isinstance(value, Kept):
            return {"kept": value.handle}
        if self.keep is not None:
            return {"kept": self.keep(value)}
        if self.exact:
            raise ProtocolError(f"{name}: a {type(value).__name__} cannot be sent")
        return {"object": type(value).__name__}


def unpack(structure: Any, tensors: Mapping[str, Array], depth: int = 0) -> Any:
    """The value of a structure; what cannot be is a :class:`ProtocolError`."""
    if depth > DEPTH_AT_MOST:
        raise ProtocolError(f"a value is nested more than {DEPTH_AT_MOST} levels deep")
    if isinstance(structure, list):
        return [unpack(item, tensors, depth + 1) for item in structure]
    if not isinstance(structure, dict):
        return structure
    if len(structure) != 1:
        raise ProtocolError(f"a value has the names {', '.join(sorted(structure))[:80]}, where one is expected")
    ((kind, content),) = structure.items()
    if kind == "tuple" and isinstance(content, list):
        return tuple(unpack(content, tensors, depth))
    if kind == "dict" and isinstance(content, dict):
        return {name: unpack(item, tensors, depth + 1) for name, item in content.items()}
    if kind == "array" and isinstance(content, dict):
        return _described_array(content)
    if isinstance(content, str):
        return _named(kind, content, tensors)
    raise ProtocolError(f"a value of the kind {kind[:40]!r} is none that the protocol has")


def _named(kind: str, name: str, tensors: Mapping[str, Array]) -> Any:
    """A value that one text stands for."""
    if kind in ("tensor", "scalar"):
        if name not in tensors:
            raise ProtocolError(f"there is no tensor {name[:80]}")
        return tensors[name] if kind == "tensor" else tensors[name][()]
    if kind == "float" and name in FLOATS:
        return FLOATS[name]
    if kind == "object":
        return _class(printable(name))()
    if kind == "kept":
        return type(printable(name.rpartition("/")[0]), (Kept,), {"handle": name[:HANDLE_AT_MOST]})()
    raise ProtocolError(f"a value {name[:40]!r} of the kind {kind[:40]!r} is none that the protocol has")


@functools.lru_cache(maxsize=256)
def _class(name: str) -> type:
    """A class that stands for one of the implementation's own, which is a costly thing to make for each of many objects."""
    return type(name, (), {})


def printable(name: str) -> str:
    """The name of a class without what cannot be printed, cut where it is long."""
    return "".join(character for character in name if character.isprintable())[:100]


def _described_array(described: dict[str, Any]) -> Any:
    """An array of the dtype and shape that are told, with its values where they are told as well; without them it takes no memory."""
    shape: Any = described.get("shape")
    values = described.get("values")
    try:
        dtype = _dtype(described.get("dtype"))
        if values is None:
            array = np.broadcast_to(np.zeros((), dtype), shape)
        elif isinstance(values, list) and all(map(_is_plain, values)) and dtype.itemsize * len(values) <= LISTED_AT_MOST:
            array = np.array(values, dtype).reshape(shape)
        else:
            raise TypeError("its values are not a list of texts and numbers, or too many")
    except (TypeError, ValueError, KeyError, OverflowError, SyntaxError) as error:
        raise ProtocolError(f"no array has the dtype and shape that are told: {str(error)[:200]}") from None
    return array[()] if described.get("scalar") else array


def _dtype(told: Any, depth: int = 0) -> np.dtype[Any]:
    """A dtype from what ``dtype.str`` or ``dtype.descr`` says of it, and no larger than :data:`ITEM_AT_MOST`."""
    if isinstance(told, list) and depth < 4:
        dtype = np.dtype([(str(name), _dtype(part, depth + 1), *map(tuple, shape)) for name, part, *shape in told])
    elif isinstance(told, str) and DTYPE.fullmatch(told):
        dtype = np.dtype(told)
    else:
        raise TypeError("a dtype is a short text or a list of fields")
    if dtype.itemsize == 0:  # NumPy would choose the size by the values, and arrays without bytes can be of any length
        raise TypeError("an item takes no bytes")
    if dtype.itemsize > ITEM_AT_MOST:
        raise TypeError(f"an item takes {dtype.itemsize} bytes, at most {ITEM_AT_MOST} are taken")
    return dtype


def question_metadata(question: Question, packer: Packer, key: str = "arguments", prefix: str = "") -> dict[str, str]:
    """The call of a question as texts; its arrays go to `packer`."""
    backward = question.function.endswith("_backward")
    first = ["grad_output", "input"] if backward else ["input"]
    names = [*first, *(f"weight/{n}" for n in range(len(question.positional)))]
    positional = [packer.pack(value, prefix + name) for name, value in zip(names, question.positional, strict=False)]
    keywords = {name: packer.pack(value, prefix + name) for name, value in question.keywords.items()}
    arguments = dumps({"positional": positional, "keywords": keywords})
    return {"op": "backward" if backward else "forward", "function": question.function, key: arguments}


def question_of(frame: Frame, key: str = "arguments") -> Question:
    """The question that a request asks."""
    arguments = read_json(text_of(frame, key), key)
    positional, keywords = (arguments.get(name) if isinstance(arguments, dict) else None for name in ("positional", "keywords"))
    if not isinstance(positional, list) or not isinstance(keywords, dict):
        raise ProtocolError(f"{key} has no list of positional and no object of keywords")
    values = {name: unpack(value, frame.tensors) for name, value in keywords.items()}
    return Question(text_of(frame, "function"), tuple(unpack(value, frame.tensors) for value in positional), values)


def answer_frame(number: str, answer: Answer, keep: Callable[[Any], str] | None = None) -> Frame:
    """The reply to the request of this number; `keep` as of :class:`Packer`."""
    packer = Packer(exact=False, keep=keep)
    metadata = {"id": number, "status": answer.status, "message": answer.message, "printed": answer.printed}
    if answer.changed:
        metadata["changed"] = dumps(answer.changed)
    if answer.refused:
        metadata["refused"] = dumps(answer.refused)
    if answer.status == PASSED:
        metadata["value"] = dumps(packer.pack(answer.value, "output"))
    return Frame({name: _sendable(text) for name, text in metadata.items()}, packer.tensors)


def answer_of(frame: Frame) -> Answer:
    """The answer that a reply gives."""
    status, message = text_of(frame, "status"), frame.metadata.get("message", "")
    if status != PASSED and not message:
        message = "(the reply has no message)"
    if status not in STATUSES:
        raise ProtocolError(f"the reply has the status {status[:40]!r}, which is none of {', '.join(STATUSES)}")
    message, printed = readable(message[:TEXT_AT_MOST]), readable(frame.metadata.get("printed", "")[:TEXT_AT_MOST])
    value = _value(frame) if status == PASSED else None
    return Answer(status, value, message, _names(frame, "changed"), printed, _names(frame, "refused"))


def _names(frame: Frame, key: str) -> tuple[str, ...]:
    """An optional list of names in the metadata of a reply."""
    listed = read_json(frame.metadata.get(key, "[]"), key)
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise ProtocolError(f"{key} is not a list of names")
    return tuple(readable(name[:80]) for name in listed[:TENSORS_AT_MOST])


def _value(frame: Frame) -> Any:
    """What a reply returns: by its structure, else the tensor `output`, or the tuple of `output/0`, `output/1` ..."""
    if "value" in frame.metadata:
        return unpack(read_json(frame.metadata["value"], "value"), frame.tensors)
    names = ["output"] if "output" in frame.tensors else [f"output/{n}" for n in range(len(frame.tensors))]
    if not names or set(names) != set(frame.tensors):
        found = ", ".join(sorted(frame.tensors))[:200] or "(none)"
        raise ProtocolError(f"the reply has the tensors {found}, where output is expected, or output/0, output/1 ...")
    return frame.tensors["output"] if names == ["output"] else tuple(frame.tensors[name] for name in names)


def _is_plain(value: Any) -> bool:
    """Whether JSON has this very value."""
    if type(value) is int:
        return value.bit_length() <= 64
    return value is None or type(value) in (bool, str) or (type(value) is float and math.isfinite(value))


def text_of(frame: Frame, name: str) -> str:
    """An entry of the metadata that must be there."""
    if name not in frame.metadata:
        raise ProtocolError(f"the metadata have no {name}")
    return frame.metadata[name]


def dumps(value: Any) -> str:
    """JSON as the protocol has it; keyword arguments keep their order, which sentences about them show."""
    return json.dumps(value, allow_nan=False)


def readable(text: str) -> str:
    """A text without what would steer a terminal or turn the direction of writing."""
    return "".join(character if character.isprintable() or character in "\n\t" else " " for character in text)


def _sendable(text: str) -> str:
    """Halves of characters, which Python's texts may hold, have no UTF-8."""
    return text.encode("utf-8", "replace").decode()
