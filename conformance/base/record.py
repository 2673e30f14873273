"""Records: what can become of a case, what became of every case as plain data, and the one summary that reports are made from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PASSED = "passed"
FAILED = "failed"
UNSUPPORTED = "unsupported"
ERROR = "error"
TIMEOUT = "timeout"
BLOCKED = "blocked"
SKIPPED = "skipped"
STATUSES = (PASSED, FAILED, UNSUPPORTED, ERROR, TIMEOUT, BLOCKED, SKIPPED)
FAILED_STATUSES = (FAILED, ERROR, TIMEOUT)
KNOWABLE = (FAILED, ERROR)
"""What a known failure (``--conform-xfail``) may be."""

SCHEMA = 1
KNOWN_FAILURES = "known_failures"


@dataclass(frozen=True)
class Record:
    """What became of one case.

    Attributes
    ----------
    id : str
        The test id without its file.
    layer : str
        Keras class, activation function or model.
    kind : str
        The pass that was judged: 'forward', 'mask', 'model' ... ("pass" in JSON).
    status : str
    options : mapping of option to the words for its value
    error_over_allowance, keras_error_over_allowance : float or None
        Of the implementation and of Keras itself, in the case's dtype.
    message : str
    needs : tuple of str
        Layers that this one is built on.
    remarks : tuple of str
        What a pass does not hide.
    known_failure : str
        The reason that ``--conform-xfail`` gives for a failure or an error; beside a pass, one that did not come true.
    """

    id: str
    layer: str
    kind: str
    status: str
    options: Mapping[str, str] = field(default_factory=dict)
    error_over_allowance: float | None = None
    keras_error_over_allowance: float | None = None
    message: str = ""
    needs: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    known_failure: str = ""

    @property
    def fails_as_known(self) -> bool:
        """Whether this is a failure that was expected."""
        return bool(self.known_failure) and self.status in KNOWABLE

    def as_json(self) -> dict[str, Any]:
        """The record as ``--conform-json`` writes it."""
        return {
            "id": self.id,
            "layer": self.layer,
            "pass": self.kind,
            "status": self.status,
            "options": dict(self.options),
            "error_over_allowance": self.error_over_allowance,
            "keras_error_over_allowance": self.keras_error_over_allowance,
            "message": self.message,
            **({"known_failure": self.known_failure} if self.known_failure else {}),
        }


def mark_blocked(records: Iterable[Record]) -> list[Record]:
    """Turn failures of what is built on a failed layer into `blocked`: one cause is charged once.

    Decided when all records are there, so that it does not depend on the order in which the tests ran.
    """
    records = list(records)
    failed = {record.layer for record in records if record.status in FAILED_STATUSES}
    marked = []
    for record in records:
        causes = [name for name in record.needs if name in failed and name != record.layer]
        if record.status in FAILED_STATUSES and causes:
            message = f"blocked by {', '.join(causes)}, which fails on its own; here: {record.message}"
            record = Record(**{**vars(record), "status": BLOCKED, "message": message})
        marked.append(record)
    return marked


def summarise(records: Iterable[Record]) -> dict[str, Any]:
    """Counts by layer and pass, and for each option the number of cases in which each of its values was tried.

    A layer with known failures has their number by pass as well; they are counted among its failures.
    """
    counts: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    options: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    known: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        counts[record.layer][record.kind][record.status] += 1
        if record.fails_as_known:
            known[record.layer][record.kind] += 1
        for name, value in record.options.items():
            options[record.layer][name][value] += 1
    return {
        layer: {
            **{kind: {status: count[status] for status in STATUSES} for kind, count in sorted(kinds.items())},
            "options": {name: dict(sorted(values.items())) for name, values in sorted(options[layer].items())},
            **({KNOWN_FAILURES: dict(sorted(known[layer].items()))} if layer in known else {}),
        }
        for layer, kinds in sorted(counts.items())
    }


def passed_share(counts: Mapping[str, int]) -> tuple[int, int]:
    """How many of how many cases passed."""
    return counts[PASSED], sum(counts.values())


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    from reference.saving import files  # an implementation's own process reads this file, and needs no reference

    files.write_text(path, text)


def write_json(path: Path, value: Any) -> None:
    """Write JSON (no NaN, no infinities) whole or not at all."""
    from reference.saving import files

    files.write_document(path, value)
