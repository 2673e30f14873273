"""The suite on trial with losses and optimizers: every named fault is caught, in both oracles alike."""

import pytest

from conformance.cases.losses import LOSS_CASES, loss_cases
from conformance.cases.optimizers import OPTIMIZER_CASES, optimizer_cases
from conformance.checks.loss import loss_question
from conformance.checks.optimizer import judge_steps
from conformance.faults.training import FAULTS, FaultyTraining
from conformance.implementations.module import ModuleImplementation
from conformance.oracle.live_keras import LiveKeras
from conformance.oracle.recorded import Recorded
from conformance.statuses import FAILED_STATUSES, PASSED
from conformance.verdict import judge

RECORDED, REFERENCE = Recorded(), ModuleImplementation("reference")
NAMES = [(fault.layers[0], fault.part, fault.name) for fault in FAULTS]


def verdict(implementation, part, case, oracle=RECORDED, strict=False):
    """The suite's verdict on one case."""
    if part == "step":
        return judge_steps(implementation.ask, case, oracle.steps(case, 0), strict=strict)[1]
    expected = oracle.loss(case, 0)
    expectation = expected.value if part == "value" else expected.gradient
    return judge(expectation, implementation.ask(loss_question(part, case, expected)), case.dtype, strict=strict)


def declared(layer, part):
    return optimizer_cases(layer) if part == "step" else loss_cases(layer)


@pytest.mark.parametrize("fault", FAULTS, ids=["-".join(name) for name in NAMES])
def test_every_fault_is_caught(fault):
    wrong, layer = FaultyTraining(fault), fault.layers[0]
    caught = any(verdict(wrong, fault.part, case).status in FAILED_STATUSES for case in declared(layer, fault.part))
    assert caught, f"no declared case of {layer} catches {fault.name}: {fault.sentence}"


def test_faults_have_names_and_sentences_of_their_own():
    assert len(set(NAMES)) == len(NAMES), "two faults have one name"
    assert all(fault.sentence and len(fault.sentence) < 130 for fault in FAULTS), "a fault has no sentence, or a long one"
    assert {fault.layers[0] for fault in FAULTS} == {*LOSS_CASES, *OPTIMIZER_CASES}, "a loss or an optimizer has no fault"


@pytest.mark.parametrize("layer", ["categorical_crossentropy", "log_cosh", "Adam", "Nadam"])
def test_both_oracles_come_to_the_same_verdict(layer):
    """On the reference and on every fault, in the first cases of each dtype."""
    live = LiveKeras()
    part = "step" if layer in OPTIMIZER_CASES else "gradient"
    faults = [FaultyTraining(fault) for fault in FAULTS if fault.layers == (layer,) and fault.part == part]
    cases = list(declared(layer, part))
    for case in (cases[0], cases[1], cases[-1]):
        for implementation in (REFERENCE, *faults):
            both = [verdict(implementation, part, case, oracle).status for oracle in (live, RECORDED)]
            assert both[0] == both[1], f"{implementation.spec} in {case.id}: live Keras says {both[0]}, the vectors say {both[1]}"
        assert verdict(REFERENCE, part, case, strict=True).status == PASSED, f"the reference fails {case.id}"
