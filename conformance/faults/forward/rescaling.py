"""Mistakes in Rescaling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, Shared, changed

Array = NDArray[Any]

rescaling = Shared("Rescaling")


rescaling.table(
    offset_left_out=("the offset is left out", changed(offset=0.0)),
    offset_subtracted=("the offset is subtracted", changed(offset=np.negative)),
    scale_left_out=("the scale is left out", changed(scale=1.0)),
)


@rescaling.by(lambda right, x, scale, offset=0.0: right(x, scale=scale, offset=np.multiply(offset, scale)))
def offset_scaled() -> None:
    """The offset is added before the scaling, so that it is scaled too."""


@rescaling.by(changed(scale=lambda scale: np.ravel(scale)[0], offset=lambda offset: np.ravel(offset)[0]))
def one_number_for_all() -> None:
    """Of a vector only the first number is used, for all places."""


@rescaling
def divided_by_scale(right: Function, x: Array, *, scale: Any, offset: Any = 0.0) -> Array:
    """Values are divided by the scale instead of multiplied."""
    with np.errstate(divide="ignore"):
        return right(x, scale=np.divide(1.0, scale), offset=offset)


@rescaling
def vectors_along_axis_1(right: Function, x: Array, *, scale: Any, offset: Any = 0.0) -> Array:
    """Vectors are laid along axis 1 where it is as long, not along the last one."""
    if np.ndim(x) < 3 or np.shape(x)[1] != np.shape(x)[-1]:
        return right(x, scale=scale, offset=offset)
    y = right(np.swapaxes(x, 1, -1), scale=scale, offset=offset)
    return np.swapaxes(y, 1, -1)


@rescaling
def whole_numbers_stay(right: Function, x: Array, *, scale: Any, offset: Any = 0.0) -> Array:
    """Whole numbers are cut off after rescaling instead of becoming floats."""
    y = right(x, scale=scale, offset=offset)
    return y if np.asarray(x).dtype.kind == "f" else y.astype(x.dtype)


LAYERS = (rescaling,)
