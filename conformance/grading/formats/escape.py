"""Text that comes from a submission, as each place may show it: no marks that it would obey, no more than so many characters.

Whatever a student can choose goes through here: a name, a reason, what was printed, and sentences and examples, which quote them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from conformance.implementations.messages import readable

MOST_NAME, MOST_SENTENCE, MOST_REASON, MOST_EXAMPLE, MOST_PRINTED = 120, 600, 2_000, 4_000, 10_000
"""How many characters are shown of a name, a sentence, a reason, an example, and of what was printed."""
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "@\u2060"}
SPECIAL: Mapping[int, str] = str.maketrans({**{mark: f"\\{mark}" for mark in "\\`*_[]|~$#"}, **ENTITIES})
"""What Markdown obeys inside of a line. No backslash keeps GitHub from calling ``@name``: a word joiner, which is not seen, does."""
OPENS = re.compile(r"^(?=[-+=:])|^(\d+)(?=[.)](?:\s|$))")
"""What would begin a list or a rule."""
LINKED = re.compile(r"(?i)\b(https?|ftp)(?=:)|\b(www)(?=\.)")
"""What GitHub makes a link of without any mark."""
FORMULA = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"
"""What a cell begins with that a spreadsheet computes; the last four are their wide forms."""
BACKTICKS = re.compile("`+")


def plain(text: object, most: int) -> str:
    """Text in lines: no control character but newlines and tabs, nothing that turns the direction of writing, no half of a character.

    What it leaves is legal in XML 1.0 and in JSON, and steers no terminal.
    """
    whole = str(text)
    shown = readable(whole[: most + 1].replace("\r\n", "\n"))
    return shown if len(whole) <= most else f"{shown[:most].rstrip()} … ({len(whole) - most:,} more characters)"


def one_line(text: object, most: int = MOST_SENTENCE) -> str:
    """The same on one line, white space as single spaces."""
    return " ".join(plain(text, most).split())


def markdown(text: object, most: int = MOST_SENTENCE) -> str:
    """One line that Markdown shows as it is, wherever it stands: in a paragraph, behind the mark of a list, in a cell, in a heading."""
    shown = one_line(text, most).translate(SPECIAL)
    return LINKED.sub(lambda found: found[0] + "\\", OPENS.sub(lambda found: f"{found[1] or ''}\\", shown))


def fenced(text: object, most: int = MOST_EXAMPLE) -> str:
    """A block of code that the text cannot close."""
    shown = plain(text, most).rstrip("\n")
    fence = "`" * max(3, 1 + max(map(len, BACKTICKS.findall(shown)), default=0))
    return f"{fence}text\n{shown}\n{fence}"


def cell(text: object, most: int = MOST_SENTENCE) -> str:
    """One line that a spreadsheet takes for text: what it would compute begins with an apostrophe."""
    shown = one_line(text, most)
    return f"'{shown}" if shown.startswith(tuple(FORMULA)) else shown
