"""How a run of pytest ends: the exit code follows from the records of its cases, whatever pytest's own reports say of them.

An implementation that runs inside pytest reaches everything there, and one that turns pytest's reports green would make the run green.
The records say what was found. They are no sandbox: what looks for them in the same process can change them as well, and what is not
trusted belongs in a process of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from conformance.base.record import FAILED_STATUSES, PASSED, Record

NOTHING_ASKED = 2
"""What a run ends with in which nothing passed and nothing failed, as ``conform check`` does."""


def ended(given: int, judged: Sequence[Record], others: Sequence[Record], silent: int, unwritten: Sequence[str]) -> tuple[int, list[str]]:
    """The exit code of a run, and what is to be said of it, a sentence each.

    Parameters
    ----------
    given : int
        What pytest would end with; it stays unless that is success, or that there was no test.
    judged, others : sequence of Record
        Those of the suite, and those of test files of a user's own, who may mark a test as failing by pytest's own means.
    silent : int
        How many tests of the suite passed or were skipped and left no record.
    unwritten : sequence of str
        What could not be written, a sentence each.
    """
    wrong = sum(record.status in FAILED_STATUSES and not record.fails_as_known for record in judged)
    asked = any(record.status in (PASSED, *FAILED_STATUSES) for record in (*judged, *others))
    if given not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return given, list(unwritten)
    code, said = given, []
    if (judged or others) and not asked:
        code, said = NOTHING_ASKED, ["nothing could be asked: nothing passed and nothing failed"]
    if wrong:
        said.append(f"{_counted(wrong, 'failure')} on record that pytest does not report: the run fails by its records")
    if silent:
        said.append(f"{_counted(silent, 'test')} of the suite left no record and counted as no failure: the run fails")
    if wrong or silent or unwritten:
        code = pytest.ExitCode.TESTS_FAILED
    return code, [*said, *unwritten]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
