"""The class on one page, for the staff: how they did, which items were hard, which mistakes were common, and how long it took."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Sequence

from conformance.base.words import counted
from conformance.grading.formats.escape import MOST_NAME, markdown
from conformance.grading.formats.numbers import in_words, is_full, of_points, written
from conformance.grading.formats.page import TIME
from conformance.grading.formats.told import reason_of, title_of
from conformance.grading.result import GRADER_ERROR, MISSING, STATUSES, WAITS, ItemResult, Result
from conformance.grading.rubric import Rubric
from conformance.reporting.tables import table

MOST_MISTAKES, MOST_SLOW, MOST_NAMES = 20, 5, 4
"""How many mistakes and slow submissions are told, and how many names stand beside a mistake."""
WHERE = re.compile(r" \((?:all |both )?with [^()]*\)\.$")
"""In what cases a mistake was seen, which differs from one to the next that made it."""
FURTHER = "Further cases"
"""How the sentence begins that stands for causes which are not told: no mistake."""
NO_FIGURE = "There is no figure: matplotlib is not installed (`pip install matplotlib` brings it)."


def summary(results: Sequence[Result], rubric: Rubric, figure: str | None) -> str:
    """``summary.md``; `figure` is the name of its picture, None where nothing can draw it."""
    graded = [result for result in results if result.status != GRADER_ERROR]
    parts = [f"# {markdown(rubric.title or rubric.name)}: {counted(len(results), 'submission')}", _points(graded, rubric)]
    if graded:
        parts.append(NO_FIGURE if figure is None else f"![Points of the class, and the mean share of every item]({figure})")
    parts += [f"## How they ended\n\n{_statuses(results)}", f"## Items\n\n{_items(graded, rubric)}" if graded else ""]
    return "\n\n".join(part for part in [*parts, _mistakes(graded), _to_look_at(results), f"{TIME}\n\n{_time(results)}"] if part) + "\n"


def share_of(item: ItemResult) -> float:
    """How much of an item was earned, between 0 and 1; of one that is worth nothing, how many of its cases passed."""
    return item.earned / item.points if item.points else item.passed / max(item.counted, 1)


def by_item(results: Sequence[Result], rubric: Rubric) -> dict[str, list[ItemResult]]:
    """What all submissions got for each item, in the order of the rubric."""
    found: dict[str, list[ItemResult]] = {item.id: [] for item in rubric.items}
    for result in results:
        for item in result.items:
            found.setdefault(item.id, []).append(item)
    return {name: items for name, items in found.items() if items}


def _points(graded: Sequence[Result], rubric: Rubric) -> str:
    if not graded:
        return "None of them could be graded."
    earned = [result.earned for result in graded]
    mean, median = statistics.fmean(earned), statistics.median(earned)
    full = sum(earned_all >= rubric.points for earned_all in earned)
    spread = f"The lowest is {in_words(min(earned), rubric.points)}, the highest {in_words(max(earned), rubric.points)}"
    said = f"On average {of_points(mean, rubric.points)}, half of them have {in_words(median, rubric.points)} or more. {spread}"
    return f"{said}; {full} of {len(graded)} {'has' if full == 1 else 'have'} all points, or more."


def _statuses(results: Sequence[Result]) -> str:
    counts = Counter(result.status for result in results)
    return table(["status", "submissions"], [[status, counts[status]] for status in STATUSES if counts[status]])


def _items(graded: Sequence[Result], rubric: Rubric) -> str:
    """The hardest first."""
    rows = []
    for items in by_item(graded, rubric).values():
        shares = [share_of(item) for item in items]
        full, none = sum(map(is_full, items)), sum(share == 0 for share in shares)
        rows.append((statistics.fmean(shares), [markdown(title_of(items[0])), written(items[0].points), full, none]))
    rows.sort(key=lambda row: row[0])
    cells = [[title, points, f"{100 * share:.0f} %", full, none] for share, (title, points, full, none) in rows]
    return table(["item, the hardest first", "points", "mean share", "with all points", "with none"], cells)


def _mistakes(graded: Sequence[Result]) -> str:
    """Which mistakes were made, by how many; those with a name first where as many made them."""
    makers: dict[tuple[bool, str, str], dict[str, None]] = {}
    for result in graded:
        for cause in (cause for item in result.items for cause in item.causes):
            if cause.category not in (WAITS, MISSING) and not cause.sentence.startswith(FURTHER):
                said = WHERE.sub(".", cause.sentence) if cause.named else cause.sentence
                makers.setdefault((not cause.named, cause.layer, said), {})[result.submission] = None
    if not makers:
        return ""
    order = sorted(makers.items(), key=lambda one: (-len(one[1]), one[0]))
    rows = [[markdown(layer), markdown(said), len(names), _names(list(names))] for (_, layer, said), names in order]
    left = len(rows) - MOST_MISTAKES
    fewer = f"{rows[MOST_MISTAKES][2]} or fewer" if left > 0 and rows[MOST_MISTAKES][2] != 1 else "one alone"
    more = f"\n\n{counted(left, 'more mistake')}, each made by {fewer}: `items.csv` has them." if left > 0 else ""
    return "## Common mistakes\n\n" + table(["layer", "mistake", "submissions", "whose"], rows[:MOST_MISTAKES]) + more


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(markdown(name, MOST_NAME) for name in names[:MOST_NAMES])
    return shown + f" and {len(names) - MOST_NAMES} more" * (len(names) > MOST_NAMES)


def _to_look_at(results: Sequence[Result]) -> str:
    """What a person should see: what did not end well, and what was flagged."""
    rows = []
    for result in results:
        said = list(filter(None, [reason_of(result).partition("\n")[0]]))
        flags = [f"{result.flags[0]}{f' and {len(result.flags) - 1} more' * (len(result.flags) > 1)}"] if result.flags else []
        if said or flags:
            rows.append([markdown(result.submission, MOST_NAME), result.status, markdown("; ".join(said + flags))])
    return "## To look at\n\n" + table(["submission", "status", "why"], rows) if rows else ""


def _time(results: Sequence[Result]) -> str:
    seconds = [result.timing.seconds for result in results]
    if not any(seconds):
        return "It was not measured."
    slow = sorted(results, key=lambda result: -result.timing.seconds)[:MOST_SLOW]
    rows = [[markdown(one.submission, MOST_NAME), f"{one.timing.seconds:.1f} s", f"{one.timing.computed:.1f} s"] for one in slow]
    said = f"{sum(seconds):.1f} s for all, one after the other; {statistics.fmean(seconds):.2f} s a submission. The slowest:"
    return f"{said}\n\n" + table(["submission", "by the clock", "computing"], rows)
