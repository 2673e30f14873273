"""What passes between the suite and an implementation, and nothing else does: one call, and what came of it.

This file imports the standard library alone, so that a process that only answers needs no more of the suite than this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REFUSED = "does not accept the option "
"""What the message of an unsupported call says before the names of options that a signature lacks."""
REFUSES = " refuses "
"""What it says before the option values that raise: ``dense_forward refuses activation='glu' and use_bias=False``."""
WITHOUT = ", and without that "
"""What stands between values that raise and the error in which the same call ends without them, whose message follows."""
WEIGHTS = "weights"
"""Stands in :attr:`Answer.refused` for the options that are not passed but remove a weight (``use_bias=False``)."""


@dataclass(frozen=True)
class Question:
    """One call: the name of a function, its arguments by position and by keyword.

    ``origin`` is what the call was made of, where that is a case: it can be made again with fewer options. An implementation never sees it.
    """

    function: str
    positional: tuple[Any, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict)
    origin: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Answer:
    """What came of a call.

    Attributes
    ----------
    status : str
        'passed' when the function returned, else 'unsupported', 'error' or 'timeout'.
    value : object
        What it returned.
    message : str
        Why it did not return, in a sentence.
    changed : tuple of str
        Arguments that the function changed: keywords by their names, others by :func:`place_of`.
    printed : str
        What it printed or warned.
    refused : tuple of str
        Of an error: the options that its exception may be meant for, by what was raised and where (:data:`WEIGHTS` among them).
        Whether it is, only more questions tell: see :mod:`conformance.judging.refusal`.
    remarks : tuple of str
        What a pass does not hide of the form in which it came.
    """

    status: str
    value: Any = None
    message: str = ""
    changed: tuple[str, ...] = ()
    printed: str = ""
    refused: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def place_of(number: int) -> str:
    """What an argument by position is called before anybody has looked up its name."""
    return f"argument {number + 1}"
