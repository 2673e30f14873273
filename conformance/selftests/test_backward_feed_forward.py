"""The backward passes of the feed-forward layers and of the activation functions: against Keras's tape, and against differences."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import reference
from conformance.arrays import Arrays, cast
from conformance.cases import ALL, FAMILIES
from conformance.cases.case import Case, declared_cases
from conformance.selftests.keras_gradients import (
    ARRAY_ALONE,
    arrays_of,
    grad_output_for,
    gradient_cases,
    keras_gradients,
    reference_call,
    reference_gradients,
)
from reference.calls import SIGNATURES
from reference.chain_rule import pair

LAYERS = [layer.layer for family, layers in FAMILIES.items() if family not in ("recurrent", "activations") for layer in layers]
FUNCTIONS = [layer.layer for layer in FAMILIES["activations"]]
EVERYTHING = [*LAYERS, "TimeDistributed", *FUNCTIONS]
ROUNDED = ("leaky_relu", "LeakyReLU", "gelu")
"""TensorFlow rounds constants of these to float32."""
every_layer = pytest.mark.parametrize("name", EVERYTHING)


def tolerance(case: Case) -> float:
    rounded = case.layer in ROUNDED or case.config.get("activation") in ROUNDED or case.config.get("negative_slope")
    return 1e-6 if rounded else 1e-10


def worst(got: Any, wanted: Any) -> float:
    """The largest difference relative to ``1 + abs(wanted)``; infinite where the kinds, the shapes or the overflows differ."""
    if isinstance(wanted, list):
        return max([worst(a, b) for a, b in itertools.zip_longest(got, wanted)], default=0.0) if isinstance(got, list) else np.inf
    if wanted is None or got is None:
        return 0.0 if got is wanted else np.inf
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        return np.inf
    if not np.array_equal(np.isfinite(got), np.isfinite(wanted)):
        return np.inf
    far = np.abs(got - wanted)[np.isfinite(wanted)] / (1 + np.abs(wanted[np.isfinite(wanted)]))
    return float(np.max(far, initial=0.0))


@every_layer
def test_gradients_are_those_of_keras(name):
    for case in gradient_cases([name]):
        arrays = arrays_of(case)
        wanted_x, wanted_weights = keras_gradients(case, arrays)
        if case.config.get("rate") == 1.0 and wanted_x is None:
            wanted_x = np.zeros_like(arrays.x)  # all is dropped: Keras hands out zeros that depend on nothing
        got_x, got_weights = reference_gradients(case, arrays)
        for what, got, wanted in (("x", got_x, wanted_x), ("the weights", got_weights, wanted_weights)):
            off = worst(got, wanted)
            assert off <= tolerance(case), f"{case.id}: the gradient of {what} is off by {off}"


def witnesses() -> list[Case]:
    """The first case of everything, and every one in which Keras itself deviates from what it documents."""
    found = []
    for name in EVERYTHING:
        cases = [case for case in declared_cases(ALL[name], "smoke") if case.dtype == "float64"]
        defined = [case for case in cases if case.call.get("values") in (None, "ordinary", "ties", "wide", "huge") or case is cases[0]]
        found += [defined[0], *(case for case in defined[1:] if case.deviation and case.call.get("values") in (None, "ordinary"))]
    trained = ("training-images", "training-sequence", "mask=gap-sequence", "all_masked-training")
    found += [case for case in declared_cases(ALL["BatchNormalization"], "smoke") if case.title in trained and case.dtype == "float64"]
    return [case for case in found if case.layer != "Embedding"]


def output(case: Case, arrays: Arrays) -> np.ndarray:
    name, args, options = reference_call(case, arrays)
    y = getattr(reference, name if ALL[case.layer].function else f"{name}_forward")(*args, **options)
    return y[0] if isinstance(y, tuple) else y


def test_gradients_are_slopes():
    """A witness of its own: ``L(x + h d) - L(x - h d) = 2 h <gradient, d>`` for the number ``L = <grad_output, y>``."""
    for case in witnesses():
        arrays = arrays_of(case)
        grad_x, grad_weights = reference_gradients(case, arrays)
        gradients = [*(grad_x if isinstance(grad_x, list) else [grad_x]), *grad_weights]
        rng = np.random.default_rng(case.seed(2))
        directions = [rng.normal(size=one.shape) for one in gradients]

        def moved(step: float, arrays: Arrays = arrays, directions: Any = directions) -> Arrays:
            x = arrays.x if isinstance(arrays.x, tuple) else (arrays.x,)
            held = [one + step * d for one, d in zip((*x, *arrays.weights), directions, strict=False)] + list(arrays.weights)
            new = tuple(held[: len(x)])
            weights = (*held[len(x) : len(directions)], *arrays.weights[len(directions) - len(x) :])
            return replace(arrays, x=new if isinstance(arrays.x, tuple) else new[0], weights=weights)

        ends = [float(np.sum(y * grad_output_for(case, y))) for y in (output(case, moved(step)) for step in (1e-5, -1e-5))]
        slope = (ends[0] - ends[1]) / 2e-5
        said = sum(float(np.sum(gradient * d)) for gradient, d in zip(gradients, directions, strict=True))
        assert abs(slope - said) < 1e-6 * (1 + abs(slope)), f"{case.id}: the slope is {slope}, the gradients say {said}"


@every_layer
def test_gradients_keep_float32(name):
    case = next(case for case in declared_cases(ALL[name], "smoke") if case.dtype == "float32" and "values" not in case.call)
    arrays = cast(arrays_of(case), "float32")
    exact = reference_gradients(case, cast(arrays, "float64"))
    for got, wanted in zip(reference_gradients(case, arrays), exact, strict=True):
        narrow = [one.astype(np.float32) for one in wanted] if isinstance(wanted, list) else wanted
        narrow = narrow if isinstance(wanted, list) or wanted is None else wanted.astype(np.float32)
        off = worst(got, narrow)
        assert off < 2e-5, f"{case.id}: in float32 the gradient is off by {off}"


@every_layer
def test_a_gradient_of_another_shape_is_refused(name):
    case = next(case for case in declared_cases(ALL[name], "smoke") if case.dtype == "float64")
    name, args, options = reference_call(case, arrays_of(case))
    with pytest.raises(ValueError, match=r"grad_output must have the shape of the output, \(.*\), got \(7, 1, 7\)"):
        getattr(reference, f"{name}_backward")(np.zeros((7, 1, 7)), *args, **options)


@every_layer
def test_arguments_are_never_changed(name):
    case = next(case for case in declared_cases(ALL[name], "smoke") if case.dtype == "float64")
    arrays = arrays_of(case)
    kept = [one for one in (*(arrays.x if isinstance(arrays.x, tuple) else (arrays.x,)), *arrays.weights)]
    for one in kept:
        one.flags.writeable = False
    reference_gradients(case, arrays)  # a write into a read-only array raises


@pytest.mark.parametrize("name", LAYERS)
def test_forward_and_backward_are_thin_over_one_pair(name):
    snake = SIGNATURES[name].name
    case = next(case for case in declared_cases(ALL[name], "smoke") if case.dtype == "float64")
    arrays = arrays_of(case)
    _, args, options = reference_call(case, arrays)
    run, gradients = pair(snake)
    y, saved = run(*args, **options)
    assert np.array_equal(y, output(case, arrays)), f"_{snake}_run computes something else than {snake}_forward"
    got = gradients(grad_output_for(case, y), saved)
    assert isinstance(got, tuple), f"_{snake}_gradients returns no tuple"
    if f"{snake}_backward" not in ARRAY_ALONE:
        public = getattr(reference, f"{snake}_backward")(grad_output_for(case, y), *args, **options)
        assert worst(list(got), list(public)) == 0, f"{snake}_backward computes something else than _{snake}_gradients"
