"""Packed arrays: nothing is lost, and few bytes are taken."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.base.arrays import same
from conformance.oracle.recorded.packing import Packer, starts_of, unpack

RNG = np.random.default_rng(0)
ORDINARY = RNG.normal(size=(3, 5))
GRID = np.rint(ORDINARY * 2**44) / 2**44
ARRAYS = {
    "float64": (ORDINARY, 8),
    "float32": (ORDINARY.astype(np.float32), 4),
    "float32 that is float64": (ORDINARY.astype(np.float32).astype(np.float64), 4),
    "float16 that is float64": (ORDINARY.astype(np.float16).astype(np.float64), 2),
    "multiples": (GRID, 6),
    "multiples of large numbers": (np.array([3e300, -1e300, 0]).round(-298), 7),
    "whole numbers": (np.arange(-128.0, 128.0), 1),
    "just too large": (np.arange(-129.0, 128.0), 2),
    "zeros": (np.zeros((2, 2)), 0),
    "minus zero": (np.array([0.0, -0.0, 1.5]), 2),
    "nan": (np.array([np.nan, 1 / 3]), 8),
    "infinite": (np.array([np.inf, -np.inf, 2]), 2),
    "the smallest": (np.array([5e-324, 0.0]), 1),
    "far apart": (np.array([2.0**60, 1 / 3]), 8),
    "int32": (np.array([[-300, 40000]], np.int32), 3),
    "int64": (np.array([-(2**63), 2**63 - 1]), 8),
    "bool": (np.array([True, False]), 1),
    "empty": (np.zeros((0, 4)), 0),
    "scalar": (np.array(1 / 3), 7),
}


def packed(*cases):
    """What a reader finds of these cases: arrays, and the rows of the table."""
    packer = Packer()
    tables = [packer.rows(case) for case in cases]
    found = [unpack(rows, starts, packer.tensors()) for rows, starts in zip(tables, starts_of(tables), strict=True)]
    return found, tables


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_comes_back_to_the_last_bit_from_few_bytes(name):
    array, width = ARRAYS[name]
    (found,), ((row,),) = packed({"x": array})
    assert same(found["x"], array), f"{name}: {array!r} came back as {found['x']!r}"
    assert row[3] == width, f"{name}: a value takes {row[3]} bytes, {width} are enough"


def test_cases_follow_one_another():
    cases = [{name: array for name, (array, _) in ARRAYS.items()}, {"x": -GRID, "y": ORDINARY[::-1]}, {"x": GRID[::-1]}]
    found, _ = packed(*cases)
    assert all(same(one, case) for one, case in zip(found, cases, strict=True)), "arrays of another case were read"


def test_of_what_is_close_the_difference_is_written():
    close = GRID + np.rint(RNG.normal(size=GRID.shape) * 2**20) / 2**44
    case = {"output/0": GRID, "float32/output/0": close}
    (found,), (rows,) = packed(case)
    assert rows[1][3:] == [3, -44, "output/0"], f"the difference is written as {rows[1]}"
    assert same(found, case), "the difference and what it is to do not give the array"


@pytest.mark.parametrize("other", [ORDINARY[:2], ORDINARY.astype(np.float32), np.full((3, 5), np.nan), 1e20 * ORDINARY, 1e-20 * ORDINARY])
def test_no_difference_is_written_that_would_lose_a_digit(other):
    case = {"output/0": other, "float32/output/0": ORDINARY}
    (found,), _ = packed(case)
    assert same(found, case), "a difference was written that does not give the array"
