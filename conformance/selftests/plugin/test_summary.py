"""The lines at the end of a run."""

from __future__ import annotations

from conformance.base.record import PASSED, Record
from conformance.base.report import Report
from conformance.plugin.summary import summary_lines


def test_one_case_with_a_remark_is_told_as_one() -> None:
    records = [Record(str(n), layer, "forward", PASSED, remarks=("odd",)) for n, layer in enumerate(("Dense", "Flatten", "Flatten"))]
    lines = summary_lines(Report(records, {"iut": "mine.py"}))
    assert lines[1:] == ["  Dense: passed with a remark (1 case): odd", "  Flatten: passed with a remark (2 cases): odd"], lines
