"""Mistakes in Embedding, Masking, Flatten and Reshape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.faults.fault import Collection

Array = NDArray[Any]

embedding = Collection("Embedding")
embedding_mask = Collection("Embedding", part="compute_mask")
masking = Collection("Masking")
masking_mask = Collection("Masking", part="compute_mask")
flatten = Collection("Flatten")
reshape = Collection("Reshape")


@embedding
def negative_ids_clipped(x: Array, embeddings: Array) -> Array:
    """Negative ids are set to 0 instead of counting from the end of the table."""
    return reference.embedding_forward(np.maximum(x, 0), embeddings)


@embedding
def negative_ids_without_sign(x: Array, embeddings: Array) -> Array:
    """Negative ids lose their sign instead of counting from the end of the table."""
    ids = np.abs(np.asarray(x))
    return reference.embedding_forward(np.minimum(ids, len(embeddings) - 1), embeddings)


@embedding
def negative_ids_zero(x: Array, embeddings: Array) -> Array:
    """Negative ids give zeros instead of counting from the end of the table."""
    return reference.embedding_forward(x, embeddings) * (np.asarray(x) >= 0)[..., None]


@embedding
def row_0_zeroed(x: Array, embeddings: Array) -> Array:
    """Id 0 gives zeros instead of row 0 (mask_zero changes the mask, never the values)."""
    return reference.embedding_forward(x, embeddings) * (np.asarray(x) != 0)[..., None]


@embedding
def ids_rounded(x: Array, embeddings: Array) -> Array:
    """Ids that are floats are rounded instead of cut towards zero."""
    ids = np.round(x).astype(int)
    return reference.embedding_forward(np.minimum(ids, len(embeddings) - 1), embeddings)


@embedding
def ids_rounded_up(x: Array, embeddings: Array) -> Array:
    """Ids that are floats are rounded up."""
    ids = np.ceil(x).astype(int)
    return reference.embedding_forward(np.minimum(ids, len(embeddings) - 1), embeddings)


@embedding
def ids_rounded_down(x: Array, embeddings: Array) -> Array:
    """Ids that are floats are rounded down (-0.5 to -1) instead of cut towards zero."""
    return reference.embedding_forward(np.floor(x).astype(int), embeddings)


@embedding
def ids_one_too_small(x: Array, embeddings: Array) -> Array:
    """Every id is one too small (the table is taken to start at id 1)."""
    return reference.embedding_forward(np.asarray(x).astype(int) - 1, embeddings)


@embedding
def ids_one_too_large(x: Array, embeddings: Array) -> Array:
    """Every id is one too large (row 0 is taken as reserved)."""
    return reference.embedding_forward((np.asarray(x).astype(int) + 1) % len(embeddings), embeddings)


@embedding
def table_transposed(x: Array, embeddings: Array) -> Array:
    """The table is transposed where it is square."""
    square = embeddings.shape[0] == embeddings.shape[1]
    return reference.embedding_forward(x, embeddings.T if square else embeddings)


@embedding
def features_before_time(x: Array, embeddings: Array) -> Array:
    """The feature axis comes before the time axis where both are equal."""
    y = reference.embedding_forward(x, embeddings)
    return np.swapaxes(y, -1, -2) if y.ndim > 2 and y.shape[-1] == y.shape[-2] else y


@embedding
def single_axis_lost(x: Array, embeddings: Array) -> Array:
    """An axis of size 1 is lost."""
    return np.squeeze(reference.embedding_forward(x, embeddings))


@embedding_mask
def mask_inverted(x: Array, mask: Array | None = None, *, mask_zero: bool = False) -> Array | None:
    """The mask is inverted: True stands where the id is 0."""
    return np.equal(x, 0) if mask_zero else None


@embedding_mask
def mask_from_cut_ids(x: Array, mask: Array | None = None, *, mask_zero: bool = False) -> Array | None:
    """The mask is made from ids already cut to integers, so that 0.5 counts as 0."""
    return np.asarray(x).astype(np.int32) != 0 if mask_zero else None


@embedding_mask
def mask_of_positive_ids(x: Array, mask: Array | None = None, *, mask_zero: bool = False) -> Array | None:
    """The mask keeps positive ids only, so that negative ones are masked."""
    return np.greater(x, 0) if mask_zero else None


@embedding_mask
def mask_always(x: Array, mask: Array | None = None, *, mask_zero: bool = False) -> Array | None:
    """A mask is made although mask_zero is False."""
    return np.not_equal(x, 0)


@flatten
def column_major(x: Array, *, data_format: str = "channels_last") -> Array:
    """Values are read in column-major order (first axis fastest)."""
    y = reference.flatten_forward(x, data_format=data_format)
    moved = np.moveaxis(x, 1, -1) if data_format == "channels_first" and np.ndim(x) > 1 else np.asarray(x)
    return moved.reshape(y.shape, order="F")


@flatten
def column_major_rows(x: Array, *, data_format: str = "channels_last") -> Array:
    """Each row is read in column-major order."""
    moved = np.moveaxis(x, 1, -1) if data_format == "channels_first" and np.ndim(x) > 1 else np.asarray(x)
    return reference.flatten_forward(np.transpose(moved, (0, *range(moved.ndim - 1, 0, -1))))


@flatten
def channels_not_moved(x: Array, *, data_format: str = "channels_last") -> Array:
    """Data_format='channels_first' does not move the channels to the end."""
    return reference.flatten_forward(x)


@flatten
def channels_always_first(x: Array, *, data_format: str = "channels_last") -> Array:
    """The channels are moved to the front although data_format is 'channels_last'."""
    first = data_format == "channels_first"
    return reference.flatten_forward(x if first or np.ndim(x) < 2 else np.moveaxis(x, -1, 1), data_format=data_format)


@flatten
def channels_swapped(x: Array, *, data_format: str = "channels_last") -> Array:
    """Channels_first is undone by swapping axis 1 with the last one, which turns the other axes around."""
    first = data_format == "channels_first" and np.ndim(x) > 1
    return reference.flatten_forward(np.swapaxes(x, 1, -1) if first else x)


@flatten
def batch_flattened(x: Array, *, data_format: str = "channels_last") -> Array:
    """The batch axis is flattened too."""
    return reference.flatten_forward(x, data_format=data_format).ravel()


@flatten
def vectors_kept(x: Array, *, data_format: str = "channels_last") -> Array:
    """An input without further axes stays as it is instead of becoming (batch, 1)."""
    return np.asarray(x) if np.ndim(x) == 1 else reference.flatten_forward(x, data_format=data_format)


@flatten
def becomes_float(x: Array, *, data_format: str = "channels_last") -> Array:
    """Whole numbers and bools become floats."""
    return reference.flatten_forward(x, data_format=data_format) * 1.0


@masking
def any_feature(x: Array, *, mask_value: float = 0.0) -> Array:
    """A step is masked as soon as one of its features equals mask_value; all of them must."""
    return np.where(np.any(x == x.dtype.type(mask_value), axis=-1, keepdims=True), x.dtype.type(0), x)


@masking
def single_values(x: Array, *, mask_value: float = 0.0) -> Array:
    """Single values that equal mask_value become 0 instead of whole steps."""
    return np.where(x == x.dtype.type(mask_value), x.dtype.type(0), x)


@masking
def mask_value_ignored(x: Array, *, mask_value: float = 0.0) -> Array:
    """mask_value is ignored: steps of zeros are masked."""
    return reference.masking_forward(x)


@masking
def first_feature(x: Array, *, mask_value: float = 0.0) -> Array:
    """Only the first feature of a step is compared with mask_value."""
    return np.where(x[..., :1] == x.dtype.type(mask_value), x.dtype.type(0), x)


@masking
def sum_of_features(x: Array, *, mask_value: float = 0.0) -> Array:
    """The sum of the features is compared with mask_value instead of each of them."""
    return np.where(np.sum(x, axis=-1, keepdims=True) == x.dtype.type(mask_value), x.dtype.type(0), x)


@masking
def values_kept(x: Array, *, mask_value: float = 0.0) -> Array:
    """Masked steps keep their values; Masking sets them to 0."""
    return np.array(x)


@masking
def kept_steps_zeroed(x: Array, *, mask_value: float = 0.0) -> Array:
    """The mask is inverted: steps that count become 0."""
    return np.asarray(x - reference.masking_forward(x, mask_value=mask_value))


@masking
def over_time(x: Array, *, mask_value: float = 0.0) -> Array:
    """Features are masked that equal mask_value in every step, instead of steps."""
    return np.where(np.all(x == x.dtype.type(mask_value), axis=1, keepdims=True), x.dtype.type(0), x)


@masking
def nan_masked(x: Array, *, mask_value: float = 0.0) -> Array:
    """A step with NaN is masked; NaN is never equal to mask_value."""
    return reference.masking_forward(np.where(np.any(np.isnan(x), axis=-1, keepdims=True), x.dtype.type(0), x), mask_value=mask_value)


@masking
def smaller_values(x: Array, *, mask_value: float = 0.0) -> Array:
    """Steps are masked whose values are at most mask_value, instead of equal to it."""
    return np.where(np.all(x <= x.dtype.type(mask_value), axis=-1, keepdims=True), x.dtype.type(0), x)


@masking
def steps_removed(x: Array, *, mask_value: float = 0.0) -> Array:
    """Masked steps are moved to the end of the sequence."""
    y = reference.masking_forward(x, mask_value=mask_value)
    order = np.argsort(~np.any(x != x.dtype.type(mask_value), axis=-1), axis=-1, kind="stable")
    return np.take_along_axis(y, order[..., None], axis=-2)


@masking_mask
def mask_of_any_feature(x: Array, mask: Array | None = None, *, mask_value: float = 0.0) -> Array:
    """The mask hides a step as soon as one of its features equals mask_value."""
    return np.all(x != x.dtype.type(mask_value), axis=-1)


@masking_mask
def inverted_mask(x: Array, mask: Array | None = None, *, mask_value: float = 0.0) -> Array:
    """The mask is inverted: True stands where a step is hidden."""
    return ~reference.masking_compute_mask(x, mask_value=mask_value)


@masking_mask
def mask_of_zeros(x: Array, mask: Array | None = None, *, mask_value: float = 0.0) -> Array:
    """The mask hides steps of zeros whatever mask_value is."""
    return reference.masking_compute_mask(x)


@masking_mask
def mask_from_below(x: Array, mask: Array | None = None, *, mask_value: float = 0.0) -> Array:
    """The mask that came in hides steps too; Masking makes its own."""
    made = reference.masking_compute_mask(x, mask_value=mask_value)
    return made if mask is None else made & mask


@masking_mask
def mask_of_every_value(x: Array, mask: Array | None = None, *, mask_value: float = 0.0) -> Array:
    """The mask has one entry for each value instead of one for each step."""
    return np.not_equal(x, x.dtype.type(mask_value))


@reshape
def fortran_order(x: Array, *, target_shape: Any) -> Array:
    """Values are read in column-major order (first axis fastest)."""
    return np.asarray(x).reshape(reference.reshape_forward(x, target_shape=target_shape).shape, order="F")


@reshape
def rows_in_fortran_order(x: Array, *, target_shape: Any) -> Array:
    """Each sample is read and written in column-major order."""
    shape = reference.reshape_forward(x, target_shape=target_shape).shape[1:]
    return np.stack([one.reshape(shape, order="F") for one in np.asarray(x)]) if len(x) else np.zeros((0, *shape), x.dtype)


@reshape
def samples_transposed(x: Array, *, target_shape: Any) -> Array:
    """The axes of a sample are reversed before it is reshaped."""
    return reference.reshape_forward(np.transpose(x, (0, *range(np.ndim(x) - 1, 0, -1))), target_shape=target_shape)


@reshape
def axes_reversed(x: Array, *, target_shape: Any) -> Array:
    """target_shape is filled from its last axis to its first."""
    y = reference.reshape_forward(x, target_shape=target_shape[::-1])
    return np.transpose(y, (0, *range(y.ndim - 1, 0, -1)))


@reshape
def batch_worked_out(x: Array, *, target_shape: Any) -> Array:
    """-1 is worked out from the whole array, which fails for an empty batch."""
    return np.asarray(x).reshape(np.shape(x)[0], *target_shape)


@reshape
def batch_included(x: Array, *, target_shape: Any) -> Array:
    """target_shape is taken to include the batch."""
    return np.asarray(x).reshape(target_shape)


@reshape
def reshape_becomes_float(x: Array, *, target_shape: Any) -> Array:
    """Whole numbers and bools become floats."""
    return reference.reshape_forward(x, target_shape=target_shape) * 1.0


@reshape
def always_flattened(x: Array, *, target_shape: Any) -> Array:
    """Target_shape is ignored: samples are flattened."""
    return reference.flatten_forward(x)


@reshape
def single_axes_lost(x: Array, *, target_shape: Any) -> Array:
    """Axes of length 1 are lost."""
    return np.squeeze(reference.reshape_forward(x, target_shape=target_shape))


LAYERS = (embedding, embedding_mask, masking, masking_mask, flatten, reshape)
