"""Every named fault by layer, and those of a layer's parts: of its activation function, of the layer that it wraps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import reference
from conformance.cases import ALL as LAYERS
from conformance.cases.case import Case
from conformance.faults import activations, bidirectional, convolution, core, dense, pooling, recurrent, recurrent_calls, row_activations
from conformance.faults.fault import Fault, Function
from conformance.faults.plain_lstm import plain_bidirectional, plain_lstm

FAMILIES = (dense, core, convolution, pooling, recurrent, recurrent_calls, bidirectional, activations, row_activations)

ALL: dict[str, list[Fault]] = {
    layer: [fault for family in FAMILIES for collection in family.LAYERS for fault in collection if layer in fault.layers]
    for layer in LAYERS
}
"""The faults of each layer and activation function, in the order in which the suite reports layers."""


def faults_of_parts(case: Case) -> Iterator[Fault]:
    """Faults of what the layer of a case is made of, in place in that layer: a wrong gelu in Dense, a wrong LSTM in Bidirectional.

    They are made for one question: those of an activation share the result of the linear part.
    """
    for option, default in ACTIVATION_OPTIONS.get(case.layer, {}).items():
        name = case.config.get(option, default)
        place = _after(case.layer) if case.layer in LINEAR_PART else _within(case.layer)
        for fault in ALL.get(name, []):
            yield Fault(fault.name, (case.layer,), f"in the {option} {name}: {fault.sentence}", place(fault.function, option))
    if case.layer == "Bidirectional":
        for fault in ALL["LSTM"]:
            yield Fault(fault.name, (case.layer,), f"in both halves: {fault.sentence}", _both_ways(fault.function))


LINEAR_PART: dict[str, Function] = {
    "Dense": reference.dense_forward,
    "Conv2D": reference.conv2d_forward,
    "Activation": reference.activation_forward,
}
"""Layers that end in their activation: what comes before it."""

_RECURRENT = {"activation": "tanh", "recurrent_activation": "sigmoid"}
ACTIVATION_OPTIONS: dict[str, dict[str, str]] = {
    **{layer: {"activation": "linear"} for layer in LINEAR_PART},
    "LSTM": _RECURRENT,
    "Bidirectional": _RECURRENT,
}
"""Options that name an activation function, with Keras's default."""


def _after(layer: str) -> Callable[[Function, str], Function]:
    linear: list[Any] = []

    def place(activation: Function, option: str) -> Function:
        def function(*arguments: Any, **options: Any) -> Any:
            if not linear:
                linear.append(LINEAR_PART[layer](*arguments, **{**options, "activation": None}))
            return activation(linear[0].copy())

        return function

    return place


def _within(layer: str) -> Callable[[Function, str], Function]:
    whole = plain_lstm if layer == "LSTM" else _both_ways(plain_lstm)

    def place(activation: Function, option: str) -> Function:
        def function(*arguments: Any, **options: Any) -> Any:
            return whole(*arguments, **{**options, option: activation})

        return function

    return place


def _both_ways(lstm: Function) -> Function:
    def function(*arguments: Any, **options: Any) -> Any:
        return plain_bidirectional(*arguments, lstm=lstm, **options)

    return function
