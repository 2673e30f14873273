"""Labels and weights of a training, checked once before anything moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.reduction import same_rank
from reference.shapes import Shape
from reference.training_plan import Objective, Plan, by_output

Array = NDArray[Any]


def targets_of(plan: Plan, y: Any, shapes: Mapping[str, Shape], samples: int) -> dict[str, Array]:
    """The labels of every output that has a loss.

    Parameters
    ----------
    plan : Plan
    y : array, or list or dict of arrays
        As the model's outputs; those without a loss may be None.
    shapes : mapping of output name to Shape
        Of the outputs, the batch first.
    samples : int

    Raises
    ------
    ValueError
        If labels are missing, are not as many as the samples, do not fit the output, or hold NaN, fractions or classes that the loss does
        not take; the sentence names the output.
    """
    given = by_output("y", plan.outputs, y if isinstance(y, dict) else list(y) if len(plan.outputs) > 1 else [y])
    found = {}
    for name, objective in plan.objectives.items():
        where = "y" if len(plan.outputs) == 1 else f"y of the output {name!r}"
        if given[name] is None:
            raise ValueError(f"{where} is missing")
        labels = np.asarray(given[name])
        if labels.dtype.kind not in "fiub":
            raise ValueError(f"{where} holds {labels.dtype}, not numbers")
        if labels.ndim == 0 or len(labels) != samples:
            raise ValueError(f"{where} has {len(labels) if labels.ndim else 'no'} labels for {samples} samples")
        if labels.dtype.kind == "f" and not np.isfinite(labels).all():
            raise ValueError(f"{where} holds NaN or infinite numbers")
        _check_labels(where, labels, objective, (samples, *shapes[name][1:]))
        found[name] = labels
    return found


def weights_of(plan: Plan, sample_weight: Any, shapes: Mapping[str, Shape], samples: int) -> dict[str, Array | None]:
    """The weights of the samples for every output that has a loss; ``ValueError`` where they do not fit, as in :func:`targets_of`."""
    found: dict[str, Array | None] = {}
    for name, given in by_output("sample_weight", plan.outputs, sample_weight).items():
        if given is None or name not in plan.objectives:
            found[name] = None
            continue
        weights = np.asarray(given)
        losses = shapes[name][:-1]
        fits = len(losses) == 1 if weights.ndim == 1 else 1 < weights.ndim <= len(losses) + 1
        if weights.dtype.kind not in "fiub" or not np.isfinite(weights).all():
            raise ValueError("sample_weight holds what is no finite number")
        if not fits or len(weights) != samples:
            raise ValueError(
                f"sample_weight has the shape {weights.shape}; the losses of the output {name!r} have the shape {(samples, *losses[1:])}"
            )
        found[name] = weights
    return found


def class_weights(plan: Plan, class_weight: Mapping[int, float], targets: Mapping[str, Array]) -> Array:
    """A weight for each sample from that of its class, 1 for a class that is not there; ``ValueError`` for several outputs."""
    if len(plan.outputs) != 1:
        raise ValueError("class_weight is for models of one output")
    (labels,) = targets.values()
    if labels.ndim > 1:
        labels = labels.argmax(axis=-1) if labels.shape[-1] != 1 else labels[..., 0]
    ids = np.round(labels).astype(np.int64)
    if ids.ndim > 1:
        raise ValueError(f"class_weight takes one label for each sample, not the shape {ids.shape}")
    classes, places = np.unique(ids, return_inverse=True)
    return np.array([float(class_weight.get(int(one), 1.0)) for one in classes])[places]


def _check_labels(where: str, labels: Array, objective: Objective, shape: tuple[Any, ...]) -> None:
    loss = objective.loss
    if loss.name != "sparse_categorical_crossentropy":
        fitted, _ = same_rank(labels[:1], np.empty((1, *(size or 1 for size in shape[1:]))))
        if len(fitted.shape) != len(shape) or any(size not in (None, have) for size, have in zip(shape[1:], fitted.shape[1:], strict=True)):
            raise ValueError(f"{where} has the shape {labels.shape}; {loss.name} of the model's output takes {shape}")
        return
    ids = labels[..., 0] if labels.ndim == len(shape) and labels.shape[-1] == 1 else labels
    if ids.ndim != len(shape) - 1 or any(size not in (None, have) for size, have in zip(shape[1:-1], ids.shape[1:], strict=True)):
        raise ValueError(f"{where} has the shape {labels.shape}; {loss.name} takes class ids of the shape {shape[:-1]}")
    if ids.dtype.kind == "f" and not np.array_equal(ids, np.round(ids)):
        raise ValueError(f"{where} holds fractions; {loss.name} takes class ids (for one-hot rows there is categorical_crossentropy)")
    ignored = loss.options.get("ignore_class")
    outside = ids[((ids < 0) | (ids >= shape[-1])) & (ids != ignored)] if shape[-1] is not None else ids[:0]
    if outside.size:
        raise ValueError(f"{where} holds the class {outside[0]:g}; the model's output has the classes 0 to {shape[-1] - 1}")
