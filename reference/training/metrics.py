"""Metrics of a training: what each counts in a batch, and the number that follows from the counts of all batches.

A metric's counts are an array, and those of several batches add up: the share of an epoch is that of its samples, not the mean over its
batches. `accuracy` is, as in Keras, binary for one column of predictions, sparse for class ids and else that of one-hot labels. Every loss
is a metric as well: its mean over the samples. As in Keras `cosine_similarity` alone has the other sign: more is better.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference._arrays import Array
from reference.losses import cosine_similarity
from reference.losses.reduction import same_rank
from reference.training.compile import LOSS_FUNCTIONS, Plan, named
from reference.training.data import Shapes, check_label_shape, ids_of, labels_of


@dataclass(frozen=True)
class Metric:
    """A metric by its key in the history, without the name of an output.

    Attributes
    ----------
    count : callable
        From labels, predictions and mask (or None) of a batch to an array of counts, which add up over batches.
    result : callable
        From counts to the number.
    grows : bool
        Whether more is better.
    """

    name: str
    count: Callable[[Array, Array, Array | None], Array]
    result: Callable[[Array], float]
    grows: bool


def metric_named(given: Any, y: Array, shape: tuple[int, ...], where: str = "y") -> Metric:
    """The metric of a name for labels `y` and predictions of this shape (the batch first).

    ``ValueError`` for a name that there is not, listing close ones, and for labels of a shape that the metric does not take.
    """
    title = given if isinstance(given, str) else ""
    if title.lower() in ("accuracy", "acc"):
        given = "binary_accuracy" if shape[-1] == 1 else "sparse_categorical_accuracy" if _is_sparse(y, shape) else "categorical_accuracy"
    found = named("metric", {**LOSS_FUNCTIONS, **_SHARES, "macro_f1": _confusion}, given)
    title = title or found.name
    if found.name == "macro_f1":
        classes = max(2, shape[-1])
        return Metric(title, lambda true, p, mask: _confusion(true, p, mask, classes), _macro_f1, True)
    check_label_shape(where, y, found.name, (len(y), *shape[1:]))
    grows = found.name in _SHARES
    options = found.options if grows else {**found.options, "reduction": "none"}
    return Metric(title, lambda true, p, mask: _total(found.function(true, p, **options), mask), _mean, grows)


def metrics_of(plan: Plan, targets: Mapping[str, Array], shapes: Shapes) -> dict[str, list[Metric]]:
    """The metrics of every output, for these labels and outputs of these shapes."""
    found = {}
    for name, wanted in plan.metrics.items():
        if wanted and name not in plan.objectives:
            raise ValueError(f"metrics: the output {name!r} has no loss, and so no labels")
        shape = tuple(size or 1 for size in shapes[name])
        found[name] = [metric_named(one, targets[name], shape, labels_of(plan, name)) for one in wanted]
    return found


def metric_keys(metrics: Mapping[str, list[Metric]], plan: Plan) -> Iterator[tuple[str, str, Metric]]:
    """Metrics with their keys in the history and their outputs; a key that comes again gets a number."""
    times: Counter[str] = Counter()
    for output, some in metrics.items():
        for metric in some:
            key = metric.name if len(plan.outputs) == 1 else f"{plan.titles[output]}_{metric.name}"
            yield (f"{key}_{times[key]}" if times[key] else key), output, metric
            times[key] += 1


def _is_sparse(y: Array, shape: tuple[int, ...]) -> bool:
    return y.ndim < len(shape) or (y.shape[-1] == 1 and shape[-1] > 1)


def _sparse_categorical_accuracy(y: Array, p: Array) -> Array:
    return np.asarray(ids_of(y, p.ndim) == p.argmax(axis=-1))


def _categorical_accuracy(y: Array, p: Array) -> Array:
    return np.asarray(y.argmax(axis=-1) == p.argmax(axis=-1))


def _binary_accuracy(y: Array, p: Array, *, threshold: float = 0.5) -> Array:
    true, predicted = same_rank(y, p)
    return np.asarray(np.mean(true == (predicted > threshold), axis=-1))


def _cosine_similarity(y: Array, p: Array, *, axis: int = -1) -> Array:
    return -cosine_similarity(y, p, axis=axis, reduction="none")


_SHARES: dict[str, Callable[..., Array]] = {
    "sparse_categorical_accuracy": _sparse_categorical_accuracy,
    "categorical_accuracy": _categorical_accuracy,
    "binary_accuracy": _binary_accuracy,
    "cosine_similarity": _cosine_similarity,
}


def _total(values: Array, mask: Array | None) -> Array:
    """The sum of the values that the mask of the predictions keeps, and how many these are."""
    if mask is None:
        return np.array([np.sum(values, dtype=np.float64), values.size])
    values = values.mean(axis=tuple(range(mask.ndim, values.ndim)))
    return np.array([np.sum(values * mask, dtype=np.float64), np.count_nonzero(mask)])


def _mean(counts: Array) -> float:
    return float(counts[0] / counts[1]) if counts[1] else 0.0


def _confusion(y: Array, p: Array, mask: Array | None = None, classes: int = 2) -> Array:
    """How many samples of every true class (rows) were predicted as each class (columns); ids that are no class do not count."""
    one_hot = y.ndim > 1 and y.shape[-1] == classes
    true = (y.argmax(axis=-1) if one_hot else y).astype(np.int64).reshape(-1)
    predicted = ((p > 0.5) if p.shape[-1] == 1 else p.argmax(axis=-1)).reshape(-1)
    kept = (true >= 0) & (true < classes)
    if mask is not None:
        kept &= mask.reshape(-1)
    return np.bincount(true[kept] * classes + predicted[kept], minlength=classes**2).reshape(classes, classes)


def _macro_f1(counts: Array) -> float:
    """Mean of the F1 of every class that occurs, as :func:`reference.metrics.macro_f1` has it."""
    both = counts.sum(axis=0) + counts.sum(axis=1)
    occurring = both > 0
    return float(np.mean(2 * np.diagonal(counts)[occurring] / both[occurring])) if occurring.any() else 0.0
