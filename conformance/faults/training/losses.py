"""Mistakes in the formula of a loss, before its losses become one value.

A wrong formula takes labels and predictions and returns the errors of all outputs, which are averaged over the last axis, or the losses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.cases.losses import BINARY
from conformance.faults.fault import Collection, Function, Shared, table
from conformance.faults.training.loss_calls import CATEGORICAL, SPARSE
from reference.losses.crossentropy import EPSILON
from reference.losses.reduction import PerSample, Reducing, prepared, value

Array = NDArray[Any]


def split(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of a loss itself, and how its losses are reduced."""
    how = {name: given for name, given in options.items() if name in Reducing.__annotations__}
    return {name: given for name, given in options.items() if name not in how}, how


def of_losses(formula: Function) -> Function:
    """A loss from ``formula(y, p, **options of its own)``, the losses."""

    def function(y_true: Any, y_pred: Any, **options: Any) -> Any:
        own, how = split(options)
        losses = np.asarray(formula(*prepared(y_true, y_pred), **own))
        return value(PerSample(losses, lambda g: g), **how)

    return function


def of_errors(formula: Function) -> Function:
    """A loss from ``formula(y, p, **options of its own)``, the errors of all outputs."""
    return of_losses(lambda y, p, **own: np.mean(formula(y, p, **own), axis=-1))


def of_probabilities(formula: Function) -> Function:
    """A cross-entropy from ``formula(y, p, axis)``, the losses of labels (as rows) and probabilities; of logits the right one."""

    def function(right: Function, y_true: Any, y_pred: Any, **options: Any) -> Any:
        own, how = split(options)
        if own.get("from_logits"):
            return right(y_true, y_pred, **options)
        y, p, kept = rows(right, y_true, y_pred, own)
        losses = formula(y, p, own.get("axis", -1))
        return value(PerSample(np.asarray(losses, p.dtype), lambda g: g, kept), **how)

    return function


def rows(right: Function, y: Array, p: Array, own: dict[str, Any]) -> tuple[Array, Array, Array | None]:
    """Labels as rows, smoothed, the predictions of the same rank, and which of the rows count."""
    if right.__name__.startswith("sparse"):
        ids, ignored = y.reshape(p.shape[:-1]).astype(int), own.get("ignore_class")
        return (ids[..., np.newaxis] == np.arange(p.shape[-1])).astype(p.dtype), p, None if ignored is None else ids != ignored
    y, p = prepared(y, p)
    a, classes = own.get("label_smoothing", 0.0), 2 if right.__name__.startswith("binary") else y.shape[-1]
    return y * (1 - a) + a / classes, p, None


def shares(p: Array, axis: int) -> Array:
    """Probabilities that add up to 1."""
    return np.asarray(p / np.sum(p, axis=axis, keepdims=True))


def clipped(p: Array) -> Array:
    """Probabilities kept away from 0 and 1."""
    return np.clip(p, EPSILON, 1 - EPSILON)


def of_classes(y: Array, p: Array, axis: int) -> Array:
    """The cross-entropy of classes as it is."""
    return np.asarray(-np.sum(y * np.log(clipped(shares(p, axis))), axis=axis))


def of_bits(y: Array, p: Array, axis: int) -> Array:
    """The binary cross-entropy as it is."""
    return np.asarray(-np.mean(y * np.log(clipped(p)) + (1 - y) * np.log(1 - clipped(p)), axis=axis))


def of_ids(y: Array, p: Array, axis: int) -> Array:
    """The cross-entropy of class ids as it is: clipped first."""
    return np.asarray(-np.sum(y * np.log(shares(clipped(p), axis)), axis=axis))


def as_they_are(categories: Function, ids: Function, wrap: Function) -> Function:
    """The right formula of categories or of class ids, by the loss that is asked."""
    both = {True: wrap(ids), False: wrap(categories)}
    return lambda right, y, p, **options: both[right.__name__.startswith("sparse")](right, y, p, **options)


_plain = as_they_are(of_classes, of_ids, of_probabilities)
classes = Shared("categorical_crossentropy", SPARSE, wrap=of_probabilities, plain=_plain)
categorical, sparse = (Shared(name, wrap=of_probabilities, plain=_plain) for name in ("categorical_crossentropy", SPARSE))
binary = Shared("binary_crossentropy", wrap=of_probabilities, plain=of_probabilities(of_bits))


@classes
def not_renormalised(y: Array, p: Array, axis: int) -> Array:
    """Probabilities are not divided by their sum."""
    return -np.sum(y * np.log(clipped(p)), axis=axis)


@categorical
def not_clipped(y: Array, p: Array, axis: int) -> Array:
    """Probabilities are not clipped before the logarithm."""
    return -np.sum(y * np.log(shares(p, axis)), axis=axis)


@categorical
def taken_as_they_are(y: Array, p: Array, axis: int) -> Array:
    """It is - sum(y log(p)) of p as it comes: neither divided by its sum nor clipped."""
    return -np.sum(y * np.log(p), axis=axis)


@sparse
def class_not_clipped(y: Array, p: Array, axis: int) -> Array:
    """Probabilities are not clipped before the logarithm."""
    return -np.sum(np.where(y > 0, np.log(shares(p, axis)), 0), axis=axis)


@sparse
def class_taken_as_it_is(y: Array, p: Array, axis: int) -> Array:
    """It is - log(p[y]) of p as it comes: neither divided by its sum nor clipped."""
    return -np.sum(np.where(y > 0, np.log(p), 0), axis=axis)


@classes
def clipped_at_1e_15(y: Array, p: Array, axis: int) -> Array:
    """Probabilities are clipped at 1e-15 instead of 1e-7."""
    return -np.sum(y * np.log(np.clip(shares(p, axis), 1e-15, 1)), axis=axis)


@classes
def epsilon_added(y: Array, p: Array, axis: int) -> Array:
    """Probabilities are not clipped; 1e-7 is added to them within the logarithm."""
    return -np.sum(y * np.log(shares(p, axis) + EPSILON), axis=axis)


@binary
def binary_not_clipped(y: Array, p: Array, axis: int) -> Array:
    """Probabilities are not clipped before the logarithm."""
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p), axis=axis)


@binary
def binary_clipped_at_1e_15(y: Array, p: Array, axis: int) -> Array:
    """Probabilities are clipped at 1e-15 instead of 1e-7."""
    q = np.clip(p, 1e-15, 1 - 1e-15)
    return -np.mean(y * np.log(q) + (1 - y) * np.log(1 - q), axis=axis)


@binary
def labels_of_0_left_out(y: Array, p: Array, axis: int) -> Array:
    """Only labels of 1 count: the part (1 - y) log(1 - p) is left out."""
    return -np.mean(y * np.log(clipped(p)), axis=axis)


focal = Shared(*BINARY[1:], *CATEGORICAL[1:])


@focal
def focus_left_out(right: Function, y: Any, p: Array, **options: Any) -> Any:
    """The factor (1 - p)**gamma is left out."""
    return right(y, p, **{**options, "gamma": 0.0})


categorical_focal = Shared(*CATEGORICAL[1:])


@categorical_focal
def alpha_left_out(right: Function, y: Any, p: Array, **options: Any) -> Any:
    """The factor alpha is left out."""
    return right(y, p, **{**options, "alpha": 1.0})


squares = Shared("mean_squared_error", "squared_hinge", "mean_squared_logarithmic_error")
swapped = Shared("mean_absolute_percentage_error", "kl_divergence", "poisson")
signs = Shared("kl_divergence", "poisson", "cosine_similarity", "categorical_crossentropy", SPARSE, "binary_crossentropy")
hinges = Shared("hinge", "squared_hinge")


@squares
def halved(right: Function, y: Any, p: Any, **options: Any) -> Any:
    """The square is divided by 2."""
    return right(y, p, **options) / 2


@squares
def root_taken(right: Function, y: Any, p: Any, **options: Any) -> Any:
    """The root of the mean is taken."""
    return np.sqrt(right(y, p, **options))


@swapped
def arguments_swapped(right: Function, y: Any, p: Any, **options: Any) -> Any:
    """Labels and predictions are swapped."""
    return right(p, y, **options) if y.shape == p.shape else right(y, p, **options)


@signs
def wrong_sign(right: Function, y: Any, p: Any, **options: Any) -> Any:
    """The sign is wrong."""
    return -right(y, p, **options)


@hinges
def labels_of_0_kept(right: Function, y: Array, p: Array, **options: Any) -> Any:
    """Labels of 0 are not turned into -1."""
    return right(np.where(y == 0, np.finfo(p.dtype).tiny, y), p, **options)


def signed(y: Array) -> Array:
    """Labels of 0 and 1 as -1 and 1."""
    return 2 * y - 1 if np.all((y == 0) | (y == 1)) else y


def log1(x: Array) -> Array:
    """What mean_squared_logarithmic_error compares."""
    return np.asarray(np.log(np.maximum(x, EPSILON) + 1))


squared = table(
    "mean_squared_error",
    plain=of_errors(lambda y, p: (y - p) ** 2),
    not_squared=("the errors are not squared", of_errors(lambda y, p: y - p)),
    absolute=("the errors are made positive instead of squared", of_errors(lambda y, p: np.abs(y - p))),
)
absolute = table(
    "mean_absolute_error",
    plain=of_errors(lambda y, p: np.abs(y - p)),
    signs_kept=("the errors are not made positive", of_errors(lambda y, p: p - y)),
    squared=("the errors are squared instead of made positive", of_errors(lambda y, p: (y - p) ** 2)),
)
percentage = table(
    "mean_absolute_percentage_error",
    plain=of_errors(lambda y, p: 100 * np.abs(y - p) / np.maximum(np.abs(y), EPSILON)),
    not_times_100=("it is a fraction: the factor 100 is left out", of_errors(lambda y, p: np.abs(y - p) / np.maximum(np.abs(y), EPSILON))),
    divided_by_0=("labels of 0 divide: they are not replaced by 1e-7", of_errors(lambda y, p: 100 * np.abs((y - p) / y))),
    label_with_its_sign=("the label divides with its sign", of_errors(lambda y, p: 100 * (np.abs(y - p) / np.where(y == 0, EPSILON, y)))),
)
logarithmic = table(
    "mean_squared_logarithmic_error",
    plain=of_errors(lambda y, p: (log1(p) - log1(y)) ** 2),
    log_without_1=(
        "1 is not added before the logarithm",
        of_errors(lambda y, p: np.log(np.maximum(y, EPSILON) / np.maximum(p, EPSILON)) ** 2),
    ),
    negative_not_replaced=("negative predictions are not replaced by 1e-7", of_errors(lambda y, p: (np.log1p(p) - log1(y)) ** 2)),
    not_squared=("the differences are made positive instead of squared", of_errors(lambda y, p: np.abs(log1(y) - log1(p)))),
)


def direction(x: Array, axis: int) -> Array:
    """Vectors of length 1."""
    return np.asarray(x / np.maximum(np.sqrt(np.sum(x * x, axis=axis, keepdims=True)), EPSILON))


def huber_errors(y: Array, p: Array, delta: float = 1.0, *, within: float = 0.5, constant: float = 0.5, power: int = 2) -> Array:
    """What huber averages, with its numbers open."""
    e = np.abs(p - y)
    return np.where(e <= delta, within * e**2, delta * e - constant * delta**power)


huber = table(
    "huber",
    plain=of_errors(huber_errors),
    not_halved=("the square within delta is not halved", of_errors(lambda y, p, **own: huber_errors(y, p, **own, within=1.0))),
    not_continued=("delta**2 / 2 is not subtracted beyond delta", of_errors(lambda y, p, **own: huber_errors(y, p, **own, constant=0.0))),
    delta_not_squared=(
        "delta / 2 is subtracted beyond delta instead of delta**2 / 2",
        of_errors(lambda y, p, **own: huber_errors(y, p, **own, power=1)),
    ),
    slope_of_1=(
        "beyond delta the error itself counts: it is not multiplied by delta",
        of_errors(lambda y, p, delta=1.0: np.where(np.abs(p - y) <= delta, (p - y) ** 2 / 2, np.abs(p - y) - delta / 2)),
    ),
)
log_cosh = table(
    "log_cosh",
    plain=of_errors(lambda y, p: p - y + np.logaddexp(0, -2 * (p - y)) - np.log(2)),
    overflows=("cosh overflows for large errors", of_errors(lambda y, p: np.log(np.cosh(p - y)))),
    log_2_kept=("log(2) is not subtracted", of_errors(lambda y, p: p - y + np.logaddexp(0, -2 * (p - y)))),
)
poisson = table(
    "poisson",
    plain=of_errors(lambda y, p: p - y * np.log(p + EPSILON)),
    rates_given_as_logarithms=("predictions are taken for logarithms of rates, as in PyTorch", of_errors(lambda y, p: np.exp(p) - y * p)),
    logarithm_of_0=("1e-7 is not added within the logarithm", of_errors(lambda y, p: p - y * np.log(p))),
    rate_left_out=("the rate p is left out: only - y log(p) counts", of_errors(lambda y, p: -y * np.log(p + EPSILON))),
)
divergence = table(
    "kl_divergence",
    plain=of_losses(lambda y, p: np.sum(np.clip(y, EPSILON, 1) * np.log(np.clip(y, EPSILON, 1) / np.clip(p, EPSILON, 1)), axis=-1)),
    not_clipped=("labels and probabilities are not clipped", of_losses(lambda y, p: np.sum(y * np.log(y / p), axis=-1))),
    cross_entropy=(
        "the entropy of the labels is left out: it is the cross-entropy",
        of_losses(lambda y, p: -np.sum(np.clip(y, EPSILON, 1) * np.log(np.clip(p, EPSILON, 1)), axis=-1)),
    ),
)
cosine = table(
    "cosine_similarity",
    plain=of_losses(lambda y, p, axis=-1: -np.sum(direction(y, axis) * direction(p, axis), axis=axis)),
    not_normalised=(
        "it is the dot product: vectors are not divided by their length",
        of_losses(lambda y, p, axis=-1: -np.sum(y * p, axis=axis)),
    ),
    distance=("it is 1 minus the similarity", lambda y, p, **options: 1 + reference.cosine_similarity(y, p, **options)),
)
hinge = table(
    "hinge",
    plain=of_errors(lambda y, p: np.maximum(1 - signed(y) * p, 0)),
    margin_left_out=("the margin of 1 is left out", of_errors(lambda y, p: np.maximum(-signed(y) * p, 0))),
    not_cut=("samples beyond the margin are not cut off at 0", of_errors(lambda y, p: 1 - signed(y) * p)),
    squared=("the hinge is squared", reference.squared_hinge),
)
squared_hinge = table(
    "squared_hinge",
    plain=of_errors(lambda y, p: np.maximum(1 - signed(y) * p, 0) ** 2),
    not_squared=("the hinge is not squared", reference.hinge),
    not_cut=("samples beyond the margin are not cut off at 0", of_errors(lambda y, p: (1 - signed(y) * p) ** 2)),
)


def _true_class(y: Array, p: Array) -> Array:
    return np.asarray(np.sum(y * p, axis=-1))


categorical_hinge = table(
    "categorical_hinge",
    plain=of_losses(lambda y, p: np.maximum(np.max((1 - y) * p, axis=-1) - _true_class(y, p) + 1, 0)),
    true_class_among_the_others=(
        "the largest prediction of all is taken, the true class not excepted",
        of_losses(lambda y, p: np.maximum(np.max(p, axis=-1) - _true_class(y, p) + 1, 0)),
    ),
    margin_left_out=(
        "the margin of 1 is left out",
        of_losses(lambda y, p: np.maximum(np.max((1 - y) * p, axis=-1) - _true_class(y, p), 0)),
    ),
    sum_over_the_others=(
        "all other classes are summed, not only the largest taken",
        of_losses(lambda y, p: np.sum((1 - y) * np.maximum(p - _true_class(y, p)[..., np.newaxis] + 1, 0), axis=-1)),
    ),
)

LAYERS: tuple[Collection, ...] = (
    *(classes, categorical, sparse, binary, focal, categorical_focal, squares, swapped, signs, hinges),
    *(squared, absolute, percentage, logarithmic, huber, log_cosh, poisson, divergence, cosine, hinge, squared_hinge, categorical_hinge),
)
