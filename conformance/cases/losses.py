"""Cases of losses: labels, predictions, weights and masks; the value and its gradient are asked about one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from conformance.base.arrays import Array, Arrays, cast
from conformance.cases.case import OF_THE_CALL, Alone, Case, FunctionCases, LayerCases, Special, defaults_of
from conformance.cases.reduced_set import reduced_cases
from conformance.cases.titles import words
from conformance.cases.tolerance_training import loss
from reference import losses

SAMPLES, SEQUENCE = (6, 4), (3, 5, 4)
INPUTS = {"samples": SAMPLES, "sequence": SEQUENCE}
PAIRED = {
    "reduction": ["sum_over_batch_size", "mean_with_sample_weight", "sum", None],
    "call": {"sample_weight": [None, "samples", "column"], "mask": [None, "gap"]},
}
"""All of what losses have in common, for those that people write most."""
SINGLE = {
    "reduction": ["sum_over_batch_size", None],
    "call": {"sample_weight": [None, "samples"], "mask": [None, "gap"]},
}
"""Enough of it for the others: in Keras the code is the same."""
EVERY_WAY: Mapping[str, Sequence[Any]] = {
    "reduction": ["mean_with_sample_weight", "sum", None, "none"],
    "sample_weight": ["samples", "column"],
}
"""What pairs alone take of it, for all losses: elsewhere the code need not be the same."""
OF_ALL = (
    Special("one_sample", (1, 4)),
    Special("as_many_samples_as_classes", (3, 3), call={"sample_weight": "samples"}),
)
EMPTY = Special("empty_batch", (0, 4))
OF_PAIRED = (
    EMPTY,
    Special("reduction=mean", SAMPLES, {"reduction": "mean"}, {"sample_weight": "some_zero"}),
    Special("reduction=none", SAMPLES, {"reduction": "none"}, {"sample_weight": "column"}),
    Special("empty_batch-of_sequences", (0, 3, 4)),
    Special("one_sequence", (1, 3, 4), call={"mask": "gap"}),
    Special("weights_of_zero", SAMPLES, call={"sample_weight": "zeros"}),
    Special("weights_of_zero-by_their_sum", SAMPLES, {"reduction": "mean_with_sample_weight"}, {"sample_weight": "zeros"}),
    Special("mask_that_keeps_none", SEQUENCE, call={"mask": "none_kept"}),
    Special("weights_below_a_mask", SEQUENCE, call={"mask": "gap", "sample_weight": "column"}),
)
PROBABILITIES = {"extremes": "0 and 1", "not_normalised": "sums that are not 1"}
OF_PROBABILITIES = (
    *(Special(kind, SAMPLES, {"reduction": None}, {"values": kind}) for kind in PROBABILITIES),
    *(Special(f"{kind}-their_mean", SAMPLES, {}, {"values": kind}, ("float64",)) for kind in PROBABILITIES),
)
OF_LOGITS = (
    Special("from_logits-huge", SAMPLES, {"from_logits": True, "reduction": None}, {"values": "huge"}),
    Special("from_logits-huge-their_mean", SAMPLES, {"from_logits": True}, {"values": "huge"}, ("float64",)),
    Special("from_logits-empty_batch", (0, 4), {"from_logits": True}),
)
COLUMN = (
    Special("labels_without_last_axis", (5, 1), call={"labels": "flat"}),
    Special("one_vector", (4,), call={"labels": "vector"}),
    Special("predictions_without_last_axis", (5,), call={"labels": "upright"}, dtypes=("float64",)),
)
ONE_FOR_A_ROW = Special("one_label_for_a_row", SAMPLES, call={"labels": "first_column"}, dtypes=("float64",))
"""Labels that broadcast against predictions of the same rank."""
ALONE = {"reduction": None}
HUGE = Special("huge", SAMPLES, call={"values": "huge"})
HUGE_ERRORS = Special("huge_errors", SAMPLES, call={"values": "huge", "labels": "opposite"})
OTHER_AXIS = Special("axis=1-reduction=None", SEQUENCE, {"axis": 1, "reduction": None})
"""Without weights or masks, with which a wrong axis only raises."""
ZERO_LABELS = Special("labels_of_zero", SAMPLES, call={"labels": "some_zero"})


def _huge(**more: Any) -> Special:
    """Logits of which a sigmoid or a softmax is 0 or 1, with another option."""
    call = {name: value for name, value in more.items() if name in OF_THE_CALL}
    config = {"from_logits": True, **{name: value for name, value in more.items() if name not in OF_THE_CALL}}
    said = "-".join(words(name, value) for name, value in more.items())
    return Special(f"from_logits-huge-{said}", SEQUENCE if "axis" in more else SAMPLES, config, {"values": "huge", **call}, ("float64",))


OF_HUGE_LOGITS = tuple(_huge(**more) for more in ({"reduction": "sum"}, {"sample_weight": "samples"}, {"mask": "gap"}))
SMOOTHED = (_huge(label_smoothing=0.1), _huge(axis=1))
ENTROPY = {"from_logits": [False, True], "label_smoothing": [0.0, 0.1]}
FOCUS = {"alpha": [0.25, 0.6], "gamma": [2.0, 1.5]}


class LossCases(FunctionCases):
    """A loss, which is called by its own name."""

    def defaults(self) -> dict[str, Any]:
        """Those of the reference's function."""
        return defaults_of(getattr(losses, self.layer))


def possible(config: Mapping[str, Any], shape: tuple[int, ...], call: Mapping[str, Any], dtype: str) -> bool:
    """Whether the axis is not the last by another name."""
    return config.get("axis", -1) == -1 or len(shape) == 3


def _last_axis(config: Mapping[str, Any], shape: tuple[int, ...], call: Mapping[str, Any], dtype: str) -> bool:
    return config.get("axis", -1) in (-1, len(shape) - 1)


def _of_classes(config: Mapping[str, Any], shape: tuple[int, ...], call: Mapping[str, Any], dtype: str) -> bool:
    # Keras moves the axis of logits to the end, which TensorFlow refuses for one counted from there.
    return possible(config, shape, call, dtype) and not (config.get("from_logits") and config.get("axis") == -2)


POSSIBLE = {"categorical_crossentropy": _of_classes, "sparse_categorical_crossentropy": _last_axis}


def _loss(
    name: str,
    options: Mapping[str, Any],
    special: Sequence[Special] = (),
    *,
    paired: bool = False,
    axes: Sequence[int] = (),
    **call: Any,
) -> LayerCases:
    """The declaration of a loss: its own options and ways to call it, and those of all; `axes` are values of ``axis`` in pairs alone."""
    shared: Mapping[str, Any] = PAIRED if paired else SINGLE
    common = (*OF_ALL, *OF_PAIRED) if paired else OF_ALL
    return LossCases(
        name,
        INPUTS,
        ("batch", "step"),
        loss,
        options={**options, "reduction": shared["reduction"]},
        call={**call, **shared["call"]},
        possible=POSSIBLE.get(name, possible),
        special=(*common, *special),
        alone=Alone(
            values={**EVERY_WAY, **({"axis": axes or (1, -2)} if axes or "axis" in options else {})},
            # A loss of logits alone.
            bases=[{"from_logits": True}] if paired and "from_logits" in options else (),
        ),
    )


LOSSES = (
    _loss(
        "sparse_categorical_crossentropy",
        {"from_logits": [False, True], "ignore_class": [None, 1, -1]},
        (
            *OF_PROBABILITIES,
            *OF_LOGITS,
            *OF_HUGE_LOGITS,
            _huge(ignore_class=1),
            Special("all_ignored", SAMPLES, {"ignore_class": 2}, {"labels": "all_2"}),
            Special("all_ignored-reduction=none", SEQUENCE, {"ignore_class": 2, "reduction": "none"}, {"labels": "all_2"}),
        ),
        paired=True,
        axes=[1],  # of (batch, classes): Keras takes only the last one
        labels=[None, "column", "floats"],
    ),
    _loss(
        "categorical_crossentropy",
        {**ENTROPY, "axis": [-1, 1]},
        (*OF_PROBABILITIES, *OF_LOGITS, *OF_HUGE_LOGITS, *SMOOTHED),
        paired=True,
        labels=[None, "soft"],
    ),
    _loss(
        "binary_crossentropy",
        {**ENTROPY, "axis": [-1, 1]},
        (*OF_PROBABILITIES[::2], *OF_LOGITS, *OF_HUGE_LOGITS, *SMOOTHED, *COLUMN, OTHER_AXIS),
        paired=True,
        labels=[None, "soft"],
    ),
    _loss("mean_squared_error", {}, (*COLUMN, ONE_FOR_A_ROW, HUGE), paired=True),
    _loss("mean_absolute_error", {}, (EMPTY, *COLUMN, ONE_FOR_A_ROW, Special("equal", SAMPLES, call={"values": "equal"}))),
    _loss("mean_absolute_percentage_error", {}, (EMPTY, *COLUMN, ONE_FOR_A_ROW, ZERO_LABELS)),
    _loss(
        "mean_squared_logarithmic_error",
        {},
        (EMPTY, *COLUMN, ONE_FOR_A_ROW, Special("negative_predictions", SAMPLES, call={"values": "negative"}), ZERO_LABELS),
    ),
    _loss("huber", {"delta": [1.0, 0.3]}, (EMPTY, *COLUMN, ONE_FOR_A_ROW, Special("at_delta", SAMPLES, call={"values": "at_delta"}))),
    _loss("log_cosh", {}, (EMPTY, *COLUMN, ONE_FOR_A_ROW, HUGE, HUGE_ERRORS)),
    _loss(
        "poisson",
        {},
        (EMPTY, *COLUMN, ONE_FOR_A_ROW, Special("predictions_of_zero", SAMPLES, ALONE, {"values": "some_zero"}, ("float64",))),
    ),
    _loss("kl_divergence", {}, (EMPTY, *OF_PROBABILITIES, ZERO_LABELS)),
    _loss(
        "cosine_similarity", {"axis": [-1, 1]}, (EMPTY, OTHER_AXIS, Special("predictions_of_zero", SAMPLES, ALONE, {"values": "zero_row"}))
    ),
    _loss(
        "hinge",
        {},
        (EMPTY, *COLUMN, ONE_FOR_A_ROW, Special("at_the_margin", SAMPLES, {}, {"values": "at_margin"}, ("float64",))),
        labels=[None, "signs", "one_sign"],
    ),
    _loss("squared_hinge", {}, (EMPTY, *COLUMN, ONE_FOR_A_ROW), labels=[None, "signs", "one_sign"]),
    # Keras refuses an empty batch here.
    _loss(
        "categorical_hinge",
        {},
        (Special("equal_rivals", SAMPLES, {}, {"values": "at_margin"}, ("float64",)),),
        labels=[None, "soft"],
    ),
    _loss(
        "binary_focal_crossentropy",
        {**ENTROPY, **FOCUS, "apply_class_balancing": [False, True], "axis": [-1, 1]},
        # In float32 the bound of the clipping shows in the gradient as well.
        (
            EMPTY,
            Special("extremes", SAMPLES, ALONE, {"values": "extremes"}, ("float64",)),
            Special("extremes-their_mean", SAMPLES, {}, {"values": "extremes"}, ("float64",)),
            *OF_LOGITS,
            *COLUMN,
            OTHER_AXIS,
        ),
    ),
    _loss("categorical_focal_crossentropy", {**ENTROPY, **FOCUS, "axis": [-1, 1]}, (EMPTY, *OF_PROBABILITIES, *OF_LOGITS, OTHER_AXIS)),
)
LOSS_CASES = {layer.layer: layer for layer in LOSSES}

CLASSES = {
    "mean_absolute_percentage_error": "MeanAbsolutePercentageError",
    "kl_divergence": "KLDivergence",
} | {name: "".join(part.capitalize() for part in name.split("_")) for name in LOSS_CASES if name != "kl_divergence"}
"""Keras's class of each loss."""


def loss_cases(name: str, profile: str = "standard") -> Iterator[Case]:
    """The declared cases of a loss."""
    paired = "column" in LOSS_CASES[name].call["sample_weight"]
    return reduced_cases(LOSS_CASES[name], profile, options_in_float32=paired)


def divides_by_sums(case: Case) -> bool:
    """Whether Keras divides the predictions of this case by their sums, which are 1: that adds a constant to each row of the gradient."""
    normal = case.call.get("values") not in PROBABILITIES
    return normal and case.layer in DIVIDED and not case.config.get("from_logits")


def losses_shape(case: Case) -> tuple[int, ...]:
    """The shape of the losses before they are reduced."""
    axis = case.config.get("axis", -1) % len(case.shape)
    return tuple(size for n, size in enumerate(case.shape) if n != axis)


def draw_loss(case: Case, seed: int) -> Arrays:
    """Predictions, the labels (in ``weights``), and weights and mask among the arguments, in the dtype of the case."""
    rng = np.random.default_rng(case.seed(seed))
    predictions = _predictions(rng, case)
    labels = _labels(rng, case, predictions)
    arguments = {}
    if "sample_weight" in case.call:
        arguments["sample_weight"] = _weights(rng, case)
    if "mask" in case.call:
        arguments["mask"] = _mask(rng, case)
    return Arrays(cast(predictions, case.dtype), (cast(labels, case.dtype),), arguments=cast(arguments, case.dtype))


BINARY = ("binary_crossentropy", "binary_focal_crossentropy")
CLASSIFIED = ("categorical_crossentropy", "categorical_focal_crossentropy", "sparse_categorical_crossentropy", "kl_divergence")
DIVIDED = ("categorical_crossentropy", "categorical_focal_crossentropy", "sparse_categorical_crossentropy")
"""Losses of which Keras divides probabilities by their sum."""
POSITIVE = ("mean_squared_logarithmic_error", "poisson")


def _predictions(rng: np.random.Generator, case: Case) -> Array:
    """Logits, probabilities, positive or any numbers, as the loss takes them, and then what `values` makes of them."""
    values, shape, axis = case.call.get("values"), case.shape, case.config.get("axis", -1)
    z = rng.normal(0, 1.5, shape)
    if case.layer in CLASSIFIED and not case.config.get("from_logits"):
        p = np.exp(z) / np.sum(np.exp(z), axis=axis, keepdims=True)
        return _extremes(rng, p, values)
    if case.layer in BINARY and not case.config.get("from_logits"):
        return _extremes(rng, 1 / (1 + np.exp(-z)), values)
    p = np.exp(z) if case.layer in POSITIVE and values != "negative" else z
    if values == "huge":
        return 400 * p
    if values in ("some_zero", "zero_row"):
        p[0, slice(None) if values == "zero_row" else slice(0, 2)] = 0
    if values == "at_margin":
        p = np.round(p * 2) / 2
        p[:, 1] = p[:, 2]
    return p


def _extremes(rng: np.random.Generator, p: Array, values: str | None) -> Array:
    if values == "not_normalised":
        return p * rng.uniform(0.4, 1.7, (len(p), 1))
    if values == "extremes":
        p[:4] = [[1, 0, 0, 0], [0, 1, 0, 0], [1e-9, 1e-8, 0, 1], [0, 0, 0.5, 0.5]]
    return p


def _labels(rng: np.random.Generator, case: Case, p: Array) -> Array:
    """One-hot rows, class ids, 0 and 1, or numbers near the predictions."""
    kind, shape, axis = case.call.get("labels"), case.shape, case.config.get("axis", -1)
    name = case.layer
    if name.startswith(("categorical", "sparse")):
        ids = rng.integers(0, shape[axis], losses_shape(case))
        if name.startswith("sparse"):
            return _class_ids(rng, case, ids)
        rows = np.moveaxis(np.eye(shape[axis])[ids], -1, axis)
        return 0.7 * rows + 0.3 / shape[axis] if kind == "soft" else rows
    if name in BINARY or name.endswith("hinge"):
        y = rng.integers(0, 2, shape).astype(float)
        y = 2 * y - 1 if kind == "signs" else np.ones(shape) if kind == "one_sign" else y
        y = rng.uniform(0.1, 0.9, shape) if kind == "soft" else y
    elif name == "kl_divergence":
        y = np.exp(rng.normal(0, 1, shape))
        y = y / np.sum(y, axis=-1, keepdims=True)
    elif name == "poisson":
        y = rng.poisson(2, shape).astype(float)
    elif name == "mean_squared_logarithmic_error":
        y = np.exp(rng.normal(0, 1, shape))
    else:
        y = p + rng.normal(0, 1, shape)
    return _as_asked(case, y, p)


def _as_asked(case: Case, y: Array, p: Array) -> Array:
    """Labels with zeros, without a last axis, or so that errors are 0 or exactly `delta`."""
    kind, values = case.call.get("labels"), case.call.get("values")
    if kind == "some_zero":
        y[0, :2] = 0
    if kind == "opposite":
        return -y
    if kind == "flat":
        return y[..., 0]
    if kind == "upright":
        return y[:, np.newaxis]
    if kind == "first_column":
        return y[:, :1]
    if values == "equal":
        y[:, 1:3] = p[:, 1:3]
    if values == "at_delta":
        p[:] = np.round(p * 4) / 4  # so that float32 holds the sums
        y[:] = p + np.array([-1.0, 1.0, 0.5, 2.0])
    return y


def _class_ids(rng: np.random.Generator, case: Case, ids: Array) -> Array:
    """Class ids, some of the ignored class, as integers or floats, perhaps in a column."""
    ignored, kind = case.config.get("ignore_class"), case.call.get("labels")
    if ignored is not None and ids.size > 1:
        ids = np.where(rng.random(ids.shape) < 0.3, ignored, ids)
        ids.flat[:2] = ignored, 0
    if kind == "all_2":
        ids = np.full_like(ids, 2)
    ids = ids.astype(np.float64 if kind == "floats" else np.int32)
    return ids[..., np.newaxis] if kind == "column" else ids


def _weights(rng: np.random.Generator, case: Case) -> Array:
    kind, shape = case.call["sample_weight"], losses_shape(case)
    if kind == "column":
        return rng.uniform(0.2, 2, (shape[0], 1))
    weights = rng.uniform(0.2, 2, shape)
    if kind == "some_zero":
        weights.flat[::3] = 0
    return np.zeros(shape) if kind == "zeros" else weights


def _mask(rng: np.random.Generator, case: Case) -> Array:
    shape = losses_shape(case)
    mask = rng.random(shape) < 0.6
    mask.flat[:2] = (True, False)
    return np.zeros(shape, bool) if case.call["mask"] == "none_kept" else mask
