"""All numbers of one case: what the function was given, what Keras gives, what came, and a script that shows it without the suite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from conformance.base.arrays import Array
from conformance.base.record import PASSED
from conformance.judging.along_rows import in_a_script
from conformance.judging.judge import CaseResult
from conformance.judging.shrink import names_of_arguments, script, script_of_steps

MOST_PRINTED = 200
"""Values of an array that are printed in full; of a larger one its corners are."""


def in_detail(result: CaseResult, iut: str) -> str:
    """Every argument by its name, what is expected, what came, and the script; an array is headed by its type and shape."""
    lines = [f"{result.question.function} is called with", ""]
    for name, value in _arguments(result):
        lines += _shown(name, value)
    if result.expectation is None:
        return "\n".join([*lines, f"It was not answered: {result.verdict.sentence}"])
    names = result.expectation.names or _numbered(len(result.expectation.outputs))
    for name, y in zip(names, result.expectation.outputs, strict=True):
        lines += _shown(f"expected {_of(name, result)}", y)
    lines += _got(result, names)
    asked = result.question, result.expectation.outputs, iut
    if result.steps is not None:
        text = script_of_steps(result.steps, *asked)
    else:
        text = script(result.layer, result.case, *asked, partial(in_a_script, result.case) if result.along_rows else "print({})".format)
    return "\n".join([*lines, "The same without the suite:", "", text])


def _arguments(result: CaseResult) -> Iterator[tuple[str, Any]]:
    question = result.question
    if result.steps is not None:
        yield "variables", list(result.steps.variables)
        yield from ((f"gradients of step {n}", list(gradients)) for n, gradients in enumerate(result.steps.gradients, 1))
    else:
        yield from zip(names_of_arguments(result.layer, result.case, question), question.positional, strict=False)
    yield from question.keywords.items()


def _got(result: CaseResult, names: Sequence[str]) -> list[str]:
    """What came: each output by its name, whatever has another form as it is."""
    answer = result.answer
    if answer.status != PASSED:
        return [f"Your function did not return: {answer.message}", ""]
    parts = answer.value if isinstance(answer.value, tuple) else (answer.value,)
    if len(parts) != len(names):
        return _shown("got", answer.value)
    return [line for name, part in zip(names, parts, strict=True) for line in _shown(f"got {_of(name, result)}", part)]


def _numbered(count: int) -> list[str]:
    return [""] if count == 1 else [f"output {n}" for n in range(1, count + 1)]


def _of(name: str, result: CaseResult) -> str:
    return f"gradient of {name}" if result.expectation is not None and result.expectation.names else name


def _shown(name: str, value: Any) -> list[str]:
    """A name and a value: an array below its type and shape, parts of a tuple or list one after the other, else in a line."""
    name = name.strip()
    if isinstance(value, tuple | list) and any(isinstance(part, np.ndarray) for part in value):
        return [line for n, part in enumerate(value, 1) for line in _shown(f"{name}, part {n}", part)]
    if not isinstance(value, np.ndarray | np.generic):
        return [f"{name} = {value!r}", ""]
    array: Array = np.asarray(value)
    text = np.array2string(array, precision=6, threshold=MOST_PRINTED, max_line_width=120)
    return [f"{name}: {array.dtype}, shape {array.shape}", *(f"  {line}" for line in text.splitlines()), ""]
