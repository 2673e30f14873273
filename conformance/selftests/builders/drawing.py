"""The distributions of the reference and of Keras replaced by something that tells what is asked of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from reference import initializers

KINDS = {
    "random_uniform": ("uniform", ("minval", "maxval")),
    "random_normal": ("normal", ("mean", "stddev")),
    "truncated_normal": ("truncated_normal", ("mean", "stddev")),
}
"""Our distributions, what Keras calls them, and their parameters."""


def replace_distributions(keras: Any, monkeypatch: pytest.MonkeyPatch, draw: Callable[..., Any]) -> None:
    """Put ``draw(ours, kind, shape, parameters)`` in the place of all distributions of the reference and of Keras."""
    for own, (kind, names) in KINDS.items():
        function = getattr(initializers, own)
        defaults = {name: inspect.signature(function).parameters[name].default for name in names}

        def replaced(
            shape: Any, *, ours: bool, kind: str = kind, defaults: Any = defaults, seed: Any = None, dtype: Any = None, **given: Any
        ):
            return draw(ours, kind, shape, defaults | given)

        own_function = partial(replaced, ours=True)
        # The signature tells which options there are.
        own_function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        monkeypatch.setattr(initializers, own, own_function)
        monkeypatch.setattr(keras.src.initializers.random_initializers.random, kind, partial(replaced, ours=False))
