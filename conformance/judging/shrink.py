"""A failing case made small enough to read: values zeroed and rounded while it still fails, then printed as a script of literals."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.base.arrays import Array, Arrays, Steps
from conformance.cases.case import Case, FunctionCases, LayerCases
from conformance.cases.losses import LossCases
from conformance.cases.optimizers import OptimizerCases
from conformance.cases.questions import Question
from conformance.implementations import EXEC
from conformance.implementations.module import split_name
from reference.layers import spec_of

ATTEMPTS = 150


def simplify(arrays: Arrays, still_fails: Callable[[Arrays], bool]) -> Arrays:
    """Zero or round whole arrays, then single values, as long as `still_fails`; at most :data:`ATTEMPTS` attempts."""
    left = ATTEMPTS
    for step in (_zeroed, _rounded, _zeroed_one_by_one):
        for place in range(isinstance(arrays.x, tuple), 1 + len(arrays.weights)):
            for candidate in step(_at(arrays, place)):
                if left <= 0:
                    return arrays
                left -= 1
                attempt = _put(arrays, place, candidate(_at(arrays, place)))
                if still_fails(attempt):
                    arrays = attempt
    return arrays


Change = Callable[[Array], Array]


def _zeroed(array: Array) -> Iterator[Change]:
    if array.dtype.kind == "f" and np.any(array):
        yield lambda a: np.zeros_like(a)


def _rounded(array: Array) -> Iterator[Change]:
    if array.dtype.kind == "f" and np.all(np.isfinite(array)):
        for digits in (0, 1, 2):
            yield functools.partial(_with_digits, digits=digits)


def _zeroed_one_by_one(array: Array) -> Iterator[Change]:
    if array.dtype.kind == "f" and array.size <= 64:
        for index in np.flatnonzero(array):
            yield functools.partial(_without, index=int(index))


def _with_digits(array: Array, digits: int) -> Array:
    return np.round(array, digits)


def _without(array: Array, index: int) -> Array:
    changed = array.copy()
    changed.flat[index] = 0
    return changed


def _at(arrays: Arrays, place: int) -> Array:
    return arrays.x if place == 0 else arrays.weights[place - 1]


def _put(arrays: Arrays, place: int, value: Array) -> Arrays:
    if place == 0:
        return replace(arrays, x=value)
    weights = list(arrays.weights)
    weights[place - 1] = value
    return replace(arrays, weights=tuple(weights))


def script(
    layer: LayerCases,
    case: Case,
    question: Question,
    expected: tuple[Array, ...],
    iut: str,
    printing: Callable[[str], str] = "print({})".format,
) -> str:
    """A script that makes the call of `question` with literals and says what Keras gives; it needs NumPy and the implementation.

    The call of a program is a comment: no line of Python makes it. `printing` makes of the call what prints that which is compared.
    """
    names = names_of_arguments(layer, case, question)
    lines = _head(iut, question.function)
    lines += [f"{name} = {_literal(value)}" for name, value in zip(names, question.positional, strict=False)]
    lines += [f"{name} = {_literal(value)}" for name, value in question.keywords.items()]
    arguments = [*names, *(f"{name}={name}" for name in question.keywords)]
    call = f"{question.function}({', '.join(arguments)})"
    lines += [f"# {iut} is asked for {call}" if iut.startswith(EXEC) else printing(call), *_keras(expected, case.deviation)]
    return "\n".join(lines)


def script_of_steps(steps: Steps, question: Question, expected: tuple[Array, ...], iut: str) -> str:
    """The same for the steps of an optimizer, of which `question` is the first: each gets what the one before returned."""
    options = "".join(f", {name}={_literal(value)}" for name, value in question.keywords.items())
    call = f"variables, state = {question.function}(variables, gradients, state{options})"
    lines = [*_head(iut, question.function), f"variables = {_literal(list(steps.variables))}", "state = None"]
    for gradients in steps.gradients:
        lines += [f"gradients = {_literal(list(gradients))}", f"# {iut} is asked for {call}" if iut.startswith(EXEC) else call]
    return "\n".join([*lines, *([] if iut.startswith(EXEC) else ["print(*variables)"]), *_keras(expected[-len(steps.variables) :])])


def _head(iut: str, function: str) -> list[str]:
    return ["import numpy as np", "from numpy import array, float32, float64, inf, nan  # noqa", *_import(iut, function), ""]


def _keras(expected: tuple[Array, ...], deviation: str | None = None) -> list[str]:
    lines = [f"# what is documented (Keras itself deviates from it: {deviation}):" if deviation else "# Keras:"]
    for y in expected:
        lines += [f"# {line}" for line in np.array2string(y, precision=6, threshold=40).splitlines()]
    return lines


def names_of_arguments(layer: LayerCases, case: Case, question: Question) -> list[str]:
    """What the arguments by position are called."""
    if isinstance(layer, LossCases):
        return ["y_true", "y_pred"]
    if isinstance(layer, OptimizerCases):
        return ["variables", "gradients", "state"]
    first = ["grad_output", "x"] if question.function.endswith("_backward") else ["x"]
    rest = question.positional[len(first) :]
    if any(isinstance(value, tuple) for value in rest):
        return [*first, *(["weights"] if len(rest) == 1 else ["forward_weights", "backward_weights"])]
    # With the names of weights that an option removed: None stands in their place.
    return [*first, *(() if isinstance(layer, FunctionCases) else spec_of(case.layer).weights)][: len(question.positional)]


def _import(iut: str, function: str) -> list[str]:
    """The lines that get a function of an implementation by its name."""
    if iut.startswith(EXEC):
        return []
    target, attribute = split_name(iut)
    if target.endswith(".py"):
        found = f"runpy.run_path({target!r})"
        return ["import runpy", *(_from(f"{found}[{attribute!r}]", function) if attribute else [f"{function} = {found}[{function!r}]"])]
    if not attribute:
        return [f"from {target} import {function}"]
    return [f"from {target} import {attribute}", *_from(attribute, function)]


def _from(namespace: str, function: str) -> list[str]:
    """The lines that get a function from an object or a mapping: which of them it is, is not found out here, where it may not be loaded."""
    return [f"functions = {namespace}", f"{function} = functions[{function!r}] if hasattr(functions, 'get') else functions.{function}"]


def _literal(value: Any) -> str:
    if isinstance(value, np.ndarray):
        with np.printoptions(threshold=10_000, precision=17, floatmode="unique"):
            text = np.array2string(value, separator=", ", max_line_width=120)
        return f"np.array({text}, dtype={value.dtype.name!r})" if value.size else f"np.zeros({value.shape}, dtype={value.dtype.name!r})"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))},)" if value else "()"
    return repr(value)
