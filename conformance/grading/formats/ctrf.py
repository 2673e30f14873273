"""A report in the Common Test Report Format, CTRF 1.0.0 (https://ctrf.io): a test for each item that a student may see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from conformance import __version__
from conformance.base.words import counted
from conformance.grading.formats.blocks import as_plain
from conformance.grading.formats.escape import MOST_NAME, one_line
from conformance.grading.formats.numbers import exact, is_full
from conformance.grading.formats.told import kept_back, nothing_asked, of_item, of_status, shown_items, title_of
from conformance.grading.result import GRADER_ERROR, VISIBLE, ItemResult, Result, Timing
from conformance.grading.rubric import Rubric

PASSED, FAILED, OTHER = "passed", "failed", "other"
STATUSES = (PASSED, FAILED, "skipped", "pending", OTHER)
UNNAMED = "submission"


def document(result: Result, rubric: Rubric, shown: Sequence[str] = (VISIBLE,)) -> dict[str, Any]:
    """The whole report; an item is passed where it earned all its points, and "other" where the harness failed.

    ``start``, ``stop`` and ``duration`` are of the whole submission, and all that differs from run to run; items have no times.
    """
    items = shown_items(result, shown)
    status = {item.id: OTHER if result.status == GRADER_ERROR else PASSED if is_full(item) else FAILED for item in items}
    counts = Counter(status.values())
    start = _milliseconds(result.timing)
    took = round(1000 * result.timing.seconds)
    return {
        "reportFormat": "CTRF",
        "specVersion": "1.0.0",
        "generatedBy": "keras-conformance",
        "results": {
            "tool": {"name": "keras-conformance", "version": __version__},
            "summary": {
                "tests": len(items),
                **{name: counts[name] for name in STATUSES},
                "start": start,
                "stop": start + took,
                "duration": took,
            },
            "tests": [_test(item, status[item.id], result, rubric) for item in items],
            "environment": {"reportName": one_line(result.submission, MOST_NAME), "appName": one_line(rubric.name, MOST_NAME)},
            "extra": {"status": result.status, "sha256": result.sha256, "itemsNotShown": len(kept_back(result, shown))},
        },
    }


def _test(item: ItemResult, status: str, result: Result, rubric: Rubric) -> dict[str, Any]:
    about = as_plain(of_status(result, rubric)) if nothing_asked(result) else as_plain(of_item(item))
    return {
        "name": one_line(title_of(item)) or item.id,
        "status": status,
        "duration": 0,
        "suite": [one_line(rubric.name, MOST_NAME), one_line(result.submission, MOST_NAME) or UNNAMED],
        "rawStatus": f"{item.passed} of {counted(item.counted, 'case')} passed",
        **({"message": about} if status != PASSED else {}),
        "extra": {"id": item.id, "earned": exact(item.earned), "points": exact(item.points), "bonus": item.bonus},
    }


def _milliseconds(timing: Timing) -> int:
    """When it began, since 1970; 0 where that is not known."""
    try:
        return round(1000 * datetime.fromisoformat(timing.at).timestamp())
    except ValueError:
        return 0
