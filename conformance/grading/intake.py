"""What was handed in: which submissions there are, and the source files of each in a fresh folder, whatever it is that came."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.base.words import listed
from conformance.grading.archives import (
    ENDINGS,
    FILE,
    FOLDER,
    FREE,
    LARGEST,
    LARGEST_FILE,
    MB,
    MOST_FILES,
    MOST_TIMES,
    Entry,
    bomb,
    entries,
    is_archive,
)
from conformance.grading.paths import IntakeError, check_together, hostile, is_junk, is_source, parts_of, shown

PYTHON, NOTEBOOK, USUAL = ".py", ".ipynb", "layers.py"
EXPORT = "export it as a Python file (jupyter nbconvert --to script), and hand in that"
BESIDE = (".csv", ".json", ".log", ".md", ".rst", ".toml", ".yaml", ".yml")
"""Endings of files that staff and platforms keep beside submissions."""
DOWNLOADED = (
    re.compile(r"(?P<name>.+?)_\d+_assignsubmission_(?:file|onlinetext)_.*", re.DOTALL),  # Moodle
    re.compile(r"(?P<name>[^_]+)(?:_LATE)?_\d+_\d+_.+", re.DOTALL),  # Canvas
)
"""How platforms call what they hand out: the student's name, and numbers."""
MOST_CANDIDATES = 5
Parts = tuple[str, ...]


@dataclass(frozen=True)
class Submission:
    """One thing that was handed in, not looked into yet.

    Attributes
    ----------
    name : str
        The student's, as the file or the folder is called: any characters but ``/``, no two alike in a batch.
    source : Path
        A file, a folder or an archive; or something else, which :func:`unpacked` refuses.
    file : str
        Which file of it is judged; the only one, or ``layers.py``, if empty or not there.
    """

    name: str
    source: Path
    file: str = ""


@dataclass(frozen=True)
class Taken:
    """A submission's source files in a folder of their own.

    Attributes
    ----------
    folder : Path
        Where the judged file lies, and what it may import.
    file : str
        The name of the judged file in that folder.
    sha256 : str
        Of the names and contents of all its files.
    left_out : tuple of str
        Files that were not copied, by name: no source, or too large.
    """

    folder: Path
    file: str
    sha256: str
    left_out: tuple[str, ...] = ()


def find_submissions(path: Path, *, file: str = "") -> list[Submission]:
    """The submissions at a path, sorted by name.

    Parameters
    ----------
    path : Path
        A folder of files, folders and archives, one a submission; or one submission: a file, an archive, or a folder which has the
        judged file in it.
    file : str
        The file that is judged where there are several.

    Raises
    ------
    IntakeError
        If there is no such path, or nothing in it.
    """
    try:
        inside = sorted(path.iterdir()) if path.is_dir() else []
    except OSError as error:
        raise IntakeError(f"{path} cannot be read: {error.strerror}.") from None
    if not path.exists():
        raise IntakeError(f"There is no {path}.")
    one = not path.is_dir() or any(each.name == (file or USUAL) and each.is_file() for each in inside)
    sources = [path.resolve()] if one else [each for each in inside if _is_submission(each)]
    if not sources:
        raise IntakeError(f"There is no submission in {path}: no Python file, no folder, no archive.")
    names = _names(sources)
    return sorted((Submission(names[source], source, file) for source in sources), key=lambda one: one.name)


def _is_submission(path: Path) -> bool:
    return not is_junk((path.name,)) and not (path.name.lower().endswith(BESIDE) and path.is_file())


def _names(sources: Sequence[Path]) -> dict[Path, str]:
    """A name for each; where two would have the same, what they are called in full."""
    whole = {source: source.name.encode(errors="surrogateescape").decode(errors="backslashreplace") for source in sources}
    short = {source: _short(name, source.is_dir()) for source, name in whole.items()}
    while twice := {name for name, count in Counter(short.values()).items() if count > 1}:
        changed = {source: whole[source] for source, name in short.items() if name in twice and name != whole[source]}
        if not changed:
            return {source: f"{name} ({number})" if name in twice else name for number, (source, name) in enumerate(short.items(), 1)}
        short.update(changed)
    return short


def _short(name: str, folder: bool) -> str:
    """A name without ending, and without what a platform added."""
    lower = name.lower()
    ending = "" if folder else next((one for one in sorted(ENDINGS, key=len, reverse=True) if lower.endswith(one)), Path(name).suffix)
    found = next((match for pattern in DOWNLOADED if (match := pattern.fullmatch(name))), None)
    return (found["name"] if found else name.removesuffix(name[len(name) - len(ending) :]) if ending else name) or name


def unpacked(submission: Submission, into: Path) -> Taken:
    """Copy the source files of a submission into a folder, which is made and must be empty.

    Neither links, devices nor compiled code are copied, no archive in an archive is opened, and a name that leads elsewhere or an archive
    that unpacks to too much refuses the whole.

    Raises
    ------
    IntakeError
        In a sentence for the student: why it is not taken.
    OSError
        If the copy cannot be written, which is nobody's fault who handed in.
    """
    _check_kind(submission.source)
    copied, left_out = _contents(submission.source)
    judged = _judged(list(copied), submission.file)
    digest = hashlib.sha256()
    for parts, content in sorted(copied.items()):
        name = "/".join(parts).encode()
        digest.update(b"%d %d\n%s%s" % (len(name), len(content), name, content))
        target = into.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return Taken(into.joinpath(*judged[:-1]), judged[-1], digest.hexdigest(), tuple(left_out))


def _check_kind(source: Path) -> None:
    if source.is_symlink() or not (source.is_dir() or source.is_file()):
        raise hostile(f"{shown(source.name)} is no file, folder or archive.")
    if source.is_file() and source.suffix.lower() == NOTEBOOK:
        raise IntakeError(f"{shown(source.name)} is a notebook: {EXPORT}.")
    if source.is_file() and not is_archive(source) and source.suffix.lower() != PYTHON:
        raise IntakeError(f"{shown(source.name)} is neither a Python file nor an archive that is opened here ({', '.join(ENDINGS)}).")


def _contents(source: Path) -> tuple[dict[Parts, bytes], list[str]]:
    """The source files of a submission by their paths, and the names of files that are left out."""
    found = _wanted(entries(source), plain=source.is_file() and not is_archive(source))
    if source.is_dir() and (inner := _only_archive(source, found)) is not None:
        source, found = inner, _wanted(entries(inner))
    files = {parts: entry for parts, entry in found if entry.kind == FILE}
    wanted = {parts: entry for parts, entry in files.items() if is_source(parts)}
    small = {parts: entry for parts, entry in wanted.items() if parts[-1].lower().endswith(PYTHON) or entry.size <= LARGEST_FILE}
    copied = _read(small, source)
    top = _common_folder(list(files))
    return {parts[top:]: content for parts, content in copied.items()}, ["/".join(parts[top:]) for parts in files if parts not in small]


def _wanted(found: Iterable[Entry], plain: bool = False) -> list[tuple[Parts, Entry]]:
    """Entries that are no junk, their names checked, alone and together; of a plain file the name need not be fit for an archive."""
    named = [(("submission.py",) if plain and not _fits(one.name) else parts_of(one.name), one) for one in found]
    kept = [(parts, entry) for parts, entry in named if parts and not is_junk(parts)]
    for parts, entry in kept:
        if entry.kind not in (FILE, FOLDER):
            raise hostile(f"{shown('/'.join(parts))} is a {entry.kind}, which is not taken.")
    if sum(entry.kind == FILE for _, entry in kept) > MOST_FILES:
        raise hostile(f"it has more than {MOST_FILES} files.")
    check_together([parts for parts, entry in kept if entry.kind == FILE], [parts for parts, entry in kept if entry.kind == FOLDER])
    return kept


def _fits(name: str) -> bool:
    try:
        return name.endswith(PYTHON) and not is_junk(parts_of(name))
    except IntakeError:
        return False


def _only_archive(folder: Path, found: Sequence[tuple[Parts, Entry]]) -> Path | None:
    """The archive in a folder that has one and no Python file, as platforms hand it out."""
    names = [parts for parts, entry in found if entry.kind == FILE]
    inner = [folder.joinpath(*parts) for parts in names if is_archive(Path(parts[-1]))]
    return inner[0] if len(inner) == 1 and not any(parts[-1].endswith(PYTHON) for parts in names) else None


def _read(files: dict[Parts, Entry], source: Path) -> dict[Parts, bytes]:
    """The bytes of files, counted while they are read."""
    most = LARGEST
    if source.is_file() and is_archive(source):
        most = max(FREE, min(LARGEST, MOST_TIMES * source.stat().st_size))
    total, contents = 0, {}
    for parts, entry in files.items():
        try:
            contents[parts] = entry.read(LARGEST_FILE + 1)
        except OSError as error:
            raise IntakeError(f"{shown('/'.join(parts))} cannot be read: {error.strerror or type(error).__name__}.") from None
        total += len(contents[parts])
        if len(contents[parts]) > LARGEST_FILE:
            raise hostile(f"{shown('/'.join(parts))} has more than {LARGEST_FILE // MB} MB.")
        if total > most:
            raise hostile(bomb(most))
    return contents


def _common_folder(files: Sequence[Parts]) -> int:
    """How many folders stand around all files, so that they are looked through."""
    depth = 0
    while files and all(len(parts) > depth + 1 and parts[: depth + 1] == files[0][: depth + 1] for parts in files):
        depth += 1
    return depth


def _judged(copied: Sequence[Parts], file: str) -> Parts:
    """The file that is judged: the one that is asked for, else the only Python file, else ``layers.py``."""
    sources = sorted((parts for parts in copied if parts[-1].endswith(PYTHON)), key=lambda parts: (len(parts), parts))
    if not sources:
        notebook = any(parts[-1].lower().endswith(NOTEBOOK) for parts in copied)
        raise IntakeError("there is no Python file in it" + (f", but a notebook: {EXPORT}." if notebook else "."))
    asked = [parts for parts in sources if "/".join(parts) == (file or USUAL)] or [one for one in sources if one[-1] == (file or USUAL)]
    chosen = (asked if file else []) or (sources if len(sources) == 1 else asked)
    if len(chosen) == 1:
        return chosen[0]
    names = listed([shown("/".join(parts)) for parts in chosen or sources], MOST_CANDIDATES)
    if chosen:
        raise IntakeError(f"several of its files have the name {shown(file or USUAL)}: {names}.")
    todo = "hand in one, give it this name, or add one that imports the others"
    raise IntakeError(f"none of its Python files is called {shown(file or USUAL)}: {names}; {todo}.")
