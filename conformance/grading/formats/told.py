"""What is told about a result: to its student no more than the rubric allows, to the staff everything.

Here is decided what is said; how it is written down is for each format.
"""

from __future__ import annotations

from collections.abc import Sequence

from conformance.base.printing import AGAIN, PLAIN
from conformance.base.record import EDGE, ERROR, FAILED, TIMEOUT
from conformance.base.words import are, counted, listed
from conformance.cases import NAMES
from conformance.grading.formats.advice import FILE, advice
from conformance.grading.formats.blocks import Block, point, sentence, verbatim
from conformance.grading.formats.escape import MOST_REASON
from conformance.grading.formats.numbers import in_words, is_full, of_points, worth, written
from conformance.grading.result import (
    CRASHED,
    GRADER_ERROR,
    NONE,
    OK,
    REJECTED,
    TIMED_OUT,
    UNGRADABLE,
    WAITS,
    Cause,
    ItemResult,
    Result,
    told_to_student,
)
from conformance.grading.rubric import Rubric

MOST_NAMES = 8
FATES = {"gave something else than Keras gives": (FAILED,), "raised an error or gave no answer": (ERROR, TIMEOUT)}
"""What became of cases that did not pass."""
REFUSED = "asked for what is not supported"
ENDINGS = {
    UNGRADABLE: "The file cannot be imported, so nothing could be asked.",
    REJECTED: "The submission needs what this assignment does not allow.",
    TIMED_OUT: "Calls took too long and were stopped.",
    CRASHED: "The process in which the file runs ended while it was asked.",
    GRADER_ERROR: "The grader failed.",
}
"""What is said of a status where the result gives no reason."""


def shown_items(result: Result, shown: Sequence[str]) -> list[ItemResult]:
    """The items that a student sees, where these visibilities are seen."""
    return [item for item in result.items if item.visibility in shown]


def kept_back(result: Result, shown: Sequence[str]) -> list[ItemResult]:
    """The items that a student does not see."""
    return [item for item in result.items if item.visibility not in shown]


def title_of(item: ItemResult) -> str:
    """The title, and that it is a bonus where it is."""
    return f"{item.title} (bonus)" if item.bonus else item.title


def score_of(items: Sequence[ItemResult]) -> str:
    """What was earned of what can be, a bonus included in the first: "7.5 of 10 points"."""
    return of_points(sum(item.earned for item in items), sum(item.points for item in items if not item.bonus))


def about_the_score(items: Sequence[ItemResult], hidden: Sequence[ItemResult]) -> list[Block]:
    """How much of it is a bonus, and what it leaves out."""
    bonus = sum(item.earned for item in items if item.bonus)
    most = sum(item.points for item in items if item.bonus)
    said = [f"{in_words(bonus, most)} of these points {are(1 if in_words(bonus, most) == '1' else 2)} a bonus."] if bonus else []
    points, extra = worth(sum(item.points for item in hidden)), sum(item.points for item in hidden if item.bonus)
    if len(hidden) == 1:
        said.append(f"1 more item{' (bonus)' * bool(extra)}, worth {points}, is not shown here, and not in this sum.")
    elif hidden:
        points += f" together ({written(extra)} of them a bonus)" if extra else " together"
        said.append(f"{len(hidden)} more items, worth {points}, are not shown here, and not in this sum.")
    return [sentence(" ".join(said))] if said else []


def reason_of(result: Result) -> str:
    """Why it ended as it did; empty where it ended well."""
    return result.reason or ENDINGS.get(result.status, "")


def nothing_asked(result: Result) -> bool:
    """Whether there is nothing to say about any item."""
    return not any(item.counts or item.counted for item in result.items)


def of_status(result: Result, rubric: Rubric) -> list[Block]:
    """How a submission ended where it did not end well, and what to do about it."""
    if result.status == OK:
        return [sentence(result.reason, MOST_REASON)] if result.reason else []
    said, _, excerpt = reason_of(result).partition("\n\n")
    shown = [verbatim(excerpt, MOST_REASON)] if excerpt.strip() else []
    todo = advice(result, rubric, not nothing_asked(result))
    return [sentence(said, MOST_REASON), *shown, *([sentence(todo)] if todo else [])]


def of_item(item: ItemResult, *, everything: bool = False) -> list[Block]:
    """How many cases passed, what is right, what is wrong and why, and where the points went."""
    open_about = everything or item.feedback != NONE
    causes: Sequence[Cause] = item.causes if everything else told_to_student(item)
    blocks = [sentence(_passed(item) + (_fates(item) if open_about else "") + ".")]
    if open_about and item.right and not is_full(item):
        blocks.append(sentence(f"{listed(item.right, MOST_NAMES)} {are(len(item.right))} right."))
    for cause in causes:
        blocks.append(point(f"{_whose(cause)}: {cause.sentence}"))
        if cause.example:
            blocks.append(verbatim(_example(cause)))
    return blocks + [sentence(note) for note in item.notes if open_about]


def _whose(cause: Cause) -> str:
    """The layer and its cases, and whether they are judged only when another layer is right."""
    cases = counted(cause.cases, "case") + f" that {'waits' if cause.cases == 1 else 'wait'} for another layer" * (cause.category == WAITS)
    return f"{cause.layer}{' (unusual input)' * (cause.level == EDGE)}, {cases}"


def _passed(item: ItemResult) -> str:
    if not item.counted:
        return "No case of it counts" if item.counts else "No case of it could be asked"
    if is_full(item):
        return "The only case passed" if item.counted == 1 else f"All {item.counted:,} cases passed"
    cases = f"{item.passed:,} of {counted(item.counted, 'case')} passed"
    if item.bonus:
        return f"{cases}, which earns {worth(item.earned) if item.earned else 'nothing'} on top"
    lost = worth(item.points - item.earned)
    return f"{cases}; {lost} {are(1 if lost == '1 point' else 2)} lost"


def _fates(item: ItemResult) -> str:
    """Where the lost points went: how many of the cases that count gave, raised or lacked what."""
    lost = item.counted - item.passed
    if is_full(item) or not lost:
        return ""
    wrong = {fate: sum(item.counts.get(status, 0) for status in statuses) for fate, statuses in FATES.items()}
    wrong[REFUSED] = max(0, lost - sum(wrong.values()))
    if wrong[REFUSED] == lost and item.notes:  # which say it better
        return ""
    return ": " + listed([f"{count:,} {fate}" for fate, count in wrong.items() if count])


def _example(cause: Cause) -> str:
    """The simplest case in words, as ``conform check`` prints it."""
    told = cause.example
    for short, said in PLAIN.items():
        told = told.replace(short, f"\n{said}")
    return "\n".join(line for line in told.split("\n") if line.strip() != AGAIN.strip())


def next_steps(result: Result, rubric: Rubric, items: Sequence[ItemResult]) -> list[Block]:
    """What to do about points that were lost: where to begin, and the command that shows it."""
    lost = [item for item in items if not is_full(item)]
    if not lost:
        return [sentence("There is nothing to mend: all that is told here is right.")] if items and not nothing_asked(result) else []
    if result.status == GRADER_ERROR or rubric.adapter is not None:
        return []
    wrong, edge = _wrong_layers(lost, rubric)
    if not wrong:
        return []
    command = f"conform check {rubric.file or FILE} --layers {','.join(wrong)}{' --edge' * edge}"
    begin = f"Begin with {wrong[0]}. " if len(wrong) > 1 else ""
    said = f"{begin}This asks your file the same kind of questions, and shows the first mistakes with all numbers:"
    return [sentence(said), verbatim(command)]


def _wrong_layers(lost: Sequence[ItemResult], rubric: Rubric) -> tuple[list[str], bool]:
    """Layers to look at, and whether unusual input counts: those that are wrong; where none is, those that wait or are missing.

    Of an item of which nothing is told these are all its layers.
    """
    asked = {item.id: item.layers for item in rubric.items}
    first: list[str] = []
    last: list[str] = []
    edge = False
    for item in lost:
        told = told_to_student(item)
        edge = edge or any(cause.level == EDGE for cause in told)
        first += [cause.layer for cause in told if cause.category != WAITS]
        silent = item.feedback == NONE
        (first if silent else last).extend(layer for layer in asked.get(item.id, ()) if silent or layer not in item.right)
    return [layer for layer in dict.fromkeys(first) if layer in NAMES] or list(dict.fromkeys(last)), edge
