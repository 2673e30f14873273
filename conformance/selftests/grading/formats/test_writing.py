"""All files of a batch: the same results give the same bytes, and nothing is told to whom it must not be told."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import product
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from conformance.grading.formats import figure, write_all
from conformance.grading.result import CATEGORY, FEEDBACK, FULL, NONE, SENTENCE, STATUSES, VISIBILITIES, VISIBLE, Cause, Result, Timing
from conformance.grading.rubric import Item
from conformance.selftests.builders.graded import RUBRIC, full_items, hostile_text, item, result, the_class, untimed, wrong_items

GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])
OF_A_SUBMISSION = {"page.md", "release-body.md", "classroom50.json", "prairielearn.json", "ctrf.json", "junit.xml"}
OF_THE_CLASS = {"grades.csv", "items.csv", "timing.csv", "summary.md"}


@pytest.fixture(autouse=True)
def quick(monkeypatch, request):
    if "figure" not in request.node.name:
        monkeypatch.setattr(figure, "can_draw", lambda: False)
    monkeypatch.setattr(os, "fsync", lambda file: None)  # nobody pulls the plug here


def test_every_submission_has_every_file(tmp_path):
    write_all(the_class(), RUBRIC, tmp_path / "new" / "out")
    out = tmp_path / "new" / "out"
    assert {path.name for path in out.iterdir()} == OF_THE_CLASS | {"submissions", "staff"}
    for name in ("ada", "ben", "cleo", "dan", "eve", "fay", "gus", "hal"):
        assert {path.name for path in (out / "submissions" / name).iterdir()} == OF_A_SUBMISSION
        assert {path.name for path in (out / "staff" / name).iterdir()} == {"page.md", "results.json"}


def test_the_same_results_give_the_same_bytes(tmp_path):
    write_all(the_class(), RUBRIC, tmp_path / "first")
    again = [Result.from_json(json.loads(json.dumps(one.as_json()))) for one in reversed(the_class())]
    write_all(again, RUBRIC, tmp_path / "second")
    first, second = (
        {path.relative_to(out): path.read_bytes() for path in out.rglob("*.*")} for out in (tmp_path / "first", tmp_path / "second")
    )
    assert first == second, "neither the order nor a way over JSON matters"


def test_only_times_differ_when_it_is_graded_again(tmp_path):
    write_all(the_class(), RUBRIC, tmp_path / "first")
    write_all([replace(one, timing=Timing(9.75, 3.5, "2027-01-02T03:04:05+00:00")) for one in the_class()], RUBRIC, tmp_path / "second")
    first, second = untimed(tmp_path / "first"), untimed(tmp_path / "second")
    assert first == second, f"{[name for name in first if first[name] != second[name]]} differ in more than times"
    assert (tmp_path / "first" / "timing.csv").read_bytes() != (tmp_path / "second" / "timing.csv").read_bytes()


def test_a_crowd_changes_nobodys_files(tmp_path):
    write_all(the_class(), RUBRIC, tmp_path / "crowd")
    write_all(the_class()[1:2], RUBRIC, tmp_path / "alone")
    crowd, alone = untimed(tmp_path / "crowd"), untimed(tmp_path / "alone")
    own = [name for name in alone if "/ben/" in name]
    assert len(own) == 8 and all(alone[name] == crowd[name] for name in own)


def planted():
    """An item for each level of feedback and visibility, each with words that occur nowhere else."""
    items = []
    for number, (feedback, visibility) in enumerate(product(FEEDBACK, VISIBILITIES)):
        words = f"{feedback}{visibility.replace('_', '')}"
        cause = Cause("Dense", "core", 3, "wrong values", f"Sentence{words} {100 + number}.25.", f"example{words} {200 + number}.75")
        shown = {"feedback": feedback, "visibility": visibility, "title": f"Title{words}"}
        items.append(
            replace(item("dense", 9, 12), id=f"i{number}", causes=(cause,), notes=(f"Note{words}.",), right=(f"Right{words}",), **shown)
        )
    return items


@pytest.mark.parametrize("place", ["what a student may have", "Gradescope's visible tests"])
def test_nothing_is_told_that_the_rubric_keeps_back(tmp_path, place):
    items = planted()
    rubric = replace(RUBRIC, items=tuple(Item(one.id, one.points, one.title) for one in items))
    secret = result("ben", items=tuple(items), printed="on-stdout", flags=("a-flag",), facts={"secret": "a-fact"})
    write_all([secret], rubric, tmp_path)
    if place == "what a student may have":
        texts = [path.read_text(encoding="utf-8") for path in (tmp_path / "submissions").rglob("*.*") if path.is_file()]
    else:
        whole = json.loads((tmp_path / "staff" / "ben" / "results.json").read_text(encoding="utf-8"))
        whole["tests"] = [test for test in whole["tests"] if test["visibility"] == VISIBLE]
        texts = [json.dumps(whole)]
    told = "\n".join(texts)
    assert len(texts) in (1, len(OF_A_SUBMISSION))
    for number, (feedback, visibility) in enumerate(product(FEEDBACK, VISIBILITIES)):
        words = f"{feedback}{visibility.replace('_', '')}"
        levels = {"Title": FEEDBACK, "Right": (CATEGORY, SENTENCE, FULL), "Note": (CATEGORY, SENTENCE, FULL)}
        levels |= {"Sentence": (SENTENCE, FULL), "example": (FULL,)}
        for part, allowed in levels.items():
            may = visibility == VISIBLE and feedback in allowed
            assert (f"{part}{words}" in told) == may, f"{part} of {feedback}, {visibility}: {'missing' if may else 'told'}"
        assert (f"{100 + number}.25" in told) == (visibility == VISIBLE and feedback in (SENTENCE, FULL))
        assert (f"{200 + number}.75" in told) == (visibility == VISIBLE and feedback == FULL), "numbers of a case are for FULL alone"
    assert not any(word in told for word in ("on-stdout", "a-flag", "a-fact")), "these are for the staff"
    staff = (tmp_path / "staff" / "ben" / "page.md").read_text(encoding="utf-8")
    assert all(f"{200 + number}.75" in staff for number in range(len(items))), "which sees all"
    assert NONE in FEEDBACK


def hostile_results():
    causes = st.builds(
        Cause, st.just("LSTM"), st.sampled_from(["core", "edge"]), st.integers(1, 9), st.just("error"), hostile_text(), hostile_text()
    )
    changed = st.builds(
        lambda causes, notes, feedback: tuple(replace(one, causes=causes, notes=notes, feedback=feedback) for one in wrong_items()),
        st.lists(causes, max_size=2).map(tuple),
        st.lists(hostile_text(), max_size=2).map(tuple),
        st.sampled_from(FEEDBACK),
    )
    texts = {name: hostile_text() for name in ("submission", "reason", "printed")}
    return st.builds(result, texts["submission"], st.sampled_from(STATUSES), changed, reason=texts["reason"], printed=texts["printed"])


@settings(
    max_examples=20,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(st.lists(hostile_results(), min_size=1, max_size=3))
def test_every_file_is_what_it_is_called_whatever_students_say(tmp_path_factory, results):
    out = tmp_path_factory.mktemp("hostile")
    write_all(results, RUBRIC, out)
    folders = list((out / "submissions").iterdir())
    assert len(folders) == len(results), "a folder for each, and none elsewhere"
    assert {path.name for path in out.iterdir()} == OF_THE_CLASS | {"submissions", "staff"}
    for path in (path for path in out.rglob("*") if path.is_file()):
        text = path.read_bytes().decode("utf-8")
        assert all(character.isprintable() or character in "\n\t\u2060" for character in text), f"{path.name} steers a terminal"
        if path.suffix == ".json":
            json.loads(text, parse_constant=pytest.fail)
        elif path.suffix == ".xml":
            ElementTree.fromstring(text.encode())
        elif path.suffix == ".md":
            kinds = {one.type for token in GITHUB.parse(text) for one in (token, *(token.children or ()))}
            odd = kinds & {"html_block", "html_inline", "image", "link_open", "s_open", "blockquote_open", "hr", "ordered_list_open"}
            assert not odd, f"{path.name} holds {odd}"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_points_that_are_no_number_are_written_nowhere(tmp_path, bad):
    items = (replace(full_items()[0], earned=bad), *full_items()[1:])
    with pytest.raises(ValueError, match=r"'ada': item 'dense' has (nan|inf) of 2\.0 points"):
        write_all([result("zoe"), result("ada", items=items)], RUBRIC, tmp_path / "out")
    assert not (tmp_path / "out").exists(), "nothing half-written"


def test_submissions_of_one_name_have_a_folder_each(tmp_path):
    write_all([result("ada", sha256="a"), result("ada", sha256="b"), result("Ada"), result("ada/"), result("../ada")], RUBRIC, tmp_path)
    assert {path.name for path in (tmp_path / "submissions").iterdir()} == {"ada", "Ada-2", "ada-3", "ada-4", "ada-5"}


@pytest.mark.skipif(os.name == "nt", reason="needs a folder that nothing can be written to")
def test_a_place_that_cannot_be_written_is_an_error_of_the_system(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OSError):
        write_all(the_class(), RUBRIC, tmp_path / "out")


def test_a_figure_is_drawn_where_it_can_be(tmp_path):
    pytest.importorskip("matplotlib")
    write_all(the_class(), RUBRIC, tmp_path / "first")
    write_all(the_class(), RUBRIC, tmp_path / "second")
    first, second = ((tmp_path / name / "summary.png").read_bytes() for name in ("first", "second"))
    assert first.startswith(b"\x89PNG") and first == second, "the same results, the same picture"
    assert "](summary.png)" in (tmp_path / "first" / "summary.md").read_text(encoding="utf-8")
