"""Known failures: `--conform-xfail` turns what it names, and nothing else, into expected failures, and says what it did."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conformance import plugin
from conformance.base.record import BLOCKED, ERROR, FAILED, KNOWABLE, PASSED, STATUSES, Record
from conformance.base.report import Report
from conformance.plugin.collector import Collector, narrowed
from conformance.plugin.settings import read
from conformance.plugin.summary import summary_lines as counted
from conformance.plugin.xfail import NONE, KnownFailure, KnownFailures, KnownFailuresError, read_known_failures, summary_lines
from conformance.reporting.tables import layer_table
from conformance.selftests.builders.place import FORWARD, USAGE_ERROR, Place, said

LSTM = "test_forward[LSTM-mask=gap-float64]"

SUBJECT = """
import numpy as np
def relu(x): return np.abs(x)
def tanh(x): return np.tanh(x)
def sigmoid(x): raise ValueError("no such thing")
def softplus(x): return x
"""
"""relu and softplus are wrong, sigmoid raises, tanh is right, silu is not there."""
KNOWN = """\
# what is known of subject.py

test_forward[relu-images-float32]     # the sign is lost
sigmoid-images-float?? \t#   it raises,  # and says so
test_forward[tanh-*]   # was wrong once
silu-images-float32    # not written
relu-imagse-float64    # a typo
"""
LAYERS = "relu,sigmoid,tanh,silu"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def subject(folder: Path) -> Place:
    place = Place(folder)
    place.write("subject.py", SUBJECT)
    place.write("known.txt", KNOWN)
    return place


def run(place: Place, *arguments: str, layers: str = LAYERS) -> subprocess.CompletedProcess[str]:
    common = ("--iut=subject.py", "--conform-oracle=recorded", "--conform-profile=smoke", f"--conform-layers={layers}")
    return place.pytest(*FORWARD, *common, "-k", "images", "--conform-json=out.json", "-p", "no:randomly", *arguments)


@pytest.fixture(scope="module", params=["0", "2"], ids=["one_process", "two_workers"])
def judged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run with known failures and one that is not: exit code, output and records by id."""
    place = subject(tmp_path_factory.mktemp("judged"))
    result = run(place, "--conform-xfail=known.txt", "--conform-markdown=out.md", "-n", request.param)
    (found,) = place.read("out.json")
    return SimpleNamespace(
        code=result.returncode,
        output=result.stdout,
        records={record["id"]: record for record in found["records"]},
        layers=found["layers"],
        markdown=(place.folder / "out.md").read_text(),
    )


# Runs


def test_a_known_failure_fails_as_known_and_any_other_fails(judged: Any) -> None:
    known, other = (judged.records[f"test_forward[relu-images-{dtype}]"] for dtype in ("float32", "float64"))
    assert (known["status"], known.get("known_failure")) == ("failed", "the sign is lost"), "a known failure is a failure, with its reason"
    assert other["status"] == "failed", "the other case of the layer fails all the same"
    assert "known_failure" not in other, "and nobody knew"
    assert judged.code == int(pytest.ExitCode.TESTS_FAILED), f"one failure is not known: {judged.output[-2000:]}"
    counts = dict(reversed(pair) for pair in re.findall(r"(\d+) (failed|passed|skipped|xfailed|xpassed)\b", judged.output.splitlines()[-1]))
    wanted = {"failed": "1", "skipped": "2", "xfailed": "3", "xpassed": "2"}
    assert counts == wanted, f"pytest itself counts known failures as xfailed, unexpected passes as xpassed: {counts}"


def test_an_error_may_be_known_and_stays_an_error(judged: Any) -> None:
    for dtype in ("float32", "float64"):
        record = judged.records[f"test_forward[sigmoid-images-{dtype}]"]
        assert record["status"] == "error", "what raises is an error, known or not"
        assert record["known_failure"] == "it raises,  # and says so", "the reason is everything after the first #"
        assert "no such thing" in record["message"], "the message is what it was"


def test_unsupported_stays_unsupported(judged: Any) -> None:
    record = judged.records["test_forward[silu-images-float32]"]
    assert record["status"] == "unsupported", "what is not there cannot fail"
    assert "known_failure" not in record, "so it is no known failure"


def test_what_passes_unexpectedly_is_listed_and_fails_nothing(judged: Any) -> None:
    record = judged.records["test_forward[tanh-images-float64]"]
    assert (record["status"], record["known_failure"]) == ("passed", "was wrong once"), "a pass says that it was not expected"
    assert "  unexpected passes, whose entries can go: 2\n    test_forward[tanh-images-float32]\n" in judged.output, (
        f"the cases are named: {judged.output[-2000:]}"
    )


def test_the_summary_and_the_files_tell_known_failures(judged: Any) -> None:
    output = judged.output
    counts = "subject.py: 2 passed, 2 failed, 2 unsupported, 2 error (of 8): 4 core failures, 0 edge, 3 of the failures known"
    assert counts in output, "the counts of all cases"
    assert "  relu: 2 failed (of 2): 2 core failures, 0 edge, 1 of the failures known" in output, "and those of a layer"
    assert "known failures (known.txt): 3\n" in output, "the file is named with what became of it"
    assert judged.layers["sigmoid"]["known_failures"] == {"forward": 2}, "the counts of a layer have them apart"
    assert judged.layers["sigmoid"]["forward"]["error"] == 2, "beside the errors that they are"
    header = judged.markdown.splitlines()[2]
    assert header.rstrip("| ").endswith("known failures"), f"the table of layers has a column for them: {header}"


def test_a_narrowed_run_names_no_entry_as_a_typo(judged: Any) -> None:
    why = "-k, --conform-layers, --conform-profile=smoke, the tests that were named"
    sentence = f"entries that fit no case of this run, which was narrowed by {why}: 1 of 5"
    assert sentence in judged.output, f"it is said that they were not looked for everywhere: {judged.output[-2000:]}"
    assert "imagse" not in judged.output, "a case that was not asked about is no typo"


def test_with_everything_known_the_run_is_green_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    place = subject(tmp_path)
    place.write("known.txt", "relu-*  # all of it\n")
    place.write("pytest.ini", "[pytest]\nconform_xfail = known.txt\n")
    result = run(place, layers="relu")
    assert result.returncode == 0, f"a run in which only known failures fail is green: {said(result)[-2000:]}"
    assert "2 xfailed" in result.stdout, "the ini setting is read"
    result = run(place, "--runxfail", layers="relu")
    assert "2 failed" in result.stdout, f"pytest's --runxfail makes them failures again: {said(result)[-2000:]}"


def test_xfail_strict_of_pytest_fails_what_passes_unexpectedly(tmp_path: Path) -> None:
    place = subject(tmp_path)
    place.write("pytest.ini", "[pytest]\nxfail_strict = true\n")
    result = run(place, "--conform-xfail=known.txt", layers="tanh")
    assert result.returncode == int(pytest.ExitCode.TESTS_FAILED), f"an XPASS is a failure when pytest is strict: {said(result)[-2000:]}"
    assert "[XPASS(strict)] was wrong once" in result.stdout, "and the reason is shown"
    assert {record["status"] for record in place.read("out.json")[0]["records"]} == {"passed"}, "the records stay what they are"


def test_a_file_named_in_an_ini_file_lies_beside_it(tmp_path: Path) -> None:
    place = subject(tmp_path)
    place.write("pytest.ini", "[pytest]\nconform_xfail = known.txt\niut = subject.py\n")
    below = place.folder / "below"
    below.mkdir()
    result = place.pytest(*FORWARD, "-c", "../pytest.ini", "--conform-layers=relu", "--collect-only", "-q", cwd=below)
    assert result.returncode == 0, f"the file is found from another folder: {said(result)[-2000:]}"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no file known.txt"),
        ("relu-*\n", "known.txt, line 1: 'relu-*' has no reason; write \"test id  # reason\""),
        ("# fine\n\nrelu-*  #  \n", "known.txt, line 3: 'relu-*' has no reason"),
        ("relu-* and tanh-*  # both\n", "known.txt, line 1: 'relu-* and tanh-*  # both' is not an entry: a test id holds no spaces"),
        ("relu-*  # one\ntanh  # two\nrelu-*  # three\n", "known.txt, line 3: 'relu-*' stands in line 1 already"),
        ("relu-*  # fine\nr\udce9lu  # Latin\n", "known.txt, line 2: it is not UTF-8"),
    ],
    ids=["missing", "no_reason", "empty_reason", "spaces", "twice", "encoding"],
)
def test_a_file_that_cannot_be_used_is_a_usage_error(place: Place, content: str | None, sentence: str) -> None:
    if content is not None:
        (place.folder / "known.txt").write_bytes(content.encode("utf-8", "surrogateescape"))
    result = place.pytest(*FORWARD, "--conform-layers=relu", "--conform-xfail=known.txt", "-n", "0" if content else "2")
    assert result.returncode == USAGE_ERROR, f"the run does not start: exit code {result.returncode}, {said(result)[-2000:]}"
    assert result.stderr.startswith(f"ERROR: --conform-xfail: {sentence}"), f"the sentence names file and line: {result.stderr!r}"
    assert len(result.stderr.strip().splitlines()) == 1, "it is one sentence"
    assert "collected" not in result.stdout, "nothing has been collected"


# Entries


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        (LSTM, True),
        ("LSTM-mask=gap-float64", True),
        (f"conformance/suite/test_forward.py::{LSTM}", True),
        ("LSTM-*", True),
        ("*-float64", True),
        ("test_forward[*]", True),
        ("LSTM-mask=???-float64", True),
        ("test_*", True),
        ("LSTM", False),
        ("LSTM-mask=gap-float32", False),
        ("lstm-*", False),
        ("LSTM-mask=??-float64", False),
        ("LSTM-mask=[a-z]ap-float64", False),
        ("LSTM.mask=gap.float64", False),
        ("gap", False),
    ],
)
def test_an_entry_means_an_id_or_what_is_within_its_brackets(pattern: str, fits: bool) -> None:
    assert KnownFailure(1, pattern, "why").fits(LSTM) is fits, f"{pattern} {'means' if fits else 'does not mean'} {LSTM}"


def test_the_first_entry_that_fits_gives_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "known.txt"
    path.write_bytes("\ufeffLSTM-*float64  # Größe\r\nLSTM-*  # other\r\n".encode())
    known = read_known_failures(path)
    assert known.reason(LSTM) == "Größe", "a byte order mark and line ends of Windows are no part of an entry"
    assert known.reason("test_forward[LSTM-float32]") == "other", "the next entry is asked when the first does not fit"
    assert known.reason("test_forward[GRU-float32]") == "", "a case that is not named is not known"


def test_a_folder_is_no_file_of_entries(tmp_path: Path) -> None:
    with pytest.raises(KnownFailuresError, match="cannot be read"):
        read_known_failures(tmp_path)


@pytest.mark.parametrize("status", STATUSES)
def test_only_failures_errors_and_passes_are_marked(status: str) -> None:
    record = Record(LSTM, "LSTM", "forward", status)
    known = KnownFailures("known.txt", (KnownFailure(1, "*", "why"),))
    marked = known.marked(record)
    assert marked.status == status, "no status is ever changed"
    assert bool(marked.known_failure) is (status in (FAILED, ERROR, PASSED)), f"known beside {status}: {marked.known_failure!r}"
    assert marked.fails_as_known is (status in KNOWABLE), f"{status} as an expected failure: {marked.fails_as_known}"
    assert NONE.marked(record) is record, "without a file nothing is known"


# What is made of the records


def test_blocked_stays_blocked_and_a_known_failure_still_blocks() -> None:
    known = KnownFailures("known.txt", (KnownFailure(1, "*", "why"),))
    cause = known.marked(Record("l", "LSTM", "forward", FAILED))
    report = Report([known.marked(Record("b", "Bidirectional", "forward", FAILED, needs=("LSTM",))), cause])
    blocked, _ = report.records
    assert blocked.status == BLOCKED, "what is built on a failed layer is blocked, known or not"
    assert not blocked.fails_as_known, "and is counted once, as blocked"
    text = layer_table(report)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert [rows[0][-1], rows[2][-1], rows[3][-1], rows[4][-1]] == ["known failures", "0", "1", "1"], f"a column of its own: {text}"
    assert [row[-2] for row in rows[2:]] == ["1", "1", "2"], "the number of cases does not count a known failure twice"


def test_nothing_is_said_of_known_failures_where_there_are_none() -> None:
    report = Report([Record("a", "Dense", "forward", FAILED), Record("b", "Dense", "forward", PASSED)], {"iut": "mine.py"})
    assert "known" not in json.dumps(report.as_json()), "records and counts have their documented keys"
    assert "known" not in layer_table(report), "the table has no empty column"
    assert counted(report)[0] == "mine.py: 1 passed, 1 failed (of 2): 1 core failure, 0 edge", "and the summary no zero"


def values(*statuses: str, known: KnownFailures) -> list[Record]:
    return [known.marked(Record(f"test_forward[Dense-{n}]", "Dense", "forward", status)) for n, status in enumerate(statuses)]


def test_entries_that_fit_nothing_are_named_when_everything_was_asked(pytestconfig: pytest.Config) -> None:
    entries = (KnownFailure(2, "Dense-0", "a"), KnownFailure(5, "Dense-O", "b"), KnownFailure(6, "test_forwrd[Dense-1]", "c"))
    known = KnownFailures("known.txt", entries)
    lines = summary_lines(known, values(FAILED, PASSED, known=known), "")
    assert lines == [
        "known failures (known.txt): 1",
        "  entries that fit no case: 2 of 3",
        "    line 5: Dense-O",
        "    line 6: test_forwrd[Dense-1]",
    ], "typos are named with their lines"
    kept = [(plugin.RECORD, [{}, asdict(*values(FAILED, known=known))])]
    report = pytest.TestReport("a", ("a", 1, ""), {}, "failed", "", "call", user_properties=kept)
    collector = Collector(pytestconfig, read(plugin.OPTIONS, lambda option: None), plugin.kept, whole=True)
    collector.pytest_runtest_logreport(report)
    assert collector.reports[0].records[0].known_failure == "a", "records come back from reports with their reasons"


def test_many_unexpected_passes_are_counted_and_not_all_named() -> None:
    known = KnownFailures("known.txt", (KnownFailure(1, "*", "a"),))
    lines = summary_lines(known, values(*[PASSED] * 13, known=known), "")
    assert lines[1] == "  unexpected passes, whose entries can go: 13", "all are counted"
    assert len(lines) == 13, f"ten are named: {lines}"
    assert lines[-1] == "    and 3 more", "and the others mentioned"


NOT_NARROWED: dict[str, Any] = {
    "keyword": "", "markexpr": "", "deselect": None, "ignore": None, "ignore_glob": None, "lf": False, "maxfail": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "given", "whole", "why"),
    [
        ({}, {}, True, ""),
        ({}, {"profile": "full"}, True, ""),
        ({"keyword": "lstm"}, {}, True, "-k"),
        ({"deselect": ["x"]}, {}, True, "--deselect"),
        ({"maxfail": 1}, {}, True, "--maxfail"),
        ({"maxfail": 9}, {}, True, ""),
        ({}, {"layers": "LSTM"}, True, "--conform-layers"),
        ({}, {"profile": "smoke"}, True, "--conform-profile=smoke"),
        ({}, {}, False, "the tests that were named"),
    ],
)
def test_a_run_is_whole_only_when_nothing_keeps_it_from_asking(
    change: dict[str, Any], given: dict[str, str], whole: bool, why: str
) -> None:
    options, settings = SimpleNamespace(**{**NOT_NARROWED, **change}), read(plugin.OPTIONS, lambda option: given.get(option.field))
    assert narrowed(options, settings, whole, 1, failed=1) == why, "what narrows the run is named"
    interrupted = narrowed(options, settings, whole, int(pytest.ExitCode.INTERRUPTED), failed=1)
    assert "its interruption" in interrupted, "an interrupted run is not whole"


@pytest.mark.parametrize(
    ("argument", "holds"), [("conformance.suite", True), ("conformance", True), ("conformance.suite.test_forward", False), ("tests", False)]
)
def test_which_arguments_stand_for_the_whole_suite(argument: str, holds: bool) -> None:
    config: Any = SimpleNamespace(getoption=lambda name: True, invocation_params=SimpleNamespace(dir=Path("/nowhere")))
    assert plugin._holds_suite(config, argument) is holds, f"pytest --pyargs {argument} asks everything: {holds}"
