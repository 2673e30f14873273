"""Losses and optimizers written down: what they are asked with, and Keras's answers with what is allowed around them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from conformance.base.arrays import Array
from conformance.cases.case import Case
from conformance.cases.optimizers import function_of
from conformance.judging.judge import require_of_keras
from conformance.judging.verdict import keras_ratio
from conformance.oracle.expectation import Expectation, LossExpectation, StepsExpectation
from conformance.oracle.recorded.tensors import Tensors, put, put_expectation
from conformance.oracle.recorded.vectors import StoredCase


def record_loss(case: Case, found: LossExpectation) -> StoredCase:
    """The entry of a loss: labels and predictions, weights and masks; output 0 is the value, output 1 the gradient."""
    tensors: Tensors = {"input": found.arrays.x, "labels": found.arrays.weights[0]}
    for name, value in found.arrays.arguments.items():
        put(tensors, f"argument/{name}", value)
    return _entry("loss", case, case.layer, list(found.arrays.arguments), tensors, [("", found.value), ("gradient/", found.gradient)])


def record_steps(case: Case, found: StepsExpectation) -> StoredCase:
    """The entry of an optimizer: ``gradient/<variable>`` and ``output/<variable>`` with an axis of steps before those of the variable."""
    steps, after = found.steps, found.after
    zero = [np.zeros_like(variable) for variable in steps.variables]
    missing = [[step, n] for step, gradients in enumerate(steps.gradients) for n, g in enumerate(gradients) if g is None]
    given = [[zero[n] if g is None else g for n, g in enumerate(gradients)] for gradients in steps.gradients]
    tensors: Tensors = {}
    put(tensors, "input", steps.variables)
    put(tensors, "gradient", _stacked(given))
    whole = Expectation(
        _stacked([step.outputs for step in after]),
        after[0].dtypes,
        lambda: _stacked([step.meaning() for step in after]),
        lambda: _stacked([step.rounding() for step in after]),
        _stacked([step.keras or () for step in after]),
    )
    entry = _entry("optimizer", case, function_of(case.layer), [], tensors, [("", whole)])
    return StoredCase({**entry.facts, "missing": missing}, entry.tensors)


def _stacked(steps: Sequence[Sequence[Array]]) -> tuple[Array, ...]:
    """The values of each variable after all steps in one array."""
    return tuple(np.stack(values) for values in zip(*steps, strict=True))


def _entry(
    kind: str, case: Case, function: str, arguments: list[str], tensors: Tensors, expectations: Sequence[tuple[str, Expectation]]
) -> StoredCase:
    rules: dict[str, float] = {}
    ratios = []
    for prefix, expectation in expectations:
        ratios.append(keras_ratio(expectation, case.dtype) or 0.0)
        require_of_keras(case, ratios[-1])
        put_expectation(tensors, rules, prefix, expectation, case.dtype)
    facts = {
        "id": case.id,
        "kind": kind,
        "layer": case.layer,
        "dtype": case.dtype,
        "function": function,
        "options": dict(case.config),
        "arguments": arguments,
        "dtypes": [[dtype.name for dtype in expectation.dtypes] for _, expectation in expectations],
        "rules": rules,
        "ratios": ratios,
    }
    return StoredCase(facts, tensors)
