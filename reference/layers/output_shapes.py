"""The shapes of a layer's outputs: what follows from its configuration and the shapes of its inputs, without computing anything.

Where a size of an input is not known (None), what depends on it is not known either. An input that a layer cannot take is a
``ValueError``, so that a model whose layers do not fit each other is found out before it is run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from reference.layers.calls import SIGNATURES, numbers_of
from reference.layers.weight_shapes import Shape
from reference.layers.windows import output_size, padding_widths

Config = Mapping[str, Any]
Rule = Callable[[Config, Shape], Shape]

STATES = {"LSTM": 2, "GRU": 1, "SimpleRNN": 1}
"""Recurrent layers and the number of their states."""

MAX_PADDED = 2**20
MAX_PADDING = 16
"""``padding`` may make a sample this many times larger, and in any case as large as :data:`MAX_PADDED` numbers."""
MAX_CELLS = 2**28
"""Most cells that the windows of one sample may cover, channels included: what a convolution lays side by side."""


def output_shapes(class_name: str, config: Config, shapes: Sequence[Shape]) -> list[Shape]:
    """The shapes of the outputs of a layer, the batch first.

    Parameters
    ----------
    class_name, config
        As Keras has them; the options have been checked.
    shapes : sequence of Shape
        Of its input, or of all its inputs if it merges several.

    Raises
    ------
    ValueError
        If the layer cannot take inputs of these shapes.
    """
    if class_name in SIGNATURES and SIGNATURES[class_name].merges:
        return [_MERGES[class_name](config, shapes)]
    (shape,) = shapes
    if class_name == "Bidirectional":
        return _bidirectional(config, shape)
    if class_name == "TimeDistributed":
        _check_rank(shape, range(3, 100))
        inner = config["layer"]
        (step,) = output_shapes(inner["class_name"], inner["config"], [(*shape[:1], *shape[2:])])
        return [(*step[:1], shape[1], *step[1:])]
    if class_name in STATES:
        return _recurrent(class_name, config, shape)
    rule = _RULES.get(class_name)
    return [rule(config, shape) if rule else shape]


def size_of(shape: Shape) -> int:
    """How many numbers one sample has at least."""
    return math.prod(1 if size is None else size for size in shape[1:])


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The shape of an elementwise operation, axes aligned from the last one; ``ValueError`` where they do not fit."""
    result: list[int | None] = []
    for sizes in zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1):
        known = {size for size in sizes if size not in (None, 1)}
        if len(known) > 1:
            raise ValueError(f"arrays of the shapes {_listed(shapes)} do not fit each other")
        result.append(known.pop() if known else None if None in sizes else 1)
    return tuple(reversed(result))


def concatenated(shapes: Sequence[Shape], axis: int) -> Shape:
    """The shape of arrays one after the other along an axis."""
    rank = len(shapes[0])
    place = _axis(axis, rank)
    others = [[*shape[:place], 1, *shape[place + 1 :]] for shape in shapes]
    if any(len(shape) != rank for shape in shapes) or any(
        len({size for size in sizes if size is not None}) > 1 for sizes in zip(*others, strict=True)
    ):
        raise ValueError(f"arrays of the shapes {_listed(shapes)} cannot be concatenated along axis {axis}")
    whole = list(others[0])
    for shape in others[1:]:
        whole = [two if one is None else one for one, two in zip(whole, shape, strict=True)]
    sizes = [shape[place] for shape in shapes]
    whole[place] = None if None in sizes else sum(size for size in sizes if size is not None)
    return tuple(whole)


def _listed(shapes: Sequence[Shape]) -> str:
    return ", ".join(map(str, shapes[:8]))


def _check_rank(shape: Shape, ranks: range) -> None:
    if len(shape) not in ranks:
        wanted = f"{ranks.start}" if len(ranks) == 1 else f"{ranks.start} or more"
        raise ValueError(f"it takes arrays of rank {wanted}, its input has the shape {shape}")


def _axis(axis: int, rank: int) -> int:
    """The place of an axis, which must be another than that of the batch."""
    if not -rank <= axis < rank or axis % rank == 0:
        raise ValueError(f"axis {axis} is not an axis of a sample with an array of rank {rank}")
    return axis % rank


def _activated(config: Config, shape: Shape) -> Shape:
    """The shape after the activation, of which only ``glu`` changes it."""
    if config.get("activation") != "glu":
        return shape
    last = shape[-1]
    if last is not None and last % 2:
        raise ValueError(f"glu halves the last axis, and {last} is odd")
    return (*shape[:-1], None if last is None else last // 2)


def _dense(config: Config, shape: Shape) -> Shape:
    _check_rank(shape, range(2, 100))
    return _activated(config, (*shape[:-1], config["units"]))


def _embedding(config: Config, shape: Shape) -> Shape:
    return (*shape, config["output_dim"])


def _masking(config: Config, shape: Shape) -> Shape:
    _check_rank(shape, range(2, 100))
    return shape


def _flatten(config: Config, shape: Shape) -> Shape:
    return (shape[0], None if None in shape[1:] else size_of(shape))


def _reshape(config: Config, shape: Shape) -> Shape:
    target = tuple(config["target_shape"])
    known = math.prod(size for size in target if size != -1)
    if None in shape[1:]:
        return (shape[0], *(None if size == -1 else size for size in target))
    size = size_of(shape)
    if (not known or size % known) if -1 in target else known != size:
        raise ValueError(f"samples of the shape {shape[1:]} cannot be reshaped to {target}")
    return (shape[0], *(size // known if one == -1 else one for one in target))


def _rescaling(config: Config, shape: Shape) -> Shape:
    for name in ("scale", "offset"):
        value = numbers_of(config.get(name, 0.0))
        if isinstance(value, list | tuple) and (len(shape) < 2 or len(value) not in (1, shape[-1] or len(value))):
            raise ValueError(f"{name} has {len(value)} values, which do not fit an input of the shape {shape}")
    return shape


def _dropout(config: Config, shape: Shape) -> Shape:
    noise = config.get("noise_shape")
    if noise is not None:
        if len(noise) != len(shape):
            raise ValueError(f"noise_shape {tuple(noise)} has another rank than the input, whose shape is {shape}")
        broadcast([shape, tuple(1 if size is None else size for size in noise)])
    return shape


def _spatial_dropout(rank: int) -> Rule:
    def rule(config: Config, shape: Shape) -> Shape:
        _check_rank(shape, range(rank, rank + 1))
        return shape

    return rule


def _over_axes(config: Config, shape: Shape) -> Shape:
    axis = config.get("axis", -1)
    places = [_axis(one, len(shape)) for one in (axis if isinstance(axis, list | tuple) else [axis])]
    if len(set(places)) < len(places):
        raise ValueError(f"axis {axis} names an axis twice")
    return shape


def _p_re_lu(config: Config, shape: Shape) -> Shape:
    for axis in config.get("shared_axes") or ():
        if axis < 0:
            raise ValueError(f"shared_axes takes axes from 1, got {axis}")
        _axis(axis, len(shape))
    return shape


def _windows(config: Config, shape: Shape, rank: int, sizes: Any, strides: Any, dilation: Any) -> list[int | None]:
    """The number of windows along each spatial axis; ``ValueError`` where padding would make a sample far larger."""
    _check_rank(shape, range(rank + 2, rank + 3))
    first = 2 if config.get("data_format") == "channels_first" else 1
    spatial, padding = shape[first : first + rank], config.get("padding", "valid").lower()
    axes = [(one,) * rank if isinstance(one, int) else tuple(one) for one in (sizes, strides, dilation)]
    windows: list[int | None] = []
    padded = shape[1 if first == 2 else -1] or 1
    for size, kernel, stride, rate in zip(spatial, *axes, strict=True):
        windows.append(None if size is None else output_size(size, kernel, stride, rate, padding))
        padded *= 0 if size is None else size + sum(padding_widths(size, kernel, stride, rate, padding))
        if padded > max(MAX_PADDED, MAX_PADDING * size_of(shape)):
            raise ValueError(f"padding={padding!r} would pad a sample of {size_of(shape)} numbers to {padded} or more")
    return windows


def _check_cells(windows: Sequence[int | None], cells: int) -> None:
    known = math.prod(1 if size is None else size for size in windows)
    if known * cells > MAX_CELLS:
        raise ValueError(f"{known} windows of {cells} cells are more than the {MAX_CELLS} cells allowed for a sample")


def _pooling(rank: int) -> Rule:
    def rule(config: Config, shape: Shape) -> Shape:
        pool = config.get("pool_size", 2)
        strides = pool if config.get("strides") is None else config["strides"]
        windows = _windows(config, shape, rank, pool, strides, 1)
        # Pooling goes axis after axis, so that the cells of a window add up instead of multiplying.
        _check_cells(windows, sum([pool] * rank if isinstance(pool, int) else pool))
        return (*shape[:2], *windows) if config.get("data_format") == "channels_first" else (shape[0], *windows, shape[-1])

    return rule


def _convolution(rank: int) -> Rule:
    def rule(config: Config, shape: Shape) -> Shape:
        windows = _windows(config, shape, rank, config["kernel_size"], config.get("strides", 1), config.get("dilation_rate", 1))
        first, filters, groups = config.get("data_format") == "channels_first", config["filters"], config.get("groups", 1)
        channels, size = shape[1 if first else -1], config["kernel_size"]
        _check_cells(windows, math.prod([size] * rank if isinstance(size, int) else size) * (channels or 1) // groups)
        if filters % groups or (channels is not None and channels % groups):
            raise ValueError(f"groups={groups} does not divide {channels} channels and {filters} filters")
        if _largest(config.get("strides", 1)) > 1 and _largest(config.get("dilation_rate", 1)) > 1:
            raise ValueError("strides and dilation_rate cannot both exceed 1")
        return _activated(config, (shape[0], filters, *windows) if first else (shape[0], *windows, filters))

    return rule


def _largest(value: Any) -> int:
    return value if isinstance(value, int) else max(value)


def _global_pooling(rank: int) -> Rule:
    def rule(config: Config, shape: Shape) -> Shape:
        _check_rank(shape, range(rank + 2, rank + 3))
        ones = (1,) * rank if config.get("keepdims") else ()
        return (*shape[:2], *ones) if config.get("data_format") == "channels_first" else (shape[0], *ones, shape[-1])

    return rule


def _recurrent(class_name: str, config: Config, shape: Shape) -> list[Shape]:
    _check_rank(shape, range(3, 4))
    if shape[1] == 0:
        raise ValueError(f"it takes at least one step, its input has the shape {shape}")
    units = config["units"]
    output: Shape = (shape[0], shape[1], units) if config.get("return_sequences") else (shape[0], units)
    return [output, *([(shape[0], units)] * STATES[class_name] if config.get("return_state") else [])]


def _bidirectional(config: Config, shape: Shape) -> list[Shape]:
    halves = [config["layer"], config.get("backward_layer", config["layer"])]
    (forward, *states), (backward, *more) = (_recurrent(half["class_name"], half["config"], shape) for half in halves)
    merge_mode = config.get("merge_mode", "concat")
    if merge_mode is None:
        return [forward, backward, *states, *more]
    merged = concatenated([forward, backward], -1) if merge_mode == "concat" else forward
    if merge_mode != "concat" and forward != backward:
        raise ValueError(f"merge_mode={merge_mode!r} takes halves of the same units, not {forward[-1]} and {backward[-1]}")
    return [merged, *states, *more]


def _text_vectorization(config: Config, shape: Shape) -> Shape:
    if config.get("output_mode", "int") != "int":
        return (shape[0], config.get("max_tokens") if config.get("pad_to_max_tokens") else None)
    return (shape[0], config.get("output_sequence_length"))


def _add(config: Config, shapes: Sequence[Shape]) -> Shape:
    rank = max(map(len, shapes))
    # An array of lower rank gets new axes behind the batch.
    return broadcast([(*shape[:1], *(1,) * (rank - len(shape)), *shape[1:]) for shape in shapes])


_MERGES: dict[str, Callable[[Config, Sequence[Shape]], Shape]] = {
    "Add": _add,
    "Concatenate": lambda config, shapes: concatenated(shapes, config.get("axis", -1)),
}
_RULES: dict[str, Rule] = {
    "Activation": _activated,
    "Dense": _dense,
    "Embedding": _embedding,
    "Masking": _masking,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Rescaling": _rescaling,
    "Dropout": _dropout,
    "SpatialDropout1D": _spatial_dropout(3),
    "SpatialDropout2D": _spatial_dropout(4),
    "Softmax": _over_axes,
    "BatchNormalization": _over_axes,
    "LayerNormalization": _over_axes,
    "PReLU": _p_re_lu,
    **{f"{kind}Pooling{rank}D": _pooling(rank) for kind in ("Max", "Average") for rank in (1, 2)},
    **{f"Global{kind}Pooling{rank}D": _global_pooling(rank) for kind in ("Max", "Average") for rank in (1, 2)},
    **{f"Conv{rank}D": _convolution(rank) for rank in (1, 2)},
    "TextVectorization": _text_vectorization,
}
"""Layers whose output has another shape than their input, or that do not take every input; all others keep the shape."""
