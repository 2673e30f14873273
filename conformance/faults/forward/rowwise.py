"""Mistakes in the activation functions that mix the values along an axis: softmax, log_softmax, sparsemax, glu."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference as right
from conformance.faults.fault import table
from conformance.faults.forward.activations import logistic

Array = NDArray[Any]


def _exponentials(x: Array, axis: Any = -1) -> Array:
    return np.asarray(np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True))


def _sparsemax_of_keras(x: Array, axis: int = -1) -> Array:
    """What Keras 3.15 computes (defect D5): the threshold from the sum of the cumulative sums."""
    downwards = -np.sort(-x, axis=axis)
    sums = np.cumsum(downwards, axis=axis)
    k = np.arange(1, x.shape[axis] + 1).reshape([-1 if n == axis % x.ndim else 1 for n in range(x.ndim)])
    support = downwards - (sums - 1) / k > 0
    tau = (np.sum(np.where(support, sums, 0), axis=axis, keepdims=True) - 1) / np.sum(support, axis=axis, keepdims=True)
    return np.maximum(x - tau, 0)


def _halves(x: Array, axis: int) -> tuple[Array, Array]:
    first, second = np.split(x, 2, axis=axis)
    return first, second


SOFTMAX = table(
    "softmax",
    other_axes=(
        "any axis but the last one is taken for axis 0",
        lambda x, axis=-1: right.softmax(x, axis=-1 if axis in (-1, x.ndim - 1) else 0),
    ),
    overflow=("the maximum is not subtracted first, so that exp overflows to NaN", _exponentials),
    batch_axis=("it runs over axis 0 instead of the last one", lambda x, axis=0: right.softmax(x, axis=axis)),
    axis_ignored=("axis is ignored: the last one is always used", lambda x, axis=-1: right.softmax(x)),
    everything=("it runs over all values instead of along one axis", lambda x, axis=-1: right.softmax(x, axis=None)),
    axis_1=("it runs over axis 1 instead of the last one", lambda x, axis=1: right.softmax(x, axis=axis)),
    global_maximum=(
        "the largest value of all rows is subtracted, so that small rows underflow to 0 / 0",
        lambda x, axis=-1: _exponentials(x - np.max(x), axis),
    ),
    sigmoid=("it is the sigmoid of each value", lambda x, axis=-1: right.sigmoid(x)),
    no_exponential=("values are divided by their sum without exp", lambda x, axis=-1: x / np.sum(x, axis=axis, keepdims=True)),
)

LAYERS = (
    table(
        "glu",
        halves_swapped=(
            "the sigmoid is taken of the first half instead of the second",
            lambda x, axis=-1: logistic(_halves(x, axis)[0]) * _halves(x, axis)[1],
        ),
        no_sigmoid=("the second half does not go through a sigmoid", lambda x, axis=-1: np.multiply(*_halves(x, axis))),
        alternating=(
            "neighbours are paired instead of the first and the second half",
            lambda x, axis=-1: np.moveaxis(np.moveaxis(x, axis, -1)[..., ::2] * logistic(np.moveaxis(x, axis, -1)[..., 1::2]), -1, axis),
        ),
        axis_ignored=("axis is ignored: the last one is always halved", lambda x, axis=-1: right.glu(x)),
    ),
    table(
        "log_softmax",
        other_axes=(
            "any axis but the last one is taken for axis 0",
            lambda x, axis=-1: right.log_softmax(x, axis=-1 if axis in (-1, x.ndim - 1) else 0),
        ),
        underflow=(
            "it is log(softmax(x)) step by step, -inf where softmax underflows to 0",
            lambda x, axis=-1: np.log(right.softmax(x, axis=axis)),
        ),
        overflow_of_softmax=(
            "it is log(softmax(x)) step by step, of a softmax whose exp overflows: the maximum is not subtracted first",
            lambda x, axis=-1: np.log(_exponentials(x, axis)),
        ),
        overflow=(
            "the maximum is not subtracted first, so that exp overflows",
            lambda x, axis=-1: x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True)),
        ),
        no_log=("the logarithm is forgotten (that is softmax)", lambda x, axis=-1: right.softmax(x, axis=axis)),
        axis_ignored=("axis is ignored: the last one is always used", lambda x, axis=-1: right.log_softmax(x)),
        batch_axis=("it runs over axis 0 instead of the last one", lambda x, axis=0: right.log_softmax(x, axis=axis)),
        everything=("it runs over all values instead of along one axis", lambda x, axis=-1: right.log_softmax(x, axis=None)),
    ),
    SOFTMAX,
    table(
        "sparsemax",
        other_axes=(
            "any axis but the last one is taken for axis 0",
            lambda x, axis=-1: right.sparsemax(x, axis=-1 if axis in (-1, x.ndim - 1) else 0),
        ),
        of_keras=("the threshold uses the sum of the cumulative sums, the defect D5 of Keras itself", _sparsemax_of_keras),
        softmax=("it is softmax", lambda x, axis=-1: right.softmax(x, axis=axis)),
        axis_ignored=("axis is ignored: the last one is always used", lambda x, axis=-1: right.sparsemax(x)),
        batch_axis=("it runs over axis 0 instead of the last one", lambda x, axis=0: right.sparsemax(x, axis=axis)),
        one_winner=("only the largest value is kept", lambda x, axis=-1: (x == np.max(x, axis=axis, keepdims=True)).astype(x.dtype)),
    ),
)
