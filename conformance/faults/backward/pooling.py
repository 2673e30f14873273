"""Mistakes in the backward passes of pools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.faults.backward.convolution import ENDS, cut_at_the_start
from conformance.faults.fault import Function, Shared, changed
from conformance.faults.forward.convolution import padded_by
from reference.layers.windows import from_channels_last, padding_widths, spatial_tuple, to_channels_last

Array = NDArray[Any]

pooling = Shared(
    *("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D"),
    part="backward",
    words=dict.fromkeys(("MaxPooling1D", "AveragePooling1D"), ENDS),
)
global_pooling = Shared("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D", part="backward")
global_max = Shared("GlobalMaxPooling1D", "GlobalMaxPooling2D", part="backward")
global_average = Shared("GlobalAveragePooling1D", "GlobalAveragePooling2D", part="backward")

Share = Callable[[Function, Array, Array], Any]
"""From the right function, the gradient of a window's output and the window to the gradient of its cells."""


def right_share(right: Function, grad: Array, window: Array) -> Any:
    """That of a pool of one window."""
    return right(grad, window, pool_size=window.shape[1:-1])[0]


def _geometry(x: Array, options: Any) -> tuple[tuple[int, ...], tuple[int, ...], list[tuple[int, int]]]:
    """Pool, strides and the cells that are added before and after every axis, of an array with the channels last."""
    rank = x.ndim - 2
    pool = spatial_tuple(options.get("pool_size", 2), rank, "pool_size")
    step = pool if options.get("strides") is None else spatial_tuple(options["strides"], rank, "strides")
    axes = zip(x.shape[1:-1], pool, step, strict=True)
    return pool, step, [padding_widths(size, k, s, 1, options.get("padding", "valid").lower()) for size, k, s in axes]


def window_by_window(share: Share = right_share, join: Callable[[Array, Array], Array] = np.add) -> Function:
    """A pool differentiated window by window: `share` says what goes to the cells of one, `join` what that and the ones before make."""

    def function(right: Function, grad_output: Array, x: Array, *, data_format: str = "channels_last", **options: Any) -> Any:
        x, grad = to_channels_last(x, data_format), to_channels_last(grad_output, data_format)
        pool, step, widths = _geometry(x, options)
        found = np.zeros_like(x)
        for place in np.ndindex(*grad.shape[1:-1]):
            starts = [n * s - before for n, s, (before, _) in zip(place, step, widths, strict=True)]
            window = (slice(None), *(slice(max(0, start), start + k) for start, k in zip(starts, pool, strict=True)))
            over = (slice(None), *(slice(n, n + 1) for n in place))
            found[window] = join(share(right, grad[over], x[window]), found[window])
        return (from_channels_last(found, data_format),)

    return function


def _turned(right: Function, grad: Array, window: Array) -> Any:
    """The share with the cells of the window in the opposite order."""
    return np.flip(right_share(right, grad, np.flip(window, _places(window))), _places(window))


def _places(window: Array) -> tuple[int, ...]:
    return tuple(range(1, window.ndim - 1))


def _largest(right: Function, grad: Array, window: Array) -> Array:
    """All of the gradient to every one of the largest cells."""
    return np.asarray((window == np.nanmax(window, axis=_places(window), keepdims=True)) * grad)


def _real(x: Array, options: Any) -> Array:
    """The share of each window that is no padding."""
    forward = reference.average_pooling1d_forward if x.ndim == 3 else reference.average_pooling2d_forward
    _, _, widths = _geometry(to_channels_last(x, options.get("data_format", "channels_last")), options)
    return np.asarray(forward(padded_by(np.ones_like(x), widths, options.get("data_format", "channels_last")), **_valid(options)))


def _valid(options: Any) -> dict[str, Any]:
    return {**options, "pool_size": options.get("pool_size", 2), "padding": "valid"}


@pooling
def pool_left_padded(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """The gradient of the input keeps the padding."""
    data_format, largest = options.get("data_format", "channels_last"), right.__name__.startswith("max")
    _, _, widths = _geometry(to_channels_last(x, data_format), options)
    wide = padded_by(x, widths, data_format, constant_values=-np.inf if largest else 0)
    return right(grad_output if largest else grad_output / _real(x, options), wide, **_valid(options))


@pooling
def pool_odd_cell_cut_at_the_start(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """With padding='same' the odd cell is cut off the gradient of the input at the top and left instead of the bottom and right."""
    if options.get("padding") != "same":
        return right(grad_output, x, **options)
    (wide,) = pool_left_padded(right, grad_output, x, **options)
    data_format = options.get("data_format", "channels_last")
    pool, step, _ = _geometry(to_channels_last(x, data_format), options)
    return (cut_at_the_start(wide, x, pool, step, (1,) * len(pool), data_format),)


@pooling
def pool_strides_ignored(right: Function, grad_output: Array, x: Array, strides: Any = None, **options: Any) -> Any:
    """Strides are ignored in the backward pass: windows are taken to stand side by side."""
    forward: Function = getattr(reference, right.__name__.replace("backward", "forward"))
    grad = np.zeros_like(forward(x, **options))
    both = tuple(slice(min(sizes)) for sizes in zip(grad.shape, grad_output.shape, strict=True))
    grad[both] = grad_output[both]
    return right(grad, x, **options)


@pooling.by(window_by_window(join=lambda share, found: share))
def overlaps_overwritten() -> None:
    """Where windows overlap, the gradient of the last one replaces those of the others: = instead of +=."""


max_pooling = Shared("MaxPooling1D", "MaxPooling2D", part="backward", wrap=window_by_window).table(
    ties_to_the_last=("among equal largest values the last one gets the gradient; in Keras the first one does", _turned),
)


@max_pooling.by(_largest)
def ties_to_all() -> None:
    """Among equal largest values every one gets the whole gradient; in Keras the first one does."""


@max_pooling.by(
    lambda right, grad, window: _largest(right, grad / np.sum(_largest(right, np.ones(()), window), _places(window), keepdims=True), window)
)
def ties_shared() -> None:
    """Among equal largest values the gradient is shared equally; in Keras the first one gets it."""


@max_pooling.by(lambda right, grad, window: right_share(right, grad, window) * ~np.isnan(window))
def nan_chosen_by_none() -> None:
    """Where a window holds NaN alone no cell gets its gradient, since NaN equals nothing; in Keras the first one does."""


@max_pooling.by(lambda right, grad, window: grad / np.sum(~np.isnan(window), axis=_places(window), keepdims=True))
def spread_like_an_average() -> None:
    """The gradient is spread over the window, as of an average."""


whole_max_pooling = Shared("MaxPooling1D", "MaxPooling2D", part="backward")


@whole_max_pooling.by(window_by_window(join=lambda share, found: np.where(share != 0, share, found)))
def largest_overwritten() -> None:
    """A cell that is the largest of several windows gets the gradient of the last of them alone: = instead of +=."""


@whole_max_pooling
def mask_shared_by_windows(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """One mask of largest cells serves all windows: a cell gets the gradients of windows that it lies in but has not won, too."""
    (won,) = right(np.ones_like(grad_output), x, **options)
    (spread,) = window_by_window(lambda right, grad, window: grad)(right, grad_output, x, **options)
    return (np.where(won != 0, spread, 0),)


average_pooling = Shared("AveragePooling1D", "AveragePooling2D", part="backward")


@average_pooling
def padded_cells_counted(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """The gradient is divided by the size of the pool where padded cells do not count."""
    return right(grad_output * _real(x, options), x, **options)


@average_pooling
def average_not_divided(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """The gradient is not divided by the number of cells."""
    pool, _, _ = _geometry(to_channels_last(x, options.get("data_format", "channels_last")), options)
    return right(grad_output * _real(x, options) * np.prod(pool), x, **options)


def _spread(grad_output: Array, x: Array, data_format: str, keepdims: bool) -> tuple[Array, tuple[int, ...]]:
    """The gradient of a global pool with the axes that were pooled, and these."""
    axes = tuple(range(2, x.ndim)) if data_format == "channels_first" else tuple(range(1, x.ndim - 1))
    return (grad_output if keepdims else np.expand_dims(grad_output, axes)), axes


def _number(x: Array, data_format: str = "channels_last", mask: Any = None, **options: Any) -> Any:
    """How many places are pooled."""
    if mask is not None:
        return np.sum(mask != 0, axis=1).reshape(-1, 1, 1)
    return np.prod(x.shape[2:] if data_format == "channels_first" else x.shape[1:-1])


@global_max
def global_ties_to_the_first(
    right: Function, grad_output: Array, x: Array, data_format: str = "channels_last", keepdims: bool = False
) -> Any:
    """Among equal largest values the first one gets the whole gradient; in Keras they share it equally."""
    windowed: Function = getattr(reference, right.__name__.removeprefix("global_"))
    wide, axes = _spread(grad_output, x, data_format, keepdims)
    return windowed(wide, x, pool_size=tuple(x.shape[axis] for axis in axes), data_format=data_format)


@global_max
def global_ties_to_all(right: Function, grad_output: Array, x: Array, data_format: str = "channels_last", keepdims: bool = False) -> Any:
    """Among equal largest values every one gets the whole gradient; in Keras they share it equally."""
    wide, axes = _spread(grad_output, x, data_format, keepdims)
    return ((x == np.max(x, axis=axes, keepdims=True)) * wide,)


@global_max
def global_spread(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """The gradient is spread over all places, as of an average."""
    other: Function = getattr(reference, right.__name__.replace("max", "average"))
    return other(grad_output, x, **options)


@global_average
def global_not_divided(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """The gradient is not divided by the number of places."""
    return (np.asarray(right(grad_output, x, **options)[0] * _number(x, **options), dtype=x.dtype),)


masked_average = Shared("GlobalAveragePooling1D", part="backward").table(
    mask_ignored=("the mask is ignored in the backward pass", changed(mask=None))
)


@global_pooling
def kept_axes_forgotten(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """The gradient is handed on as it came, not spread over the places."""
    return (grad_output,)


LAYERS = (pooling, max_pooling, whole_max_pooling, average_pooling, global_pooling, global_max, global_average, masked_average)
