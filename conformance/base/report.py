"""What became of all cases of a run: one object, with the questions that a summary, a file, a report or a grade asks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from conformance.base.call import REFUSED
from conformance.base.record import BLOCKED, FAILED_STATUSES, PASSED, SKIPPED, STATUSES, UNSUPPORTED, Record
from reference.saving.files import write_document

SCHEMA = 1
KNOWN_FAILURES = "known_failures"
COLUMNS = ("layer", "passed", "wrong", "not supported")
MOST_REASONS = 3


@dataclass
class Report:
    """The records of a run, and what they say.

    Failures of what is built on a failed layer become `blocked`: one cause is charged once. That is decided here, when all records are
    there, so that it does not depend on the order in which they came.

    Attributes
    ----------
    records : sequence of Record
    facts : mapping
        What was judged, against what, and how ("iut", "oracle", "keras", "seed", "profile" ...), as the JSON says it.
    explanations : mapping of record id to callable
        How a failure is told in full. Where there is none, its message is.
    absent : sequence of str
        Layers of which the implementation has no function.
    seconds : float or None
        How long the run took.
    notes : sequence of str
        What is to be said of the implementation beside its cases, a line each.
    """

    records: Sequence[Record]
    facts: Mapping[str, Any] = field(default_factory=dict)
    explanations: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    absent: Sequence[str] = ()
    seconds: float | None = None
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        records = list(self.records)
        failed = {record.layer for record in records if record.status in FAILED_STATUSES}
        self.records = [_blocked(record, failed) for record in records]

    @property
    def ok(self) -> bool:
        """Whether something was answered and nothing is wrong. What is unsupported or skipped is not wrong."""
        return self.answered and not self.failed()

    @property
    def answered(self) -> bool:
        """Whether any case passed or failed; of nothing but unsupported and skipped ones no verdict follows."""
        return any(record.status not in (UNSUPPORTED, SKIPPED) for record in self.records)

    @property
    def passed(self) -> int:
        """How many cases passed."""
        return self.counts[PASSED]

    @property
    def counts(self) -> dict[str, int]:
        """How many cases ended with each status, zeros included."""
        found = Counter(record.status for record in self.records)
        return {status: found[status] for status in STATUSES}

    @property
    def known(self) -> int:
        """How many failures were known before."""
        return sum(record.fails_as_known for record in self.records)

    def failed(self) -> list[Record]:
        """What is wrong: failures, errors, calls that took too long, and what they block."""
        return [record for record in self.records if record.status in (*FAILED_STATUSES, BLOCKED)]

    def by_layer(self) -> dict[str, Report]:
        """A report for each layer, in the order of the records."""
        return self._parted(lambda record: record.layer)

    def by_kind(self) -> dict[str, Report]:
        """A report for each pass ('forward', 'backward' ...), in alphabetical order."""
        return dict(sorted(self._parted(lambda record: record.kind).items()))

    def by_level(self) -> dict[str, Report]:
        """A report for each level that occurs: 'core', 'edge'."""
        return dict(sorted(self._parted(lambda record: record.level).items()))

    def _parted(self, key: Callable[[Record], str]) -> dict[str, Report]:
        parts: dict[str, list[Record]] = defaultdict(list)
        for record in self.records:
            parts[key(record)].append(record)
        return {name: Report(records, self.facts, self.explanations) for name, records in parts.items()}

    def score(self, rubric: Mapping[str, float] | None = None, level: str | None = None) -> float:
        """The share of all cases that passed, from 0 to 1, whatever became of the others; of 'core' or 'edge' alone where that is named.

        With a `rubric` (points by layer) the share of its points: a layer earns by its own share of cases, one without any earns nothing.
        """
        if rubric is None:
            statuses = [record.status for record in self.records if level in (None, record.level)]
            return statuses.count(PASSED) / len(statuses) if statuses else 0.0
        layers = self.by_layer()
        return sum(points * layers[name].score(level=level) for name, points in rubric.items() if name in layers) / sum(rubric.values())

    def as_json(self) -> dict[str, Any]:
        """The facts, the counts of every layer, and every record, as ``--conform-json`` writes them."""
        layers = {name: own._layer_json() for name, own in sorted(self.by_layer().items())}
        return {"schema": SCHEMA, **self.facts, "layers": layers, "records": [record.as_json() for record in self.records]}

    def _layer_json(self) -> dict[str, Any]:
        """Counts by pass, and for each option the number of cases in which each of its values was tried; known failures, where any are."""
        options: dict[str, Counter[str]] = defaultdict(Counter)
        for record in self.records:
            for name, value in record.options.items():
                options[name][value] += 1
        kinds = self.by_kind()
        known = {kind: asked.known for kind, asked in kinds.items() if asked.known}
        return {
            **{kind: asked.counts for kind, asked in kinds.items()},
            "options": {name: dict(sorted(values.items())) for name, values in sorted(options.items())},
            **({KNOWN_FAILURES: known} if known else {}),
        }

    def write_json(self, path: str | Path) -> None:
        """Write :meth:`as_json` whole or not at all."""
        write_document(Path(path), self.as_json())

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Report:
        """The report that :meth:`as_json` wrote.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is something else.
        """
        if document["schema"] != SCHEMA:
            raise ValueError(f"its schema is {document['schema']!r}, not {SCHEMA}")
        records = [Record(kind=entry["pass"], **{k: value for k, value in entry.items() if k != "pass"}) for entry in document["records"]]
        return cls(records, {k: value for k, value in document.items() if k not in ("schema", "layers", "records")})

    def __str__(self) -> str:
        """A row for each layer, the first failure of each in full, what is not supported and why, and the sum."""
        count = len(self.failed())
        verdict = f"{_number(count, 'case')} {_are(count)} wrong" if count else "Nothing is wrong"
        verdict = verdict if self.answered else "Nothing could be asked"
        time = "" if self.seconds is None else f" in {self.seconds:.1f} s"
        total = f"{verdict}: {self.passed} of {_number(len(self.records), 'case')} passed{time}."
        absent = f" Not in {self.facts.get('iut', 'it')}: {', '.join(self.absent)}." if self.absent else ""
        notes = [*self.notes, ""] if self.notes else []
        return "\n".join([*self._table(), "", *self._failures(), *self._unsupported(), *notes, total + absent])

    def _table(self) -> list[str]:
        rows: list[tuple[str, ...]] = [COLUMNS]
        for name, own in self.by_layer().items():
            rows.append((name, str(own.passed), str(len(own.failed())), str(own.counts[UNSUPPORTED])))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rows.insert(1, tuple("-" * width for width in widths))
        return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]

    def _failures(self) -> list[str]:
        """The first failure of each layer, in full; of a layer that is built on a failing one, a sentence."""
        lines = []
        for name, own in self.by_layer().items():
            wrong = own.failed()
            first = next((record for record in wrong if record.status != BLOCKED), None)
            if first:
                lines += [f"{name}: {_number(len(wrong), 'case')} of {len(own.records)} {_are(len(wrong))} wrong. The first:", ""]
                told = self.explanations.get(first.id, lambda first=first: f"{first.id}: {first.message}")()
                lines += [f"  {line}" for line in told.splitlines()] + [""]
            elif wrong:
                lines += [f"{name}: {_number(len(wrong), 'case')} wait for {', '.join(wrong[0].needs)}, which is wrong itself.", ""]
        return lines

    def _unsupported(self) -> list[str]:
        """Why cases were not answered: all options that a signature lacks together, then the most frequent other reasons."""
        lines = []
        for name, own in self.by_layer().items():
            messages = [record.message for record in own.records if record.status in (UNSUPPORTED, SKIPPED)]
            lacking = [message.partition(REFUSED)[2].split(", ") for message in messages if REFUSED in message]
            options = Counter(option for options in lacking for option in options)
            others = Counter(message for message in messages if REFUSED not in message)
            said = [f"the option{'s' * (len(options) > 1)} {', '.join(options)}"] if options else []
            said += [reason for reason, _ in others.most_common(MOST_REASONS)]
            said += [f"{len(others) - MOST_REASONS} more reasons"] if len(others) > MOST_REASONS else []
            lines += [f"{name}, {_number(len(messages), 'case')} not supported: {'; '.join(said)}."] if said else []
        return [*lines, ""] if lines else []


def _blocked(record: Record, failed: set[str]) -> Record:
    """The record, blocked if it is a failure and a layer that it is built on has failed."""
    causes = [name for name in record.needs if name in failed and name != record.layer]
    if record.status not in FAILED_STATUSES or not causes:
        return record
    message = f"blocked by {', '.join(causes)}, which fails on its own; here: {record.message}"
    return replace(record, status=BLOCKED, message=message)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
