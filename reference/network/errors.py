"""How the readers of model files refuse: one sentence, which names the file and the member or layer."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

MAX_SHOWN = 200

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = MAX_SHOWN
_REPR.maxlist = _REPR.maxtuple = _REPR.maxdict = 8


class ArchiveError(ValueError):
    """A file of a model that cannot be read or written; the sentence names the file and the member or layer."""


def shown(value: Any) -> str:
    """A value of a file as it stands in a sentence: quoted, and cut where it is long."""
    return _REPR.repr(value)


@contextmanager
def naming(label: object) -> Iterator[None]:
    """Put a file or member in front of the sentence of every :class:`ArchiveError`."""
    try:
        yield
    except ArchiveError as error:
        raise ArchiveError(f"{label}: {error}") from None


def part(value: Any, name: str, kind: type, where: str) -> Any:
    """What stands under a name in a serialised object; ``ArchiveError`` if that is missing or of another type."""
    found = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(found, kind):
        words = "an object" if kind is dict else "a list" if kind is list else "a text"
        raise ArchiveError(f"{where}: its {name} is {shown(found)}, not {words}" if found is not None else f"{where} has no {name}")
    return found


@contextmanager
def malformed(sentence: str) -> Iterator[None]:
    """Make one sentence of whatever the reading of a malformed configuration trips over."""
    try:
        yield
    except ArchiveError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        raise ArchiveError(f"{sentence} ({type(error).__name__}: {str(error)[:MAX_SHOWN]})") from None
