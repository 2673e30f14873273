"""Mistakes in the activation functions that are layers of their own; those of ReLU and ELU are the functions' own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.faults.fault import Function, Shared, assuming, changed, table
from conformance.faults.forward.rowwise import SOFTMAX

Array = NDArray[Any]

leaky_re_lu = table(
    "LeakyReLU",
    slope_of_the_function=(
        "the slope is 0.2, the default of the function leaky_relu, instead of 0.3",
        lambda x, negative_slope=0.2: reference.leaky_relu(x, negative_slope=negative_slope),
    ),
    slope_of_pytorch=(
        "the slope is 0.01, as in PyTorch, instead of 0.3",
        lambda x, negative_slope=0.01: reference.leaky_relu(x, negative_slope=negative_slope),
    ),
    slope_ignored=("negative_slope is ignored", lambda x, negative_slope=0.3: reference.leaky_re_lu_forward(x)),
    not_leaky=("negative values become 0 (that is ReLU)", lambda x, negative_slope=0.3: reference.relu(x)),
    absolute=("negative values come out positive", lambda x, negative_slope=0.3: np.where(x > 0, x, -negative_slope * x)),
    positive_side=(
        "positive values are scaled instead of negative ones",
        lambda x, negative_slope=0.3: np.where(x > 0, negative_slope * x, x),
    ),
    divided=("negative values are divided by the slope", lambda x, negative_slope=0.3: np.where(x > 0, x, x / negative_slope)),
    maximum=(
        "it is the larger of x and slope * x, which is wrong for slopes above 1",
        lambda x, negative_slope=0.3: np.maximum(x, negative_slope * x),
    ),
    infinity=(
        "0 times infinity is NaN: both branches are multiplied by 0 or 1 and added up",
        lambda x, negative_slope=0.3: x * (x > 0) + negative_slope * x * (x <= 0),
    ),
)


def _slopes_along_the_batch(x: Array, alpha: Array) -> Array:
    return reference.p_re_lu_forward(x, alpha) if alpha.shape != x.shape[:-1] else np.where(x > 0, x, alpha[..., None] * x)


def _of_first_channels(x: Array, alpha: Array) -> Array:
    return np.where(x > 0, x, alpha.reshape(-1, alpha.shape[-1])[0] * x)


p_re_lu = table(
    "PReLU",
    positive_side=("the slope acts on positive values instead of negative ones", lambda x, alpha: np.where(x > 0, alpha * x, x)),
    absolute=("negative values come out positive: the slope has the wrong sign", lambda x, alpha: np.where(x > 0, x, -alpha * x)),
    slope_left_out=("the slope is left out: negative values stay", lambda x, alpha: np.array(x)),
    slope_0=("negative values become 0 (that is ReLU)", lambda x, alpha: reference.relu(x)),
    slope_of_pytorch=("the slope is 0.25, where PyTorch starts, instead of the weight", lambda x, alpha: np.where(x > 0, x, x / 4)),
    one_slope=("one slope is used for all places", lambda x, alpha: np.where(x > 0, x, alpha.flat[0] * x)),
    mean_slope=("the mean of the slopes is used for all places", lambda x, alpha: np.where(x > 0, x, np.mean(alpha) * x)),
    slopes_of_first_place=("the slopes of the first place are used for all places", _of_first_channels),
    transposed=(
        "the slopes are transposed where that is possible",
        lambda x, alpha: reference.p_re_lu_forward(x, alpha.T if alpha.T.shape == alpha.shape else alpha),
    ),
    along_the_batch=("the slopes are laid along the batch where it is as long", _slopes_along_the_batch),
    squared=("the slope is multiplied twice", lambda x, alpha: np.where(x > 0, x, alpha * alpha * x)),
    infinity=(
        "0 times infinity is NaN: both branches are multiplied by 0 or 1 and added up",
        lambda x, alpha: x * (x > 0) + alpha * x * (x <= 0),
    ),
)

softmax = Shared("Softmax")


def _lowest(x: Array) -> Any:
    return np.finfo(x.dtype).min / 2


def _kept(mask: Array) -> Array:
    return mask if mask.dtype == bool else mask > 0.5


def _masked(function: Function) -> Function:
    """A softmax function as the layer calls it."""

    def layer(right: Function, x: Array, *, axis: Any = -1, mask: Array | None = None) -> Array:
        if mask is None:
            return np.asarray(function(x, axis=axis))
        return np.where(_kept(mask), function(np.where(_kept(mask), x, _lowest(x)), axis=axis), x.dtype.type(0))

    return layer


def _hiding(hide: Callable[[Array, Array], Array]) -> Function:
    """A softmax of values that the mask changes; what it hides is not set to 0 afterwards."""
    return lambda right, x, axis=-1, mask=None: reference.softmax(x if mask is None else hide(x, mask), axis=axis)


for _fault in SOFTMAX:
    if _fault.name not in ("batch_axis", "axis_1", "other_axes"):
        softmax.add(_fault.name, _fault.sentence, _masked(_fault.function))


softmax.table(
    batch_axis=("it runs over axis 0 instead of the last one", assuming(axis=0)),
    axis_1=("it runs over axis 1 instead of the last one", assuming(axis=1)),
    mask_ignored=("the mask is ignored", changed(mask=None)),
    mask_inverted=("the mask is inverted: True is taken as hidden", changed(mask=lambda mask: ~_kept(mask))),
    mask_added=("the mask is added to the values instead of hiding some", _hiding(lambda x, mask: x + mask.astype(x.dtype))),
    any_number_counts=("in a mask of numbers whatever is not 0 counts, instead of what is above 0.5", changed(mask=lambda mask: mask != 0)),
)


@softmax.by(changed(axis=lambda axis: axis[-1] if isinstance(axis, tuple) else axis))
def last_of_several_axes() -> None:
    """Of several axes only the last one is used."""


@softmax.by(_hiding(lambda x, mask: np.where(_kept(mask), x, _lowest(x))))
def masked_row_uniform() -> None:
    """A row that is masked as a whole gives equal shares; Keras gives zeros."""


@softmax.by(_hiding(lambda x, mask: np.where(_kept(mask), x, x.dtype.type(-np.inf))))
def masked_row_nan() -> None:
    """A row that is masked as a whole gives NaN (masked values are set to minus infinity); Keras gives zeros."""


@softmax.by(_hiding(lambda x, mask: np.where(_kept(mask), x, x - x.dtype.type(1e9))))
def masked_values_lowered() -> None:
    """Masked values are lowered by 1e9 and their results not set to 0, which shows where a whole row is masked."""


@softmax.by(_hiding(lambda x, mask: np.where(_kept(mask), x, x.dtype.type(0))))
def masked_values_0() -> None:
    """Masked values are set to 0 before the exponential, where they still count."""


@softmax.by(changed(mask=lambda mask: mask >= 1))
def numbers_cut() -> None:
    """In a mask of numbers what is below 1 does not count, instead of what is at most 0.5."""


@softmax
def axes_one_by_one(right: Function, x: Array, *, axis: Any = -1, mask: Array | None = None) -> Array:
    """Several axes are normalised one after the other instead of together."""
    for one in axis if isinstance(axis, tuple) else (axis,):
        x = right(x, axis=one, mask=mask)
    return x


@softmax
def mask_applied_after(right: Function, x: Array, *, axis: Any = -1, mask: Array | None = None) -> Array:
    """The mask sets results to 0 after the softmax, so that what is left does not sum to 1."""
    y = reference.softmax(x, axis=axis)
    return y if mask is None else np.where(_kept(mask), y, x.dtype.type(0))


@softmax
def mask_along_the_other_axis(right: Function, x: Array, *, axis: Any = -1, mask: Array | None = None) -> Array:
    """A mask of the last axis is laid along the one before where both are equally long."""
    turned = mask is not None and mask.ndim == 1 and x.ndim > 1 and x.shape[-2] == mask.size
    return right(x, axis=axis, mask=mask[:, None] if turned and mask is not None else mask)


LAYERS = (leaky_re_lu, p_re_lu, softmax)
