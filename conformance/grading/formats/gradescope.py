"""Gradescope's ``results.json``: a test for each item, with its own visibility.

Format: https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

from __future__ import annotations

from typing import Any

from conformance.grading.formats.blocks import as_markdown
from conformance.grading.formats.escape import one_line
from conformance.grading.formats.numbers import exact, is_full
from conformance.grading.formats.told import next_steps, nothing_asked, of_item, of_status, shown_items, title_of
from conformance.grading.result import GRADER_ERROR, HIDDEN, VISIBLE, Result
from conformance.grading.rubric import Rubric


def document(result: Result, rubric: Rubric) -> dict[str, Any]:
    """The whole file.

    Gradescope adds the scores up, and shows a student the tests that are visible by then; what is said about the whole submission holds
    nothing about others. A bonus is a test as any other: the assignment's points on Gradescope are those without it. Where the harness
    failed there is no score, which Gradescope reports to the staff and does not take for a 0.
    """
    about = as_markdown([*of_status(result, rubric), *next_steps(result, rubric, shown_items(result, (VISIBLE,)))])
    whole: dict[str, Any] = {
        "output": about,
        "output_format": "md",
        "visibility": VISIBLE,
        "stdout_visibility": HIDDEN,
        "extra_data": {"status": result.status, "sha256": result.sha256},
    }
    return whole if result.status == GRADER_ERROR else {**whole, "tests": _tests(result)}


def _tests(result: Result) -> list[dict[str, Any]]:
    silent = nothing_asked(result)
    return [
        {
            "name": one_line(title_of(item)),
            "number": str(number),
            "score": exact(item.earned),
            "max_score": exact(item.points),
            "status": "passed" if is_full(item) else "failed",
            "output": "" if silent else as_markdown(of_item(item)),
            "output_format": "md",
            "visibility": item.visibility,
            "extra_data": {"id": item.id, "bonus": item.bonus, "passed": item.passed, "counted": item.counted},
        }
        for number, item in enumerate(result.items, 1)
    ]
