"""Mistakes in Rescaling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.faults.fault import Collection

Array = NDArray[Any]

rescaling = Collection("Rescaling")


@rescaling
def offset_left_out(x: Array, *, scale: Any, offset: Any = 0.0) -> Array:
    """The offset is left out."""
    return reference.rescaling_forward(x, scale=scale)


@rescaling
def offset_scaled(x: Array, *, scale: Any, offset: Any = 0.0) -> Array:
    """The offset is added before the scaling, so that it is scaled too."""
    return reference.rescaling_forward(x, scale=scale, offset=np.multiply(offset, scale))


@rescaling
def offset_subtracted(x: Array, *, scale: Any, offset: Any = 0.0) -> Array:
    """The offset is subtracted."""
    return reference.rescaling_forward(x, scale=scale, offset=np.negative(offset))


@rescaling
def scale_left_out(x: Array, *, scale: Any, offset: Any = 0.0) -> Array:
    """The scale is left out."""
    return reference.rescaling_forward(x, scale=1.0, offset=offset)


@rescaling
def divided_by_scale(x: Array, *, scale: Any, offset: Any = 0.0) -> Array:
    """Values are divided by the scale instead of multiplied."""
    with np.errstate(divide="ignore"):
        return reference.rescaling_forward(x, scale=np.divide(1.0, scale), offset=offset)


@rescaling
def one_number_for_all(x: Array, *, scale: Any, offset: Any = 0.0) -> Array:
    """Of a vector only the first number is used, for all places."""
    return reference.rescaling_forward(x, scale=np.ravel(scale)[0], offset=np.ravel(offset)[0])


@rescaling
def vectors_along_axis_1(x: Array, *, scale: Any, offset: Any = 0.0) -> Array:
    """Vectors are laid along axis 1 where it is as long, not along the last one."""
    if np.ndim(x) < 3 or np.shape(x)[1] != np.shape(x)[-1]:
        return reference.rescaling_forward(x, scale=scale, offset=offset)
    y = reference.rescaling_forward(np.swapaxes(x, 1, -1), scale=scale, offset=offset)
    return np.swapaxes(y, 1, -1)


@rescaling
def whole_numbers_stay(x: Array, *, scale: Any, offset: Any = 0.0) -> Array:
    """Whole numbers are cut off after rescaling instead of becoming floats."""
    y = reference.rescaling_forward(x, scale=scale, offset=offset)
    return y if np.asarray(x).dtype.kind == "f" else y.astype(x.dtype)


LAYERS = (rescaling,)
