"""A failure names its cause: a fault used as the implementation is the one that the report says it looks like."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.cases import ALL as LAYERS
from conformance.cases.case import declared_cases
from conformance.faults import consistent_faults
from conformance.faults.adequacy import departs, verdict
from conformance.faults.fault import Fault, FaultyImplementation
from conformance.faults.forward.catalogue import ALL, faults_of_parts
from conformance.judging.explain import explain
from conformance.judging.judge import judge_case
from conformance.oracle.recorded.reader import Recorded
from reference import bidirectional_forward, dense_forward, gelu

ORACLE = Recorded()
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
    ("Conv2D", "windows_move_by_one_cell"),
    ("MaxPooling2D", "padded_with_zeros"),
    ("MaxPooling2D", "windows_move_by_one_cell"),
    ("MaxPooling2D", "average"),
    ("LSTM", "gates_ifoc"),
    ("LSTM", "state_not_held"),
    ("LSTM", "masked_steps_output_the_state"),
    ("LSTM", "mask_not_reversed"),
    ("Bidirectional", "backward_not_flipped"),
    ("Bidirectional", "backward_last_time_step"),
    ("Bidirectional", "masked_outputs_not_zeroed"),
    ("LeakyReLU", "slope_of_the_function"),
    ("PReLU", "positive_side"),
    ("Softmax", "masked_row_uniform"),
    ("Softmax", "mask_applied_after"),
    ("Masking", "single_values"),
    ("Reshape", "rows_in_fortran_order"),
    ("Rescaling", "offset_scaled"),
    ("SpatialDropout2D", "not_scaled"),
    ("Add", "averaged"),
    ("Concatenate", "last_axis_always"),
    ("BatchNormalization", "epsilon_of_pytorch"),
    ("BatchNormalization", "momentum_inverted"),
    ("BatchNormalization", "unbiased_moving_variance"),
    ("LayerNormalization", "epsilon_outside_the_root"),
    ("LayerNormalization", "weights_in_the_given_order"),
    ("Conv1D", "causal_at_the_end"),
    ("Conv1D", "causal_without_dilation"),
    ("AveragePooling2D", "added_cells_counted"),
    ("MaxPooling1D", "strides_default_1"),
    ("GlobalAveragePooling1D", "divided_by_all_steps"),
    ("GlobalMaxPooling2D", "keepdims_ignored"),
    ("SimpleRNN", "input_activated_alone"),
    ("GRU", "gates_rzh"),
    ("GRU", "recurrent_bias_outside_the_reset_gate"),
    ("GRU", "bias_halves_swapped"),
    ("TimeDistributed", "unfolded_time_first"),
]


def _named(layer, name):
    return next(fault for fault in ALL[layer] if fault.name == name)


def _report(fault, layer, case):
    result = judge_case(case, FaultyImplementation(fault, layer), ORACLE, 0, strict=False)
    likely = consistent_faults(result)
    return explain(result.layer, case, "forward", result.verdict, "pytest ...", result.answer.printed, likely)


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


def test_a_wrong_gru_inside_bidirectional_is_named_there():
    def reset_gate_first(x, forward_weights, backward_weights, **options):
        swapped = [tuple(swap(weight) for weight in half) for half in (forward_weights, backward_weights)]
        return bidirectional_forward(x, *swapped, **options)

    def swap(weight):
        z, r, h = np.split(weight, 3, axis=-1)
        return np.concatenate([r, z, h], axis=-1)

    case = next(case for case in declared_cases(LAYERS["Bidirectional"]) if case.config["layer"] == "GRU")
    report = _report(Fault("odd", ("Bidirectional",), "", reset_gate_first), "Bidirectional", case)
    assert "looks like   in both halves: the gates stand in the order r, z, h" in report, f"the wrong gates are not named:\n{report}"


def test_a_wrong_dense_inside_time_distributed_is_named_there():
    def without_bias(x, weights, **options):
        return np.stack([dense_forward(x[:, t], weights[0]) for t in range(x.shape[1])], axis=1)

    case = next(declared_cases(LAYERS["TimeDistributed"]))
    report = _report(Fault("odd", ("TimeDistributed",), "", without_bias), "TimeDistributed", case)
    assert "looks like   in every step: the bias is left out" in report, f"the missing bias is not named:\n{report}"


def _part(layer, name, wrong, config):
    """The fault of a part, in place in the layer, and the first case that it fails without raising."""
    for case in declared_cases(LAYERS[layer]):
        if all(case.config.get(option) == value for option, value in config.items()):
            fault = next(fault for fault in faults_of_parts(case) if fault.name == wrong and fault.sentence.startswith(name))
            if verdict(FaultyImplementation(fault, layer), case).status == "failed":
                return fault, case
    raise AssertionError(f"no case of {layer} fails {wrong}")


@pytest.mark.parametrize(
    ("layer", "said", "wrong", "config"),
    [
        ("Dense", "in the activation gelu: the tanh formula is always used", "always_tanh", {"activation": "gelu"}),
        ("Conv1D", "in the activation gelu: the tanh formula is always used", "always_tanh", {"activation": "gelu"}),
        ("GRU", "in the recurrent_activation hard_sigmoid: the line is 0.2 x", "keras_2", {"recurrent_activation": "hard_sigmoid"}),
        ("Bidirectional", "in both halves: the gates stand in the order i, f, o, c", "gates_ifoc", {"layer": "LSTM"}),
        ("Bidirectional", "in both halves: the gates stand in the order r, z, h", "gates_rzh", {"layer": "GRU"}),
        ("Bidirectional", "in both halves: the activation is not applied", "not_activated", {"layer": "SimpleRNN"}),
        ("Bidirectional", "in the activation softsign: it is tanh", "tanh", {"layer": "GRU", "activation": "softsign"}),
        ("TimeDistributed", "in every step: the bias is added twice", "bias_added_twice", {"layer": "Dense"}),
        ("TimeDistributed", "in every step: epsilon is 1e-5", "epsilon_of_pytorch", {"layer": "LayerNormalization"}),
        ("TimeDistributed", "in the activation softmax: it runs over axis 0", "batch_axis", {"activation": "softmax"}),
    ],
)
def test_a_wrong_part_of_a_layer_is_named_there(layer, said, wrong, config):
    fault, case = _part(layer, said, wrong, config)
    report = _report(fault, layer, case)
    assert f"looks like   {said}" in report, f"the wrong part is not named:\n{report}"


def test_an_error_is_not_diagnosed():
    def broken(x, kernel, bias=None):
        raise ValueError("shapes do not fit")

    report = _report(Fault("odd", ("Dense",), "", broken), "Dense", next(declared_cases(LAYERS["Dense"])))
    assert "shapes do not fit" in report and "looks like" not in report, f"an exception was diagnosed:\n{report}"
