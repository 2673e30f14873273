"""The arithmetic of shapes that records are written with: what follows from a configuration without computing anything.

A size that is not known is None, and what depends on it is not known either. An input that a layer cannot take is a ``ValueError``, so
that a model whose layers do not fit each other is found out before it is run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from reference.layers.windows import output_size, padding_widths

Shape = tuple[int | None, ...]
"""A shape; None where it is not known, and ``()`` where nothing is known of it."""
Config = Mapping[str, Any]
Rule = Callable[[Config, Shape], Shape]
"""From a configuration and the shape of the input to another shape."""

MAX_PADDED = 2**20
MAX_PADDING = 16
"""``padding`` may make a sample this many times larger, and in any case as large as :data:`MAX_PADDED` numbers."""
MAX_CELLS = 2**28
"""Most cells that the windows of one sample may cover, channels included: what a convolution lays side by side."""


def is_dimension(value: Any) -> bool:
    """Whether a value can stand in a shape: an int from 0, or None."""
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def count(config: Config, name: str, default: int | None = None) -> int:
    """A size of the configuration; ``ValueError`` where it is not a positive int."""
    value = config[name] if default is None else config.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} is {value!r}")
    return value


def sizes(*names: str) -> Rule:
    """The shape that these sizes of the configuration make."""
    return lambda config, shape: tuple(count(config, name) for name in names)


def size_along(shape: Shape, axis: int) -> int | None:
    """The size of an axis, None where the shape is not known."""
    return shape[axis] if shape else None


def size_of(shape: Shape) -> int:
    """How many numbers one sample has at least."""
    return math.prod(1 if size is None else size for size in shape[1:])


def same_shape(config: Config, shape: Shape) -> Shape:
    """The output has the shape of the input."""
    return shape


def of_rank(lowest: int, highest: int = 100) -> Rule:
    """The output has the shape of the input, which has a rank between two numbers."""

    def rule(config: Config, shape: Shape) -> Shape:
        check_rank(shape, lowest, highest)
        return shape

    return rule


def check_rank(shape: Shape, lowest: int, highest: int = 100) -> None:
    """``ValueError`` where an array has too few axes or too many."""
    if not lowest <= len(shape) <= highest:
        wanted = f"{lowest}" if lowest == highest else f"{lowest} or more"
        raise ValueError(f"it takes arrays of rank {wanted}, its input has the shape {shape}")


def place_of(axis: int, rank: int) -> int:
    """The place of an axis, which must be another than that of the batch."""
    if not -rank <= axis < rank or axis % rank == 0:
        raise ValueError(f"axis {axis} is not an axis of a sample with an array of rank {rank}")
    return axis % rank


def over_axes(config: Config, shape: Shape) -> Shape:
    """The shape stays; ``axis`` names one or more axes of a sample."""
    axis = config.get("axis", -1)
    places = [place_of(one, len(shape)) for one in (axis if isinstance(axis, list | tuple) else [axis])]
    if len(set(places)) < len(places):
        raise ValueError(f"axis {axis} names an axis twice")
    return shape


def activated(config: Config, shape: Shape) -> Shape:
    """The shape after the activation, of which only ``glu`` changes it."""
    if config.get("activation") != "glu":
        return shape
    last = shape[-1]
    if last is not None and last % 2:
        raise ValueError(f"glu halves the last axis, and {last} is odd")
    return (*shape[:-1], None if last is None else last // 2)


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The shape of an elementwise operation, axes aligned from the last one; ``ValueError`` where they do not fit."""
    result: list[int | None] = []
    for along in zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1):
        known = {size for size in along if size not in (None, 1)}
        if len(known) > 1:
            raise ValueError(f"arrays of the shapes {_listed(shapes)} do not fit each other")
        result.append(known.pop() if known else None if None in along else 1)
    return tuple(reversed(result))


def concatenated(shapes: Sequence[Shape], axis: int) -> Shape:
    """The shape of arrays one after the other along an axis."""
    rank = len(shapes[0])
    place = place_of(axis, rank)
    others = [[*shape[:place], 1, *shape[place + 1 :]] for shape in shapes]
    if any(len(shape) != rank for shape in shapes) or any(
        len({size for size in along if size is not None}) > 1 for along in zip(*others, strict=True)
    ):
        raise ValueError(f"arrays of the shapes {_listed(shapes)} cannot be concatenated along axis {axis}")
    whole = list(others[0])
    for shape in others[1:]:
        whole = [two if one is None else one for one, two in zip(whole, shape, strict=True)]
    along = [shape[place] for shape in shapes]
    whole[place] = None if None in along else sum(size for size in along if size is not None)
    return tuple(whole)


def channels_of(config: Config, shape: Shape) -> int | None:
    """The size of the channel axis."""
    return size_along(shape, 1 if config.get("data_format") == "channels_first" else -1)


def laid_out(config: Config, shape: Shape, windows: Sequence[int | None], channels: int | None) -> Shape:
    """The shape of an image of windows, by ``data_format``."""
    first = config.get("data_format") == "channels_first"
    return (shape[0], channels, *windows) if first else (shape[0], *windows, channels)


def window_counts(config: Config, shape: Shape, rank: int, kernel_sizes: Any, strides: Any, dilation: Any = 1) -> list[int | None]:
    """The number of windows along each spatial axis; ``ValueError`` where padding would make a sample far larger."""
    check_rank(shape, rank + 2, rank + 2)
    first = 2 if config.get("data_format") == "channels_first" else 1
    spatial, padding = shape[first : first + rank], config.get("padding", "valid").lower()
    axes = [(one,) * rank if isinstance(one, int) else tuple(one) for one in (kernel_sizes, strides, dilation)]
    windows: list[int | None] = []
    padded = channels_of(config, shape) or 1
    for size, kernel, stride, rate in zip(spatial, *axes, strict=True):
        windows.append(None if size is None else output_size(size, kernel, stride, rate, padding))
        padded *= 0 if size is None else size + sum(padding_widths(size, kernel, stride, rate, padding))
        if padded > max(MAX_PADDED, MAX_PADDING * size_of(shape)):
            raise ValueError(f"padding={padding!r} would pad a sample of {size_of(shape)} numbers to {padded} or more")
    return windows


def check_cells(windows: Sequence[int | None], cells: int) -> None:
    """``ValueError`` where windows of so many cells take more room than a sample may."""
    known = math.prod(1 if size is None else size for size in windows)
    if known * cells > MAX_CELLS:
        raise ValueError(f"{known} windows of {cells} cells are more than the {MAX_CELLS} cells allowed for a sample")


def _listed(shapes: Sequence[Shape]) -> str:
    return ", ".join(map(str, shapes[:8]))
