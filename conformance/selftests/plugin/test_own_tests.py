"""``parametrize_with_layers``: the suite's cases in a test file of a stranger's, with the plugin and without it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import conformance
from conformance.selftests.builders.place import Place, said

LAYERS = """
from pathlib import Path
import os
import numpy as np
Path(__file__).with_name(f"imported-{os.getpid()}.json").write_text("1")

def dense_forward(x, kernel, bias=None):
    return x @ kernel

def relu(x):
    return np.maximum(x, 0)
"""
"""A dense layer without its bias and without activations, and a function that is right; they tell when they are imported."""
TESTS = """
from conformance import parametrize_with_layers

@parametrize_with_layers("my_layers", layers=["Dense", "relu"], profile="smoke", kinds=["forward", "backward"])
def test_my_layers(case):
    case.check()
"""
WITHOUT = ("-p", "no:conformance.plugin")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.write("my_layers.py", LAYERS)
    place.write("test_mine.py", TESTS)
    place.write("test_other.py", "def test_other():\n    pass\n")
    return place


def counts(result: subprocess.CompletedProcess[str]) -> dict[str, int]:
    last = result.stdout.splitlines()[-1]
    return {word: int(number) for number, word in re.findall(r"(\d+) (failed|passed|skipped|xfailed|deselected)\b", last)}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_strangers_file_is_judged_as_the_suite_judges(place: Place, workers: str) -> None:
    result = place.pytest("test_mine.py", "-n", workers, "--conform-json=out.json", "--conform-markdown=out.md")
    assert result.returncode == int(pytest.ExitCode.TESTS_FAILED), f"the missing bias fails the run: {said(result)[-3000:]}"
    assert "looks like   the bias is left out" in result.stdout, "a failure is explained as the suite does it"
    again = "pytest 'test_mine.py::test_my_layers[forward-Dense-units=6-features-float64]'"
    assert f"again   {again}" in result.stdout, "and can be asked alone"
    (document,) = place.read("out.json")
    found = {record["id"]: record["status"] for record in document.pop("records")}
    assert (document["iut"], document["oracle"], document["profile"]) == ("my_layers", "recorded", "smoke"), "the file says what was judged"
    whole = {record.id: record.status for record in conformance.check(place.folder / "my_layers.py", ["Dense", "relu"]).records}
    assert found.items() >= {"test_forward[Dense-units=6-features-float64]": "failed", "test_forward[relu-rows-float32]": "passed"}.items()
    assert {name: status for name, status in whole.items() if name in found}.items() <= found.items(), "the verdicts are those of check()"
    assert counts(result) == {
        "failed": sum(status == "failed" for status in found.values()),
        "passed": sum(status == "passed" for status in found.values()),
        "skipped": sum(status == "unsupported" for status in found.values()),
    }, "what is wrong fails, what is not there is skipped"
    counted = r"^my_layers: \d+ passed, \d+ failed, \d+ unsupported \(of \d+\): \d+ core failures, \d+ edge$"
    assert re.search(counted, result.stdout, re.M), "the end of the run counts"
    assert (place.folder / "out.md").read_text().startswith("# Conformance of my_layers\n"), "and so does the table"


def test_without_the_plugin_the_tests_end_alike(place: Place) -> None:
    alone, beside = (place.pytest("test_mine.py", *switch) for switch in (WITHOUT, ()))
    assert counts(alone) == counts(beside) != {}, f"the plugin changes no verdict: {said(alone)[-2000:]}"
    assert "again   pytest 'test_mine.py::test_my_layers[forward-Dense-units=6-features-float64]'" in alone.stdout, "nor an explanation"
    assert "= conformance =" in beside.stdout and "= conformance =" not in alone.stdout, "it counts"


def test_known_failures_are_known_here_too(place: Place) -> None:
    place.write("known.txt", "test_forward[Dense-*]  # no bias yet\n")
    result = place.pytest("test_mine.py", "--conform-xfail=known.txt")
    assert result.returncode == 0, f"only known failures fail: {said(result)[-2000:]}"
    assert counts(result)["xfailed"] > 0, "as pytest's xfail"
    assert "known failures (known.txt): " in result.stdout, "and the end of the run counts them"


def test_two_implementations_are_two_reports(place: Place) -> None:
    place.write("better.py", "def dense_forward(x, kernel, bias):\n    return x @ kernel + bias\n")
    more = TESTS.replace('"my_layers", layers=["Dense", "relu"]', '"better.py"').replace("test_my_layers", "test_better")
    place.write("test_mine.py", TESTS + more)
    result = place.pytest("test_mine.py", "--conform-json=out.json")
    assert not re.search(r"FAILED .*::test_better", result.stdout), f"the better one is right: {said(result)[-2000:]}"
    (documents,) = place.read("out.json")
    assert [one["iut"] for one in documents] == ["better.py", "my_layers"], "a document for each"
    first, second = ({record["id"]: record["status"] for record in one["records"]} for one in documents)
    case = "test_forward[Dense-units=6-features-float64]"
    assert (first[case], second[case]) == ("passed", "failed"), "records of one case are not mixed"
    assert set(documents[0]["layers"]) == {"Dense"}, "without layers it is asked for what it has"


def test_the_implementation_is_imported_when_its_first_case_is_asked(place: Place) -> None:
    result = place.pytest("-k", "other")
    assert counts(result)["passed"] == 1, f"the other test runs: {said(result)[-2000:]}"
    assert not place.read("imported-*.json"), "nothing is imported for a test of something else"
    place.pytest("-k", "relu-rows-float32")
    assert place.read("imported-*.json") == [1], "and once for those of the implementation"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"layers": ["Flaten"]}, "'Flaten' is not a layer that the suite has cases for; did you mean Flatten"),
        ({"what": "nowhere.py"}, "--iut=nowhere.py: there is no file nowhere.py"),
        ({"kinds": ["froward"]}, "'froward' is not a kind of question; known are forward, backward"),
        ({"kinds": ["text"]}, "there is no case of Dense that could be asked"),
        ({"profile": "quick"}, "--conform-profile must be one of smoke, standard, full, got 'quick'"),
        ({"profile": "full"}, "--conform-oracle=recorded cannot answer --conform-profile=full"),
    ],
)
def test_what_cannot_be_asked_breaks_the_collection_in_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        conformance.parametrize_with_layers(**{"what": "reference", "layers": ["Dense"], **changes})


BROKEN = "import numpy as np\n\ndef dense_forward(x, kernel bias=None):\n    return x @ kernel\n"
EVERY_LAYER = TESTS.replace(', layers=["Dense", "relu"]', "")


@pytest.mark.parametrize("tests", [TESTS, EVERY_LAYER], ids=["layers are named", "all that is there"])
def test_a_file_that_cannot_be_imported_is_told_once(place: Place, tests: str) -> None:
    place.write("my_layers.py", BROKEN)
    place.write("test_mine.py", tests)
    result = place.pytest("test_mine.py")
    told = said(result)
    assert result.returncode == int(pytest.ExitCode.USAGE_ERROR), f"as where --iut names it: {told[-2000:]}"
    assert told.count("cannot be imported: SyntaxError") in (1, 2), "once, and in pytest's own summary of what it could not collect"
    lines = told.splitlines()
    (line,) = [number for number, text in enumerate(lines) if text.removeprefix("E").strip() == "def dense_forward(x, kernel bias=None):"]
    assert lines[line + 1].removeprefix("E").strip().startswith("^"), "a caret stands below what is wrong"
    assert "module.py" not in told and "own_tests.py" not in told, f"a traceback through the suite: {told[-2000:]}"
    assert len(lines) < 30, f"{len(lines)} lines for one mistake"


def test_workers_tell_it_in_one_case_each(place: Place) -> None:
    place.write("my_layers.py", BROKEN)
    result = place.pytest("test_mine.py", "-n", "2")
    assert result.returncode == int(pytest.ExitCode.TESTS_FAILED), said(result)[-2000:]
    found = counts(result)
    assert 1 <= found["failed"] <= 2 < found["skipped"], f"a failure for each case: {found}"
