"""Mistakes in Embedding, Flatten and Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.faults.fault import Collection

Array = NDArray[Any]

embedding = Collection("Embedding")
embedding_mask = Collection("Embedding", part="compute_mask")
flatten = Collection("Flatten")
dropout = Collection("Dropout")


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


@dropout
def scaled_at_inference(x: Array, *, rate: float, training: bool = False, **options: Any) -> Array:
    """Values are scaled by 1 - rate at inference (the dropout of the first paper) and not in training."""
    y = reference.dropout_forward(x, rate=rate, training=training, **options)
    return y * x.dtype.type(1 - rate)


@dropout
def not_scaled(x: Array, *, rate: float, training: bool = False, **options: Any) -> Array:
    """Kept values are not scaled in training."""
    y = reference.dropout_forward(x, rate=rate, training=training, **options)
    return y * x.dtype.type(1 - rate) if training else y


@dropout
def scaled_by_rate(x: Array, *, rate: float, training: bool = False, **options: Any) -> Array:
    """Kept values are scaled by 1 / rate instead of 1 / (1 - rate)."""
    y = reference.dropout_forward(x, rate=rate, training=training, **options)
    return y * x.dtype.type((1 - rate) / rate) if training and rate else y


@dropout
def mask_dropped(x: Array, *, rate: float, dropout_mask: Array | None = None, **options: Any) -> Array:
    """The mask is inverted: what it keeps is dropped."""
    return reference.dropout_forward(x, rate=rate, dropout_mask=None if dropout_mask is None else ~dropout_mask, **options)


@dropout
def never_drops(x: Array, **options: Any) -> Array:
    """Nothing is dropped in training."""
    return np.array(x)


@dropout
def mask_redrawn(x: Array, *, rate: float, dropout_mask: Array | None = None, **options: Any) -> Array:
    """The given dropout_mask is ignored and another one drawn."""
    return reference.dropout_forward(x, rate=rate, **{"seed": 0, **options})


@dropout
def one_mask_for_all_rows(x: Array, *, dropout_mask: Array | None = None, **options: Any) -> Array:
    """One row's mask is used for the whole batch."""
    return reference.dropout_forward(x, dropout_mask=None if dropout_mask is None else dropout_mask[:1], **options)


@dropout
def multiplied_by_zero(x: Array, *, rate: float, training: bool = False, dropout_mask: Array | None = None, **options: Any) -> Array:
    """A dropped NaN or infinity stays NaN, since it is multiplied by 0."""
    if not training or rate in (0, 1) or dropout_mask is None:
        return reference.dropout_forward(x, rate=rate, training=training, dropout_mask=dropout_mask, **options)
    return np.asarray(x * (dropout_mask * x.dtype.type(1 / (1 - rate))))


@dropout
def rate_1_divides(x: Array, *, rate: float, training: bool = False, dropout_mask: Array | None = None, **options: Any) -> Array:
    """A rate of 1 divides by zero."""
    if not training or rate < 1:
        return reference.dropout_forward(x, rate=rate, training=training, dropout_mask=dropout_mask, **options)
    return x * np.zeros_like(x) / np.zeros_like(x)


@dropout
def rate_1_ignored(x: Array, *, rate: float, **options: Any) -> Array:
    """A rate of 1 drops nothing."""
    return np.array(x) if rate == 1 else reference.dropout_forward(x, rate=rate, **options)


LAYERS = (embedding, embedding_mask, flatten, dropout)
