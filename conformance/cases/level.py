"""The level of a question: core is what everybody means by a layer, edge an unusual input that many right layers do not care for.

One table of rules decides, :data:`RULES`, from what a case asks (layer, configuration, shape, way to call, values) and never from its
title. The page ``docs/levels.md`` is made of the same table (:mod:`conformance.reporting.levels`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from conformance.base.record import CORE, EDGE
from conformance.cases.case import Case, shapes_of_inputs
from conformance.cases.losses import BINARY, CLASSIFIED, divides_by_sums
from reference.activations import ACTIVATIONS, rowwise, smooth
from reference.layers import LAYERS
from reference.layers.windows import spatial_tuple

FORWARD, BACKWARD, ALONG_ROWS = "forward", "backward", "along rows"
"""Directions; the last is that of a gradient along which rows of probabilities go on adding up to 1."""
Meets = Callable[[Case, str], bool]

RANKS = (2, 3, 4)
"""How many axes an input ordinarily has: features, sequences, images."""
OTHER_RANKS: Mapping[str, tuple[int, ...]] = {
    "Embedding": (2,),
    "Masking": (3,),
    "TimeDistributed": (3, 4, 5),
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU", "Bidirectional"), (3,)),
}
"""The same of layers for which it is something else."""

IDS = (None, "ids", "ids_int64", "repeated_ids", "ids_with_zeros")
"""Values that an Embedding is ordinarily fed, the last two of them for what may go wrong with them."""
WHOLE = ("integers", "booleans")
NOT_BOOLEAN = ("gap_integers", "gap_floats", "gap_3d", "numbers")
"""Masks of another type or rank than (batch, time) of booleans."""
NOT_FINITE = ("nan", "infinite", "minus_infinite", "all_nan", "all_minus_infinity", "nan_at_masked_steps")
AT_KINKS = ("ties", "kinks", "equal", "at_margin", "zero_sample")
"""Values of which several are the largest, or at which a slope jumps, be it that of a layer's activation."""
WITHOUT_KINKS = frozenset(name for name, one in ACTIVATIONS.items() if one.__module__ in (rowwise.__name__, smooth.__name__))
"""Activation functions to which no number is special."""
NOTHING = {"sample_weight": ("zeros",), "mask": ("none_kept",), "labels": ("all_2",), "gradients": ("zero", "missing")}
"""Weights and gradients that are all zero or not there, masks and ignored classes that leave nothing."""
OUTSIDE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((*CLASSIFIED, *BINARY), ("extremes", "not_normalised")),
    "kl_divergence": ("extremes", "not_normalised", "some_zero"),
    "mean_squared_logarithmic_error": ("negative",),
    "mean_absolute_percentage_error": ("some_zero",),
    "poisson": ("some_zero",),
    "cosine_similarity": ("zero_row",),
    "UnitNormalization": ("masked_steps",),
}
"""Predictions and labels of a loss, rows of zeros to be brought to length 1: here the formula has no value, or another one was meant."""
OTHER_FORM = ("flat", "upright", "vector", "column", "first_column")
"""Labels of another rank than the predictions, in a column, or one for a row."""
SIGNS = ("signs", "one_sign")
"""Labels of a hinge that are 1 and -1, as its formula takes them."""


@dataclass(frozen=True)
class Rule:
    """One kind of question of the edge.

    Attributes
    ----------
    name : str
        A few words.
    sentence : str
        What makes a question one of them.
    meets : callable (case, direction) -> bool
    example : str
        The id of such a question of the suite.
    """

    name: str
    sentence: str
    meets: Meets
    example: str


def level(case: Case, direction: str = FORWARD) -> str:
    """'edge' if any rule is met, else 'core'; `direction` is 'forward', 'backward', 'step', or 'along rows' of a loss's gradient."""
    return EDGE if any(rule.meets(case, direction) for rule in RULES) else CORE


def _says(**words: tuple[str, ...]) -> Meets:
    """Whether the call has one of these words for one of these arguments."""
    return lambda case, direction: any(case.call.get(name) in chosen for name, chosen in words.items())


def _not_ids(case: Case, direction: str) -> bool:
    if case.layer == "Embedding":
        return case.call.get("values") not in IDS or len(case.shape) != 2
    return case.layer == "sparse_categorical_crossentropy" and case.call.get("labels") == "floats"


def _at_a_kink(case: Case, direction: str) -> bool:
    return direction == BACKWARD and case.call.get("values") in AT_KINKS and case.layer not in WITHOUT_KINKS


def _larger_window(case: Case, direction: str) -> bool:
    """By the size of a kernel as it is given: dilated it may well reach beyond a short sequence."""
    inner, shape = (case.config["layer"], case.shape[1:]) if case.layer == "TimeDistributed" else (case.layer, case.shape)
    options = LAYERS[inner].options if inner in LAYERS else {}
    name = next((name for name in ("kernel_size", "pool_size") if name in options), None)
    if name is None:
        return False
    spatial = shape[2:] if case.config.get("data_format") == "channels_first" else shape[1:-1]
    sizes = spatial_tuple(case.config.get(name, options[name].default), len(spatial), name)
    return any(width > size for width, size in zip(sizes, spatial, strict=True))


def _along_the_batch(case: Case, direction: str) -> bool:
    return case.layer == "Concatenate" and case.config.get("axis", -1) in (0, -len(case.shape))


def _unequal_inputs(case: Case, direction: str) -> bool:
    """Of what is concatenated, other sizes along the axis are the ordinary case."""
    return "others" in case.call and case.layer != "Concatenate" and len({*shapes_of_inputs(case.shape, case.config, case.call)}) > 1


def _loss_of_rows(case: Case, direction: str) -> bool:
    return case.layer in CLASSIFIED and len(case.shape) > 2 and "axis" not in case.config


def _other_signs(case: Case, direction: str) -> bool:
    return case.layer in ("hinge", "squared_hinge") and case.call.get("labels") not in SIGNS


RULES = (
    Rule(
        "an empty batch",
        "The batch holds no sample.",
        lambda case, direction: case.shape[:1] == (0,),
        "test_forward[Dense-empty_batch-float64]",
    ),
    Rule(
        "no features",
        "An axis other than the batch has the size 0.",
        lambda case, direction: 0 in case.shape[1:],
        "test_forward[Dense-no_features-float64]",
    ),
    Rule(
        "whole numbers for a layer of floats",
        "The input has an integer or a boolean dtype: MaxPooling answers int32 to int32, and the gradient of such an input is None.",
        lambda case, direction: case.layer != "Embedding" and case.call.get("values") in WHOLE,
        "test_forward[MaxPooling1D-values=integers-sequence_of_9-float64]",
    ),
    Rule(
        "unusual ids",
        "Ids of an Embedding are floats, booleans, negative, out of range, or not of the shape (batch, time); labels of "
        "sparse_categorical_crossentropy are floats.",
        _not_ids,
        "test_forward[Embedding-values=float_ids-input_dim=11-output_dim=6-sentences-float64]",
    ),
    Rule(
        "an unusual rank",
        "The input has more or fewer axes than the layer ordinarily gets (below).",
        lambda case, direction: len(case.shape) not in OTHER_RANKS.get(case.layer, RANKS),
        "test_forward[Flatten-one_value_a_row-float64]",
    ),
    Rule(
        "a mask that is not (batch, time) of booleans",
        "The mask holds integers or floats, or has three axes.",
        _says(mask=NOT_BOOLEAN),
        "test_forward[LSTM-mask=gap_floats-units=5-sequence-float64]",
    ),
    Rule(
        "NaN and infinities",
        "The input holds them, be it at masked steps.",
        _says(values=NOT_FINITE),
        "test_forward[Dense-nan-float64]",
    ),
    Rule(
        "ties and kinks in a backward pass",
        "Values of which several are the largest, or at which the slope jumps (relu at exactly 0): any choice is a subgradient, and Keras "
        "has made one. In a forward pass such values are core.",
        _at_a_kink,
        "test_backward[MaxPooling2D-values=ties-image_7x9-float64]",
    ),
    Rule(
        "a window larger than the image",
        "`kernel_size` or `pool_size`, before it is dilated, exceeds the input.",
        _larger_window,
        "test_forward[Conv2D-kernel_larger_than_image-padding=same-float64]",
    ),
    Rule(
        "padding in capitals",
        '`padding="SAME"`, which Keras takes.',
        lambda case, direction: case.config.get("padding", "") != case.config.get("padding", "").lower(),
        "test_forward[Conv2D-padding=SAME-float64]",
    ),
    Rule(
        "a rate of 1",
        "Everything is dropped.",
        lambda case, direction: any(case.config.get(name) == 1 for name in ("rate", "dropout", "recurrent_dropout")),
        "test_forward[Dropout-rate=1-training-float64]",
    ),
    Rule(
        "Concatenate along the batch",
        "The axis is that of the samples.",
        _along_the_batch,
        "test_forward[Concatenate-axis=0-images-float64]",
    ),
    Rule(
        "inputs of unequal shapes",
        "A layer that merges its inputs one by one gets arrays that must be broadcast, and their gradients be added up again.",
        _unequal_inputs,
        "test_forward[Add-others=row-images-float64]",
    ),
    Rule(
        "labels of another form than the predictions",
        "Labels and predictions of a loss differ in rank ((5,) for (5, 1)), class ids stand in a column, or one label is meant for a row.",
        _says(labels=OTHER_FORM),
        "test_loss[mean_squared_error-labels_without_last_axis-float64-value]",
    ),
    Rule(
        "classes of more than a batch",
        "A loss over classes gets predictions with more axes than (batch, classes), and no `axis` is named: a class for each step.",
        _loss_of_rows,
        "test_loss[categorical_crossentropy-sequence-float64-value]",
    ),
    Rule(
        "0 and 1 for a hinge",
        "The labels are 0 and 1, where the formula takes -1 and 1: Keras makes the one of the other.",
        _other_signs,
        "test_loss[hinge-samples-float64-value]",
    ),
    Rule(
        "the division by the sum",
        "The gradient of probabilities by which Keras divides them by their sum first. A course's -y/p has no such division; along "
        "rows that go on adding up to 1 both are the same, and that is a question of the core (`-gradient_along_rows`).",
        lambda case, direction: direction == BACKWARD and divides_by_sums(case),
        "test_loss[categorical_crossentropy-samples-float64-gradient]",
    ),
    Rule(
        "outside of the formula",
        "Probabilities for a loss are exactly 0 or 1, or do not add up to 1; a logarithm of 0 or less would be taken, or 0 be divided by.",
        lambda case, direction: not {case.call.get("values"), case.call.get("labels")}.isdisjoint(OUTSIDE.get(case.layer, ())),
        "test_loss[categorical_crossentropy-extremes-float64-value]",
    ),
    Rule(
        "nothing counts",
        "All sample weights are zero; a mask or the ignored class leaves nothing at all; the gradients for an optimizer are zero, or one "
        "is missing.",
        _says(**NOTHING),
        "test_optimizer[Adam-a_gradient_is_missing-weight_decay-float64]",
    ),
    Rule(
        "a defect of Keras",
        "The case meets one of Keras's own departures from its documentation; its number (D1) stands in the id.",
        lambda case, direction: case.deviation is not None,
        "test_forward[Conv2D-width_equals_filters-D1-float64]",
    ),
)
"""All rules. A question that meets none is core."""
