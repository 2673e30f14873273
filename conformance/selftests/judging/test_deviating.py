"""Where Keras does other than it documents, a failure tells both numbers, and each is called what it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from conformance.cases import ALL
from conformance.cases.case import declared_cases
from conformance.cases.questions import Answer
from conformance.judging.explain import explain
from conformance.judging.sentences import in_sentences
from conformance.judging.verdict import judge
from conformance.oracle.expectation import Expectation
from conformance.oracle.live.keras import LiveKeras
from conformance.oracle.recorded.reader import Recorded
from conformance.recording.layers import _forward

SPARSEMAX = ALL["sparsemax"]
CASE = next(case for case in declared_cases(SPARSEMAX) if case.deviation == "D5")
DOCUMENTED, KERAS, GOT = np.array([0.0734, 0.5]), np.array([1.5636, 0.5]), np.array([0.25, 0.5])


def told(case, got, keras, ratio=None):
    """Both reports of a wrong answer, where Keras itself gives `keras`, or is known to be off by `ratio` alone."""

    def allowed():
        return (np.full(2, 1e-9),)

    own = None if keras is None else (keras,)
    expectation = Expectation((DOCUMENTED,), (DOCUMENTED.dtype,), allowed, allowed, keras=own, keras_ratio=ratio)
    verdict = judge(expectation, Answer("passed", got), "float64", strict=False)
    return [report(SPARSEMAX, case, "forward", verdict, "again", "", ()) for report in (in_sentences, explain)]


def test_both_numbers_are_told_and_called_what_they_are():
    sentences, report = told(CASE, GOT, KERAS)
    assert "the documentation of Keras says 0.0734 there, your function gives 0.25" in sentences, sentences
    assert "Keras itself gives 1.5636 there, which is not what it documents: its defect D5" in sentences, sentences
    assert "what Keras gives" not in sentences, f"the documented value is said to be Keras's own:\n{sentences}"
    assert "expected 0.0734, got 0.25" in report and "itself gives 1.5636 there" in report, report


def test_where_keras_is_right_at_that_place_that_is_said():
    sentences, _ = told(CASE, np.array([1.5636, 9.0]), KERAS)
    assert "the documentation of Keras says 0.5 there" in sentences, sentences
    assert "Keras gives that there, but not elsewhere what it documents" in sentences, sentences


def test_without_the_number_none_is_claimed():
    for text in told(CASE, GOT, None, 7.0):
        assert "does not give what it documents: its defect D5" in text and "itself gives" not in text, text
    for text in told(CASE, GOT, None, None):
        assert "does not give what it documents, but an error or another shape" in text, text


def test_where_keras_gives_what_is_expected_it_is_said_to():
    sentences, _ = told(CASE, GOT, DOCUMENTED)
    assert "Keras gives 0.0734 there" in sentences and "in another mode or dtype: its defect D5" in sentences, sentences
    plain, _ = told(replace(CASE, deviation=None), GOT, DOCUMENTED)
    assert "Keras gives 0.0734 there" in plain and "defect" not in plain, plain


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_keras_gives_is_recorded_where_it_deviates(dtype, monkeypatch):
    case = next(case for case in declared_cases(SPARSEMAX) if case.deviation == "D5" and case.dtype == dtype)
    keras, recorded = LiveKeras(use_cache=False), Recorded()
    entry = _forward(keras, SPARSEMAX, case)
    monkeypatch.setattr(recorded, "_entry", lambda kind, layer, identifier: entry)
    (arrays,) = recorded.draws(SPARSEMAX, case, 0)
    live, stored = keras.expect(SPARSEMAX, case, arrays), recorded.expect(SPARSEMAX, case, arrays)
    assert stored.keras is not None and np.array_equal(stored.keras[0], live.keras[0]), "Keras's own answer is another one when recorded"
    plain = _forward(keras, ALL["Flatten"], next(declared_cases(ALL["Flatten"])))
    assert not plain.numbered("keras"), "what Keras gives is recorded twice where it is what is expected"
