"""Mistakes in Conv2D."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Collection
from reference import conv2d_forward
from reference.activations import activation_function
from reference.windows import effective_kernel, from_channels_last, output_size, padding_widths, to_channels_last

Array = NDArray[Any]

conv2d = Collection("Conv2D")
Pair = tuple[int, int]


def padded_by(x: Array, widths: Any, data_format: str = "channels_last", **pad: Any) -> Array:
    """`x` with cells added around rows and columns: zeros, or what `pad` says."""
    full = [(0, 0), *widths, (0, 0)] if data_format == "channels_last" else [(0, 0), (0, 0), *widths]
    return np.pad(x, full, **pad)


def spatial(x: Array, options: Any) -> tuple[int, ...]:
    """Rows and columns of an image batch."""
    return to_channels_last(x, options.get("data_format", "channels_last")).shape[1:-1]


def _geometry(x: Array, kernel: Array, options: Any) -> list[tuple[int, int, int, int]]:
    """(size, kernel, stride, dilation) of both axes."""
    strides, dilation = options.get("strides", (1, 1)), options.get("dilation_rate", (1, 1))
    return list(zip(spatial(x, options), kernel.shape[:2], strides, dilation, strict=True))


def _with_widths(x: Array, kernel: Array, bias: Array | None, options: Any, widths: Any, **pad: Any) -> Array:
    """The convolution with its own padding where ``padding='same'`` asks for some."""
    if options.get("padding") != "same":
        return conv2d_forward(x, kernel, bias, **options)
    inner = {**options, "padding": "valid"}
    return conv2d_forward(padded_by(x, widths, options.get("data_format", "channels_last"), **pad), kernel, bias, **inner)


def _same_widths(x: Array, kernel: Array, options: Any) -> list[Pair]:
    return [padding_widths(*axis, "same") for axis in _geometry(x, kernel, options)]


@conv2d
def bias_left_out(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The bias is left out."""
    return conv2d_forward(x, kernel, **options)


@conv2d
def bias_added_twice(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The bias is added twice."""
    return conv2d_forward(x, kernel, None if bias is None else 2 * bias, **options)


@conv2d
def bias_after_activation(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The bias is added after the activation instead of before it."""
    y = conv2d_forward(x, kernel, **options)
    if bias is None or options.get("activation") == "glu":
        return y
    return y + (bias[:, None, None] if options.get("data_format") == "channels_first" else bias)


@conv2d
def bias_for_every_tap(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The bias is added once for every cell of the kernel."""
    taps = kernel.shape[0] * kernel.shape[1]
    return conv2d_forward(x, kernel, None if bias is None else taps * bias, **options)


@conv2d
def bias_along_the_width(x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None, **options: Any) -> Array:
    """The bias is added along the width where it is as long (with channels_first): the defect D1 of Keras itself."""
    y = conv2d_forward(x, kernel, **options)
    first = options.get("data_format") == "channels_first"
    if bias is not None:
        y = y + (bias[:, None, None] if first and y.shape[-1] != bias.size else bias)
    return activation_function(activation)(y)


@conv2d
def activation_ignored(x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None, **options: Any) -> Array:
    """The activation is not applied."""
    return conv2d_forward(x, kernel, bias, **options)


@conv2d
def relu_always(x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None, **options: Any) -> Array:
    """Relu is applied although another activation is asked for."""
    return conv2d_forward(x, kernel, bias, activation="relu", **options)


@conv2d
def softmax_over_channels(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """With channels_first the activation runs over the channels (softmax and glu run over the last axis, the columns)."""
    data_format = options.pop("data_format", "channels_last")
    return from_channels_last(conv2d_forward(to_channels_last(x, data_format), kernel, bias, **options), data_format)


@conv2d
def kernel_flipped(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The kernel is flipped (a convolution as in mathematics; Keras does not flip)."""
    return conv2d_forward(x, kernel[::-1, ::-1], bias, **options)


@conv2d
def kernel_axes_swapped(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """Rows and columns of the kernel are swapped."""
    return conv2d_forward(x, kernel.swapaxes(0, 1), bias, **options)


@conv2d
def kernel_axes_swapped_when_square(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """Rows and columns of the kernel are swapped where it is square."""
    square = kernel.shape[0] == kernel.shape[1]
    return conv2d_forward(x, kernel.swapaxes(0, 1) if square else kernel, bias, **options)


@conv2d
def channels_and_filters_swapped(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """Input channels and filters of the kernel are swapped where both are equally many."""
    square = kernel.shape[2] == kernel.shape[3]
    return conv2d_forward(x, kernel.swapaxes(2, 3) if square else kernel, bias, **options)


@conv2d
def kernel_read_as_pytorch(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The kernel's values are read in the order (filters, channels, rows, columns) of PyTorch."""
    return conv2d_forward(x, kernel.reshape(kernel.shape[::-1]).transpose(3, 2, 1, 0), bias, **options)


@conv2d
def only_first_channel(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """Only the first input channel of each filter is used."""
    first = np.arange(kernel.shape[2])[:, None] == 0
    return conv2d_forward(x, np.where(first, kernel, 0), bias, **options)


@conv2d
def rows_and_columns_swapped(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """Rows and columns of the output are swapped where both are equally many."""
    y = conv2d_forward(x, kernel, bias, **options)
    axes = (2, 3) if options.get("data_format") == "channels_first" else (1, 2)
    return y.swapaxes(*axes) if y.shape[axes[0]] == y.shape[axes[1]] else y


@conv2d
def symmetric_padding(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """padding='same' adds equally many cells on both sides (half the kernel, as in PyTorch); Keras adds only what is needed."""
    options = {"data_format": "channels_last", **options}
    geometry = _geometry(x, kernel, options)
    y = _with_widths(x, kernel, bias, options, [(effective_kernel(k, d) // 2,) * 2 for _, k, _, d in geometry])
    if options.get("padding") != "same":
        return y
    rows, columns = (output_size(*axis, "same") for axis in geometry)
    return y[:, :rows, :columns] if options["data_format"] == "channels_last" else y[:, :, :rows, :columns]


@conv2d
def extra_cell_at_top_left(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """padding='same' puts the odd cell at the top and left instead of the bottom and right."""
    return _with_widths(x, kernel, bias, options, [pair[::-1] for pair in _same_widths(x, kernel, options)])


@conv2d
def padding_all_at_bottom_right(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """padding='same' puts all cells at the bottom and right."""
    return _with_widths(x, kernel, bias, options, [(0, sum(pair)) for pair in _same_widths(x, kernel, options)])


@conv2d
def padding_all_at_top_left(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """padding='same' puts all cells at the top and left."""
    return _with_widths(x, kernel, bias, options, [(sum(pair), 0) for pair in _same_widths(x, kernel, options)])


@conv2d
def padding_without_dilation(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """padding='same' is computed as if dilation_rate were 1."""
    widths = []
    for size, k, stride, dilation in _geometry(x, kernel, options):
        before, after = padding_widths(size, k, stride, 1, "same")
        # What is missing for the right output size goes to the end.
        short = max(0, (-(-size // stride) - 1) * stride + effective_kernel(k, dilation) - size - before - after)
        widths.append((before, after + short))
    return _with_widths(x, kernel, bias, options, widths)


@conv2d
def padding_as_if_stride_1(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """padding='same' is computed as if strides were 1."""
    widths = [padding_widths(size, k, 1, d, "same") for size, k, _, d in _geometry(x, kernel, options)]
    return _with_widths(x, kernel, bias, options, widths)


@conv2d
def padding_repeats_the_border(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """padding='same' repeats the border instead of adding zeros."""
    return _with_widths(x, kernel, bias, options, _same_widths(x, kernel, options), mode="edge")


@conv2d
def padding_ignored(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """padding='same' is ignored."""
    return conv2d_forward(x, kernel, bias, **{**options, "padding": "valid"})


@conv2d
def padding_always(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """padding='same' is always used."""
    return conv2d_forward(x, kernel, bias, **{**options, "padding": "same"})


@conv2d
def strides_ignored(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """Strides are ignored."""
    return conv2d_forward(x, kernel, bias, **{**options, "strides": (1, 1)})


@conv2d
def strides_swapped(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The strides of rows and columns are swapped."""
    return conv2d_forward(x, kernel, bias, **{**options, "strides": options.get("strides", (1, 1))[::-1]})


@conv2d
def strides_from_full_resolution(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The convolution is computed with stride 1 and every n-th result kept, which shifts padding='same'."""
    first = options.get("data_format") == "channels_first"
    down, right = options.get("strides", (1, 1))
    y = conv2d_forward(x, kernel, bias, **{**options, "strides": (1, 1)})
    return y[:, :, ::down, ::right] if first else y[:, ::down, ::right]


@conv2d
def dilation_ignored(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """dilation_rate is ignored."""
    return conv2d_forward(x, kernel, bias, **{**options, "dilation_rate": (1, 1)})


@conv2d
def dilation_swapped(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """The dilation_rate of rows and columns is swapped."""
    return conv2d_forward(x, kernel, bias, **{**options, "dilation_rate": options.get("dilation_rate", (1, 1))[::-1]})


@conv2d
def groups_interleaved(x: Array, kernel: Array, bias: Array | None = None, *, groups: int = 1, **options: Any) -> Array:
    """Groups take every n-th input channel instead of neighbouring ones."""
    axis = 1 if options.get("data_format") == "channels_first" else 3
    order = np.arange(x.shape[axis]).reshape(-1, groups).T.ravel()
    return conv2d_forward(x.take(order, axis), kernel, bias, groups=groups, **options)


@conv2d
def filters_interleaved(x: Array, kernel: Array, bias: Array | None = None, *, groups: int = 1, **options: Any) -> Array:
    """Neighbouring filters belong to different groups instead of the same one."""
    order = np.arange(kernel.shape[3]).reshape(-1, groups).T.ravel()
    linear = conv2d_forward(x, kernel[..., order], groups=groups, **{**options, "activation": None})
    last = to_channels_last(linear, options.get("data_format", "channels_last"))[..., np.argsort(order)]
    y = from_channels_last(last if bias is None else last + bias, options.get("data_format", "channels_last"))
    return activation_function(options.get("activation"))(y)


@conv2d
def groups_reversed(x: Array, kernel: Array, bias: Array | None = None, *, groups: int = 1, **options: Any) -> Array:
    """The groups of input channels are taken in reverse order."""
    axis = 1 if options.get("data_format") == "channels_first" else 3
    order = np.arange(x.shape[axis]).reshape(groups, -1)[::-1].ravel()
    return conv2d_forward(x.take(order, axis), kernel, bias, groups=groups, **options)


@conv2d
def outputs_of_groups_interleaved(x: Array, kernel: Array, bias: Array | None = None, *, groups: int = 1, **options: Any) -> Array:
    """The outputs of the groups are interleaved instead of one group after the other."""
    axis = 1 if options.get("data_format") == "channels_first" else 3
    y = conv2d_forward(x, kernel, bias, groups=groups, **options)
    return y.take(np.arange(y.shape[axis]).reshape(groups, -1).T.ravel(), axis) if y.shape[axis] % groups == 0 else y


@conv2d
def channels_first_reshaped(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """channels_first is turned into channels_last by a reshape instead of by moving the axis."""
    if options.get("data_format") != "channels_first":
        return conv2d_forward(x, kernel, bias, **options)
    batch, channels, rows, columns = x.shape
    y = conv2d_forward(x.reshape(batch, rows, columns, channels), kernel, bias, **{**options, "data_format": "channels_last"})
    return y.reshape(batch, y.shape[3], *y.shape[1:3])


@conv2d
def channels_first_rows_and_columns(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """channels_first is undone by swapping axis 1 with the last one, which turns rows and columns around."""
    if options.get("data_format") != "channels_first":
        return conv2d_forward(x, kernel, bias, **options)
    y = conv2d_forward(x.swapaxes(1, 3), kernel, bias, **{**options, "data_format": "channels_last"})
    return y.swapaxes(1, 3)


@conv2d
def output_left_channels_last(x: Array, kernel: Array, bias: Array | None = None, **options: Any) -> Array:
    """With channels_first the output is left in channels_last."""
    data_format = options.pop("data_format", "channels_last")
    return conv2d_forward(to_channels_last(x, data_format), kernel, bias, **options)


LAYERS = (conv2d,)
