"""Text of students is shown as it is, whatever it says, and obeyed nowhere."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from conformance.grading.formats.blocks import as_markdown, as_plain, point, sentence, verbatim
from conformance.grading.formats.escape import FORMULA, cell, fenced, markdown, one_line, plain
from conformance.selftests.builders.graded import SNIPPETS, hostile_text

GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HARMLESS = {"text", "softbreak", "text_special", "code_inline", "strong_open", "strong_close"}
PLACES = {
    "a paragraph": "{}",
    "a point": "- {}",
    "a heading": "# {}",
    "a cell": "| a | b |\n|---|---|\n| {} | c |",
    "after a word": "Name: {}",
}


def inline(text: str) -> list:
    return [token for token in GITHUB.parse(text) if token.type == "inline"]


def unescaped(token) -> str:
    assert all(child.type in HARMLESS for child in token.children), f"{token.content!r} holds {[child.type for child in token.children]}"
    return "".join(child.content for child in token.children)


@pytest.mark.parametrize("place", PLACES)
@given(hostile_text())
@example("".join(SNIPPETS[:-1]))
@example("a # b #")
@example("1.5")
@example("12) x")
@example("a\\")
def test_markdown_shows_text_as_it_is_wherever_it_stands(place, text):
    written = PLACES[place].format(markdown(text))
    tokens = GITHUB.parse(written)
    shown = one_line(text)
    assert not any(token.type.startswith("html") for token in tokens), f"{written!r} holds raw HTML"
    told = [unescaped(token) for token in inline(written)]
    expected = {"a cell": ["a", "b", shown, "c"], "after a word": [f"Name: {shown}".strip()]}.get(place, [shown] if shown else [])
    got = [one.replace("\u2060", "") for one in told if one or place == "a cell"]
    assert got == [one.replace("\u2060", "") for one in expected], f"{text!r} becomes {got}, written {written!r}"


@pytest.mark.parametrize("linked", ["http://evil.example", "https://evil.example/a?b=c", "see WWW.evil.example", "ftp://evil.example"])
def test_no_address_becomes_a_link_by_itself(linked):
    written = markdown(linked)
    assert "://" not in written.replace("\\://", "") and "www." not in written.lower(), f"GitHub would make a link of {written!r}"


def test_nobody_is_called():
    assert "@\u2060everybody" in markdown("ask @everybody"), "a word joiner stands behind the @"


@given(hostile_text(), st.booleans())
@example("a\n```\n# out\n", True)
@example("````\n<b>", False)
def test_a_block_of_code_cannot_be_closed_by_what_it_holds(text, in_a_list):
    written = as_markdown([point("x"), verbatim(text)] if in_a_list else [verbatim(text)])
    blocks = [token for token in GITHUB.parse(written) if token.type in ("fence", "html_block", "heading_open")]
    assert [token.type for token in blocks] == ["fence"], f"{written!r} holds {[token.type for token in blocks]}"
    assert blocks[0].level == (2 if in_a_list else 0), "below a point it belongs to it"
    assert blocks[0].content.rstrip("\n") == plain(text, 4000).rstrip("\n"), f"{text!r} is shown as {blocks[0].content!r}"


@given(hostile_text())
def test_plain_text_steers_no_terminal_and_is_legal_everywhere(text):
    shown = as_plain([sentence(text), point(text), verbatim(text)])
    odd = [
        character for character in shown if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn") and character not in "\n\t"
    ]
    assert not odd, f"{text!r} keeps {odd}"
    assert json.loads(json.dumps(shown, ensure_ascii=False).encode()) == shown, "it has a form in JSON and in UTF-8"
    root = ElementTree.Element("a", {"b": shown})
    root.text = shown
    again = ElementTree.fromstring(ElementTree.tostring(root))
    assert (again.text or "") == shown, "it has a form in XML 1.0"


@given(hostile_text())
@example("=1+1")
@example(" \t@SUM(A1)")
def test_a_spreadsheet_computes_nothing(text):
    stream = io.StringIO()
    csv.writer(stream).writerow([cell(text), "end"])
    (row,) = csv.reader(io.StringIO(stream.getvalue()))
    assert row[1:] == ["end"], f"{text!r} is one cell"
    assert not row[0].startswith(tuple(FORMULA)), f"{row[0]!r} would be computed"
    assert row[0].removeprefix("'").endswith(one_line(text)) or row[0] == one_line(text), "nothing else is changed"


def test_what_is_long_is_cut_and_says_so():
    assert plain("x" * 1500, 1000) == "x" * 1000 + " … (500 more characters)"
    assert len(fenced("y" * 10**6)) < 4100, "an example has its limit"
    assert plain("x" * 1000, 1000) == "x" * 1000, "what just fits is whole"


@pytest.mark.parametrize("text", ["Dense (units=6): 3 values, 1.5 off; x @ y", "snake case and Größe, λ, 中文"])
def test_ordinary_text_stays_readable(text):
    assert one_line(text) == text
    assert "\\" not in markdown(text), f"{markdown(text)!r} needs no backslash"
