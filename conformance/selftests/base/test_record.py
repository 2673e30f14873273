"""Records: one cause charged once, counts that add up, and files that are written whole or not at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from conformance.base.record import (
    BLOCKED,
    CORE,
    EDGE,
    ERROR,
    FAILED,
    LEVELS,
    PASSED,
    SKIPPED,
    STATUSES,
    TIMEOUT,
    UNSUPPORTED,
    Record,
)
from conformance.base.report import Report
from reference.saving.files import write_document as write_json
from reference.saving.files import write_text


def recorded(identifier: str, layer: str, status: str, **other: Any) -> Record:
    return Record(identifier, layer, other.pop("kind", "forward"), status, **other)


def marked(records: Iterable[Record]) -> Sequence[Record]:
    return Report(list(records)).records


def layers(records: Iterable[Record]) -> Any:
    return Report(list(records)).as_json()["layers"]


# Blocked


@pytest.mark.parametrize("cause", [FAILED, ERROR, TIMEOUT])
@pytest.mark.parametrize("consequence", [FAILED, ERROR, TIMEOUT])
def test_what_is_built_on_a_failed_layer_is_blocked(cause: str, consequence: str) -> None:
    records = [recorded("b", "Bidirectional", consequence, needs=("LSTM",), message="3 values are off"), recorded("l", "LSTM", cause)]
    blocked, other = marked(records)
    assert blocked.status == BLOCKED, "what needs a failed layer is blocked, wherever its record stands"
    assert "blocked by LSTM" in blocked.message, "the message names the cause"
    assert "3 values are off" in blocked.message, "the message keeps what was seen"
    assert other == records[1], "the cause itself is charged"
    assert (blocked.id, blocked.layer, blocked.kind, blocked.needs) == ("b", "Bidirectional", "forward", ("LSTM",)), "the rest is kept"


@pytest.mark.parametrize("level", LEVELS)
def test_an_edge_failure_blocks_no_other_layer(level: str) -> None:
    consequence, _ = marked([recorded("b", "Bidirectional", FAILED, needs=("LSTM",)), recorded("l", "LSTM", FAILED, level=level)])
    assert (consequence.status == BLOCKED) is (level == CORE), f"LSTM fails {level}: {consequence.status}"


@pytest.mark.parametrize(("level", "edge", "ok"), [(CORE, False, False), (CORE, True, False), (EDGE, False, True), (EDGE, True, False)])
def test_an_edge_failure_counts_where_that_is_asked_for(level: str, edge: bool, ok: bool) -> None:
    report = Report([recorded("a", "Dense", FAILED, level=level), recorded("b", "Dense", PASSED)], edge=edge)
    assert report.ok is ok, f"{level} with edge={edge}"
    assert [len(report.failed()), len(report.failed(level))] == [1, 1], "a failure is found whether it counts or not"
    assert report.by_layer()["Dense"].ok is ok, "a part of the report counts as the whole does"


def test_a_score_of_core_cases_alone_leaves_the_edge_out() -> None:
    report = Report([recorded("a", "Dense", FAILED, level=EDGE), recorded("b", "Dense", PASSED), recorded("c", "GRU", FAILED)])
    assert [report.score(), report.score(level=CORE), report.score(level=EDGE)] == [1 / 3, 1 / 2, 0], "the denominator is the level's"
    assert report.score({"Dense": 3, "GRU": 1}, CORE) == 0.75, "with a rubric as well"


@pytest.mark.parametrize("status", [PASSED, UNSUPPORTED, SKIPPED])
def test_only_failures_become_blocked(status: str) -> None:
    records = [recorded("b", "Bidirectional", status, needs=("LSTM",)), recorded("l", "LSTM", FAILED)]
    assert marked(records) == records, f"{status} stays {status} when a layer below fails"


@pytest.mark.parametrize("status", [PASSED, UNSUPPORTED, SKIPPED, BLOCKED])
def test_only_failures_block(status: str) -> None:
    records = [recorded("b", "Bidirectional", FAILED, needs=("LSTM",)), recorded("l", "LSTM", status)]
    assert marked(records) == records, f"a layer below that is {status} excuses nothing"


def test_a_layer_does_not_block_itself() -> None:
    records = [recorded("one", "LSTM", FAILED, needs=("LSTM",)), recorded("two", "LSTM", FAILED, needs=("LSTM",))]
    assert marked(records) == records, "a failure is not its own excuse"


def test_blocked_takes_an_iterator_and_keeps_the_order() -> None:
    records = [recorded(str(n), "Dense", PASSED) for n in range(5)]
    assert marked(iter(records)) == records, "the records come back as they were, in their order"


# Counts


def test_every_status_is_counted_in_its_own_column() -> None:
    records = [recorded(f"{status}{n}", "Dense", status) for count, status in enumerate(STATUSES, 1) for n in range(count)]
    counts = layers(records)["Dense"]["forward"]
    assert counts == {status: count for count, status in enumerate(STATUSES, 1)}, "each status has the number of its records"
    assert Report(records).score() == 1 / 28, "the denominator is every case, whatever became of it"


def test_passes_of_a_layer_are_counted_apart_and_zeros_are_shown() -> None:
    summary = layers([recorded("a", "LSTM", PASSED), recorded("b", "LSTM", FAILED, kind="mask"), recorded("c", "Dense", PASSED)])
    assert list(summary) == ["Dense", "LSTM"], "layers are in alphabetical order, whatever the order of the tests"
    assert summary["LSTM"]["forward"] == {**dict.fromkeys(STATUSES, 0), PASSED: 1}, "a status that did not occur counts 0"
    assert summary["LSTM"]["mask"] == {**dict.fromkeys(STATUSES, 0), FAILED: 1}, "another pass has counts of its own"


def test_options_are_counted_by_value() -> None:
    values = ["same", "valid", "same"]
    records = [recorded(str(n), "Conv2D", PASSED, options={"padding": value, "groups": "1"}) for n, value in enumerate(values)]
    options = layers(records)["Conv2D"]["options"]
    assert options == {"groups": {"1": 3}, "padding": {"same": 2, "valid": 1}}, "each value has the number of cases that tried it"
    assert [list(options), list(options["padding"])] == [["groups", "padding"], ["same", "valid"]], "the order does not depend on the run"
    assert layers([recorded("a", "Flatten", PASSED)])["Flatten"]["options"] == {}, "a layer without options has none"


def test_the_summary_does_not_depend_on_the_order() -> None:
    things = [("Dense", "forward", "b"), ("LSTM", "forward", "a"), ("Dense", "backward", "a"), ("LSTM", "mask", "b")]
    records = [recorded(str(n), layer, PASSED, kind=kind, options={"o": value}) for n, (layer, kind, value) in enumerate(things)]
    assert json.dumps(layers(records)) == json.dumps(layers(reversed(records))), "the same records give the same text"


def test_points_go_by_the_share_of_each_layer() -> None:
    report = Report([recorded("a", "LSTM", PASSED), recorded("b", "LSTM", UNSUPPORTED), recorded("c", "Dense", FAILED)])
    assert report.score() == 1 / 3, "without points every case counts alike"
    assert report.score({"LSTM": 6, "Dense": 1, "GRU": 3}) == 0.3, "a layer without a case earns nothing of its points"
    assert Report([]).score() == 0, "where nothing was asked nothing is earned"


def test_a_level_counts_for_itself() -> None:
    statuses = {"core": [PASSED, PASSED, FAILED], "edge": [PASSED, FAILED, ERROR, UNSUPPORTED]}
    lstm = [recorded(f"{level}{n}", "LSTM", status, level=level) for level, own in statuses.items() for n, status in enumerate(own)]
    report = Report([*lstm, recorded("d", "Dense", PASSED)])
    assert {level: len(own.records) for level, own in report.by_level().items()} == {"core": 4, "edge": 4}, "every record has a level"
    assert (report.score(), report.score(level="core"), report.score(level="edge")) == (4 / 8, 3 / 4, 1 / 4), "without a level all count"
    points = {"LSTM": 3, "Dense": 1}
    assert report.score(points, level="core") == (3 * 2 / 3 + 1) / 4, "points go by the share of the level"
    assert report.score(points, level="edge") == (3 * 1 / 4) / 4, "a layer without a case of the level earns nothing of its points"
    assert Report([recorded("d", "Dense", PASSED)]).score(level="edge") == 0, "where nothing was asked nothing is earned"


def test_a_report_that_is_read_again_is_the_same() -> None:
    known = recorded("b", "Bidirectional", FAILED, needs=("LSTM",), message="off", options={"a": "1"}, known_failure="why", level="edge")
    records = [known, recorded("l", "LSTM", ERROR, error_over_allowance=2.0), recorded("d", "Dense", FAILED, known_failure="why")]
    report = Report(records, {"iut": "x"})
    document = json.loads(json.dumps(report.as_json()))
    again = Report.from_json(document)
    assert again.as_json() == report.as_json() == document, "facts, counts and records, those of blocked cases as well"
    assert (again.known, len(again.failed()), again.counts[BLOCKED]) == (1, 3, 1), "and it answers as it did"
    with pytest.raises(ValueError, match="schema is 2"):
        Report.from_json({**document, "schema": 2})


# Files


def test_a_record_in_json_has_the_documented_keys() -> None:
    record = recorded("id", "Dense", PASSED, options={"use_bias": "False"}, error_over_allowance=0.25, needs=("relu",))
    assert record.as_json() == {
        "id": "id",
        "layer": "Dense",
        "pass": "forward",
        "status": "passed",
        "options": {"use_bias": "False"},
        "error_over_allowance": 0.25,
        "keras_error_over_allowance": None,
        "message": "",
        "level": "core",
    }, "the keys are those of --conform-json"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_holds_no_nan_and_no_infinity(tmp_path: Path, value: float) -> None:
    path = tmp_path / "out.json"
    path.write_text("kept")
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"ratio": [1.0, value]})
    assert path.read_text() == "kept", "what was there stays when the new content is refused"
    assert os.listdir(tmp_path) == ["out.json"], "no partial file is left"


def test_json_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "out.json"
    value = {"ratio": 0.1 + 0.2, "text": "größer ≤ 1\n", "nothing": None}
    write_json(path, value)
    assert json.loads(path.read_text(encoding="utf-8")) == value, "what is read is what was written, to the last digit"
    assert "größer ≤ 1" in path.read_text(encoding="utf-8"), "text stays readable"
    assert path.read_text(encoding="utf-8").endswith("}\n"), "the last line is complete"
    assert os.listdir(path.parent) == ["out.json"], "no partial file is left"


def test_a_file_is_replaced_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.md"
    path.write_text("old")
    seen: list[tuple[str, str]] = []
    replace = os.replace

    def watched(source: Path, target: Path) -> None:
        seen.append((Path(source).read_text(), Path(target).read_text()))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    write_text(path, "new")
    assert seen == [("new", "old")], "the old file is there until the new one is complete, beside it"
    assert path.read_text() == "new", "then the new one takes its place"
