"""Mistakes in the causal padding of Conv1D."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, Shared
from conformance.faults.forward.convolution import Bias, geometry, inside, padded_by, with_widths

Array = NDArray[Any]

conv1d = Shared("Conv1D")


def _before(x: Array, kernel: Array, options: Any) -> int:
    """The zeros before the first step."""
    ((_, k, _, dilation),) = geometry(x, kernel, options)
    return (k - 1) * dilation


@conv1d
def causal_at_the_end(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='causal' adds its zeros after the last step instead of before the first."""
    return with_widths(right, x, kernel, bias, options, [(0, _before(x, kernel, options))], "causal")


@conv1d
def causal_without_dilation(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='causal' is computed as if dilation_rate were 1, with the missing zeros at the end."""
    zeros = _before(x, kernel, {**options, "dilation_rate": (1,)})
    return with_widths(right, x, kernel, bias, options, [(zeros, _before(x, kernel, options) - zeros)], "causal")


@conv1d
def causal_too_short(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='causal' adds as few zeros as without dilation_rate, so that the output is too short."""
    zeros = _before(x, kernel, {**options, "dilation_rate": (1,)})
    return with_widths(right, x, kernel, bias, options, [(zeros, 0)], "causal")


@conv1d
def causal_strictly(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='causal' hides the present step as well: every output is one step late."""
    if options.get("padding") != "causal":
        return np.asarray(right(x, kernel, bias, **options))
    late = padded_by(x, [(1, 0)], options.get("data_format", "channels_last"))
    return np.asarray(right(late[inside([slice(-1)], options)], kernel, bias, **options))


@conv1d
def causal_as_same(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='causal' is taken for 'same', which looks at later steps too."""
    same = {"padding": "same"} if options.get("padding") == "causal" else {}
    return np.asarray(right(x, kernel, bias, **{**options, **same}))


@conv1d
def causal_ignored(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='causal' adds nothing."""
    return with_widths(right, x, kernel, bias, options, [(0, 0)], "causal")


@conv1d
def causal_repeats_the_start(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='causal' repeats the first step instead of adding zeros."""
    return with_widths(right, x, kernel, bias, options, [(_before(x, kernel, options), 0)], "causal", mode="edge")


@conv1d
def causal_flipped(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """With padding='causal' the kernel runs back in time: its first tap meets the present step."""
    return np.asarray(right(x, kernel[::-1] if options.get("padding") == "causal" else kernel, bias, **options))


@conv1d
def causal_strides_from_the_end(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='causal' keeps the last of every few steps instead of the first, so that strides end at the last step."""
    ((size, _, stride, _),) = geometry(x, kernel, options)
    fewer = (size - 1) % stride
    zeros = _before(x, kernel, options)
    if fewer == 0 or options.get("padding") != "causal":
        return np.asarray(right(x, kernel, bias, **options))
    padded = padded_by(x, [(zeros, 0)], options.get("data_format", "channels_last"))
    return np.asarray(right(padded[inside([slice(fewer, None)], options)], kernel, bias, **{**options, "padding": "valid"}))


@conv1d
def time_and_channels_swapped(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """Steps and channels of the input are swapped where both are equally many."""
    return np.asarray(right(x.swapaxes(1, 2) if x.shape[1] == x.shape[2] else x, kernel, bias, **options))


LAYERS = (conv1d,)
