"""Convolution layers: every one is a matrix product of patches and the kernel."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from reference.activations import activation_function
from reference.windows import batch_chunks, from_channels_last, output_size, pad, padding_widths, spatial_tuple, to_channels_last

Array = NDArray[Any]


def conv1d_forward(
    x: Array,
    kernel: Array,
    bias: Array | None = None,
    *,
    strides: int | Sequence[int] = (1,),
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: int | Sequence[int] = (1,),
    groups: int = 1,
    activation: str | None = None,
) -> Array:
    r"""Convolution over one axis: ``y[b, i, f] = activation(bias[f] + sum over (u, c) of x[b, i s + u d, c] kernel[u, c, f])``.

    Parameters
    ----------
    x : float array (batch, time, channels), or (batch, channels, time) with ``channels_first``
    kernel : array (kernel_size, channels / groups, filters)
    bias : array (filters,), optional
    padding : 'valid', 'same' or 'causal'
        ``causal`` adds ``d (k - 1)`` zeros before the first step, so that no output sees a later input.
    strides, data_format, dilation_rate, groups, activation
        As in :func:`conv2d_forward`.

    Returns
    -------
    y : array (batch, out_time, filters), laid out as `x`

    Raises
    ------
    ValueError
        If shapes and options do not fit each other, or `x` is not a float array.

    Source: keras.layers.Conv1D.
    """
    return _convolution(x, kernel, bias, 1, strides, padding, data_format, dilation_rate, groups, activation)


def conv2d_forward(
    x: Array,
    kernel: Array,
    bias: Array | None = None,
    *,
    strides: int | Sequence[int] = (1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: int | Sequence[int] = (1, 1),
    groups: int = 1,
    activation: str | None = None,
) -> Array:
    r"""Two-dimensional convolution (cross-correlation: the kernel is not flipped).

    ``y[b, i, j, f] = activation(bias[f] + sum over (u, v, c) of x[b, i s + u d, j s + v d, c] kernel[u, v, c, f])``

    with stride ``s`` and dilation ``d`` of each axis, on the padded `x` (see :mod:`reference.windows`).
    With ``groups = G``, filters ``[g F/G, (g+1) F/G)`` see only the input channels ``[g C/G, (g+1) C/G)``.

    Parameters
    ----------
    x : float array (batch, height, width, channels), or (batch, channels, height, width) with ``channels_first``
    kernel : array (kernel_height, kernel_width, channels / groups, filters)
    bias : array (filters,), optional
    strides, dilation_rate : int or (height, width)
        Only one of them may exceed 1.
    padding : 'valid' or 'same'
        ``same`` pads with zeros, the odd cell at the bottom and right.
    data_format : 'channels_last' or 'channels_first'
    groups : int
        Divides channels and filters.
    activation : str, optional
        Name of an activation function, applied to the last axis of the output as it is laid out.

    Returns
    -------
    y : array (batch, out_height, out_width, filters), laid out as `x`

    Raises
    ------
    ValueError
        If shapes and options do not fit each other, or `x` is not a float array.

    Source: keras.layers.Conv2D.
    """
    return _convolution(x, kernel, bias, 2, strides, padding, data_format, dilation_rate, groups, activation)


def _convolution(
    x: Array,
    kernel: Array,
    bias: Array | None,
    rank: int,
    strides: int | Sequence[int],
    padding: str,
    data_format: str,
    dilation_rate: int | Sequence[int],
    groups: int,
    activation: str | None,
) -> Array:
    strides, dilation = spatial_tuple(strides, rank, "strides"), spatial_tuple(dilation_rate, rank, "dilation_rate")
    padding = padding.lower()
    if padding == "causal" and rank != 1:
        raise ValueError("padding='causal' is for Conv1D alone")
    x = np.asarray(x)
    _check_convolution(x, kernel, rank, strides, dilation, data_format, groups)
    activate = activation_function(activation)
    y: Array | None = None
    for rows, patches in _patch_chunks(x, kernel.shape[:rank], strides, padding, dilation, data_format, groups):
        part = _product(patches, kernel, groups)
        if bias is not None:
            part += bias
        part = activate(from_channels_last(part, data_format))
        if y is None:
            y = np.empty((x.shape[0], *part.shape[1:]), part.dtype)
        y[rows] = part
    assert y is not None
    return y


def _patch_chunks(
    x: Array,
    kernel: Sequence[int],
    strides: Sequence[int],
    padding: str,
    dilation: Sequence[int],
    data_format: str,
    groups: int,
) -> Iterator[tuple[slice, Array]]:
    """Chunks of the batch with their patches, a view (batch, *out, *kernel, groups, channels / groups) of the padded input."""
    x = to_channels_last(x, data_format)
    rank = len(kernel)
    axes = list(zip(x.shape[1:-1], kernel, strides, dilation, strict=True))
    out = [output_size(*axis, padding) for axis in axes]
    padded_sizes = [axis[0] + sum(padding_widths(*axis, padding)) for axis in axes]
    # An image takes its patches, or itself with its padding, which a wide dilation makes the larger one.
    image_bytes = max(math.prod(out) * math.prod(kernel), math.prod(padded_sizes)) * x.shape[-1] * x.itemsize
    for rows in batch_chunks(x.shape[0], image_bytes):
        padded = np.ascontiguousarray(pad(x[rows], kernel, strides, dilation, padding, 0.0))
        batch_stride, *cell, channel = padded.strides
        per_group = x.shape[-1] // groups
        yield (
            rows,
            as_strided(
                padded,
                (padded.shape[0], *out, *kernel, groups, per_group),
                (
                    batch_stride,
                    *(cell[axis] * strides[axis] for axis in range(rank)),
                    *(cell[axis] * dilation[axis] for axis in range(rank)),
                    channel * per_group,
                    channel,
                ),
                writeable=False,
            ),
        )


def _product(patches: Array, kernel: Array, groups: int) -> Array:
    """Patches times kernel, group by group: (batch, *out, filters)."""
    rank = kernel.ndim - 2
    places, terms, filters = patches.shape[: rank + 1], int(np.prod(kernel.shape[:-1])), kernel.shape[-1]
    # (groups, places, terms) @ (groups, terms, filters / groups)
    left = np.moveaxis(patches, -2, 0).reshape(groups, int(np.prod(places)), terms)
    right = np.moveaxis(kernel.reshape(terms, groups, filters // groups), 1, 0)
    return np.moveaxis(left @ right, 0, 1).reshape(*places, filters)


def _check_convolution(
    x: Array, kernel: Array, rank: int, strides: Sequence[int], dilation: Sequence[int], data_format: str, groups: int
) -> None:
    if x.ndim != rank + 2 or kernel.ndim != rank + 2:
        raise ValueError(f"a convolution over {rank} axes takes arrays of rank {rank + 2}, got {x.shape} and {kernel.shape}")
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f"a convolution takes a float array, got {x.dtype}")
    channels = to_channels_last(x, data_format).shape[-1]
    if groups < 1 or channels != kernel.shape[-2] * groups or kernel.shape[-1] % groups:
        raise ValueError(f"{channels} channels and a kernel {kernel.shape} do not fit groups={groups}")
    if max(strides) > 1 and max(dilation) > 1:
        raise ValueError(f"strides {tuple(strides)} and dilation_rate {tuple(dilation)} cannot both exceed 1")
