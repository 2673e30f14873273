"""An answer that changes when it is asked for again is a failure with that sentence, whatever was asked first."""

from __future__ import annotations

import numpy as np
import pytest

import reference
from conformance import check
from conformance.base.record import BLOCKED, FAILED, PASSED
from conformance.cases.questions import Answer
from conformance.checks import KINDS
from conformance.implementations import IN_PROCESS, PROCESS
from conformance.implementations.module import ModuleImplementation
from conformance.implementations.protocol import implementation_of
from conformance.judging.again import ANOTHER_ANSWER, judged_again, same_value
from conformance.judging.session import CaseRunner, Session
from conformance.judging.verdict import Verdict
from conformance.oracle.protocol import RECORDED


def remembering(right, wrong_first=False):
    """A function that answers each call rightly once and wrongly ever after, or the other way round."""
    seen = set()

    def function(*arguments, **options):
        key = (tuple(np.asarray(one).tobytes() for one in arguments), repr(sorted(options)))
        known = key in seen
        seen.add(key)
        value = right(*arguments, **options)
        return value if known == wrong_first else tuple(one + 1 for one in value) if isinstance(value, tuple) else value + 1

    return function


def records(functions, kinds, layer):
    """What becomes of the questions of these kinds about a layer, one kind after the other."""
    return records_of(ModuleImplementation("mine", functions), kinds, layer)


def records_of(implementation, kinds, layer):
    """The same of an implementation."""
    session, found = Session(oracle_name=RECORDED), []
    session.implementation = implementation
    for kind in kinds:
        for identifier, question in KINDS[kind].cases([layer], "smoke"):
            runner = CaseRunner(session, f"{kind}[{identifier}]", lambda: "again", lambda record, _: found.append(record))
            KINDS[kind].check(runner, *question)
    return found


@pytest.mark.parametrize("kinds", [("forward", "repeated"), ("repeated", "forward"), ("repeated",)])
@pytest.mark.parametrize("wrong_first", [False, True])
def test_a_state_between_calls_fails_in_every_order(kinds, wrong_first):
    found = records({"dense_forward": remembering(reference.dense_forward, wrong_first)}, kinds, "Dense")
    said = [record for record in found if record.status == FAILED and ANOTHER_ANSWER in record.message]
    assert said, f"no record says that the answer changes: {[(record.id, record.message) for record in found][:5]}"


FILE = """
seen = set()

def dense_forward(x, kernel, bias=None):
    y = x @ kernel + (0 if bias is None else bias)
    known = x.tobytes() in seen
    seen.add(x.tobytes())
    return y + 1 if known else y
"""


@pytest.mark.parametrize("mode", [IN_PROCESS, PROCESS])
def test_a_state_fails_in_a_process_of_its_own_as_well(mode, tmp_path):
    (tmp_path / "mine.py").write_text(FILE)
    implementation = implementation_of(str(tmp_path / "mine.py"), mode)
    try:
        found = records_of(implementation, ("forward", "repeated"), "Dense")
    finally:
        implementation.close()
    said = [record for record in found if record.kind == "repeated" and record.status == FAILED]
    assert said and ANOTHER_ANSWER in said[0].message, f"{[record.message for record in found if record.kind == 'repeated']}"


def counting_step():
    """An SGD whose variables are off after its first call."""
    calls = []

    def sgd_step(variables, gradients, state=None, **options):
        moved, state = reference.sgd_step(variables, gradients, state, **options)
        calls.append(None)
        return [one + (len(calls) > 1) for one in moved], state

    return sgd_step


@pytest.mark.parametrize(
    ("layer", "name", "function"),
    [
        ("relu", "relu_backward", remembering(reference.relu_backward)),
        ("Dense", "dense_backward", remembering(reference.dense_backward)),
        ("mean_squared_error", "mean_squared_error", remembering(reference.mean_squared_error)),
        ("mean_squared_error", "mean_squared_error_backward", remembering(reference.mean_squared_error_backward)),
        ("SGD", "sgd_step", counting_step()),
    ],
)
def test_every_kind_of_function_is_asked_again(layer, name, function):
    found = records({name: function}, ("repeated",), layer)
    assert any(ANOTHER_ANSWER in record.message for record in found), f"{name} changes and passes: {[r.message for r in found]}"


@pytest.mark.parametrize("layer", ["Dense", "relu", "gelu", "mean_squared_error", "SGD", "Bidirectional"])
def test_the_reference_gives_the_same_answer_again(layer):
    found = records(reference, ("repeated",), layer)
    assert found and all(record.status == PASSED for record in found), f"{[(record.id, record.message) for record in found]}"


def test_what_is_wrong_and_stays_so_does_not_change():
    wrong = {"dense_forward": lambda x, kernel, bias=None: x @ kernel + 1}
    (record,) = [record for record in records(wrong, ("repeated",), "Dense") if record.id == "repeated[Dense]"]
    assert record.status == BLOCKED and record.needs[0] == "Dense", f"nothing can be repeated, because Dense is wrong: {record}"


def test_the_report_says_it_and_names_no_mistake():
    seen = set()

    def dense_forward(x, kernel, bias=None):
        """Without the bias, which would have a name, when it is asked first."""
        first = x.tobytes() not in seen
        seen.add(x.tobytes())
        return x @ kernel + (0 if bias is None or first else bias)

    text = str(check({"dense_forward": dense_forward}, ["Dense"]))
    assert ANOTHER_ANSWER in text and "You would get exactly" not in text, f"an answer that changes shows nothing else:\n{text}"
    assert " for , which" not in text, f"a case waits for nobody:\n{text}"


def test_an_exception_that_does_not_come_again_is_a_changing_answer():
    first = Answer("error", message="it raised")
    verdict = judged_again(Verdict("error", "it raised"), first, lambda: Answer(PASSED, np.ones(2)))
    assert (verdict.status, verdict.steady) == (FAILED, False) and "raised" in verdict.sentence, f"{verdict}"
    assert judged_again(Verdict("error", "it raised"), first, lambda: first).steady, "an exception that comes again is no change"


def test_an_answer_in_an_array_that_is_filled_again_is_kept():
    buffer = np.zeros(3)

    def ask():
        buffer[...] += 1
        return Answer(PASSED, buffer)

    assert not judged_again(Verdict(FAILED, "all values are off"), ask(), ask).steady, "the first answer was not kept"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (np.ones(3), np.ones(3) + 1e-9, True),
        (np.ones(3), np.ones(3) + 1e-3, False),
        (np.array([1e8, 0.0]), np.array([1e8, 1.0]), True),  # the order of a sum
        (np.array([np.nan, np.inf]), np.array([np.nan, np.inf]), True),
        (np.array([np.nan]), np.array([0.0]), False),
        (np.ones(3), np.ones(3, np.float32), False),
        (np.ones(3), np.ones((3, 1)), False),
        ((np.ones(1), None), (np.ones(1), None), True),
        ((np.ones(1), None), (np.ones(1), np.ones(1)), False),
        (np.arange(3), np.arange(3), True),
        (np.arange(3), np.arange(3)[::-1], False),
        (["a", "b"], ["a", "b"], True),
        (["a", "b"], ["b", "a"], False),
        (object(), object(), True),
    ],
)
def test_answers_are_the_same_as_far_as_rounding_goes(one, other, same):
    assert same_value(one, other) is same, f"{one!r} and {other!r}"
