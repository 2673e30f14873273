"""Mistakes in Conv1D and Conv2D."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, Shared, changed
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


def padded(width: Callable[[int, int, int, int], Pair], wanted: str = "same", **pad: Any) -> Function:
    """The convolution with a padding of its own where the one that is `wanted` is asked for.

    ``width(size, kernel, stride, dilation)`` gives the cells before and after an axis, `pad` what stands in them, zeros else.
    """

    def function(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
        if options.get("padding") == wanted:
            widths = [width(*axis) for axis in geometry(x, kernel, options)]
            x = padded_by(x, widths, options.get("data_format", "channels_last"), **pad)
            options = {**options, "padding": "valid"}
        return np.asarray(right(x, kernel, bias, **options))

    return function


def _same(size: int, kernel: int, stride: int, dilation: int) -> Pair:
    return padding_widths(size, kernel, stride, dilation, "same")


def _read_as_pytorch(kernel: Array) -> Array:
    *sizes, channels, filters = kernel.shape
    return np.moveaxis(kernel.reshape(filters, channels, *sizes), (0, 1), (-1, -2))


def _channel_axis(options: Any) -> int:
    return 1 if options.get("data_format") == "channels_first" else -1


def _along_filters(bias: Array, y: Array, options: Any) -> Array:
    return bias.reshape(-1, *(1,) * (y.ndim - 2)) if options.get("data_format") == "channels_first" else bias


convolution.table(
    bias_left_out=("the bias is left out", changed(bias=None)),
    bias_added_twice=("the bias is added twice", changed(bias=lambda bias: 2 * bias)),
    activation_ignored=("the activation is not applied", changed(activation=None)),
    relu_always=("relu is applied although another activation is asked for", changed(activation="relu")),
    padding_always=("padding='same' is always used", changed(padding="same")),
    strides_ignored=("strides are ignored", changed(strides=1)),
    dilation_ignored=("dilation_rate is ignored", changed(dilation_rate=1)),
    channels_first_ignored=("data_format='channels_first' is ignored", changed(data_format="channels_last")),
)


@convolution.by(changed(kernel=lambda kernel: np.flip(kernel, tuple(range(kernel.ndim - 2)))))
def kernel_flipped() -> None:
    """The kernel is flipped (a convolution as in mathematics; Keras does not flip)."""


@convolution.by(changed(kernel=lambda kernel: kernel.swapaxes(-2, -1) if kernel.shape[-2] == kernel.shape[-1] else kernel))
def channels_and_filters_swapped() -> None:
    """Input channels and filters of the kernel are swapped where both are equally many."""


@convolution.by(changed(kernel=_read_as_pytorch))
def kernel_read_as_pytorch() -> None:
    """The kernel's values are read in the order of PyTorch: filters first, then channels."""


@convolution.by(changed(kernel=lambda kernel: np.where(np.arange(kernel.shape[-2])[:, None] == 0, kernel, 0)))
def only_first_channel() -> None:
    """Only the first input channel of each filter is used."""


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
def softmax_over_channels(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """With channels_first the activation runs over the channels (softmax and glu run over the last axis, the columns)."""
    data_format = options.pop("data_format", "channels_last")
    return from_channels_last(right(to_channels_last(x, data_format), kernel, bias, **options), data_format)


conv2d.table(
    kernel_axes_swapped=("rows and columns of the kernel are swapped", changed(kernel=lambda kernel: kernel.swapaxes(0, 1))),
    strides_swapped=("the strides of rows and columns are swapped", changed(strides=lambda strides: strides[::-1])),
    dilation_swapped=("the dilation_rate of rows and columns is swapped", changed(dilation_rate=lambda dilation: dilation[::-1])),
)


@conv2d.by(changed(kernel=lambda kernel: kernel.swapaxes(0, 1) if kernel.shape[0] == kernel.shape[1] else kernel))
def kernel_axes_swapped_when_square() -> None:
    """Rows and columns of the kernel are swapped where it is square."""


@conv2d
def rows_and_columns_swapped(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """Rows and columns of the output are swapped where both are equally many."""
    y = right(x, kernel, bias, **options)
    axes = (2, 3) if options.get("data_format") == "channels_first" else (1, 2)
    return y.swapaxes(*axes) if y.shape[axes[0]] == y.shape[axes[1]] else y


@convolution
def symmetric_padding(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='same' adds equally many cells on both sides (half the kernel, as in PyTorch); Keras adds only what is needed."""
    y: Array = padded(lambda size, k, stride, dilation: (effective_kernel(k, dilation) // 2,) * 2)(right, x, kernel, bias, **options)
    sizes = [output_size(*axis, "same") for axis in geometry(x, kernel, options)]
    return cut_to(y, sizes, options) if options.get("padding") == "same" else y


convolution.table(
    padding_all_at_bottom_right=("padding='same' puts all cells at the bottom and right", padded(lambda *axis: (0, sum(_same(*axis))))),
    padding_all_at_top_left=("padding='same' puts all cells at the top and left", padded(lambda *axis: (sum(_same(*axis)), 0))),
    padding_repeats_the_border=("padding='same' repeats the border instead of adding zeros", padded(_same, mode="edge")),
    padding_ignored=("padding='same' is ignored", padded(lambda *axis: (0, 0))),
)


@convolution.by(padded(lambda *axis: _same(*axis)[::-1]))
def extra_cell_at_top_left() -> None:
    """padding='same' puts the odd cell at the top and left instead of the bottom and right."""


@convolution.by(padded(lambda size, k, stride, dilation: _same(size, k, 1, dilation)))
def padding_as_if_stride_1() -> None:
    """padding='same' is computed as if strides were 1."""


@convolution.by(padded(lambda size, k, stride, dilation: ((effective_kernel(k, dilation) - 1) // 2,) * 2))
def half_the_kernel_on_both_sides() -> None:
    """padding='same' adds (k - 1) // 2 cells on both sides, whatever the strides and whether k is even."""


def _without_dilation(size: int, k: int, stride: int, dilation: int) -> Pair:
    before, after = _same(size, k, stride, 1)
    # What is missing for the right output size goes to the end.
    short = max(0, (-(-size // stride) - 1) * stride + effective_kernel(k, dilation) - size - before - after)
    return before, after + short


@convolution.by(padded(_without_dilation))
def padding_without_dilation() -> None:
    """padding='same' is computed as if dilation_rate were 1."""


@convolution
def strides_from_full_resolution(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """The convolution is computed with stride 1 and every n-th result kept, which shifts padding='same'."""
    every = (slice(None, None, stride) for stride in options.get("strides", ()))
    y = right(x, kernel, bias, **{**options, "strides": (1,) * (x.ndim - 2)})
    return np.asarray(y[inside(every, options)])


@convolution
def windows_move_by_one_cell(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """The output is as small as the strides make it, but its windows move by one cell."""
    sizes = spatial(right(x, kernel, bias, **options), options)
    if options.get("padding") == "same":
        widths = [_same(*axis) for axis in geometry(x, kernel, options)]
        x, options = padded_by(x, widths, options.get("data_format", "channels_last")), {**options, "padding": "valid"}
    return cut_to(right(x, kernel, bias, **{**options, "strides": 1}), sizes, options)


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


LAYERS = (convolution, conv2d)
