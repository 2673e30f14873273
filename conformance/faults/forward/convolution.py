"""Mistakes in Conv1D and Conv2D."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, Shared
from reference.activations import activation_function
from reference.layers.windows import effective_kernel, from_channels_last, output_size, padding_widths, to_channels_last

Array = NDArray[Any]
Bias = Array | None
Pair = tuple[int, int]

ALONG_TIME = {
    "the top and left": "the start",
    "the bottom and right": "the end",
    "the columns": "the steps",
    "along the width": "along time",
}
"""How the sentences about images read for sequences."""

convolution = Shared("Conv2D", "Conv1D", words={"Conv1D": ALONG_TIME})
conv2d = Shared("Conv2D")


def padded_by(x: Array, widths: Any, data_format: str = "channels_last", **pad: Any) -> Array:
    """`x` with cells added around its spatial axes: zeros, or what `pad` says."""
    full = [(0, 0), *widths, (0, 0)] if data_format == "channels_last" else [(0, 0), (0, 0), *widths]
    return np.pad(x, full, **pad)


def spatial(x: Array, options: Any) -> tuple[int, ...]:
    """Rows and columns of a batch of images, steps of sequences."""
    return to_channels_last(x, options.get("data_format", "channels_last")).shape[1:-1]


def inside(parts: Any, options: Any) -> tuple[slice, ...]:
    """An index that takes these parts of the spatial axes."""
    before = (slice(None),) * (2 if options.get("data_format") == "channels_first" else 1)
    return (*before, *parts)


def cut_to(y: Array, sizes: Any, options: Any) -> Array:
    """The first of the spatial axes of `y`."""
    return y[inside(map(slice, sizes), options)]


def geometry(x: Array, kernel: Array, options: Any) -> list[tuple[int, int, int, int]]:
    """(size, kernel, stride, dilation) of every spatial axis."""
    ones = (1,) * (x.ndim - 2)
    return list(zip(spatial(x, options), kernel.shape[:-2], options.get("strides", ones), options.get("dilation_rate", ones), strict=True))


def with_widths(right: Function, x: Array, kernel: Array, bias: Bias, options: Any, widths: Any, wanted: str = "same", **pad: Any) -> Array:
    """The convolution with its own padding where the padding that is `wanted` is asked for."""
    if options.get("padding") == wanted:
        x = padded_by(x, widths, options.get("data_format", "channels_last"), **pad)
        options = {**options, "padding": "valid"}
    return np.asarray(right(x, kernel, bias, **options))


def _same_widths(x: Array, kernel: Array, options: Any) -> list[Pair]:
    return [padding_widths(*axis, "same") for axis in geometry(x, kernel, options)]


def _channel_axis(options: Any) -> int:
    return 1 if options.get("data_format") == "channels_first" else -1


def _along_filters(bias: Array, y: Array, options: Any) -> Array:
    return bias.reshape(-1, *(1,) * (y.ndim - 2)) if options.get("data_format") == "channels_first" else bias


@convolution
def bias_left_out(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """The bias is left out."""
    return right(x, kernel, **options)


@convolution
def bias_added_twice(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """The bias is added twice."""
    return right(x, kernel, None if bias is None else 2 * bias, **options)


@convolution
def bias_after_activation(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """The bias is added after the activation instead of before it."""
    y = right(x, kernel, **options)
    if bias is None or options.get("activation") == "glu":
        return y
    return np.asarray(y + _along_filters(bias, y, options))


@convolution
def bias_for_every_tap(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """The bias is added once for every cell of the kernel."""
    taps = int(np.prod(kernel.shape[:-2]))
    return right(x, kernel, None if bias is None else taps * bias, **options)


@convolution
def bias_along_the_width(right: Function, x: Array, kernel: Array, bias: Bias = None, *, activation: Any = None, **options: Any) -> Array:
    """The bias is added along the width where it is as long (with channels_first): the defect D1 of Keras itself."""
    y = right(x, kernel, **options)
    first = options.get("data_format") == "channels_first"
    if bias is not None:
        y = y + (_along_filters(bias, y, options) if first and y.shape[-1] != bias.size else bias)
    return activation_function(activation)(y)


@convolution
def activation_ignored(right: Function, x: Array, kernel: Array, bias: Bias = None, *, activation: Any = None, **options: Any) -> Array:
    """The activation is not applied."""
    return right(x, kernel, bias, **options)


@convolution
def relu_always(right: Function, x: Array, kernel: Array, bias: Bias = None, *, activation: Any = None, **options: Any) -> Array:
    """Relu is applied although another activation is asked for."""
    return right(x, kernel, bias, activation="relu", **options)


@convolution
def softmax_over_channels(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """With channels_first the activation runs over the channels (softmax and glu run over the last axis, the columns)."""
    data_format = options.pop("data_format", "channels_last")
    return from_channels_last(right(to_channels_last(x, data_format), kernel, bias, **options), data_format)


@convolution
def kernel_flipped(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """The kernel is flipped (a convolution as in mathematics; Keras does not flip)."""
    return right(x, np.flip(kernel, tuple(range(kernel.ndim - 2))), bias, **options)


@conv2d
def kernel_axes_swapped(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """Rows and columns of the kernel are swapped."""
    return right(x, kernel.swapaxes(0, 1), bias, **options)


@conv2d
def kernel_axes_swapped_when_square(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """Rows and columns of the kernel are swapped where it is square."""
    square = kernel.shape[0] == kernel.shape[1]
    return right(x, kernel.swapaxes(0, 1) if square else kernel, bias, **options)


@convolution
def channels_and_filters_swapped(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """Input channels and filters of the kernel are swapped where both are equally many."""
    square = kernel.shape[-2] == kernel.shape[-1]
    return right(x, kernel.swapaxes(-2, -1) if square else kernel, bias, **options)


@convolution
def kernel_read_as_pytorch(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """The kernel's values are read in the order of PyTorch: filters first, then channels."""
    *sizes, channels, filters = kernel.shape
    return right(x, np.moveaxis(kernel.reshape(filters, channels, *sizes), (0, 1), (-1, -2)), bias, **options)


@convolution
def only_first_channel(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """Only the first input channel of each filter is used."""
    first = np.arange(kernel.shape[-2])[:, None] == 0
    return right(x, np.where(first, kernel, 0), bias, **options)


@conv2d
def rows_and_columns_swapped(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """Rows and columns of the output are swapped where both are equally many."""
    y = right(x, kernel, bias, **options)
    axes = (2, 3) if options.get("data_format") == "channels_first" else (1, 2)
    return y.swapaxes(*axes) if y.shape[axes[0]] == y.shape[axes[1]] else y


@convolution
def symmetric_padding(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='same' adds equally many cells on both sides (half the kernel, as in PyTorch); Keras adds only what is needed."""
    axes = geometry(x, kernel, options)
    y = with_widths(right, x, kernel, bias, options, [(effective_kernel(k, d) // 2,) * 2 for _, k, _, d in axes])
    return cut_to(y, [output_size(*axis, "same") for axis in axes], options) if options.get("padding") == "same" else y


@convolution
def extra_cell_at_top_left(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='same' puts the odd cell at the top and left instead of the bottom and right."""
    return with_widths(right, x, kernel, bias, options, [pair[::-1] for pair in _same_widths(x, kernel, options)])


@convolution
def padding_all_at_bottom_right(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='same' puts all cells at the bottom and right."""
    return with_widths(right, x, kernel, bias, options, [(0, sum(pair)) for pair in _same_widths(x, kernel, options)])


@convolution
def padding_all_at_top_left(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='same' puts all cells at the top and left."""
    return with_widths(right, x, kernel, bias, options, [(sum(pair), 0) for pair in _same_widths(x, kernel, options)])


@convolution
def padding_without_dilation(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='same' is computed as if dilation_rate were 1."""
    widths = []
    for size, k, stride, dilation in geometry(x, kernel, options):
        before, after = padding_widths(size, k, stride, 1, "same")
        # What is missing for the right output size goes to the end.
        short = max(0, (-(-size // stride) - 1) * stride + effective_kernel(k, dilation) - size - before - after)
        widths.append((before, after + short))
    return with_widths(right, x, kernel, bias, options, widths)


@convolution
def padding_as_if_stride_1(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='same' is computed as if strides were 1."""
    widths = [padding_widths(size, k, 1, d, "same") for size, k, _, d in geometry(x, kernel, options)]
    return with_widths(right, x, kernel, bias, options, widths)


@convolution
def padding_repeats_the_border(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='same' repeats the border instead of adding zeros."""
    return with_widths(right, x, kernel, bias, options, _same_widths(x, kernel, options), mode="edge")


@convolution
def padding_ignored(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='same' is ignored."""
    return with_widths(right, x, kernel, bias, options, [(0, 0)] * (x.ndim - 2))


@convolution
def padding_always(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='same' is always used."""
    return right(x, kernel, bias, **{**options, "padding": "same"})


@convolution
def strides_ignored(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """Strides are ignored."""
    return right(x, kernel, bias, **{**options, "strides": (1,) * (x.ndim - 2)})


@conv2d
def strides_swapped(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """The strides of rows and columns are swapped."""
    return right(x, kernel, bias, **{**options, "strides": options.get("strides", (1, 1))[::-1]})


@convolution
def strides_from_full_resolution(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """The convolution is computed with stride 1 and every n-th result kept, which shifts padding='same'."""
    every = (slice(None, None, stride) for stride in options.get("strides", ()))
    y = right(x, kernel, bias, **{**options, "strides": (1,) * (x.ndim - 2)})
    return np.asarray(y[inside(every, options)])


@convolution
def dilation_ignored(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """dilation_rate is ignored."""
    return right(x, kernel, bias, **{**options, "dilation_rate": (1,) * (x.ndim - 2)})


@conv2d
def dilation_swapped(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """The dilation_rate of rows and columns is swapped."""
    return right(x, kernel, bias, **{**options, "dilation_rate": options.get("dilation_rate", (1, 1))[::-1]})


@convolution
def groups_interleaved(right: Function, x: Array, kernel: Array, bias: Bias = None, *, groups: int = 1, **options: Any) -> Array:
    """Groups take every n-th input channel instead of neighbouring ones."""
    axis = _channel_axis(options)
    order = np.arange(x.shape[axis]).reshape(-1, groups).T.ravel()
    return right(x.take(order, axis), kernel, bias, groups=groups, **options)


@convolution
def filters_interleaved(right: Function, x: Array, kernel: Array, bias: Bias = None, *, groups: int = 1, **options: Any) -> Array:
    """Neighbouring filters belong to different groups instead of the same one."""
    order = np.arange(kernel.shape[-1]).reshape(-1, groups).T.ravel()
    linear = right(x, kernel[..., order], groups=groups, **{**options, "activation": None})
    last = to_channels_last(linear, options.get("data_format", "channels_last"))[..., np.argsort(order)]
    y = from_channels_last(last if bias is None else last + bias, options.get("data_format", "channels_last"))
    return activation_function(options.get("activation"))(y)


@convolution
def groups_reversed(right: Function, x: Array, kernel: Array, bias: Bias = None, *, groups: int = 1, **options: Any) -> Array:
    """The groups of input channels are taken in reverse order."""
    axis = _channel_axis(options)
    order = np.arange(x.shape[axis]).reshape(groups, -1)[::-1].ravel()
    return right(x.take(order, axis), kernel, bias, groups=groups, **options)


@convolution
def outputs_of_groups_interleaved(right: Function, x: Array, kernel: Array, bias: Bias = None, *, groups: int = 1, **options: Any) -> Array:
    """The outputs of the groups are interleaved instead of one group after the other."""
    axis = _channel_axis(options)
    y = right(x, kernel, bias, groups=groups, **options)
    return y.take(np.arange(y.shape[axis]).reshape(groups, -1).T.ravel(), axis) if y.shape[axis] % groups == 0 else y


@convolution
def channels_first_reshaped(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """channels_first is turned into channels_last by a reshape instead of by moving the axis."""
    if options.get("data_format") != "channels_first":
        return right(x, kernel, bias, **options)
    batch, _, *sizes = x.shape
    y = right(x.reshape(batch, *sizes, x.shape[1]), kernel, bias, **{**options, "data_format": "channels_last"})
    return np.asarray(y.reshape(batch, y.shape[-1], *y.shape[1:-1]))


@conv2d
def channels_first_rows_and_columns(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """channels_first is undone by swapping axis 1 with the last one, which turns rows and columns around."""
    if options.get("data_format") != "channels_first":
        return right(x, kernel, bias, **options)
    y = right(x.swapaxes(1, 3), kernel, bias, **{**options, "data_format": "channels_last"})
    return y.swapaxes(1, 3)


@convolution
def output_left_channels_last(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """With channels_first the output is left in channels_last."""
    data_format = options.pop("data_format", "channels_last")
    return right(to_channels_last(x, data_format), kernel, bias, **options)


@convolution
def channels_first_ignored(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """data_format='channels_first' is ignored."""
    return right(x, kernel, bias, **{**options, "data_format": "channels_last"})


LAYERS = (convolution, conv2d)
