"""The live oracle: what Keras answers to a case, in float64 and in the case's own dtype.

Layers are built once per configuration with open batch, time and image sizes, get each case's weights by ``set_weights`` and are called
eagerly: that mode is part of every expected value.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.base.arrays import Array, Arrays, cast
from conformance.cases.case import Case, FunctionCases, LayerCases, shapes_of_inputs
from conformance.cases.tolerance import meaning
from conformance.oracle.environment import import_keras, tensorflow
from conformance.oracle.expectation import Expectation, in_range
from conformance.oracle.live import specified
from conformance.oracle.live.quiet import once, quiet
from reference.layers import spec_of

Outputs = tuple[Array, ...]


@quiet()
def expect(layer: LayerCases, case: Case, arrays: Arrays) -> Expectation:
    """Ask Keras: the float64 value, what is allowed around it, and what Keras itself answers in the case's dtype.

    Where Keras deviates from its own documentation (``case.deviation``), the value is the documented one.
    """
    chosen = _dropout_mask(layer, case, arrays)
    ask = OneCase(layer, case)
    try:
        own: Outputs | None = answer(layer, case, arrays, case.dtype)
    except Exception:
        if case.deviation is None:
            raise
        own = None
    # In float64, and where Keras does what it documents, its own answer is the float64 value: it is not asked twice.
    exact = chosen or (case.dtype == "float64" and case.deviation is None)
    outputs = own if exact and own is not None else ask(arrays)
    expected = tuple(in_range(y, case.dtype) for y in outputs)
    # The float64 value itself where the case's dtype overflows: an answer in float64 need not.
    accepted = [outputs]
    if own is not None and case.deviation in specified.EITHER:
        accepted.append(own)
    if case.deviation in specified.MAY_SPREAD_NAN:
        accepted += _with_nan(layer, case, arrays, outputs)
    if isinstance(layer, FunctionCases) and outputs[0].shape == arrays.x.shape:
        # NaN in, NaN out is never wrong, though Keras's comparisons turn some into numbers.
        accepted.append((np.where(np.isnan(arrays.x), np.nan, expected[0]),))
    return Expectation(
        outputs=expected,
        dtypes=tuple(y.dtype for y in (own if own is not None else cast(outputs, case.dtype))),
        meaning=once(lambda: meaning(ask, case, cast(arrays, "float64"), outputs)),
        rounding=once(lambda: layer.tolerance(ask, case, cast(arrays, "float64"), outputs)),
        keras=own,
        alternatives=tuple(accepted),
        arguments=chosen,
        single=None if case.dtype == "float32" else functools.cache(
            lambda: expect(layer, _in_float32(layer, case), cast(arrays, "float32"))
        ),
    )


@quiet()
def own_answer(layer: LayerCases, case: Case, arrays: Arrays) -> Outputs:
    """Keras's own answer in the case's dtype."""
    return answer(layer, case, arrays, case.dtype)


def _in_float32(layer: LayerCases, case: Case) -> Case:
    """The same case in float32, where Keras may have a defect that float64 does not have."""
    return replace(case, dtype="float32", deviation=layer.deviation(case.config, case.shape, case.call, "float32"))


def _with_nan(layer: LayerCases, case: Case, arrays: Arrays, outputs: Outputs) -> list[Outputs]:
    """The outputs with NaN where a choice is among some NaN, and where it is among nothing else: the layer is asked which see them."""
    nan = np.isnan(arrays.x)
    some, other = (answer(layer, case, replace(arrays, x=marked.astype(case.dtype)), case.dtype) for marked in (nan, ~nan))
    return [
        tuple(np.where(seen > 0, np.nan, y) for seen, y in zip(some, outputs, strict=True)),
        tuple(np.where(seen > 0, y, np.nan) for seen, y in zip(other, outputs, strict=True)),
    ]


class OneCase:
    """The float64 oracle of one case, to be asked again on other arrays or with parts of the configuration changed."""

    def __init__(self, layer: LayerCases, case: Case) -> None:
        self.layer = layer
        self.case = replace(case, config={**case.config, **specified.CONFIG.get(case.deviation or "", {})})

    def __call__(self, arrays: Arrays, **changes: Any) -> Outputs:
        """The documented float64 answer."""
        case = replace(self.case, config={**self.case.config, **changes})
        compiled = case.deviation in specified.COMPILED
        return answer(self.layer, case, cast(arrays, "float64"), "float64", compiled=compiled, meant=True)

    def activation(self, name: str, z: Array) -> Array:
        """An activation function alone, in float64, as documented."""
        return _function(name, {}, z, meant=True)


def answer(
    layer: LayerCases, case: Case, arrays: Arrays, dtype: str, *, compiled: bool = False, meant: bool = False
) -> Outputs:
    """Keras's outputs for a case in `dtype`; with `meant`, activation functions that Keras computes wrongly are replaced."""
    if isinstance(layer, FunctionCases):
        return (_function(case.layer, case.config, arrays.x, meant),)
    activation = case.config.get("activation")
    first = case.config.get("data_format") == "channels_first"
    if case.layer in ("Conv1D", "Conv2D") and first and dtype == "float64":
        # TensorFlow has no float64 channels_first convolution: the same numbers with the channels moved.
        moved = replace(arrays, x=np.moveaxis(arrays.x, 1, -1))
        config = {**case.config, "data_format": "channels_last", "activation": None}
        last = replace(case, config=config, shape=moved.x.shape)
        (y,) = answer(layer, last, moved, dtype)
        return (_function(activation or "linear", {}, np.moveaxis(y, -1, 1), meant),)
    if meant and activation in specified.FUNCTIONS and "recurrent_activation" not in layer.options:
        (z,) = answer(layer, replace(case, config={**case.config, "activation": None}), arrays, dtype)
        return (_function(activation, {}, z, meant),)
    if meant and case.layer in specified.LAYERS and case.deviation:
        return (specified.LAYERS[case.layer](arrays.x),)
    keras_layer = built(layer, case, dtype)
    keras_layer.set_weights(arrays.weights)
    outputs = _arrays(call_keras(keras_layer, arrays, case.seed(), compiled=compiled))
    if spec_of(case.layer).normalizes and arrays.arguments.get("training"):
        outputs += (np.asarray(keras_layer.moving_mean), np.asarray(keras_layer.moving_variance))
    return outputs


def _function(name: str, options: Mapping[str, Any], x: Array, meant: bool) -> Array:
    if meant and name in specified.FUNCTIONS:
        return specified.FUNCTIONS[name](x, **options)
    return np.asarray(getattr(import_keras().activations, name)(tensorflow().constant(x), **options))


def built(layer: LayerCases, case: Case, dtype: str) -> Any:
    """The Keras layer of a case, built with open sizes wherever Keras allows it."""
    shape: list[int | None] = [None] * len(case.shape)
    channels = 1 if case.config.get("data_format") == "channels_first" else -1
    shape[channels] = case.shape[channels]
    if case.config.get("unroll"):
        shape[1] = case.shape[1]
    if any(None in size for size in layer.weights(case.config, tuple(shape)).values()):  # type: ignore[arg-type]
        shape = [None, *case.shape[1:]]
    if case.layer == "TimeDistributed":
        shape = list(case.shape)
    config = layer.keras_config(case.config)
    if "others" in layer.call:
        return _merging(case, config, dtype)
    return _built(case.layer, json.dumps(config, sort_keys=True), tuple(shape), dtype)


def _merging(case: Case, config: Mapping[str, Any], dtype: str) -> Any:
    """A layer of several inputs. A batch of one is repeated only where sizes of batches were open when it was built, as in a model."""
    keras_layer = construct(case.layer, config, dtype)
    if case.call.get("others") == "one_for_all":
        keras_layer.build([(None, *shape[1:]) for shape in shapes_of_inputs(case.shape, case.config, case.call)])
    return keras_layer


@functools.lru_cache(maxsize=1024)  # to build a layer takes as long as to call it, or five times as long
def _built(class_name: str, config: str, shape: tuple[int | None, ...], dtype: str) -> Any:
    layer = construct(class_name, json.loads(config), dtype)
    layer.build(shape)
    return layer


def construct(class_name: str, config: Mapping[str, Any], dtype: str) -> Any:
    """A Keras layer of this configuration, wrapped layers in the same dtype; its weights, which are set later, are not drawn."""
    config = {**_undrawn(class_name), **config}
    for part in {"layer", "backward_layer"} & set(config):
        config[part] = construct(config[part]["class_name"], config[part]["config"], dtype)
    return getattr(import_keras().layers, class_name)(**config, dtype=dtype)


@functools.cache
def _undrawn(class_name: str) -> dict[str, str]:
    """Zeros for every weight of a class: an orthogonal matrix takes a third of the time in which a layer is built."""
    parameters = inspect.signature(getattr(import_keras().layers, class_name)).parameters
    return {name: "zeros" for name in parameters if name.endswith("_initializer")}


def call_keras(layer: Any, arrays: Arrays, seed: int, *, compiled: bool = False) -> Any:
    """Call a Keras layer with the arguments of a case; dropout starts from a seed state of the case's own."""
    tf = tensorflow()
    arguments = dict(arrays.arguments)
    for name, index in (("dropout_mask", 0), ("recurrent_dropout_mask", 1)):
        if name in arguments:
            _place_masks(layer, arguments.pop(name), index)
    if "mask" in arguments:
        arguments["mask"] = tf.constant(arguments["mask"])
    if "initial_state" in arguments:
        arguments["initial_state"] = [tf.constant(state) for state in arguments["initial_state"]]
    if getattr(layer, "seed_generator", None) is not None:
        layer.seed_generator.state.assign([seed % 2**31, 0])
    x = [tf.constant(one) for one in arrays.x] if isinstance(arrays.x, tuple) else tf.constant(arrays.x)
    call: Callable[..., Any] = tf.function(layer, jit_compile=True) if compiled else layer
    return call(x, **arguments)


def keras_mask(class_name: str, config: Mapping[str, Any], x: Any, mask: Any) -> Array | None:
    """The mask that a Keras layer hands on; lists of arrays and masks for a layer that merges."""
    constant = tensorflow().constant
    tensors = [constant(one) for one in x] if isinstance(x, list) else constant(x)
    made = construct(class_name, config, "float32").compute_mask(tensors, mask)
    return None if made is None else np.asarray(made)


def keras_stateful(layer: LayerCases, case: Case, parts: Sequence[Arrays]) -> list[Array]:
    """The float64 outputs of a stateful layer that reads the parts of a sequence one after the other."""
    keras_layer = construct(case.layer, layer.keras_config({**case.config, "stateful": True}), "float64")
    keras_layer.build(parts[0].x.shape)
    keras_layer.set_weights(parts[0].weights)
    return [np.asarray(call_keras(keras_layer, part, 0)) for part in parts]


def _place_masks(layer: Any, masks: Any, index: int) -> None:
    """Give a recurrent cell, or the two of a Bidirectional, the dropout mask to use in the next call, scaled as Keras scales it."""
    if hasattr(layer, "forward_layer"):
        _place_masks(layer.forward_layer, masks[0], index)
        _place_masks(layer.backward_layer, masks[1], index)
        return
    name, rate = (("_dropout_mask", layer.dropout), ("_recurrent_dropout_mask", layer.recurrent_dropout))[index]
    scaled = tensorflow().constant(masks * (1 / (1 - rate)), layer.compute_dtype)
    setattr(layer.cell, name, list(scaled) if masks.ndim == 3 else scaled)


def _dropout_mask(layer: LayerCases, case: Case, arrays: Arrays) -> dict[str, Array]:
    """The mask that a Dropout layer draws in this case: what it leaves of an array of ones."""
    if isinstance(layer, FunctionCases) or not spec_of(case.layer).drops or not arrays.arguments.get("training"):
        return {}
    ones = replace(arrays, x=np.ones_like(arrays.x))
    (kept,) = answer(layer, case, ones, case.dtype)
    return {"dropout_mask": kept != 0}


def _arrays(value: Any) -> Outputs:
    return tuple(np.asarray(part) for part in value) if isinstance(value, tuple | list) else (np.asarray(value),)
