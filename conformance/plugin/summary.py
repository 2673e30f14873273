"""What is made of all records of a run: the files that were asked for, and the lines at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conformance.base.record import (
    BLOCKED,
    FAILED_STATUSES,
    SCHEMA,
    SKIPPED,
    STATUSES,
    UNSUPPORTED,
    Record,
    mark_blocked,
    summarise,
    write_json,
    write_text,
)


def records_of(values: Sequence[dict[str, Any]]) -> list[Record]:
    """Records from the dictionaries that reports carry, failures of what is built on a failed layer marked blocked."""
    return mark_blocked(Record(**{**value, "needs": tuple(value["needs"]), "remarks": tuple(value["remarks"])}) for value in values)


def write_results(values: Sequence[dict[str, Any]], facts: dict[str, Any], json_file: str | None, markdown_file: str | None) -> None:
    """Write what ``--conform-json`` and ``--conform-markdown`` ask for."""
    records = records_of(values)
    if json_file:
        from conformance.oracle.protocol import oracle

        result: dict[str, Any] = {
            "schema": SCHEMA,
            "iut": facts["iut"],
            "oracle": facts["oracle"],
            "keras": oracle(facts["oracle"]).keras,
            "seed": facts["seed"],
            "profile": facts["profile"],
            **{name: facts[name] for name in ("iut_mode", "timeout") if name in facts},
            "layers": summarise(records),
            "records": [record.as_json() for record in records],
        }
        write_json(Path(json_file), result)
    if markdown_file:
        from conformance.reporting.tables import layer_table

        write_text(Path(markdown_file), f"# Conformance of {facts['iut']}\n\n{layer_table(summarise(records))}\n")


def summary_lines(iut: str, values: Sequence[dict[str, Any]]) -> list[str]:
    """Counts over all layers, then a line for each layer that has anything but passes."""
    records = records_of(values)
    lines = [f"{iut}: {_counts(records)}"]
    for layer in dict.fromkeys(record.layer for record in records):
        own = [record for record in records if record.layer == layer]
        if any(record.status in (*FAILED_STATUSES, BLOCKED, UNSUPPORTED) for record in own):
            lines.append(f"  {layer}: {_counts(own)}")
        for remark in dict.fromkeys(remark for record in own for remark in record.remarks):
            lines.append(f"  {layer}: {sum(remark in record.remarks for record in own)} cases pass with a remark: {remark}")
    reasons = [record.message for record in records if record.status == SKIPPED]
    lines += [f"  {reasons.count(reason)} skipped: {reason}" for reason in dict.fromkeys(reasons)]
    return lines


def _counts(records: Sequence[Record]) -> str:
    counts = {status: sum(record.status == status for record in records) for status in STATUSES}
    said = [f"{count} {status}" for status, count in counts.items() if count]
    known = sum(record.fails_as_known for record in records)
    return f"{', '.join(said)} (of {len(records)})" + (f", {known} of the failures known" if known else "")
