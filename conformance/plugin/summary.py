"""What is made of all records of a run: the files that were asked for, and the lines at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from conformance.base.record import BLOCKED, CORE, EDGE, FAILED_STATUSES, SKIPPED, UNSUPPORTED
from conformance.base.report import Report
from conformance.base.words import counted
from reference.saving.files import write_document, write_text


def write_results(reports: Sequence[Report], json_file: str | None, markdown_file: str | None) -> list[str]:
    """Write what ``--conform-json`` and ``--conform-markdown`` ask for; a list of documents where the run judged several things.

    What cannot be written is returned, a sentence each: a run has been worth its while without its files.
    """
    unwritten = []
    for option, file, write in (("--conform-json", json_file, _write_json), ("--conform-markdown", markdown_file, _write_markdown)):
        try:
            if file:
                write(reports, Path(file))
        except OSError as error:
            unwritten.append(f"{option}: {file} cannot be written ({error.strerror or error}); what stands here holds all the same")
    return unwritten


def _write_json(reports: Sequence[Report], file: Path) -> None:
    documents = [report.as_json() for report in reports]
    write_document(file, documents[0] if len(documents) == 1 else documents)


def _write_markdown(reports: Sequence[Report], file: Path) -> None:
    from conformance.reporting.tables import layer_table

    write_text(file, "\n".join(f"# Conformance of {report.facts['iut']}\n\n{layer_table(report)}\n" for report in reports))


def summary_lines(report: Report) -> list[str]:
    """Counts over all layers, failures of the core and of the edge apart, then a line for each layer that has anything but passes."""
    lines = [f"{report.facts['iut']}: {_counts(report)}"]
    for layer, own in report.by_layer().items():
        if any(own.counts[status] for status in (*FAILED_STATUSES, BLOCKED, UNSUPPORTED)):
            lines.append(f"  {layer}: {_counts(own)}")
        for remark in dict.fromkeys(remark for record in own.records for remark in record.remarks):
            count = sum(remark in record.remarks for record in own.records)
            lines.append(f"  {layer}: passed with a remark ({counted(count, 'case')}): {remark}")
    reasons = [record.message for record in report.records if record.status == SKIPPED]
    lines += [f"  {reasons.count(reason)} skipped: {reason}" for reason in dict.fromkeys(reasons)]
    return lines


def _counts(report: Report) -> str:
    said = [f"{count} {status}" for status, count in report.counts.items() if count]
    failed = Counter(record.level for record in report.records if record.status in FAILED_STATUSES)
    levels = f": {failed[CORE]} core failure{'s' * (failed[CORE] != 1)}, {failed[EDGE]} edge" if failed else ""
    known = f", {report.known} of the failures known" if report.known else ""
    return f"{', '.join(said)} (of {len(report.records)}){levels}{known}"
