"""Convolution layers: every one is a matrix product of patches and the kernel."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import ArrayLike, NDArray

from reference._arrays import Gradients, fitting, summed
from reference.activations import activation_function, activation_gradient
from reference.activations.piecewise import linear, relu
from reference.layers.options import ACTIVATION, COUNT, DATA_FORMAT, PADDING, PADDING_OR_CAUSAL, Allowed, extents
from reference.layers.shapes import (
    Config,
    Rule,
    Shape,
    activated,
    channels_of,
    check_cells,
    count,
    is_dimension,
    laid_out,
    sizes,
    window_counts,
)
from reference.layers.spec import BY_LOGITS, REQUIRED, USE_BIAS, Function, LayerSpec, Option, Weight, layer
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

__all__ = ["conv1d_backward", "conv1d_forward", "conv2d_backward", "conv2d_forward"]

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
    options: dict[str, Any] = {"strides": strides, "padding": padding, "data_format": data_format, "dilation_rate": dilation_rate}
    return _conv1d_run(x, kernel, bias, **options, groups=groups, activation=activation, keep=False)[0]


def conv1d_backward(grad_output: ArrayLike, x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Gradients:
    r"""Gradients of :func:`conv1d_forward`, whose options it takes; see :func:`conv2d_backward`."""
    return _convolution_gradients(grad_output, _conv1d_run(x, kernel, bias, **options)[1])


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

    with stride ``s`` and dilation ``d`` of each axis, on the padded `x` (see :mod:`reference.layers.windows`).
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
    options: dict[str, Any] = {"strides": strides, "padding": padding, "data_format": data_format, "dilation_rate": dilation_rate}
    return _conv2d_run(x, kernel, bias, **options, groups=groups, activation=activation, keep=False)[0]


def conv2d_backward(grad_output: ArrayLike, x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Gradients:
    r"""Gradients of :func:`conv2d_forward`, whose options it takes.

    With ``z`` the output before the activation and ``grad_z = grad_output * activation'(z)``:

    ``grad_kernel[u, v, c, f] = sum over (b, i, j) of x[b, i s + u d, j s + v d, c] grad_z[b, i, j, f]``
    ``grad_x[b, m, n, c]      = sum over (u, v, f) of grad_z[b, i, j, f] kernel[u, v, c, f]``, with ``i s + u d = m``, ``j s + v d = n``
    ``grad_bias[f]            = sum over (b, i, j) of grad_z[b, i, j, f]``

    on the padded `x`, whose added cells take no gradient. With groups, each group of channels and filters by itself.

    Returns
    -------
    grad_x, grad_kernel, grad_bias : arrays of the shapes of `x`, `kernel`, `bias`; None for a bias that is None

    Raises
    ------
    ValueError
        If `grad_output` does not have the shape of the output, or as :func:`conv2d_forward`.

    Source: Dumoulin and Visin 2016, arXiv:1603.07285, chapter 4; keras.layers.Conv2D.
    """
    return _convolution_gradients(grad_output, _conv2d_run(x, kernel, bias, **options)[1])


class ConvolutionGeometry(NamedTuple):
    """The options that say which cells of the input a place of the output sees."""

    strides: tuple[int, ...]
    padding: str
    dilation: tuple[int, ...]
    data_format: str
    groups: int


class SavedConvolution(NamedTuple):
    """What the gradients of a convolution need; `z` is the output before the activation."""

    x: Array
    kernel: Array
    biased: bool
    z: Array
    y: Array
    geometry: ConvolutionGeometry
    activation: str | None

    def logits(self) -> tuple[Array, Function] | None:
        """See :class:`reference.layers.spec.EndsInActivation`."""
        without = self._replace(activation=None)
        return (self.z, lambda grad, **options: _convolution_gradients(grad, without, **options)) if self.activation in BY_LOGITS else None


def _convolution_run(
    rank: int,
    x: Array,
    kernel: Array,
    bias: Array | None = None,
    *,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: int | Sequence[int] = 1,
    groups: int = 1,
    activation: str | None = None,
    keep: bool = True,
) -> tuple[Array, SavedConvolution]:
    """`keep` says whether the output before the activation is kept, as large as the output itself."""
    strides, dilation = spatial_tuple(strides, rank, "strides"), spatial_tuple(dilation_rate, rank, "dilation_rate")
    padding = padding.lower()
    if padding == "causal" and rank != 1:
        raise ValueError("padding='causal' is for Conv1D alone")
    x = np.asarray(x)
    _check_convolution(x, kernel, rank, strides, dilation, data_format, groups)
    geometry = ConvolutionGeometry(strides, padding, dilation, data_format, groups)
    activate = activation_function(activation)
    outputs: list[Array] = []
    columns = _with_bias(_columns(kernel, groups), bias)
    for rows, patches in _patch_chunks(x, kernel.shape[:rank], geometry):
        part = from_channels_last(_product(patches, columns, bias is not None), data_format)
        if not outputs:
            kept = [activate(part[:1]), part] if keep and activate is not linear else [activate(part[:1])]
            outputs = [np.empty((x.shape[0], *one.shape[1:]), one.dtype) for one in kept]
        y, z = outputs[0], outputs[-1]
        if activate is relu:
            np.maximum(part, 0, out=y[rows])  # without an array between
        else:
            y[rows] = activate(part)
        if z is not y:
            z[rows] = part
    return outputs[0], SavedConvolution(x, kernel, bias is not None, outputs[-1], outputs[0], geometry, activation)


def _convolution_gradients(grad_output: ArrayLike, saved: SavedConvolution, of_input: bool = True) -> Gradients:
    """Without `of_input` the gradient of x is None: the first layer of a model has no use for it."""
    x, kernel, biased, z, y, geometry, activation = saved
    rank, groups = kernel.ndim - 2, geometry.groups
    grad_z = activation_gradient(activation, fitting(grad_output, y.shape, y.dtype), z, y)
    grad_z = to_channels_last(grad_z, geometry.data_format)
    columns = _columns(kernel, groups)
    grad_columns = np.zeros_like(columns)
    grad_x = np.empty_like(to_channels_last(x, geometry.data_format)) if of_input else None
    for rows, patches in _patch_chunks(x, kernel.shape[:rank], geometry):
        # (groups, places, filters / groups)
        part = grad_z[rows].reshape(-1, groups, kernel.shape[-1] // groups).swapaxes(0, 1)
        grad_columns += _rows(patches, groups).swapaxes(1, 2) @ part
        if grad_x is not None:
            grad_x[rows] = _unpatched(part, patches.shape, kernel, grad_x.shape[1:-1], geometry)
    grad_kernel = grad_columns.swapaxes(0, 1).reshape(kernel.shape)
    grad_bias = summed(grad_z, tuple(range(rank + 1))).reshape(-1) if biased else None
    return None if grad_x is None else from_channels_last(grad_x, geometry.data_format), grad_kernel, grad_bias


def _unpatched(part: Array, patches: tuple[int, ...], kernel: Array, sizes: Sequence[int], geometry: ConvolutionGeometry) -> Array:
    """The gradient of a chunk of the input: that of every cell of every patch, added where the patches lie."""
    strides, padding, dilation, _, groups = geometry
    window, out = kernel.shape[:-2], patches[1 : kernel.ndim - 1]
    axes = zip(sizes, window, strides, dilation, strict=True)
    channels = kernel.shape[-2] * groups
    padded = np.zeros((patches[0], *(axis[0] + sum(padding_widths(*axis, padding)) for axis in axes), channels), kernel.dtype)
    for tap, cells in zip(kernel.reshape(-1, *kernel.shape[-2:]), tap_slices(window, strides, dilation, out), strict=True):
        grad = part @ _columns(tap, groups).swapaxes(1, 2)
        padded[cells] += grad.swapaxes(0, 1).reshape(patches[0], *out, channels)
    return crop(padded, sizes, window, strides, dilation, padding)


_conv1d_run, _conv2d_run = functools.partial(_convolution_run, 1), functools.partial(_convolution_run, 2)
_conv1d_gradients = _conv2d_gradients = _convolution_gradients


def _patch_chunks(x: Array, kernel: Sequence[int], geometry: ConvolutionGeometry) -> Iterator[tuple[slice, Array]]:
    """Chunks of the batch with their patches, a view (batch, *out, *kernel, groups, channels / groups) of the padded input."""
    strides, padding, dilation, data_format, groups = geometry
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


def _product(patches: Array, columns: Array, biased: bool) -> Array:
    """Patches times kernel, group by group: (batch, *out, filters); the bias is the weight of one more term, which is 1."""
    groups, _, filters = columns.shape
    product = _rows(patches, groups, biased) @ columns
    return product.swapaxes(0, 1).reshape(*patches.shape[: (patches.ndim - 1) // 2], groups * filters)


def _with_bias(columns: Array, bias: Array | None) -> Array:
    """The columns of a kernel with the bias below: (groups, terms + 1, filters / groups)."""
    return columns if bias is None else np.concatenate([columns, bias.reshape(columns.shape[0], 1, -1).astype(columns.dtype)], axis=1)


def _rows(patches: Array, groups: int, biased: bool = False) -> Array:
    """Patches as one matrix a group: (groups, places, terms), with a last term of 1 for a bias."""
    half = (patches.ndim - 1) // 2
    places, terms = patches.shape[:half], math.prod(patches.shape[half:-2]) * patches.shape[-1]
    by_group = np.moveaxis(patches, -2, 0)
    if not biased:
        return by_group.reshape(groups, math.prod(places), terms)
    rows = np.empty((groups, *places, terms + 1), patches.dtype)
    rows[..., -1] = 1
    rows[..., :-1].reshape(by_group.shape)[...] = by_group  # a view, for axes are only split
    return rows.reshape(groups, math.prod(places), terms + 1)


def _columns(kernel: Array, groups: int) -> Array:
    """The kernel, or one cell of it, as one matrix a group: (groups, terms, filters / groups)."""
    terms, filters = math.prod(kernel.shape[:-1]), kernel.shape[-1]
    return kernel.reshape(terms, groups, filters // groups).swapaxes(0, 1)


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


def _kernel_shape(rank: int) -> Rule:
    def shape_of(config: Config, shape: Shape) -> Shape:
        filters, groups, size = count(config, "filters"), count(config, "groups", 1), config["kernel_size"]
        kernel = [size] * rank if isinstance(size, int) else list(size)
        if len(kernel) != rank or not all(is_dimension(k) and k for k in kernel):
            raise ValueError(f"kernel_size is {size!r}")
        channels = channels_of(config, shape)
        return (*kernel, None if channels is None else channels // groups, filters)

    return shape_of


def _output(rank: int) -> Rule:
    def rule(config: Config, shape: Shape) -> Shape:
        size, strides, dilation = config["kernel_size"], config.get("strides", 1), config.get("dilation_rate", 1)
        windows = window_counts(config, shape, rank, size, strides, dilation)
        filters, groups, channels = config["filters"], config.get("groups", 1), channels_of(config, shape)
        check_cells(windows, math.prod([size] * rank if isinstance(size, int) else size) * (channels or 1) // groups)
        if filters % groups or (channels is not None and channels % groups):
            raise ValueError(f"groups={groups} does not divide {channels} channels and {filters} filters")
        if all((one if isinstance(one, int) else max(one)) > 1 for one in (strides, dilation)):
            raise ValueError("strides and dilation_rate cannot both exceed 1")
        return activated(config, laid_out(config, shape, windows, filters))

    return rule


def _record(class_name: str, rank: int, forward: Function, run: Function, padding: Allowed = PADDING) -> LayerSpec:
    extent, ones = extents(rank), (1,) * rank
    return layer(
        LayerSpec(
            class_name, forward, run, _convolution_gradients,
            weights={
                "kernel": Weight(_kernel_shape(rank), initializer="glorot_uniform"),
                "bias": Weight(sizes("filters"), unless="use_bias"),
            },
            options={
                "filters": Option(REQUIRED, COUNT, taken_by=()),
                "kernel_size": Option(REQUIRED, extent, taken_by=(), length=rank),
                "strides": Option(ones, extent, length=rank),
                "padding": Option("valid", padding),
                "data_format": Option("channels_last", DATA_FORMAT),
                "dilation_rate": Option(ones, extent, length=rank),
                "groups": Option(1, COUNT),
                "activation": Option("linear", ACTIVATION),
                "use_bias": USE_BIAS,
            },
            output=_output(rank), input_apart=True,
        )
    )  # fmt: skip


CONV1D = _record("Conv1D", 1, conv1d_forward, _conv1d_run, PADDING_OR_CAUSAL)
CONV2D = _record("Conv2D", 2, conv2d_forward, _conv2d_run)
