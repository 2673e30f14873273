"""Mistakes in Add and Concatenate."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.faults.fault import Function, Shared, changed

Array = NDArray[Any]
Arrays = Sequence[Array]
Masks = Sequence[Array | None]

add = Shared("Add")
add_mask = Shared("Add", part="compute_mask")
concatenate = Shared("Concatenate")
concatenate_mask = Shared("Concatenate", part="compute_mask")


def _one_by_one(combine: Any) -> Function:
    """The arrays, two at a time, through `combine`; an array of lower rank gets new axes behind the batch."""

    def function(right: Function, x: Arrays) -> Array:
        rank = max(one.ndim for one in x)
        aligned = [one.reshape(*one.shape[:1], *(1,) * (rank - one.ndim), *one.shape[1:]) for one in x]
        return np.array(functools.reduce(combine, aligned))

    return function


def _bias_added(first: Array, second: Array) -> Array:
    long = [axis for axis, size in enumerate(second.shape) if size > 1]
    if len(long) != 1 or second.size not in (first.shape[-1], first.shape[1]):
        return np.asarray(first + second)
    axis = first.ndim - 1 if second.size == first.shape[-1] else 1
    return np.asarray(first + second.reshape([-1 if place == axis else 1 for place in range(first.ndim)]))


add.table(
    only_two=("only the first two arrays are added", changed(x=lambda x: x[:2])),
    averaged=("the sum is divided by the number of arrays (that is Average)", lambda right, x: right(x) / x[0].dtype.type(len(x))),
    multiplied=("the arrays are multiplied", _one_by_one(np.multiply)),
    subtracted=("the others are subtracted from the first array", _one_by_one(np.subtract)),
    largest=("it is the largest value at each place (that is Maximum)", _one_by_one(np.maximum)),
    concatenated=("the arrays are concatenated", lambda right, x: np.concatenate(x, axis=-1)),
    stacked=("the arrays are stacked before the sum, which needs equal shapes", lambda right, x: np.sum(np.stack(x), axis=0)),
    nan_is_0=("NaN counts as 0", changed(x=lambda x: [np.where(np.isnan(one), one.dtype.type(0), one) for one in x])),
)


@add.by(_one_by_one(_bias_added))
def vector_along_the_wrong_axis() -> None:
    """An array with one long axis is added along the last axis that is as long, or axis 1: the defect D1 of Keras itself."""


@add
def aligned_at_the_end(right: Function, x: Arrays) -> Array:
    """An array of lower rank gets its new axes in front, as in NumPy, instead of behind the batch."""
    total: Array = functools.reduce(np.add, x[1:], np.array(x[0]))
    return total


@add
def axes_added_at_the_end(right: Function, x: Arrays) -> Array:
    """An array of lower rank gets its new axes at the end instead of behind the batch."""
    rank = max(one.ndim for one in x)
    total: Array = functools.reduce(np.add, [one.reshape(*one.shape, *(1,) * (rank - one.ndim)) for one in x])
    return np.array(total)


@add
def first_alone(right: Function, x: Arrays) -> Array:
    """The first array is returned alone where it is as large as the sum."""
    return np.array(np.broadcast_to(x[0], right(x).shape))


@add
def added_in_place(right: Function, x: Arrays) -> Array:
    """The others are added to the first array itself, which changes the input."""
    total = x[0]
    for one in x[1:]:
        total += one
    return total


@add
def shape_of_the_first(right: Function, x: Arrays) -> Array:
    """The result is cut to the shape of the first array."""
    y = right(x)
    return y[tuple(slice(size) for size in x[0].shape)] if y.ndim == x[0].ndim else y


@add_mask
def both_masks(right: Function, x: Arrays, mask: Masks | None = None) -> Array | None:
    """The mask is True where all masks are; any of them is enough."""
    given = [one for one in mask or () if one is not None]
    return functools.reduce(np.logical_and, given) if mask is not None and len(given) == len(mask) else None


@add_mask
def masks_of_some(right: Function, x: Arrays, mask: Masks | None = None) -> Array | None:
    """A mask is made although an array has none."""
    given = [one for one in mask or () if one is not None]
    return functools.reduce(np.logical_or, given) if given else None


add_mask.table(
    no_mask_of_a_sum=("no mask is made", lambda right, x, mask=None: None),
    mask_of_the_first=("the mask of the first array is handed on", lambda right, x, mask=None: mask[0] if mask else None),
)


concatenate.table(
    last_axis_always=("axis is ignored: the last one is always used", changed(axis=-1)),
    axis_1_always=("axis 1 is always used; the default is the last one", changed(axis=1)),
    sign_of_axis_lost=("every negative axis is taken for the last one", changed(axis=lambda axis: max(axis, -1))),
    order_reversed=("the last array comes first", changed(x=lambda x: x[::-1])),
    first_two=("only the first two arrays are concatenated", changed(x=lambda x: x[:2])),
    summed=("the arrays are added up (that is Add)", lambda right, x, axis=-1: reference.add_forward(x)),
    becomes_float=("whole numbers become floats", changed(lambda y: y * 1.0)),
)


@concatenate.by(changed(axis=lambda axis: axis if axis < 0 else axis + 1))
def batch_not_counted() -> None:
    """Axis is counted without the batch, as target_shape of Reshape is."""


@concatenate.by(lambda right, x, axis=-1: np.stack(x, axis=axis))
def put_on_a_new_axis() -> None:
    """The arrays are stacked along a new axis, which needs equal shapes."""


@concatenate.by(changed(x=lambda x: [one[tuple(slice(size) for size in x[0].shape)] for one in x]))
def cut_to_the_first() -> None:
    """Longer arrays are cut to the length of the first one."""


@concatenate
def interleaved(right: Function, x: Arrays, *, axis: int = -1) -> Array:
    """Entries of the arrays alternate along the axis where they are equally long, instead of one array after the other."""
    if len({one.shape for one in x}) > 1:
        return right(x, axis=axis)
    y = np.stack(x, axis=axis if axis < 0 else axis + 1)
    shape = list(x[0].shape)
    shape[axis] *= len(x)
    return y.reshape(shape)


@concatenate
def flattened(right: Function, x: Arrays, *, axis: int = -1) -> Array:
    """The arrays are flattened to (batch, features) before."""
    return np.concatenate([one.reshape(one.shape[0], int(np.prod(one.shape[1:]))) for one in x], axis=-1)


@concatenate_mask
def mask_of_all(right: Function, x: Arrays, mask: Masks | None = None, *, axis: int = -1) -> Array | None:
    """Along the last axis the mask is True where all masks are; any of them is enough."""
    made = right(x, mask, axis=axis)
    given = [one for one in mask or () if one is not None]
    return functools.reduce(np.logical_and, given) if made is not None and axis not in (1, 1 - x[0].ndim) else made


@concatenate_mask
def mask_only_if_all_have_one(right: Function, x: Arrays, mask: Masks | None = None, *, axis: int = -1) -> Array | None:
    """There is no mask as soon as one array has none."""
    missing = mask is None or any(one is None for one in mask)
    return None if missing else right(x, mask, axis=axis)


@concatenate_mask
def unmasked_arrays_hidden(right: Function, x: Arrays, mask: Masks | None = None, *, axis: int = -1) -> Array | None:
    """An array without a mask counts as hidden; all of its steps count."""
    hidden = [np.zeros(one.shape[:2], bool) if own is None else own for one, own in zip(x, mask or (), strict=bool(mask))]
    made = right(x, mask, axis=axis)
    return made if made is None else right(x, hidden, axis=axis)


@concatenate_mask
def mask_of_one_axis(right: Function, x: Arrays, mask: Masks | None = None, *, axis: int = -1) -> Array | None:
    """The masks are put one after the other along time whatever the axis is."""
    made = right(x, mask, axis=axis)
    return made if made is None else right(x, mask, axis=1)


concatenate_mask.table(
    no_mask_of_parts=("no mask is made", lambda right, x, mask=None, **options: None),
    mask_of_the_first_part=("the mask of the first array is handed on", lambda right, x, mask=None, **options: mask[0] if mask else None),
)


@concatenate_mask
def masks_joined_along_time(right: Function, x: Arrays, mask: Masks | None = None, *, axis: int = -1) -> Array | None:
    """Along time the mask is True where any mask is, instead of one mask after the other."""
    given = [one for one in mask or () if one is not None]
    return functools.reduce(np.logical_or, given) if given and axis == 1 else right(x, mask, axis=axis)


LAYERS = (add, add_mask, concatenate, concatenate_mask)
