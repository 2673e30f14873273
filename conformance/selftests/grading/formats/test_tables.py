"""Grades as tables."""

from __future__ import annotations

import csv
import io

from conformance.grading.formats import tables
from conformance.grading.result import GRADER_ERROR
from conformance.selftests.builders.graded import GATES, RUBRIC, full_items, nothing, result, the_class


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_for_each_submission_whatever_it_did():
    rows = {row["submission"]: row for row in read(tables.grades(the_class(), RUBRIC))}
    assert list(rows) == ["ada", "ben", "cleo", "dan", "eve", "fay", "gus", "hal"]
    assert rows["ada"]["earned"] == "12.5" and rows["ada"]["points"] == "10.5", "a bonus comes on top"
    assert rows["ben"]["rnn"] == "1.625" and rows["ben"]["review"] == "yes", "a flag asks for a person"
    assert rows["eve"]["status"] == "ungradable" and rows["eve"]["earned"] == "0" and "layers.py, line 3" in rows["eve"]["reason"]
    assert rows["gus"]["reason"] == "The process in which the file runs ended while it was asked.", "a status without a reason is explained"


def test_what_the_harness_failed_on_is_not_a_zero():
    (row,) = read(tables.grades([result("hal", GRADER_ERROR, nothing())], RUBRIC))
    assert row["earned"] == row["dense"] == "" and row["review"] == "yes" and row["points"] == "10.5"
    assert {row["earned"] for row in read(tables.items([result("hal", GRADER_ERROR, nothing())]))} == {""}


def test_a_row_for_each_item_with_what_is_wrong_first():
    rows = read(tables.items(the_class()))
    assert len(rows) == 8 * len(RUBRIC.items)
    row = next(row for row in rows if row["submission"] == "ben" and row["item"] == "rnn")
    assert row["first sentence"] == f"LSTM: {GATES}" and row["passed"] == "13" and row["counted"] == "24"
    assert row["unsupported"] == "2" and row["blocked"] == "1" and row["visibility"] == "visible" and row["bonus"] == ""
    assert [row["bonus"] for row in rows if row["item"] == "backward"] == ["yes"] * 8


def test_times_stand_in_a_table_of_their_own():
    rows = read(tables.times(the_class()))
    assert rows[3] == {"submission": "dan", "seconds": "8", "computed": "6.5", "at": ""}
    assert "2026" not in tables.grades(the_class(), RUBRIC) + tables.items(the_class()), "no other table has a time"


def test_a_name_that_is_a_formula_is_a_name():
    hostile = result('=HYPERLINK("http://evil.example")', reason="@SUM(A1)", items=full_items())
    (row,) = read(tables.grades([hostile], RUBRIC))
    assert row["submission"].startswith("'=") and row["reason"].startswith("'@")
    assert read(tables.items([hostile]))[0]["submission"].startswith("'=") and read(tables.times([hostile]))[0]["submission"].startswith(
        "'="
    )
