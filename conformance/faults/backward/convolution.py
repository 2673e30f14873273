"""Mistakes in the backward passes of convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, Shared, pair_of
from reference.activations import activation_function, activation_gradient
from reference.layers.windows import crop, from_channels_last, pad, padding_widths, spatial_tuple, to_channels_last

Array = NDArray[Any]

ENDS = {"at the top and left instead of the bottom and right": "at the start instead of the end"}
convolution = Shared("Conv1D", "Conv2D", part="backward", words={"Conv1D": {"turned by 180 degrees": "turned end to end", **ENDS}})


def linear(right: Function, grad_output: Array, x: Array, *weights: Any, activation: str | None = None, **options: Any) -> Array:
    """The gradient of the output of a convolution, or of Dense, before its activation."""
    run, _ = pair_of(right)
    z = run(x, *weights, **options)[0]
    return activation_gradient(activation, grad_output, z, activation_function(activation)(z))


def plain(options: dict[str, Any]) -> dict[str, Any]:
    """Options without the activation, whose gradient is formed already."""
    return {name: value for name, value in options.items() if name != "activation"}


@convolution
def kernel_not_turned(right: Function, grad_output: Array, x: Array, kernel: Array, *bias: Any, **options: Any) -> Any:
    """The gradient of the input takes the kernel as it is instead of turned by 180 degrees."""
    turned = np.flip(kernel, tuple(range(kernel.ndim - 2)))
    grad = linear(right, grad_output, x, kernel, *bias, **options)
    return (right(grad, x, turned, *bias, **plain(options))[0], *right(grad_output, x, kernel, *bias, **options)[1:])


@convolution
def gradient_of_the_kernel_turned(right: Function, grad_output: Array, x: Array, kernel: Array, *bias: Any, **options: Any) -> Any:
    """The gradient of the kernel is turned by 180 degrees."""
    grad_x, grad_kernel, *others = right(grad_output, x, kernel, *bias, **options)
    return (grad_x, np.flip(grad_kernel, tuple(range(kernel.ndim - 2))), *others)


@convolution
def input_left_padded(right: Function, grad_output: Array, x: Array, kernel: Array, *bias: Any, **options: Any) -> Any:
    """The gradient of the input keeps the padding."""
    grad = linear(right, grad_output, x, kernel, *bias, **options)
    padded, own = _padded(x, kernel, **plain(options))
    return (right(grad, padded, kernel, *bias, **own)[0], *right(grad_output, x, kernel, *bias, **options)[1:])


@convolution
def padding_cut_at_the_end(right: Function, grad_output: Array, x: Array, kernel: Array, *bias: Any, **options: Any) -> Any:
    """The padding is cut off the gradient of the input at the end alone, not on both sides."""
    wide = input_left_padded(right, grad_output, x, kernel, *bias, **options)
    return (wide[0][tuple(slice(size) for size in x.shape)], *wide[1:])


@convolution
def odd_cell_cut_at_the_start(right: Function, grad_output: Array, x: Array, kernel: Array, *bias: Any, **options: Any) -> Any:
    """With padding='same' the odd cell is cut off the gradient of the input at the top and left instead of the bottom and right."""
    if options.get("padding") != "same":
        return right(grad_output, x, kernel, *bias, **options)
    wide = input_left_padded(right, grad_output, x, kernel, *bias, **options)
    window = kernel.shape[:-2]
    return (cut_at_the_start(wide[0], x, window, *_steps(options, window), options.get("data_format", "channels_last")), *wide[1:])


def cut_at_the_start(
    wide: Array, x: Array, window: Sequence[int], strides: Sequence[int], dilation: Sequence[int], data_format: str
) -> Array:
    """The gradient of a padded input, cut by as much at the start as there is to be cut at the end."""
    sizes = to_channels_last(x, data_format).shape[1:-1]
    starts = [padding_widths(*axis, "same")[1] for axis in zip(sizes, window, strides, dilation, strict=True)]
    cells = (slice(None), *(slice(start, start + size) for start, size in zip(starts, sizes, strict=True)))
    return from_channels_last(to_channels_last(wide, data_format)[cells], data_format)


def _padded(x: Array, kernel: Array, **options: Any) -> tuple[Array, dict[str, Any]]:
    """The input with its padding, and the options with which a convolution of it is the same."""
    data_format, window = options.get("data_format", "channels_last"), kernel.shape[:-2]
    wide = pad(to_channels_last(x, data_format), window, *_steps(options, window), options.get("padding", "valid"), 0.0)
    return from_channels_last(wide, data_format), {**options, "padding": "valid"}


def _with(right: Function, grad_output: Array, x: Array, kernel: Array, *bias: Any, step: str, **options: Any) -> Any:
    """The gradients as they are when the windows are taken to stand, or to be spread, without strides or dilation."""
    grad = linear(right, grad_output, x, kernel, *bias, **options)
    data_format, window = options.get("data_format", "channels_last"), kernel.shape[:-2]
    padded, own = _padded(x, kernel, **plain(options))
    last = to_channels_last(padded, data_format)
    strides, dilation = _steps({**own, step: 1}, window)
    axes = zip(to_channels_last(grad, data_format).shape[1:-1], strides, window, dilation, strict=True)
    # What the windows would cover: the output has its size.
    cells = (slice(None), *(slice((n - 1) * s + (k - 1) * d + 1) for n, s, k, d in axes))
    part, *others = right(grad, from_channels_last(last[cells], data_format), kernel, *bias, **{**own, step: 1})
    grad_x = np.zeros_like(last)
    grad_x[cells] = to_channels_last(part, data_format)
    strides, dilation = _steps(options, window)
    sizes = to_channels_last(x, data_format).shape[1:-1]
    cropped = crop(grad_x, sizes, window, strides, dilation, options.get("padding", "valid"))
    return (from_channels_last(cropped, data_format), *others)


def _steps(options: dict[str, Any], window: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Strides and dilation along every axis."""
    strides, dilation = (spatial_tuple(options.get(name, 1), len(window), name) for name in ("strides", "dilation_rate"))
    return strides, dilation


@convolution
def strides_ignored(right: Function, *arguments: Any, **options: Any) -> Any:
    """The strides are ignored in the backward pass: neighbouring outputs are taken to see neighbouring cells."""
    return _with(right, *arguments, step="strides", **options)


@convolution
def dilation_ignored(right: Function, *arguments: Any, **options: Any) -> Any:
    """The dilation is ignored in the backward pass."""
    return _with(right, *arguments, step="dilation_rate", **options)


@convolution
def groups_interleaved(right: Function, grad_output: Array, x: Array, kernel: Array, *bias: Any, groups: int = 1, **options: Any) -> Any:
    """The groups are mixed in the backward pass: filter 0, 1, 2 ... goes with group 0, 1, 2 ... in turn."""
    grad = linear(right, grad_output, x, kernel, *bias, groups=groups, **options)
    data_format = options.get("data_format", "channels_last")
    order = np.arange(kernel.shape[-1]).reshape(-1, groups).T.ravel()
    back = np.argsort(order)
    mixed = from_channels_last(to_channels_last(grad, data_format)[..., order], data_format)
    found = right(mixed, x, kernel[..., order], *bias, groups=groups, **plain(options))
    return (found[0], found[1][..., back], None if found[2] is None else found[2][..., back])


@convolution
def bias_averaged_over_places(right: Function, grad_output: Array, x: Array, *weights: Any, **options: Any) -> Any:
    """The gradient of the bias is averaged over batch and places instead of summed."""
    *others, bias = right(grad_output, x, *weights, **options)
    return (*others, None if bias is None else bias * len(bias) / grad_output.size)


LAYERS = (convolution,)
