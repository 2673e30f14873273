"""What Keras's automatic differentiation makes of a case: the gradients of its inputs, weights and initial states."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.base.arrays import Array, Arrays, cast
from conformance.cases.case import Case, FunctionCases, LayerCases
from conformance.cases.gradients import Backward, gradient_names
from conformance.cases.tolerance import meaning_of_gradients, responses_of_gradients, rounding_of_gradients
from conformance.oracle.environment import import_keras, tensorflow
from conformance.oracle.expectation import Expectation, in_range
from conformance.oracle.live import specified
from conformance.oracle.live.forward import _dropout_mask, built, call_keras
from conformance.oracle.live.quiet import quiet


def expect_gradients(layer: LayerCases, case: Case, backward: Backward) -> Expectation:
    """Gradients in float64, what is allowed around them, and Keras's own in the case's dtype; names say which is which."""
    return measure_gradients(layer, case, backward)[0]


@quiet()
def measure_gradients(layer: LayerCases, case: Case, backward: Backward) -> tuple[Expectation, Callable[[], Array]]:
    """What :func:`expect_gradients` gives, and the responses from which its float32 rule follows."""
    own = gradients(layer, case, backward, case.dtype)
    ask: Callable[..., tuple[Array, ...]] = functools.partial(gradients, layer, case, dtype="float64")
    wide = Backward(cast(backward.arrays, "float64"), cast(backward.grads, "float64"))
    chosen = _dropout_mask(layer, case, backward.arrays)
    exact = own if case.dtype == "float64" or chosen else ask(wide)
    exact = tuple(in_range(y, case.dtype) for y in exact)
    # Another dtype draws another mask, so that Keras is not asked again; one product is all there is.
    ask = (lambda backward: exact) if chosen else ask
    responses = functools.cache(lambda: responses_of_gradients(ask, case, wide, exact))
    expectation = Expectation(
        outputs=exact,
        dtypes=tuple(y.dtype for y in own),
        meaning=lambda: meaning_of_gradients(exact),
        rounding=lambda: rounding_of_gradients(responses(), wide, exact),
        keras=own,
        alternatives=_chosen_otherwise(ask, case, wide),
        arguments=chosen,
        names=gradient_names(layer, case, backward.arrays),
    )
    return expectation, responses


def _chosen_otherwise(ask: Callable[..., tuple[Array, ...]], case: Case, backward: Backward) -> tuple[tuple[Array, ...], ...]:
    """The gradients where NaN never wins, and where it always does: Keras's own choice among NaN depends on where they stand."""
    if case.deviation not in specified.MAY_SPREAD_NAN:
        return ()
    x, largest = backward.arrays.x, float(np.finfo(np.float32).max)
    filled = (replace(backward.arrays, x=np.where(np.isnan(x), extreme, x)) for extreme in (-largest, largest))
    return tuple(ask(replace(backward, arrays=arrays)) for arrays in filled)


@quiet()
def own_gradients(layer: LayerCases, case: Case, backward: Backward) -> tuple[Array, ...]:
    """Keras's own gradients in the case's dtype."""
    return gradients(layer, case, backward, case.dtype)


def gradients(layer: LayerCases, case: Case, backward: Backward, dtype: str) -> tuple[Array, ...]:
    """Keras's gradients, in the order of :func:`conformance.cases.gradients.gradient_names`."""
    tf = tensorflow()
    arrays = cast(backward.arrays, dtype)
    xs = [tf.constant(x) for x in (arrays.x if isinstance(arrays.x, tuple) else (arrays.x,))]
    states = [tf.constant(state) for state in arrays.arguments.get("initial_state", ())]
    sources = [x for x in xs if x.dtype.is_floating and case.layer != "Embedding"]
    asked = replace(arrays, x=tuple(xs) if isinstance(arrays.x, tuple) else xs[0])
    if states:
        asked = replace(asked, arguments={**arrays.arguments, "initial_state": states})
    with tf.GradientTape() as tape:
        for tensor in (*sources, *states):
            tape.watch(tensor)
        outputs, weights = _forward(layer, case, asked, dtype)
        grads = [tf.constant(cast(grad, dtype)) for grad in backward.grads]
    found = tape.gradient(outputs, [*sources, *weights, *states], output_gradients=grads, unconnected_gradients="zero")
    return tuple(np.asarray(tf.convert_to_tensor(one)) for one in found)


def _forward(layer: LayerCases, case: Case, arrays: Arrays, dtype: str) -> tuple[list[Any], Sequence[Any]]:
    """The outputs of the layer that have gradients, and its trainable weights."""
    if isinstance(layer, FunctionCases):
        return [getattr(import_keras().activations, case.layer)(arrays.x, **case.config)], []
    if case.layer in ("Conv1D", "Conv2D") and dtype == "float64":
        return _convolution(layer, case, arrays)
    keras_layer = built(layer, case, dtype)
    keras_layer.set_weights(arrays.weights)
    outputs = call_keras(keras_layer, arrays, case.seed())
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs], [weight.value for weight in keras_layer.trainable_weights]


def _convolution(layer: LayerCases, case: Case, arrays: Arrays) -> tuple[list[Any], Sequence[Any]]:
    """In float64, where TensorFlow has no ``channels_first`` convolution: the same numbers with the channels moved."""
    tf = tensorflow()
    first = case.config.get("data_format") == "channels_first"
    axes = list(range(2, len(case.shape)))
    shape = tuple(case.shape[axis] for axis in (0, *axes, 1)) if first else case.shape
    plain = replace(case, config={**case.config, "data_format": "channels_last", "activation": None}, shape=shape)
    keras_layer = built(layer, plain, "float64")
    keras_layer.set_weights(arrays.weights)
    x = tf.cast(arrays.x, "float64")
    x = tf.transpose(x, [0, *axes, 1]) if first else x
    y = _by_group(keras_layer, x) if keras_layer.groups > 1 and max(keras_layer.dilation_rate) > 1 else keras_layer(x)
    y = tf.transpose(y, [0, len(axes) + 1, *(axis - 1 for axis in axes)]) if first else y
    activate = import_keras().activations.get(case.config.get("activation"))
    return [activate(y)], [weight.value for weight in keras_layer.trainable_weights]


def _by_group(keras_layer: Any, x: Any) -> Any:
    """A convolution group by group: TensorFlow's own gradient of a dilated grouped one in float64 writes where it may not (2.21)."""
    tf, ops = tensorflow(), import_keras().ops
    padding, kernel = keras_layer.padding, keras_layer.kernel.value
    if padding == "causal":
        x = tf.pad(x, [[0, 0], [keras_layer.dilation_rate[0] * (keras_layer.kernel_size[0] - 1), 0], [0, 0]])
        padding = "valid"
    groups = keras_layer.groups
    parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1), strict=True)
    y = tf.concat([ops.conv(part, own, 1, padding, "channels_last", keras_layer.dilation_rate) for part, own in parts], -1)
    return y + keras_layer.bias.value if keras_layer.use_bias else y
