"""A backward pass beside its own forward pass: those of the reference agree, mistakes are found where they are."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

import reference as right
from conformance.base.record import ERROR, FAILED, PASSED, UNSUPPORTED
from conformance.cases import NAMES, layer_cases
from conformance.cases.case import declared_cases
from conformance.cases.losses import LOSS_CASES
from conformance.cases.questions import function_name
from conformance.checks import properties
from conformance.cli import check
from conformance.faults.backward.catalogue import BACKWARD
from conformance.faults.training.catalogue import TRAINING
from conformance.implementations import PROCESS
from conformance.implementations.module import ModuleImplementation
from conformance.implementations.protocol import implementation_of
from conformance.judging.check_grads import check_grads
from conformance.judging.explain import explain
from conformance.judging.finite_differences import smooth
from conformance.judging.sentences import in_sentences
from conformance.judging.session import CaseRunner, Session
from conformance.judging.verdict import SINGLE_ONLY
from conformance.properties.derivatives import derivative_cases
from conformance.selftests.builders.planted import Planted

REFERENCE = ModuleImplementation("reference")
ASKED = [name for name in NAMES if any(derivative_cases(name))]
DENSE = next(case for _, case in derivative_cases("Dense"))


def verdicts(implementation, name, seed=0, *, strict=False):
    """Every case of a layer with its verdict."""
    layer = layer_cases(name)
    return {identifier: check_grads(implementation, layer, case, seed, strict=strict) for identifier, case in derivative_cases(name)}


def first_failure(implementation, name):
    """The first verdict that is red, or the last one."""
    layer = layer_cases(name)
    for _, case in derivative_cases(name):
        verdict = check_grads(implementation, layer, case)
        if verdict.status == FAILED:
            break
    return verdict


def record(implementation, identifier, told=explain):
    """The record of a case, and how it is explained."""
    session = Session(oracle_name="recorded")
    session.implementation, session.oracle = implementation, None  # no oracle is asked
    settled = []
    (question,) = (question for name, question in properties.cases([identifier.split("-")[0]], "standard") if name == identifier)
    runner = CaseRunner(session, f"test_properties[{identifier}]", lambda: "conform check", lambda *outcome: settled.append(outcome), told)
    properties.check(runner, *question)
    ((found, message),) = settled
    return found, message()


@pytest.mark.parametrize("name", ASKED)
def test_the_reference_differentiates_itself(name):
    found = verdicts(REFERENCE, name, seed=1, strict=True)
    wrong = [f"{identifier}: {verdict.sentence}" for identifier, verdict in found.items() if verdict.status != PASSED]
    assert not wrong, f"{len(wrong)} of {len(found)}: {wrong[0]}"


def test_every_function_that_has_a_backward_is_asked_in_every_option():
    without = [name for name in NAMES if name not in ASKED and hasattr(right, f"{name}_backward")]
    assert not without, f"no case asks about the gradients of {without}"
    for name in ("LSTM", "Conv2D", "Softmax", "ReLU"):
        layer = layer_cases(name)
        declared = [case for case in declared_cases(layer, "smoke") if smooth(layer, case) and not case.config.get("unroll")]
        values, asked = (
            {(option, repr(value)) for case in cases for option, value in {**case.config, **case.call}.items()}
            for cases in (declared, [case for _, case in derivative_cases(name)])
        )
        assert asked == values, f"no gradient of {name} is asked with {values - asked}"


MISTAKES = [
    ("tanh", "derivative_left_out", "the input", ""),
    ("Dense", "weights_divided_by_batch", "bias", " (3 times as much)"),
    ("Dense", "bias_of_the_last_sample", "bias", ""),
    ("PReLU", "alpha_not_summed", "alpha", " (twice as much)"),
    ("Embedding", "repeated_ids_overwrite", "embeddings", ""),
    ("Dropout", "not_scaled", "the input", ""),
    ("Concatenate", "parts_swapped", "input 0", ""),
    ("LayerNormalization", "gamma_by_the_input", "gamma", ""),
    ("BatchNormalization", "statistics_taken_as_constant", "the input", ""),
    ("Conv2D", "gradient_of_the_kernel_turned", "kernel", ""),
    ("MaxPooling2D", "overlaps_overwritten", "the input", ""),
    ("LSTM", "states_swapped", "the initial state h", ""),
    ("SimpleRNN", "doubled_at_the_last_step", "the input", " (half as much)"),
    ("GRU", "bias_of_the_first_step", "bias", ""),
    ("Bidirectional", "backward_half_not_turned", "backward_kernel", ""),
    ("TimeDistributed", "weights_averaged_over_time", "bias", " (4 times as much)"),
    ("mean_squared_error", "factor_2_left_out", "y_pred", " (twice as much)"),
    ("poisson", "wrong_sign", "y_pred", " (the opposite)"),
    ("kl_divergence", "not_averaged", "y_pred", " (1/6 of that)"),
    ("binary_crossentropy", "softmax_not_differentiated", "y_pred", ""),
]


@pytest.mark.parametrize(("name", "fault", "part", "factor"), MISTAKES, ids=["-".join(mistake[:2]) for mistake in MISTAKES])
def test_a_mistake_in_a_backward_pass_is_found_where_it_is(name, fault, part, factor):
    faults = TRAINING[name] if name in LOSS_CASES else BACKWARD[name]
    wrong = next(one.function for one in faults if one.name == fault and one.part == "backward")
    verdict = first_failure(Planted(**{function_name(name, "backward"): wrong}), name)
    number = r"-?\d[\d.e+-]*"
    said = f"the gradient of {part} is not the slope of your own forward pass: "
    said += f"by the backward {number}, by two forward passes {number}{re.escape(factor)}"
    assert verdict.status == FAILED and re.fullmatch(said, verdict.sentence), f"{verdict.status}: {verdict.sentence}"


@pytest.mark.parametrize("part", range(3))
def test_of_several_gradients_the_wrong_one_is_named(part):
    def wrong(*arguments, **options):
        return tuple(2 * one if n == part else one for n, one in enumerate(right.dense_backward(*arguments, **options)))

    verdict = check_grads(Planted(dense_backward=wrong), layer_cases("Dense"), DENSE)
    name = ("the input", "kernel", "bias")[part]
    assert verdict.sentence.startswith(f"the gradient of {name} ") and verdict.sentence.endswith("(half as much)"), verdict.sentence


def test_a_wrong_forward_pass_fails_beside_the_right_gradients():
    verdict = first_failure(Planted(lstm_forward=lambda x, *a, **o: 2 * right.lstm_forward(x, *a, **o)), "LSTM")
    assert verdict.status == FAILED and "(twice as much)" in verdict.sentence, verdict


def test_what_is_wrong_and_agrees_with_itself_passes():
    def backward(grad, x, kernel, bias):
        grad_x, grad_kernel, grad_bias = right.dense_backward(grad, x, kernel, bias)
        return grad_x, grad_kernel, 2 * grad_bias

    doubled = Planted(dense_forward=lambda x, kernel, bias: x @ kernel + 2 * bias, dense_backward=backward)
    assert check_grads(doubled, layer_cases("Dense"), DENSE).status == PASSED, "nobody here knows the right answer"


def test_a_small_mistake_shows():
    """In the seventh digit: what would be rounding of float32 in code that computes in it is remarked, and a hundred times that fails."""
    for share, status, remarks in ((1e-6, PASSED, (SINGLE_ONLY,)), (1e-4, FAILED, ())):
        off = Planted(dense_backward=lambda *a, share=share: tuple((1 + share) * one for one in right.dense_backward(*a)))
        verdict = check_grads(off, layer_cases("Dense"), DENSE)
        assert (verdict.status, verdict.remarks) == (status, remarks), f"off by {share}: {verdict}"


def single(function):
    """A function that computes in float32 inside, whatever it is given."""

    def inside(value):
        if isinstance(value, tuple | list):
            return type(value)(inside(part) for part in value)
        return value.astype(np.float32) if isinstance(value, np.ndarray) and value.dtype == np.float64 else value

    def outside(value):
        if isinstance(value, tuple | list):
            return type(value)(outside(part) for part in value)
        return value.astype(np.float64) if isinstance(value, np.ndarray | np.generic) else value

    return lambda *positional, **keywords: outside(
        function(*inside(positional), **{option: inside(own) for option, own in keywords.items()})
    )


class Float32Inside(ModuleImplementation):
    """The reference, computing in float32."""

    def function(self, name):
        return single(super().function(name))


@pytest.mark.parametrize("name", ASKED)
def test_float32_inside_is_a_remark_unless_strict(name):
    found = verdicts(Float32Inside("reference"), name)
    wrong = [f"{identifier}: {verdict.sentence}" for identifier, verdict in found.items() if verdict.status != PASSED]
    assert not wrong, f"rounding to float32 fails {len(wrong)} of {len(found)}: {wrong[0]}"


def test_float32_inside_is_remarked_and_fails_the_strict_rule():
    for name in ("Dense", "LSTM", "huber", "Conv2D"):
        assert any(SINGLE_ONLY in verdict.remarks for verdict in verdicts(Float32Inside("reference"), name).values()), f"{name}: no remark"
    verdict = check_grads(Float32Inside("reference"), layer_cases("Dense"), DENSE, strict=True)
    assert verdict.status == FAILED and SINGLE_ONLY in verdict.sentence, f"the strict rule let float32 pass: {verdict}"


@pytest.mark.parametrize(
    ("identifier", "implementation", "why"),
    [
        ("binary_crossentropy-check_grads-reduction=none", REFERENCE, "a probability is nearly 1"),
        ("threshold-check_grads-threshold=0.5-default_value=0.0-images", Float32Inside("reference"), "a value lies at the threshold"),
    ],
)
def test_a_value_within_a_step_of_an_edge_is_no_mistake(identifier, implementation, why):
    name = identifier.partition("-")[0]
    verdict = verdicts(implementation, name, seed=6, strict=implementation is REFERENCE)[identifier]
    assert verdict.status == PASSED, f"with this seed {why}, and {verdict.sentence}"


def test_a_mistake_in_float32_is_a_mistake():
    class Wrong(Float32Inside):
        def function(self, name):
            halves = single(lambda *a, **o: tuple(one / 2 for one in right.dense_backward(*a, **o)))
            return halves if name == "dense_backward" else super().function(name)

    verdict = check_grads(Wrong("reference"), layer_cases("Dense"), DENSE)
    assert verdict.status == FAILED and verdict.sentence.startswith("the gradient of "), f"halved gradients passed as rounding: {verdict}"


ODD = {
    "no backward pass": ({"dense_backward": None}, UNSUPPORTED, "reference has no function dense_backward"),
    "no forward pass": ({"dense_forward": None}, UNSUPPORTED, "reference has no function dense_forward"),
    "an exception": ({"dense_backward": lambda *a: 1 / 0}, ERROR, "dense_backward raised ZeroDivisionError"),
    "too few": ({"dense_backward": lambda *a: right.dense_backward(*a)[:2]}, FAILED, "dense_backward: it returns 2 gradients, where 3"),
    "a shape": (
        {"dense_backward": lambda *a: tuple(one.T for one in right.dense_backward(*a))},
        FAILED,
        "dense_backward: the gradient of the input has the shape (5, 3), expected (3, 5)",
    ),
    "NaN": (
        {"dense_backward": lambda *a: tuple(one * np.nan for one in right.dense_backward(*a))},
        FAILED,
        "dense_backward: gives NaN or infinity for ordinary numbers",
    ),
    "NaN of the forward pass": (
        {"dense_forward": lambda *a: right.dense_forward(*a) * np.nan},
        FAILED,
        "dense_forward: gives NaN or infinity for ordinary numbers",
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_answer_becomes_a_sentence(kind):
    functions, status, said = ODD[kind]
    found, told = record(Planted(**functions), "Dense-check_grads-units=6-features")
    assert found.status == status and found.message.startswith(said), f"{kind}: {found.status}: {found.message}"
    assert "Keras gives" not in told and "expected 0" not in told, f"an expected value is told where none is known:\n{told}"


def test_an_option_that_is_missing_leaves_it_unsupported():
    plain = Planted(dense_backward=lambda grad, x, kernel, bias: right.dense_backward(grad, x, kernel, bias))
    found = verdicts(plain, "Dense")
    assert found["Dense-check_grads-units=6-features"].status == PASSED, "defaults are asked"
    refused = found["Dense-check_grads-activation=relu-units=6-features"]
    assert (refused.status, refused.sentence) == (UNSUPPORTED, "dense_backward does not accept the option activation"), refused


def test_records_and_explanations():
    doubled = Planted(dense_backward=lambda *a: (*right.dense_backward(*a)[:2], 2 * right.dense_backward(*a)[2]))
    identifier = "Dense-check_grads-units=6-features"
    found, told = record(doubled, identifier)
    assert (found.id, found.layer, found.kind, found.status) == (f"test_properties[{identifier}]", "Dense", "property", FAILED), found
    assert told.splitlines()[0] == "Dense backward  units=6, features, input 3x5, float64    FAILED", told
    assert told.splitlines()[1].startswith("  the gradient of bias is not the slope of your own forward pass: by the backward "), told
    _, told = record(doubled, identifier, in_sentences)
    sentence = "The backward pass of Dense (units=6, features; input of shape (3, 5), float64) is not right: the gradient of bias is not"
    assert told.startswith(sentence), told


MINE = """
import numpy as np

def dense_forward(x, kernel, bias):
    return x @ kernel + bias

def dense_backward(grad_output, x, kernel, bias):
    return grad_output @ kernel.T, x.T @ grad_output, grad_output.sum(0) / len(x)

def relu(x):
    return np.maximum(x, 0)
"""


@pytest.mark.parametrize("program", [False, True], ids=["process", "exec"])
def test_a_process_and_a_program_are_asked_as_well(program, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    command = f"exec:{sys.executable} -m conformance.implementations.child {path}"
    implementation = implementation_of(command) if program else implementation_of(str(path), PROCESS)
    try:
        dense, relu = (
            check_grads(implementation, layer_cases(name), next(case for _, case in derivative_cases(name))) for name in ("Dense", "relu")
        )
    finally:
        implementation.close()
    assert dense.status == FAILED and dense.sentence.startswith("the gradient of bias is") and "(3 times as much)" in dense.sentence, dense
    assert relu.status == UNSUPPORTED and "has no function relu_backward" in relu.sentence, relu


def test_the_quick_check_asks_it_where_there_is_a_backward_pass(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    case = "Dense-check_grads-units=6-features"
    assert check.main([str(path), "--layers", "Dense", "--case", case]) == 1, "a bias that is averaged over the batch passes"
    said = capsys.readouterr().out
    assert "the gradient of bias is not the slope of your own forward pass: by the backward " in said, said
    assert check.main([str(path), "--layers", "relu", "--case", "relu-check_grads-rows"]) == 2, "a file without gradients is asked for them"
