"""From results to files: every table, page and upload of a batch, each by rename.

::

    OUT/grades.csv  items.csv  timing.csv  summary.md  summary.png
    OUT/submissions/NAME/   page.md  release-body.md  classroom50.json  prairielearn.json  ctrf.json  junit.xml
    OUT/staff/NAME/         page.md  results.json

What lies in ``submissions/`` may be given to its student. Gradescope's ``results.json`` lies with the staff, since it holds the hidden
items, which Gradescope hides by itself. The same results give the same bytes; what differs when they are graded again is in
``timing.csv``, behind the heading "Time" of pages for the staff, and in ``start``, ``stop`` and ``duration`` of ``ctrf.json``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from conformance.grading.formats import classroom50, ctrf, figure, gradescope, junit, page, prairielearn, summary, tables
from conformance.grading.formats.names import file_name
from conformance.grading.result import GRADER_ERROR, VISIBLE, Result
from conformance.grading.rubric import Rubric
from reference.saving.files import write_document, write_text

SUBMISSIONS, STAFF = "submissions", "staff"
GRADES, ITEMS, TIMES, SUMMARY, FIGURE = "grades.csv", "items.csv", "timing.csv", "summary.md", "summary.png"
GRADESCOPE, CLASSROOM50, RELEASE_BODY = "results.json", "classroom50.json", "release-body.md"
PRAIRIELEARN, CTRF, JUNIT, PAGE = "prairielearn.json", "ctrf.json", "junit.xml", "page.md"


def write_all(results: Sequence[Result], rubric: Rubric, out: Path, shown: Sequence[str] = (VISIBLE,)) -> None:
    """Write everything about a batch below a folder, which is made if it is missing.

    Parameters
    ----------
    results : sequence of Result
        In any order; rows and names do not depend on it.
    rubric : Rubric
    out : path
    shown : sequence of str
        The visibilities of the items that a student may see by now.

    Raises
    ------
    ValueError
        If points are no number; nothing is written then.
    OSError
        If a file cannot be written; what was written before is whole.
    """
    ordered = in_order(results)
    for result in ordered:
        check(result)
    for result, name in zip(ordered, names_of(ordered), strict=True):
        write_submission(result, rubric, out, name, shown)
    write_class(ordered, rubric, out)


def in_order(results: Sequence[Result]) -> list[Result]:
    """By name, so that no table depends on who was graded first."""
    return sorted(results, key=lambda result: (result.submission, result.sha256))


def names_of(ordered: Sequence[Result]) -> list[str]:
    """The name of each submission's folders, in their order."""
    taken: set[str] = set()
    return [file_name(result.submission, taken) for result in ordered]


def check(result: Result) -> None:
    """``ValueError`` if points are not numbers: no table and no platform can say them."""
    for item in result.items:
        if not (math.isfinite(item.earned) and math.isfinite(item.points)):
            raise ValueError(f"{result.submission!r}: item {item.id!r} has {item.earned} of {item.points} points")


def write_submission(result: Result, rubric: Rubric, out: Path, name: str, shown: Sequence[str] = (VISIBLE,)) -> None:
    """Write what there is about one submission; `name` is what its folders are called."""
    theirs, ours = out / SUBMISSIONS / name, out / STAFF / name
    write_text(theirs / PAGE, page.student_page(result, rubric, shown))
    write_text(theirs / RELEASE_BODY, classroom50.release_body(result, rubric, shown))
    write_document(theirs / CLASSROOM50, classroom50.document(result, rubric, shown))
    write_document(theirs / PRAIRIELEARN, prairielearn.document(result, rubric, shown))
    write_document(theirs / CTRF, ctrf.document(result, rubric, shown))
    write_text(theirs / JUNIT, junit.document(result, rubric, shown))
    write_text(ours / PAGE, page.staff_page(result, rubric))
    write_document(ours / GRADESCOPE, gradescope.document(result, rubric))


def write_class(results: Sequence[Result], rubric: Rubric, out: Path) -> None:
    """Write the tables and the summary of a whole class, which is all that changes where each submission has its files already."""
    ordered = in_order(results)
    write_text(out / GRADES, tables.grades(ordered, rubric))
    write_text(out / ITEMS, tables.items(ordered))
    write_text(out / TIMES, tables.times(ordered))
    graded = [result for result in ordered if result.status != GRADER_ERROR]
    drawn = bool(graded) and figure.can_draw()
    if drawn:
        figure.draw(out / FIGURE, graded, rubric)
    write_text(out / SUMMARY, summary.summary(ordered, rubric, FIGURE if drawn else None))
