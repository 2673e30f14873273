"""Mistakes in the activation functions: each a short wrong formula beside the sentence that describes it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference as right
from conformance.faults.fault import table

Array = NDArray[Any]

SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772
OLD_HARD_SIGMOID = "the line is 0.2 x + 0.5, as in Keras 2, instead of x / 6 + 0.5"


def logistic(x: Array) -> Array:
    """The sigmoid by its formula, overflowing where the formula does."""
    return np.asarray(1 / (1 + np.exp(-x)))


def _clipped(x: Array, low: float, high: float) -> Array:
    return np.clip(x, x.dtype.type(low), x.dtype.type(high))


def _normal(z: Array) -> Array:
    """``(1 + erf(z / sqrt(2))) / 2``."""
    return np.where(z == 0, 0.5, right.gelu(z) / np.where(z == 0, 1, z))


def _old_hard_sigmoid(x: Array) -> Array:
    return _clipped(0.2 * x + 0.5, 0, 1)


LAYERS = (
    table(
        "celu",
        inner_alpha_forgotten=(
            "alpha does not divide x inside the exponential (that is elu)",
            lambda x, alpha=1.0: right.elu(x, alpha=alpha),
        ),
        alpha_ignored=("alpha is ignored", lambda x, alpha=1.0: right.celu(x)),
    ),
    table(
        "elu",
        "ELU",
        alpha_ignored=("alpha is ignored", lambda x, alpha=1.0: right.elu(x)),
        alpha_inside=("alpha stands inside the exponential as well (that is celu)", lambda x, alpha=1.0: right.celu(x, alpha=alpha)),
        minus_1_forgotten=("the 1 is not subtracted from exp(x)", lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.exp(x))),
        no_branch=("both branches are added up instead of chosen", lambda x, alpha=1.0: np.maximum(x, 0) + alpha * np.expm1(x)),
        overflow=(
            "exp(x) is multiplied by 0 for large x, which is NaN once exp(x) overflows",
            lambda x, alpha=1.0: x * (x > 0) + alpha * np.expm1(x) * (x <= 0),
        ),
    ),
    table(
        "exponential",
        minus_1=("1 is subtracted: exp(x) - 1", lambda x: np.expm1(x)),
        base_2=("the base is 2 instead of e", lambda x: np.exp2(x)),
        clipped=("x is cut to [-50, 50] first", lambda x: np.exp(_clipped(x, -50, 50))),
    ),
    table(
        "gelu",
        approximate_swapped=(
            "the tanh formula stands where the exact one (erf) is asked for, and the other way round",
            lambda x, approximate=False: right.gelu(x, approximate=not approximate),
        ),
        always_tanh=("the tanh formula is always used instead of erf", lambda x, approximate=False: right.gelu(x, approximate=True)),
        always_erf=("approximate=True is ignored: erf is always used", lambda x, approximate=False: right.gelu(x)),
        sigmoid_form=("it is x * sigmoid(1.702 x)", lambda x, approximate=False: x * logistic(1.702 * x)),
        root_forgotten=(
            "x is not divided by the square root of 2 inside erf",
            lambda x, approximate=False: right.gelu(math.sqrt(2) * x, approximate=approximate) / x.dtype.type(math.sqrt(2)),
        ),
        root_added=(
            "the square root of 2 is added to x inside erf instead of dividing it",
            lambda x, approximate=False: right.gelu(x, approximate=True) if approximate else x * _normal(math.sqrt(2) * x + 2),
        ),
    ),
    table(
        "hard_shrink",
        threshold_0=("a threshold of 0 is taken for none given", lambda x, threshold=0.5: right.hard_shrink(x, threshold=threshold or 0.5)),
        at_threshold=(
            "values at the threshold are kept (>= instead of >)",
            lambda x, threshold=0.5: np.where(np.abs(x) >= threshold, x, 0),
        ),
        threshold_ignored=("threshold is ignored", lambda x, threshold=0.5: right.hard_shrink(x)),
        negative_side=("negative values are never kept", lambda x, threshold=0.5: np.where(x > threshold, x, 0)),
        soft=("kept values are moved towards 0 (that is soft_shrink)", lambda x, threshold=0.5: right.soft_shrink(x, threshold=threshold)),
    ),
    table(
        "hard_sigmoid",
        keras_2=(OLD_HARD_SIGMOID, _old_hard_sigmoid),
        unclipped=("it is not held between 0 and 1", lambda x: x / 6 + 0.5),
        soft=("it is the smooth sigmoid", lambda x: right.sigmoid(x)),
        half_width=("the line is (x + 1) / 2", lambda x: _clipped((x + 1) / 2, 0, 1)),
    ),
    table(
        "hard_silu",
        "hard_swish",
        keras_2=(OLD_HARD_SIGMOID, lambda x: x * _old_hard_sigmoid(x)),
        without_x=("the gate is not multiplied by x (that is hard_sigmoid)", lambda x: right.hard_sigmoid(x)),
        unclipped=("the gate is not held between 0 and 1", lambda x: x * (x / 6 + 0.5)),
        soft=("the gate is the smooth sigmoid (that is silu)", lambda x: right.silu(x)),
    ),
    table(
        "hard_tanh",
        from_0=("the lower bound is 0 instead of -1", lambda x: _clipped(x, 0, 1)),
        smooth=("it is the smooth tanh", lambda x: right.tanh(x)),
        unclipped=("values are not held between -1 and 1", lambda x: np.array(x)),
    ),
    table(
        "leaky_relu",
        slope_0=(
            "a negative_slope of 0 is taken for none given",
            lambda x, negative_slope=0.2: right.leaky_relu(x, negative_slope=negative_slope or 0.2),
        ),
        slope_of_the_layer=(
            "the slope is 0.3, the default of the LeakyReLU layer, instead of 0.2",
            lambda x, negative_slope=0.3: right.leaky_relu(x, negative_slope=negative_slope),
        ),
        slope_of_pytorch=(
            "the slope is 0.01, as in PyTorch, instead of 0.2",
            lambda x, negative_slope=0.01: right.leaky_relu(x, negative_slope=negative_slope),
        ),
        slope_ignored=("negative_slope is ignored", lambda x, negative_slope=0.2: right.leaky_relu(x)),
        not_leaky=("negative values become 0 (that is relu)", lambda x, negative_slope=0.2: right.relu(x)),
        absolute=("negative values come out positive", lambda x, negative_slope=0.2: np.where(x > 0, x, -negative_slope * x)),
        infinity=(
            "0 times infinity is NaN: both branches are multiplied by 0 or 1 and added up",
            lambda x, negative_slope=0.2: x * (x > 0) + negative_slope * x * (x <= 0),
        ),
    ),
    table("linear", relu=("negative values become 0", lambda x: right.relu(x)), negated=("the sign is turned around", lambda x: -x)),
    table(
        "log_sigmoid",
        overflow=("it is log(sigmoid(x)) step by step, -inf where sigmoid underflows to 0", lambda x: np.log(logistic(x))),
        sign=("the sign is wrong: softplus(-x)", lambda x: -right.log_sigmoid(x)),
        argument=("x has the wrong sign: -softplus(x)", lambda x: right.log_sigmoid(-x)),
    ),
    table(
        "mish",
        sigmoid=("it is x * sigmoid(x) (that is silu)", lambda x: right.silu(x)),
        no_softplus=("it is x * tanh(x), without softplus", lambda x: x * np.tanh(x)),
    ),
    table(
        "relu",
        "ReLU",
        max_value_0=(
            "a max_value of 0 is taken for none given",
            lambda x, max_value=None, **options: right.relu(x, max_value=max_value or None, **options),
        ),
        leaky=("negative values keep a slope of 0.01", lambda x, **options: right.relu(x, **{"negative_slope": 0.01, **options})),
        absolute=("negative values come out positive (abs)", lambda x, **options: np.abs(x)),
        identity=("negative values stay", lambda x, **options: np.array(x)),
        multiplied=(
            "0 times infinity is NaN: x is multiplied by (x > 0)",
            lambda x, **options: right.relu(x, **options) if options else x * (x > 0),
        ),
        max_value_ignored=("max_value is ignored", lambda x, max_value=None, **options: right.relu(x, **options)),
        slope_ignored=("negative_slope is ignored", lambda x, negative_slope=0.0, **options: right.relu(x, **options)),
        threshold_ignored=("threshold is ignored", lambda x, threshold=0.0, **options: right.relu(x, **options)),
        threshold_subtracted=(
            "threshold is subtracted from the values above it",
            lambda x, threshold=0.0, **options: right.relu(x - x.dtype.type(threshold), **options),
        ),
        at_threshold=(
            "values at the threshold are kept (>= instead of >)",
            lambda x, threshold=0.0, **options: np.where(x == threshold, x, right.relu(x, threshold=threshold, **options)),
        ),
        slope_through_0=(
            "below the threshold it is negative_slope * x instead of negative_slope * (x - threshold)",
            lambda x, threshold=0.0, negative_slope=0.0, **options: np.where(
                x > threshold, right.relu(x, threshold=threshold, **options), x.dtype.type(negative_slope) * x
            ),
        ),
        max_value_6=(
            "max_value is 6 unless given (that is relu6)",
            lambda x, max_value=6.0, **options: right.relu(x, max_value=max_value, **options),
        ),
    ),
    table(
        "relu6",
        unclipped=("values above 6 stay (that is relu)", lambda x: right.relu(x)),
        lower_side=("negative values stay", lambda x: np.minimum(x, 6)),
        at_1=("the upper bound is 1", lambda x: _clipped(x, 0, 1)),
    ),
    table(
        "selu",
        swapped=("scale and alpha are swapped", lambda x: ALPHA * right.elu(x, alpha=SCALE)),
        scale_forgotten=("the scale is left out", lambda x: right.elu(x, alpha=ALPHA)),
        alpha_forgotten=("alpha is left out (scale * elu(x))", lambda x: SCALE * right.elu(x)),
        positive_unscaled=("positive values are not scaled", lambda x: np.where(x > 0, x, right.selu(x))),
        rounded=("the constants have four digits only (1.0507 and 1.6733)", lambda x: 1.0507 * right.elu(x, alpha=1.6733)),
        overflow=(
            "exp(x) is multiplied by 0 for large x, which is NaN once exp(x) overflows",
            lambda x: SCALE * (x * (x > 0) + ALPHA * np.expm1(x) * (x <= 0)),
        ),
    ),
    table(
        "sigmoid",
        overflow=("exp(x) / (1 + exp(x)) is NaN where exp overflows", lambda x: np.exp(x) / (1 + np.exp(x))),
        sign=("x has the wrong sign: 1 / (1 + exp(x))", lambda x: right.sigmoid(-x)),
        hard=("it is the straight-line hard_sigmoid", lambda x: right.hard_sigmoid(x)),
        keras_2_hard=("it is hard_sigmoid with the line 0.2 x + 0.5", _old_hard_sigmoid),
        tanh=("it is tanh", lambda x: np.tanh(x)),
    ),
    table(
        "silu",
        "swish",
        tanh=("it is x * tanh(x)", lambda x: x * np.tanh(x)),
        without_x=("the gate is not multiplied by x (that is sigmoid)", lambda x: right.sigmoid(x)),
        steep=("the gate is sigmoid(1.702 x)", lambda x: x * logistic(1.702 * x)),
        hard=("the gate is the straight-line hard_sigmoid", lambda x: right.hard_silu(x)),
        overflow=("x exp(x) / (1 + exp(x)) is NaN where exp overflows", lambda x: x * np.exp(x) / (1 + np.exp(x))),
    ),
    table(
        "soft_shrink",
        threshold_0=("a threshold of 0 is taken for none given", lambda x, threshold=0.5: right.soft_shrink(x, threshold=threshold or 0.5)),
        hard=(
            "kept values are not moved towards 0 (that is hard_shrink)",
            lambda x, threshold=0.5: right.hard_shrink(x, threshold=threshold),
        ),
        threshold_ignored=("threshold is ignored", lambda x, threshold=0.5: right.soft_shrink(x)),
        negative_side=("negative values always become 0", lambda x, threshold=0.5: np.maximum(x - threshold, 0)),
        away_from_0=(
            "the threshold is added instead of subtracted",
            lambda x, threshold=0.5: np.where(np.abs(x) > threshold, x + np.sign(x) * threshold, 0),
        ),
    ),
    table(
        "softplus",
        overflow=("it is log(1 + exp(x)) step by step, infinite where exp overflows", lambda x: np.log(1 + np.exp(x))),
        sign=("x has the wrong sign", lambda x: right.softplus(-x)),
        relu=("it is relu", lambda x: right.relu(x)),
    ),
    table(
        "softsign",
        no_absolute=("it is x / (1 + x), without the absolute value", lambda x: x / (1 + x)),
        squared=("it is x / sqrt(1 + x**2)", lambda x: x / np.sqrt(1 + x * x)),
        tanh=("it is tanh", lambda x: np.tanh(x)),
    ),
    table(
        "sparse_plus",
        softplus=("it is the smooth softplus", lambda x: right.softplus(x)),
        upper_part=("values above 1 follow the parabola too", lambda x: 0.25 * np.square(np.maximum(x, -1) + 1)),
        lower_part=("values below -1 follow the parabola too", lambda x: np.where(x >= 1, x, 0.25 * np.square(x + 1))),
        factor=("the factor 1/4 is missing", lambda x: np.where(x >= 1, x, np.square(_clipped(x, -1, 1) + 1))),
    ),
    table(
        "sparse_sigmoid",
        hard=("it is hard_sigmoid", lambda x: right.hard_sigmoid(x)),
        unclipped=("it is not held between 0 and 1", lambda x: 0.5 * (x + 1)),
        smooth=("it is the smooth sigmoid", lambda x: right.sigmoid(x)),
    ),
    table(
        "squareplus",
        b_ignored=("b is ignored", lambda x, b=4: right.squareplus(x)),
        b_squared=("b is squared", lambda x, b=4: right.squareplus(x, b=b * b)),
        half_forgotten=("the sum is not halved", lambda x, b=4: 2 * right.squareplus(x, b=b)),
    ),
    table(
        "tanh",
        overflow=(
            "(exp(x) - exp(-x)) / (exp(x) + exp(-x)) is NaN where exp overflows",
            lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
        ),
        sigmoid=("it is the sigmoid", lambda x: right.sigmoid(x)),
        scaled_sigmoid=("it is 2 sigmoid(x) - 1, without doubling x", lambda x: 2 * right.sigmoid(x) - 1),
        hard=("it is the straight-line hard_tanh", lambda x: right.hard_tanh(x)),
    ),
    table(
        "tanh_shrink",
        tanh=("x is missing: it is tanh", lambda x: np.tanh(x)),
        sign=("the sign is wrong: tanh(x) - x", lambda x: np.tanh(x) - x),
    ),
    table(
        "threshold",
        at_threshold=(
            "values at the threshold are kept (>= instead of >)",
            lambda x, threshold, default_value: np.where(x >= threshold, x, x.dtype.type(default_value)),
        ),
        default_ignored=(
            "default_value is ignored: 0 is used",
            lambda x, threshold, default_value: np.where(x > threshold, x, x.dtype.type(0)),
        ),
        absolute=(
            "the absolute value is compared",
            lambda x, threshold, default_value: np.where(np.abs(x) > threshold, x, x.dtype.type(default_value)),
        ),
        maximum=("it is the larger of x and threshold", lambda x, threshold, default_value: np.maximum(x, x.dtype.type(threshold))),
    ),
)
