"""The suite on trial: every named fault is caught by a declared case, and what is right is taken for no fault."""

from __future__ import annotations

import functools
import time

import numpy as np
import pytest

import reference
from conformance.cases import ALL as LAYERS
from conformance.cases.case import FunctionCases, declared_cases
from conformance.faults import consistent_faults
from conformance.faults.adequacy import departs, every_fault, first_kill, kill_matrix
from conformance.faults.backward.catalogue import BACKWARD
from conformance.faults.cells import run_again
from conformance.faults.fault import Fault, FaultyImplementation, right_function
from conformance.faults.forward.bidirectional import half_by_half
from conformance.faults.forward.catalogue import ALL
from conformance.faults.forward.normalization import with_formula, with_statistics
from conformance.implementations.module import ModuleImplementation
from conformance.judging.judge import judge_backward, judge_case
from conformance.oracle.recorded.reader import Recorded

ORACLE = Recorded()
FAULTS = list(every_fault())
AT_LEAST = {
    **dict.fromkeys(("Flatten", "Reshape", "Rescaling", "ReLU", "LeakyReLU", "PReLU"), 6),
    **dict.fromkeys(("Dense", "Embedding", "Masking", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "Add", "Concatenate"), 10),
    **dict.fromkeys(("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D"), 10),
    **dict.fromkeys(("Softmax", "MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D", "TimeDistributed"), 15),
    **dict.fromkeys(("LayerNormalization", "Conv1D", "Conv2D", "Bidirectional"), 25),
    **dict.fromkeys(("BatchNormalization", "SimpleRNN", "GRU", "LSTM"), 40),
}
"""Layers in which people can go wrong in many ways, with how many of these must have a name; all others have two."""
NAMED_LAYERS = [name for name, layer in LAYERS.items() if not isinstance(layer, FunctionCases)]
REFERENCE = ModuleImplementation("reference")


@pytest.mark.parametrize(("layer", "fault"), FAULTS, ids=[f"{layer}-{fault.name}" for layer, fault in FAULTS])
def test_every_fault_is_caught(layer, fault):
    assert first_kill(fault, layer), f"no declared case of {layer} catches {fault.name}: {fault.sentence}"


@pytest.mark.parametrize("layer", ALL)
def test_every_layer_has_faults_of_different_names_and_sentences(layer):
    faults = ALL[layer]
    assert len(faults) >= AT_LEAST.get(layer, 2), f"{layer} has {len(faults)} named faults only"
    assert len({fault.name for fault in faults}) == len(faults), f"two faults of {layer} have one name"
    assert len({fault.sentence for fault in faults}) == len(faults), f"two faults of {layer} have one sentence"


@pytest.mark.parametrize("layer", ALL)
def test_sentences_read_well_after_looks_like(layer):
    for fault in ALL[layer]:
        assert fault.sentence and not fault.sentence.endswith("."), f"{fault.name} has no sentence, or one that ends in a full stop"
        assert "\n" not in fault.sentence, f"the sentence of {fault.name} goes over more than one line"
        assert len(fault.sentence) < 130, f"the sentence of {fault.name} has {len(fault.sentence)} characters"


def formula(x, mean, variance, epsilon, gamma, beta):
    """What a normalisation computes."""
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        *((layer, run_again()) for layer in ("SimpleRNN", "GRU", "LSTM")),
        ("Bidirectional", half_by_half()),
        *((layer, with_formula(formula)) for layer in ("BatchNormalization", "LayerNormalization")),
        *((layer, with_statistics(lambda x, own, mask: own[:2])) for layer in ("BatchNormalization", "LayerNormalization")),
    ],
)
def test_layers_taken_apart_are_right_with_nothing_replaced(layer, function):
    plain = Fault("plain", (layer,), "", functools.partial(function, right_function(layer)))
    wrong = [case.id for case in declared_cases(LAYERS[layer]) if case.dtype == "float64" and departs(plain, case)]
    assert not wrong, f"the faults of {layer} are variants of code that is wrong itself in {wrong[:3]}"


def _some_cases(layer):
    """The default case and a few from the rest of the table, in both dtypes."""
    cases = list(declared_cases(LAYERS[layer]))
    return [cases[0], cases[1], *cases[7 :: max(1, len(cases) // 2)]]


@pytest.mark.parametrize("layer", NAMED_LAYERS)
def test_the_reference_is_consistent_with_no_fault(layer):
    for case in _some_cases(layer):
        result = judge_case(case, REFERENCE, ORACLE, 0, strict=True)
        found = consistent_faults(result)
        assert not found, f"{case.id}: the right answer is said to look like {found}"


def test_a_fault_nobody_named_is_consistent_with_none():
    fault = Fault("odd", ("Dense",), "", lambda x, kernel, bias=None, **options: np.sin(np.arange(18.0)).reshape(3, 6))
    result = judge_case(next(declared_cases(LAYERS["Dense"])), FaultyImplementation(fault, "Dense"), ORACLE, 0, strict=False)
    assert consistent_faults(result) == [], "an answer that no fault gives was diagnosed"


@pytest.mark.parametrize(
    ("layer", "name", "part"), [("Conv1D", "kernel_flipped", "forward"), ("Dense", "weights_divided_by_batch", "backward")]
)
def test_where_the_reference_is_wrong_no_fault_is_named(layer, name, part, monkeypatch):
    fault = next(fault for fault in (*ALL[layer], *BACKWARD[layer]) if (fault.name, fault.part) == (name, part))
    ask = judge_case if part == "forward" else judge_backward
    result = ask(next(declared_cases(LAYERS[layer])), FaultyImplementation(fault, layer), ORACLE, 0, strict=False)
    assert fault.sentence in consistent_faults(result), f"{name} is not named where the reference is right"
    monkeypatch.setattr(reference, f"{layer.lower()}_{part}", fault.function)
    assert consistent_faults(result) == [], "faults are made of the reference, which is wrong itself, and were named all the same"


@pytest.mark.parametrize("value", [None, (), "text", np.zeros(0), (np.zeros(2), None), np.array(["a"]), np.array([1j])])
def test_a_diagnosis_never_raises(value):
    fault = Fault("odd", ("LSTM",), "", lambda *weights, **options: value)
    result = judge_case(next(declared_cases(LAYERS["LSTM"])), FaultyImplementation(fault, "LSTM"), ORACLE, 0, strict=False)
    assert consistent_faults(result) == [], f"{value!r} was diagnosed"


@pytest.mark.parametrize("layer", ["Conv2D", "LSTM", "Bidirectional"])
def test_a_diagnosis_is_quick(layer):
    large = {"Conv2D": "many_images", "LSTM": "sequence_of_40-mask=gap", "Bidirectional": "sequence_of_40-mask=gap"}[layer]
    case = next(case for case in declared_cases(LAYERS[layer]) if case.title == large)
    right = REFERENCE.function(f"{ {'Conv2D': 'conv2d', 'LSTM': 'lstm'}.get(layer, 'bidirectional') }_forward")
    fault = Fault("odd", (layer,), "", lambda *weights, **options: 0.9 * right(*weights, **options))
    result = judge_case(case, FaultyImplementation(fault, layer), ORACLE, 0, strict=False)
    start = time.process_time()
    consistent_faults(result)
    spent = time.process_time() - start
    # Half a second is what it takes at most; the bound leaves room for a slow machine.
    assert spent < 3, f"the diagnosis of {case.id} took {spent:.1f} s"


def test_the_kill_matrix_has_a_row_for_every_fault():
    rows = kill_matrix(["Flatten", "relu6"], profile="smoke")
    named = [fault.name for layer in ("Flatten", "relu6") for fault in (*ALL[layer], *BACKWARD[layer])]
    assert [row.fault for row in rows] == named, "rows are missing"
    assert all(0 < row.caught <= row.cases for row in rows), f"a fault is not caught: {rows}"
