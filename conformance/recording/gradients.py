"""Backward passes written down: gradients of outputs, Keras's gradients, and the responses from which their tolerance follows."""

from __future__ import annotations

import numpy as np

from conformance.cases.case import Case, LayerCases
from conformance.cases.questions import function_name
from conformance.judging.judge import require_of_keras
from conformance.judging.verdict import keras_ratio
from conformance.oracle.live.gradients import measure_gradients
from conformance.oracle.live.keras import LiveKeras
from conformance.oracle.recorded.reader import SEED
from conformance.oracle.recorded.tensors import Tensors, least_of_gradients, put, put_call, rounded, widened
from conformance.oracle.recorded.vectors import StoredCase


def record_gradients(keras: LiveKeras, layer: LayerCases, case: Case, forward: StoredCase) -> StoredCase:
    """The entry of a backward pass; arrays that stand in the entry of the forward pass are not written again."""
    backward = keras.backward(layer, case, SEED)
    expectation, responses = measure_gradients(layer, case, backward)
    ratio = keras_ratio(expectation, case.dtype)
    require_of_keras(case, ratio)
    asked: Tensors = {}
    put_call(asked, layer, case, backward.arrays, expectation.arguments)
    known = forward.tensors
    tensors: Tensors = {name: value for name, value in asked.items() if value.tobytes() != known[name].tobytes()}
    put(tensors, "grad_output", tuple(grad.astype(np.float16) for grad in backward.grads))
    pairs = zip(expectation.outputs, responses(), strict=True)
    put(tensors, "output", tuple(rounded(y, least_of_gradients(y, p, case.dtype), case.dtype) for y, p in pairs))
    for n, other in enumerate(expectation.alternatives):
        put(tensors, f"alternative/{n}", widened(other))
    tensors["response"] = responses()
    facts = {
        "id": case.id,
        "kind": "backward",
        "layer": case.layer,
        "dtype": case.dtype,
        "function": function_name(case.layer, "backward"),
        "gradients": list(expectation.names),
        "dtypes": [dtype.name for dtype in expectation.dtypes],
        "keras_error_over_allowance": ratio,
    }
    return StoredCase(facts, tensors)
