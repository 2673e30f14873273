"""What Keras's automatic differentiation says about a declared case, for the tests of the backward passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import reference
from conformance.base.arrays import Arrays, cast
from conformance.cases import ALL
from conformance.cases.case import Case, FunctionCases, declared_cases
from conformance.cases.draw import draw_arrays
from conformance.cases.questions import forward_question
from conformance.oracle.live import forward
from reference.layers import spec_of

ARRAY_ALONE = ("elu_backward", "softmax_backward")
"""Backward passes that a function and a layer share, which return the array of the function."""


def gradient_cases(names: list[str]) -> Iterator[Any]:
    """The float64 cases of the smoke profile whose values are finite and that Keras computes as it documents."""
    for name in names:
        for case in declared_cases(ALL[name], "smoke"):
            undefined = {"nan", "infinite", "all_nan", "all_minus_infinity", "minus_infinite", "nan_at_masked_steps"}
            if case.dtype == "float64" and case.call.get("values") not in undefined and case.deviation is None:
                yield case


def arrays_of(case: Case) -> Arrays:
    """The arrays of a case, with the mask that Keras's Dropout draws."""
    layer = ALL[case.layer]
    arrays = cast(draw_arrays(layer, case, case.seed()), "float64")
    return replace(arrays, arguments={**arrays.arguments, **forward._dropout_mask(layer, case, arrays)})


def grad_output_for(case: Case, y: np.ndarray) -> np.ndarray:
    """A gradient of the output, of the case's own."""
    return np.random.default_rng(case.seed(1)).normal(size=y.shape)


def reference_gradients(case: Case, arrays: Arrays, **changed: Any) -> tuple[Any, list[Any]]:
    """The same from the reference; of the weights' gradients those that are there."""
    name, args, options = reference_call(case, arrays)
    y = getattr(reference, name if isinstance(ALL[case.layer], FunctionCases) else f"{name}_forward")(*args, **{**options, **changed})
    grad_output = grad_output_for(case, y[0] if isinstance(y, tuple) else y)
    gradients = getattr(reference, f"{name}_backward")(grad_output, *args, **{**options, **changed})
    if isinstance(ALL[case.layer], FunctionCases) or f"{name}_backward" in ARRAY_ALONE:
        return gradients, []
    grad_x, *weights = gradients
    weights = list(weights[0]) if case.layer == "TimeDistributed" else weights
    return grad_x, [one for one in weights if one is not None]


def reference_call(case: Case, arrays: Arrays) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """The name of the reference's function without its ending, its positional and its keyword arguments."""
    question = forward_question(ALL[case.layer], case, arrays, arrays.arguments)
    name = case.layer if isinstance(ALL[case.layer], FunctionCases) else spec_of(case.layer).name
    return name, question.positional, dict(question.keywords)
