"""Mistakes in the causal padding of Conv1D."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, Shared, changed
from conformance.faults.forward.convolution import Bias, geometry, inside, padded, padded_by

Array = NDArray[Any]

conv1d = Shared("Conv1D")


conv1d.table(
    causal_ignored=("padding='causal' adds nothing", padded(lambda *axis: (0, 0), "causal")),
)


@conv1d.by(padded(lambda size, k, stride, dilation: (0, (k - 1) * dilation), "causal"))
def causal_at_the_end() -> None:
    """padding='causal' adds its zeros after the last step instead of before the first."""


@conv1d.by(padded(lambda size, k, stride, dilation: (k - 1, (k - 1) * (dilation - 1)), "causal"))
def causal_without_dilation() -> None:
    """padding='causal' is computed as if dilation_rate were 1, with the missing zeros at the end."""


@conv1d.by(padded(lambda size, k, stride, dilation: (k - 1, 0), "causal"))
def causal_too_short() -> None:
    """padding='causal' adds as few zeros as without dilation_rate, so that the output is too short."""


@conv1d.by(changed(padding=lambda padding: "same" if padding == "causal" else padding))
def causal_as_same() -> None:
    """padding='causal' is taken for 'same', which looks at later steps too."""


@conv1d.by(padded(lambda size, k, stride, dilation: ((k - 1) * dilation, 0), "causal", mode="edge"))
def causal_repeats_the_start() -> None:
    """padding='causal' repeats the first step instead of adding zeros."""


@conv1d.by(changed(x=lambda x: x.swapaxes(1, 2) if x.shape[1] == x.shape[2] else x))
def time_and_channels_swapped() -> None:
    """Steps and channels of the input are swapped where both are equally many."""


@conv1d
def causal_strictly(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='causal' hides the present step as well: every output is one step late."""
    if options.get("padding") != "causal":
        return np.asarray(right(x, kernel, bias, **options))
    late = padded_by(x, [(1, 0)], options.get("data_format", "channels_last"))
    return np.asarray(right(late[inside([slice(-1)], options)], kernel, bias, **options))


@conv1d
def causal_flipped(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """With padding='causal' the kernel runs back in time: its first tap meets the present step."""
    return np.asarray(right(x, kernel[::-1] if options.get("padding") == "causal" else kernel, bias, **options))


@conv1d
def causal_strides_from_the_end(right: Function, x: Array, kernel: Array, bias: Bias = None, **options: Any) -> Array:
    """padding='causal' keeps the last of every few steps instead of the first, so that strides end at the last step."""
    ((size, k, stride, dilation),) = geometry(x, kernel, options)
    fewer, zeros = (size - 1) % stride, (k - 1) * dilation
    if fewer == 0 or options.get("padding") != "causal":
        return np.asarray(right(x, kernel, bias, **options))
    wide = padded_by(x, [(zeros, 0)], options.get("data_format", "channels_last"))
    return np.asarray(right(wide[inside([slice(fewer, None)], options)], kernel, bias, **{**options, "padding": "valid"}))


LAYERS = (conv1d,)
