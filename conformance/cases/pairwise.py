"""Tables in which every pair of option values that can occur together does: among all other options, and alone."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

ATTEMPTS = 400
CANDIDATES = 16


def pairwise(
    factors: Mapping[str, Sequence[Any]], possible: Callable[[Mapping[str, Any]], bool], strength: int = 2
) -> list[dict[str, Any]]:
    """Rows of option values, each value's index drawn greedily, that cover every possible pair (or triple) of values.

    For each pair that no row has yet, complete rows with that pair are drawn, and the possible one with the most new pairs is kept;
    a pair for which none of :data:`ATTEMPTS` rows is possible is taken for impossible. The same factors give the same table.

    Parameters
    ----------
    factors : mapping of name to values, the default first
    possible : callable (row) -> bool
    strength : int
        2 covers pairs, 3 triples.
    """
    names = list(factors)
    draw = random.Random(0)

    def as_row(indices: Sequence[int]) -> dict[str, Any]:
        return {name: factors[name][index] for name, index in zip(names, indices, strict=True)}

    sizes = [len(factors[name]) for name in names]
    bits = [(size, size.bit_length()) for size in sizes]

    @functools.cache  # small tables meet the same rows again
    def is_possible(indices: tuple[int, ...]) -> bool:
        return possible(as_row(indices))

    def candidates(wanted: Mapping[int, int]) -> list[tuple[int, ...]]:
        """Possible rows that hold the wanted indices; everything else default in the first, at random in the others."""
        found: list[tuple[int, ...]] = []
        for attempt in range(ATTEMPTS):
            others = _indices(draw.getrandbits, bits) if attempt else [0] * len(sizes)
            indices = tuple(map(wanted.get, range(len(others)), others))
            if is_possible(indices):
                found.append(indices)
            if len(found) == CANDIDATES:
                break
        return found

    table: list[tuple[int, ...]] = []
    covered: set[tuple[tuple[int, int], ...]] = set()
    for places in itertools.combinations(range(len(names)), min(strength, len(names))):
        for values in itertools.product(*(range(len(factors[names[place]])) for place in places)):
            combination = tuple(zip(places, values, strict=True))
            found = [] if combination in covered else candidates(dict(combination))
            if found:
                best = max(found, key=lambda row: len(set(_combinations(row, len(places))) - covered))
                table.append(best)
                covered.update(_combinations(best, len(places)))
    return [as_row(indices) for indices in table]


def _indices(getrandbits: Callable[[int], int], sizes: Sequence[tuple[int, int]]) -> list[int]:
    """An index below each of some sizes, which stand beside their numbers of bits: what ``randrange`` draws, in a third of its time."""
    drawn = []
    for size, bits in sizes:
        index = getrandbits(bits)
        while index >= size:
            index = getrandbits(bits)
        drawn.append(index)
    return drawn


def _combinations(row: Sequence[int], strength: int) -> itertools.combinations[tuple[tuple[int, int], ...]]:
    return itertools.combinations(enumerate(row), strength)  # type: ignore[return-value]


def pairs_alone(values: Mapping[str, Sequence[Any]], acts_with: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every value by itself, then every pair of values of two options, each as the mapping of these alone: all else is at its default.

    Parameters
    ----------
    values : mapping of option to values, the default not among them
    acts_with : mapping of option to the values of others
        What an option needs to change anything, which then stands beside it.
    """
    for name, own in values.items():
        yield from ({**acts_with.get(name, {}), name: value} for value in own)
    for (first, ones), (second, others) in itertools.combinations(values.items(), 2):
        partners = {**acts_with.get(first, {}), **acts_with.get(second, {})}
        yield from ({**partners, first: one, second: other} for one, other in itertools.product(ones, others))
