"""Grades as tables: a row for each submission, a row for each item of each, and the times apart."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from conformance.base.record import BLOCKED, UNSUPPORTED
from conformance.grading.formats.escape import MOST_NAME, cell
from conformance.grading.formats.numbers import written
from conformance.grading.formats.told import reason_of
from conformance.grading.result import GRADER_ERROR, Result
from conformance.grading.rubric import Rubric

DIGITS = 4
"""Digits of a point in a table."""
ITEM_COLUMNS = (
    *("submission", "item", "title", "earned", "points", "passed", "counted", "unsupported", "blocked", "first sentence", "bonus"),
    "visibility",
)


def grades(results: Sequence[Result], rubric: Rubric) -> str:
    """``grades.csv``: a row for each submission, a column for each item.

    A submission that the harness failed on has no points, which is not a 0. ``review`` is ``yes`` where a person should look.
    """
    items = [item.id for item in rubric.items]
    rows = []
    for result in results:
        graded = result.status != GRADER_ERROR
        earned = {item.id: _number(item.earned) for item in result.items} if graded else {}
        review = "yes" if result.flags or not graded else ""
        total = [_number(result.earned) if graded else "", _number(result.points)]
        by_item = [earned.get(item, "") for item in items]
        rows.append([cell(result.submission, MOST_NAME), result.status, *total, *by_item, review, cell(reason_of(result))])
    return _written(["submission", "status", "earned", "points", *items, "review", "reason"], rows)


def items(results: Sequence[Result]) -> str:
    """``items.csv``: a row for each item of each submission, with the first sentence on what is wrong."""
    rows = []
    for result in results:
        for item in result.items:
            earned = "" if result.status == GRADER_ERROR else _number(item.earned)
            numbers = [earned, _number(item.points), item.passed, item.counted]
            lost = [item.counts.get(UNSUPPORTED, 0), item.counts.get(BLOCKED, 0)]
            said = cell(f"{item.causes[0].layer}: {item.causes[0].sentence}") if item.causes else ""
            bonus = "yes" if item.bonus else ""
            rows.append([cell(result.submission, MOST_NAME), item.id, cell(item.title), *numbers, *lost, said, bonus, item.visibility])
    return _written(ITEM_COLUMNS, rows)


def times(results: Sequence[Result]) -> str:
    """``timing.csv``: how long each took by the clock, how long it computed, and when; what no other table holds."""
    rows = []
    for result in results:
        timing = result.timing
        rows.append([cell(result.submission, MOST_NAME), _number(timing.seconds), _number(timing.computed), cell(timing.at)])
    return _written(["submission", "seconds", "computed", "at"], rows)


def _number(value: float) -> str:
    return written(value, DIGITS)


def _written(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
