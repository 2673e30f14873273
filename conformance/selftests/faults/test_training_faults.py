"""The suite on trial with losses and optimizers: every named fault is caught, in both oracles alike, and its failure names it."""

from __future__ import annotations

import functools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import conformance.faults
import reference
from conformance.base.record import ERROR, FAILED, FAILED_STATUSES, PASSED
from conformance.cases.losses import LOSS_CASES, loss_cases
from conformance.cases.optimizers import OPTIMIZER_CASES, optimizer_cases
from conformance.checks.loss import judge_loss
from conformance.checks.optimizer import judge_steps
from conformance.cli.check import main as check
from conformance.faults import consistent_faults
from conformance.faults.fault import Fault, FaultyImplementation, right_function
from conformance.faults.training.adam import adam, plain_adam
from conformance.faults.training.catalogue import TRAINING
from conformance.faults.training.losses import huber_errors, of_errors
from conformance.faults.training.optimizer_formulas import adagrad_update, divided_first, keras_root, rmsprop_update, stepping
from conformance.faults.training.optimizers import accumulating, averaging
from conformance.implementations.module import ModuleImplementation
from conformance.judging.explain import explain
from conformance.oracle.live.keras import LiveKeras
from conformance.oracle.recorded.reader import Recorded

RECORDED, REFERENCE = Recorded(), ModuleImplementation("reference")
ASKED = [(name, part) for name in LOSS_CASES for part in ("forward", "backward")] + [(name, "step") for name in OPTIMIZER_CASES]
AT_LEAST = {"forward": 10, "backward": 10, "step": 9}
"""How many mistakes must have a name."""


def judged(implementation, part, case, oracle=RECORDED, strict=False):
    """The suite's result of one case."""
    if part == "step":
        return judge_steps(case, implementation, oracle, 0, strict=strict)
    return judge_loss("value" if part == "forward" else "gradient", case, implementation, oracle, 0, strict=strict)


@functools.cache
def declared(name):
    """The cases of a loss or an optimizer."""
    return tuple(optimizer_cases(name) if name in OPTIMIZER_CASES else loss_cases(name))


def faults_of(name, part):
    """The faults that stand in for one function."""
    return [fault for fault in TRAINING[name] if fault.part == part]


def ends(fault, name):
    """ "named" where the failure of a case names the fault; else how the cases end that it does not pass."""
    found = set()
    for case in declared(name):
        one = judged(FaultyImplementation(fault, name), fault.part, case)
        if one.verdict.status == FAILED and fault.sentence in consistent_faults(one):
            return {"named"}
        found.add(one.verdict.status)
    return found & set(FAILED_STATUSES)


@pytest.fixture
def kept_answers(monkeypatch):
    """Faults are asked each question once, however many diagnoses compare with them."""
    ask, kept = conformance.faults._answer, {}

    def answer(result, fault):
        made = 0 if result.steps is None else len(result.steps.gradients)
        key = (result.case.id, made, fault.name)
        if key not in kept:
            kept[key] = ask(result, fault)
        return kept[key]

    monkeypatch.setattr(conformance.faults, "_answer", answer)


@pytest.mark.parametrize(("name", "part"), ASKED, ids=["-".join(pair) for pair in ASKED])
def test_every_fault_is_caught_and_named(name, part, kept_answers):
    for fault in faults_of(name, part):
        found = ends(fault, name)
        assert found, f"no declared case of {name} catches {fault.name}: {fault.sentence}"
        # An exception says itself what is wrong.
        assert found <= {"named", ERROR}, f"no failure of {name} names {fault.name}: {fault.sentence}"


@pytest.mark.parametrize(("name", "part"), ASKED, ids=["-".join(pair) for pair in ASKED])
def test_faults_have_names_and_sentences_of_their_own(name, part):
    faults = faults_of(name, part)
    assert len(faults) >= AT_LEAST[part], f"{name} has {len(faults)} named faults of its {part} only"
    assert len({fault.name for fault in faults}) == len({fault.sentence for fault in faults}) == len(faults), (
        f"two faults of {name} are one"
    )
    for fault in faults:
        assert fault.sentence and "\n" not in fault.sentence and not fault.sentence.endswith("."), f"{fault.name} reads badly"
        assert len(fault.sentence) < 130, f"the sentence of {fault.name} has {len(fault.sentence)} characters"


@pytest.mark.parametrize(("name", "part"), ASKED, ids=["-".join(pair) for pair in ASKED])
def test_the_reference_is_consistent_with_no_fault(name, part):
    for case in declared(name)[:: len(declared(name)) - 1]:
        one = judged(REFERENCE, part, case, strict=True)
        assert one.verdict.status == PASSED, f"the reference fails {case.id}: {one.verdict.sentence}"
        assert consistent_faults(one) == [], f"{case.id}: the right answer is said to look like {consistent_faults(one)}"


PLAIN = {
    "Adam": stepping(functools.partial(adam, change=plain_adam)),
    "AdamW": stepping(functools.partial(adam, change=plain_adam), weight_decay=0.004),
    "RMSprop": stepping(functools.partial(rmsprop_update, keras_root, divided_first)),
    "Adagrad": stepping(functools.partial(adagrad_update, keras_root)),
    "SGD": accumulating(averaging(reference.sgd_step), lambda number, count: (number + 1) % count == 0, keeps=False),
    "huber": of_errors(huber_errors),
}
"""Formulas that faults are variants of, with nothing replaced."""


@pytest.mark.parametrize("name", PLAIN)
def test_formulas_written_out_are_right_with_nothing_replaced(name):
    part = "step" if name in OPTIMIZER_CASES else "forward"
    plain = FaultyImplementation(Fault("plain", (name,), "", PLAIN[name], part), name)
    cases = [case for case in declared(name) if case.dtype == "float64"]
    wrong = [case.id for case in cases if judged(plain, part, case).verdict.status != PASSED]
    assert cases and not wrong, f"the faults of {name} are variants of code that is wrong itself in {wrong[:3]}"


@pytest.mark.parametrize("name", ["categorical_crossentropy", "log_cosh", "Adam", "Nadam"])
def test_both_oracles_come_to_the_same_verdict(name):
    """On the reference and on every fault, in the first cases of each dtype."""
    live = LiveKeras()
    part = "step" if name in OPTIMIZER_CASES else "backward"
    faults = [FaultyImplementation(fault, name) for fault in faults_of(name, part)]
    cases = declared(name)
    for case in (cases[0], cases[1], cases[-1]):
        known = live.steps(case, 0) if part == "step" else live.loss(case, 0)
        asked_once = SimpleNamespace(steps=lambda *_, known=known: known, loss=lambda *_, known=known: known)
        for implementation in (REFERENCE, *faults):
            both = [judged(implementation, part, case, oracle).verdict.status for oracle in (asked_once, RECORDED)]
            assert both[0] == both[1], f"{implementation.spec} in {case.id}: live Keras says {both[0]}, the vectors say {both[1]}"
        assert judged(REFERENCE, part, case, strict=True).verdict.status == PASSED, f"the reference fails {case.id}"


@pytest.mark.parametrize(("name", "part", "wrong"), [("huber", "backward", "wrong_sign"), ("Adam", "step", "bias_not_corrected")])
def test_where_the_reference_is_wrong_no_fault_is_named(name, part, wrong, monkeypatch):
    fault = next(fault for fault in faults_of(name, part) if fault.name == wrong)
    one = next(one for case in declared(name) if (one := judged(FaultyImplementation(fault, name), part, case)).verdict.status == FAILED)
    assert fault.sentence in consistent_faults(one), f"{wrong} is not named where the reference is right"
    monkeypatch.setattr(reference, right_function(name, part).__name__, fault.function)
    assert consistent_faults(one) == [], "faults are made of the reference, which is wrong itself, and were named all the same"


@pytest.mark.parametrize("value", [None, (), "text", np.zeros(0), ([None, "a"], None), ([], {}), (np.zeros(2), None)])
def test_a_diagnosis_never_raises(value):
    fault = Fault("odd", ("Adam",), "", lambda *arguments, **options: value, "step")
    one = judged(FaultyImplementation(fault, "Adam"), "step", declared("Adam")[0])
    assert one.verdict.status == FAILED and consistent_faults(one) == [], f"{value!r}: {one.verdict.status}, {consistent_faults(one)}"


STUDENT = """
import numpy as np

def adam_step(variables, gradients, state, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    t, m, v = state or (0, [0 * w for w in variables], [0 * w for w in variables])
    t += 1
    m = [beta_1 * a + (1 - beta_1) * g for a, g in zip(m, gradients)]
    v = [beta_2 * a + (1 - beta_2) * g * g for a, g in zip(v, gradients)]
    rate = learning_rate * np.sqrt(1 - beta_2 ** CORRECTED) / (1 - beta_1 ** CORRECTED)
    return [w - rate * a / ROOT for w, a, b in zip(variables, m, v)], (t, m, v)

def mean_squared_error_backward(y_true, y_pred):
    return (y_pred - y_true.reshape(y_pred.shape)) / y_pred.size

def mean_absolute_error(y_true, y_pred):
    return np.abs(y_true.reshape(y_pred.shape) - y_pred).sum(axis=-1).mean()
"""


@pytest.mark.parametrize(
    ("corrected", "root", "step", "said"),
    [
        ("t", "np.sqrt(b + epsilon)", 1, "epsilon stands inside the root, sqrt(u + epsilon)"),
        ("1", "(np.sqrt(b) + epsilon)", 2, "the number of the update stays 1 in the correction"),
    ],
)
def test_the_mistakes_of_a_file_are_named(corrected, root, step, said, tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(STUDENT.replace("CORRECTED", corrected).replace("ROOT", root))
    assert check([str(path), "--layers", "Adam,mean_squared_error,mean_absolute_error"]) == 1, "a file with mistakes ends with 0"
    told = capsys.readouterr().out
    for sentence in (
        f"does not give what Keras gives: step {step}: ",
        f" cases: you would get exactly these values when {said}.",
        "values are off in the gradient of y_pred.",
        " cases: you would get exactly these values when the factor 2 of the square's derivative is left out.",
        "does not give what Keras gives: the only value is off.\n    Keras gives 0.",
        " cases: you would get exactly these values when the last axis is summed instead of averaged.",
    ):
        assert sentence in told, f"{sentence!r} is missing:\n{told}"
    assert " is 1 times what is expected" not in told, f"a relation that says nothing is told:\n{told}"


def test_the_report_of_a_single_number_names_no_place():
    fault = next(fault for fault in faults_of("huber", "forward") if fault.name == "not_halved")
    one = judged(FaultyImplementation(fault, "huber"), "forward", declared("huber")[0])
    said = explain(one.layer, one.case, "loss", one.verdict, "pytest ...", "", consistent_faults(one))
    assert "the only value is off; expected 0." in said and f"  looks like   {fault.sentence}\n" in said, f"the report:\n{said}"


@pytest.mark.parametrize(("name", "part"), [pair for pair in ASKED if pair[1] != "step"])
def test_formulas_with_the_mistake_taken_out_are_right(name, part):
    plain = {id(fault.plain.func if hasattr(fault.plain, "func") else fault.plain): fault for fault in faults_of(name, part) if fault.plain}
    for fault in plain.values():
        own = FaultyImplementation(replace(fault, function=fault.plain), name)
        cases = [case for case in declared(name) if case.dtype == "float64"]
        wrong = [case.id for case in cases if judged(own, part, case).verdict.status != PASSED]
        assert not wrong, f"{fault.name} of {name} is a variant of code that is wrong itself in {wrong[:3]}"


@pytest.mark.parametrize("layer", TRAINING)
def test_one_option_that_is_ignored_stands_before_all_of_them(layer):
    """Where only one matters both give the same answer, and the first is told first."""
    for part in {fault.part for fault in TRAINING[layer]}:
        names = [fault.name for fault in TRAINING[layer] if fault.part == part]
        assert names.count("all_options_ignored") <= 1, f"{layer} {part}: it is there twice"
        after = names[names.index("all_options_ignored") :] if "all_options_ignored" in names else []
        assert not [name for name in after[1:] if name.endswith("_ignored")], f"{layer} {part}: {after}"
