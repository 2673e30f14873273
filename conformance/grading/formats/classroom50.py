"""Classroom 50's ``result.json`` (schema ``classroom50/result/v1``) and ``release-body.md``, which a student reads on the release's page.

Format: https://github.com/foundation50/classroom50/wiki/Advanced-Autograding
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from conformance.grading.formats.escape import one_line
from conformance.grading.formats.numbers import hundredths, is_full
from conformance.grading.formats.page import student_page
from conformance.grading.formats.together import told_together
from conformance.grading.formats.told import title_of
from conformance.grading.result import GRADER_ERROR, VISIBLE, ItemResult, Result
from conformance.grading.rubric import Rubric

SCHEMA = "classroom50/result/v1"
TAG = re.compile(r"submit/(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)Z")
"""How the runner names a submission: by when it was handed in."""


def document(
    result: Result, rubric: Rubric, shown: Sequence[str] = (VISIBLE,), environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The whole ``result.json``.

    Scores are whole numbers there: they are hundredths of a point, so that 7.5 of 10 points is 750 of 1000. No score may be more than its
    maximum, which is without the bonus: a bonus makes up for what was lost and no more. Who handed in what comes from the environment of
    the runner, ``os.environ`` if not given. Items that may not be seen are one test without words. Where the harness failed there is no
    test and a score of 0 of 0, as the runner itself says it.
    """
    found = os.environ if environment is None else environment
    tests = [] if result.status == GRADER_ERROR else [_test(item) for item in told_together(result, shown)]
    most = sum(test["max-score"] for test in tests if not test["bonus"])
    return {
        "schema": SCHEMA,
        **_identity(rubric, found),
        "score": min(most, sum(test["score"] for test in tests)),
        "max-score": most,
        "tests": tests,
        "status": result.status,
        "score-unit": "0.01 points",
    }


def release_body(result: Result, rubric: Rubric, shown: Sequence[str] = (VISIBLE,)) -> str:
    """The student's page, and how its points become the scores of the release."""
    return f"{student_page(result, rubric, shown)}\nScores on Classroom 50 are in hundredths of a point.\n"


def _test(item: ItemResult) -> dict[str, Any]:
    most = hundredths(item.points, item.points)
    return {
        "test-name": one_line(title_of(item)) or item.id,
        "passed": is_full(item),
        "score": min(hundredths(item.earned, item.points), most),
        "max-score": most,
        "id": item.id,
        "bonus": item.bonus,
    }


def _identity(rubric: Rubric, environment: Mapping[str, str]) -> dict[str, str]:
    """Who and what, in the words of the runner; it stamps ``owner``, ``assignment_type`` and ``datetime`` anew."""
    tag = environment.get("SUBMISSION_TAG", "")
    moment = TAG.match(tag)
    owner = environment.get("OWNER") or environment.get("USERNAME", "")
    return {
        "classroom": environment.get("CLASSROOM", ""),
        "assignment": environment.get("ASSIGNMENT") or rubric.name,
        "assignment_type": environment.get("ASSIGNMENT_TYPE") or "individual",
        "owner": owner,
        "submission": tag,
        "commit": environment.get("COMMIT_URL", ""),
        "release": environment.get("RELEASE_URL", ""),
        "review": environment.get("REVIEW_URL") or environment.get("COMMIT_URL", ""),
        "datetime": f"{moment[1]}T{moment[2]}:{moment[3]}:{moment[4]}Z" if moment else "",
    }
