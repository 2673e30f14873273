"""The verdict: what passes, what fails, and with which sentence."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.base.record import FAILED, PASSED
from conformance.cases.questions import Answer
from conformance.judging.verdict import SINGLE_ONLY, judge
from conformance.oracle.expectation import Expectation

EXPECTED = np.array([[1.0, -2.0, 0.0], [0.5, 3.0, -0.25]])


def expect(*outputs, dtype="float64", **others):
    """An expectation with a tolerance of 1e-11 in float64 and 1e-6 in float32."""
    return Expectation(
        outputs,
        tuple(np.dtype(dtype) if y.dtype.kind == "f" else y.dtype for y in outputs),
        lambda: tuple(np.full(y.shape, 1e-11) for y in outputs),
        lambda: tuple(np.full(y.shape, 1e-6) for y in outputs),
        **others,
    )


def verdict(value, *, dtype="float64", strict=False, expectation=None, **answer):
    return judge(expectation or expect(EXPECTED, dtype=dtype), Answer(PASSED, value, **answer), dtype, strict=strict)


def test_equal_passes_with_a_ratio_of_zero():
    result = verdict(EXPECTED.copy())
    assert (result.status, result.ratio) == (PASSED, 0.0), f"the expected values themselves got {result}"


@pytest.mark.parametrize(("off", "status"), [(0.5e-11, PASSED), (2e-11, FAILED)])
def test_the_tolerance_is_the_border(off, status):
    result = verdict(EXPECTED + off, strict=True)
    assert result.status == status, f"an error of {off} against 1e-11 got {result.status}"
    assert result.ratio == pytest.approx(off / 1e-11, rel=1e-3), "the ratio is not error over tolerance"


def test_float64_accurate_to_float32_passes_with_a_remark_unless_strict():
    relaxed = verdict(EXPECTED + 1e-8)
    assert (relaxed.status, relaxed.remarks) == (PASSED, (SINGLE_ONLY,)), f"float32 accuracy got {relaxed}"
    assert verdict(EXPECTED + 1e-8, strict=True).status == FAILED, "the strict rule let float32 accuracy pass"
    assert verdict(EXPECTED + 1e-5).status == FAILED, "an error beyond the float32 rule passed"


def test_float64_answer_to_float32_input_is_judged_by_value_and_said():
    result = verdict(EXPECTED, dtype="float32")
    assert result.status == PASSED, "a float64 answer with the right values failed"
    assert result.remarks == ("answers in float64 to float32",), "the other dtype is not reported"
    strictly = verdict(EXPECTED, dtype="float32", strict=True)
    assert strictly.status == FAILED and "float64" in strictly.sentence, "the strict rule let a silent float64 pass"


WRONG = {
    "a tuple": ((EXPECTED,), "tuple"),
    "a list": (EXPECTED.tolist(), "list"),
    "nothing": (None, "NoneType"),
    "another shape": (EXPECTED[:, :2], "shape"),
    "a shape that broadcasts": (np.empty((0,)), "shape"),
    "integers": (EXPECTED.astype(int), "dtype"),
    "complex numbers": (EXPECTED.astype(complex), "dtype"),
    "a NaN": (np.where(EXPECTED == 3, np.nan, EXPECTED), "1 of 6 values"),
    "an infinity": (np.where(EXPECTED == 3, np.inf, EXPECTED), "1 of 6 values"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_answer_fails_with_its_sentence(kind):
    value, said = WRONG[kind]
    result = verdict(value)
    assert result.status == FAILED, f"{kind} passed"
    assert said in result.sentence, f"the sentence {result.sentence!r} does not say {said!r}"


def test_changed_arguments_fail():
    result = verdict(EXPECTED, changed=("the input",))
    assert result.status == FAILED and "the input" in result.sentence, "an implementation that changes its input passed"


def test_nan_and_infinity_are_right_where_keras_has_them():
    want = np.array([np.nan, np.inf, -np.inf, 1.0])
    assert verdict(want.copy(), expectation=expect(want)).status == PASSED, "the same NaN and infinities failed"
    for wrong in ([0.0, np.inf, -np.inf, 1.0], [np.nan, -np.inf, -np.inf, 1.0], [np.nan, np.inf, -np.inf, np.nan]):
        assert verdict(np.array(wrong), expectation=expect(want)).status == FAILED, f"{wrong} passed for {want}"


def test_minus_zero_is_zero_and_an_exact_output_allows_nothing():
    zeros = Expectation((np.zeros(3),), (np.dtype("float64"),), lambda: (np.zeros(3),), lambda: (np.zeros(3),))
    assert verdict(np.array([0.0, -0.0, 0.0]), expectation=zeros).status == PASSED, "-0.0 is not 0.0"
    assert verdict(np.array([0.0, 1e-30, 0.0]), expectation=zeros).status == FAILED, "an exact output allowed an error"
    assert verdict(np.array([0.0, 1e-39, 0.0]), expectation=zeros).status == PASSED, "subnormals may be flushed"


def test_integer_outputs_are_compared_exactly():
    want = np.array([1, 2, 3])
    assert verdict(want.copy(), expectation=expect(want)).status == PASSED, "equal integers failed"
    assert verdict(want + np.array([0, 0, 1]), expectation=expect(want)).status == FAILED, "another integer passed"


def test_several_outputs_are_a_tuple_in_order():
    both = expect(EXPECTED, EXPECTED + 1)
    assert verdict((EXPECTED, EXPECTED + 1), expectation=both).status == PASSED, "two right outputs failed"
    swapped = verdict((EXPECTED + 1, EXPECTED), expectation=both)
    assert swapped.status == FAILED and swapped.mismatch.output in (0, 1), "swapped outputs passed"
    assert "tuple of 2" in verdict(EXPECTED, expectation=both).sentence, "one array for two outputs has no clear sentence"


def test_an_alternative_answer_is_right_as_well():
    other = expect(EXPECTED, alternatives=((EXPECTED * 2,),))
    assert verdict(EXPECTED * 2, expectation=other).status == PASSED, "an accepted alternative failed"
    assert verdict(EXPECTED * 3, expectation=other).status == FAILED, "what is neither passed"


def test_the_error_of_keras_itself_is_measured():
    own = expect(EXPECTED, keras=(EXPECTED + 0.5e-11,))
    assert verdict(EXPECTED, expectation=own).keras_ratio == pytest.approx(0.5, rel=1e-3), "Keras's own ratio is wrong"


def test_float32_inside_may_round_what_is_only_moved():
    values = np.array([0.1, -2.7, 1e3])
    moved = Expectation((values,), (np.dtype("float64"),), lambda: (np.zeros(3),), lambda: (np.zeros(3),))
    rounded = values.astype(np.float32).astype(np.float64)
    assert verdict(rounded, expectation=moved).remarks == (SINGLE_ONLY,), "a table of float32 is not accurate to float32"
    assert verdict(rounded, expectation=moved, strict=True).status == FAILED, "the strict rule let a rounded value pass"
    assert verdict(values * (1 + 3e-7), expectation=moved).status == FAILED, "more than one rounding passed for an exact layer"
