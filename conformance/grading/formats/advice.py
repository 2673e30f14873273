"""What a student can do about a submission that did not end well."""

from __future__ import annotations

import re

from conformance.base.words import listed
from conformance.grading.formats.numbers import written
from conformance.grading.result import CRASHED, GRADER_ERROR, REJECTED, TIMED_OUT, UNGRADABLE, Result
from conformance.grading.rubric import Rubric

FILE = "layers.py"
"""What a student's file is called where the rubric does not say."""
BELOW = 'below the line if __name__ == "__main__":'
KNOWN = (
    (re.compile("EOFError"), f"Nobody is there to type. Put what asks for input {BELOW}, and hand it in again."),
    (
        re.compile("FileNotFoundError|PermissionError"),
        "Where it is graded there are no files but those that were handed in. "
        f"Put what reads and writes files {BELOW}, and hand it in again.",
    ),
    (re.compile("null bytes"), "It is not saved as UTF-8 text. Save it so, and hand it in again."),
    (
        re.compile("relative import"),
        "Import your other files by their names (from activations import relu, without the dot), and hand it in again.",
    ),
    (re.compile("get_ipython"), "That is a line of a notebook. Leave out what begins with % or !, and hand it in again."),
    (re.compile("SystemExit"), f"A file must not end its process. Leave that out, or put it {BELOW}, and hand it in again."),
)
"""Errors of an import that do not say by themselves what to do, or that are not seen at home."""


def advice(result: Result, rubric: Rubric, asked: bool) -> str:
    """What to do, in sentences; empty where the reason says it all.

    Parameters
    ----------
    result : Result
    rubric : Rubric
    asked : bool
        Whether the submission could be asked anything.
    """
    limits, unpacked = rubric.limits, bool(result.sha256)
    slow = "Look for a loop that does not end, or that does one by one what NumPy does at once."
    imported = f"What may be imported: the standard library, {listed(sorted({'numpy', *limits.packages}))}, and your own files."
    imported += " These have to be handed in together, in one archive."
    return {
        UNGRADABLE: _of_import(result.reason, rubric) if unpacked else "",
        REJECTED: "Leave that out, and hand it in again." + f" {imported}" * unpacked,
        TIMED_OUT: f"A call may compute for {written(limits.call)} s. {slow}"
        if asked
        else f"The import may compute for {written(min(limits.start, limits.lost / 2))} s. Put what trains, tests or draws {BELOW}",
        CRASHED: f"A file must not end its process (exit, os._exit, a signal), and may use {limits.memory:,} MiB of memory.",
        GRADER_ERROR: "You need not do anything: these are not your points, and it will be graded again.",
    }[result.status]


def _of_import(reason: str, rubric: Rubric) -> str:
    """What to do about an error of the import."""
    plain = f"Run your file by itself (python {rubric.file or FILE}), mend what Python says, and hand it in again."
    return next((said for error, said in KNOWN if error.search(reason)), plain)
