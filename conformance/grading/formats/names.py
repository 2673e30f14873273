"""What a submission's files are called: a name that every system takes, stays where it is put, and is nobody else's."""

from __future__ import annotations

import re
import unicodedata

MOST_LETTERS, MOST_BYTES = 60, 120
UNNAMED = "submission"
RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3])(\..*)?$", re.IGNORECASE)
"""What Windows takes for a device, whatever ending it has."""


def file_name(name: str, taken: set[str]) -> str:
    """The name of the folder or file for a submission, without an ending, told apart from those that are taken.

    Letters and digits of any alphabet stay, as do ``-``, ``_`` and ``.``; everything else becomes ``_``. Names are the same where they
    differ in case or in how an accent is encoded alone, as on some file systems.

    Parameters
    ----------
    name : str
        Of the submission, as it came.
    taken : set of str
        Names that others have, as :func:`same_name` makes them; the new one is added.
    """
    cleaned = _cleaned(name)
    free, number = cleaned, 1
    while same_name(free) in taken:
        number += 1
        free = f"{cleaned}-{number}"
    taken.add(same_name(free))
    return free


def same_name(name: str) -> str:
    """What two names have in common that a file system may take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _cleaned(name: str) -> str:
    shown = unicodedata.normalize("NFC", name[: 10 * MOST_LETTERS].encode("utf-8", "replace").decode())
    shown = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in shown)
    shown = re.sub("_+", "_", shown)[:MOST_LETTERS].encode()[:MOST_BYTES].decode(errors="ignore").strip("._-")
    return f"_{shown}" if RESERVED.match(shown) else shown or UNNAMED
