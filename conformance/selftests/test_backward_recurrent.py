"""Gradients of the recurrent layers and of Bidirectional: against Keras's tape, and against central differences."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import reference
from conformance.arrays import Arrays
from conformance.cases import ALL
from conformance.cases.arrays import draw_arrays
from conformance.cases.case import Case, declared_cases
from reference.calls import layer_call

LAYERS = ("SimpleRNN", "LSTM", "GRU", "Bidirectional")


def judged(case: Case) -> bool:
    """Cases whose gradients are numbers and that Keras computes as it documents."""
    return case.dtype == "float64" and case.deviation is None and case.call.get("values") != "nan_at_masked_steps"


CASES = [case for name in LAYERS for case in declared_cases(ALL[name], "smoke") if judged(case)]
MORE: list[tuple[str, tuple[int, ...], dict[str, Any], dict[str, Any]]] = [
    ("LSTM", (3, 6, 4), {"units": 3, "return_sequences": True, "return_state": True}, {"mask": "gap", "initial_state": "given"}),
    ("LSTM", (3, 6, 4), {"units": 3, "return_state": True, "go_backwards": True, "zero_output_for_mask": True}, {"mask": "left"}),
    ("LSTM", (3, 6, 4), {"units": 3, "return_sequences": True, "zero_output_for_mask": True, "go_backwards": True}, {"mask": "gap"}),
    ("GRU", (3, 6, 4), {"units": 3, "return_sequences": True, "return_state": True, "reset_after": False},
     {"mask": "gap", "initial_state": "given"}),
    ("GRU", (3, 6, 4), {"units": 3, "use_bias": False, "reset_after": False, "go_backwards": True}, {"mask": "right"}),
    ("GRU", (3, 6, 4), {"units": 3, "recurrent_dropout": 0.4, "dropout": 0.3, "reset_after": False, "return_state": True},
     {"training": True, "mask": "gap", "initial_state": "given"}),
    ("SimpleRNN", (3, 6, 4), {"units": 3, "return_sequences": True, "return_state": True}, {"mask": "gap", "initial_state": "given"}),
    *(
        ("Bidirectional", (3, 6, 4), {"layer": layer, "units": 3, "merge_mode": mode, "return_sequences": sequences, "return_state": True},
         {"mask": "gap", "initial_state": "given"})
        for layer, mode, sequences in (("LSTM", None, True), ("GRU", "mul", True), ("SimpleRNN", "ave", False), ("LSTM", "concat", True))
    ),
    ("Bidirectional", (3, 6, 4), {"layer": "GRU", "units": 3, "merge_mode": None}, {}),
]  # fmt: skip
CASES += [Case(layer, config, shape, call, title=f"more-{n}") for n, (layer, shape, config, call) in enumerate(MORE)]


def flat(value: Any) -> list[Any]:
    """The arrays of nested tuples, in order."""
    return [one for part in value for one in flat(part)] if isinstance(value, tuple | list) else [value]


def asked(case: Case) -> tuple[Arrays, str, tuple[Any, ...], dict[str, Any]]:
    """The arrays of a case, and the call of the reference's functions: name, weights, keyword arguments."""
    layer = ALL[case.layer]
    arrays = draw_arrays(layer, case, case.seed())
    call = layer_call(case.layer, layer.keras_config(case.config), arrays.weights, training="training" in case.call)
    return arrays, call.name, call.weights, {**call.options, **arrays.arguments}


def output_gradients(case: Case, outputs: list[Any]) -> list[Any]:
    """A random gradient for every output."""
    rng = np.random.default_rng(case.seed(1))
    return [rng.normal(size=one.shape) for one in outputs]


def keras_gradients(case: Case, arrays: Arrays, grads: list[Any]) -> list[Any]:
    """Keras's gradients of x, of the weights and of the initial states."""
    from conformance.oracle.environment import tensorflow
    from conformance.oracle.live import built, call_keras

    tf, layer = tensorflow(), built(ALL[case.layer], case, "float64")
    layer.set_weights(arrays.weights)
    constants = {"x": tf.constant(arrays.x)}
    states = [tf.constant(one) for one in arrays.arguments.get("initial_state", ())]
    with tf.GradientTape() as tape:
        tape.watch([constants["x"], *states])
        arguments = {**arrays.arguments, **({"initial_state": states} if states else {})}
        outputs = flat(call_keras(layer, Arrays(constants["x"], (), arguments), 0))
        total = tf.add_n([tf.reduce_sum(one * grad) for one, grad in zip(outputs, grads, strict=True)])
    sources = [constants["x"], *(weight.value for weight in layer.trainable_weights), *states]
    found = tape.gradient(total, sources)
    zeros = [None if arrays.x.dtype.kind == "i" and n == 0 else np.zeros(source.shape) for n, source in enumerate(sources)]
    return [zero if one is None else np.asarray(one) for one, zero in zip(found, zeros, strict=True)]


def reference_gradients(case: Case, grads: list[Any]) -> tuple[Any, ...]:
    """The reference's gradients, as nested as it returns them."""
    arrays, name, weights, options = asked(case)
    grad_output = grads[0] if len(grads) == 1 else tuple(grads)
    return getattr(reference, f"{name}_backward")(grad_output, arrays.x, *weights, **options)


def outputs_of(case: Case) -> list[Any]:
    """The reference's outputs."""
    arrays, name, weights, options = asked(case)
    return flat(getattr(reference, f"{name}_forward")(arrays.x, *weights, **options))


def without_removed(case: Case, gradients: tuple[Any, ...]) -> list[Any]:
    """The gradients in Keras's order, without that of a removed bias."""
    found = flat(gradients)
    return [found[0], *(one for one in found[1:] if one is not None)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_gradients_are_those_of_keras(case):
    arrays = asked(case)[0]
    grads = output_gradients(case, outputs_of(case))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = keras_gradients(case, arrays, grads)
    found = without_removed(case, reference_gradients(case, grads))
    assert len(found) == len(expected), f"{len(found)} gradients instead of {len(expected)}"
    for n, (one, keras) in enumerate(zip(found, expected, strict=True)):
        if keras is None:
            assert one is None, f"gradient {n} of {case.id} is an array where Keras has none"
            continue
        assert one.shape == keras.shape and one.dtype == keras.dtype, f"gradient {n} of {case.id}: {one.shape} {one.dtype}"
        worst = float(np.max(np.abs(one - keras) / (1 + np.abs(keras)), initial=0))
        assert worst < 1e-10, f"gradient {n} of {case.id} is off by {worst}"
