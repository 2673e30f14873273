"""A failure names its cause: a fault used as the implementation is the one that the report says it looks like."""

from __future__ import annotations

import pytest

from conformance.cases import ALL as LAYERS
from conformance.cases.case import declared_cases
from conformance.examination import examine
from conformance.explain import explain
from conformance.faults import consistent_faults
from conformance.faults.adequacy import departs, verdict
from conformance.faults.catalogue import ALL
from conformance.faults.fault import Fault, FaultyImplementation
from reference import dense_forward, gelu

FAULTS = [
    ("Dense", "bias_left_out"),
    ("Dense", "kernel_transposed"),
    ("Dense", "rows_over_the_batch"),
    ("gelu", "always_tanh"),
    ("hard_sigmoid", "keras_2"),
    ("Embedding", "negative_ids_clipped"),
    ("Embedding", "ids_rounded_down"),
    ("Flatten", "channels_not_moved"),
    ("Dropout", "not_scaled"),
    ("Conv2D", "kernel_flipped"),
    ("Conv2D", "extra_cell_at_top_left"),
    ("Conv2D", "bias_along_the_width"),
    ("Conv2D", "groups_interleaved"),
    ("MaxPooling2D", "padded_with_zeros"),
    ("MaxPooling2D", "average"),
    ("LSTM", "gates_ifoc"),
    ("LSTM", "state_not_held"),
    ("LSTM", "masked_steps_output_the_state"),
    ("LSTM", "mask_not_reversed"),
    ("Bidirectional", "backward_not_flipped"),
    ("Bidirectional", "backward_last_time_step"),
    ("Bidirectional", "masked_outputs_not_zeroed"),
]


def _named(layer, name):
    return next(fault for fault in ALL[layer] if fault.name == name)


def _report(fault, layer, case):
    examination = examine(case, FaultyImplementation(fault, layer), 0, strict=False)
    likely = consistent_faults(examination)
    return explain(examination.layer, case, "forward", examination.verdict, "pytest ...", examination.answer.printed, likely)


def _failing_case(layer, fault):
    """The first case that the fault fails without raising."""
    cases = (case for case in declared_cases(LAYERS[layer]) if departs(fault, case))
    return next(case for case in cases if verdict(FaultyImplementation(fault, layer), case).status == "failed")


@pytest.mark.parametrize(("layer", "name"), FAULTS, ids=["-".join(pair) for pair in FAULTS])
def test_the_report_names_the_fault(layer, name):
    fault = _named(layer, name)
    report = _report(fault, layer, _failing_case(layer, fault))
    assert f"  looks like   {fault.sentence}\n" in report, f"the report does not name the fault:\n{report}"
    assert report.count("looks like") <= 3, f"the report guesses too much:\n{report}"


def test_a_wrong_activation_inside_a_layer_is_named_there():
    def tanh_gelu(x, kernel, bias=None, *, activation=None):
        y = dense_forward(x, kernel, bias)
        return gelu(y, approximate=True) if activation == "gelu" else y

    case = next(case for case in declared_cases(LAYERS["Dense"]) if case.config.get("activation") == "gelu")
    report = _report(Fault("odd", ("Dense",), "", tanh_gelu), "Dense", case)
    assert "looks like   in the activation gelu: the tanh formula" in report, f"the wrong gelu is not named:\n{report}"


def test_a_wrong_lstm_inside_bidirectional_is_named_there():
    from conformance.faults.plain_lstm import plain_bidirectional

    fault = _named("LSTM", "gates_ifoc")

    def both_ways(*arguments, **options):
        return plain_bidirectional(*arguments, lstm=fault.function, **options)

    case = next(declared_cases(LAYERS["Bidirectional"]))
    report = _report(Fault("odd", ("Bidirectional",), "", both_ways), "Bidirectional", case)
    assert f"looks like   in both halves: {fault.sentence}" in report, f"the wrong gates are not named:\n{report}"


def test_an_error_is_not_diagnosed():
    def broken(x, kernel, bias=None):
        raise ValueError("shapes do not fit")

    report = _report(Fault("odd", ("Dense",), "", broken), "Dense", next(declared_cases(LAYERS["Dense"])))
    assert "shapes do not fit" in report and "looks like" not in report, f"an exception was diagnosed:\n{report}"
