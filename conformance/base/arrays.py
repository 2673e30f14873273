"""The arrays that a case is asked with, and what is done to all of them at once: casting and perturbing."""

from __future__ import annotations

from collections.abc import Mapping
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


def cast(value: Any, dtype: str) -> Any:
    """Arrays (alone, in tuples, in mappings, in :class:`Arrays`) with their floats in `dtype`; anything else as it is."""
    if isinstance(value, Arrays):
        return Arrays(cast(value.x, dtype), cast(value.weights, dtype), cast(value.arguments, dtype))
    if isinstance(value, tuple):
        return tuple(cast(item, dtype) for item in value)
    if isinstance(value, Mapping):
        return {key: cast(item, dtype) for key, item in value.items()}
    if isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.floating):
        return value.astype(dtype)
    return value


def perturbed(rng: np.random.Generator, value: Any) -> Any:
    """Float arrays multiplied by ``1 + eps u``; integers, masks and switches as they are."""
    if isinstance(value, Arrays):
        return Arrays(perturbed(rng, value.x), perturbed(rng, value.weights), perturbed(rng, value.arguments))
    if isinstance(value, tuple):
        return tuple(perturbed(rng, item) for item in value)
    if isinstance(value, Mapping):
        return {key: perturbed(rng, item) for key, item in value.items()}
    if isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.floating):
        return value * (1 + EPS * rng.uniform(-1, 1, value.shape))
    return value


def same(one: Any, other: Any) -> bool:
    """Whether two things that cases are asked with are equal, to the last bit."""
    if isinstance(one, Arrays):
        return same(one.x, other.x) and same(one.weights, other.weights) and same(dict(one.arguments), dict(other.arguments))
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return bool(one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes())
    return bool(one == other)
