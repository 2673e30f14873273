"""Layers that read a sequence step by step: halves, both directions, first and last steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from conformance.base.arrays import Arrays
from conformance.cases.case import Case
from conformance.properties.property import Ask, Outputs, Property, configured, given, joined, layer, must, steps, without

CUT = 3
FIRST, REST = slice(0, CUT), slice(CUT, None)
BACKWARDS = slice(None, None, -1)
SHAPE = (2, 7, 4)
SIZES = {"units": 5}


def halves(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Read in two halves, the state handed over, is not the whole."""
    case = configured(case, return_state=True)
    if "mask" in arrays.arguments:
        mask = arrays.arguments["mask"].copy()
        # A masked step repeats the output before it, which the second half does not know: its first step is kept.
        mask[:, CUT] = True
        mask[0, CUT - 1] = False
        arrays = given(arrays, mask=mask)
    first, *states = ask(case, steps(arrays, FIRST))
    second, *last = ask(case, given(steps(arrays, REST), initial_state=tuple(states)))
    y = np.concatenate([first, second], axis=1) if case.config.get("return_sequences") else second
    return (y, *last), ask(case, arrays)


def reversed_(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """With go_backwards=True is not the same layer on the sequence turned around."""
    return ask(configured(case, go_backwards=True), arrays), ask(case, steps(arrays, BACKWARDS))


def first_steps(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Answers the first steps otherwise when more steps follow."""
    (y,) = ask(case, arrays)
    return (y[:, FIRST],), ask(case, steps(arrays, FIRST))


def last_step(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Without return_sequences does not give the last of all outputs."""
    (all_outputs,) = ask(configured(case, return_sequences=True), arrays)
    return ask(case, arrays), (all_outputs[:, -1],)


def time_reversal(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """With its weights swapped, on the sequence turned around, does not give its halves swapped and turned around."""
    half = len(arrays.weights) // 2
    swapped = replace(steps(arrays, BACKWARDS), weights=(*arrays.weights[half:], *arrays.weights[:half]))
    # Sequences stand in the order of time, in both directions.
    time = (slice(None), BACKWARDS) if case.config.get("return_sequences") else ()
    return tuple(y[time] for y in reversed(_directions(ask(case, swapped), case))), _directions(ask(case, arrays), case)


def _directions(outputs: Outputs, case: Case) -> Outputs:
    """Both directions apart, unless they are merged value by value."""
    return tuple(np.split(outputs[0], 2, axis=-1)) if case.config.get("merge_mode", "concat") == "concat" else outputs


def two_layers(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Is not the wrapped layer read forwards and the same read backwards, side by side."""
    half = len(arrays.weights) // 2
    name, own = case.config["layer"], without(case, "layer").config
    forward, inputs = layer(name, arrays.x, *arrays.weights[:half], **own)
    inputs = replace(inputs, arguments=arrays.arguments)
    (ahead,) = ask(forward, inputs)
    (back,) = ask(configured(forward, go_backwards=True), replace(inputs, weights=arrays.weights[half:]))
    back = back[:, BACKWARDS] if own.get("return_sequences") else back
    return ask(case, arrays), joined([(ahead,), (back,)], axis=-1)


def _properties() -> Iterator[Property]:
    sequences = {**SIZES, "return_sequences": True}
    for name in ("SimpleRNN", "LSTM", "GRU"):
        for equation in (halves, reversed_):
            yield must(equation, name, SHAPE, SIZES)
            yield must(equation, name, SHAPE, sequences, option="return_sequences")
            yield must(equation, name, SHAPE, sequences, {"mask": "gap"}, option="mask")
        yield must(first_steps, name, SHAPE, sequences)
        yield must(last_step, name, SHAPE, SIZES)
        yield must(last_step, name, SHAPE, SIZES, {"mask": "gap"}, option="mask")
        own = {} if name == "LSTM" else {"layer": name}
        yield must(two_layers, "Bidirectional", SHAPE, {**SIZES, **own}, option="".join(f"layer={own[key]}" for key in own))
    yield must(first_steps, "Conv1D", SHAPE, {"filters": 6, "kernel_size": (3,), "padding": "causal"}, option="padding=causal")
    yield must(two_layers, "Bidirectional", SHAPE, sequences, option="return_sequences")
    yield must(time_reversal, "Bidirectional", SHAPE, SIZES)
    yield must(time_reversal, "Bidirectional", SHAPE, sequences, option="return_sequences")
    yield must(time_reversal, "Bidirectional", SHAPE, sequences, {"mask": "gap"}, option="mask")
    for mode in (None, "sum", "mul", "ave"):
        yield must(time_reversal, "Bidirectional", SHAPE, {**sequences, "merge_mode": mode}, option=f"merge_mode={mode}")


PROPERTIES = list(_properties())
