"""The page of a submission: one that its student learns from, and one for the staff with everything."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.grading.formats.blocks import as_markdown, point, sentence, verbatim
from conformance.grading.formats.escape import MOST_NAME, MOST_PRINTED, markdown
from conformance.grading.formats.numbers import in_words, is_full, of_points, written
from conformance.grading.formats.told import (
    about_the_score,
    kept_back,
    next_steps,
    nothing_asked,
    of_item,
    of_status,
    score_of,
    shown_items,
    title_of,
)
from conformance.grading.result import GRADER_ERROR, NONE, VISIBLE, ItemResult, Result, told_to_student
from conformance.grading.rubric import Rubric
from conformance.reporting.tables import table

TIME = "## Time"
"""Heading of what differs from run to run; it is the last of a page."""


def student_page(result: Result, rubric: Rubric, shown: Sequence[str] = (VISIBLE,)) -> str:
    """What a student may read of the own submission, in Markdown.

    Parameters
    ----------
    result : Result
    rubric : Rubric
    shown : sequence of str
        The visibilities of the items that may be seen by now; of the others it is said how many there are and what they are worth.
    """
    items, hidden = shown_items(result, shown), kept_back(result, shown)
    parts = [_heading(result, rubric, items), as_markdown(of_status(result, rubric))]
    if result.status != GRADER_ERROR:
        parts += [_table(items) if items else "", as_markdown(about_the_score(items, hidden))]
    if not nothing_asked(result):
        parts += [f"{_item_heading(item)}\n\n{as_markdown(of_item(item))}" for item in sorted(items, key=_to_learn_from)]
        steps = as_markdown(next_steps(result, rubric, items))
        parts.append(f"## What to do next\n\n{steps}" if steps else "")
    return _page(parts)


def _to_learn_from(item: ItemResult) -> tuple[bool, bool]:
    """What is wrong comes first, then what is not there, then what is right."""
    return is_full(item), not told_to_student(item)


def staff_page(result: Result, rubric: Rubric) -> str:
    """Everything that is known about a submission, hidden items and what it printed included."""
    parts = [_heading(result, rubric, result.items), as_markdown(of_status(result, rubric)), _table(result.items)]
    parts.append(as_markdown(about_the_score(result.items, ())))
    if result.flags:
        parts.append("## To look at\n\n" + as_markdown(point(flag) for flag in result.flags))
    if not nothing_asked(result):
        parts += [f"{_item_heading(item)}\n\n{_set_as(item)}\n\n{as_markdown(of_item(item, everything=True))}" for item in result.items]
    if result.printed.strip():
        parts.append("## What it printed\n\n" + as_markdown([verbatim(result.printed, MOST_PRINTED)]))
    facts = {"status": result.status, "sha256": result.sha256, **result.facts}
    known = as_markdown(point(f"{name}: {value}") for name, value in facts.items() if value not in ("", None))
    parts.append(f"## How it was graded\n\n{known}")
    timing = result.timing
    took = f"{written(timing.seconds)} s, of which it computed for {written(timing.computed)} s" + f"; {timing.at}" * bool(timing.at)
    return _page([*parts, f"{TIME}\n\n" + as_markdown([sentence(f"{took}.")])])


def _page(parts: Sequence[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _heading(result: Result, rubric: Rubric, items: Sequence[ItemResult]) -> str:
    score = "not graded" if result.status == GRADER_ERROR else score_of(items)
    return f"# {markdown(result.submission, MOST_NAME)}: {score}\n\n{markdown(rubric.title or rubric.name)}"


def _table(items: Sequence[ItemResult]) -> str:
    rows = [[markdown(title_of(item)), in_words(item.earned, item.points), written(item.points), _share(item)] for item in items]
    return table(["item", "earned", "points", "cases passed"], rows)


def _share(item: ItemResult) -> str:
    return f"{item.passed:,} of {item.counted:,}" if item.counted else "-"


def _item_heading(item: ItemResult) -> str:
    mark = "✓ " if is_full(item) else ""
    return f"## {mark}{markdown(title_of(item))}: {of_points(item.earned, item.points)}"


def _set_as(item: ItemResult) -> str:
    """What its student sees of it, where that is less than all."""
    seen = f"visibility: {item.visibility}" + (f"; feedback: {item.feedback}" if item.feedback != NONE else "; no feedback")
    return as_markdown([sentence(f"Item {item.id} ({seen}).")])
