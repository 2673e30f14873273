"""Every named fault by layer, and those of a layer's parts: of its activation function, of the layer that it wraps."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from conformance.cases import ALL as CASES
from conformance.cases.case import Case
from conformance.faults.cells import run_again, with_option
from conformance.faults.fault import Fault, Function, right_function
from conformance.faults.forward import (
    activation_layers,
    activations,
    batch_normalization,
    bidirectional,
    causal,
    convolution,
    core,
    dense,
    dropout,
    global_pooling,
    merging,
    normalization,
    pooling,
    recurrent_calls,
    recurrent_cells,
    recurrent_masks,
    rescaling,
    rowwise,
    time_distributed,
)
from conformance.faults.forward.bidirectional import half_by_half
from reference.layers import LAYERS
from reference.layers.kinds import RecurrentSpec, WrapperSpec
from reference.layers.spec import FORWARD

FAMILIES = (
    *(dense, core, rescaling, dropout, activation_layers, merging, normalization, batch_normalization),
    *(convolution, causal, pooling, global_pooling),
    *(recurrent_cells, recurrent_masks, recurrent_calls, bidirectional, time_distributed, activations, rowwise),
)

ALL: dict[str, list[Fault]] = {
    layer: [fault for family in FAMILIES for collection in family.LAYERS for fault in collection if layer in fault.layers]
    for layer in CASES
}
"""The faults of each layer and activation function, in the order in which the suite reports layers."""


def faults_of_parts(case: Case) -> Iterator[Fault]:
    """Faults of what the layer of a case is made of, in place in that layer: a wrong gelu in Dense, a wrong GRU in Bidirectional.

    They are made for one question: those of an activation share the result of the linear part.
    """
    inner = case.config.get("layer", case.layer)
    if inner not in LAYERS:
        return
    for option, default in LAYERS[inner].defaults(FORWARD).items():
        if option not in ("activation", "recurrent_activation"):
            continue
        name = case.config.get(option, default)
        place = _within(case.layer) if isinstance(LAYERS[inner], RecurrentSpec) else _after(case.layer)
        for fault in ALL.get(name, []):
            sentence = f"in the {option} {name}: {fault.sentence}"
            yield Fault(fault.name, (case.layer,), sentence, place(fault.function, option), of_a_part=True)
    if isinstance(LAYERS[case.layer], WrapperSpec):
        said, around = {"Bidirectional": ("in both halves", _both_ways), "TimeDistributed": ("in every step", _in_every_step)}[case.layer]
        for fault in ALL[inner]:
            if fault.part == "forward":
                yield Fault(fault.name, (case.layer,), f"{said}: {fault.sentence}", around(fault.function), of_a_part=True)


def _after(layer: str) -> Callable[[Function, str], Function]:
    """The activation after the right linear part."""
    linear: list[Any] = []

    def place(activation: Function, option: str) -> Function:
        def function(*arguments: Any, **options: Any) -> Any:
            if not linear:
                linear.append(right_function(layer)(*arguments, **{**options, "activation": None}))
            return activation(linear[0].copy())

        return function

    return place


def _within(layer: str) -> Callable[[Function, str], Function]:
    """The activation inside of a recurrent layer."""

    def place(activation: Function, option: str) -> Function:
        recurrent = run_again(lambda saved: with_option(saved, option, activation))
        inner = functools.partial(functools.partial, recurrent)
        return _in_both_halves(inner) if isinstance(LAYERS[layer], WrapperSpec) else inner(right_function(layer))

    return place


def _in_both_halves(inner: Callable[[Function], Function]) -> Function:
    """A Bidirectional around what `inner` makes of the right layer."""
    return functools.partial(half_by_half(inner=lambda right, n: inner(right)), right_function("Bidirectional"))


def _both_ways(recurrent: Function) -> Function:
    return _in_both_halves(lambda right: recurrent)


def _in_every_step(layer: Function) -> Function:
    def function(x: Any, weights: Any = (), **options: Any) -> Any:
        own = {name: value for name, value in options.items() if name != "layer"}
        return np.stack([layer(x[:, t], *weights, **own) for t in range(x.shape[1])], axis=1)

    return function
