"""Known failures: what ``--conform-xfail=FILE`` says of cases that fail for a reason that is known.

A plain text file, UTF-8, one entry a line::

    # comments and empty lines are free
    test_forward[LSTM-mask=gap-float64]      # the mask is not read yet
    Conv2D-*dilation_rate=*                  # dilation comes with the next release

An entry is the id of a test as records have it, or as pytest prints it (``suite/test_forward.py::test_forward[...]``), or the part of it
within the brackets; ``*`` stands for any characters and ``?`` for one, and nothing else is special. After it, a ``#`` that follows a space
begins the reason, which must be there. Where several entries fit a case, the first gives its reason.

A case that passes although it is known to fail is an XPASS of pytest: it is listed, and fails the run only where pytest's own setting
``xfail_strict`` says so. An entry with ``*`` may rightly cover a few cases that cannot see the mistake.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from conformance.base.record import KNOWABLE, PASSED, Record

FORMAT = 'write "test id  # reason"'
LINE = re.compile(r"(?P<pattern>\S+)(?:\s+#\s*(?P<reason>.*))?")
MOST_NAMED = 10


class KnownFailuresError(ValueError):
    """The file cannot be used; the sentence names it and the line."""


@dataclass(frozen=True)
class KnownFailure:
    """One line of the file."""

    number: int
    pattern: str
    reason: str

    def fits(self, identifier: str) -> bool:
        """Whether the entry means a case: by its whole id, or by what stands within the brackets."""
        names = (identifier, identifier.partition("[")[2].removesuffix("]"))
        return any(self._expression.fullmatch(name) for name in names)

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        pattern = self.pattern.rpartition("::")[2]
        return re.compile("".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern))


@dataclass(frozen=True)
class KnownFailures:
    """The entries of one file."""

    file: str
    entries: tuple[KnownFailure, ...]

    def reason(self, identifier: str) -> str:
        """Why a case is known to fail; empty where it is not known."""
        return next((entry.reason for entry in self.entries if entry.fits(identifier)), "")

    def marked(self, record: Record) -> Record:
        """The record, with the reason if it is that of a known failure, or of one that passes. Any other status stays what it is."""
        reason = self.reason(record.id) if record.status in (*KNOWABLE, PASSED) else ""
        return replace(record, known_failure=reason) if reason else record


NONE = KnownFailures("", ())


def read_known_failures(path: str | Path) -> KnownFailures:
    """Read a file of known failures.

    Raises
    ------
    KnownFailuresError
        If the file cannot be read, or a line of it is not an entry with a reason.
    """
    try:
        lines = Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    except FileNotFoundError:
        raise KnownFailuresError(f"there is no file {path}") from None
    except OSError as error:
        raise KnownFailuresError(f"{path} cannot be read ({error.strerror or error})") from None
    first: dict[str, int] = {}
    entries = []
    for number, line in enumerate(lines, 1):
        entry = _entry(f"{path}, line {number}", number, line)
        if entry is None:
            continue
        if entry.pattern in first:
            raise KnownFailuresError(f"{path}, line {number}: {entry.pattern!r} stands in line {first[entry.pattern]} already")
        first[entry.pattern] = number
        entries.append(entry)
    return KnownFailures(str(path), tuple(entries))


def _entry(where: str, number: int, line: bytes) -> KnownFailure | None:
    """The entry of a line; None for an empty one and a comment."""
    try:
        text = line.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise KnownFailuresError(f"{where}: it is not UTF-8") from None
    if not text or text.startswith("#"):
        return None
    found = LINE.fullmatch(text)
    if found is None:
        raise KnownFailuresError(f"{where}: {text!r} is not an entry: a test id holds no spaces; {FORMAT}")
    if not found["reason"]:
        raise KnownFailuresError(f"{where}: {found['pattern']!r} has no reason; {FORMAT}")
    return KnownFailure(number, found["pattern"], found["reason"])


def summary_lines(known: KnownFailures, records: Sequence[Record], narrowed: str) -> list[str]:
    """What the end of a run says about the entries.

    Parameters
    ----------
    known : KnownFailures
    records : sequence of Record
    narrowed : str
        Why the run did not ask about everything, so that an entry may well fit nothing; empty where it did.
    """
    failing = sum(record.fails_as_known for record in records)
    passing = [record.id for record in records if record.known_failure and record.status == PASSED]
    unfit = [entry for entry in known.entries if not any(entry.fits(record.id) for record in records)]
    lines = [f"known failures ({known.file}): {failing}"]
    if passing:
        lines.append(f"  unexpected passes, whose entries can go: {len(passing)}")
        lines += [f"    {identifier}" for identifier in passing[:MOST_NAMED]]
        lines += [f"    and {len(passing) - MOST_NAMED} more"] if len(passing) > MOST_NAMED else []
    if unfit and narrowed:
        lines.append(f"  entries that fit no case of this run, which was narrowed by {narrowed}: {len(unfit)} of {len(known.entries)}")
    elif unfit:
        lines.append(f"  entries that fit no case: {len(unfit)} of {len(known.entries)}")
        lines += [f"    line {entry.number}: {entry.pattern}" for entry in unfit]
    return lines
