"""From question to record: weak draws are repeated, Keras is not asked in vain, and a suite that contradicts itself says so."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.base.errors import NotDiscriminatingError
from conformance.base.record import PASSED, UNSUPPORTED
from conformance.cases.case import Case
from conformance.cases.questions import Answer
from conformance.implementations.module import ModuleImplementation
from conformance.judging import judge
from conformance.oracle.live.keras import LiveKeras

ORACLE = LiveKeras()
REFERENCE = ModuleImplementation("reference")
CASE = Case("Flatten", {}, (2, 3, 4), {}, "float64", "of a test")


def test_a_weak_draw_is_drawn_again(monkeypatch):
    seen = []

    def twice_weak(layer, case, arrays, expectation):
        seen.append(arrays.x)
        if len(seen) < 3:
            raise NotDiscriminatingError("weak")

    monkeypatch.setattr(judge, "check_discriminating", twice_weak)
    result = judge.judge_case(CASE, REFERENCE, ORACLE, 0, strict=True)
    assert result.verdict.status == PASSED, "a case whose third draw is good did not pass"
    assert len(seen) == 3 and not np.array_equal(seen[0], seen[1]), "the same arrays were drawn again"


def test_a_case_that_stays_weak_says_so(monkeypatch):
    def always_weak(layer, case, arrays, expectation):
        raise NotDiscriminatingError("always weak")

    monkeypatch.setattr(judge, "check_discriminating", always_weak)
    with pytest.raises(NotDiscriminatingError, match="always weak"):
        judge.judge_case(CASE, REFERENCE, ORACLE, 0, strict=True)


def test_keras_is_not_asked_about_what_is_not_supported(monkeypatch):
    class Nothing(ModuleImplementation):
        def function(self, name):
            return None

    monkeypatch.setattr(LiveKeras, "expect", lambda *_: pytest.fail("Keras was asked"))
    result = judge.judge_case(CASE, Nothing("nothing"), ORACLE, 0, strict=False)
    assert result.verdict.status == UNSUPPORTED, f"a missing function is {result.verdict.status}"
    assert "flatten_forward" in result.verdict.sentence, "the sentence does not name the missing function"


def test_a_tolerance_that_keras_does_not_keep_is_an_error_of_the_suite(monkeypatch):
    real = judge.judge

    def too_strict(expectation, answer, dtype, *, strict):
        verdict = real(expectation, answer, dtype, strict=strict)
        return type(verdict)(verdict.status, keras_ratio=1.5)

    monkeypatch.setattr(judge, "judge", too_strict)
    with pytest.raises(judge.SuiteError, match=r"Keras itself is off by 1\.5 times"):
        judge.judge_case(CASE, REFERENCE, ORACLE, 0, strict=True)


def test_an_answer_is_judged_again_by_the_same_expectation():
    first = judge.judge_case(CASE, REFERENCE, ORACLE, 0, strict=True)

    class Forgetful(ModuleImplementation):
        def ask(self, question):
            return Answer(PASSED, np.zeros_like(first.answer.value))

    assert judge.judge_again(first, REFERENCE, strict=True).status == PASSED, "the same answer failed the second time"
    assert judge.judge_again(first, Forgetful("forgetful"), strict=True).status != PASSED, "another answer passed the second time"


@pytest.mark.parametrize("kind", ["unreadable", "endless"])
def test_an_exception_is_told_in_one_readable_line(kind, tmp_path):
    class_of = {"unreadable": "def __str__(self): raise ValueError", "endless": "def __str__(self): return 'z' * 5000"}[kind]
    path = tmp_path / "mine.py"
    path.write_text(f"class Odd(Exception):\n    {class_of}\ndef flatten_forward(x): raise Odd\n")
    verdict = judge.judge_case(CASE, ModuleImplementation(str(path)), ORACLE, 0, strict=False).verdict
    assert verdict.status == "error", f"an exception that is {kind} gives {verdict.status}"
    assert "Odd" in verdict.sentence and len(verdict.sentence) < 500, f"the sentence is not one readable line: {verdict.sentence[:600]}"
