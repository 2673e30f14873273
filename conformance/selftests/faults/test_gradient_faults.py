"""The suite on trial with gradients: every named fault of a backward pass is caught, and the report of a wrong gradient names it."""

from __future__ import annotations

import functools

import pytest

import reference
from conformance.base.record import FAILED, PASSED
from conformance.cases import ALL as LAYERS
from conformance.cases.case import FunctionCases
from conformance.cases.gradients import backward_cases
from conformance.faults import AT_MOST, consistent_faults
from conformance.faults.adequacy import gradient_cases, gradient_verdict
from conformance.faults.backward.catalogue import BACKWARD, gradient_faults_of_parts
from conformance.faults.backward.pooling import window_by_window
from conformance.faults.backward.recurrent import after_step
from conformance.faults.backward.wrappers import half_by_half
from conformance.faults.fault import Fault, FaultyImplementation, right_function
from conformance.faults.forward.catalogue import ALL
from conformance.implementations.module import ModuleImplementation
from conformance.judging.explain import explain
from conformance.judging.judge import judge_backward
from conformance.oracle.recorded.reader import Recorded

ORACLE, REFERENCE = Recorded(), ModuleImplementation("reference")
ASKED = [name for name, layer in LAYERS.items() if any(backward_cases(layer, "smoke"))]
"""Everything whose gradients are asked for."""


def first_failing(fault, layer):
    """The first case in which the fault gives wrong numbers; an exception does not count."""
    return next(
        (case for case in gradient_cases(layer) if gradient_verdict(FaultyImplementation(fault, layer), case).status == FAILED), None
    )


@pytest.mark.parametrize("layer", ASKED)
def test_every_fault_is_caught(layer):
    missed = [f"{fault.name} ({fault.sentence})" for fault in BACKWARD[layer] if first_failing(fault, layer) is None]
    assert not missed, f"no declared case of {layer} catches {missed}"


@pytest.mark.parametrize("layer", ASKED)
def test_faults_have_names_and_sentences_of_their_own(layer):
    faults = BACKWARD[layer]
    assert faults, f"{layer} has gradients and no named fault of them"
    assert len({fault.name for fault in faults}) == len({fault.sentence for fault in faults}) == len(faults), (
        f"two faults of {layer} are one"
    )
    for fault in faults:
        assert fault.part == "backward" and fault not in ALL[layer], f"{fault.name} is not told from the faults of the forward pass"
        assert fault.sentence and "\n" not in fault.sentence and not fault.sentence.endswith("."), f"{fault.name} reads badly"
        assert len(fault.sentence) < 130, f"the sentence of {fault.name} has {len(fault.sentence)} characters"


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        *((layer, after_step(lambda step: step)) for layer in ("SimpleRNN", "LSTM", "GRU")),
        ("Bidirectional", half_by_half()),
        *((layer, window_by_window()) for layer in ("MaxPooling1D", "AveragePooling2D")),
    ],
)
def test_layers_taken_apart_are_right_with_nothing_replaced(layer, function):
    own = functools.partial(function, right_function(layer, "backward"))
    plain = FaultyImplementation(Fault("plain", (layer,), "", own, "backward"), layer)
    cases = [case for case in gradient_cases(layer) if case.dtype == "float64" and case.call.get("values") != "integers"]
    wrong = [case.id for case in cases if gradient_verdict(plain, case).status != PASSED]
    assert cases and not wrong, f"the faults of {layer} are variants of code that is wrong itself in {wrong[:3]}"


@pytest.mark.parametrize("layer", [name for name in ASKED if not isinstance(LAYERS[name], FunctionCases)])
def test_the_reference_is_consistent_with_no_fault(layer):
    cases = gradient_cases(layer)
    for case in (cases[0], cases[len(cases) // 2], cases[-1]):
        result = judge_backward(case, REFERENCE, ORACLE, 0, strict=True)
        assert result.verdict.status == PASSED, f"the reference fails {case.id}: {result.verdict.sentence}"
        found = consistent_faults(result)
        assert not found, f"{case.id}: the right gradients are said to look like {found}"


def report(fault, layer, case):
    result = judge_backward(case, FaultyImplementation(fault, layer), ORACLE, 0, strict=False)
    likely = consistent_faults(result)
    return explain(result.layer, case, "backward", result.verdict, "pytest ...", result.answer.printed, likely)


NAMED = [
    ("Dense", "derivative_left_out"),
    ("Dense", "softmax_taken_for_1"),
    ("Dense", "softmax_diagonal"),
    ("Dense", "tanh_of_the_argument"),
    ("Dense", "weights_divided_by_batch"),
    ("Dense", "bias_of_the_last_sample"),
    ("Dense", "bias_not_summed"),
    ("Dense", "kernel_not_transposed"),
    ("sigmoid", "sigmoid_of_the_argument"),
    ("relu", "passes_at_0"),
    ("silu", "derivative_at_the_output"),
    ("Embedding", "repeated_ids_overwrite"),
    ("Flatten", "undone_in_the_wrong_layout"),
    ("Flatten", "left_as_it_came"),
    ("Dropout", "not_scaled"),
    ("Add", "repeated_values_not_summed"),
    ("Concatenate", "parts_swapped"),
    ("PReLU", "alpha_not_summed"),
    ("Softmax", "softmax_diagonal"),
    ("BatchNormalization", "statistics_taken_as_constant"),
    ("BatchNormalization", "divided_by_the_batch_alone"),
    ("LayerNormalization", "variance_taken_as_constant"),
    ("LayerNormalization", "gamma_after_the_statistics"),
    ("Conv2D", "kernel_not_turned"),
    ("Conv2D", "input_left_padded"),
    ("Conv2D", "odd_cell_cut_at_the_start"),
    ("Conv2D", "gradient_of_the_kernel_turned"),
    ("Conv1D", "weights_of_the_last_sample"),
    ("Conv2D", "strides_ignored"),
    ("Conv2D", "groups_interleaved"),
    ("Conv1D", "dilation_ignored"),
    ("MaxPooling2D", "overlaps_overwritten"),
    ("MaxPooling2D", "ties_to_all"),
    ("MaxPooling2D", "pool_odd_cell_cut_at_the_start"),
    ("MaxPooling1D", "nan_chosen_by_none"),
    ("MaxPooling1D", "ties_to_the_last"),
    ("AveragePooling2D", "padded_cells_counted"),
    ("GlobalAveragePooling1D", "mask_ignored"),
    ("SimpleRNN", "doubled_at_the_last_step"),
    ("SimpleRNN", "derivative_of_relu"),
    ("SimpleRNN", "outputs_of_masked_steps_left_out"),
    ("LSTM", "states_lost_at_masked_steps"),
    ("LSTM", "recurrent_kernel_not_transposed"),
    ("LSTM", "saved_by_the_last_step"),
    ("LSTM", "truncated_to_one_step"),
    ("LSTM", "gates_ifoc"),
    ("LSTM", "cell_state_cut"),
    ("LSTM", "states_swapped"),
    ("LSTM", "mask_ignored"),
    ("GRU", "other_reset_form"),
    ("GRU", "kept_state_left_out"),
    ("GRU", "input_not_turned_back"),
    ("GRU", "bias_of_the_first_step"),
    ("Bidirectional", "product_as_sum"),
    ("Bidirectional", "concatenated_halves_swapped"),
    ("Bidirectional", "backward_half_not_turned"),
    ("TimeDistributed", "weights_of_the_last_step"),
]


@pytest.mark.parametrize(("layer", "name"), NAMED, ids=["-".join(pair) for pair in NAMED])
def test_the_report_names_the_fault(layer, name):
    fault = next(fault for fault in BACKWARD[layer] if fault.name == name)
    said = report(fault, layer, first_failing(fault, layer))
    assert f"  looks like   {fault.sentence}\n" in said, f"the report does not name the fault:\n{said}"
    assert said.count("looks like") <= AT_MOST, f"the report guesses too much:\n{said}"


def test_of_several_mistakes_the_one_is_named_that_is_most_off():
    def wrong(grad_output, x, kernel, bias=None, **options):
        grad_x, *_ = reference.dense_backward(grad_output, x, kernel, bias, **options)
        return (0.5 * grad_x, *(one / len(x) for one in reference.dense_backward(grad_output, x, kernel, bias, **options)[1:]))

    said = report(Fault("odd", ("Dense",), "", wrong, "backward"), "Dense", gradient_cases("Dense")[0])
    assert "looks like   the gradients of the weights are divided by the batch size" in said, f"no single gradient is looked at:\n{said}"


@pytest.mark.parametrize(
    ("layer", "part", "wrong", "said"),
    [
        ("Bidirectional", "LSTM", "gates_ifoc", "in both halves: the gradients of the weights hold the gates in the order i, f, o, c"),
        ("Bidirectional", "LSTM", "state_after_the_step", "in both halves: the state after each step is taken for the state before it"),
        ("Bidirectional", "SimpleRNN", "state_of_two_steps_before", "in the backward half: the state of two steps before is taken for"),
        ("TimeDistributed", "Dense", "bias_divided_by_batch", "in every step: the gradient of the bias is averaged over the batch"),
    ],
)
def test_a_wrong_part_of_a_wrapper_is_named_there(layer, part, wrong, said):
    case = next(case for case in gradient_cases(layer) if case.config.get("layer", part) == part)
    fault = next(fault for fault in gradient_faults_of_parts(case) if fault.name == wrong and fault.sentence.startswith(said))
    told = report(fault, layer, case)
    assert f"looks like   {said}" in told, f"the wrong part is not named:\n{told}"
