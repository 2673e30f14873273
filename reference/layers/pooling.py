"""Pooling layers: one number for each window. Those with one for the whole of each channel are in :mod:`.global_pooling`."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import Gradients, fitting
from reference._options import takes_options_of
from reference.layers.options import DATA_FORMAT, PADDING, extents
from reference.layers.shapes import Config, Rule, Shape, channels_of, check_cells, laid_out, window_counts
from reference.layers.spec import REQUIRED, Function, LayerSpec, Option, layer
from reference.layers.windows import (
    batch_chunks,
    crop,
    from_channels_last,
    output_size,
    pad,
    padding_widths,
    spatial_tuple,
    tap_slices,
    to_channels_last,
)

__all__ = [
    "average_pooling1d_backward", "average_pooling1d_forward", "average_pooling2d_backward", "average_pooling2d_forward",
    "max_pooling1d_backward", "max_pooling1d_forward", "max_pooling2d_backward", "max_pooling2d_forward",
]  # fmt: skip

Array = NDArray[Any]


class PoolOptions(TypedDict, total=False):
    """Options of all these layers beside `pool_size`, read by :func:`_pooled`; :func:`max_pooling2d_forward` says what they do."""

    strides: int | Sequence[int] | None
    padding: str
    data_format: str


def _pooled(
    rank: int,
    x: Array,
    pool_size: int | Sequence[int],
    *,
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str = "channels_last",
) -> tuple[Array, PoolGeometry]:
    """`x` with the channels last, and its windows, once all is checked."""
    x = to_channels_last(np.asarray(x), data_format)
    if x.ndim != rank + 2:
        raise ValueError(f"pooling over {rank} axes takes an array of rank {rank + 2}, got the shape {x.shape}")
    if padding.lower() not in ("valid", "same"):
        raise ValueError(f"padding must be 'valid' or 'same', got {padding!r}")
    pool = spatial_tuple(pool_size, rank, "pool_size")
    steps = pool if strides is None else spatial_tuple(strides, rank, "strides")
    sizes = zip(x.shape[1:-1], pool, steps, strict=True)
    out = tuple(output_size(size, k, s, 1, padding.lower()) for size, k, s in sizes)
    return x, PoolGeometry(pool, steps, out, padding.lower(), data_format)


@takes_options_of(_pooled)
def max_pooling1d_forward(x: Array, *, pool_size: int | Sequence[int] = (2,), **options: Unpack[PoolOptions]) -> Array:
    r"""Largest value of each window of steps: ``y[b, i, c] = max over u of x[b, i s + u, c]``.

    `x` is (batch, time, channels), or (batch, channels, time) with ``channels_first``; the rest as in :func:`max_pooling2d_forward`.

    Source: keras.layers.MaxPooling1D.
    """
    return _max_pooling1d_run(x, pool_size=pool_size, **options)[0]


def max_pooling1d_backward(grad_output: ArrayLike, x: Array, **options: Any) -> Gradients:
    """``(grad_x,)`` of :func:`max_pooling1d_forward`, whose options it takes; see :func:`max_pooling2d_backward`."""
    return _max_pooling1d_gradients(grad_output, _max_pooling1d_run(x, **options)[1])


@takes_options_of(_pooled)
def max_pooling2d_forward(x: Array, *, pool_size: int | Sequence[int] = (2, 2), **options: Unpack[PoolOptions]) -> Array:
    r"""Largest value of each window: ``y[b, i, j, c] = max over (u, v) of x[b, i s + u, j s + v, c]``.

    Parameters
    ----------
    x : array (batch, height, width, channels), or (batch, channels, height, width) with ``channels_first``
    pool_size : int or (height, width)
    strides : int or (height, width)
        None means `pool_size`.
    padding : 'valid' or 'same'
        Cells added by ``same`` never win: they count as minus infinity.
    data_format : 'channels_last' or 'channels_first'

    Returns
    -------
    y : array (batch, out_height, out_width, channels), laid out and typed as `x`
        A NaN never wins over a number; a window of NaN or of minus infinity alone gives minus infinity.

    Raises
    ------
    ValueError
        If `x` is not of rank 4, an option has another value, or a window does not fit.

    Source: keras.layers.MaxPooling2D.
    """
    return _max_pooling2d_run(x, pool_size=pool_size, **options)[0]


def max_pooling2d_backward(grad_output: ArrayLike, x: Array, **options: Any) -> Gradients:
    r"""``(grad_x,)`` of :func:`max_pooling2d_forward`, whose options it takes; None for integers.

    ``grad_x[b, m, n, c] = sum of grad_output[b, i, j, c]`` over the windows (i, j) that chose the cell (m, n). A window chooses its
    largest cell, of several the first in row-major order. A NaN that is its first cell is chosen too, though another cell wins the
    forward pass: so do the gradients of TensorFlow.

    ValueError if `grad_output` does not have the shape of the output, or as the forward pass.
    """
    return _max_pooling2d_gradients(grad_output, _max_pooling2d_run(x, **options)[1])


@takes_options_of(_pooled)
def average_pooling1d_forward(x: Array, *, pool_size: int | Sequence[int], **options: Unpack[PoolOptions]) -> Array:
    r"""Mean of each window of steps: ``y[b, i, c] = mean over u of x[b, i s + u, c]``.

    `x` is (batch, time, channels), or (batch, channels, time) with ``channels_first``; the rest as in :func:`average_pooling2d_forward`.

    Source: keras.layers.AveragePooling1D.
    """
    return _average_pooling1d_run(x, pool_size=pool_size, **options)[0]


def average_pooling1d_backward(grad_output: ArrayLike, x: Array, **options: Any) -> Gradients:
    """``(grad_x,)`` of :func:`average_pooling1d_forward`, whose options it takes; see :func:`average_pooling2d_backward`."""
    return _average_pooling1d_gradients(grad_output, _average_pooling1d_run(x, **options)[1])


@takes_options_of(_pooled)
def average_pooling2d_forward(x: Array, *, pool_size: int | Sequence[int], **options: Unpack[PoolOptions]) -> Array:
    r"""Mean of each window: ``y[b, i, j, c] = mean over (u, v) of x[b, i s + u, j s + v, c]``.

    Parameters
    ----------
    x : float array (batch, height, width, channels), or (batch, channels, height, width) with ``channels_first``
    pool_size : int or (height, width)
    strides : int or (height, width)
        None means `pool_size`.
    padding : 'valid' or 'same'
        Cells added by ``same`` do not count: the sum is divided by the number of cells of `x` in the window.
    data_format : 'channels_last' or 'channels_first'

    Returns
    -------
    y : array (batch, out_height, out_width, channels), laid out and typed as `x`

    Raises
    ------
    ValueError
        If `x` is not a float array of rank 4, an option has another value, or a window does not fit.

    Source: keras.layers.AveragePooling2D.
    """
    return _average_pooling2d_run(x, pool_size=pool_size, **options)[0]


def average_pooling2d_backward(grad_output: ArrayLike, x: Array, **options: Any) -> Gradients:
    r"""``(grad_x,)`` of :func:`average_pooling2d_forward`, whose options it takes.

    ``grad_x[b, m, n, c] = sum of grad_output[b, i, j, c] / N[i, j]`` over the windows (i, j) that hold the cell (m, n),
    of which ``N`` cells are cells of `x`.

    ValueError if `grad_output` does not have the shape of the output, or as the forward pass.
    """
    return _average_pooling2d_gradients(grad_output, _average_pooling2d_run(x, **options)[1])


class PoolGeometry(NamedTuple):
    """Pool, strides and output sizes of a pooling layer, one number an axis, its padding, and how its arrays lie."""

    pool: tuple[int, ...]
    strides: tuple[int, ...]
    out: tuple[int, ...]
    padding: str
    data_format: str

    def padded(self, sizes: Sequence[int]) -> list[int]:
        """The sizes of the padded input."""
        axes = zip(sizes, self.pool, self.strides, strict=True)
        return [size + sum(padding_widths(size, k, s, 1, self.padding)) for size, k, s in axes]


class SavedPool(NamedTuple):
    """What the gradients of a pool need: input and output with the channels last."""

    x: Array
    y: Array
    geometry: PoolGeometry


def _max_pooling_run(rank: int, x: Array, *, pool_size: int | Sequence[int] = 2, **options: Unpack[PoolOptions]) -> tuple[Array, SavedPool]:
    x, geometry = _pooled(rank, x, pool_size, **options)
    lowest = np.iinfo(x.dtype).min if np.issubdtype(x.dtype, np.integer) else -np.inf
    y = np.empty((x.shape[0], *geometry.out, x.shape[-1]), x.dtype)
    for rows, windows in _chunks(x, geometry, lowest):
        # The maximum over a rectangle is that over its rows, then over its columns; fmax is the maximum that skips NaN.
        np.fmax(_by_axis(windows, geometry, np.fmax), np.asarray(lowest, x.dtype), out=y[rows])
    return from_channels_last(y, geometry.data_format), SavedPool(x, y, geometry)


def _max_pooling_gradients(grad_output: ArrayLike, saved: SavedPool) -> Gradients:
    x, y, geometry = saved
    grad = _grad_last(grad_output, saved)
    if x.dtype.kind != "f":
        return (None,)
    grad_x, zero = np.empty_like(x), x.dtype.type(0)
    taps = list(tap_slices(geometry.pool, geometry.strides, (1,) * len(geometry.pool), geometry.out))
    firsts = _first_cells(x, geometry, taps)
    # Twice as fast as np.where, but no use for infinite numbers, whose product with 0 is NaN.
    gated = np.multiply if np.isfinite(grad).all() else lambda one, chosen: np.where(chosen, one, zero)
    # A padded cell is NaN, which equals nothing, and never the first cell: no window chooses it.
    for rows, cells in _chunks(x, geometry, np.nan):
        undecided = np.ones(y[rows].shape, bool)
        spread = np.zeros_like(cells)
        some_nan = bool(np.isnan(x[rows]).any())
        for tap, first in zip(taps, firsts, strict=True):
            chosen = cells[tap] == y[rows]
            if some_nan:
                chosen |= first & np.isnan(cells[tap])
            chosen &= undecided
            undecided ^= chosen
            spread[tap] += gated(grad[rows], chosen)
        grad_x[rows] = _cropped(spread, x, geometry)
    return (from_channels_last(grad_x, geometry.data_format),)


def _first_cells(x: Array, geometry: PoolGeometry, taps: list[tuple[slice, ...]]) -> list[Array]:
    """For each cell of a window, (1, *out, 1): whether it is the first of its window that is a cell of `x`."""
    ((_, real),) = _chunks(np.ones((1, *x.shape[1:-1], 1), bool), geometry, False)
    seen = np.zeros((1, *geometry.out, 1), bool)
    firsts = []
    for tap in taps:
        firsts.append(real[tap] & ~seen)
        seen |= real[tap]
    return firsts


def _average_pooling_run(rank: int, x: Array, *, pool_size: int | Sequence[int], **options: Unpack[PoolOptions]) -> tuple[Array, SavedPool]:
    if not np.issubdtype(np.asarray(x).dtype, np.floating):
        raise ValueError(f"average pooling takes a float array, got {np.asarray(x).dtype}")
    x, geometry = _pooled(rank, x, pool_size, **options)
    y = np.empty((x.shape[0], *geometry.out, x.shape[-1]), x.dtype)
    count = _count(x, geometry)
    for rows, windows in _chunks(x, geometry, 0):
        np.divide(_by_axis(windows, geometry, np.add), count, out=y[rows])
    return from_channels_last(y, geometry.data_format), SavedPool(x, y, geometry)


def _average_pooling_gradients(grad_output: ArrayLike, saved: SavedPool) -> Gradients:
    x, _, geometry = saved
    grad, count = _grad_last(grad_output, saved), _count(x, geometry)
    grad_x = np.empty_like(x)
    for rows in batch_chunks(x.shape[0], math.prod(x.shape[1:]) * x.itemsize):
        grad_x[rows] = _cropped(_spread(grad[rows] / count, geometry, x.shape[1:-1]), x, geometry)
    return (from_channels_last(grad_x, geometry.data_format),)


def _count(x: Array, geometry: PoolGeometry) -> Array:
    """The number of cells of `x` in each window, (1, *out, 1)."""
    ((_, cells),) = _chunks(np.ones((1, *x.shape[1:-1], 1), x.dtype), geometry, 0)
    return _by_axis(cells, geometry, np.add)


def _grad_last(grad_output: ArrayLike, saved: SavedPool) -> Array:
    """`grad_output` with the channels last."""
    _, y, geometry = saved
    shape = from_channels_last(y[:0], geometry.data_format).shape[1:]
    return to_channels_last(fitting(grad_output, (y.shape[0], *shape), y.dtype), geometry.data_format)


def _cropped(padded: Array, x: Array, geometry: PoolGeometry) -> Array:
    """The cells of `x` of an array with its padding."""
    return crop(padded, x.shape[1:-1], geometry.pool, geometry.strides, (1,) * len(geometry.pool), geometry.padding)


def _chunks(x: Array, geometry: PoolGeometry, value: float) -> Iterator[tuple[slice, Array]]:
    """Chunks of the batch, padded with `value`."""
    pool, steps, _, padding, _ = geometry
    for rows in batch_chunks(x.shape[0], math.prod(x.shape[1:]) * x.itemsize):
        yield rows, pad(x[rows], pool, steps, (1,) * len(pool), padding, value)


def _by_axis(x: Array, geometry: PoolGeometry, combine: np.ufunc) -> Array:
    """`combine` over the cells of each window, axis after axis: one pass over the array for each cell along an axis."""
    for axis, places in enumerate(_axis_taps(geometry), start=1):
        cells = [x[(slice(None),) * axis + (place,)] for place in places]
        x = cells[0]
        for n, cell in enumerate(cells[1:]):
            x = combine(x, cell, out=x if n else None)
    return x


def _spread(grad: Array, geometry: PoolGeometry, sizes: Sequence[int]) -> Array:
    """The transpose of :func:`_by_axis` with ``np.add``: every window's number added to all of its cells, in an array with its padding."""
    padded = geometry.padded(sizes)
    for axis, places in reversed(list(enumerate(_axis_taps(geometry), start=1))):
        wide = np.zeros((*grad.shape[:axis], padded[axis - 1], *grad.shape[axis + 1 :]), grad.dtype)
        for place in places:
            wide[(slice(None),) * axis + (place,)] += grad
        grad = wide
    return grad


def _axis_taps(geometry: PoolGeometry) -> list[list[slice]]:
    """For each axis and each cell of a window along it, the slice that holds that cell of all windows."""
    pool, strides, out, *_ = geometry
    return [[tap[1] for tap in tap_slices((k,), (s,), (1,), (n,))] for k, s, n in zip(pool, strides, out, strict=True)]


_max_pooling1d_run, _max_pooling2d_run = functools.partial(_max_pooling_run, 1), functools.partial(_max_pooling_run, 2)
_max_pooling1d_gradients = _max_pooling2d_gradients = _max_pooling_gradients
_average_pooling1d_run, _average_pooling2d_run = functools.partial(_average_pooling_run, 1), functools.partial(_average_pooling_run, 2)
_average_pooling1d_gradients = _average_pooling2d_gradients = _average_pooling_gradients


def _output(rank: int) -> Rule:
    def rule(config: Config, shape: Shape) -> Shape:
        pool = config.get("pool_size", 2)
        windows = window_counts(config, shape, rank, pool, pool if config.get("strides") is None else config["strides"])
        # Pooling goes axis after axis, so that the cells of a window add up instead of multiplying.
        check_cells(windows, sum([pool] * rank if isinstance(pool, int) else pool))
        return laid_out(config, shape, windows, channels_of(config, shape))

    return rule


def _record(class_name: str, rank: int, forward: Function, run: Function, gradients: Function, pool_size: Any = REQUIRED) -> LayerSpec:
    options = {
        "pool_size": Option(pool_size, extents(rank), length=rank),
        "strides": Option(None, extents(rank, or_none=True), length=rank, like="pool_size"),
        "padding": Option("valid", PADDING),
        "data_format": Option("channels_last", DATA_FORMAT),
    }
    return layer(LayerSpec(class_name, forward, run, gradients, options=options, output=_output(rank)))


MAX_POOLING1D = _record("MaxPooling1D", 1, max_pooling1d_forward, _max_pooling1d_run, _max_pooling_gradients, (2,))
MAX_POOLING2D = _record("MaxPooling2D", 2, max_pooling2d_forward, _max_pooling2d_run, _max_pooling_gradients, (2, 2))
AVERAGE_POOLING1D = _record("AveragePooling1D", 1, average_pooling1d_forward, _average_pooling1d_run, _average_pooling_gradients)
AVERAGE_POOLING2D = _record("AveragePooling2D", 2, average_pooling2d_forward, _average_pooling2d_run, _average_pooling_gradients)
