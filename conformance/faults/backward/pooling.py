"""Mistakes in the backward passes of pools."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.backward.convolution import ENDS, cut_at_the_start
from conformance.faults.fault import Function, Shared
from reference.layers.windows import crop, from_channels_last, output_size, pad, spatial_tuple, to_channels_last

Array = NDArray[Any]

pooling = Shared(
    *("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D"),
    part="backward",
    words=dict.fromkeys(("MaxPooling1D", "AveragePooling1D"), ENDS),
)
max_pooling = Shared("MaxPooling1D", "MaxPooling2D", part="backward")
average_pooling = Shared("AveragePooling1D", "AveragePooling2D", part="backward")
global_pooling = Shared("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D", part="backward")
global_max = Shared("GlobalMaxPooling1D", "GlobalMaxPooling2D", part="backward")
global_average = Shared("GlobalAveragePooling1D", "GlobalAveragePooling2D", part="backward")
masked_average = Shared("GlobalAveragePooling1D", part="backward")

Share = Callable[[Array, Array], Array]
"""From a window (batch, *cells, channels), NaN where it was padded, and the gradient of its output, to the gradients of its cells."""


def scattered(
    grad_output: Array,
    x: Array,
    share: Share,
    *,
    add: bool = True,
    cropped: bool = True,
    pool_size: Any = 2,
    strides: Any = None,
    padding: str = "valid",
    data_format: str = "channels_last",
) -> tuple[Array]:
    """The gradient of a pool, window by window: `share` says what goes to the cells of one, `add` whether overlaps add up."""
    rank = x.ndim - 2
    pool = spatial_tuple(pool_size, rank, "pool_size")
    step, one = spatial_tuple(pool if strides is None else strides, rank, "strides"), (1,) * rank
    x, grad = to_channels_last(x, data_format), to_channels_last(grad_output, data_format)
    padded = pad(x, pool, step, one, padding, np.nan)
    found = np.zeros_like(padded)
    for place in np.ndindex(*grad.shape[1:-1]):
        window = (slice(None), *(slice(n * s, n * s + k) for n, s, k in zip(place, step, pool, strict=True)))
        over = (slice(None), *place)
        part = share(padded[window], grad[over].reshape(len(x), *one, x.shape[-1]))
        found[window] = found[window] + part if add else part
    return (from_channels_last(crop(found, x.shape[1:-1], pool, step, one, padding) if cropped else found, data_format),)


def _places(window: Array) -> tuple[int, ...]:
    return tuple(range(1, window.ndim - 1))


def to_first(window: Array, grad: Array, *, last: bool = False) -> Array:
    """All of the gradient to the first of the largest cells, or to the last of them."""
    cells = int(np.prod(window.shape[1:-1]))
    rows = np.moveaxis(np.where(np.isnan(window), -np.inf, window), -1, 1).reshape(len(window), window.shape[-1], cells)
    chosen = cells - 1 - np.argmax(rows[..., ::-1], -1) if last else np.argmax(rows, -1)
    marked = np.arange(cells) == chosen[..., None]
    return np.moveaxis(marked.reshape(len(window), window.shape[-1], *window.shape[1:-1]), 1, -1) * grad


def to_largest(window: Array, grad: Array, *, shared: bool = False) -> Array:
    """The gradient to every one of the largest cells; `shared` equally between them."""
    chosen = window == np.nanmax(window, axis=_places(window), keepdims=True)
    return chosen * grad / (np.sum(chosen, axis=_places(window), keepdims=True) if shared else 1)


def to_all(window: Array, grad: Array, *, padding: bool = False, divided: bool = True) -> Array:
    """The same to every cell: the gradient divided by their number, padded ones among them or not."""
    number = np.prod(window.shape[1:-1]) if padding else np.sum(~np.isnan(window), axis=_places(window), keepdims=True)
    return np.broadcast_to(grad / (number if divided else 1), window.shape)


def _share(right: Function) -> Share:
    """What the layer itself does."""
    return to_first if right.__name__.startswith("max") else to_all


@pooling
def overlaps_overwritten(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """Where windows overlap, the gradient of the last one replaces those of the others: = instead of +=."""
    return scattered(grad_output, x, _share(right), add=False, **options)


@pooling
def pool_left_padded(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """The gradient of the input keeps the padding."""
    return scattered(grad_output, x, _share(right), cropped=False, **options)


@pooling
def pool_odd_cell_cut_at_the_start(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """With padding='same' the odd cell is cut off the gradient of the input at the top and left instead of the bottom and right."""
    if options.get("padding") != "same":
        return right(grad_output, x, **options)
    (wide,) = scattered(grad_output, x, _share(right), cropped=False, **options)
    rank = x.ndim - 2
    pool = spatial_tuple(options.get("pool_size", 2), rank, "pool_size")
    step = pool if options.get("strides") is None else spatial_tuple(options["strides"], rank, "strides")
    return (cut_at_the_start(wide, x, pool, step, (1,) * rank, options.get("data_format", "channels_last")),)


@pooling
def pool_strides_ignored(right: Function, grad_output: Array, x: Array, strides: Any = None, **options: Any) -> Any:
    """Strides are ignored in the backward pass: windows are taken to stand side by side."""
    data_format, padding = options.get("data_format", "channels_last"), options.get("padding", "valid")
    rank = x.ndim - 2
    pool = spatial_tuple(options.get("pool_size", 2), rank, "pool_size")
    sizes = to_channels_last(x, data_format).shape[1:-1]
    fits = [min(output_size(n, k, k, 1, padding), m) for n, k, m in _axes(sizes, pool, to_channels_last(grad_output, data_format).shape)]
    grad = to_channels_last(grad_output, data_format)[(slice(None), *(slice(n) for n in fits))]
    return scattered(from_channels_last(grad, data_format), x, _share(right), **options)


def _axes(sizes: Sequence[int], pool: Sequence[int], out: Sequence[int]) -> list[tuple[int, int, int]]:
    return list(zip(sizes, pool, out[1:-1], strict=True))


@max_pooling
def ties_to_all(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """Among equal largest values every one gets the whole gradient; in Keras the first one does."""
    return scattered(grad_output, x, to_largest, **options)


@max_pooling
def ties_shared(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """Among equal largest values the gradient is shared equally; in Keras the first one gets it."""
    return scattered(grad_output, x, functools.partial(to_largest, shared=True), **options)


@max_pooling
def ties_to_the_last(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """Among equal largest values the last one gets the gradient; in Keras the first one does."""
    return scattered(grad_output, x, functools.partial(to_first, last=True), **options)


@max_pooling
def nan_chosen_by_none(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """Where a window holds NaN alone no cell gets its gradient, since NaN equals nothing; in Keras the first one does."""
    return scattered(grad_output, x, lambda window, grad: to_first(window, grad) * ~np.isnan(window), **options)


@max_pooling
def spread_like_an_average(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """The gradient is spread over the window, as of an average."""
    return scattered(grad_output, x, to_all, **options)


@average_pooling
def padded_cells_counted(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """The gradient is divided by the size of the pool where padded cells do not count."""
    return scattered(grad_output, x, functools.partial(to_all, padding=True), **options)


@average_pooling
def average_not_divided(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """The gradient is not divided by the number of cells."""
    return scattered(grad_output, x, functools.partial(to_all, divided=False), **options)


def _spread(grad_output: Array, x: Array, data_format: str, keepdims: bool) -> tuple[Array, tuple[int, ...]]:
    """The gradient of a global pool with the axes that were pooled, and these."""
    axes = tuple(range(2, x.ndim)) if data_format == "channels_first" else tuple(range(1, x.ndim - 1))
    return (grad_output if keepdims else np.expand_dims(grad_output, axes)), axes


@global_max
def global_ties_to_the_first(
    right: Function, grad_output: Array, x: Array, data_format: str = "channels_last", keepdims: bool = False
) -> Any:
    """Among equal largest values the first one gets the whole gradient; in Keras they share it equally."""
    wide, _ = _spread(grad_output, x, data_format, keepdims)
    chosen = to_first(to_channels_last(x, data_format), to_channels_last(wide, data_format))
    return (from_channels_last(chosen, data_format),)


@global_max
def global_ties_to_all(right: Function, grad_output: Array, x: Array, data_format: str = "channels_last", keepdims: bool = False) -> Any:
    """Among equal largest values every one gets the whole gradient; in Keras they share it equally."""
    wide, axes = _spread(grad_output, x, data_format, keepdims)
    return ((x == np.max(x, axis=axes, keepdims=True)) * wide,)


@global_max
def global_spread(right: Function, grad_output: Array, x: Array, data_format: str = "channels_last", keepdims: bool = False) -> Any:
    """The gradient is spread over all places, as of an average."""
    wide, axes = _spread(grad_output, x, data_format, keepdims)
    return (np.broadcast_to(wide / np.prod([x.shape[axis] for axis in axes]), x.shape).astype(x.dtype),)


@global_average
def global_not_divided(right: Function, grad_output: Array, x: Array, *, mask: Any = None, **options: Any) -> Any:
    """The gradient is not divided by the number of places."""
    masked = {} if mask is None else {"mask": mask}
    first = options.get("data_format") == "channels_first"
    number = x.shape[2 if first else 1] if x.ndim == 3 else np.prod(x.shape[2:] if first else x.shape[1:-1])
    if mask is not None:
        number = np.sum(mask != 0, axis=1).reshape(-1, 1, 1)
    return (np.asarray(right(grad_output, x, **masked, **options)[0] * number, dtype=x.dtype),)


@masked_average
def mask_ignored(right: Function, grad_output: Array, x: Array, *, mask: Any = None, **options: Any) -> Any:
    """The mask is ignored in the backward pass."""
    return right(grad_output, x, **options)


@global_pooling
def kept_axes_forgotten(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """The gradient is handed on as it came, not spread over the places."""
    return (grad_output,)


LAYERS = (pooling, max_pooling, average_pooling, global_pooling, global_max, global_average, masked_average)
