"""Mistakes in Dropout and in the dropout of whole channels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.faults.fault import Function, Shared, changed

Array = NDArray[Any]

SPATIAL = ("SpatialDropout1D", "SpatialDropout2D")

dropout = Shared("Dropout", *SPATIAL)
spatial = Shared(*SPATIAL)
images = Shared("SpatialDropout2D")


dropout.table(
    always_drops=("values are dropped at inference too", lambda right, x, **options: right(x, **{"seed": 0, **options, "training": True})),
)


@dropout.by(lambda right, x, *, rate, **options: right(x, rate=rate, **options) * x.dtype.type(1 - rate))
def scaled_at_inference() -> None:
    """Values are scaled by 1 - rate at inference (the dropout of the first paper) and not in training."""


@dropout.by(lambda right, x, *, dropout_mask=None, **options: right(x, **{"seed": 0, **options}))
def mask_redrawn() -> None:
    """The given dropout_mask is ignored and another one drawn."""


@dropout.by(lambda right, x, *, rate, **options: np.array(x) if rate == 1 else right(x, rate=rate, **options))
def rate_1_ignored() -> None:
    """A rate of 1 drops nothing."""


@dropout
def not_scaled(right: Function, x: Array, *, rate: float, training: bool = False, **options: Any) -> Array:
    """Kept values are not scaled in training."""
    y = right(x, rate=rate, training=training, **options)
    return np.asarray(y * x.dtype.type(1 - rate) if training else y)


@dropout
def scaled_by_rate(right: Function, x: Array, *, rate: float, training: bool = False, **options: Any) -> Array:
    """Kept values are scaled by 1 / rate instead of 1 / (1 - rate)."""
    y = right(x, rate=rate, training=training, **options)
    return np.asarray(y * x.dtype.type((1 - rate) / rate) if training and rate else y)


dropout.table(
    mask_dropped=("the mask is inverted: what it keeps is dropped", changed(dropout_mask=np.invert)),
    never_drops=("nothing is dropped in training", lambda right, x, **options: np.array(x)),
    one_mask_for_all_rows=("one row's mask is used for the whole batch", changed(dropout_mask=lambda mask: mask[:1])),
)


@dropout
def multiplied_by_zero(
    right: Function, x: Array, *, rate: float, training: bool = False, dropout_mask: Array | None = None, **options: Any
) -> Array:
    """A dropped NaN or infinity stays NaN, since it is multiplied by 0."""
    if not training or rate in (0, 1) or dropout_mask is None:
        return np.asarray(right(x, rate=rate, training=training, dropout_mask=dropout_mask, **options))
    return np.asarray(x * (dropout_mask * x.dtype.type(1 / (1 - rate))))


@dropout
def rate_1_divides(
    right: Function, x: Array, *, rate: float, training: bool = False, dropout_mask: Array | None = None, **options: Any
) -> Array:
    """A rate of 1 divides by zero."""
    if not training or rate < 1:
        return np.asarray(right(x, rate=rate, training=training, dropout_mask=dropout_mask, **options))
    return np.asarray(x * np.zeros_like(x) / np.zeros_like(x))


def _drawn(x: Array, shared: tuple[int, ...], options: Any) -> Array:
    """Dropout with a mask of its own that the given axes share."""
    noise_shape = [1 if axis in shared else None for axis in range(x.ndim)]
    own = {name: value for name, value in options.items() if name not in ("dropout_mask", "data_format")}
    return reference.dropout_forward(x, noise_shape=noise_shape, **{"seed": 0, **own})


@spatial.by(lambda right, x, **options: _drawn(x, (), options))
def single_values_dropped() -> None:
    """Single values are dropped instead of whole channels (that is Dropout)."""


@spatial.by(lambda right, x, **options: _drawn(x, tuple(range(1, x.ndim)), options))
def samples_dropped() -> None:
    """Whole samples are dropped instead of single channels of them."""


@spatial.by(lambda right, x, **options: _drawn(x, (1 if options.get("data_format") == "channels_first" else x.ndim - 1,), options))
def places_dropped() -> None:
    """Places are dropped with all of their channels, instead of channels with all of their places."""


@images.by(lambda right, x, **options: _drawn(x, (3,) if options.get("data_format") == "channels_first" else (2,), options))
def rows_drawn_apart() -> None:
    """A channel is dropped row by row instead of as a whole."""


@images
def channels_first_ignored(right: Function, x: Array, **options: Any) -> Array:
    """data_format='channels_first' is ignored: columns are dropped instead of channels."""
    return _drawn(x, (1, 2), options) if options.get("data_format") == "channels_first" else np.asarray(right(x, **options))


LAYERS = (dropout, spatial, images)
