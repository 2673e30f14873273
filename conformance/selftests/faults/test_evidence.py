"""A mistake is named only where the answer speaks for it: for what its sentence says, not for something beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import reference
from conformance.base.record import FAILED
from conformance.cases import ALL as LAYERS
from conformance.cases.case import declared_cases
from conformance.cases.losses import loss_cases
from conformance.cases.questions import Answer
from conformance.checks.loss import judge_loss
from conformance.faults import consistent_faults
from conformance.faults.evidence import holds_numbers, shown_by_simpler, speaks_for
from conformance.faults.forward.catalogue import ALL
from conformance.faults.training.catalogue import TRAINING
from conformance.implementations.module import ModuleImplementation
from conformance.judging.judge import judge_case
from conformance.oracle.recorded.reader import Recorded

ORACLE = Recorded()


def of_loss(name, function, title):
    """The result of a loss in the first case of this title."""
    case = next(case for case in loss_cases(name) if case.title == title)
    result = judge_loss("value", case, ModuleImplementation("mine", {name: function}), ORACLE, 0, strict=False)
    assert result.verdict.status == FAILED, f"{case.id} is not failed: {result.verdict}"
    return result


def of_layer(layer, function, name):
    """Results of a layer in the cases that it fails."""
    implementation = ModuleImplementation("mine", {name: function})
    results = (judge_case(case, implementation, ORACLE, 0, strict=False) for case in declared_cases(LAYERS[layer]))
    return [result for result in results if result.verdict.status == FAILED]


def crossed(y_true, y_pred, **options):
    """Clips as Keras does, but (5,) meets (5, 1) by broadcasting."""
    p = np.clip(y_pred, 1e-7, 1 - 1e-7)
    return np.mean(-(y_true * np.log(p) + (1 - y_true) * np.log(1 - p)))


def test_labels_that_are_broadcast_are_not_said_to_be_unclipped():
    found = consistent_faults(of_loss("binary_crossentropy", crossed, "labels_without_last_axis"))
    assert found and found[0].startswith("labels (n,) meet predictions (n, 1)"), f"{found}"
    assert not any("clipped" in sentence for sentence in found), f"it clips as Keras does: {found}"


@pytest.mark.parametrize("title", ["empty_batch", "empty_batch-of_sequences"])
def test_a_mean_of_nothing_is_not_said_to_be_divided_by_another_number(title):
    found = consistent_faults(of_loss("mean_squared_error", lambda y, p: np.mean((y - p) ** 2), title))
    assert found == ["nothing is averaged, and 0 divides: it is NaN, where Keras gives 0, or an empty array for an empty batch"], found


def test_the_mistake_is_told_from_what_is_wrong_without_it():
    result = of_loss("binary_crossentropy", crossed, "labels_without_last_axis")
    fault = next(fault for fault in TRAINING["binary_crossentropy"] if fault.name == "binary_not_clipped" and fault.part == "forward")
    unprepared = replace(fault, function=crossed, plain=crossed)
    assert not speaks_for(unprepared, result), "the fault's code is wrong here with the mistake taken out as well"
    assert speaks_for(replace(fault, plain=reference.binary_crossentropy), result), "the right code is right: the mistake makes the answer"


def test_zeros_do_not_speak_for_a_mistake_that_gives_wrong_numbers():
    zeros = of_layer("Dense", lambda x, kernel, bias=None: np.zeros((*x.shape[:-1], kernel.shape[1]), x.dtype), "dense_forward")
    told = {result.case.title: consistent_faults(result) for result in zeros}
    assert "no_features" in told and not any(told.values()), f"nothing but zeros is said to look like {told}"
    right = of_layer("Dense", lambda x, kernel, bias=None: x @ kernel, "dense_forward")
    assert consistent_faults(right[0]) == ["the bias is left out"], "numbers speak for it"


def test_a_row_of_nan_speaks_for_a_mistake_that_only_gives_nan():
    def softmax_forward(x, *, axis=-1, mask=None):
        return reference.softmax(x if mask is None else np.where(mask, x, -np.inf), axis=axis)

    results = [one for one in of_layer("Softmax", softmax_forward, "softmax_forward") if one.case.call.get("mask", "").startswith("row")]
    results = results or of_layer("Softmax", softmax_forward, "softmax_forward")
    said = [sentence for result in results for sentence in consistent_faults(result)]
    assert any(sentence.startswith("a row that is masked as a whole gives NaN") for sentence in said), f"{said}"


def test_of_several_the_one_comes_first_that_simpler_cases_would_not_have_shown():
    def softmax_forward(x, *, axis=-1, mask=None):
        return reference.softmax_forward(x, axis=axis, mask=None if mask is None else mask != 0)

    found = next(filter(None, (consistent_faults(one) for one in of_layer("Softmax", softmax_forward, "softmax_forward"))))
    assert found[0].startswith("in a mask of numbers whatever is not 0 counts"), f"bool masks pass: {found}"


def test_simpler_cases_show_a_plain_mistake():
    result = of_layer("Dense", lambda x, kernel, bias=None: x @ kernel, "dense_forward")[-1]
    named = {fault.name: fault for fault in ALL["Dense"]}
    assert shown_by_simpler(named["bias_left_out"], result) > 0, "a bias that is left out shows in every case"
    assert shown_by_simpler(replace(named["bias_left_out"], of_a_part=True), result) == 0, "a part's fault is made for one question"


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        (np.array([0.0, 2.0]), True),
        (np.array([np.nan, np.inf, 0.0]), False),
        (np.zeros((0, 3)), False),
        ((np.zeros(2), np.array([1.0])), True),
        ((np.zeros(2), np.array(np.nan)), False),
        (np.array([3]), True),
    ],
)
def test_numbers_are_what_is_finite_and_not_0(value, numbers):
    assert holds_numbers(Answer("passed", value)) is numbers, f"{value!r}"


def test_nan_in_some_places_alone_speak_for_a_mistake_by_where_they_stand():
    def softmax(x, axis=-1):
        return np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)

    single = [one for one in of_layer("softmax", softmax, "softmax") if one.case.dtype == "float32"]
    assert single and not all(holds_numbers(one.answer) for one in single), "in one of them all is NaN or 0"
    for one in single:
        found = consistent_faults(one)
        assert found[:1] == ["the maximum is not subtracted first, so that exp overflows to NaN"], f"{one.case.id}: {found}"
