"""From what became of the questions to points, with the reasons: an item earns its share of the cases that count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from conformance.base.grouping import OF_VALUES, Group
from conformance.base.printing import failures_by_cause, reason_of
from conformance.base.record import BLOCKED, ERROR, FAILED_STATUSES, LEVELS, PASSED, SKIPPED, TIMEOUT, UNSUPPORTED, Record
from conformance.base.report import Report
from conformance.base.unsupported import NO_FUNCTION, unsupported_rows
from conformance.base.words import are, counted, listed
from conformance.cases import TEXT, layer_cases
from conformance.cases.titles import in_words
from conformance.grading.asking import Asked, records_of
from conformance.grading.result import MISSING, RAISED, TOO_SLOW, WAITS, WRONG_FORM, WRONG_VALUES, Cause, ItemResult
from conformance.grading.rubric import Item

MOST_CAUSES = 8
"""Causes of a layer that are told; what is left is one more, of so many cases."""
MOST_NAMES = 5
NOT_ASKED = "is not asked"
"""What is said of the cases of a function that gave no answer too often."""


def blank(item: Item, **others: object) -> ItemResult:
    """What an item is before anything is known: nothing earned."""
    own = {name: getattr(item, name) for name in ("id", "title", "points", "visibility", "feedback", "bonus")}
    return ItemResult(**{**own, "earned": 0.0, **others})


def item_result(item: Item, asked: Asked) -> ItemResult:
    """What an item about layers earned, and why."""
    report = asked.report if item.batch else asked.report_alone
    records = [_as_it_counts(item, record) for record in records_of(item, report)]
    counting = [record for record in records if _counts(item, record)]
    passed = sum(record.status == PASSED for record in counting)
    total = len(counting)
    counts = Counter(record.status for record in records)
    parts = {layer: [record for record in records if record.layer == layer] for layer in item.layers}
    right = tuple(layer for layer, own in parts.items() if _right([one for one in own if _counts(item, one)]))
    causes = [cause for own in parts.values() for cause in causes_of(replace(report, records=own))] if counts[PASSED] < total else []
    return blank(
        item,
        earned=round(item.points * passed / total, 6) if total else 0.0,
        counts=dict(sorted(counts.items())),
        passed=passed,
        counted=total,
        right=right,
        causes=tuple(sorted(causes, key=lambda cause: (cause.level == LEVELS[1], cause.category == WAITS))),
        notes=tuple([*_lacking(parts, item), *_waiting(records, total), *([asked.hidden_by] if item.hidden else [])]),
    )


def _right(counting: Sequence[Record]) -> bool:
    return bool(counting) and all(record.status == PASSED for record in counting)


def _as_it_counts(item: Item, record: Record) -> Record:
    """The record; as unsupported where an option that need not be there raised an error: only what is answered counts of such an option."""
    optional = record.status == ERROR and category_of(record) == RAISED and not _is_required(item, record)
    return replace(record, status=UNSUPPORTED) if optional else record


def _is_required(item: Item, record: Record) -> bool:
    """Whether a case needs no option beside the required ones, where the rubric names any."""
    return item.required is None or set(_unusual(record)) <= set(item.required)


def _counts(item: Item, record: Record) -> bool:
    """Whether a case is one of those that the share is taken of: not one that waits for another layer, or was skipped.

    What is not supported counts, unless the rubric names required options and the case needs another one.
    """
    if record.status in (BLOCKED, SKIPPED):
        return False
    return record.status != UNSUPPORTED or _is_required(item, record)


def _unusual(record: Record) -> list[str]:
    """The options of a case that are not at their default."""
    if record.layer == TEXT:
        return []
    layer = layer_cases(record.layer)
    defaults = {**layer.defaults(), **{name: values[0] for name, values in layer.call.items()}}
    usual = {name: in_words(value) for name, value in defaults.items()}
    return [name for name, value in record.options.items() if name not in layer.sizes and usual.get(name, value) != value]


def causes_of(own: Report) -> list[Cause]:
    """What is behind the failures of one layer: grouped as ``conform check`` groups them, waiting ones last."""
    wrong = [record for record in own.records if record.status in (*FAILED_STATUSES, BLOCKED) and not record.waits]
    if not wrong:
        return []
    groups, skipped = failures_by_cause(own, wrong)
    causes = _joined([_cause(own, group) for group in groups[:MOST_CAUSES]])
    left = skipped + sum(len(group.records) for group in groups[MOST_CAUSES:])
    if left:
        first = groups[MOST_CAUSES].records[0] if len(groups) > MOST_CAUSES else wrong[-1]
        causes.append(Cause(first.layer, first.level, left, category_of(first), "Further cases, perhaps for the same reasons."))
    return causes


def _cause(own: Report, group: Group) -> Cause:
    first, reason = group.records[0], reason_of(group)
    count = len(group.records)
    common = f" ({'all ' if count > 2 else 'both ' if count == 2 else ''}with {group.common})" if group.common else ""
    said = reason[:1].upper() + reason[1:] if group.causes else reason or "other values than expected"
    example = own.explanations.get(first.id, lambda: first.message)()
    return Cause(first.layer, first.level, count, category_of(first), f"{said}{common}.", example, named=bool(group.causes))


def _joined(causes: Sequence[Cause]) -> list[Cause]:
    """The causes, one for all of which the same is said, and one a level for a function that gave no answer, however it was stopped."""
    silent = [cause for cause in causes if cause.category == TOO_SLOW]
    joined: list[Cause] = []
    for level in dict.fromkeys(cause.level for cause in silent):
        own = [cause for cause in silent if cause.level == level]
        first = next((cause for cause in own if NOT_ASKED not in cause.sentence), own[0])
        joined.append(replace(first, cases=sum(cause.cases for cause in own)))
    alike: dict[tuple[str, str, str], list[Cause]] = {}
    for cause in causes:
        if cause.category != TOO_SLOW:
            alike.setdefault((cause.level, cause.category, cause.sentence), []).append(cause)
    return joined + [replace(own[0], cases=sum(cause.cases for cause in own)) for own in alike.values()]


def category_of(record: Record) -> str:
    """What is wrong in a word or two."""
    if record.status == BLOCKED:
        return WAITS
    if record.status == TIMEOUT or (record.status == ERROR and " raised " not in record.message):
        return TOO_SLOW
    if record.status == ERROR:
        return RAISED
    if record.status == UNSUPPORTED:
        return MISSING
    return WRONG_VALUES if OF_VALUES.search(record.message) else WRONG_FORM


def _lacking(parts: Mapping[str, Sequence[Record]], item: Item) -> list[str]:
    """What is not supported or refused, layer by layer, and whether that costs."""
    lines = _without_functions(parts, item)
    for layer, own in parts.items():
        refused = [record for record in own if record.status == UNSUPPORTED and NO_FUNCTION not in record.message]
        answered = [record for record in own if record.status not in (UNSUPPORTED, SKIPPED)]
        costly = [record for record in refused if _counts(item, record)]
        free = [record for record in refused if not _counts(item, record)]
        for some, rows in (
            (costly, unsupported_rows(layer, costly, answered)),
            (free, unsupported_rows(layer, free, answered, told=costly)),
        ):
            what = listed(list(dict.fromkeys(_row(row) for row in rows)), MOST_NAMES)
            lines += [f"{layer}: {what}; {_cost(item, some)}."] if rows else []
    return lines


def _without_functions(parts: Mapping[str, Sequence[Record]], item: Item) -> list[str]:
    """One sentence on all functions that there are not."""
    absent = [record for own in parts.values() for record in own if record.status == UNSUPPORTED and NO_FUNCTION in record.message]
    names = list(dict.fromkeys(record.message.rpartition(NO_FUNCTION)[2] for record in absent))
    pronoun = "it" if len(names) == 1 else "them"
    return [f"There is no function {listed(names, word='or')}; {_cost(item, absent, pronoun)}."] if names else []


def _cost(item: Item, refused: Sequence[Record], what: str = "it") -> str:
    """How many cases count that were not supported."""
    costs = sum(_counts(item, record) for record in refused)
    if not costs:
        return "that costs nothing here"
    return f"{counted(costs, 'case')} with {what} {'counts' if costs == 1 else 'count'} as not passed"


def _row(row: Sequence[str]) -> str:
    """A row of the table of what is not supported, in words."""
    if len(row) == 2:
        return row[1]
    return "; ".join([*([f"missing: {row[1]}"] if row[1] else []), *([f"refused: {row[2]}"] if row[2] else [])])


def _waiting(records: Sequence[Record], total: int) -> list[str]:
    """Cases that wait for another layer, which are neither right nor wrong."""
    waiting = [record for record in records if record.status == BLOCKED]
    if not waiting:
        return []
    causes = list(dict.fromkeys(record.message.removeprefix("blocked by ").partition(", which")[0] for record in waiting))
    cases = counted(len(waiting), "case")
    said = f"{cases} cannot be judged before {listed(causes)} {are(len(causes))} right, and {are(len(waiting))} not counted."
    return [said] if total else [f"{said} Nothing else of this item can be judged: a person should look at it."]
