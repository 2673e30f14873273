"""A large batch on all cores.

Of NumPy's functions only matrix products use several cores. A model therefore computes a large batch in shares, each in a thread of its own
from the first layer to the last, with its products on one core.

All that this needs is loaded here, with the package: a model that predicts loads nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import pairwise
from threading import Lock
from typing import Any

SMALLEST_SHARE, SMALLEST_WORK = 32, 2**21
"""Fewer samples, or fewer numbers in the outputs of all layers, are not worth a thread."""

_PRODUCTS = Lock()


def _controller() -> Any:
    """What can tell and limit the threads of matrix products, or None."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()


_CONTROLLER = _controller()


def shares(start: int, stop: int, numbers: int) -> list[slice]:
    """The samples from `start` to `stop`, for each of which layers give so many numbers, in slices of nearly the same size, one a core."""
    samples = stop - start
    number = max(1, min(threads(), samples // SMALLEST_SHARE, samples * numbers // SMALLEST_WORK))
    edges = [start + samples * n // number for n in range(number + 1)]
    return [slice(first, last) for first, last in pairwise(edges)]


def threads() -> int:
    """As many as matrix products use, which is where a user limits them (``OMP_NUM_THREADS``); 1 where threadpoolctl is not installed."""
    pools = [] if _CONTROLLER is None else _CONTROLLER.select(user_api="blas").info()
    return max((int(pool["num_threads"]) for pool in pools), default=1)


def in_threads(function: Callable[[slice], Any], parts: list[slice]) -> list[Any]:
    """``[function(part) for part in parts]``, each in a thread of its own; the first error is raised when all have ended."""
    if len(parts) < 2:
        return [function(part) for part in parts]
    with _PRODUCTS, _CONTROLLER.limit(limits=1, user_api="blas"), ThreadPoolExecutor(len(parts)) as pool:
        return [job.result() for job in [pool.submit(copy_context().run, function, part) for part in parts]]
