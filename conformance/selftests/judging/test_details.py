"""All numbers of a case, and a script that shows it without the suite: every kind of question, run as it is printed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from conformance.cases import layer_cases
from conformance.cases.case import declared_cases
from conformance.cases.losses import loss_cases
from conformance.cases.optimizers import optimizer_cases
from conformance.checks.loss import judge_loss
from conformance.checks.optimizer import judge_steps
from conformance.implementations.module import ModuleImplementation
from conformance.judging.details import in_detail
from conformance.judging.judge import judge_backward, judge_case
from conformance.oracle.recorded.reader import Recorded
from conformance.selftests.builders.place import ROOT

ORACLE = Recorded()
REFERENCE = ModuleImplementation("reference")


def result_of(kind, implementation=REFERENCE):
    """One judged case of a kind."""
    forward = next(case for case in declared_cases(layer_cases("Dense")) if case.config.get("activation") == "relu")
    sequence = next(declared_cases(layer_cases("Bidirectional")))
    return {
        "forward": lambda: judge_case(forward, implementation, ORACLE, 0, strict=False),
        "backward": lambda: judge_backward(forward, implementation, ORACLE, 0, strict=False),
        "wrapped": lambda: judge_case(sequence, implementation, ORACLE, 0, strict=False),
        "value": lambda: judge_loss("value", next(iter(loss_cases("huber", "smoke"))), implementation, ORACLE, 0, strict=False),
        "gradient": lambda: judge_loss("gradient", next(iter(loss_cases("huber", "smoke"))), implementation, ORACLE, 0, strict=False),
        "steps": lambda: judge_steps(next(iter(optimizer_cases("Adam", "smoke"))), implementation, ORACLE, 0, strict=False),
    }[kind]()


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("forward", ["x: float64", "kernel: float64", "bias: float64", "activation = 'relu'", "expected: float64", "got: float64"]),
        ("backward", ["grad_output: float64", "x: float64", "expected gradient of kernel: float64", "got gradient of bias: float64"]),
        ("wrapped", ["forward_weights, part 1: float64", "backward_weights, part 3: float64", "expected: float64"]),
        ("value", ["y_true: float64", "y_pred: float64", "expected: float64, shape ()"]),
        ("gradient", ["y_true: float64", "y_pred: float64", "expected gradient of y_pred: float64"]),
        ("steps", ["variables, part 2: float64", "gradients of step 3, part 1: float64", "expected output 6: float64"]),
    ],
)
def test_every_array_stands_there_by_its_name_and_the_script_runs(kind, names):
    result = result_of(kind)
    text = in_detail(result, "reference")
    for name in names:
        assert f"\n{name}" in text, f"{name!r} is missing:\n{text}"
    script = text.partition("The same without the suite:\n")[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"the script does not run: {done.stderr}\n{script}"
    last = result.expectation.outputs[-1].ravel()
    assert f"{last[np.argmax(np.abs(last))]:.4f}"[:-1] in done.stdout, f"it gives what is expected: {done.stdout}\n{script}"
    assert script.partition("# Keras:")[2].strip(), "and says what Keras gives"


def test_what_is_no_array_is_shown_as_it_is():
    text = in_detail(result_of("forward", ModuleImplementation("mine", {"dense_forward": lambda *a, **k: [1, 2]})), "mine")
    assert "got = [1, 2]" in text, text
    pair = ModuleImplementation("mine", {"dense_forward": lambda *a, **k: (np.ones(2), np.ones(1))})
    assert "got, part 2: float64, shape (1,)" in in_detail(result_of("forward", pair), "mine"), "a tuple is shown part by part"


def test_an_error_is_told_in_place_of_an_answer():
    def broken(*arguments, **options):
        raise ZeroDivisionError("no")

    text = in_detail(result_of("forward", ModuleImplementation("mine", {"dense_forward": broken})), "mine")
    assert "Your function did not return: dense_forward raised ZeroDivisionError: no" in text, text


def test_what_is_not_supported_is_told_with_its_arguments():
    text = in_detail(result_of("forward", ModuleImplementation("mine", {"dense_forward": lambda x, kernel, bias: x})), "mine")
    assert "kernel: float64" in text and "It was not answered: dense_forward does not accept the option activation" in text, text
