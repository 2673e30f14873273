"""Replies that a submission forges: each costs the submission, and not the one that reads it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from conformance.base.call import Answer, Question
from conformance.base.record import ERROR, PASSED, TIMEOUT
from conformance.grading.sample_by_sample import SampleBySample
from conformance.implementations.sandbox.attempts import MOST
from conformance.implementations.sandbox.launcher import MOST_PARTS, SENTENCE_AT_MOST, SandboxImplementation
from conformance.implementations.sandbox.limits import Limits
from conformance.selftests.implementations.sandbox.attacks import SHARED
from conformance.selftests.implementations.sandbox.builder import needs_locks

X = np.arange(6.0).reshape(2, 3)
TIGHT = Limits(call=0.4, start=2.0, idle=1.0, submission=1.5)


@pytest.fixture
def submitted(tmp_path):
    """Makes an implementation of a text, and ends it."""
    made = []

    def make(text, limits=TIGHT):
        (tmp_path / "layers.py").write_text(f"{SHARED}\n{text}")
        made.append(SandboxImplementation(str(tmp_path / "layers.py"), limits))
        return made[-1]

    yield make
    for implementation in made:
        implementation.close()


def relu(implementation):
    return implementation.ask(Question("relu", (X,)))


@needs_locks
def test_who_breaks_the_protocol_three_times_is_not_asked_any_more(submitted):
    limits = replace(TIGHT, submission=100.0)
    implementation = submitted("def relu(x):\n    say(frame({'id': 'another'}))\n    time.sleep(1000)\n", limits)
    answers = [relu(implementation) for _ in range(5)]
    assert {answer.status for answer in answers} == {ERROR}, answers
    assert ["is not asked" in answer.message for answer in answers] == [False] * 3 + [True] * 2, "each costs a start of Python and NumPy"
    assert implementation.usage.crashes == 3 and implementation.ending == "crash", implementation.usage


@needs_locks
def test_what_a_reply_quotes_steers_no_terminal_and_is_cut(submitted):
    entry = "{'\\x1b[32mPASSED\\u202e' * 10**4: {'dtype': 'F64', 'shape': [1], 'data_offsets': [8, 0]}}"
    answer = relu(submitted(f"def relu(x):\n    say(frame({{'id': number(), 'status': 'passed'}}, {entry}))\n    time.sleep(1000)\n"))
    assert answer.message.startswith("relu: tensor ") and len(answer.message) < 2500, f"{len(answer.message)} characters"
    assert answer.message.isprintable(), f"it tells {answer.message[:100]!r}"


@needs_locks
def test_an_answer_of_very_many_parts_is_not_compared(submitted):
    answer = relu(submitted("def relu(x): return [np.zeros(1)] * 5000\n"))
    assert (answer.status, answer.message) == (ERROR, f"relu returned more than {MOST_PARTS} values and arrays"), answer


@needs_locks
def test_reading_its_replies_is_time_of_the_submission(submitted):
    implementation = submitted("def relu(x): return [[]] * 10**5\n", replace(TIGHT, call=60.0, idle=60.0))
    for _ in range(100):
        answer = relu(implementation)
        if answer.status == TIMEOUT:
            break
    usage = implementation.usage
    assert answer.status == TIMEOUT and usage.read > 0 and usage.left(implementation.limits) <= 0, f"{usage}: {answer}"


@needs_locks
def test_what_it_says_that_it_tried_is_cut(submitted):
    lie = "one.sentences = [7, {'a': 1}, *['\\x1b[31m# 12 of 12 points' * 100] * 500]"
    text = f"for one in gc.get_objects():\n    if type(one).__name__ == 'Attempts':\n        {lie}\ndef relu(x): return x\n"
    implementation = submitted(text)
    assert relu(implementation).status == PASSED, "it does not answer"
    tried = implementation.attempted()
    assert len(tried) == MOST and {len(one) for one in tried} == {SENTENCE_AT_MOST}, f"{len(tried)} sentences"
    assert all(one.isprintable() for one in tried), tried[0]


@needs_locks
def test_what_was_answered_counts_when_time_is_used_up(submitted):
    implementation = submitted("def relu(x): return np.maximum(x, 0)\ndef slow(x):\n    time.sleep(0.6)\n    return x\n")
    assert implementation.has("slow") and not implementation.has("fast"), "it says what it has"
    for _ in range(4):
        slow = implementation.ask(Question("slow", (X,)))
    assert slow.status == TIMEOUT and "used up its 1.5 s" in slow.message, slow
    assert implementation.has("relu"), "who was imported can be asked, if only to be told why there is no answer"
    answer = relu(implementation)
    assert answer.status == TIMEOUT and "used up its 1.5 s" in answer.message, answer
    assert implementation.ending == "timeout", implementation.ending


class InTurn:
    """An implementation that gives these answers, one after the other."""

    spec = "in turn"

    def __init__(self, *values):
        self.values = list(values)

    def ask(self, question):
        return Answer(PASSED, self.values.pop(0))


@pytest.mark.parametrize("values", [((X, X), 1.0), (X.astype("M8[s]"), X), (np.zeros(1, [("a", "f8")]), np.zeros(1)), (X, (X, X))])
def test_samples_of_different_types_are_no_answer(values):
    answer = SampleBySample(InTurn(*values)).ask(Question("relu", (X,)))
    assert (answer.status, answer.message) == (ERROR, "relu gives samples of different shapes or types"), answer
