"""The arrays that a case is asked with, and what is done to all of them at once: casting and perturbing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

EPS = 2.0**-23
"""The distance of 1 to the next float32."""


@dataclass(frozen=True)
class Arrays:
    """What a case is asked with.

    ``weights`` are in the order of ``get_weights()``; ``arguments`` are keyword arguments of the call (``mask``, ``initial_state``,
    ``training``, ``dropout_mask`` ...), tuples of arrays included. ``x`` is a tuple of arrays for a layer that merges several.
    """

    x: Any
    weights: tuple[Array, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Steps:
    """What an optimizer is asked with: the variables before the first step, and the gradients of each step."""

    variables: tuple[Array, ...]
    gradients: tuple[tuple[Array | None, ...], ...]


def changed(change: Callable[[Array], Array], value: Any) -> Any:
    """What `change` makes of float arrays (alone, in tuples, mappings, :class:`Arrays` or :class:`Steps`); anything else as it is."""
    if isinstance(value, Arrays | Steps):
        return type(value)(*(changed(change, part) for part in vars(value).values()))
    if isinstance(value, tuple):
        return tuple(changed(change, item) for item in value)
    if isinstance(value, Mapping):
        return {key: changed(change, item) for key, item in value.items()}
    return change(value) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def cast(value: Any, dtype: str) -> Any:
    """Float arrays in `dtype`."""
    return changed(lambda array: array.astype(dtype), value)


def perturbed(rng: np.random.Generator, value: Any) -> Any:
    """Float arrays multiplied by ``1 + eps u``, u uniform in [-1, 1]."""
    return changed(lambda array: array * (1 + EPS * rng.uniform(-1, 1, array.shape)), value)


def same(one: Any, other: Any) -> bool:
    """Whether two things that cases are asked with are equal, to the last bit."""
    if isinstance(one, Arrays):
        return same(vars(one), vars(other))
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return bool(one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes())
    return bool(one == other)
