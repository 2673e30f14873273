"""The shapes that follow from a configuration are those that the layers compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import reference
from conformance.cases import ALL
from conformance.cases.case import declared_cases, shapes_of_inputs
from reference.layers import LAYERS, layer_call
from reference.layers.shapes import broadcast
from reference.network.config import check_options


def computed(layer: str, config: Any, shapes: list[tuple[int, ...]], weights: list[Any]) -> list[tuple[int, ...]]:
    """The shapes that come out of the layer's function."""
    call = layer_call(layer, config, weights)
    arrays = [np.ones(shape, np.float32) for shape in shapes]
    result = getattr(reference, f"{call.name}_forward")(arrays if LAYERS[layer].merges else arrays[0], *call.weights, **call.options)
    return [one.shape for one in (result if isinstance(result, tuple) else (result,))]


@pytest.mark.parametrize("layer", LAYERS)
def test_shapes_are_those_that_the_layer_computes(layer: str) -> None:
    declared = ALL[layer]
    seen: set[str] = set()
    for case in declared_cases(declared):
        config = declared.keras_config({name: value for name, value in case.config.items() if name not in declared.unpassed})
        along_batch = layer == "Concatenate" and config.get("axis") == 0
        if case.dtype != "float32" or str((config, case.shape)) in seen or 0 in case.shape or along_batch:
            continue
        seen.add(str((config, case.shape)))
        check_options(layer, config, "case")
        shapes = shapes_of_inputs(case.shape, config, case.call) if LAYERS[layer].merges else [case.shape]
        sizes = LAYERS[layer].weight_shapes(config, case.shape).values()
        weights = [np.zeros(tuple(size or 0 for size in shape), np.float32) for shape in sizes]
        want = computed(layer, config, shapes, weights)
        assert LAYERS[layer].output_shapes(config, shapes) == want, f"{case.id}: the shapes of {config} on {shapes}"
        open_shapes = [(None, *shape[1:]) for shape in shapes]
        got = [shape[1:] for shape in LAYERS[layer].output_shapes(config, open_shapes)]
        assert got == [shape[1:] for shape in want], f"{case.id}: the shapes where the size of the batch is not known"
    assert seen, f"{layer} has no cases"


@pytest.mark.parametrize(
    ("layer", "config", "shapes", "said"),
    [
        ("Dense", {"units": 3}, [(None,)], "rank 2 or more"),
        ("LSTM", {"units": 3}, [(None, 4)], "rank 3"),
        ("LSTM", {"units": 3}, [(None, 0, 4)], "at least one step"),
        ("Conv2D", {"filters": 3, "kernel_size": 3}, [(None, 8, 3)], "rank 4"),
        ("Conv2D", {"filters": 3, "kernel_size": 9}, [(None, 8, 8, 3)], "does not fit"),
        ("Conv2D", {"filters": 4, "kernel_size": 1, "groups": 2}, [(None, 8, 8, 3)], "groups=2"),
        ("Conv2D", {"filters": 4, "kernel_size": 3, "strides": 2, "dilation_rate": 2}, [(None, 8, 8, 3)], "cannot both"),
        ("Conv1D", {"filters": 4, "kernel_size": 2, "dilation_rate": 2**20, "padding": "causal"}, [(None, 8, 3)], "would pad"),
        ("MaxPooling2D", {"pool_size": 1500, "strides": 1, "padding": "same"}, [(None, 8, 8, 3)], "would pad"),
        ("Conv2D", {"filters": 1, "kernel_size": 999}, [(None, 2000, 2000, 1)], "cells allowed"),
        ("MaxPooling1D", {"pool_size": 2**18, "strides": 1}, [(None, 2**20, 3)], "cells allowed"),
        ("AveragePooling1D", {"pool_size": 9}, [(None, 8, 3)], "does not fit"),
        ("Reshape", {"target_shape": [5]}, [(None, 2, 3)], "cannot be reshaped"),
        ("Reshape", {"target_shape": [-1, 4]}, [(None, 2, 3)], "cannot be reshaped"),
        ("Concatenate", {}, [(None, 2, 3), (None, 3, 3)], "cannot be concatenated"),
        ("Concatenate", {"axis": 0}, [(None, 2), (None, 2)], "axis 0"),
        ("Add", {}, [(None, 2, 3), (None, 2, 4)], "do not fit"),
        ("BatchNormalization", {"axis": 3}, [(None, 2, 3)], "axis 3"),
        ("LayerNormalization", {"axis": [1, -2]}, [(None, 2, 3)], "twice"),
        ("PReLU", {"shared_axes": [4]}, [(None, 2, 3)], "axis 4"),
        ("Dropout", {"rate": 0.5, "noise_shape": [None, 3, 3]}, [(None, 2, 3)], "do not fit"),
        ("Activation", {"activation": "glu"}, [(None, 3)], "odd"),
        ("SpatialDropout2D", {"rate": 0.5}, [(None, 3, 4)], "rank 4"),
        ("TimeDistributed", {"layer": {"class_name": "Dense", "config": {"units": 2}}}, [(None, 3)], "rank 3"),
    ],
)
def test_an_input_that_a_layer_cannot_take_is_refused(layer: str, config: Any, shapes: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LAYERS[layer].output_shapes(config, shapes)


def test_what_depends_on_a_size_that_is_not_known_is_not_known() -> None:
    assert LAYERS["Conv2D"].output_shapes({"filters": 4, "kernel_size": 3}, [(None, None, 9, 3)]) == [(None, None, 7, 4)], "one axis of two"
    assert LAYERS["Flatten"].output_shapes({}, [(None, None, 9)]) == [(None, None)], "a product with a factor that is not known"
    assert LAYERS["Concatenate"].output_shapes({"axis": 1}, [(None, None, 9), (None, 2, None)]) == [(None, None, 9)], "a sum"
    assert LAYERS["MaxPooling2D"].output_shapes({"pool_size": 1500, "padding": "same"}, [(None, None, None, 3)]) == [(None, None, None, 3)]
    assert broadcast([(None, 1, 3), (None, None, 1)]) == (None, None, 3), "1 may become whatever the other is"
