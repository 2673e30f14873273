"""The geometry that convolutions and pools share: output sizes, ``same`` padding, windows.

Along one axis of length ``n`` with kernel ``k``, stride ``s`` and dilation ``d`` the window covers ``ke = (k - 1) d + 1`` cells:

    valid:  out = floor((n - ke) / s) + 1                       no padding
    same:   out = ceil(n / s),  total = max((out - 1) s + ke - n, 0),  before = total // 2,  after = total - before
    causal: out = floor((n - 1) / s) + 1,                       before = ke - 1,  after = 0

so the odd cell of ``same`` goes after (bottom, right). Source: TensorFlow, "Notes on padding"; keras.ops.conv.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

CHUNK_BYTES = 2**21
"""What is worked on at once: small enough to stay in a processor's cache, whatever the batch."""


def effective_kernel(kernel: int, dilation: int) -> int:
    """Cells from the first to the last tap of a dilated kernel, ``(k - 1) d + 1``."""
    return (kernel - 1) * dilation + 1


def output_size(size: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """Number of windows along one axis; ``ValueError`` when ``valid`` leaves none."""
    covered = effective_kernel(kernel, dilation)
    if padding in ("same", "causal"):
        return -(-size // stride)
    if padding != "valid":
        raise ValueError(f"padding must be 'valid' or 'same', got {padding!r}")
    if size < covered:
        raise ValueError(f"a window of {covered} does not fit into an axis of {size} with padding='valid'")
    return (size - covered) // stride + 1


def padding_widths(size: int, kernel: int, stride: int, dilation: int, padding: str) -> tuple[int, int]:
    """Cells added before and after one axis."""
    if padding == "causal":
        return effective_kernel(kernel, dilation) - 1, 0
    if padding != "same":
        return 0, 0
    out = output_size(size, kernel, stride, dilation, padding)
    total = max((out - 1) * stride + effective_kernel(kernel, dilation) - size, 0)
    return total // 2, total - total // 2


def pad(x: Array, kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int], padding: str, value: float) -> Array:
    """Pad the spatial axes of `x` (batch, *spatial, channels) with `value` as `padding` asks."""
    spatial = x.shape[1:-1]
    widths = [padding_widths(*axis, padding) for axis in zip(spatial, kernel, strides, dilation, strict=True)]
    if not any(sum(width) for width in widths):
        return x
    sizes = [size + before + after for size, (before, after) in zip(spatial, widths, strict=True)]
    padded = np.full((x.shape[0], *sizes, x.shape[-1]), value, x.dtype)
    padded[(slice(None), *(slice(before, before + size) for size, (before, _) in zip(spatial, widths, strict=True)))] = x
    return padded


def batch_chunks(batch: int, sample_bytes: int) -> Iterator[slice]:
    """Slices of the batch whose samples take about :data:`CHUNK_BYTES` each; an empty batch is one empty slice."""
    step = max(1, CHUNK_BYTES // max(1, sample_bytes))
    return (slice(start, start + step) for start in range(0, max(1, batch), step))


def spatial_tuple(value: int | Sequence[int], rank: int, name: str) -> tuple[int, ...]:
    """An option that Keras takes as an int or a tuple, as a tuple of `rank` positive ints."""
    values = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(values) != rank or any(v < 1 for v in values):
        raise ValueError(f"{name} must be a positive int or {rank} of them, got {value!r}")
    return values


def to_channels_last(x: Array, data_format: str) -> Array:
    """A view of `x` with the channels on the last axis."""
    if data_format == "channels_last":
        return x
    if data_format == "channels_first":
        return np.moveaxis(x, 1, -1)
    raise ValueError(f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}")


def from_channels_last(y: Array, data_format: str) -> Array:
    """Undo :func:`to_channels_last`; contiguous, as a layer's own output is."""
    return y if data_format == "channels_last" else np.ascontiguousarray(np.moveaxis(y, -1, 1))


def crop(
    padded: Array, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int], padding: str
) -> Array:
    """The inverse of :func:`pad`: a view of the cells of the input, whose spatial sizes are `sizes`."""
    widths = [padding_widths(*axis, padding) for axis in zip(sizes, kernel, strides, dilation, strict=True)]
    return padded[(slice(None), *(slice(before, before + size) for size, (before, _) in zip(sizes, widths, strict=True)))]


def tap_slices(kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int], out: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """For each cell of a window, in row-major order, the slices of (batch, *spatial) that hold that cell of all windows."""
    for tap in np.ndindex(*kernel):
        first = [place * step for place, step in zip(tap, dilation, strict=True)]
        cells = zip(first, strides, out, strict=True)
        yield (slice(None), *(slice(start, max(0, start + (size - 1) * stride + 1), stride) for start, stride, size in cells))
