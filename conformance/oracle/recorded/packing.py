"""Arrays packed: in as few bytes a value as hold it exactly, all values of equal width side by side.

A row of the table stands for each array: ``[name, dtype, shape, width, exponent]``. Its values, in C order, take `width` bytes each:

- where `exponent` is a number e, they are integers in two's complement, to be multiplied by 2^e;
- where it is null, they are floats of IEEE 754 of that width.

The lowest byte comes first; a width of 0 means zeros. Where a row ends with a sixth item, the name of another array of the same case, the
values are what is to be added to that one. All is exact in the dtype of the array.

All values of width w stand in one tensor of bytes, ``width<w>``, of shape (w, number of values): value n in column n. Arrays follow one
another in the order of the table, so that each begins where the last one of its width has ended.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from conformance.base.arrays import Array

Row = list[Any]
BASES = {"float32/output/": "output/", "float32/allowed/": "float32_allowed/"}
"""Arrays that are close to others of the same case: of these only the difference is written, where that is shorter."""
DIGITS = 53
"""Binary digits of a float64."""


class Packer:
    """Takes the arrays of one case after another."""

    def __init__(self) -> None:
        self._columns: dict[int, list[Array]] = {}

    def rows(self, arrays: Mapping[str, Array]) -> list[Row]:
        """The rows of a case's arrays, which are kept for :meth:`tensors`."""
        rows: list[Row] = []
        before: dict[str, Array] = {}
        for name, array in arrays.items():
            width, exponent, columns = pack(array)
            row: Row = [name, array.dtype.name, list(array.shape), width, exponent]
            base = next((new + name.removeprefix(old) for old, new in BASES.items() if name.startswith(old)), "")
            difference = _difference(array, before[base]) if base in before else None
            if difference is not None and (close := pack(difference))[0] < width:
                row[3:], columns = [*close[:2], base], close[2]
            self._columns.setdefault(row[3], []).append(columns)
            rows.append(row)
            before[name] = array
        return rows

    def tensors(self) -> dict[str, Array]:
        """The bytes of all values, by their width."""
        whole = {width: np.concatenate(columns, axis=1) for width, columns in sorted(self._columns.items()) if width}
        return {f"width{width}": np.ascontiguousarray(columns) for width, columns in whole.items()}


def pack(array: Array) -> tuple[int, int | None, Array]:
    """Width, exponent and columns of an array."""
    values = array.reshape(-1)
    exponent, whole = _integers(values) if values.dtype.kind == "f" else (0, values.astype(np.int64))
    if whole is not None:
        width = _width(whole)
        if values.dtype.kind != "f" or width < _narrowest(values).itemsize:
            return width, exponent, whole.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width].T
    narrow = _narrowest(values)
    return narrow.itemsize, None, values.astype(narrow).view(np.uint8).reshape(-1, narrow.itemsize).T


def _integers(values: Array) -> tuple[int | None, Array | None]:
    """The exponent e and the integers of which floats are 2^e times; None twice where there are none of 7 bytes, or -0.0 would be lost."""
    if not np.isfinite(values).all() or np.signbit(values[values == 0]).any():
        return None, None
    if not values.any():
        return 0, np.zeros(values.shape, np.int64)
    wide = values.astype(np.float64)
    fractions, exponents = np.frexp(wide[wide != 0])
    digits = np.ldexp(fractions, DIGITS).astype(np.int64)
    _, places = np.frexp((digits & -digits).astype(np.float64))  # of the lowest binary digit that is not 0, the last one being 1
    lowest = int(np.min(exponents + places)) - DIGITS - 1
    if int(np.max(exponents)) - lowest > 55:
        return None, None
    return lowest, np.ldexp(wide, -lowest).astype(np.int64)


def _width(integers: Array) -> int:
    """The least number of bytes that hold integers."""
    if not integers.any():
        return 0
    bits = max(int(integers.max()).bit_length(), int(~integers.min()).bit_length() if integers.min() < 0 else 0) + 1
    return -(-bits // 8)


def _narrowest(values: Array) -> np.dtype[Any]:
    """The shortest float that holds all of them."""
    with np.errstate(over="ignore"):
        for one in ("<f2", "<f4"):
            if np.array_equal(values.astype(one).astype(values.dtype), values, equal_nan=True):
                return np.dtype(one)
    return np.dtype("<f8")


def _difference(array: Array, base: Array) -> Array | None:
    """What gives an array when it is added to another one; None where nothing does."""
    if array.shape != base.shape or array.dtype != base.dtype or array.dtype.kind != "f":
        return None
    with np.errstate(all="ignore"):
        difference = array - base
        return difference if (base + difference).tobytes() == array.tobytes() else None


def unpack(rows: list[Row], starts: Mapping[int, int], tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of a case; `starts` says where its columns begin, see :func:`starts_of`."""
    begin = dict(starts)
    found: dict[str, Array] = {}
    for name, dtype, shape, width, exponent, *base in rows:
        start = begin[width]
        begin[width] = end = start + math.prod(shape)
        columns = tensors[f"width{width}"][:, start:end] if width else np.zeros((0, end - start), np.uint8)
        array = _values(columns, exponent).reshape(shape).astype(dtype)
        found[name] = found[base[0]] + array if base else array
    return found


def starts_of(tables: Iterable[list[Row]]) -> list[Mapping[int, int]]:
    """For each case, where the columns of every width begin."""
    begin = dict.fromkeys(range(9), 0)
    starts: list[Mapping[int, int]] = []
    for rows in tables:
        starts.append(dict(begin))
        for _, _, shape, width, *_ in rows:
            begin[width] += math.prod(shape)
    return starts


def _values(columns: Array, exponent: int | None) -> Array:
    width, size = columns.shape
    if exponent is None:
        return np.ascontiguousarray(columns.T).view(f"<f{width}")
    whole = np.zeros((size, 8), np.uint8)
    whole[:, 8 - width :] = columns.T
    integers = whole.view("<i8") >> (64 - 8 * width) if width else whole.view("<i8")
    return np.ldexp(integers.astype(np.float64), exponent) if exponent else integers
