"""Layers that make one array of several."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import Gradients, fitting, of_floats, sum_to
from reference.layers.kinds import MergeSpec
from reference.layers.options import AXIS
from reference.layers.shapes import Config, Shape, broadcast, concatenated
from reference.layers.spec import FORWARD, MASK, Option, layer

__all__ = ["add_backward", "add_compute_mask", "add_forward", "concatenate_backward", "concatenate_compute_mask", "concatenate_forward"]

Array = NDArray[Any]


def add_forward(x: Sequence[Array]) -> Array:
    """Sum of the arrays, ``y = x[0] + x[1] + ...``.

    Parameters
    ----------
    x : list of arrays
        Axes of length 1 are repeated. An array of lower rank gets new axes of length 1 behind its first one, the batch.

    Returns
    -------
    y : array

    Raises
    ------
    ValueError
        If there are no arrays, or their shapes do not fit each other.

    Source: keras.layers.Add.
    """
    return _add_run(x)[0]


def add_backward(grad_output: ArrayLike, x: Sequence[Array]) -> Gradients:
    """``([grad_x[0], grad_x[1], ...],)`` of :func:`add_forward`: `grad_output` for each array, summed where that array was repeated.

    None for an array of integers.
    """
    return _add_gradients(grad_output, _add_run(x)[1])


def _add_run(x: Sequence[Array]) -> tuple[Array, tuple[list[Array], list[Array], Array]]:
    arrays = [np.asarray(one) for one in x]
    if not arrays:
        raise ValueError("add takes a list of at least one array")
    rank = max(one.ndim for one in arrays)
    aligned = [one.reshape(*one.shape[:1], *(1,) * (rank - one.ndim), *one.shape[1:]) for one in arrays]
    total: Array = functools.reduce(np.add, aligned[1:], aligned[0].copy())
    return total, (arrays, aligned, total)


def _add_gradients(grad_output: ArrayLike, saved: tuple[list[Array], list[Array], Array]) -> Gradients:
    arrays, aligned, total = saved
    grad = fitting(grad_output, total.shape, total.dtype)
    parts = (sum_to(grad, wide.shape).reshape(one.shape).astype(one.dtype) for one, wide in zip(arrays, aligned, strict=True))
    return ([of_floats(one, part) for one, part in zip(arrays, parts, strict=True)],)


def add_compute_mask(x: Sequence[Array], mask: Sequence[Array | None] | None = None) -> Array | None:
    """True where any mask is, if every array has one; else None. Source: keras.layers.Add.compute_mask."""
    given = [one for one in mask or () if one is not None]
    if mask is None or len(given) < len(mask):
        return None
    either: Array = functools.reduce(np.logical_or, given)
    return either


def concatenate_forward(x: Sequence[Array], *, axis: int = -1) -> Array:
    """The arrays one after the other along `axis`.

    Parameters
    ----------
    x : list of arrays
        Of the same shape but for `axis`.
    axis : int

    Returns
    -------
    y : array

    Raises
    ------
    ValueError
        If there are no arrays, or their shapes differ in another axis.

    Source: keras.layers.Concatenate.
    """
    return _concatenate_run(x, axis=axis)[0]


def concatenate_backward(grad_output: ArrayLike, x: Sequence[Array], *, axis: int = -1) -> Gradients:
    """``([grad_x[0], grad_x[1], ...],)`` of :func:`concatenate_forward`: the part of `grad_output` where each array lies.

    None for an array of integers.
    """
    return _concatenate_gradients(grad_output, _concatenate_run(x, axis=axis)[1])


def _concatenate_run(x: Sequence[Array], *, axis: int = -1) -> tuple[Array, tuple[list[Array], Array, int]]:
    arrays = [np.asarray(one) for one in x]
    y = np.concatenate(arrays, axis=axis)
    return y, (arrays, y, axis)


def _concatenate_gradients(grad_output: ArrayLike, saved: tuple[list[Array], Array, int]) -> Gradients:
    arrays, y, axis = saved
    ends = np.cumsum([one.shape[axis] for one in arrays])[:-1].tolist()
    parts = np.split(fitting(grad_output, y.shape, y.dtype), ends, axis=axis)
    return ([of_floats(one, part.astype(one.dtype)) for one, part in zip(arrays, parts, strict=True)],)


def concatenate_compute_mask(x: Sequence[Array], mask: Sequence[Array | None] | None = None, *, axis: int = -1) -> Array | None:
    """The masks one after the other like the arrays, an array without one counting as kept; None if none has one.

    Along the last axis, which masks do not have, that is the place where any of them is True.

    Source: keras.layers.Concatenate.compute_mask.
    """
    if mask is None or all(one is None for one in mask):
        return None
    whole = [
        np.ones(array.shape, bool) if one is None else np.broadcast_to(one.astype(bool).reshape(*one.shape, *(1,) * missing), array.shape)
        for array, one in zip(x, mask, strict=True)
        for missing in [array.ndim - (array.ndim if one is None else one.ndim)]
    ]
    kept: Array = np.any(np.concatenate(whole, axis=axis), axis=-1)
    return kept




def _summed(config: Config, shapes: Sequence[Shape]) -> Shape:
    rank = max(map(len, shapes))
    # An array of lower rank gets new axes behind the batch.
    return broadcast([(*shape[:1], *(1,) * (rank - len(shape)), *shape[1:]) for shape in shapes])


ADD = layer(MergeSpec("Add", add_forward, _add_run, _add_gradients, output=_summed, compute_mask=add_compute_mask))
CONCATENATE = layer(
    MergeSpec(
        "Concatenate", concatenate_forward, _concatenate_run, _concatenate_gradients,
        options={"axis": Option(-1, AXIS, taken_by=(FORWARD, MASK))},
        output=lambda config, shapes: concatenated(shapes, config.get("axis", -1)), compute_mask=concatenate_compute_mask,
    )
)  # fmt: skip
