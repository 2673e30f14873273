"""Mistakes that a loss and its gradient share: options that are not read, how losses become one value, labels that are smoothed."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.cases.losses import BINARY, LOSS_CASES
from conformance.faults.fault import Fault, Function, Shared
from reference.losses.reduction import MEAN

Array = NDArray[Any]
CATEGORICAL = ("categorical_crossentropy", "categorical_focal_crossentropy")
SPARSE = "sparse_categorical_crossentropy"
ENTROPIES = (*CATEGORICAL, SPARSE, *BINARY)
SUMMED = (*CATEGORICAL, SPARSE, "kl_divergence", "cosine_similarity")
"""Losses that are a sum over the last axis; the others are a mean."""
AVERAGED = tuple(name for name in LOSS_CASES if name not in (*SUMMED, "categorical_hinge"))

COLUMNS = tuple(name for name in LOSS_CASES if any(one.title == "labels_without_last_axis" for one in LOSS_CASES[name].special))
"""Losses of numbers, which take labels with or without a last axis of length 1."""


class Both:
    """Faults that are the same mistake in the value and in the gradient."""

    def __init__(self, *layers: str) -> None:
        self.collections = (Shared(*layers), Shared(*layers, part="backward"))

    def __call__(self, function: Function) -> Function:
        """Collect a wrong function for both."""
        for collection in self.collections:
            collection(function)
        return function


def without(options: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Options without some."""
    return {name: value for name, value in options.items() if name not in names}


def size(p: Array, axis: int = -1, **options: Any) -> int:
    """How many classes or outputs there are."""
    return p.shape[axis]


def ignoring(option: str) -> Function:
    """A function that does not read an option."""

    def function(right: Function, y: Any, p: Any, **options: Any) -> Any:
        return right(y, p, **without(options, option))

    return function


def _ignored() -> list[Shared]:
    """Every option ignored, wherever cases give it."""
    declared = {name: (*layer.options, "sample_weight", "mask") for name, layer in LOSS_CASES.items()}
    collections: list[Shared] = []
    # Without ignore_class -1 is no class: see `ignored_class_kept`.
    for option in dict.fromkeys(option for options in declared.values() for option in options if option != "ignore_class"):
        both = Both(*(name for name, options in declared.items() if option in options))
        for collection in both.collections:
            collection.add(f"{option}_ignored", f"{option} is ignored", ignoring(option))
        collections += both.collections
    return collections


every, averaged, summed = Both(*LOSS_CASES), Both(*AVERAGED), Both(*SUMMED)
entropies, smoothed, sparse, binary = Both(*ENTROPIES), Both(*CATEGORICAL, *BINARY), Both(SPARSE), Both(*BINARY)
categorical = Both(*CATEGORICAL)


@every
def not_averaged(right: Function, y: Any, p: Array, **options: Any) -> Any:
    """The losses are added up instead of averaged."""
    return right(y, p, **{"reduction": "sum", **options})


@every
def averaged_over_samples_alone(right: Function, y: Any, p: Array, **options: Any) -> Any:
    """The losses of all steps are divided by the number of samples alone."""
    if "reduction" in options or p.ndim < 3:
        return right(y, p, **options)
    return right(y, p, reduction="sum", **options) / len(p)


@every
def averaged_twice(right: Function, y: Any, p: Array, **options: Any) -> Any:
    """The mean is divided by the batch size once more."""
    return right(y, p, **options) / (len(p) if "reduction" not in options and p.size else 1)


@every
def divided_by_the_weights(right: Function, y: Any, p: Array, **options: Any) -> Any:
    """The weighted losses are divided by the sum of the weights instead of their number."""
    return right(y, p, **{"reduction": "mean_with_sample_weight", **options})


@every
def masked_losses_counted(right: Function, y: Any, p: Array, mask: Any = None, **options: Any) -> Any:
    """Losses that the mask hides are 0, but they count in the mean."""
    if mask is None or "sample_weight" in options:
        return right(y, p, **options, **({} if mask is None else {"mask": mask}))
    return right(y, p, sample_weight=mask.astype(p.dtype), **options)


@averaged
def last_axis_summed(right: Function, y: Any, p: Array, **options: Any) -> Any:
    """The last axis is summed instead of averaged."""
    return right(y, p, **options) * size(p, **options)


@summed
def classes_averaged(right: Function, y: Any, p: Array, **options: Any) -> Any:
    """The mean over the last axis is taken instead of its sum."""
    return right(y, p, **options) / size(p, **options)


@entropies
def probabilities_taken_for_logits(right: Function, y: Any, p: Array, **options: Any) -> Any:
    """Probabilities are taken for logits: a softmax or sigmoid is applied once more."""
    return right(y, p, **{**options, "from_logits": True})


@entropies
def base_2(right: Function, y: Any, p: Array, **options: Any) -> Any:
    """The logarithm is that to the base 2."""
    return right(y, p, **options) / np.asarray(np.log(2), p.dtype)


@entropies
def base_10(right: Function, y: Any, p: Array, **options: Any) -> Any:
    """The logarithm is that to the base 10."""
    return right(y, p, **options) / np.asarray(np.log(10), p.dtype)


@categorical
def smoothed_among_the_others(right: Function, y: Array, p: Array, label_smoothing: float = 0.0, **options: Any) -> Any:
    """label_smoothing is shared by the other classes alone, a / (C - 1) each."""
    y = y * (1 - label_smoothing) + (1 - y) * label_smoothing / (y.shape[-1] - 1)
    return right(y, p, **options)


@categorical
def smoothed_as_binary(right: Function, y: Array, p: Array, label_smoothing: float = 0.0, **options: Any) -> Any:
    """label_smoothing adds a / 2 to every class instead of a / C."""
    return right(y * (1 - label_smoothing) + label_smoothing / 2, p, **options)


@binary
def smoothed_as_categorical(right: Function, y: Array, p: Array, label_smoothing: float = 0.0, **options: Any) -> Any:
    """label_smoothing adds a / C, C the length of the last axis, instead of a / 2."""
    return right(y * (1 - label_smoothing) + label_smoothing / y.shape[-1], p, **options)


@smoothed
def smoothing_only_added(right: Function, y: Array, p: Array, label_smoothing: float = 0.0, **options: Any) -> Any:
    """label_smoothing adds its share, but labels are not multiplied by 1 - a."""
    classes = 2 if right.__name__.startswith("binary") else y.shape[-1]
    return right(y + label_smoothing / classes, p, **options)


def _class_ids(y: Array, p: Array) -> Array:
    return y.reshape(p.shape[:-1]).astype(int)


@sparse
def ignored_class_kept(right: Function, y: Array, p: Array, ignore_class: int | None = None, **options: Any) -> Any:
    """ignore_class is ignored (-1 is then the last class)."""
    return right(_class_ids(y, p) % p.shape[-1], p, **options)


@sparse
def ignored_class_counted(right: Function, y: Array, p: Array, ignore_class: int | None = None, **options: Any) -> Any:
    """Samples of the ignored class have loss 0, but they count in the mean."""
    if ignore_class is None:
        return right(y, p, **options)
    ids = _class_ids(y, p)
    kept = (ids != ignore_class).astype(p.dtype)
    weights = options.pop("sample_weight", 1)
    return right(np.where(kept > 0, ids, 0), p, sample_weight=kept * weights, **options)


@sparse
def counted_from_1(right: Function, y: Array, p: Array, **options: Any) -> Any:
    """Class ids are taken to begin with 1."""
    ids = _class_ids(y, p)
    ignored = options.get("ignore_class")
    moved = (ids - 1) % p.shape[-1]
    return right(moved if ignored is None else np.where(ids == ignored, ignored, moved), p, **options)


def added_up(faults: Iterable[Fault]) -> Iterator[Fault]:
    """The same mistakes in losses that are not averaged either: two that are often made together."""

    def wrong(fault: Fault, y: Any, p: Any, **options: Any) -> Any:
        return fault.function(y, p, **{"reduction": "sum", **options})

    for fault in faults:
        sentence = f"{fault.sentence}, and the losses are added up instead of averaged"
        yield replace(fault, sentence=sentence, function=functools.partial(wrong, fault), of_a_part=True)


columns = Shared(*COLUMNS)


@columns
def labels_broadcast(right: Function, y: Array, p: Array, **options: Any) -> Any:
    """Labels (n,) meet predictions (n, 1) by NumPy's broadcasting, every label with every prediction: (n, n)."""
    crossed = np.ndim(y) == 1 and np.ndim(p) == 2
    return right(*(np.broadcast_arrays(y, p) if crossed else (y, p)), **options)


means = Shared(*(name for name in LOSS_CASES if name != "categorical_hinge"))


@means
def divided_by_nothing(right: Function, y: Any, p: Array, **options: Any) -> Any:
    """Nothing is averaged, and 0 divides: it is NaN, where Keras gives 0, or an empty array for an empty batch."""
    reduction, weights, mask = options.get("reduction", MEAN), options.get("sample_weight"), options.get("mask")
    by_weights = reduction == "mean_with_sample_weight" and weights is not None
    nothing = not np.any(weights) if by_weights else p.size == 0 or (mask is not None and not np.any(mask))
    return np.asarray(np.nan, p.dtype) if nothing and reduction not in ("sum", "none", None) else right(y, p, **options)


all_of_them = Both(*LOSS_CASES)
"""What says most is told last: one option that is ignored gives the same answer where only that matters."""


@all_of_them
def all_options_ignored(right: Function, y: Any, p: Any, **options: Any) -> Any:
    """All options are ignored."""
    return right(y, p) if len(options) > 1 else right(y, p, **options)


LAYERS = (
    *(columns, means),
    *(collection for both in (every, averaged, summed, entropies) for collection in both.collections),
    *(collection for both in (categorical, binary, smoothed, sparse) for collection in both.collections),
    *_ignored(),
    *all_of_them.collections,
)
