"""Markdown tables, and the one of layers that ``--conform-markdown`` writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tabulate import tabulate

from conformance.base.record import EDGE, STATUSES, Record
from conformance.base.report import Report

NUMBERS = (int, float)
SPECIAL = str.maketrans({**{mark: f"\\{mark}" for mark in "\\|*_[]`"}, "<": "&lt;", ">": "&gt;", "\n": " ", "\r": " "})


def escaped(text: object) -> str:
    """Text that Markdown shows as it is, on one line, in a table or out of it."""
    return str(text).translate(SPECIAL)


def code(text: object) -> str:
    """Text as code in a table's cell; a bar is escaped, a backtick (which would end the code) becomes an apostrophe."""
    return "`" + " ".join(str(text).replace("`", "'").split()).replace("|", "\\|") + "`"


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A GitHub table of cells that are written already; columns of numbers only stand right."""
    rows = [list(row) for row in rows]
    align = ["right" if rows and all(isinstance(row[n], NUMBERS) for row in rows) else "left" for n in range(len(headers))]
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    return tabulate(cells, headers=list(headers), tablefmt="github", colalign=align if rows else None, disable_numparse=True)


def _of_the_edge(records: Iterable[Record]) -> int:
    return sum(record.level == EDGE for record in records)


def layer_table(report: Report) -> str:
    """What became of the cases of every layer, a row for each pass and one for the total.

    What is counted once more in a column of its own, where there is any: cases of the edge and their failures, and known failures.
    """
    more: dict[str, Callable[[Report], int]] = {}
    if EDGE in report.by_level():
        more |= {"edge cases": lambda own: _of_the_edge(own.records), "edge failures": lambda own: _of_the_edge(own.failed())}
    if report.known:
        more |= {"known failures": lambda own: own.known}
    headers = ["layer", "pass", *STATUSES, "cases", *more]
    rows: list[list[Any]] = []
    for layer, own in sorted(report.by_layer().items()):
        for kind, asked in own.by_kind().items():
            counted = [count(asked) for count in more.values()]
            rows.append([escaped(layer), escaped(kind), *asked.counts.values(), len(asked.records), *counted])
    total = [sum(row[n] for row in rows) for n in range(2, len(headers))]
    return table(headers, [*rows, ["**all**", "", *total]])
