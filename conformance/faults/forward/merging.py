"""Mistakes in Add and Concatenate."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.faults.fault import Collection

Array = NDArray[Any]
Arrays = Sequence[Array]
Masks = Sequence[Array | None]

add = Collection("Add")
add_mask = Collection("Add", part="compute_mask")
concatenate = Collection("Concatenate")
concatenate_mask = Collection("Concatenate", part="compute_mask")


def _one_by_one(x: Arrays, combine: Any) -> Array:
    """The arrays, two at a time, through `combine`; an array of lower rank gets new axes behind the batch."""
    rank = max(one.ndim for one in x)
    aligned = [one.reshape(*one.shape[:1], *(1,) * (rank - one.ndim), *one.shape[1:]) for one in x]
    return np.array(functools.reduce(combine, aligned))


@add
def vector_along_the_wrong_axis(x: Arrays) -> Array:
    """An array with one long axis is added along the last axis that is as long, or axis 1: the defect D1 of Keras itself."""
    return _one_by_one(x, _bias_added)


def _bias_added(first: Array, second: Array) -> Array:
    long = [axis for axis, size in enumerate(second.shape) if size > 1]
    if len(long) != 1 or second.size not in (first.shape[-1], first.shape[1]):
        return np.asarray(first + second)
    axis = first.ndim - 1 if second.size == first.shape[-1] else 1
    return np.asarray(first + second.reshape([-1 if place == axis else 1 for place in range(first.ndim)]))


@add
def aligned_at_the_end(x: Arrays) -> Array:
    """An array of lower rank gets its new axes in front, as in NumPy, instead of behind the batch."""
    total: Array = functools.reduce(np.add, x[1:], np.array(x[0]))
    return total


@add
def axes_added_at_the_end(x: Arrays) -> Array:
    """An array of lower rank gets its new axes at the end instead of behind the batch."""
    rank = max(one.ndim for one in x)
    total: Array = functools.reduce(np.add, [one.reshape(*one.shape, *(1,) * (rank - one.ndim)) for one in x])
    return np.array(total)


@add
def only_two(x: Arrays) -> Array:
    """Only the first two arrays are added."""
    return reference.add_forward(x[:2])


@add
def first_alone(x: Arrays) -> Array:
    """The first array is returned alone where it is as large as the sum."""
    return np.array(np.broadcast_to(x[0], reference.add_forward(x).shape))


@add
def averaged(x: Arrays) -> Array:
    """The sum is divided by the number of arrays (that is Average)."""
    return np.asarray(reference.add_forward(x) / x[0].dtype.type(len(x)))


@add
def multiplied(x: Arrays) -> Array:
    """The arrays are multiplied."""
    return _one_by_one(x, np.multiply)


@add
def subtracted(x: Arrays) -> Array:
    """The others are subtracted from the first array."""
    return _one_by_one(x, np.subtract)


@add
def largest(x: Arrays) -> Array:
    """It is the largest value at each place (that is Maximum)."""
    return _one_by_one(x, np.maximum)


@add
def concatenated(x: Arrays) -> Array:
    """The arrays are concatenated."""
    return np.concatenate(x, axis=-1)


@add
def stacked(x: Arrays) -> Array:
    """The arrays are stacked before the sum, which needs equal shapes."""
    return np.asarray(np.sum(np.stack(x), axis=0))


@add
def added_in_place(x: Arrays) -> Array:
    """The others are added to the first array itself, which changes the input."""
    total = x[0]
    for one in x[1:]:
        total += one
    return total


@add
def nan_is_0(x: Arrays) -> Array:
    """NaN counts as 0."""
    return reference.add_forward([np.where(np.isnan(one), one.dtype.type(0), one) for one in x])


@add
def shape_of_the_first(x: Arrays) -> Array:
    """The result is cut to the shape of the first array."""
    y = reference.add_forward(x)
    return y[tuple(slice(size) for size in x[0].shape)] if y.ndim == x[0].ndim else y


@add_mask
def both_masks(x: Arrays, mask: Masks | None = None) -> Array | None:
    """The mask is True where all masks are; any of them is enough."""
    given = [one for one in mask or () if one is not None]
    return functools.reduce(np.logical_and, given) if mask is not None and len(given) == len(mask) else None


@add_mask
def masks_of_some(x: Arrays, mask: Masks | None = None) -> Array | None:
    """A mask is made although an array has none."""
    given = [one for one in mask or () if one is not None]
    return functools.reduce(np.logical_or, given) if given else None


@add_mask
def mask_of_the_first(x: Arrays, mask: Masks | None = None) -> Array | None:
    """The mask of the first array is handed on."""
    return mask[0] if mask else None


@concatenate
def last_axis_always(x: Arrays, *, axis: int = -1) -> Array:
    """Axis is ignored: the last one is always used."""
    return reference.concatenate_forward(x)


@concatenate
def axis_1_always(x: Arrays, *, axis: int = -1) -> Array:
    """Axis 1 is always used; the default is the last one."""
    return reference.concatenate_forward(x, axis=1)


@concatenate
def batch_not_counted(x: Arrays, *, axis: int = -1) -> Array:
    """Axis is counted without the batch, as target_shape of Reshape is."""
    return reference.concatenate_forward(x, axis=axis if axis < 0 else axis + 1)


@concatenate
def sign_of_axis_lost(x: Arrays, *, axis: int = -1) -> Array:
    """Every negative axis is taken for the last one."""
    return reference.concatenate_forward(x, axis=max(axis, -1))


@concatenate
def order_reversed(x: Arrays, *, axis: int = -1) -> Array:
    """The last array comes first."""
    return reference.concatenate_forward(x[::-1], axis=axis)


@concatenate
def interleaved(x: Arrays, *, axis: int = -1) -> Array:
    """Entries of the arrays alternate along the axis where they are equally long, instead of one array after the other."""
    if len({one.shape for one in x}) > 1:
        return reference.concatenate_forward(x, axis=axis)
    y = np.stack(x, axis=axis if axis < 0 else axis + 1)
    shape = list(x[0].shape)
    shape[axis] *= len(x)
    return y.reshape(shape)


@concatenate
def first_two(x: Arrays, *, axis: int = -1) -> Array:
    """Only the first two arrays are concatenated."""
    return reference.concatenate_forward(x[:2], axis=axis)


@concatenate
def put_on_a_new_axis(x: Arrays, *, axis: int = -1) -> Array:
    """The arrays are stacked along a new axis, which needs equal shapes."""
    return np.stack(x, axis=axis)


@concatenate
def summed(x: Arrays, *, axis: int = -1) -> Array:
    """The arrays are added up (that is Add)."""
    return reference.add_forward(x)


@concatenate
def flattened(x: Arrays, *, axis: int = -1) -> Array:
    """The arrays are flattened to (batch, features) before."""
    return np.concatenate([one.reshape(one.shape[0], int(np.prod(one.shape[1:]))) for one in x], axis=-1)


@concatenate
def becomes_float(x: Arrays, *, axis: int = -1) -> Array:
    """Whole numbers become floats."""
    return reference.concatenate_forward(x, axis=axis) * 1.0


@concatenate
def cut_to_the_first(x: Arrays, *, axis: int = -1) -> Array:
    """Longer arrays are cut to the length of the first one."""
    return reference.concatenate_forward([one[tuple(slice(size) for size in x[0].shape)] for one in x], axis=axis)


@concatenate_mask
def mask_of_all(x: Arrays, mask: Masks | None = None, *, axis: int = -1) -> Array | None:
    """Along the last axis the mask is True where all masks are; any of them is enough."""
    made = reference.concatenate_compute_mask(x, mask, axis=axis)
    given = [one for one in mask or () if one is not None]
    return functools.reduce(np.logical_and, given) if made is not None and axis == -1 else made


@concatenate_mask
def mask_only_if_all_have_one(x: Arrays, mask: Masks | None = None, *, axis: int = -1) -> Array | None:
    """There is no mask as soon as one array has none."""
    missing = mask is None or any(one is None for one in mask)
    return None if missing else reference.concatenate_compute_mask(x, mask, axis=axis)


@concatenate_mask
def unmasked_arrays_hidden(x: Arrays, mask: Masks | None = None, *, axis: int = -1) -> Array | None:
    """An array without a mask counts as hidden; all of its steps count."""
    hidden = [np.zeros(one.shape[:2], bool) if own is None else own for one, own in zip(x, mask or (), strict=bool(mask))]
    made = reference.concatenate_compute_mask(x, mask, axis=axis)
    return made if made is None else reference.concatenate_compute_mask(x, hidden, axis=axis)


@concatenate_mask
def mask_of_one_axis(x: Arrays, mask: Masks | None = None, *, axis: int = -1) -> Array | None:
    """The masks are put one after the other along time whatever the axis is."""
    made = reference.concatenate_compute_mask(x, mask, axis=axis)
    return made if made is None else reference.concatenate_compute_mask(x, mask, axis=1)


LAYERS = (add, add_mask, concatenate, concatenate_mask)
