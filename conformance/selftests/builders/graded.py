"""A small class, graded: a rubric, and a result of every kind that there is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import strategies

from conformance.grading.formats.page import TIME
from conformance.grading.formats.writing import CTRF, TIMES
from conformance.grading.result import (
    AFTER_DUE_DATE,
    CATEGORY,
    CRASHED,
    FULL,
    GRADER_ERROR,
    HIDDEN,
    MISSING,
    NONE,
    OK,
    RAISED,
    REJECTED,
    TIMED_OUT,
    TOO_SLOW,
    UNGRADABLE,
    WAITS,
    WRONG_VALUES,
    Cause,
    ItemResult,
    Result,
    Timing,
)
from conformance.grading.rubric import Item, Rubric

RUBRIC = Rubric(
    "recurrent-layers",
    (
        Item("dense", 2.0, "Dense, forward", layers=("Dense",), passes=("forward",), feedback=FULL),
        Item("rnn", 3.0, "Simple RNN and LSTM, forward", layers=("SimpleRNN", "LSTM"), passes=("forward",)),
        Item("conv", 3.0, "Conv2D, forward", layers=("Conv2D",), passes=("forward",), feedback=CATEGORY),
        Item("norm", 1.0, "LayerNormalization", layers=("LayerNormalization",), feedback=NONE),
        Item("unseen", 1.0, "Unseen cases of LSTM", layers=("LSTM",), hidden=5, visibility=HIDDEN, feedback=FULL),
        Item("late", 0.5, "Softmax of a sequence", layers=("Softmax",), visibility=AFTER_DUE_DATE),
        Item("backward", 2.0, "LSTM, backward", layers=("LSTM",), passes=("backward",), bonus=True),
    ),
    title="Assignment 3: recurrent layers",
)
GATES = "You would get exactly these values when the gates are in the order i, f, o, c instead of i, f, c, o (all with units=4)."
BIAS = "You would get exactly these values when the bias is left out."
OTHER = "Other values than expected (all with strides=2)."
EXAMPLE = (
    "Dense (units=6, features; input of shape (3, 5), float64) does not give what Keras gives: all 18 values are off.\n"
    "The largest error is at batch 1, unit 2: Keras gives 1.35105 there, your function gives 2.12738.\n"
    "  again   conform check layers.py --layers Dense --case Dense-units=6-features-float64"
)


def item(name: str, passed: int, counted: int, **others: Any) -> ItemResult:
    """What an item of the rubric earned, with so many cases that passed."""
    asked = next(one for one in RUBRIC.items if one.id == name)
    own = {field: getattr(asked, field) for field in ("id", "title", "points", "visibility", "feedback", "bonus")}
    counts = {status: count for status, count in (("failed", counted - passed), ("passed", passed)) if count}
    earned = round(asked.points * passed / counted, 6) if counted else 0.0
    right = asked.layers if passed == counted and counted else ()
    return ItemResult(**{**own, "earned": earned, "counts": counts, "passed": passed, "counted": counted, "right": right, **others})


def full_items() -> tuple[ItemResult, ...]:
    return tuple(item(one.id, 12, 12) for one in RUBRIC.items)


def nothing() -> tuple[ItemResult, ...]:
    return tuple(item(one.id, 0, 0) for one in RUBRIC.items)


def wrong_items() -> tuple[ItemResult, ...]:
    """Nearly every kind of mistake."""
    return (
        item("dense", 9, 12, causes=(Cause("Dense", "core", 3, WRONG_VALUES, BIAS, EXAMPLE, named=True),)),
        item(
            "rnn",
            13,
            24,
            right=("SimpleRNN",),
            counts={"passed": 13, "failed": 8, "error": 1, "unsupported": 2, "blocked": 1},
            causes=(
                Cause("LSTM", "core", 8, WRONG_VALUES, GATES, named=True),
                Cause("LSTM", "core", 1, RAISED, "Lstm_forward raised ValueError: <b>shapes</b> | (3,5) @ *kernel* (layers.py, line 12)."),
                Cause("SimpleRNN", "core", 1, WAITS, "Other values than expected."),
            ),
            notes=(
                "LSTM: not supported: go_backwards; 2 cases of it count as not passed.",
                "1 case cannot be judged before Dense is right, and is not counted.",
            ),
        ),
        item("conv", 4, 12, causes=(Cause("Conv2D", "core", 8, WRONG_VALUES, OTHER, EXAMPLE),)),
        item("norm", 0, 12, causes=(Cause("LayerNormalization", "core", 12, MISSING, "Epsilon 0.0010203 is not added.", EXAMPLE),)),
        item("unseen", 1, 5, causes=(Cause("LSTM", "core", 4, WRONG_VALUES, "The hidden cases are wrong.", EXAMPLE),)),
        item("late", 2, 3, causes=(Cause("Softmax", "edge", 1, TOO_SLOW, "No answer to an empty batch.", EXAMPLE),)),
        item("backward", 3, 4, causes=(Cause("LSTM", "core", 1, WRONG_VALUES, "You would get exactly these values when time runs on."),)),
    )


def result(name: str, status: str = OK, items: tuple[ItemResult, ...] | None = None, **others: Any) -> Result:
    facts = {"assignment": RUBRIC.name, "oracle": "recorded", "keras": "3.12.0"}
    others = {"sha256": "ab" * 32, "facts": facts, "timing": Timing(1.25, 0.75, "2026-11-30T10:00:00+00:00"), **others}
    return Result(name, status, items=full_items() if items is None else items, **others)


def the_class() -> list[Result]:
    """Submissions that ended in every way there is."""
    syntax = "Your file cannot be imported, so nothing could be asked: SyntaxError: '(' was never closed (layers.py, line 3)."
    excerpt = "    def dense_forward(x, kernel, bias\n                     ^"
    loads = "Your file needs what this assignment does not allow: it imports keras (layers.py, line 2)."
    slow = replace(item("rnn", 12, 24), causes=(Cause("LSTM", "core", 12, TOO_SLOW, "Lstm_forward took longer than 2 s."),))
    hanging = tuple(slow if one.id == "rnn" else one for one in full_items())
    return [
        result("ada"),
        result("ben", items=wrong_items(), printed="values: [0.1 0.2]\n", flags=("layers.py, line 3: imports os",)),
        result("cleo", items=wrong_items(), timing=Timing(2.5, 2.0, "2026-11-30T10:00:01+00:00")),
        result("dan", TIMED_OUT, hanging, reason="lstm_forward took longer than 2 s, three times.", timing=Timing(8.0, 6.5)),
        result("eve", UNGRADABLE, nothing(), reason=f"{syntax}\n\n{excerpt}"),
        result("fay", REJECTED, nothing(), reason=loads, flags=("layers.py, line 2: imports keras",)),
        result("gus", CRASHED, hanging),
        result("hal", GRADER_ERROR, nothing(), reason="The harness failed, which is not your fault: OSError: no space left on device"),
    ]


def untimed(folder: Path) -> dict[str, bytes]:
    """Every file below a folder that :func:`conformance.grading.formats.write_all` wrote, without what differs from run to run."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if path.name == CTRF:
            report = json.loads(data)
            report["results"]["summary"] |= {"start": 0, "stop": 0, "duration": 0}
            data = json.dumps(report).encode()
        if path.name != TIMES:
            found[path.relative_to(folder).as_posix()] = data.partition(f"\n{TIME}\n".encode())[0] if path.suffix == ".md" else data
    return found


SNIPPETS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--",
    "![x](http://evil.example/x.png)",
    "[a](javascript:alert(1))",
    "[a]: http://evil.example",
    "<http://evil.example>",
    "http://evil.example/?a=b",
    "www.evil.example",
    "https:",
    "| a | b |",
    "|---|---|",
    "```",
    "~~~~",
    "    code",
    "# heading",
    "- point",
    "+ point",
    "1. point",
    "> quote",
    "===",
    "---",
    "**bold**",
    "_it_",
    "~~gone~~",
    "$x$",
    "@everybody",
    "&lt;b&gt;",
    "\\",
    "`",
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\uff1d1+1",
    ' "quoted"',
    ",",
    "\x1b[31mred\x1b[0m",
    "\x07",
    "\x00",
    "\x9b2J",
    "\u202ereversed",
    "\u2066",
    "\u2028",
    "\ud800",
    "\ufffe",
    "]]>",
    "</failure></testcase>",
    "NaN",
    "\n\n# heading\n\n",
    "\r\n",
    "../../etc/passwd",
    "..\\..\\x",
    "CON",
    "nul.txt",
    "e\u0301",
    "ﬁ",
    "x" * 3000,
)
"""What makes trouble somewhere: in Markdown, HTML, tables, terminals, XML, JSON or file systems."""


def hostile_text() -> strategies.SearchStrategy[str]:
    """Text as nobody would be called, halves of characters included."""
    parts = strategies.one_of(strategies.sampled_from(SNIPPETS), strategies.text(strategies.characters(), max_size=12))
    return strategies.lists(parts, max_size=5).map("".join)
