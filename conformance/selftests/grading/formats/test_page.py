"""The page that a student learns from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.grading.formats.page import staff_page, student_page
from conformance.grading.result import (
    AFTER_DUE_DATE,
    CATEGORY,
    FULL,
    GRADER_ERROR,
    NONE,
    SENTENCE,
    TIMED_OUT,
    UNGRADABLE,
    VISIBLE,
    WAITS,
    Cause,
)
from conformance.selftests.builders.graded import BIAS, EXAMPLE, GATES, RUBRIC, full_items, item, nothing, result, the_class, wrong_items

BY_NAME = {one.submission: one for one in the_class()}
WRONG = result("ben", items=wrong_items(), printed="planted on stdout", flags=("layers.py, line 3: imports os",))


def test_points_and_where_they_went():
    page = student_page(WRONG, RUBRIC)
    assert page.startswith("# ben: 5.62 of 9 points\n\nAssignment 3: recurrent layers\n"), "points without what is not shown"
    assert "1.5 of these points are a bonus. 2 more items, worth 1.5 points together, are not shown here, and not in this sum." in page
    lost = "13 of 24 cases passed; 1.38 points are lost: 8 gave something else than Keras gives, 1 raised an error or gave no answer and 2 "
    assert f"{lost}asked for what is not supported." in page, page
    assert "LSTM: not supported: go\\_backwards; 2 cases of it count as not passed." in page
    assert "3 of 4 cases passed, which earns 1.5 points on top: 1 gave something else than Keras gives." in page


def test_what_is_right_what_is_wrong_and_what_to_do_next():
    page = student_page(WRONG, RUBRIC)
    assert "SimpleRNN is right." in page
    assert f"- Dense, 3 cases: {BIAS}" in page and f"- LSTM, 8 cases: {GATES}" in page
    assert page.index("## What to do next") > page.index("LSTM, backward (bonus): 1.5 of 2 points"), "what to do comes last"
    assert page.endswith("\n```text\nconform check layers.py --layers Dense,LSTM,Conv2D,LayerNormalization\n```\n"), (
        "what waits is not asked"
    )
    assert "Begin with Dense." in page


def test_what_is_wrong_is_told_first_and_what_is_right_last():
    page = student_page(result("x", items=(full_items()[0], wrong_items()[3], wrong_items()[1])), RUBRIC)
    titles = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert titles[0].startswith("Simple RNN") and titles[1].startswith("Layer") and titles[2].startswith("✓ Dense"), titles
    assert page.index("| Dense, forward") < page.index("| Simple RNN"), "the table is in the rubric's order"


def test_where_nothing_is_wrong_what_waits_or_is_missing_is_asked():
    waits = replace(item("rnn", 9, 12), causes=(Cause("LSTM", "core", 3, WAITS, "Other values."),), right=("SimpleRNN",))
    missing = replace(item("conv", 0, 12), counts={"unsupported": 12}, notes=("There is no function conv2d_forward.",))
    page = student_page(result("x", items=(waits, missing)), RUBRIC)
    assert "- LSTM, 3 cases that wait for another layer: Other values." in page
    assert "--layers LSTM,Conv2D\n" in page and "0 of 12 cases passed; 3 points are lost.\n\nThere is no function" in page, page


def test_an_example_reads_as_conform_check_prints_it():
    page = student_page(WRONG, RUBRIC)
    assert "  To run this case alone: conform check layers.py --layers Dense --case" in page and "again   " not in page
    assert "your function gives 2.12738." in page
    told = Cause("Dense", "core", 3, "wrong values", BIAS, "3 values are off\n  again   ")
    assert "To run" not in student_page(result("x", items=(replace(WRONG.items[0], causes=(told,)),)), RUBRIC), "not without a command"


def test_all_right_is_said_so():
    page = student_page(replace(BY_NAME["ada"], items=full_items()[:3]), replace(RUBRIC, items=RUBRIC.items[:3]))
    assert page.startswith("# ada: 8 of 8 points\n") and page.count("✓") == 3 and "All 12 cases passed." in page
    assert page.endswith("## What to do next\n\nThere is nothing to mend: all that is told here is right.\n")


@pytest.mark.parametrize(
    ("earned", "points", "said"), [(9.999, 10.0, "9.99 of 10 points"), (0.001, 10.0, "0.01 of 10 points"), (1, 1, "1 of 1 point")]
)
def test_points_are_never_rounded_to_all_or_nothing(earned, points, said):
    one = replace(item("dense", 11, 12), earned=earned, points=points)
    assert student_page(result("x", items=(one,)), RUBRIC).startswith(f"# x: {said}\n")


@pytest.mark.parametrize("name", ["dan", "eve", "fay", "gus", "hal"])
def test_every_ending_says_what_to_do(name):
    page = student_page(BY_NAME[name], RUBRIC)
    advice = {
        "dan": "A call may compute for 2 s. Look for a loop that does not end, or that does one by one what NumPy does at once.",
        "eve": "Run your file by itself (python layers.py), mend what Python says, and hand it in again.",
        "fay": "Leave that out, and hand it in again. What may be imported: the standard library, numpy, and your own files. "
        "These have to be handed in together, in one archive.",
        "gus": "A file must not end its process (exit, os.\\_exit, a signal), and may use 1,024 MiB of memory.",
        "hal": "You need not do anything: these are not your points, and it will be graded again.",
    }[name]
    assert advice in page, page


HINTS = {
    "EOFError: EOF when reading a line": "Nobody is there to type.",
    "FileNotFoundError: No such file: 'weights.npz'": "no files but those that were handed in",
    "SyntaxError: source code string cannot contain null bytes": "Save it so",
    "ImportError: attempted relative import with no known parent package": "without the dot",
    "NameError: name 'get\\_ipython' is not defined": "a line of a notebook",
    "SystemExit: 0": "A file must not end its process.",
}


@pytest.mark.parametrize("error", HINTS)
def test_an_error_that_is_not_seen_at_home_says_what_to_do(error):
    page = student_page(replace(BY_NAME["eve"], reason=f"layers.py cannot be imported: {error}".replace("\\", "")), RUBRIC)
    assert HINTS[error] in page and "mend what Python says" not in page, page


def test_nobody_is_told_to_run_a_file_that_is_not_there():
    page = student_page(replace(BY_NAME["eve"], sha256="", reason="There is no Python file in it."), RUBRIC)
    assert "There is no Python file in it." in page and "Run your file" not in page, page


def test_an_import_that_takes_too_long_says_what_may_stand_there():
    page = student_page(result("slow", TIMED_OUT, nothing(), reason="Your file takes too long to import."), RUBRIC)
    assert "The import may compute for 5 s. Put what trains, tests or draws below the line" in page and "A call may" not in page, page


def test_the_line_that_cannot_be_read_is_shown():
    page = student_page(BY_NAME["eve"], RUBRIC)
    line = "```text\n    def dense_forward(x, kernel, bias\n                     ^\n```"
    assert f"SyntaxError: '(' was never closed (layers.py, line 3).\n\n{line}" in page, page
    assert "## Dense" not in page, "nothing is said of items where nothing was asked"


def test_a_failure_of_the_harness_gives_no_points():
    page = student_page(BY_NAME["hal"], RUBRIC)
    assert page.startswith("# hal: not graded\n") and "points |" not in page and "of 9" not in page


LEVELS = {
    NONE: (),
    CATEGORY: ("wrong values",),
    SENTENCE: ("wrong values", "the-sentence", "the-note"),
    FULL: ("the-sentence", "the-note", "the-example"),
}


@pytest.mark.parametrize("feedback", LEVELS)
def test_no_more_is_told_than_the_rubric_allows(feedback):
    cause = Cause("Dense", "core", 3, "wrong values", "The-sentence 7.7071.", "the-example 8.8082", named=True)
    one = replace(item("dense", 9, 12), feedback=feedback, causes=(cause,), notes=("The-note.",), right=("Right",))
    page = student_page(result("x", items=(one,)), RUBRIC).lower()
    for word in ("the-sentence", "7.7071", "the-example", "8.8082", "right is right", "gave something else"):
        allowed = {"the-sentence": (SENTENCE, FULL), "7.7071": (SENTENCE, FULL), "the-example": (FULL,), "8.8082": (FULL,)}
        assert (word in page) == (feedback in allowed.get(word, (CATEGORY, SENTENCE, FULL))), f"{feedback}: {word}"
    assert ("wrong values" in page) == (feedback == CATEGORY) and ("the-note" in page) == (feedback != NONE)
    assert "9 of 12" in page and "0.5 points are lost" in page and "conform check layers.py --layers dense" in page, "this is told always"


def test_what_is_shown_later_is_shown_then():
    assert "Softmax" not in student_page(WRONG, RUBRIC)
    later = student_page(WRONG, RUBRIC, (VISIBLE, AFTER_DUE_DATE))
    assert "## Softmax of a sequence: 0.33 of 0.5 points" in later and "1 more item, worth 1 point, is not shown here" in later
    assert "Softmax (unusual input), 1 case: No answer to an empty batch." in later and "--edge" in later
    assert "Unseen" not in later


def test_calls_that_hang_are_counted_as_one_kind():
    one = replace(item("dense", 0, 12), counts={"error": 9, "timeout": 3}, passed=0, counted=12)
    page = student_page(result("ben", items=(one,)), RUBRIC)
    assert "points are lost: 12 raised an error or gave no answer." in page, page


def test_it_is_said_how_much_of_what_is_not_shown_is_a_bonus():
    items = tuple(replace(one, bonus=one.id == "late") for one in wrong_items())
    page = student_page(result("ben", items=items), RUBRIC)
    assert "2 more items, worth 1.5 points together (0.5 of them a bonus), are not shown here" in page, page
    alone = tuple(one for one in items if one.id != "unseen")
    assert "1 more item (bonus), worth 0.5 points, is not shown" in student_page(result("ben", items=alone), RUBRIC), "one alone"


def test_the_staff_sees_everything():
    page = staff_page(WRONG, RUBRIC)
    for said in (
        "# ben: 6.16 of 10.5 points",
        "planted on stdout",
        "layers.py, line 3: imports os",
        "Item norm (visibility: visible; no feedback).",
    ):
        assert said in page, said
    assert page.count("your function gives 2.12738.") == EXAMPLE.count("2.12738") * 5, "examples whatever a student is told"
    assert "Unseen cases of LSTM" in page and "- keras: 3.12.0" in page and "- sha256: abab" in page
    assert page.index("## Time") > page.index("## How it was graded") and page.endswith(
        "\n\n1.25 s, of which it computed for 0.75 s; 2026-11-30T10:00:00+00:00.\n"
    )


def test_what_is_printed_stays_in_its_block():
    page = staff_page(replace(WRONG, printed="```\n# out\n<b>x</b>\x1b[31m"), RUBRIC)
    assert "## What it printed\n\n````text\n```\n# out\n<b>x</b> [31m\n````\n" in page, page


def test_what_is_printed_is_not_for_students():
    assert "planted" not in student_page(WRONG, RUBRIC)


def test_nothing_asked_without_a_status_is_said():
    page = student_page(result("x", UNGRADABLE, nothing()), RUBRIC)
    assert "The file cannot be imported, so nothing could be asked." in page
    assert student_page(result("x", GRADER_ERROR, ()), RUBRIC).startswith("# x: not graded\n")


def test_a_rubric_names_the_file_and_an_adapter_takes_the_command_away():
    assert "conform check my.py --layers" in student_page(WRONG, replace(RUBRIC, file="my.py"))
    assert "conform check" not in student_page(replace(WRONG, items=wrong_items()[2:4]), replace(RUBRIC, adapter=RUBRIC.text))
