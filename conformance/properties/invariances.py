"""What must change nothing: a mask that hides nothing, a number added to all values, another order, another name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.base.arrays import Arrays
from conformance.cases.case import Case
from conformance.properties.property import Ask, Outputs, Property, given, layer, must

SHIFT = 2.5
COUNTED = 1e-7
"""Keras adds this to the number of values that a mask keeps, by which it divides."""
RECURRENT = {"units": 5, "return_sequences": True}
SHAPE = (2, 7, 4)
FUNCTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "ReLU": ("relu", {}),
    "ELU": ("elu", {}),
    "LeakyReLU": ("leaky_relu", {"negative_slope": 0.3}),
    "Softmax": ("softmax", {}),
    "Activation": ("tanh", {}),
}
"""Layers that are an activation function: which, and with which options that are not the function's own defaults."""


def ones_mask(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Gives something else with a mask that hides nothing."""
    shape = arrays.x.shape if case.layer == "Softmax" else arrays.x.shape[:2]
    return ask(case, given(arrays, mask=np.ones(shape, bool))), ask(case, arrays)


def shifted(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Gives something else when one number is added to all of its input."""
    sides = [ask(case, changed) for changed in (replace(arrays, x=arrays.x + SHIFT), arrays)]
    # The moving mean of a BatchNormalization in training, its second output, moves with the input.
    got, expected = (outputs[::2] for outputs in sides)
    return got, expected


def commutes(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Gives something else when its inputs change places."""
    return ask(case, replace(arrays, x=arrays.x[::-1])), ask(case, arrays)


def splits_back(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Does not hold its inputs, one behind the other."""
    axis = case.config.get("axis", -1)
    (y,) = ask(case, arrays)
    ends = np.cumsum([x.shape[axis] for x in arrays.x])[:-1]
    return tuple(np.split(y, ends, axis)), arrays.x


def as_function(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Is not the activation function that it stands for."""
    name, options = FUNCTIONS[case.layer]
    return ask(case, arrays), ask(*layer(name, arrays.x, **options))


def in_order(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Does not hold the values of its input in their order."""
    (y,) = ask(case, arrays)
    return (y.ravel(),), (arrays.x.ravel(),)


def _properties() -> Iterator[Property]:
    for name in ("SimpleRNN", "LSTM", "GRU", "Bidirectional"):
        yield must(ones_mask, name, SHAPE, RECURRENT)
    for name in ("Softmax", "GlobalAveragePooling1D"):
        yield must(ones_mask, name, SHAPE)
    yield must(ones_mask, "BatchNormalization", SHAPE, {}, {"training": True}, option="training", room=COUNTED)
    yield must(shifted, "BatchNormalization", SHAPE, {}, {"training": True}, option="training")
    for name in ("LayerNormalization", "Softmax", "softmax", "log_softmax", "sparsemax"):
        yield must(shifted, name, SHAPE)
    yield must(commutes, "Add", SHAPE, {}, {"others": "three"})
    yield must(splits_back, "Concatenate", SHAPE, {}, {"others": "longer"})
    yield must(splits_back, "Concatenate", SHAPE, {"axis": 1}, {"others": "longer"}, option="axis=1")
    for name, (function, _) in FUNCTIONS.items():
        yield must(as_function, name, SHAPE, {"activation": "tanh"} if name == "Activation" else {}, needs=(function,))
    yield must(in_order, "Flatten", (2, 3, 5, 4))
    yield must(in_order, "Reshape", (2, 3, 5, 4), {"target_shape": (6, -1)})


PROPERTIES = list(_properties())
