"""The suite on trial with masks and texts: every named mistake is caught, and the failure names it."""

from __future__ import annotations

import pytest

import reference
from conformance.base.record import ERROR, FAILED, PASSED
from conformance.cases import TEXT
from conformance.cases.questions import Answer, Question
from conformance.checks import KINDS
from conformance.faults import AT_MOST, consistent_faults
from conformance.faults.fault import FaultyImplementation
from conformance.faults.forward.catalogue import ALL
from conformance.faults.forward.text import FAULTS
from conformance.implementations.module import ModuleImplementation
from conformance.judging.again import ANOTHER_ANSWER
from conformance.judging.exact import ExactResult
from conformance.judging.session import CaseRunner, Session
from conformance.oracle.protocol import RECORDED

MASKS = [(layer, fault) for layer in ALL for fault in ALL[layer] if fault.part == "compute_mask"]
TEXTS = [(TEXT, fault) for fault in FAULTS]
EVERY = pytest.mark.parametrize(("layer", "fault"), [*MASKS, *TEXTS], ids=lambda one: getattr(one, "name", one))


def outcomes(implementation, layer, kind):
    """Status, record's message and what explains it, when called, of every question of this kind about a layer."""
    session = Session(oracle_name=RECORDED, diagnose=consistent_faults)
    session.implementation, found = implementation, []

    def settle(record, explain):
        found.append((record.status, record.message, explain))

    for identifier, question in KINDS[kind].cases([layer], "standard"):
        KINDS[kind].check(CaseRunner(session, identifier, lambda: "again", settle), *question)
    return found


@EVERY
def test_every_fault_is_caught_and_named(layer, fault):
    found = outcomes(FaultyImplementation(fault, layer), layer, "text" if layer == TEXT else "mask")
    failed = [explain for status, _, explain in found if status == FAILED]
    assert failed or any(status == ERROR for status, *_ in found), f"no case of {layer} catches {fault.name}"
    told, named = [], False
    for explain in failed:  # up to the first that names it: to explain one takes as long as to ask ten questions
        told.append(explain())
        assert told[-1].count("looks like") <= AT_MOST, "the report guesses too much"
        if named := f"\n  looks like   {fault.sentence}\n" in told[-1]:
            break
    assert named or not failed, f"no failure names {fault.name}:\n{told[0]}"


@pytest.mark.parametrize(("layer", "kind"), [("Embedding", "mask"), ("Concatenate", "mask"), (TEXT, "text")])
def test_the_reference_passes_and_looks_like_nothing(layer, kind):
    found = outcomes(ModuleImplementation("reference"), layer, kind)
    assert found and all(status == PASSED for status, *_ in found), f"{[message for status, message, _ in found if status != PASSED][:2]}"
    assert not any("looks like" in explain() for *_, explain in found), "the right answer is said to look like a mistake"


def test_where_the_reference_is_wrong_no_fault_is_named(monkeypatch):
    fault = next(fault for _, fault in MASKS if fault.name == "mask_inverted")
    found = outcomes(FaultyImplementation(fault, "Embedding"), "Embedding", "mask")
    assert any("looks like" in explain() for *_, explain in found), "the fault is not named where the reference is right"
    monkeypatch.setattr(reference, "embedding_compute_mask", fault.function)
    found = outcomes(FaultyImplementation(fault, "Embedding"), "Embedding", "mask")
    named = any("looks like" in explain() for *_, explain in found)
    assert not named, "faults are made of the reference, which is wrong itself, and were named"


def test_a_mask_that_changes_when_asked_again_fails_with_that_sentence():
    calls = []

    def embedding_compute_mask(x, mask=None, mask_zero=False):
        calls.append(None)
        return reference.embedding_compute_mask(x, mask, mask_zero=mask_zero) if len(calls) % 2 else None

    found = outcomes(ModuleImplementation("mine", {"embedding_compute_mask": embedding_compute_mask}), "Embedding", "mask")
    said = [explain() for status, message, explain in found if status == FAILED and ANOTHER_ANSWER in message]
    assert said and not any("looks like" in told for told in said), f"{found[0]}"


@pytest.mark.parametrize("value", [None, "text", [1, 2], object()])
def test_a_diagnosis_never_raises(value):
    def same(got, wanted):
        raise ValueError("cannot be compared")

    asked = Question("embedding_compute_mask", ([[1, 0]],))
    assert consistent_faults(ExactResult("Embedding", "compute_mask", asked, None, Answer(PASSED, value), same)) == []


def test_sentences_are_different_and_read_well():
    for part in ("adapt", "idf", "forward"):
        sentences = [fault.sentence for fault in FAULTS if fault.part == part]
        assert len(set(sentences)) == len(sentences) > 3, f"two faults of {part} have one sentence, or there are too few"
        assert all(0 < len(one) < 130 and "\n" not in one and not one.endswith(".") for one in sentences), f"one reads badly: {sentences}"
