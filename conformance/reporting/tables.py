"""Markdown tables, and the one of layers that ``--conform-markdown`` writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tabulate import tabulate

from conformance.base.record import KNOWN_FAILURES, STATUSES

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


def layer_table(summary: Mapping[str, Mapping[str, Any]]) -> str:
    """What became of the cases of every layer, a row for each pass and one for the total.

    Known failures, where there are any, are counted among the failures and once more in a column of their own.

    Parameters
    ----------
    summary : mapping
        Of layer to pass to counts, as :func:`conformance.base.record.summarise` makes it.
    """
    rows: list[list[Any]] = []
    any_known = any(KNOWN_FAILURES in kinds for kinds in summary.values())
    for layer, kinds in summary.items():
        for kind, counts in kinds.items():
            if kind not in ("options", KNOWN_FAILURES):
                known = [kinds.get(KNOWN_FAILURES, {}).get(kind, 0)] if any_known else []
                rows.append([escaped(layer), escaped(kind), *(counts[status] for status in STATUSES), sum(counts.values()), *known])
    headers = ["layer", "pass", *STATUSES, "cases", *(["known failures"] if any_known else [])]
    total = [sum(row[n] for row in rows) for n in range(2, len(headers))]
    return table(headers, [*rows, ["**all**", "", *total]])
