"""What became of all cases of a run: one object, with the questions that a summary, a file, a report or a grade asks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from conformance.base import printing
from conformance.base.record import BLOCKED, CORE, FAILED_STATUSES, PASSED, SKIPPED, STATUSES, UNSUPPORTED, Record, blocked_by
from reference.saving.files import write_document

SCHEMA = 1
KNOWN_FAILURES = "known_failures"
Diagnose = Callable[[Sequence[Record]], Mapping[str, Sequence[str]]]


def no_diagnosis(records: Sequence[Record]) -> Mapping[str, Sequence[str]]:
    """Nothing is known of any mistake."""
    return {}


@dataclass
class Report:
    """The records of a run, and what they say.

    Failures of what is built on a layer that fails core cases become `blocked`: one cause is charged once. That is decided here, when all
    records are there, so that it does not depend on the order in which they came.

    Attributes
    ----------
    records : sequence of Record
    facts : mapping
        What was judged, against what, and how ("iut", "oracle", "keras", "seed", "profile" ...), as the JSON says it.
    explanations : mapping of record id to callable
        How a failure is told in full. Where there is none, its message is.
    details : mapping of record id to callable
        All numbers of a case: what it was asked with, what is expected, what came.
    diagnose : callable (records) -> mapping of record id to sequence of str
        The mistakes by name that give the wrong answers of one layer; asked when the report is printed.
    absent : sequence of str
        Layers of which the implementation has no function.
    never_met : sequence of str
        Options that no case brought together, as they are told where nothing is wrong.
    edge : bool
        Whether a failure of an edge case counts as one of a core case does.
    seconds : float or None
        How long the run took.
    notes : sequence of str
        What is to be said of the implementation beside its cases, a line each.
    """

    records: Sequence[Record]
    facts: Mapping[str, Any] = field(default_factory=dict)
    explanations: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    details: Mapping[str, Callable[[], str]] = field(default_factory=dict, repr=False)
    diagnose: Diagnose = field(default=no_diagnosis, repr=False)
    absent: Sequence[str] = ()
    never_met: Sequence[str] = ()
    edge: bool = False
    seconds: float | None = None
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        records = list(self.records)
        failed = {record.layer for record in records if record.status in FAILED_STATUSES and record.level == CORE}
        self.records = [_blocked(record, failed) for record in records]

    @property
    def ok(self) -> bool:
        """Whether something was answered and nothing that counts is wrong: no core case, and no edge case where :attr:`edge` says so.

        What is unsupported or skipped is not wrong.
        """
        return self.answered and not self.failed(None if self.edge else CORE)

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

    def failed(self, level: str | None = None) -> list[Record]:
        """What is wrong: failures, errors, calls that took too long, and what they block; of 'core' or 'edge' alone where that is named.

        An equation with another layer that is wrong itself is not: which of the two it fails for nobody knows.
        """
        wrong = (record for record in self.records if record.status in (*FAILED_STATUSES, BLOCKED) and not record.waits)
        return [record for record in wrong if level in (None, record.level)]

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
        return {name: replace(self, records=records, absent=(), never_met=(), seconds=None, notes=()) for name, records in parts.items()}

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

    def text(self, *, every: bool = False, colour: bool = False) -> str:
        """The report for a reader, see :mod:`conformance.base.printing`.

        Parameters
        ----------
        every : bool
            Whether every failing case has a line, and every group of failures is told.
        colour : bool
            Whether a terminal reads it that shows colours.
        """
        return printing.text(self, every=every, colour=colour)

    def whole(self, *, colour: bool = False) -> str:
        """Every case with all its numbers, see :attr:`details`: for a report of one case, or of very few."""
        return printing.whole(self, colour=colour)

    def __str__(self) -> str:
        """The report without colours, failures grouped by cause."""
        return self.text()


def _blocked(record: Record, failed: set[str]) -> Record:
    """The record, blocked if it is a failure and a layer that it is built on has failed."""
    causes = [name for name in record.needs if name in failed and name != record.layer]
    if record.status not in FAILED_STATUSES or not causes:
        return record
    return replace(record, status=BLOCKED, message=blocked_by(causes, record.message))
