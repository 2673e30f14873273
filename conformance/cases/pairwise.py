"""Tables in which every pair of option values that can occur together does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from allpairspy import AllPairs


def pairwise(
    factors: Mapping[str, Sequence[Any]], possible: Callable[[Mapping[str, Any]], bool], strength: int = 2
) -> list[dict[str, Any]]:
    """Rows of option values, the first one all defaults, that cover every possible pair (or triple) of values.

    Parameters
    ----------
    factors : mapping of name to values
    possible : callable (row) -> bool
        Asked about complete rows only.
    strength : int
        2 covers pairs, 3 triples.
    """
    names = [name for name, values in factors.items() if len(values) > 1]
    fixed = {name: values[0] for name, values in factors.items() if len(values) == 1}
    if len(names) < 2:
        rows = [{**fixed, **{name: value}} for name in names for value in factors[name]] or [fixed]
        return [row for row in rows if possible(row)]

    def keep(indices: Sequence[int]) -> bool:
        return len(indices) < len(names) or possible(row_of(indices))

    def row_of(indices: Sequence[int]) -> dict[str, Any]:
        return {**fixed, **{name: factors[name][i] for name, i in zip(names, indices, strict=True)}}

    # The table is made of indices: values such as lists and tuples need not be hashable or distinct.
    table = AllPairs([list(range(len(factors[name]))) for name in names], filter_func=keep, n=min(strength, len(names)))
    return [row_of(indices) for indices in table]
