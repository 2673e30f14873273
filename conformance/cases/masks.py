"""Cases of the masks that layers make: of ids, of values, of the masks of several inputs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from conformance.cases.case import Case

IDS: dict[str, Any] = {
    "ids": np.array([[3, 0, 5, 0], [0, 1, 0, 0]], np.int32),
    "ids_int64": np.array([[0, 2], [7, 0], [1, 1]], np.int64),
    # Compared before the cast to integers: 0.5 counts although it looks up row 0.
    "float_ids": np.array([[0.5, 0.0, 2.0], [-0.0, 1.9, 0.25]], np.float32),
    "negative_ids": np.array([[-1, 0, 2], [0, -3, 1]], np.int32),
    "one_row": np.array([[4, 0, 6]], np.int32),
    "grid": np.array([[[0, 1], [2, 0], [0, 0]]], np.int32),
    "empty_batch": np.zeros((0, 3), np.int32),
}
STEPS: dict[str, Any] = {
    "zeros": np.array([[[0, 0], [1, 0], [0, 2]], [[3, 4], [0, 0], [-1, 0]]], np.float32),
    "minus_zero": np.array([[[-0.0, 0.0], [0.0, 1.0]]], np.float32),
    "ones": np.array([[[1, 1], [1, 0], [1, 2]]], np.float32),
    "nan": np.array([[[np.nan, 0], [0, 0], [np.nan, np.nan]]], np.float32),
    "features": np.array([[0, 0], [1, 0]], np.float32),
    "empty_batch": np.zeros((0, 3, 2), np.float32),
}
FIRST, SECOND = np.array([[True, False, False], [True, True, False]]), np.array([[False, False, True], [True, True, True]])
MASKS: dict[str, Any] = {
    "none": None,
    "no_masks": [None, None],
    "both": [FIRST, SECOND],
    "first_only": [FIRST, None],
    "second_only": [None, SECOND],
}


class MaskCase(NamedTuple):
    """A question about the mask that a layer hands on."""

    id: str
    layer: str
    sizes: dict[str, Any]
    options: dict[str, Any]
    x: Any
    mask: Any

    @property
    def case(self) -> Case:
        """The layer and what it is fed, in the words of a :class:`Case`."""
        first = self.x[0] if isinstance(self.x, list) else self.x
        return Case(self.layer, {**self.sizes, **self.options}, first.shape, {"values": self._values(first)})

    def _values(self, x: np.ndarray) -> str:
        """How the input is drawn, as far as it is unusual."""
        if np.isnan(x).any():
            return "nan"
        if self.layer != "Embedding":
            return "ordinary"
        return "float_ids" if x.dtype.kind == "f" else "negative_ids" if np.any(x < 0) else "ids"


def mask_cases() -> Iterator[MaskCase]:
    """Every kind of input with every option, alone and below another mask."""
    table = {"input_dim": 9, "output_dim": 2}
    for (kind, ids), zero, given in itertools.product(IDS.items(), (True, False), (False, True)):
        said = ["mask_zero"] * zero + ["mask=given"] * given
        mask = np.ones(ids.shape, bool) if given else None
        yield MaskCase("-".join(["Embedding", *said, kind]), "Embedding", table, {"mask_zero": True} if zero else {}, ids, mask)
    for (kind, x), value, given in itertools.product(STEPS.items(), (0.0, 1.0), (False, True)):
        said = [f"mask_value={value}"] * (value != 0) + ["mask=given"] * given
        mask = np.zeros(x.shape[:-1], bool) if given else None
        yield MaskCase("-".join(["Masking", *said, kind]), "Masking", {}, {"mask_value": value} if value else {}, x, mask)
    pair = [np.ones((2, 3, 4), np.float32), np.full((2, 3, 4), 2, np.float32)]
    for kind, mask in MASKS.items():
        yield MaskCase(f"Add-masks={kind}", "Add", {}, {}, pair, mask)
        for axis in (-1, 1, 2):
            options = {"axis": axis} if axis != -1 else {}
            said = [f"axis={axis}"] * (axis != -1)
            yield MaskCase("-".join(["Concatenate", *said, f"masks={kind}"]), "Concatenate", {}, options, pair, mask)
