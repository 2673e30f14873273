"""What a submission's files are called."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conformance.grading.formats import file_name, same_name
from conformance.selftests.builders.graded import hostile_text

DEVICES = ("con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(10)))


@given(hostile_text())
@example("..")
@example("-rf")
@example("aux.tar.gz")
@example("中" * 300)
def test_a_name_is_one_that_every_system_takes(tmp_path_factory, text):
    name = file_name(text, set())
    assert name not in (".", "..") and name[0] not in ".-" and name[-1] != ".", f"{text!r} becomes {name!r}"
    assert not set(name) & set('/\\:*?"<>|\0\n\r\t '), f"{text!r} becomes {name!r}"
    assert len(name.encode()) <= 120, f"{name!r} is too long"
    assert name.partition(".")[0].lower() not in DEVICES, f"{name!r} is a device of Windows"
    assert file_name(text, set()) == name, "the same name again"


@given(st.lists(hostile_text(), max_size=8))
@example(["a", "A", "a ", "a\n", "a-2", "a"])
@example(["e\u0301", "\u00e9", "\u00c9"])
@example(["x" * 100, "x" * 101, "X" * 60])
def test_no_two_submissions_share_a_name(texts):
    taken: set[str] = set()
    names = [file_name(text, taken) for text in texts]
    assert len({same_name(name) for name in names}) == len(names), f"{texts} become {names}"
    assert len({unicodedata.normalize("NFD", name).lower() for name in names}) == len(names), f"{texts} become {names}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ada Lovelace", "Ada_Lovelace"),
        ("student_12_layers.py", "student_12_layers.py"),
        ("../../etc/passwd", "etc_passwd"),
        ("müller-2", "müller-2"),
        ("a\nb", "a_b"),
        ("nul.py", "_nul.py"),
        ("", "submission"),
        ("///", "submission"),
        ("\ud800x", "x"),
    ],
)
def test_a_name_stays_readable(text, name):
    assert file_name(text, set()) == name
