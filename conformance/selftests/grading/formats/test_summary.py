"""The class on one page."""

from __future__ import annotations

from dataclasses import replace

from conformance.grading.formats.summary import NO_FIGURE, summary
from conformance.grading.result import GRADER_ERROR, Cause
from conformance.selftests.builders.graded import BIAS, RUBRIC, item, nothing, result, the_class

PAGE = summary(the_class(), RUBRIC, "summary.png")


def cells(page, heading):
    """The rows of the table below a heading."""
    lines = page.partition(f"## {heading}\n\n")[2].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_how_they_did():
    assert PAGE.startswith(
        "# Assignment 3: recurrent layers: 8 submissions\n\nOn average 6.69 of 10.5 points, half of them have 6.16 or more."
    )
    assert "The lowest is 0, the highest 12.5; 3 of 7 have all points, or more." in PAGE
    assert cells(PAGE, "How they ended") == [
        [status, count]
        for status, count in [("ok", "3"), ("ungradable", "1"), ("rejected", "1"), ("timeout", "1"), ("crash", "1"), ("grader_error", "1")]
    ]


def test_which_items_were_hard():
    rows = cells(PAGE, "Items")
    assert [row[0] for row in rows][:2] == ["LayerNormalization", "Simple RNN and LSTM, forward"], "the hardest first"
    assert rows[0][2:] == ["43 %", "3", "4"], "the mean of 1, 0, 0, 1, 0, 0, 1; whom the harness failed on counts nowhere"


def test_which_mistakes_were_common():
    where = [" (all with units=4).", " (with activation=relu).", "."]
    dense = [
        replace(item("dense", 9, 12), causes=(Cause("Dense", "core", 3, "wrong values", BIAS[:-1] + end, named=True),)) for end in where
    ]
    other = replace(item("dense", 9, 12), causes=(Cause("Dense", "core", 3, "wrong values", "Other values.", named=False),))
    further = Cause("Dense", "core", 3, "wrong values", "Further cases, perhaps for the same reasons.")
    graded = [result(f"s{n}", items=(one,)) for n, one in enumerate([*dense, other, replace(other, causes=(further,))])]
    rows = cells(summary(graded, RUBRIC, None), "Common mistakes")
    assert rows == [["Dense", BIAS, "3", "s0, s1, s2"], ["Dense", "Other values.", "1", "s3"]], "a mistake is one wherever it was seen"


def test_one_has_and_one_alone_made_it():
    own = [replace(item("dense", 9, 12), causes=(Cause("Dense", "core", 3, "error", f"It raised Error{n}."),)) for n in range(25)]
    page = summary([*(result(f"s{n}", items=(one,)) for n, one in enumerate(own)), result("full")], RUBRIC, None)
    assert "1 of 26 has all points, or more." in page, page[:500]
    assert "5 more mistakes, each made by one alone: `items.csv` has them." in page, page


def test_what_a_person_should_look_at():
    rows = cells(PAGE, "To look at")
    assert [row[0] for row in rows] == ["ben", "dan", "eve", "fay", "gus", "hal"]
    assert rows[0][2] == "layers.py, line 3: imports os" and "no space left on device" in rows[-1][2]


def test_how_long_it_took_comes_last():
    time = PAGE.partition("\n## Time\n")[2]
    assert time.startswith("\n18.0 s for all, one after the other; 2.25 s a submission. The slowest:") and "\n## " not in time
    assert [row[0] for row in cells(PAGE, "Time\n\n" + time.splitlines()[1])][:2] == ["dan", "cleo"]


def test_without_matplotlib_there_is_a_sentence():
    assert NO_FIGURE in summary(the_class(), RUBRIC, None) and NO_FIGURE not in PAGE


def test_a_class_that_nothing_could_be_asked_of():
    page = summary([result("hal", GRADER_ERROR, nothing())], RUBRIC, None)
    assert "1 submission\n\nNone of them could be graded." in page and "## Items" not in page and NO_FIGURE not in page
    assert summary([], RUBRIC, None).startswith("# Assignment 3: recurrent layers: 0 submissions")
