"""The data of a training, checked once before anything moves: inputs, labels, weights of samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from reference._arrays import Array
from reference.layers.shapes import Shape
from reference.losses.reduction import same_rank
from reference.network.network import Network
from reference.network.shapes import GraphShapes
from reference.training.compile import Objective, Plan, by_output

Shapes = dict[str, Shape]
"""Of the outputs of a model by their names, the batch first."""


class Samples(NamedTuple):
    """Data that has been checked: inputs by name, labels and sample weights by output."""

    inputs: dict[str, Array]
    targets: dict[str, Array]
    weights: dict[str, Array | None]

    @property
    def number(self) -> int:
        """How many samples there are."""
        return len(next(iter(self.inputs.values())))

    def take(self, which: Any) -> Samples:
        """Some of the samples: a slice, or their numbers."""
        weights = {name: None if one is None else one[which] for name, one in self.weights.items()}
        inputs, targets = ({name: one[which] for name, one in part.items()} for part in self[:2])
        return Samples(inputs, targets, weights)


def samples_of(
    plan: Plan, given: tuple[dict[str, Array], GraphShapes], y: Any, sample_weight: Any, what: str = "x"
) -> tuple[Samples, Shapes]:
    """Inputs as :meth:`.Network.as_inputs` gives them, with labels and weights that fit; and the shapes of the outputs."""
    inputs, found = given
    shapes = dict(zip(plan.outputs, found.outputs, strict=True))
    number = len(next(iter(inputs.values())))
    if not number:
        raise ValueError(f"{what} has no samples")
    return Samples(inputs, targets_of(plan, y, shapes, number), weights_of(plan, sample_weight, shapes, number)), shapes


def checked(model: Network, plan: Plan, x: Any, y: Any, sample_weight: Any = None) -> tuple[Samples, Shapes]:
    """The data of a training, and the shapes of the model's outputs; ``ValueError`` where they do not fit, or there are none."""
    given = model.as_inputs(x)
    for name, value in given[0].items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ValueError(f"input {name!r} holds NaN or infinite numbers")
    return samples_of(plan, given, y, sample_weight)


def checked_validation(model: Network, plan: Plan, given: Any) -> Samples:
    """The data of a validation, a tuple ``(x, y)`` or ``(x, y, sample_weight)``; errors as of :func:`checked`."""
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise ValueError("validation_data is a tuple (x, y) or (x, y, sample_weight)")
    try:
        return checked(model, plan, *given)[0]
    except ValueError as error:
        raise ValueError(f"validation_data: {error}") from None


def split(samples: Samples, part: float) -> tuple[Samples, Samples]:
    """The first samples, and the last ones for validation."""
    number = samples.number
    first = math.floor(number * (1 - part)) if 0 < part < 1 else 0
    if not 0 < first < number:
        raise ValueError(f"validation_split={part} of {number} samples leaves none to train or none to validate on")
    return samples.take(slice(first)), samples.take(slice(first, None))


def targets_of(plan: Plan, y: Any, shapes: Shapes, samples: int) -> dict[str, Array]:
    """The labels of every output that has a loss.

    Parameters
    ----------
    plan : Plan
    y : array, or list or dict of arrays
        As the model's outputs; those without a loss may be None.
    shapes : dict of output name to Shape
    samples : int

    Raises
    ------
    ValueError
        If labels are missing, are not as many as the samples, do not fit the output, or hold NaN, fractions or classes that the loss does
        not take; the sentence names the output.
    """
    single = len(plan.outputs) == 1 or y is None or isinstance(y, dict)
    given = by_output("y", plan.titles, _list_of_outputs(y if single else list(y), plan))
    found = {}
    for name, objective in plan.objectives.items():
        where = labels_of(plan, name)
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


def weights_of(plan: Plan, sample_weight: Any, shapes: Shapes, samples: int) -> dict[str, Array | None]:
    """The weights of the samples for every output that has a loss; ``ValueError`` where they do not fit, as in :func:`targets_of`."""
    found: dict[str, Array | None] = {}
    for name, given in by_output("sample_weight", plan.titles, _list_of_outputs(sample_weight, plan)).items():
        if given is None or name not in plan.objectives:
            found[name] = None
            continue
        weights = np.asarray(given)
        losses = _shape_of_losses(plan.objectives[name], shapes[name])
        if weights.dtype.kind not in "fiub" or not np.isfinite(weights).all():
            raise ValueError("sample_weight holds what is no finite number")
        if weights.ndim == 0 or len(weights) != samples or not _weigh(weights.shape, losses):
            raise ValueError(
                f"sample_weight has the shape {weights.shape}; the losses of the output {name!r} have the shape {(samples, *losses[1:])}"
            )
        found[name] = weights
    return found


def class_weights(plan: Plan, class_weight: Mapping[int, float], targets: Mapping[str, Array], shapes: Shapes) -> Array:
    """A weight for each sample from that of its class, 1 for a class that is not there; ``ValueError`` for several outputs."""
    if not isinstance(class_weight, Mapping):
        raise ValueError(f"class_weight is a dict of class to weight, not {class_weight!r}")
    for key, weight in class_weight.items():
        if not isinstance(key, int | np.integer) or not isinstance(weight, int | float | np.number) or not np.isfinite(weight):
            raise ValueError(f"class_weight is a dict of ints to finite numbers, but holds {key!r}: {weight!r}")
    if len(plan.outputs) != 1:
        raise ValueError("class_weight is for models of one output")
    ((name, labels),) = targets.items()
    ids = labels
    if labels.ndim > 1:
        ids = labels.argmax(axis=-1) if labels.shape[-1] != 1 else labels[..., 0]
    ids = np.round(ids).astype(np.int64)
    if ids.ndim > 1 or not _weigh(ids.shape, _shape_of_losses(plan.objectives[name], shapes[name])):
        raise ValueError(f"class_weight takes one label for each sample, not labels of the shape {labels.shape}")
    classes, places = np.unique(ids, return_inverse=True)
    return np.array([float(class_weight.get(int(one), 1.0)) for one in classes])[places]


def labels_of(plan: Plan, output: str) -> str:
    """What the labels of an output are called in a sentence."""
    return "y" if len(plan.outputs) == 1 else f"y of the output {output!r}"


def check_label_shape(where: str, labels: Array, name: str, shape: Shape) -> None:
    """``ValueError`` where labels have not the shape that a loss or metric of this name takes for an output of this shape."""
    if not name.startswith("sparse_"):
        fitted, _ = same_rank(labels[:1], np.empty((1, *(size or 1 for size in shape[1:]))))
        if not _fits(fitted.shape, shape):
            raise ValueError(f"{where} has the shape {labels.shape}; {name} of the model's output takes {shape}")
        return
    if not _fits(ids_of(labels, len(shape)).shape, shape[:-1]):
        raise ValueError(f"{where} has the shape {labels.shape}; {name} takes class ids of the shape {shape[:-1]}")


def _check_labels(where: str, labels: Array, objective: Objective, shape: tuple[Any, ...]) -> None:
    loss = objective.loss
    check_label_shape(where, labels, loss.name, shape)
    if loss.name != "sparse_categorical_crossentropy":
        return
    ids = ids_of(labels, len(shape))
    if ids.dtype.kind == "f" and not np.array_equal(ids, np.round(ids)):
        raise ValueError(f"{where} holds fractions; {loss.name} takes class ids (for one-hot rows there is categorical_crossentropy)")
    ignored = loss.options.get("ignore_class")
    outside = ids[((ids < 0) | (ids >= shape[-1])) & (ids != ignored)] if shape[-1] is not None else ids[:0]
    if outside.size:
        raise ValueError(f"{where} holds the class {outside[0]:g}; the model's output has the classes 0 to {shape[-1] - 1}")


def ids_of(labels: Array, rank: int) -> Array:
    """Class ids of predictions of this rank, without the last axis of length 1 that they may have."""
    return labels[..., 0] if labels.ndim == rank and labels.shape[-1] == 1 else labels


def _fits(shape: Shape, wanted: Shape) -> bool:
    """Whether a shape is the wanted one, whatever the size of the batch."""
    return len(shape) == len(wanted) and all(want in (None, have) for have, want in zip(shape[1:], wanted[1:], strict=True))


def _list_of_outputs(given: Any, plan: Plan) -> Any:
    """Labels or weights as :func:`by_output` takes them; where a model has one output, a list of numbers is the array of it."""
    if len(plan.outputs) > 1:
        return list(given) if isinstance(given, tuple) else given
    if given is None or isinstance(given, dict):
        return given
    alone = isinstance(given, list | tuple) and len(given) == 1 and isinstance(given[0], np.ndarray)
    return [given[0] if alone else given]


def _shape_of_losses(objective: Objective, shape: Shape) -> Shape:
    """The shape of an output without the axis that its loss adds up."""
    losses = list(shape)
    del losses[objective.loss.options.get("axis", -1)]
    return tuple(losses)


def _weigh(weights: Shape, losses: Shape) -> bool:
    """Whether weights of one shape can be multiplied with losses of another, one of which may have a last axis of length 1 more."""
    if len(weights) == len(losses) + 1 and weights[-1] == 1:
        weights = weights[:-1]
    if len(losses) == len(weights) + 1 and losses[-1] == 1:
        losses = losses[:-1]
    if len(weights) != len(losses):
        return False
    return all(have == 1 or want in (have, None) for have, want in zip(weights[1:], losses[1:], strict=True))
