"""A sequence read in two halves: Keras keeps the states between calls, an implementation is given them back."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from conformance.plugin import selected_layers

LAYERS = ("SimpleRNN", "LSTM", "GRU", "Bidirectional")
ITERATED = 100
"""Roundings that float32 arithmetic may show after these few steps of gates that damp: eight for each of them, and room."""
OPTIONS: dict[str, tuple[Any, ...]] = {
    "return_sequences": (False, True),
    "go_backwards": (False, True),
    "mask": (None, "gap"),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All combinations that Keras accepts."""
    names = [name for name in LAYERS if name in selected_layers(metafunc.config)]
    cases = []
    for name, *values in itertools.product(names, *OPTIONS.values()):
        options = dict(zip(OPTIONS, values, strict=True))
        if not (name == "Bidirectional" and options["go_backwards"]):
            said = [word if value is True else f"{word}={value}" for word, value in options.items() if value]
            cases.append(pytest.param(name, options, id="-".join([name, "stateful", *said])))
    metafunc.parametrize(("layer", "options"), cases)


def test_stateful(layer: str, options: dict[str, Any], conform: Any) -> None:
    from conformance.allowance import MEANING
    from conformance.arrays import EPS, Arrays
    from conformance.cases import layer_cases
    from conformance.cases.arrays import draw_arrays
    from conformance.cases.case import Case
    from conformance.contract import forward_question
    from conformance.oracle.expectation import Expectation
    from conformance.oracle.live import keras_stateful
    from conformance.record import Record
    from conformance.statuses import FAILED, PASSED
    from conformance.verdict import judge

    declaration = layer_cases(layer)
    switches = {name: True for name in ("return_sequences", "go_backwards") if options[name]}
    call = {"mask": "gap"} if options["mask"] else {}
    config = {**declaration.constant, "units": 4, **switches}
    case = Case(layer, config, (3, 8, 5), call, "float64", conform.identifier)
    arrays = draw_arrays(declaration, case, case.seed(conform.session.seed))
    halves = []
    for steps in (slice(0, 4), slice(4, 8)):
        mask = {"mask": arrays.arguments["mask"][:, steps]} if call else {}
        halves.append(Arrays(arrays.x[:, steps], arrays.weights, mask))
    states: dict[str, Any] = {}
    status, message = PASSED, ""
    for number, (half, want) in enumerate(zip(halves, keras_stateful(declaration, case, halves), strict=True), 1):
        asked = Case(layer, {**config, "return_state": True}, half.x.shape, call, "float64", case.title)
        answer = conform.ask(forward_question(declaration, asked, Arrays(half.x, half.weights, {**half.arguments, **states}), {}))
        if answer.status == PASSED and not (isinstance(answer.value, tuple) and len(answer.value) > 1):
            status, message = FAILED, f"{layer} with return_state=True does not return (output, *states)"
            break
        expectation = Expectation((want,), (want.dtype,), partial(_allowed, MEANING, want), partial(_allowed, ITERATED * EPS, want))
        output = replace(answer, value=answer.value[0]) if answer.status == PASSED else answer
        verdict = judge(expectation, output, "float64", strict=conform.session.strict)
        if verdict.status != PASSED:
            status = verdict.status
            message = f"{layer}: half {number} of a sequence read in two halves, against a stateful Keras layer: {verdict.sentence}"
            break
        states = {"initial_state": tuple(np.asarray(state) for state in answer.value[1:])}
    recorded = {name: str(value) for name, value in options.items()} | {"stateful": "True"}
    record = Record(conform.identifier, layer, "stateful", status, recorded, message=message, needs=declaration.needs)
    conform.settle(record, lambda: f"{message}\n  again   {conform.again}")


def _allowed(share: float, expected: np.ndarray) -> tuple[np.ndarray, ...]:
    return (share * (1 + np.abs(expected)),)
