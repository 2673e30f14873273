"""Which values the options of a layer may have, so that a bad one is refused when a file is read, not when the layer is called.

Sizes are capped: no option can ask for more work or memory than the model's data justify.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from reference.activations import ACTIVATIONS
from reference.layers.shapes import is_dimension

MAX_EXTENT = 2**20
"""Largest stride, dilation, kernel or pool along one axis."""
MAX_ELEMENTS = 2**26
"""Most numbers that a shape given in the configuration may stand for."""
NAMED_FUNCTION = "; custom functions are not supported"


class Allowed(NamedTuple):
    """Whether a value is one that Keras takes, and in words which ones that are."""

    fits: Callable[[Any], bool]
    words: str


def is_int(value: Any, lowest: int = 0, highest: int = MAX_ELEMENTS) -> bool:
    """Whether a value is an int between two others, and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


def is_number(value: Any, lowest: float = -1e38, highest: float = 1e38) -> bool:
    """Whether a value is a finite number between two others."""
    return isinstance(value, int | float) and not isinstance(value, bool) and lowest <= value <= highest


def is_list(value: Any, fits: Callable[[Any], bool], length: int | None = None) -> bool:
    """Whether a value is a list (of `length`, or of less than 100) of values that fit."""
    return isinstance(value, list | tuple) and (len(value) == length if length else len(value) < 100) and all(fits(one) for one in value)


def one_of(*values: Any) -> Allowed:
    """One of some texts, or None among them."""
    return Allowed(lambda value: isinstance(value, str | None) and value in values, f"one of {', '.join(map(repr, values))}")


def extents(length: int, or_none: bool = False) -> Allowed:
    """What Keras takes as an int or as one int an axis."""

    def fits(value: Any) -> bool:
        return (value is None and or_none) or _is_extent(value) or is_list(value, _is_extent, length)

    words = f"an int from 1 to {MAX_EXTENT}" + (f" or {length} of them" if length > 1 else "") + (" or None" if or_none else "")
    return Allowed(fits, words)


def numbers_of(value: Any) -> Any:
    """What an option holds that Keras wrote as a NumPy array, as nested lists; any other value as it is."""
    written = isinstance(value, dict) and value.get("class_name") == "__numpy__" and isinstance(value.get("config"), dict)
    return value["config"].get("value") if written else value


def _is_extent(value: Any) -> bool:
    return is_int(value, 1, MAX_EXTENT)


def _is_axis(value: Any) -> bool:
    return is_int(value, -100, 100)


def _is_target_shape(value: Any) -> bool:
    fits = is_list(value, lambda size: is_int(size, -1)) and list(value).count(-1) < 2
    return fits and math.prod(size for size in value if size > 0) <= MAX_ELEMENTS


def _is_noise_shape(value: Any) -> bool:
    known = value is None or (is_list(value, lambda size: size is None or is_int(size, 1)))
    return known and math.prod(size or 1 for size in value or ()) <= MAX_ELEMENTS


def _is_scaling(value: Any) -> bool:
    """Whether a value is a number, or a vector of them as a list or as Keras writes a NumPy array."""
    numbers = numbers_of(value)
    return all(map(is_number, numbers)) and len(numbers) > 0 if isinstance(numbers, list | tuple) else is_number(numbers)


def _is_activation(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value in ACTIVATIONS and value != "threshold")


ACTIVATION = Allowed(_is_activation, "the name of an activation function" + NAMED_FUNCTION)
GATE = Allowed(lambda value: _is_activation(value) and value != "glu", ACTIVATION.words)
AXIS = Allowed(_is_axis, "an axis")
AXES = Allowed(lambda value: _is_axis(value) or (is_list(value, _is_axis) and len(value) > 0), "an axis or a list of axes")
COUNT = Allowed(lambda value: is_dimension(value) and bool(value), "a positive int")
DATA_FORMAT = one_of(None, "channels_last", "channels_first")
FLAG = Allowed(lambda value: isinstance(value, bool), "True or False")
NOISE_SHAPE = Allowed(_is_noise_shape, f"a list of sizes or None, of at most {MAX_ELEMENTS} values")
NOT_NEGATIVE = Allowed(lambda value: is_number(value, 0), "a number from 0")
NOT_NEGATIVE_OR_NONE = Allowed(lambda value: value is None or is_number(value, 0), "a number from 0 or None")
NUMBER = Allowed(is_number, "a finite number")
PADDING = Allowed(lambda value: isinstance(value, str) and value.lower() in ("valid", "same"), "'valid' or 'same'")
PADDING_OR_CAUSAL = Allowed(
    lambda value: isinstance(value, str) and value.lower() in ("valid", "same", "causal"), "'valid', 'same' or 'causal'"
)
RATE = Allowed(lambda value: is_number(value, 0, 1), "a number from 0 to 1")
SCALING = Allowed(_is_scaling, "a finite number or a list of them")
SHARED_AXES = Allowed(lambda value: value is None or is_list(value, _is_axis), "a list of axes or None")
TARGET_SHAPE = Allowed(_is_target_shape, f"a list of sizes, at most one of them -1, of at most {MAX_ELEMENTS} values")
