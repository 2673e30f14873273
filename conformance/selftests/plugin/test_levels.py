"""The marker `edge`: a run can ask the core alone, and its last lines tell failures of the core from those of the edge."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from conformance.base.record import BLOCKED, ERROR, FAILED, PASSED, TIMEOUT, Record
from conformance.base.report import Report
from conformance.plugin.summary import summary_lines
from conformance.selftests.builders.place import FORWARD, RECORDED, Place, said

LAYERS = """
import numpy as np

def embedding_forward(x, embeddings, mask_zero=False):
    if x.ndim != 2 or x.dtype.kind != "i" or x.size and x.min() < 0:
        return np.zeros(3)
    return embeddings[x] if embeddings.shape[1] != 1 else embeddings[x] + 1
"""
"""An embedding that is wrong of all unusual ids, and with a single feature."""
TESTS = """
from conformance import parametrize_with_layers

@parametrize_with_layers("my_layers", layers=["Embedding"], profile="smoke", kinds=["forward"])
def test_my_layers(case):
    case.check()
"""
STRICT = "[pytest]\naddopts = --strict-markers\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.write("my_layers.py", LAYERS)
    place.write("test_mine.py", TESTS)
    place.write("pytest.ini", STRICT)
    return place


def counts(result: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Passed, failed, deselected ... of the last line."""
    last = result.stdout.splitlines()[-1]
    return {word: int(number) for number, word in re.findall(r"(\d+) (failed|passed|deselected)\b", last)}


SUITE = (*FORWARD, "--iut=my_layers", "--conform-layers=Embedding", "--conform-profile=smoke", RECORDED)


@pytest.mark.parametrize("asked", [SUITE, ("test_mine.py",)], ids=["the suite", "a user's own test file"])
def test_the_core_can_be_asked_alone(place: Place, asked: tuple[str, ...]) -> None:
    levels = {}
    for choice in ("edge", "not edge", ""):
        result = place.pytest(*asked, *(["-m", choice] if choice else []), "--conform-json=out.json")
        assert result.returncode == int(pytest.ExitCode.TESTS_FAILED), f"something is wrong of either level: {said(result)[-2000:]}"
        (document,) = place.read("out.json")
        levels[choice] = [record["level"] for record in document["records"]]
        failed = [record["level"] for record in document["records"] if record["status"] == "failed"]
        core, edge = failed.count("core"), failed.count("edge")
        told = f"{core} core failure{'s' * (core != 1)}, {edge} edge"
        assert re.search(rf"^my_layers: .* \(of {len(levels[choice])}\): {told}$", result.stdout, re.M), f"the end of the run says {told}"
        assert counts(result)["failed"] == len(failed), "each failure is one of pytest's"
    assert (set(levels["edge"]), set(levels["not edge"])) == ({"edge"}, {"core"}), "the marker tells the levels of the records"
    assert sorted(levels[""]) == levels["not edge"] + levels["edge"], "and leaves none out"


def test_without_the_plugin_a_strict_run_knows_no_marker_and_needs_none(place: Place) -> None:
    result = place.pytest("test_mine.py", "-p", "no:conformance.plugin")
    assert result.returncode == int(pytest.ExitCode.TESTS_FAILED), f"the cases are asked as ever: {said(result)[-2000:]}"
    assert counts(result)["passed"] > 0, "and some are right"


def test_the_marker_is_documented(place: Place) -> None:
    result = place.pytest("--markers")
    assert "@pytest.mark.edge: a question about an unusual input" in result.stdout, said(result)


def test_failures_of_both_levels_are_counted_apart() -> None:
    statuses = {"core": (FAILED, PASSED), "edge": (FAILED, ERROR, TIMEOUT, PASSED)}
    found = [Record(f"{level}{n}", "Dense", "forward", one, level=level) for level, own in statuses.items() for n, one in enumerate(own)]
    (line, *_) = summary_lines(Report(found, {"iut": "mine.py"}))
    assert line.endswith("(of 6): 1 core failure, 3 edge"), f"errors and timeouts are failures, too: {line}"
    (line, *_) = summary_lines(Report([Record("a", "Dense", "forward", PASSED, level="edge")], {"iut": "mine.py"}))
    assert line == "mine.py: 1 passed (of 1)", f"where nothing failed nothing is said: {line}"
    waiting = Record("b", "Bidirectional", "forward", BLOCKED, needs=("LSTM",))
    (line, *_) = summary_lines(Report([waiting], {"iut": "mine.py"}))
    assert line == "mine.py: 1 blocked (of 1)", f"what waits for another layer is no failure of its own: {line}"
