"""Hinge losses: a prediction on the right side costs nothing once it is a margin of 1 away from the boundary.

`reduction`, `sample_weight` and `mask` are explained in :mod:`reference.losses.reduction`; shapes as in :mod:`reference.losses.regression`.
"""

from __future__ import annotations

from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from reference.losses.loss import backward_of, loss
from reference.losses.reduction import Array, PerSample, Reducing, averaged, prepared, summed_to

__all__ = [
    "categorical_hinge", "categorical_hinge_backward", "hinge", "hinge_backward", "squared_hinge", "squared_hinge_backward",
]  # fmt: skip


@loss
def hinge(y_true: ArrayLike, y_pred: ArrayLike, **how: Unpack[Reducing]) -> PerSample:
    """``mean(max(1 - y p, 0))``, y -1 or 1; if all labels of the batch are 0 or 1, ``2 y - 1`` is meant. Source: keras.losses.Hinge.

    Gradient: ``-y / n`` where ``1 - y p >= 0``.
    """
    y, p, margin = _margin(y_true, y_pred)
    return averaged(np.maximum(margin, 0), np.where(margin >= 0, -y, 0), p.shape)


hinge_backward = backward_of(hinge)


@loss
def squared_hinge(y_true: ArrayLike, y_pred: ArrayLike, **how: Unpack[Reducing]) -> PerSample:
    """``mean(max(1 - y p, 0)**2)``, labels as of :func:`hinge`. Source: keras.losses.SquaredHinge.

    Gradient: ``-2 y max(1 - y p, 0) / n``.
    """
    y, p, margin = _margin(y_true, y_pred)
    return averaged(np.maximum(margin, 0) ** 2, -2 * y * np.maximum(margin, 0), p.shape)


squared_hinge_backward = backward_of(squared_hinge)


@loss
def categorical_hinge(y_true: ArrayLike, y_pred: ArrayLike, **how: Unpack[Reducing]) -> PerSample:
    """``max(max((1 - y) p) - sum(y p) + 1, 0)``, y one-hot: the true class must win by a margin of 1.

    Source: keras.losses.CategoricalHinge.

    Gradient: ``(1 - y)`` at the largest of ``(1 - y) p``, shared among equal ones, minus y; 0 beyond the margin.
    """
    y, p = prepared(y_true, y_pred)
    others = (1 - y) * p
    largest = np.max(others, axis=-1, keepdims=True)
    margin = largest[..., 0] - np.sum(y * p, axis=-1) + 1
    wins = others == largest
    slopes = (1 - y) * wins / np.sum(wins, axis=-1, keepdims=True, dtype=p.dtype) - y
    return PerSample(np.maximum(margin, 0), lambda g: summed_to((g * (margin >= 0))[..., np.newaxis] * slopes, p.shape))


categorical_hinge_backward = backward_of(categorical_hinge)


def _margin(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array, Array]:
    """Labels of -1 and 1, predictions, and ``1 - y p``."""
    y, p = prepared(y_true, y_pred)
    if np.all((y == 0) | (y == 1)):
        y = 2 * y - 1
    return y, p, 1 - y * p
