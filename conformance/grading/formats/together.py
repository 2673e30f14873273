"""Items for a platform that shows a student all tests and their sum: those that may be seen, and the others as one without words."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.base.words import counted
from conformance.grading.formats.told import kept_back, shown_items
from conformance.grading.result import NONE, ItemResult, Result

OTHERS = "not shown"
"""The id of what stands for the items that are not shown; with its space it is no item's of a rubric."""


def told_together(result: Result, shown: Sequence[str]) -> list[ItemResult]:
    """The items that may be seen; at the end one in which the others are summed up, and one for those of them that are a bonus."""
    hidden = kept_back(result, shown)
    sums = (_sum([item for item in hidden if item.bonus == bonus], bonus) for bonus in (False, True))
    return [*shown_items(result, shown), *(one for one in sums if one)]


def _sum(items: Sequence[ItemResult], bonus: bool) -> ItemResult | None:
    if not items:
        return None
    points, earned = sum(item.points for item in items), sum(item.earned for item in items)
    passed, total = sum(item.passed for item in items), sum(item.counted for item in items)
    title = f"{counted(len(items), 'item')} that {'is' if len(items) == 1 else 'are'} not shown"
    return ItemResult(OTHERS, title, points, earned, passed=passed, counted=total, feedback=NONE, bonus=bonus)
