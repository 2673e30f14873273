"""Cases of the activation functions: every name that Keras accepts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from conformance.cases.case import Alone, FunctionCases, LayerCases, Special
from conformance.cases.titles import words
from conformance.cases.tolerance import cancelling, elementwise, softmax

INPUTS = {"rows": (3, 8), "images": (2, 3, 5, 4)}
VALUES = ("ordinary", "wide", "tiny", "huge", "kinks", "nan", "infinite")
# The limit at +inf is NaN in Keras and a number elsewhere.
ONE_SIDED = tuple("minus_infinite" if value == "infinite" else value for value in VALUES)
FINITE = tuple(value for value in VALUES if value not in ("nan", "infinite"))
DEVIATIONS: dict[str, dict[str, Callable[..., bool]]] = {
    "sparsemax": {"D5": lambda config, shape, call, dtype: True},
    # float32 answers NaN at that place alone, float64 in the whole row.
    "softmax": {"D20": lambda config, shape, call, dtype: call.get("values") in ("nan", "infinite")},
}
# Mistakes that only show on long rows or large batches: cut tails, top-k shortcuts, sums in chunks.
SIZES = [Special("long_rows", (3, 150)), Special("many_rows", (140, 4))]
WHOLE_NUMBERS = [Special("integers", (3, 8), {}, {"values": "integers"}, ("float32",))]
SEVERAL_AXES = [Special("axis=1x2", (2, 3, 5, 4), {"axis": (1, 2)}), Special("axis=None", (2, 3, 5, 4), {"axis": None})]


def _at_kinks(**config: float) -> Special:
    """Options that move a kink, in numbers that float32 holds, so that float64 judges which slope there is at the kink itself."""
    said = "-".join(words(name, value) for name, value in config.items())
    return Special(f"{said}-values=kinks", (3, 8), config, {"values": "kinks"})


AT_KINKS = [_at_kinks(negative_slope=0.25, **more) for more in ({}, {"threshold": 1.0}, {"max_value": 6.0})]
"""Calls of relu that Keras computes each in another way."""
BELOW_0 = [_at_kinks(**more, threshold=-1.0) for more in ({"negative_slope": 0.25}, {"negative_slope": 0.25, "max_value": 2.0})]
"""What the layer refuses and the function does not."""
MORE = {
    **dict.fromkeys(("linear", "relu6", "exponential", "tanh", "leaky_relu"), WHOLE_NUMBERS),
    "relu": [*WHOLE_NUMBERS, *AT_KINKS, *BELOW_0],
    **dict.fromkeys(("softmax", "log_softmax"), SEVERAL_AXES),
}
"""What Keras accepts for a few functions only: integers, several axes; and kinks whose place options move."""


def _function(
    name: str, tolerance: Callable[..., Any] = elementwise, values: Sequence[str] = VALUES, **options: Sequence[Any]
) -> LayerCases:
    return FunctionCases(
        name,
        inputs=INPUTS,
        axes=("axis 0", "axis 1", "axis 2", "axis 3"),
        tolerance=tolerance,
        options=options,
        call={"values": values},
        drawn={"shape": ((1, 3), (1, 5), (2, 6))},
        possible=POSSIBLE.get(name, lambda config, shape, call, dtype: True),
        special=[*SIZES, *MORE.get(name, [])],
        alone=Alone(shapes=[(2, 4, 3)] if "axis" in options else (), values=ALONE.get(name, {})),
        deviations=DEVIATIONS.get(name, {}),
    )


def _splits(config: Any, shape: tuple[int, ...], call: Any, dtype: str) -> bool:
    return shape[config.get("axis", -1)] % 2 == 0


def _defined(config: Any, shape: tuple[int, ...], call: Any, dtype: str) -> bool:
    """A slope of 0 times an infinity is NaN in Keras, and 0 by its documentation."""
    return config.get("negative_slope") != 0 or call.get("values") != "infinite"


ALONE: dict[str, dict[str, Sequence[Any]]] = {
    # Numbers that float32 holds, so that gradients are asked in float64.
    "relu": {"negative_slope": [0.25], "max_value": [0.5, 0.0], "values": ["tiny", "kinks"]},
    "leaky_relu": {"negative_slope": [0.25, 0.0, 1.5]},
    **{name: {"axis": [0, 1, -2]} for name in ("softmax", "log_softmax", "sparsemax")},
    "glu": {"axis": [0, -2]},
    # Where thresholds lie.
    **{name: {"values": ["kinks", "minus_infinite"]} for name in ("hard_shrink", "soft_shrink")},
}
"""Values that pairs alone take, where they are not those of the table."""
POSSIBLE = {"glu": _splits, "leaky_relu": _defined}

ACTIVATIONS = [
    _function("celu", alpha=[0.3]),
    _function("elu", alpha=[0.3, -0.5]),
    _function("exponential"),
    _function("gelu", approximate=[True]),
    _function("glu", axis=[0]),
    _function("hard_shrink", threshold=[1.0, 0.0]),
    _function("hard_sigmoid"),
    _function("hard_silu"),
    _function("hard_swish"),
    _function("hard_tanh"),
    _function("leaky_relu", negative_slope=[0.01, 0.0]),
    _function("linear"),
    _function("log_sigmoid"),
    _function("log_softmax", values=ONE_SIDED, axis=[0, 1]),
    _function("mish"),
    _function("relu", negative_slope=[0.1], max_value=[6.0, 2.0, 0.0], threshold=[1.0]),
    _function("relu6"),
    _function("selu"),
    _function("sigmoid"),
    _function("silu"),
    _function("soft_shrink", threshold=[1.0, 0.0]),
    _function("softmax", softmax, axis=[0, 1]),
    _function("softplus"),
    _function("softsign"),
    _function("sparse_plus"),
    _function("sparse_sigmoid"),
    # Keras computes sparsemax otherwise than it is documented (D5), so that special values have no expected result.
    _function("sparsemax", values=FINITE, axis=[0, 1]),
    _function("squareplus", cancelling, b=[1]),
    _function("swish"),
    _function("tanh"),
    _function("tanh_shrink"),
]

THRESHOLD = FunctionCases(
    "threshold",
    inputs=INPUTS,
    axes=("axis 0", "axis 1", "axis 2", "axis 3"),
    tolerance=elementwise,
    sizes={"threshold": [0.5, -1.0], "default_value": [0.0, 2.0]},
    call={"values": VALUES},
    alone=Alone(values={"values": ["kinks", "minus_infinite"]}),
    special=[Special(size.title, size.shape, {"threshold": 0.25, "default_value": -1.5}) for size in SIZES],
    drawn={"shape": ((1, 3), (1, 5), (2, 6))},
)

NAMES = tuple(layer.layer for layer in ACTIVATIONS)
"""The names that work as ``activation=`` of a layer (``threshold`` needs arguments)."""

LAYERS = [*ACTIVATIONS, THRESHOLD]
