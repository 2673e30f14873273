"""Counts and lists as they stand in a sentence."""

from __future__ import annotations

from collections.abc import Sequence


def counted(count: int, noun: str) -> str:
    """A number and its noun: "1 case", "36 cases"."""
    return f"{count} {noun}{'s' * (count != 1)}"


def are(count: int) -> str:
    """The verb that goes with a number of things."""
    return "is" if count == 1 else "are"


def a(noun: str) -> str:
    """A noun with its article: "a tuple", "an array", "an ndarray"."""
    return f"{'an' if noun[:1].lower() in 'aeio' or noun == 'ndarray' else 'a'} {noun}"


def listed(names: Sequence[str], most: int | None = None, word: str = "and") -> str:
    """Names one after the other, the last behind `word`; of more than `most` the first, and how many more there are."""
    if most is not None and len(names) > most + 1:
        names = [*names[:most], f"{len(names) - most} more"]
    return f" {word} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
