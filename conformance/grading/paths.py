"""Names of files in what somebody handed in: which are harmless, which are junk, which refuse the whole, which are copied."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from conformance.grading.result import REJECTED, UNGRADABLE

TEXTS = (".ipynb", ".txt", ".md", ".rst", ".json", ".toml", ".cfg", ".ini", ".yaml", ".yml", ".csv", ".tsv")
SOURCES = (".py", ".pyi", ".npy", ".npz", *TEXTS)
"""Endings of files that are copied: source, text, and arrays. Compiled code, archives and programs are left out."""
JUNK_FOLDERS = frozenset({"__macosx", "__pycache__", "node_modules", "venv", "env", "site-packages"})
"""Folders that come along unwanted, beside all whose name begins with a dot."""
JUNK_FILES = frozenset({"thumbs.db", "desktop.ini"})
MOST_CHARACTERS, LONGEST_PART, DEEPEST = 1000, 255, 20
UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of what nobody sees in a name: control characters, marks of direction, halves of characters."""
MOST_SHOWN = 60


class IntakeError(Exception):
    """Something that was handed in is not taken; the sentence says why, and ``status`` is 'rejected' where it could do harm."""

    def __init__(self, sentence: str, status: str = UNGRADABLE) -> None:
        super().__init__(sentence[:1].upper() + sentence[1:])
        self.status = status


def hostile(sentence: str) -> IntakeError:
    """The error of what no honest submission has."""
    return IntakeError(sentence, REJECTED)


def shown(name: str) -> str:
    """A name as it can stand in a sentence: in quotes, without unseen characters, its end left out where it is long."""
    return repr(name) if len(name) <= MOST_SHOWN else f"{name[:MOST_SHOWN]!r}... ({len(name)} characters)"


def parts_of(name: str) -> tuple[str, ...]:
    """The folders and the file that a name in an archive means, ``\\`` read as ``/``; none for the archive's own folder.

    Raises
    ------
    IntakeError
        If it leads out of its folder, hides characters, or no file system takes it.
    """
    if len(name) > MOST_CHARACTERS:
        raise hostile(f"the name {shown(name)} is too long.")
    for form in {name, unicodedata.normalize("NFKC", name)}:
        path = form.replace("\\", "/")
        if path.startswith("/") or re.match("[A-Za-z]:", path):
            raise hostile(f"the name {shown(name)} is not one below the submission's own folder.")
        if ".." in path.split("/"):
            raise hostile(f"the name {shown(name)} leads out of the submission's folder.")
    if unicodedata.normalize("NFKC", name).count("/") != name.count("/"):
        raise hostile(f"the name {shown(name)} has a character that only looks like a slash.")
    if any(unicodedata.category(character) in UNSEEN for character in name):
        raise hostile(f"the name {shown(name)} has characters that cannot be seen.")
    parts = tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
    if len(parts) > DEEPEST or any(len(part.encode()) > LONGEST_PART for part in parts):
        raise hostile(f"the name {shown(name)} is too long.")
    return parts


def is_junk(parts: tuple[str, ...]) -> bool:
    """Whether a path is what computers leave behind: hidden files and folders, caches, environments."""
    *_, last = lower = [part.lower() for part in parts]
    return last in JUNK_FILES or any(part.startswith(".") or part in JUNK_FOLDERS for part in lower)


def is_source(parts: tuple[str, ...]) -> bool:
    """Whether a file is copied, by its ending."""
    return parts[-1].lower().endswith(SOURCES)


def check_together(files: Iterable[tuple[str, ...]], folders: Iterable[tuple[str, ...]]) -> None:
    """``IntakeError`` where two files have one name, names differ only in case, or a file is a folder as well."""
    seen: dict[tuple[str, ...], tuple[str, ...]] = {}
    inner = {_alike(path[:depth]) for path in files for depth in range(1, len(path))} | {_alike(path) for path in folders if path}
    for path in files:
        alike, name = _alike(path), "/".join(path)
        if seen.get(alike) == path:
            raise hostile(f"there are two files of the name {shown(name)}.")
        if alike in seen:
            raise hostile(f"the names {shown('/'.join(seen[alike]))} and {shown(name)} differ only in case.")
        if alike in inner:
            raise hostile(f"{shown(name)} is a file and a folder.")
        seen[alike] = path


def _alike(path: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFKC", part).casefold() for part in path)
