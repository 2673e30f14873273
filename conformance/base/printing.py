"""A report as somebody reads it who wrote the functions a minute ago: counts, failures by cause, what is not supported, what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from conformance.base.grouping import Group, dtype_of, follows, grouped, simplest_first
from conformance.base.record import BLOCKED, CORE, EDGE, FAILED_STATUSES, PASSED, SKIPPED, UNSUPPORTED, Record
from conformance.base.unsupported import COLUMNS, table, unsupported_rows
from conformance.base.words import are, counted, listed

if TYPE_CHECKING:
    from conformance.base.report import Report

MOST_LAYERS, MOST_GROUPS, MOST_NAMES, MOST_REMARKED = 5, 3, 5, 3
"""How many layers are told in full, how many groups of each, how many names stand in a sentence, how many remarks are looked into."""
RED, GREEN, YELLOW, BOLD = 31, 32, 33, 1
Paint = Callable[[str, int], str]
ALL, AGAIN = "--all", "To run this case alone: "
PLAIN = {"\n  again   ": AGAIN, "\n  looks like   ": "You would get exactly this when "}
"""What a case that is told in few words says, for a beginner."""


def text(report: Report, *, every: bool = False, colour: bool = False) -> str:
    """A row for each layer, failures by cause, what is not supported, remarks, the sum, and what to do next.

    Edge failures are apart and last, as long as they do not count.
    """
    paint = _colours if colour else _plain
    counting = [CORE, EDGE] if report.edge else [CORE]
    parts = [
        _counts(report, paint),
        *_failures(report, counting, every, paint),
        _unsupported(report, paint),
        *([] if report.edge else [_edge(report, every, paint)]),
        [*_remarks(report), *report.notes, *_absent(report), *_sum(report, counting, paint)],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def whole(report: Report, *, colour: bool = False) -> str:
    """Each case with all its numbers, and what gives exactly these; then the sum."""
    paint = _colours if colour else _plain
    lines = []
    for record in report.records:
        wrong = record.status in (*FAILED_STATUSES, BLOCKED)
        told = [line for line in _told(report, Group((record,))) if not line.startswith(AGAIN)] if wrong else []
        passed = f"{record.id}: {record.status}" + f" ({record.message})" * bool(record.message)
        lines += told if wrong else [paint(passed, GREEN if record.status == PASSED else YELLOW)]
        causes = report.diagnose([record]).get(record.id, ())
        lines += [f"You would get exactly these values when {cause.rstrip('.')}." for cause in causes]
        lines += ["", report.details[record.id](), ""] if record.id in report.details else [""]
    return "\n".join([*lines, *_sum(report, [CORE, EDGE], paint)[:1]])


def _plain(words: str, code: int) -> str:
    return words


def _colours(words: str, code: int) -> str:
    return f"\033[{code}m{words}\033[0m"


def _counts(report: Report, paint: Paint) -> list[str]:
    """The table of layers; with a column for the edge where anything is wrong there."""
    edge = not report.edge and bool(report.failed(EDGE))
    rows = [("layer", "passed", "wrong", *(["wrong at the edge"] if edge else []), "not supported")]
    layers = report.by_layer()
    for name, own in layers.items():
        wrong = own.failed() if report.edge else own.failed(CORE)
        cells = [own.passed, len(wrong), *([len(own.failed(EDGE))] if edge else []), own.counts[UNSUPPORTED]]
        rows.append((name, *map(str, cells)))
    heading, rule, *lines = table(rows, "l" + "r" * (len(rows[0]) - 1))
    return [paint(heading, BOLD), rule, *map(lambda line, own: paint(line, GREEN if own.ok else RED), lines, layers.values())]


def _failures(report: Report, levels: Sequence[str], every: bool, paint: Paint) -> Iterator[list[str]]:
    """The layers that are wrong: those that wait for no other first, the first few in full."""
    wrong = {name: own for name, own in report.by_layer().items() if _of(own, levels)}
    order = sorted(wrong, key=lambda name: all(record.status == BLOCKED for record in _of(wrong[name], levels)))
    full = len(order) if every else MOST_LAYERS
    for name in order[:full]:
        yield _layer(name, wrong[name], levels, every, paint)
    yield [_line(name, wrong[name], levels, paint) for name in order[full:]]


def _of(own: Report, levels: Sequence[str]) -> list[Record]:
    return [record for level in levels for record in own.failed(level)]


def _heading(name: str, own: Report, wrong: Sequence[Record]) -> str:
    return f"{name}: {len(wrong)} of {counted(len(own.records), 'case')} {are(len(wrong))} wrong."


def _line(name: str, own: Report, levels: Sequence[str], paint: Paint) -> str:
    """What is wrong with a layer for which there is no room: the simplest case, and the mistake that gives it."""
    wrong = _of(own, levels)
    first = _ordered(own, wrong)[0]
    causes = own.diagnose([first]).get(first.id, ())
    said = f" The simplest: you would get exactly these values when {causes[0].rstrip('.')}." if causes else f" The simplest: {first.id}."
    return paint(_heading(name, own, wrong), RED) + said


def _layer(name: str, own: Report, levels: Sequence[str], every: bool, paint: Paint) -> list[str]:
    """What is wrong with a layer, in groups: the first in full, of the others the beginning."""
    wrong = _of(own, levels)
    groups, skipped = failures_by_cause(own, wrong)
    plain = [group for group in groups if not group.follows]
    shown = groups if every else (plain or groups)[:MOST_GROUPS]
    lines = [paint(_heading(name, own, wrong), RED), *_waiting([record for group in shown for record in group.records])]
    for number, group in enumerate(shown):
        told = _told(own, group)
        short = number > 0 and not every and group.records[0].id in own.details
        lines += ["", f"  {_headline(group)}", *(f"    {line}" for line in ([told[0], told[-1]] if short else told))]
        if every:
            lines += [f"    also {record.id}: {record.message}" for record in group.records[1:]]
    left = sum(len(group.records) for group in groups if group not in shown)
    if left:
        reasons, them = ("reason", "it") if left == 1 else ("reasons", "them")
        lines += ["", f"  {counted(left, 'more case')}, perhaps for the same {reasons}: {ALL} shows {them}."]
    if skipped:
        lines += ["", f"  {counted(skipped, 'more case')}, of so many, {are(skipped)} not looked at; --layers {name} looks at more."]
    return lines


def failures_by_cause(own: Report, wrong: Sequence[Record]) -> tuple[list[Group], int]:
    """The failures of a layer by cause, those of core cases before any of an edge case, and the number of those not looked at."""
    found: list[Group] = []
    passed = [record for record in own.records if record.status == PASSED]
    for level in (CORE, EDGE):
        records = _ordered(own, [record for record in wrong if record.level == level])
        causes = own.diagnose(records)
        found += grouped([record for record in records if record.id in causes or not causes], passed, causes)
    return found, len(wrong) - sum(len(group.records) for group in found)


def _ordered(own: Report, wrong: Sequence[Record]) -> list[Record]:
    """Failures of a layer, the simplest first; what only follows from others last."""
    ordered = simplest_first(wrong, [record for record in own.records if record.status == PASSED])
    return sorted(ordered, key=follows)


def _waiting(wrong: Sequence[Record]) -> list[str]:
    """What those cases wait for that are built on a layer which is wrong."""
    blocked = [record for record in wrong if record.status == BLOCKED and record.message.startswith("blocked by ")]
    causes = _causes(blocked)
    if not blocked:
        return []
    some = f"{counted(len(blocked), 'case')} {'waits' if len(blocked) == 1 else 'wait'}"
    who = "It waits" if len(blocked) == len(wrong) else some
    return [f"  {who} for {listed([*causes])}, which {are(len(causes))} wrong as well: begin there."]


def _causes(blocked: Sequence[Record]) -> dict[str, None]:
    """The layers for which cases wait."""
    return dict.fromkeys(record.message.removeprefix("blocked by ").partition(", which")[0] for record in blocked)


def _headline(group: Group) -> str:
    """How many cases, what is behind them, and what they have in common."""
    count = len(group.records)
    cases = counted(count, "case")
    common = f", {'all' if count > 2 else 'both' if count == 2 else 'it'} with {group.common}" if group.common and count > 1 else ""
    if group.causes:
        return f"{cases}{common}: {reason_of(group)}."
    simplest = " The simplest:" if count > 1 else ""
    if group.complaint and count > 1:
        return f"{cases}{common}: {group.complaint}.{simplest}"
    return f"{cases}{common}.{simplest}" if count > 1 else "1 case:"


def reason_of(group: Group) -> str:
    """What is behind the failures of a group, without a full stop: the mistake by name, else what is said of each; else nothing."""
    either = "; or when ".join(cause.rstrip(".") for cause in group.causes)
    return f"you would get exactly these values when {either}" if either else group.complaint


def _told(own: Report, group: Group) -> list[str]:
    """The simplest case of a group, line by line."""
    first = group.records[0]
    told = own.explanations.get(first.id, lambda: f"{first.id}: {first.message}")()
    for short, sentence in PLAIN.items():
        told = told.replace(short, f"\n{sentence}")
    return told.splitlines()


def _unsupported(report: Report, paint: Paint) -> list[str]:
    """Which options, functions and values are not supported, layer by layer."""
    rows: list[tuple[str, ...]] = []
    for name, own in report.by_layer().items():
        refused = [record for record in own.records if record.status in (UNSUPPORTED, SKIPPED)]
        rows += unsupported_rows(name, refused, [record for record in own.records if record.status not in (UNSUPPORTED, SKIPPED)])
    if not any(len(row) == len(COLUMNS) for row in rows):
        return [f"{name}: {reason}" for name, reason in rows]
    columns = len(COLUMNS) if any(row[2] for row in rows if len(row) == len(COLUMNS)) else 2
    heading, *lines = table([tuple(row[:columns]) for row in (COLUMNS, *rows)], "l" * columns)
    return [paint(heading, BOLD), *lines]


def _edge(report: Report, every: bool, paint: Paint) -> list[str]:
    """What is wrong with unusual input, in a few lines each; of layers that are wrong elsewhere, too, how many cases."""
    lines, others = [], []
    for name, own in report.by_layer().items():
        wrong = own.failed(EDGE)
        if wrong and not every and own.failed(CORE):
            others.append(f"{name} ({counted(len(wrong), 'case')})")
            continue
        groups, _ = failures_by_cause(own, wrong)
        for group in groups if every else groups[:MOST_GROUPS]:
            told = _told(own, group)
            lines += [f"  {name}, {_headline(group)}", f"    {told[0]}", f"    {told[-1]}"]
            lines += [f"    also {record.id}: {record.message}" for record in group.records[1:] if every]
    if others:
        lines.append(f"  {listed(others, MOST_NAMES)}, perhaps for the reasons above.")
    if not lines:
        return []
    return [paint("At the edge (unusual input; it does not count here, --edge makes it count):", YELLOW), *lines]


def _remarks(report: Report) -> list[str]:
    """What a pass does not hide."""
    lines = []
    layers = report.by_layer()
    for remark in dict.fromkeys(remark for record in report.records for remark in record.remarks):
        counts = {name: sum(remark in record.remarks for record in own.records) for name, own in layers.items()}
        said = [f"{name} ({counted(count, 'case')})" for name, count in counts.items() if count]
        lines.append(f"Passed with the remark \"{remark}\": {listed(said, MOST_NAMES)}.")
        lines += [told for name, own in layers.items() if counts[name] for told in _remarked(name, own, remark)]
    return lines + [_compared(name, waiting) for name, own in layers.items() if (waiting := [one for one in own.records if one.waits])]


def _compared(name: str, waiting: Sequence[Record]) -> str:
    """What cannot be said of a layer, since it is compared with another one that is wrong itself."""
    cases = f"{counted(len(waiting), 'case')} of {name} {'compares' if len(waiting) == 1 else 'compare'} it"
    return f"{cases} with {listed([*_causes(waiting)])}, which {are(len(_causes(waiting)))} wrong: asked when that is right."


def _remarked(name: str, own: Report, remark: str) -> list[str]:
    """The mistake that is behind a remark: not where all passes of float64 have it, which then says what there is to say."""
    passed = [record for record in own.records if record.status == PASSED and dtype_of(record) == "float64"]
    some = [record for record in passed if remark in record.remarks]
    if not some or len(some) == len(passed):
        return []
    looked_at = simplest_first(some, passed)[:MOST_REMARKED]
    causes = own.diagnose(looked_at)
    found = [cause for cause in causes.get(looked_at[0].id, ()) if all(cause in causes.get(record.id, ()) for record in looked_at)]
    return [f"{name}: you would get exactly these values when {'; or when '.join(found)}."] if found else []


def _absent(report: Report) -> list[str]:
    return [f"Not in {report.facts.get('iut', 'it')}: {listed(report.absent, MOST_NAMES)}."] if report.absent else []


def _sum(report: Report, levels: Sequence[str], paint: Paint) -> list[str]:
    """The counts in a sentence, and what follows from them."""
    time = "" if report.seconds is None else f" in {report.seconds:.1f} s"
    wrong, edge = len(_of(report, levels)), 0 if report.edge else len(report.failed(EDGE))
    good = "Nothing is wrong" if report.answered else "Nothing could be asked"
    verdict = f"{counted(wrong, 'case')} {are(wrong)} wrong" if wrong else good
    beside = f"and {edge} at the edge" if wrong else f"but {counted(edge, 'case')} at the edge"
    counts = f"{verdict}{f', {beside}' * bool(edge)}: {report.passed} of {counted(len(report.records), 'case')} passed{time}."
    return [paint(counts, RED if wrong else GREEN), *_conclusion(report, levels)]


def _conclusion(report: Report, levels: Sequence[str]) -> list[str]:
    """What a student takes away: what is right, where to begin, and what nobody asked."""
    layers = report.by_layer()
    wrong = {name: _of(own, levels) for name, own in layers.items()}
    right = [f"{name} ({counted(own.passed, 'case')})" for name, own in layers.items() if own.passed and not wrong[name]]
    partial = any(own.counts[UNSUPPORTED] for name, own in layers.items() if own.passed and not wrong[name])
    within = " in all that you support" if partial else ""
    sentences = [f"{listed(right, MOST_NAMES)} {are(len(right))} right{within}."] if right else []
    odd = [name for name, own in layers.items() if own.passed and not wrong[name] and own.failed()]
    sentences += [f"At the edge {listed(odd, MOST_NAMES)} {are(len(odd))} not."] if odd else []
    if not report.answered:
        return ["No case is supported, so that nothing was compared with Keras."]
    first = [name for name, own in wrong.items() if any(record.status != BLOCKED for record in own)]
    if first:
        sentences.append(f"Begin with {first[0]}: mend its first mistake and check again.")
    elif report.never_met:
        sentences.append(f"Nothing is wrong in what was asked; these of your options never met: {listed(report.never_met)}.")
    return [" ".join(sentences)]
