"""Convolution and pooling: windows that stride, spread, split by channels, and read another layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.base.arrays import Arrays
from conformance.cases.case import Case
from conformance.properties.property import Array, Ask, Outputs, Property, configured, joined, layer, must, without

SHIFT = -10.0
"""Far enough that every value is negative, and padding with zeros shows."""
SIZES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "Conv1D": ((2, 9, 4), {"filters": 6, "kernel_size": (3,)}),
    "Conv2D": ((2, 7, 9, 4), {"filters": 6, "kernel_size": (3, 2)}),
    "MaxPooling1D": ((2, 11, 4), {"pool_size": (3,)}),
    "MaxPooling2D": ((2, 7, 9, 4), {"pool_size": (3, 2)}),
    "AveragePooling1D": ((2, 11, 4), {"pool_size": (3,)}),
    "AveragePooling2D": ((2, 7, 9, 4), {"pool_size": (3, 2)}),
    "GlobalMaxPooling1D": ((2, 9, 4), {}),
    "GlobalMaxPooling2D": ((2, 7, 9, 4), {}),
    "GlobalAveragePooling1D": ((2, 9, 4), {}),
    "GlobalAveragePooling2D": ((2, 7, 9, 4), {}),
}


def strided(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Is not every n-th window of those that stand one step apart."""
    strides = case.config.get("strides") or case.config["pool_size"]
    (every,) = ask(configured(case, strides=(1,) * len(strides)), arrays)
    return ask(case, arrays), (every[(slice(None), *(slice(None, None, step) for step in strides))],)


def constant_kernel(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Is not a convolution whose kernel is the same number everywhere."""
    pool = case.config["pool_size"]
    kernel = np.full((*pool, 1, 1), 1 / np.prod(pool))
    # Every channel is an image of its own: not all implementations have groups.
    images = np.moveaxis(arrays.x, -1, 0).reshape(-1, *arrays.x.shape[1:-1], 1)
    name = f"Conv{len(pool)}D"
    (y,) = ask(*layer(name, images, kernel, np.zeros(1), filters=1, kernel_size=pool))
    y = np.moveaxis(y.reshape(arrays.x.shape[-1], -1, *y.shape[1:-1]), 0, -1)
    return ask(case, arrays), (y[(slice(None), *(slice(None, None, step) for step in pool))],)


def dilated_kernel(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Is not the layer with zeros between the kernel's places instead of a dilation_rate."""
    rates = case.config["dilation_rate"]
    kernel, bias = arrays.weights
    sizes = tuple((size - 1) * rate + 1 for size, rate in zip(kernel.shape, rates, strict=False))
    spread = np.zeros((*sizes, *kernel.shape[-2:]))
    spread[tuple(slice(None, None, rate) for rate in rates)] = kernel
    plain = configured(without(case, "dilation_rate"), kernel_size=sizes)
    return ask(case, arrays), ask(plain, replace(arrays, weights=(spread, bias)))


def padded(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """With padding is not the layer without it on an input that has the zeros around it."""
    sizes = zip(arrays.x.shape[1:-1], case.config["kernel_size"], case.config.get("strides", (1, 1)), strict=False)
    missing = [max((-(-size // step) - 1) * step + kernel - size, 0) for size, kernel, step in sizes]
    if case.config["padding"] == "causal":
        missing = [kernel - 1 for kernel in case.config["kernel_size"]]
    before = [count if case.config["padding"] == "causal" else count // 2 for count in missing]
    widths = [(0, 0), *((first, count - first) for first, count in zip(before, missing, strict=True)), (0, 0)]
    return ask(case, arrays), ask(without(case, "padding"), replace(arrays, x=np.pad(arrays.x, widths)))


def groups(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """With groups is not one convolution for each group of channels, side by side."""
    count = case.config["groups"]
    own = configured(without(case, "groups"), filters=case.config["filters"] // count)
    parts = zip(np.split(arrays.x, count, -1), *(np.split(weight, count, -1) for weight in arrays.weights), strict=True)
    return ask(case, arrays), joined([ask(own, Arrays(x, tuple(weights))) for x, *weights in parts], axis=-1)


def channels_first(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """With data_format='channels_first' is not the same with the channels moved."""
    first = ask(configured(case, data_format="channels_first"), replace(arrays, x=np.moveaxis(arrays.x, -1, 1)))
    return tuple(_channels_last(y) for y in first), ask(case, arrays)


def _channels_last(y: Array) -> Array:
    return np.moveaxis(y, 1, -1) if y.ndim > 2 else y


def moved(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Does not give all values moved by a number when its input is moved by it: padding counts."""
    (y,) = ask(case, arrays)
    return ask(case, replace(arrays, x=arrays.x + SHIFT)), (y + SHIFT,)


def _properties() -> Iterator[Property]:
    for name, (shape, sizes) in SIZES.items():
        yield must(channels_first, name, shape, sizes)
        if name.startswith("Conv"):
            rank = len(sizes["kernel_size"])
            yield must(strided, name, shape, {**sizes, "strides": (3, 2)[:rank]})
            yield must(dilated_kernel, name, shape, {**sizes, "dilation_rate": (2, 3)[:rank]})
            yield must(groups, name, shape, {**sizes, "groups": 2})
            # A kernel of even length: the odd zero stands behind.
            for padding in ("same", "causal")[: 3 - rank]:
                even = {**sizes, "kernel_size": (4, 3)[:rank], "padding": padding}
                yield must(padded, name, shape, even, option=f"padding={padding}")
                yield must(padded, name, shape, {**even, "strides": (2, 3)[:rank]}, option=f"padding={padding}-strides")
            continue
        yield must(moved, name, shape, sizes)
        if sizes:
            yield must(moved, name, shape, {**sizes, "padding": "same"}, option="padding=same")
            yield must(strided, name, shape, sizes)
            yield must(strided, name, shape, {**sizes, "strides": (2, 4)[: len(sizes["pool_size"])]}, option="strides")
        if name in ("AveragePooling1D", "AveragePooling2D"):
            yield must(constant_kernel, name, shape, sizes, needs=(f"Conv{name[-2:]}",))


PROPERTIES = list(_properties())
