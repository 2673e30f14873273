"""What is told, before it is known where: sentences, points of a list and verbatim lines, written as Markdown or as plain text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from conformance.grading.formats.escape import MOST_EXAMPLE, MOST_SENTENCE, fenced, markdown, one_line, plain


class Block(NamedTuple):
    """A part of what is told; its text may quote a submission, and is escaped when it is written."""

    text: str
    most: int
    kind: str


def sentence(text: str, most: int = MOST_SENTENCE) -> Block:
    """A paragraph of one line."""
    return Block(text, most, "sentence")


def point(text: str, most: int = MOST_SENTENCE) -> Block:
    """A point of a list."""
    return Block(text, most, "point")


def verbatim(text: str, most: int = MOST_EXAMPLE) -> Block:
    """Lines as they are; below a point they belong to it."""
    return Block(text, most, "verbatim")


def as_markdown(blocks: Iterable[Block]) -> str:
    """Paragraphs, lists and blocks of code; empty where there is nothing to tell."""
    return _joined(blocks, markdown, fenced, "  ")


def as_plain(blocks: Iterable[Block]) -> str:
    """The same for a place that shows text as it is."""
    return _joined(blocks, one_line, lambda text, most: _indented(plain(text, most), "  "), "")


def _joined(blocks: Iterable[Block], line: Callable[[str, int], str], lines: Callable[[str, int], str], indent: str) -> str:
    written, listing, before = "", False, ""
    for text, most, kind in blocks:
        listing = kind == "point" or (kind == "verbatim" and listing)
        if kind == "verbatim":
            shown = _indented(lines(text, most), indent if listing else "")
        else:
            shown = ("- " if kind == "point" else "") + line(text, most)
        written += ("\n" if kind == before == "point" else "\n\n" if written else "") + shown
        before = kind
    return written


def _indented(text: str, indent: str) -> str:
    return "\n".join(indent + one if one else "" for one in text.split("\n"))
