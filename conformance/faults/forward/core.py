"""Mistakes in Embedding, Masking, Flatten and Reshape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, Shared, changed

Array = NDArray[Any]

embedding = Shared("Embedding")
embedding_mask = Shared("Embedding", part="compute_mask")
masking = Shared("Masking")
masking_mask = Shared("Masking", part="compute_mask")
flatten = Shared("Flatten")
reshape = Shared("Reshape")


def _samples_transposed(x: Array) -> Array:
    """Each sample with its axes reversed."""
    return np.transpose(x, (0, *range(np.ndim(x) - 1, 0, -1)))


def _zeros_where(test: Callable[[Array, Any], Any]) -> Function:
    """Zeros where the input and the value that stands for a masked one pass a test."""
    return lambda right, x, mask_value=0.0: np.where(test(x, x.dtype.type(mask_value)), x.dtype.type(0), x)


embedding.table(
    negative_ids_clipped=("negative ids are set to 0 instead of counting from the end of the table", changed(x=lambda x: np.maximum(x, 0))),
    single_axis_lost=("an axis of size 1 is lost", changed(np.squeeze)),
)


@embedding.by(changed(x=lambda x: np.floor(x).astype(int)))
def ids_rounded_down() -> None:
    """Ids that are floats are rounded down (-0.5 to -1) instead of cut towards zero."""


@embedding.by(changed(x=lambda x: np.asarray(x).astype(int) - 1))
def ids_one_too_small() -> None:
    """Every id is one too small (the table is taken to start at id 1)."""


@embedding.by(changed(embeddings=lambda table: table.T if table.shape[0] == table.shape[1] else table))
def table_transposed() -> None:
    """The table is transposed where it is square."""


@embedding.by(changed(lambda y: np.swapaxes(y, -1, -2) if y.ndim > 2 and y.shape[-1] == y.shape[-2] else y))
def features_before_time() -> None:
    """The feature axis comes before the time axis where both are equal."""


@embedding.by(lambda right, x, table: right(np.minimum(np.abs(x), len(table) - 1), table))
def negative_ids_without_sign() -> None:
    """Negative ids lose their sign instead of counting from the end of the table."""


@embedding.by(lambda right, x, table: right(x, table) * (np.asarray(x) >= 0)[..., None])
def negative_ids_zero() -> None:
    """Negative ids give zeros instead of counting from the end of the table."""


@embedding.by(lambda right, x, table: right(x, table) * (np.asarray(x) != 0)[..., None])
def row_0_zeroed() -> None:
    """Id 0 gives zeros instead of row 0 (mask_zero changes the mask, never the values)."""


@embedding.by(lambda right, x, table: right(np.minimum(np.round(x).astype(int), len(table) - 1), table))
def ids_rounded() -> None:
    """Ids that are floats are rounded instead of cut towards zero."""


@embedding.by(lambda right, x, table: right(np.minimum(np.ceil(x).astype(int), len(table) - 1), table))
def ids_rounded_up() -> None:
    """Ids that are floats are rounded up."""


@embedding.by(lambda right, x, table: right((np.asarray(x).astype(int) + 1) % len(table), table))
def ids_one_too_large() -> None:
    """Every id is one too large (row 0 is taken as reserved)."""


embedding_mask.table(
    mask_always=("a mask is made although mask_zero is False", changed(mask_zero=True)),
    no_mask_made=("no mask is made although mask_zero is True", lambda right, x, mask=None, mask_zero=False: None),
    mask_handed_on=(
        "the mask that came in is handed on instead of one of the ids",
        lambda right, x, mask=None, **options: right(x, **options) if mask is None else mask,
    ),
    mask_of_ones=(
        "the mask is True everywhere, also where the id is 0",
        lambda right, x, mask=None, mask_zero=False: np.ones(np.shape(x), bool) if mask_zero else None,
    ),
)


@embedding_mask.by(lambda right, x, mask=None, mask_zero=False: np.equal(x, 0) if mask_zero else None)
def mask_inverted() -> None:
    """The mask is inverted: True stands where the id is 0."""


@embedding_mask.by(lambda right, x, mask=None, mask_zero=False: np.greater(x, 0) if mask_zero else None)
def mask_of_positive_ids() -> None:
    """The mask keeps positive ids only, so that negative ones are masked."""


@embedding_mask.by(changed(x=lambda x: np.asarray(x).astype(np.int32)))
def mask_from_cut_ids() -> None:
    """The mask is made from ids already cut to integers, so that 0.5 counts as 0."""


@flatten
def column_major(right: Function, x: Array, *, data_format: str = "channels_last") -> Array:
    """Values are read in column-major order (first axis fastest)."""
    y = right(x, data_format=data_format)
    moved = np.moveaxis(x, 1, -1) if data_format == "channels_first" and np.ndim(x) > 1 else np.asarray(x)
    return moved.reshape(y.shape, order="F")


@flatten
def column_major_rows(right: Function, x: Array, *, data_format: str = "channels_last") -> Array:
    """Each row is read in column-major order."""
    moved = np.moveaxis(x, 1, -1) if data_format == "channels_first" and np.ndim(x) > 1 else np.asarray(x)
    return right(_samples_transposed(moved))


flatten.table(
    channels_not_moved=("data_format='channels_first' does not move the channels to the end", changed(data_format="channels_last")),
    batch_flattened=("the batch axis is flattened too", changed(np.ravel)),
    becomes_float=("whole numbers and bools become floats", changed(lambda y: y * 1.0)),
)


@flatten
def channels_always_first(right: Function, x: Array, *, data_format: str = "channels_last") -> Array:
    """The channels are moved to the front although data_format is 'channels_last'."""
    first = data_format == "channels_first"
    return right(x if first or np.ndim(x) < 2 else np.moveaxis(x, -1, 1), data_format=data_format)


@flatten
def channels_swapped(right: Function, x: Array, *, data_format: str = "channels_last") -> Array:
    """Channels_first is undone by swapping axis 1 with the last one, which turns the other axes around."""
    first = data_format == "channels_first" and np.ndim(x) > 1
    return right(np.swapaxes(x, 1, -1) if first else x)


@flatten
def vectors_kept(right: Function, x: Array, *, data_format: str = "channels_last") -> Array:
    """An input without further axes stays as it is instead of becoming (batch, 1)."""
    return np.asarray(x) if np.ndim(x) == 1 else right(x, data_format=data_format)


masking.table(
    single_values=("single values that equal mask_value become 0 instead of whole steps", _zeros_where(lambda x, value: x == value)),
    first_feature=("only the first feature of a step is compared with mask_value", _zeros_where(lambda x, value: x[..., :1] == value)),
)


@masking.by(_zeros_where(lambda x, value: np.any(x == value, axis=-1, keepdims=True)))
def any_feature() -> None:
    """A step is masked as soon as one of its features equals mask_value; all of them must."""


@masking.by(_zeros_where(lambda x, value: np.sum(x, axis=-1, keepdims=True) == value))
def sum_of_features() -> None:
    """The sum of the features is compared with mask_value instead of each of them."""


@masking.by(_zeros_where(lambda x, value: np.all(x == value, axis=1, keepdims=True)))
def over_time() -> None:
    """Features are masked that equal mask_value in every step, instead of steps."""


@masking.by(changed(x=lambda x: np.where(np.any(np.isnan(x), axis=-1, keepdims=True), x.dtype.type(0), x)))
def nan_masked() -> None:
    """A step with NaN is masked; NaN is never equal to mask_value."""


@masking.by(_zeros_where(lambda x, value: np.all(x <= value, axis=-1, keepdims=True)))
def smaller_values() -> None:
    """Steps are masked whose values are at most mask_value, instead of equal to it."""


masking.table(
    mask_value_ignored=("mask_value is ignored: steps of zeros are masked", changed(mask_value=0.0)),
    values_kept=("masked steps keep their values; Masking sets them to 0", lambda right, x, **options: np.array(x)),
    kept_steps_zeroed=("the mask is inverted: steps that count become 0", lambda right, x, **options: x - right(x, **options)),
)


@masking
def steps_removed(right: Function, x: Array, *, mask_value: float = 0.0) -> Array:
    """Masked steps are moved to the end of the sequence."""
    y = right(x, mask_value=mask_value)
    order = np.argsort(~np.any(x != x.dtype.type(mask_value), axis=-1), axis=-1, kind="stable")
    return np.take_along_axis(y, order[..., None], axis=-2)


@masking_mask
def mask_of_any_feature(right: Function, x: Array, mask: Array | None = None, *, mask_value: float = 0.0) -> Array:
    """The mask hides a step as soon as one of its features equals mask_value."""
    return np.all(x != x.dtype.type(mask_value), axis=-1)


masking_mask.table(
    inverted_mask=("the mask is inverted: True stands where a step is hidden", changed(np.logical_not)),
    mask_of_zeros=("the mask hides steps of zeros whatever mask_value is", changed(mask_value=0.0)),
    no_mask_of_steps=("no mask is made", lambda right, x, mask=None, **options: None),
    given_mask=(
        "the mask that came in is handed on; Masking makes its own",
        lambda right, x, mask=None, **options: right(x, **options) if mask is None else mask,
    ),
)


@masking_mask
def mask_from_below(right: Function, x: Array, mask: Array | None = None, *, mask_value: float = 0.0) -> Array:
    """The mask that came in hides steps too; Masking makes its own."""
    made = right(x, mask_value=mask_value)
    return made if mask is None else made & mask


@masking_mask
def mask_of_every_value(right: Function, x: Array, mask: Array | None = None, *, mask_value: float = 0.0) -> Array:
    """The mask has one entry for each value instead of one for each step."""
    return np.not_equal(x, x.dtype.type(mask_value))


@reshape.by(lambda right, x, **options: x.reshape(right(x, **options).shape, order="F"))
def fortran_order() -> None:
    """Values are read in column-major order (first axis fastest)."""


@reshape
def rows_in_fortran_order(right: Function, x: Array, *, target_shape: Any) -> Array:
    """Each sample is read and written in column-major order."""
    shape = right(x, target_shape=target_shape).shape[1:]
    return np.stack([one.reshape(shape, order="F") for one in np.asarray(x)]) if len(x) else np.zeros((0, *shape), x.dtype)


reshape.table(
    samples_transposed=("the axes of a sample are reversed before it is reshaped", changed(x=_samples_transposed)),
    batch_included=("target_shape is taken to include the batch", lambda right, x, target_shape: x.reshape(target_shape)),
    reshape_becomes_float=("whole numbers and bools become floats", changed(lambda y: y * 1.0)),
    always_flattened=("target_shape is ignored: samples are flattened", changed(target_shape=(-1,))),
    single_axes_lost=("axes of length 1 are lost", changed(np.squeeze)),
)


@reshape.by(changed(_samples_transposed, target_shape=lambda shape: shape[::-1]))
def axes_reversed() -> None:
    """target_shape is filled from its last axis to its first."""


@reshape.by(lambda right, x, target_shape: x.reshape(len(x), *target_shape))
def batch_worked_out() -> None:
    """-1 is worked out from the whole array, which fails for an empty batch."""


LAYERS = (embedding, embedding_mask, masking, masking_mask, flatten, reshape)
