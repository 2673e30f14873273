"""What is uploaded holds to the formats of the platforms, and tells no more than they may show."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conformance.grading.formats import classroom50, ctrf, gradescope, junit, prairielearn
from conformance.grading.result import GRADER_ERROR, HIDDEN, VISIBILITIES
from conformance.selftests.builders.graded import RUBRIC, full_items, item, nothing, result, the_class, wrong_items
from conformance.selftests.builders.place import ROOT, checkout

CLASS = the_class()
ENVIRONMENT = {
    "CLASSROOM": "cs-1",
    "ASSIGNMENT": "rnn",
    "OWNER": "alice",
    "ASSIGNMENT_TYPE": "individual",
    "SUBMISSION_TAG": "submit/2026-06-01T14-32-05Z-a1b2c3d",
    "COMMIT_URL": "https://github.com/o/r/commit/a1b2c3d",
    "RELEASE_URL": "https://github.com/o/r/releases/tag/x",
    "REVIEW_URL": "https://github.com/o/r/compare/a...b",
}
each = pytest.mark.parametrize("graded", CLASS, ids=[one.submission for one in CLASS])
WRONG = result("ben", items=wrong_items())


# Gradescope


@each
def test_gradescope_has_what_its_page_on_the_format_names(graded):
    whole = gradescope.document(graded, RUBRIC)
    json.dumps(whole, allow_nan=False)
    assert set(whole) <= {"score", "execution_time", "output", "output_format", "visibility", "stdout_visibility", "extra_data", "tests"}
    assert whole["stdout_visibility"] == HIDDEN and whole["output_format"] == "md"
    for test in whole.get("tests", []):
        known = {
            "score",
            "max_score",
            "status",
            "name",
            "name_format",
            "number",
            "output",
            "output_format",
            "tags",
            "visibility",
            "extra_data",
        }
        assert set(test) <= known and isinstance(test["score"], float) and isinstance(test["max_score"], float)
        assert test["visibility"] in VISIBILITIES and test["status"] in ("passed", "failed") and isinstance(test["output"], str)
    scores = sum(test["score"] for test in whole.get("tests", []))
    assert scores == pytest.approx(graded.earned), "Gradescope adds them up"


def test_gradescope_hides_what_is_hidden_and_nothing_else_tells_of_it():
    whole = gradescope.document(WRONG, RUBRIC)
    by_name = {test["name"]: test for test in whole["tests"]}
    unseen, late = by_name.pop("Unseen cases of LSTM"), by_name.pop("Softmax of a sequence")
    assert unseen["visibility"] == "hidden" and late["visibility"] == "after_due_date" and "The hidden cases are wrong" in unseen["output"]
    told = json.dumps([list(by_name.values()), whole["output"]])
    assert "hidden cases" not in told and "empty batch" not in told and "Softmax" not in told, "visible tests tell of themselves alone"


def test_gradescope_gets_no_score_where_the_harness_failed():
    whole = gradescope.document(result("hal", GRADER_ERROR, nothing(), reason="The harness failed."), RUBRIC)
    assert "score" not in whole and "tests" not in whole and whole["output"].startswith("The harness failed.")


def test_gradescope_is_told_of_an_ending_once():
    whole = gradescope.document(CLASS[4], RUBRIC)
    assert "was never closed" in whole["output"] and {test["output"] for test in whole["tests"]} == {""}


# PrairieLearn


@each
def test_prairielearn_has_a_share_of_one_or_cannot_be_graded(graded):
    whole = prairielearn.document(graded, RUBRIC)
    json.dumps(whole, allow_nan=False)
    if graded.status in ("ungradable", "grader_error"):
        assert whole["gradable"] is False and "score" not in whole and all(isinstance(one, str) and one for one in whole["format_errors"])
        return
    assert whole["gradable"] is True and isinstance(whole["score"], float) and 0 <= whole["score"] <= 1
    for test in whole["tests"]:
        assert set(test) == {"name", "points", "max_points", "message"} and test["name"], "its page shows these"
    assert sum(test["points"] for test in whole["tests"]) == pytest.approx(graded.earned), "the sum that it shows is what was earned"
    assert sum(test["max_points"] for test in whole["tests"]) == pytest.approx(RUBRIC.points), "of what can be earned without a bonus"


def test_prairielearn_takes_a_bonus_for_what_was_lost_and_no_more():
    assert prairielearn.document(result("ada"), RUBRIC)["score"] == 1.0, "12.5 of 10.5"
    made_up = tuple(replace(one, earned=one.earned - 1.0) if one.id == "rnn" else one for one in full_items())
    assert prairielearn.document(result("x", items=made_up), RUBRIC)["score"] == 1.0, "11.5 of 10.5"
    only = result("x", items=(item("backward", 4, 4),))
    assert prairielearn.document(only, RUBRIC)["score"] == 1.0 and prairielearn.document(WRONG, RUBRIC)["score"] < 0.6


def test_prairielearn_keeps_a_rejected_attempt():
    assert prairielearn.document(CLASS[5], RUBRIC)["gradable"] is True and prairielearn.document(CLASS[5], RUBRIC)["score"] == 0.0


def test_prairielearn_gets_less_than_a_megabyte():
    causes = tuple(replace(wrong_items()[0].causes[0], example="é" * 4000, sentence="é" * 600) for _ in range(10))
    many = tuple(replace(wrong_items()[0], id=f"i{n}", causes=causes) for n in range(60))
    whole = prairielearn.document(result("x", items=many), RUBRIC)
    assert len(json.dumps(whole, ensure_ascii=False).encode()) < 1_000_000, "larger files are not taken"


# Classroom 50


def complaint(data):
    """What its runner checks before it publishes a result, in the same order."""
    for field in ("classroom", "assignment", "owner", "commit", "release", "review", "datetime", "assignment_type"):
        if not isinstance(data.get(field), str) or not data[field]:
            return f"{field} must be a non-empty string"
    if data["schema"] != "classroom50/result/v1" or not data["submission"].startswith("submit/"):
        return "schema or submission"
    for name, one in [("the whole", data), *((test["test-name"], test) for test in data["tests"])]:
        score, most = one["score"], one["max-score"]
        if type(score) is not int or type(most) is not int or not 0 <= score <= most:
            return f"{name}: {score} of {most}"
    for test in data["tests"]:
        if not isinstance(test["test-name"], str) or not test["test-name"] or not isinstance(test["passed"], bool):
            return f"{test}"
    return None


@each
def test_classroom50_takes_it(graded):
    whole = classroom50.document(graded, RUBRIC, environment=ENVIRONMENT)
    assert complaint(whole) is None, complaint(whole)
    assert whole["classroom"] == "cs-1" and whole["review"].endswith("a...b") and whole["datetime"] == "2026-06-01T14:32:05Z"
    assert graded.status == GRADER_ERROR or whole["max-score"] == 100 * RUBRIC.points, "hundredths of a point"
    assert whole["score"] == min(whole["max-score"], sum(test["score"] for test in whole["tests"]))


@example(passed=399, counted=400, points=1.0)
@example(passed=1, counted=400, points=1.0)
@given(st.integers(0, 400), st.integers(1, 400), st.floats(0, 1000))
def test_classroom50_takes_any_share_of_any_points(passed, counted, points):
    passed = min(passed, counted)
    one = replace(item("dense", passed, counted), points=points, earned=points * passed / counted)
    whole = classroom50.document(result("x", items=(one,)), RUBRIC, environment=ENVIRONMENT)
    assert complaint(whole) is None, f"{complaint(whole)}: {passed} of {counted} of {points}"
    (test,) = whole["tests"]
    full = test["score"] == test["max-score"]
    assert not test["passed"] or full, "what passed has all its score"
    assert abs(test["score"] - 100 * one.earned) <= 1.5, "to about a hundredth"
    assert points < 0.02 or not passed or test["score"], "what passed in part has something"
    assert points < 0.02 or test["passed"] or not full, "what did not pass has less than all"


def test_classroom50_has_a_bonus_within_the_maximum():
    whole = classroom50.document(result("ada"), RUBRIC, environment=ENVIRONMENT)
    assert whole["score"] == whole["max-score"] == 1050 and whole["tests"][4]["bonus"] is True


def test_classroom50_knows_who_it_is_from_the_environment(monkeypatch):
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    assert classroom50.document(WRONG, RUBRIC)["assignment"] == RUBRIC.name
    monkeypatch.setenv("CLASSROOM", "another")
    monkeypatch.setenv("COMMIT_URL", "https://c")
    whole = classroom50.document(WRONG, RUBRIC)
    assert whole["classroom"] == "another" and whole["review"] == "https://c", "without a review the commit stands for it"


def test_the_body_of_a_release_is_the_page_of_the_student():
    body = classroom50.release_body(WRONG, RUBRIC)
    assert body.startswith("# ben: 5.62 of 9 points") and body.endswith("Scores on Classroom 50 are in hundredths of a point.\n")


@pytest.mark.parametrize("module", [classroom50, prairielearn])
def test_what_is_not_shown_is_one_test_without_words(module):
    tests = module.document(WRONG, RUBRIC)["tests"]
    assert "2 items that are not shown" in json.dumps(tests[-1]) and not tests[-1].get("message")
    assert "Unseen" not in json.dumps(tests) and "Softmax" not in json.dumps(tests)
    shown = module.document(WRONG, RUBRIC, VISIBILITIES)["tests"]
    assert len(shown) == len(RUBRIC.items) and "not shown" not in json.dumps(shown)


# CTRF and JUnit


@checkout
@pytest.mark.skipif(importlib.util.find_spec("jsonschema") is None, reason="schemas need jsonschema")
@each
def test_ctrf_holds_to_its_schema(graded):
    from jsonschema import Draft7Validator

    schema = json.loads((ROOT / "fixtures" / "schemas" / "ctrf.schema.json").read_text(encoding="utf-8"))
    Draft7Validator.check_schema(schema)
    whole = json.loads(json.dumps(ctrf.document(graded, RUBRIC), allow_nan=False))
    errors = [error.message for error in Draft7Validator(schema).iter_errors(whole)]
    assert not errors, errors
    assert [*Draft7Validator(schema).iter_errors({**whole, "results": {}})], "it refuses what is none"


@each
def test_ctrf_counts_what_it_lists(graded):
    results = ctrf.document(graded, RUBRIC)["results"]
    summary, tests = results["summary"], results["tests"]
    for status in ctrf.STATUSES:
        assert summary[status] == sum(test["status"] == status for test in tests), status
    assert summary["tests"] == len(tests) == 5 and results["extra"]["itemsNotShown"] == 2
    assert summary["stop"] - summary["start"] == summary["duration"] == round(1000 * graded.timing.seconds)
    assert graded.status != GRADER_ERROR or summary["other"] == 5, "the harness's failures are nobody's"


def test_ctrf_begins_when_it_began():
    assert ctrf.document(WRONG, RUBRIC)["results"]["summary"]["start"] == 1_796_032_800_000
    assert ctrf.document(CLASS[3], RUBRIC)["results"]["summary"]["start"] == 0, "where that is not known"


@each
def test_junit_counts_what_it_lists(graded):
    text = junit.document(graded, RUBRIC)
    whole = ElementTree.fromstring(text.encode())
    (suite,) = whole
    cases = suite.findall("testcase")
    assert whole.tag == "testsuites" and suite.get("name") == graded.submission and len(cases) == int(suite.get("tests")) == 5
    for kind, attribute in (("failure", "failures"), ("error", "errors")):
        assert len(suite.findall(f"testcase/{kind}")) == int(suite.get(attribute)) == int(whole.get(attribute))
    assert len(suite.findall("testcase/error")) == (5 if graded.status == GRADER_ERROR else 0)
    points = [float(one.get("value")) for one in suite.findall("testcase/properties/property[@name='points']")]
    assert points == [2.0, 3.0, 3.0, 1.0, 2.0]


def test_junit_says_what_is_wrong():
    failure = ElementTree.fromstring(junit.document(WRONG, RUBRIC).encode()).find("testsuite/testcase/failure")
    assert failure.get("message") == "1.5 of 2 points" and "- Dense, 3 cases: You would get exactly these values when" in failure.text
