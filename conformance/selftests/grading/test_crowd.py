"""A class of synthetic submissions, of every kind: nobody gets what is another's, and nothing keeps the rest from being graded."""

import json
from collections import defaultdict

import pytest

from conformance.grading.batch import grade_all
from conformance.grading.grader import Terms
from conformance.grading.intake import find_submissions
from conformance.selftests.builders.crowd import KINDS, RECORD, crowd
from conformance.selftests.builders.place import ROOT, checkout
from conformance.selftests.grading.grading import rubric
from conformance.selftests.implementations.sandbox.builder import needs_locks

pytestmark = needs_locks
PLAIN = {"data_format": "channels_last", "activation": ["linear", "tanh", "None"], "mask": "None", "initial_state": "None"}
OPTIONS = {
    "Flatten": ["data_format"],
    "Dense": ["activation"],
    "Conv2D": ["data_format", "activation"],
    "MaxPooling2D": ["data_format"],
    "AveragePooling2D": ["data_format"],
    "Embedding": [],
    "SimpleRNN": ["activation", "mask", "initial_state"],
    "LSTM": ["activation", "mask", "initial_state"],
}


def small():
    usual = {"points": 1, "passes": ["forward"], "required": []}
    items = [
        {**usual, "id": layer, "layers": [layer], "options": {name: PLAIN[name] for name in names}} for layer, names in OPTIONS.items()
    ]
    return rubric(*items, sandbox={"call_seconds": 0.5, "import_seconds": 2.0, "lost_seconds": 2.0})


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    home = tmp_path_factory.mktemp("crowd")
    (home / "in").mkdir()
    members = crowd(20)
    for one in members:
        (home / "in" / f"{one.name}.py").write_text(one.text, encoding="utf-8")
    graded = {one.submission: one for one in grade_all(find_submissions(home / "in"), Terms(small()), home / "out")}
    by_kind = defaultdict(list)
    for one in members:
        by_kind[one.kind].append(graded[one.name])
    return by_kind


def test_everybody_has_a_result(results):
    assert {kind: len(own) for kind, own in results.items()} == KINDS, "a row for each, whatever it does"
    assert not [one for own in results.values() for one in own if one.status == "grader_error"], "nobody made the harness fail"


def test_who_is_right_has_all_points(results):
    assert {(one.status, one.earned) for one in results["honest"]} == {("ok", 8)}, [one.reason for one in results["honest"]]


def test_who_is_wrong_loses_points_for_that_alone_and_is_told_why(results):
    for one in results["faulty"]:
        lost = [item for item in one.items if item.earned < item.points]
        assert one.status == "ok" and 1 <= len(lost) <= 4, f"{one.submission}: {[item.id for item in lost]}"
        assert all(item.causes for item in lost), f"{one.submission} is not told what is wrong"


def test_what_hangs_or_ends_its_process_costs_what_it_was_asked_for(results):
    assert {one.status for one in results["hanging"]} == {"timeout"}, results["hanging"]
    for one in [*results["hanging"], *results["crashing"], *results["flooding"]]:
        assert 0 < one.earned < 8, f"{one.submission} has {one.earned} points: what answers is graded, the rest is not"
        assert one.timing.computed < 10, f"{one.submission} computed for {one.timing.computed} s"


def test_attacks_earn_nothing(results):
    assert {one.earned for one in results["hostile"]} == {0}, [(one.submission, one.earned) for one in results["hostile"]]


@checkout
def test_the_page_says_what_was_measured():
    record, page = json.loads(RECORD.read_text()), " ".join((ROOT / "conformance" / "docs" / "grading.md").read_text().split())
    said = f"took {record['seconds']:.0f} s, {record['seconds_a_submission']} s each, and none that hangs more than"
    assert f"{record['submissions']} synthetic submissions" in page and said in page, f"the record says {said}"
    assert f"{said} {record['longest_of_one_that_hangs']} s" in page, "an endless loop costs what was measured"
