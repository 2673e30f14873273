"""What Keras's automatic differentiation says about a declared case, for the tests of the backward passes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import reference
from conformance.arrays import Arrays, cast
from conformance.cases import ALL
from conformance.cases.arrays import draw_arrays
from conformance.cases.case import Case, declared_cases
from conformance.contract import forward_question
from conformance.oracle import live
from conformance.oracle.environment import import_keras, tensorflow
from reference.calls import signature_of

ARRAY_ALONE = ("elu_backward", "softmax_backward")
"""Backward passes that a function and a layer share, which return the array of the function."""


def gradient_cases(names: list[str]) -> Iterator[Any]:
    """The float64 cases of the smoke profile whose values are finite and that Keras computes as it documents."""
    for name in names:
        for case in declared_cases(ALL[name], "smoke"):
            undefined = {"nan", "infinite", "all_nan", "all_minus_infinity", "minus_infinite", "nan_at_masked_steps"}
            if case.dtype == "float64" and case.call.get("values") not in undefined and case.deviation is None:
                yield case


def arrays_of(case: Case) -> Arrays:
    """The arrays of a case, with the mask that Keras's Dropout draws."""
    layer = ALL[case.layer]
    arrays = cast(draw_arrays(layer, case, case.seed()), "float64")
    return replace(arrays, arguments={**arrays.arguments, **live._dropout_mask(layer, case, arrays)})


def grad_output_for(case: Case, y: np.ndarray) -> np.ndarray:
    """A gradient of the output, of the case's own."""
    return np.random.default_rng(case.seed(1)).normal(size=y.shape)


def keras_gradients(case: Case, arrays: Arrays) -> tuple[Any, list[Any]]:
    """The gradients of the input (a list where it is a list) and of the weights that train, each an array or None."""
    tf = tensorflow()
    several = isinstance(arrays.x, tuple)
    tensors = [tf.constant(one) for one in arrays.x] if several else [tf.constant(arrays.x)]
    x = tensors if several else tensors[0]
    with warnings.catch_warnings(), np.errstate(all="ignore"), tf.GradientTape() as tape:
        warnings.simplefilter("ignore")
        tape.watch([one for one in tensors if one.dtype.is_floating])
        y, weights = _output(case, arrays, x)
    grad_x, grad_weights = tape.gradient(y, [x, weights], output_gradients=tf.constant(grad_output_for(case, y)))
    return _dense(grad_x), [_dense(one) for one in grad_weights]


def _output(case: Case, arrays: Arrays, x: Any) -> tuple[Any, list[Any]]:
    """The output of Keras's layer or function as a tensor of `x`, and the variables that train."""
    if ALL[case.layer].function:
        return getattr(import_keras().activations, case.layer)(x, **case.config), []
    if case.layer in ("Conv1D", "Conv2D"):
        return _convolution_output(case, arrays, x)
    layer = live.built(ALL[case.layer], case, "float64")
    layer.set_weights(arrays.weights)
    arguments = {name: value for name, value in arrays.arguments.items() if name != "dropout_mask"}
    return _call(layer, x, arguments, case.seed()), layer.trainable_variables


def _convolution_output(case: Case, arrays: Arrays, x: Any) -> tuple[Any, list[Any]]:
    """TensorFlow has no float64 ``channels_first`` convolution: the same numbers with the channels moved."""
    tf = tensorflow()
    first = case.config.get("data_format") == "channels_first"
    axes = list(range(2, x.shape.rank))
    shape = tuple(case.shape[axis] for axis in (0, *axes, 1)) if first else case.shape
    plain = replace(case, config={**case.config, "data_format": "channels_last", "activation": None}, shape=shape)
    layer = live.built(ALL[case.layer], plain, "float64")
    layer.set_weights(arrays.weights)
    x = tf.transpose(x, [0, *axes, 1]) if first else x
    y = _by_group(layer, x) if layer.groups > 1 and max(layer.dilation_rate) > 1 else layer(x)
    y = tf.transpose(y, [0, len(axes) + 1, *(axis - 1 for axis in axes)]) if first else y
    return import_keras().activations.get(case.config.get("activation"))(y), layer.trainable_variables


def _by_group(layer: Any, x: Any) -> Any:
    """A convolution group by group: the gradient of TensorFlow's own dilated grouped one is garbage at times and corrupts the heap."""
    tf, ops = tensorflow(), import_keras().ops
    if layer.padding == "causal":
        x = tf.pad(x, [[0, 0], [layer.dilation_rate[0] * (layer.kernel_size[0] - 1), 0], [0, 0]])
    padding = "valid" if layer.padding == "causal" else layer.padding
    parts = zip(tf.split(x, layer.groups, -1), tf.split(layer.kernel, layer.groups, -1), strict=True)
    y = tf.concat([ops.conv(part, kernel, 1, padding, "channels_last", layer.dilation_rate) for part, kernel in parts], -1)
    return y + layer.bias if layer.use_bias else y


def _call(layer: Any, x: Any, arguments: dict[str, Any], seed: int) -> Any:
    if "mask" in arguments:
        arguments = {**arguments, "mask": tensorflow().constant(arguments["mask"])}
    if getattr(layer, "seed_generator", None) is not None:
        layer.seed_generator.state.assign([seed % 2**31, 0])
    return layer(x, **arguments)


def _dense(gradient: Any) -> Any:
    """A gradient as an array; lists, sparse rows and None allowed."""
    if isinstance(gradient, list):
        return [_dense(one) for one in gradient]
    return None if gradient is None else np.asarray(tensorflow().convert_to_tensor(gradient))


def reference_gradients(case: Case, arrays: Arrays, **changed: Any) -> tuple[Any, list[Any]]:
    """The same from the reference; of the weights' gradients those that are there."""
    name, args, options = reference_call(case, arrays)
    y = getattr(reference, name if ALL[case.layer].function else f"{name}_forward")(*args, **{**options, **changed})
    grad_output = grad_output_for(case, y[0] if isinstance(y, tuple) else y)
    gradients = getattr(reference, f"{name}_backward")(grad_output, *args, **{**options, **changed})
    if ALL[case.layer].function or f"{name}_backward" in ARRAY_ALONE:
        return gradients, []
    grad_x, *weights = gradients
    weights = list(weights[0]) if case.layer == "TimeDistributed" else weights
    return grad_x, [one for one in weights if one is not None]


def reference_call(case: Case, arrays: Arrays) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """The name of the reference's function without its ending, its positional and its keyword arguments."""
    question = forward_question(ALL[case.layer], case, arrays, arrays.arguments)
    name = case.layer if ALL[case.layer].function else signature_of(case.layer).name
    return name, question.positional, dict(question.keywords)
