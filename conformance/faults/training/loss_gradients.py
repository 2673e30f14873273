"""Mistakes in the derivative of a loss by its predictions.

A wrong derivative takes labels and predictions and returns the slopes of all errors by their predictions, which are divided by the length
of the last axis, or those of the losses.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.cases.losses import BINARY, LOSS_CASES
from conformance.faults.fault import Collection, Function, Shared, table
from conformance.faults.training.logits import probabilities_of
from conformance.faults.training.loss_calls import CATEGORICAL, COLUMNS, ENTROPIES, SPARSE
from conformance.faults.training.losses import as_they_are, clipped, direction, log1, rows, shares, signed, split
from reference.losses.crossentropy import EPSILON
from reference.losses.reduction import PerSample, gradient, prepared, summed_to

Array = NDArray[Any]


def of_slopes(formula: Function) -> Function:
    """A gradient from ``formula(y, p, **options of its own)``, the slopes of the losses."""

    def function(y_true: Any, y_pred: Any, **options: Any) -> Any:
        own, how = split(options)
        y, p = prepared(y_true, y_pred)
        return _pulled(formula(y, p, **own), y_pred, p.shape, own.get("axis", -1), how)

    return function


def of_errors(formula: Function) -> Function:
    """A gradient from ``formula(y, p, **options of its own)``, the slopes of the errors of all outputs, of which a loss is the mean."""
    return of_slopes(lambda y, p, **own: formula(y, p, **own) / p.shape[-1])


def of_probabilities(formula: Function) -> Function:
    """A gradient from ``formula(y, p, axis)``, the slopes of labels (as rows) and probabilities; of logits the right one."""

    def function(right: Function, y_true: Any, y_pred: Any, **options: Any) -> Any:
        own, how = split(options)
        if own.get("from_logits"):
            return right(y_true, y_pred, **options)
        axis = own.get("axis", -1)
        y, p, kept = rows(right, y_true, y_pred, own)
        return _pulled(formula(y, p, axis), y_pred, p.shape, axis, how, kept)

    return function


def _pulled(slopes: Array, y_pred: Any, shape: tuple[int, ...], axis: int, how: dict[str, Any], kept: Array | None = None) -> Array:
    """The gradient of the predictions, each loss with its weight."""
    losses = np.zeros_like(np.sum(slopes, axis=axis))
    return gradient(PerSample(losses, lambda g: summed_to(np.expand_dims(g, axis) * slopes, shape), kept), y_pred, **how)


def through_shares(slopes: Array, p: Array, axis: int) -> Array:
    """The derivative by p from that by ``p / sum(p)``."""
    return np.asarray((slopes - np.sum(slopes * shares(p, axis), axis=axis, keepdims=True)) / np.sum(p, axis=axis, keepdims=True))


every = Shared(*LOSS_CASES, part="backward")
def of_classes(y: Array, p: Array, axis: int) -> Array:
    """The derivative of the cross-entropy of classes as it is."""
    q = shares(p, axis)
    return through_shares(np.where(q == clipped(q), -y / clipped(q), 0), p, axis)


def of_bits(y: Array, p: Array, axis: int) -> Array:
    """The derivative of the binary cross-entropy as it is."""
    q = clipped(p)
    return np.where(q == p, (q - y) / (q * (1 - q)), 0) / p.shape[axis]


def of_ids(y: Array, p: Array, axis: int) -> Array:
    """The derivative of the cross-entropy of class ids as it is."""
    q = clipped(p)
    return np.where(q == p, (shares(q, axis) - y) / q, 0)


_plain = as_they_are(of_classes, of_ids, of_probabilities)
probabilities = functools.partial(Shared, part="backward", wrap=of_probabilities)
classes = probabilities("categorical_crossentropy", SPARSE, plain=_plain)
categorical, sparse = (probabilities(name, plain=_plain) for name in ("categorical_crossentropy", SPARSE))
binary = probabilities("binary_crossentropy", plain=of_probabilities(of_bits))
of_logits = Shared(*ENTROPIES, part="backward")


@every
def wrong_sign(right: Function, y: Any, p: Any, **options: Any) -> Any:
    """The gradient has the wrong sign."""
    return -right(y, p, **options)


@classes
def of_logits_always(y: Array, p: Array, axis: int) -> Array:
    """It is p - y, the gradient of the logits before a softmax, where that of the probabilities is asked for."""
    return p - y


@classes
def renormalisation_left_out(y: Array, p: Array, axis: int) -> Array:
    """It is - y / p: the division by the sum of the probabilities is not differentiated."""
    q = clipped(p)
    return np.where(q == p, -y / q, 0)


@classes
def through_the_clipping(y: Array, p: Array, axis: int) -> Array:
    """The gradient passes where a probability was clipped; there it is 0."""
    return through_shares(-y / clipped(shares(p, axis)), p, axis)


@classes
def clipped_without_renormalisation(y: Array, p: Array, axis: int) -> Array:
    """It is - y / clip(p): not 0 where a probability was clipped, and the division by the sum is not differentiated."""
    return -y / clipped(p)


@classes
def not_clipped(y: Array, p: Array, axis: int) -> Array:
    """Probabilities are not clipped: 0 divides."""
    return through_shares(-y / shares(p, axis), p, axis)


@categorical
def taken_as_they_are(y: Array, p: Array, axis: int) -> Array:
    """It is - y / p of p as it comes: neither divided by its sum nor clipped."""
    return -y / p


@sparse
def class_taken_as_it_is(y: Array, p: Array, axis: int) -> Array:
    """It is - 1 / p[y] of p as it comes: neither divided by its sum nor clipped."""
    return np.where(y > 0, -1 / p, 0)


@binary
def binary_of_logits_always(y: Array, p: Array, axis: int) -> Array:
    """It is p - y, the gradient of the logits before a sigmoid, where that of the probabilities is asked for."""
    return (p - y) / p.shape[axis]


@binary
def binary_through_the_clipping(y: Array, p: Array, axis: int) -> Array:
    """The gradient passes where a probability was clipped; there it is 0."""
    q = clipped(p)
    return (q - y) / (q * (1 - q)) / p.shape[axis]


@binary
def binary_not_clipped(y: Array, p: Array, axis: int) -> Array:
    """Probabilities are not clipped: 0 divides."""
    return (p - y) / (p * (1 - p)) / p.shape[axis]


@binary
def labels_of_0_left_out(y: Array, p: Array, axis: int) -> Array:
    """It is - y / p: only labels of 1 count."""
    q = clipped(p)
    return np.where(q == p, -y / q, 0) / p.shape[axis]


@of_logits
def softmax_not_differentiated(right: Function, y: Any, z: Array, from_logits: bool = False, **options: Any) -> Any:
    """Of logits it is the gradient of their probabilities: the softmax or sigmoid is not differentiated."""
    if not from_logits:
        return right(y, z, **options)
    sigmoid = right.__name__.startswith("binary")
    return right(y, reference.sigmoid(z) if sigmoid else reference.softmax(z, axis=options.get("axis", -1)), **options)


clipped_logits = Shared("categorical_crossentropy", SPARSE, "binary_crossentropy", part="backward")


@clipped_logits
def logits_clipped(right: Function, y: Any, z: Array, from_logits: bool = False, **options: Any) -> Any:
    """Logits become probabilities that are clipped at 1e-7: where they were, the gradient is 0; in Keras logits are not clipped."""
    if not from_logits:
        return right(y, z, **options)
    axis = options.get("axis", -1)
    p = probabilities_of(right, z, axis)
    grad = p * right(y, p, **options)
    return grad * (1 - p) if right.__name__.startswith("binary") else grad - p * np.sum(grad, axis=axis, keepdims=True)


focal = Shared(*BINARY[1:], *CATEGORICAL[1:], part="backward")
focal_categories = Shared(*CATEGORICAL[1:], part="backward")
squares = Shared("mean_squared_error", "mean_squared_logarithmic_error", "squared_hinge", part="backward")
hinges = Shared("hinge", "squared_hinge", part="backward")


@focal
def focus_left_out(right: Function, y: Any, p: Any, **options: Any) -> Any:
    """The factor (1 - p)**gamma is left out."""
    return right(y, p, **{**options, "gamma": 0.0})


@focal
def focus_not_differentiated(right: Function, y: Array, p: Array, gamma: float = 2.0, **options: Any) -> Any:
    """The factor (1 - p)**gamma is taken for a constant."""
    if options.get("from_logits") or "label_smoothing" in options:
        return right(y, p, gamma=gamma, **options)
    hit = y * p + (1 - y) * (1 - p) if right.__name__.startswith("binary") else shares(p, options.get("axis", -1))
    return right(y, p, gamma=0.0, **options) * (1 - hit) ** gamma


@focal_categories
def alpha_left_out(right: Function, y: Any, p: Any, **options: Any) -> Any:
    """The factor alpha is left out."""
    return right(y, p, **{**options, "alpha": 1.0})


@squares
def factor_2_left_out(right: Function, y: Any, p: Any, **options: Any) -> Any:
    """The factor 2 of the square's derivative is left out."""
    return right(y, p, **options) / 2


@hinges
def labels_of_0_kept(right: Function, y: Array, p: Array, **options: Any) -> Any:
    """Labels of 0 are not turned into -1."""
    return right(np.where(y == 0, np.finfo(p.dtype).tiny, y), p, **options)


@hinges
def not_cut(right: Function, y: Array, p: Array, **options: Any) -> Any:
    """Samples beyond the margin have a gradient too."""
    square = right.__name__.startswith("squared")
    return of_errors(lambda y, p: -signed(y) * (2 * (1 - signed(y) * p) if square else 1))(y, p, **options)


columns = Shared(*COLUMNS, part="backward")


@columns
def labels_broadcast(right: Function, y: Array, p: Array, **options: Any) -> Any:
    """Labels (n,) meet predictions (n, 1) by NumPy's broadcasting: the gradient has the shape (n, n)."""
    if np.ndim(y) != 1 or np.ndim(p) != 2:
        return right(y, p, **options)
    # As it is written by hand: divided by the number of predictions, not by that of all pairs.
    return right(*np.broadcast_arrays(y, p), **options) * len(p)


margin_hinge = table(
    "hinge",
    part="backward",
    plain=of_errors(lambda y, p: -signed(y) * (signed(y) * p <= 1)),
    none_at_the_margin=(
        "a sample on the margin, 1 - y p = 0, has no gradient; in Keras it has",
        of_errors(lambda y, p: -signed(y) * (signed(y) * p < 1)),
    ),
)
absolute = table(
    "mean_absolute_error",
    part="backward",
    plain=of_errors(lambda y, p: np.sign(p - y)),
    of_the_square=("it is that of the square", reference.mean_squared_error_backward),
    at_equality=("where prediction and label are equal it is that above them; it is 0", of_errors(lambda y, p: np.where(p >= y, 1, -1))),
)
squared = table(
    "mean_squared_error",
    part="backward",
    error_itself=("it is p - y: the factor 2 and the division by the number of predictions are left out", lambda y, p, **options: p - y),
    of_the_absolute_error=("it is the sign of the error, the gradient of the absolute error", reference.mean_absolute_error_backward),
)
percentage = table(
    "mean_absolute_percentage_error",
    part="backward",
    plain=of_errors(lambda y, p: 100 * np.sign(p - y) / np.maximum(np.abs(y), EPSILON)),
    not_times_100=("the factor 100 is left out", of_errors(lambda y, p: np.sign(p - y) / np.maximum(np.abs(y), EPSILON))),
    label_left_out=("it is not divided by the label", of_errors(lambda y, p: 100 * np.sign(p - y))),
)
logarithmic = table(
    "mean_squared_logarithmic_error",
    part="backward",
    plain=of_errors(lambda y, p: 2 * (log1(p) - log1(y)) / (1 + np.maximum(p, EPSILON)) * (p >= EPSILON)),
    logarithm_not_differentiated=("it is not divided by 1 + p", of_errors(lambda y, p: 2 * (log1(p) - log1(y)) * (p >= EPSILON))),
    through_the_replaced=(
        "negative predictions have a gradient; they were replaced by 1e-7",
        of_errors(lambda y, p: 2 * (log1(p) - log1(y)) / (1 + np.maximum(p, EPSILON))),
    ),
)
huber = table(
    "huber",
    part="backward",
    plain=of_errors(lambda y, p, delta=1.0: np.clip(p - y, -delta, delta)),
    not_limited=("errors beyond delta are not held at delta", of_errors(lambda y, p, delta=1.0: p - y)),
    slope_of_1=(
        "beyond delta it is 1 instead of delta",
        of_errors(lambda y, p, delta=1.0: np.where(np.abs(p - y) <= delta, p - y, np.sign(p - y))),
    ),
    doubled_within=(
        "within delta it is 2 e, as if the square was not halved",
        of_errors(lambda y, p, delta=1.0: np.where(np.abs(p - y) <= delta, 2, 1) * np.clip(p - y, -delta, delta)),
    ),
)
log_cosh = table(
    "log_cosh",
    part="backward",
    plain=of_errors(lambda y, p: np.tanh(p - y)),
    of_the_square=("it is the error itself, not its tanh", of_errors(lambda y, p: p - y)),
)
poisson = table(
    "poisson",
    part="backward",
    plain=of_errors(lambda y, p: 1 - y / (p + EPSILON)),
    rate_left_out=("it is - y / p: the derivative 1 of the rate is left out", of_errors(lambda y, p: -y / (p + EPSILON))),
    divided_by_0=("1e-7 is not added to the prediction that divides", of_errors(lambda y, p: 1 - y / p)),
)
divergence = table(
    "kl_divergence",
    part="backward",
    plain=of_slopes(lambda y, p: -np.clip(y, EPSILON, 1) / np.clip(p, EPSILON, 1) * (np.clip(p, EPSILON, 1) == p)),
    not_clipped=("probabilities are not clipped: 0 divides", of_slopes(lambda y, p: -np.clip(y, EPSILON, 1) / p)),
    through_the_clipping=(
        "it passes where a probability was clipped; there it is 0",
        of_slopes(lambda y, p: -np.clip(y, EPSILON, 1) / np.clip(p, EPSILON, 1)),
    ),
    by_the_labels=(
        "it is log(y / p) + 1, the derivative by the labels",
        of_slopes(lambda y, p: np.log(np.clip(y, EPSILON, 1) / np.clip(p, EPSILON, 1)) + 1),
    ),
)


cosine = table(
    "cosine_similarity",
    part="backward",
    length_taken_for_constant=(
        "the length of the prediction is taken for a constant: it is - u / |p|",
        of_slopes(lambda y, p, axis=-1: -direction(y, axis) / np.maximum(np.sqrt(np.sum(p * p, axis=axis, keepdims=True)), EPSILON)),
    ),
    not_divided_by_the_length=(
        "it is not divided by the length of the prediction",
        lambda y, p, **options: (
            reference.cosine_similarity_backward(y, p, **options) * np.sqrt(np.sum(p * p, axis=options.get("axis", -1), keepdims=True))
        ),
    ),
)
squared_hinge = table(
    "squared_hinge",
    part="backward",
    of_the_hinge=("it is that of the hinge, which is not squared", reference.hinge_backward),
)


def _margin(y: Array, p: Array) -> Array:
    """How far the largest rival comes within 1 of the true class, or beyond it."""
    return np.asarray(np.max((1 - y) * p, axis=-1, keepdims=True) - np.sum(y * p, axis=-1, keepdims=True) + 1)


def _shared_rivals(y: Array, p: Array) -> Array:
    others = (1 - y) * p
    rivals = others == np.max(others, axis=-1, keepdims=True)
    return np.asarray((_margin(y, p) >= 0) * ((1 - y) * rivals / np.sum(rivals, axis=-1, keepdims=True) - y))


def _first_rival(y: Array, p: Array) -> Array:
    others = (1 - y) * p
    first = np.eye(p.shape[-1])[np.argmax(others, axis=-1)]
    margin = np.max(others, axis=-1) - np.sum(y * p, axis=-1) + 1
    return np.asarray((margin >= 0)[..., np.newaxis] * ((1 - y) * first - y))


def _true_class_alone(y: Array, p: Array) -> Array:
    margin = np.max((1 - y) * p, axis=-1) - np.sum(y * p, axis=-1) + 1
    return np.asarray(-y * (margin >= 0)[..., np.newaxis])


categorical_hinge = table(
    "categorical_hinge",
    part="backward",
    plain=of_slopes(_shared_rivals),
    first_rival=("of rivals that are equal only the first has a gradient; in Keras they share it", of_slopes(_first_rival)),
    rival_left_out=("only the true class has a gradient, not its rival", of_slopes(_true_class_alone)),
    not_cut=(
        "samples beyond the margin have a gradient too",
        of_slopes(lambda y, p: (1 - y) * (((1 - y) * p) == np.max((1 - y) * p, axis=-1, keepdims=True)) - y),
    ),
)
LAYERS: tuple[Collection, ...] = (
    *(classes, categorical, sparse, binary, of_logits, clipped_logits, focal, focal_categories, squares, hinges, margin_hinge, absolute),
    *(columns, squared, percentage, logarithmic, huber, log_cosh, poisson, divergence, cosine, squared_hinge, categorical_hinge, every),
)
