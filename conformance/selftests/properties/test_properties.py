"""Properties: the reference keeps them all, each of them goes red for a mistake, and odd answers become statuses."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import reference as right
from conformance.base.record import BLOCKED, ERROR, FAILED, PASSED, UNSUPPORTED
from conformance.base.report import Report
from conformance.checks import properties
from conformance.cli import check
from conformance.implementations.module import ModuleImplementation
from conformance.judging.session import CaseRunner, Session
from conformance.judging.verdict import SINGLE_ONLY
from conformance.oracle.recorded.reader import Recorded
from conformance.properties import ALL
from conformance.selftests.builders.planted import MISTAKES, Planted

BY_ID = {one.id: one for one in ALL}
SAMPLES = Path(__file__).resolve().parents[3] / "fixtures" / "implementations"


ORACLE = Recorded()


def record(identifier, implementation, *, strict=False, oracle=ORACLE):
    """What becomes of a property."""
    session = Session(oracle_name="recorded", strict=strict)
    session.implementation = implementation
    session.oracle = oracle
    settled = []
    runner = CaseRunner(session, f"test_properties[{identifier}]", lambda: "conform check", lambda *outcome: settled.append(outcome))
    properties.check(runner, BY_ID[identifier])
    ((found, _),) = settled
    return found


def test_ids_are_unique():
    assert len(BY_ID) == len(ALL), "two properties have the same id"


@pytest.mark.parametrize("identifier", BY_ID)
def test_the_reference_keeps_it(identifier):
    found = record(identifier, ModuleImplementation("reference"), strict=True, oracle=None)  # none is asked
    assert (found.status, found.message, found.kind) == (PASSED, "", "property"), found.message


@pytest.mark.parametrize("identifier", MISTAKES)
def test_a_mistake_is_found(identifier):
    found = record(identifier, Planted(**MISTAKES[identifier]))
    assert found.status == FAILED, f"{identifier} does not notice the mistake planted for it"
    (function,) = MISTAKES[identifier]
    assert found.message.startswith(function), f"the message does not begin with {function}: {found.message}"


def test_every_property_has_a_mistake():
    assert {one.name for one in ALL} == {BY_ID[identifier].name for identifier in MISTAKES}, "a property was never seen to fail"


def test_a_failure_says_what_and_where():
    message = record("LSTM-halves-return_sequences", Planted(**MISTAKES["LSTM-halves-return_sequences"])).message
    sentence = r"lstm_forward read in two halves, the state handed over, is not the whole: "
    place = r"\d+ of 70 values are off; the first in the output at \(0, 3, 0\): expected -?\d\.\d+, got -?\d\.\d+"
    assert re.fullmatch(sentence + place, message), message


def test_numbers_that_look_alike_are_told_apart():
    once = iter((0, 1e-9))
    found = record("Dense-batch_split", Planted(dense_forward=lambda *a: right.dense_forward(*a) + next(once, 0)), strict=True)
    expected, got = re.search(r"expected (\S+), got (\S+)$", found.message).groups()
    assert expected != got, f"two numbers that differ are printed alike: {found.message}"


def test_a_second_layer_that_is_missing_leaves_it_unsupported():
    found = record("Embedding-one_hot", Planted(dense_forward=None))
    assert (found.status, found.message) == (UNSUPPORTED, "reference has no function dense_forward"), found


def test_an_option_that_is_missing_leaves_it_unsupported():
    found = record("LSTM-halves", Planted(lstm_forward=lambda x, kernel, recurrent_kernel, bias: x))
    assert (found.status, found.message) == (UNSUPPORTED, "lstm_forward does not accept the option return_state"), found


def test_an_exception_is_an_error():
    found = record("Conv2D-one_by_one", Planted(conv2d_forward=lambda *arguments: 1 / 0))
    assert found.status == ERROR and found.message.startswith("conv2d_forward raised ZeroDivisionError"), found


def test_a_second_layer_that_fails_itself_is_charged_once():
    mistake = Planted(**MISTAKES["Dense-bias_alone"])
    found = {one.id: one for one in Report([record(name, mistake) for name in ("Conv2D-one_by_one", "Dense-bias_alone")]).records}
    assert [one.status for one in found.values()] == [BLOCKED, FAILED], f"a wrong Dense is charged to Conv2D: {found}"


def test_a_second_layer_that_is_wrong_elsewhere_is_not_charged_to_the_first():
    """A Dense that flattens is asked about images by the equation; of a check of Conv2D alone Dense is no part."""
    flat = Planted(dense_forward=lambda x, kernel, bias: right.dense_forward(x.reshape(len(x), -1), kernel, bias))
    found = record("Conv2D-one_by_one", flat)
    assert found.status == BLOCKED and found.message.startswith("blocked by Dense, which fails on its own; here: dense_forward"), found
    report = Report([found, record("Conv2D-linearity", flat)])
    assert report.ok and not report.failed(), f"a wrong Dense makes Conv2D wrong: {report.failed()}"
    assert "1 case of Conv2D compares it with Dense, which is wrong: asked when that is right." in report.text(), report.text()
    wrong = record("Conv2D-one_by_one", Planted(conv2d_forward=lambda *arguments: 2 * right.conv2d_forward(*arguments)))
    assert wrong.status == FAILED, "where Dense is right the equation is that of Conv2D"


def change_the_input(x, kernel, bias):
    x += 1
    return x @ kernel + bias


ODD = {
    "a list": (lambda *a: right.dense_forward(*a).tolist(), "it returns a list where an array is expected"),
    "nothing": (lambda *a: None, "it returns a NoneType where an array is expected"),
    "a tuple": (lambda *a: (right.dense_forward(*a),), "it returns a tuple of 1 where one array is expected"),
    "another shape": (lambda *a: right.dense_forward(*a).T, "the output has the shape (6, 10), expected (10, 6)"),
    "one number": (lambda *a: np.float64(3), "the output has the shape (), expected (10, 6)"),
    "objects": (lambda *a: right.dense_forward(*a).astype(object), "the output has the dtype object, expected float64"),
    "complex numbers": (lambda *a: right.dense_forward(*a) * 1j, "the output has the dtype complex128, expected float64"),
    "NaN": (lambda *a: right.dense_forward(*a) * np.nan, "gives NaN or infinity for ordinary numbers"),
    "a changed input": (change_the_input, "it changes its arguments: the input"),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_answer_fails_in_a_sentence(kind):
    function, sentence = ODD[kind]
    found = record("Dense-batch_split", Planted(dense_forward=function))
    assert (found.status, found.message) == (FAILED, f"dense_forward: {sentence}"), f"{kind}: {found}"


def test_too_few_outputs_fail_in_a_sentence():
    found = record("LSTM-halves", Planted(lstm_forward=lambda x, *weights, return_state=False, initial_state=None: x[:, 0]))
    assert found.status == FAILED and "where a tuple of 3 arrays is expected" in found.message, found


def test_an_array_used_again_is_another_question():
    """The answers to parts are kept when they come: what overwrites them is found by the check of repeated calls."""
    kept = np.zeros((10, 6))

    def dense_forward(*arguments):
        y = right.dense_forward(*arguments)
        kept[: len(y)] = y
        return kept[: len(y)]

    assert record("Dense-batch_split", Planted(dense_forward=dense_forward)).status == PASSED, "a used buffer fails here"


def inside(value):
    """Arrays in float32 for what is computed in it."""
    if isinstance(value, tuple | list):
        return type(value)(inside(part) for part in value)
    return value.astype(np.float32) if isinstance(value, np.ndarray) and value.dtype == np.float64 else value


class Float32Inside(ModuleImplementation):
    """The reference, computing in float32 whatever it is given."""

    def function(self, name):
        function = super().function(name)
        assert function is not None, f"the reference has no {name}"

        def called(*positional, **keywords):
            value = function(*inside(positional), **{option: inside(own) for option, own in keywords.items()})
            return tuple(part.astype(np.float64) for part in value) if isinstance(value, tuple) else value.astype(np.float64)

        return called


def test_float32_inside_is_no_mistake_unless_asked_for():
    found = [record(identifier, Float32Inside("reference")) for identifier in BY_ID]
    assert not [one.message for one in found if one.status != PASSED], "rounding to float32 fails a property"
    assert sum(SINGLE_ONLY in one.remarks for one in found) > 20, "nothing was remarked as accurate to float32 only"
    assert record("Dense-linearity", Float32Inside("reference"), strict=True).status == FAILED, "the strict rule let float32 pass"


def test_rounding_has_less_room_than_a_small_mistake():
    """A part of 1e-4 that is added to one sample in ten shows."""
    found = record("Dense-batch_split", Planted(dense_forward=lambda *a: right.dense_forward(*a) + 1e-4 * (len(a[0]) == 10)))
    assert found.status == FAILED, "a mistake in the fourth digit passed as rounding"


def test_broken_fails_where_its_mistakes_show():
    implementation = ModuleImplementation(str(SAMPLES / "broken.py"))
    records = Report([record(identifier, implementation) for identifier in BY_ID]).records
    wrong = {one.id: one.status for one in records if one.status not in (PASSED, UNSUPPORTED)}
    assert wrong == {
        "test_properties[Dense-bias_alone]": FAILED,
        "test_properties[Conv2D-one_by_one]": BLOCKED,
        "test_properties[Conv2D-padded-padding=same]": FAILED,
        "test_properties[Conv2D-padded-padding=same-strides]": FAILED,
    }, f"broken.py fails elsewhere: {wrong}"


def test_the_quick_check_asks_a_property_by_its_id(capsys):
    assert check.main([str(SAMPLES / "broken.py"), "--layers", "Dense", "--case", "Dense-bias_alone"]) == 1, "the missing bias passes"
    said = capsys.readouterr().out
    for words in ("dense_forward does not give its bias when its input is zero: all 18 values are off", "1 case is wrong"):
        assert words in said, f"{words!r} is missing: {said}"


def test_plain_is_right():
    implementation = ModuleImplementation(str(SAMPLES / "plain.py"))
    statuses = {record(identifier, implementation).status for identifier in BY_ID}
    assert statuses == {PASSED, UNSUPPORTED}, f"plain.py is right, and its properties are {statuses}"
