"""What Keras makes of a loss and its gradient, and of variables in a few steps of an optimizer; eagerly, as everything else."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from conformance.base.arrays import Array, Arrays, Steps, cast
from conformance.cases.case import Case
from conformance.cases.losses import CLASSES, draw_loss
from conformance.cases.optimizers import draw_steps
from conformance.cases.tolerance_training import loss, loss_meaning, optimizer, steps_meaning
from conformance.oracle.environment import import_keras, tensorflow
from conformance.oracle.expectation import Expectation, LossExpectation, StepsExpectation
from conformance.oracle.live.quiet import once, quiet


def expect_loss(case: Case, seed: int) -> LossExpectation:
    """Value and gradient, by the float64 policy and in the case's own dtype."""
    arrays = draw_loss(case, seed)
    wide = cast(arrays, "float64")
    own = keras_loss(case, arrays, case.dtype)
    outputs = own if case.dtype == "float64" else keras_loss(case, wide, "float64")
    ask = functools.partial(keras_loss, case, dtype="float64")
    rounding = once(lambda: loss(ask, case, wide, outputs))
    meaning = loss_meaning(case, wide, outputs)

    def part(n: int) -> Expectation:
        return Expectation((outputs[n],), (own[n].dtype,), lambda: (meaning[n],), lambda: (rounding()[n],), (own[n],))

    return LossExpectation(arrays, part(0), part(1))


@quiet()
def keras_loss(case: Case, arrays: Arrays, dtype: str) -> tuple[Array, Array]:
    """Keras's loss object, called in this dtype, and its automatic differentiation."""
    tf, keras = tensorflow(), import_keras()
    made = getattr(keras.losses, CLASSES[case.layer])(**case.config, dtype=dtype)
    predictions = tf.constant(arrays.x, dtype)
    with tf.GradientTape() as tape:
        tape.watch(predictions)
        if "mask" in arrays.arguments:
            # As a layer that hands on a mask leaves it on its output.
            predictions._keras_mask = tf.constant(arrays.arguments["mask"])
        value = made(arrays.weights[0], predictions, sample_weight=arrays.arguments.get("sample_weight"))
    return np.asarray(value), np.asarray(tape.gradient(value, predictions))


def expect_steps(case: Case, seed: int) -> StepsExpectation:
    """The variables after each step, in float64 and in the case's own dtype."""
    steps = draw_steps(case, seed)
    wide: Steps = cast(steps, "float64")
    own = keras_steps(case, steps)
    history = own if case.dtype == "float64" else keras_steps(case, wide)
    ask = functools.partial(keras_steps, case)
    meaning = once(lambda: steps_meaning(ask, case, wide, history))
    rounding = once(lambda: optimizer(ask, case, wide, history))

    def step(n: int) -> Expectation:
        return Expectation(history[n], tuple(one.dtype for one in own[n]), lambda: meaning()[n], lambda: rounding()[n], own[n])

    return StepsExpectation(steps, tuple(step(n) for n in range(len(history))))


@quiet()
def keras_steps(case: Case, steps: Steps, **changes: Any) -> list[tuple[Array, ...]]:
    """Keras's optimizer applied to variables of the dtype that these have."""
    tf, keras = tensorflow(), import_keras()
    made = getattr(keras.optimizers, case.layer)(**{**case.config, **changes})
    variables = [tf.Variable(variable) for variable in steps.variables]
    history = []
    for gradients in steps.gradients:
        made.apply([None if g is None else tf.constant(g) for g in gradients], variables)
        history.append(tuple(variable.numpy().copy() for variable in variables))
    return history
