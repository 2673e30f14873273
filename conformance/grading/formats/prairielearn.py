"""PrairieLearn's ``results.json``: a share of 1, and a test for each item.

Format: https://docs.prairielearn.com/externalGrading/ (section "Grading results")
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conformance.grading.formats.blocks import as_plain
from conformance.grading.formats.escape import one_line, plain
from conformance.grading.formats.numbers import exact, is_full, worth
from conformance.grading.formats.together import OTHERS, told_together
from conformance.grading.formats.told import next_steps, nothing_asked, of_item, of_status, shown_items, title_of
from conformance.grading.result import GRADER_ERROR, UNGRADABLE, VISIBLE, Result
from conformance.grading.rubric import Rubric

MOST_MESSAGES = 150_000
"""Characters of all messages together: PrairieLearn takes files of 1 MB."""


def document(result: Result, rubric: Rubric, shown: Sequence[str] = (VISIBLE,)) -> dict[str, Any]:
    """The whole file.

    ``score`` lies between 0 and 1, so that a bonus makes up for what was lost and no more; in the list of tests it comes on top. What
    cannot be imported, or the harness failed on, is ``gradable: false``: it costs the student no attempt. Items that may not be seen are
    one test without words, since PrairieLearn shows all tests and their sum.
    """
    said = as_plain(of_status(result, rubric))
    if result.status in (GRADER_ERROR, UNGRADABLE):
        return {"gradable": False, "format_errors": [said]}
    steps = as_plain(next_steps(result, rubric, shown_items(result, shown)))
    score = min(1.0, result.earned / result.points) if result.points else float(all(map(is_full, result.items)))
    message = "\n\n".join(filter(None, [said, steps]))
    return {"gradable": True, "score": score, "message": message, "tests": _tests(result, shown)}


def _tests(result: Result, shown: Sequence[str]) -> list[dict[str, Any]]:
    items = told_together(result, shown)
    most = MOST_MESSAGES // max(len(items), 1)
    tests = []
    for item in items:
        name = f"{title_of(item)}, up to {worth(item.points)}" if item.bonus else title_of(item)
        points = {"points": exact(item.earned), "max_points": 0.0 if item.bonus else exact(item.points)}
        message = "" if item.id == OTHERS or nothing_asked(result) else plain(as_plain(of_item(item)), most)
        tests.append({"name": one_line(name), **points, "message": message})
    return tests
