"""Unusual cases are meant: what Keras and NumPy warn of is not told."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

T = TypeVar("T")


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings; ``@quiet()`` keeps a whole function so."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def once(compute: Callable[[], T]) -> Callable[[], T]:
    """Computed when first asked for, once, and quietly."""
    return functools.cache(quiet()(compute))
