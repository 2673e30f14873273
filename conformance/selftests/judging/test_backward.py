"""The check of backward passes: what is wrong with an answer is told in the words of the contract."""

from __future__ import annotations

import runpy
from dataclasses import replace

import numpy as np
import pytest

from conformance.base.errors import SuiteError
from conformance.cases import ALL
from conformance.cases.case import Case, declared_cases, make_case
from conformance.cases.gradients import backward_cases, differentiable, draw_backward
from conformance.checks import backward, drawn
from conformance.implementations.module import ModuleImplementation
from conformance.judging.cross_check import check_gradient_agreement
from conformance.judging.finite_differences import check_finite_differences
from conformance.judging.gradients import WITHOUT_NONE
from conformance.judging.judge import CaseResult, judge_backward
from conformance.judging.session import CaseRunner, Session
from conformance.judging.shrink import script
from conformance.judging.verdict import Verdict
from conformance.oracle.live.keras import LiveKeras
from conformance.oracle.recorded.reader import Recorded

DENSE = "import numpy as np\nfrom reference import dense_backward as right\ndef dense_backward(g, x, *weights, **options):\n"
REFERENCE = ModuleImplementation("reference")
LSTM = DENSE.replace("dense", "lstm")


@pytest.fixture
def settled(tmp_path):
    """The record and the explanation of one case, asked of an implementation with this text."""

    def ask(text: str, case: Case, oracle: str = "live"):
        # A process imports a file once.
        path = tmp_path / f"mine{len(list(tmp_path.iterdir()))}.py"
        path.write_text(text)
        outcomes = []
        runner = CaseRunner(Session(iut=str(path), oracle_name=oracle), case.id, lambda: "again", lambda *outcome: outcomes.append(outcome))
        backward.check(runner, case)
        ((record, explain),) = outcomes
        return record, explain

    return ask


def first(layer: str, word: str = "") -> Case:
    return next(case for case in declared_cases(ALL[layer]) if word in case.id and differentiable(ALL[layer], case))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("return right(g, x, *weights, **options)[0]", "returns an ndarray, where a tuple of gradients is expected"),
        ("return list(right(g, x, *weights, **options))", "returns a list of 3, where a tuple of gradients is expected"),
        (
            "return right(g, x, *weights, **options)[:2]",
            "returns 2 gradients, where 3 are expected: of the input, kernel and bias (that of bias is missing)",
        ),
        ("a, b, c = right(g, x, *weights, **options); return a, None, c", "it returns None as the gradient of kernel"),
        (
            "a, b, c = right(g, x, *weights, **options); return a, (b,), c",
            "it returns a tuple of 1 as the gradient of kernel, where an array is expected",
        ),
    ],
)
def test_another_structure_is_told(settled, body, sentence):
    record, _ = settled(DENSE + f"    {body}\n", first("Dense"))
    assert record.status == "failed" and sentence in record.message, f"{body}: {record.message}"


def test_a_wrong_gradient_is_named(settled):
    record, explain = settled(DENSE + "    a, b, c = right(g, x, *weights, **options)\n    return a, b, c / len(x)\n", first("Dense"))
    assert record.status == "failed", "a gradient that is averaged twice passes"
    assert "in the gradient of bias" in explain() and "every value that is off is 0.3333 times" in explain(), explain()


def test_the_gradient_of_a_removed_bias_may_be_left_out_or_none(settled):
    case = first("Dense", "use_bias=False")
    for end in ("", "[:2]"):
        record, _ = settled(DENSE + f"    return right(g, x, *weights, **options){end}\n", case)
        assert record.status == "passed", f"with{'out' * bool(end)} None for the bias: {record.message}"
    record, _ = settled(DENSE + "    return (*right(g, x, *weights, **options)[:2], np.zeros(6))\n", case)
    assert "where None is expected" in record.message, f"a gradient of a bias that is not there: {record.message}"


@pytest.mark.parametrize("form", ["gradient", "(gradient,)"])
def test_none_for_an_input_of_ids_may_be_left_out_which_is_a_remark(settled, form):
    body = f"    gradient = right(g, x, *weights, **options)[1]\n    return {form}\n"
    record, _ = settled(DENSE.replace("dense", "embedding") + body, first("Embedding"), "recorded")
    assert (record.status, record.remarks) == ("passed", (WITHOUT_NONE,)), f"{form}: {record.status}, {record.message}, {record.remarks}"
    wrong, _ = settled(DENSE.replace("dense", "embedding") + body.replace("[1]", "[1] / 2"), first("Embedding"), "recorded")
    assert wrong.status == "failed" and "off" in wrong.message, f"{form}, halved: {wrong.status}, {wrong.message}"
    of_floats, _ = settled(DENSE + "    return right(g, x, *weights, **options)[1:]\n", first("Dense"), "recorded")
    assert "that of the input is missing" in of_floats.message, f"an input of floats has a gradient: {of_floats.message}"


def test_states_have_gradients_and_outputs_of_their_own(settled):
    case = first("LSTM", "return_state-units=5-sequence-float64")
    record, _ = settled(LSTM + "    assert isinstance(g, tuple) and len(g) == 3\n    return right(g, x, *weights, **options)\n", case)
    assert record.status == "passed", f"a tuple of gradients for y, h and c: {record.message}"
    case = first("LSTM", "initial_state=given-units=5-sequence-float64")
    record, explain = settled(LSTM + "    *others, h, c = right(g, x, *weights, **options)\n    return (*others, c, h)\n", case)
    assert record.status == "failed" and "in the gradient of the initial state h" in explain(), f"states changed places: {record.message}"


def test_code_that_computes_in_float32_passes_with_a_remark(settled):
    text = DENSE + "    f = lambda a: a.astype('f4')\n    found = right(f(g), f(x), *map(f, weights), **options)\n"
    text += "    return tuple(y.astype('f8') for y in found)\n"
    record, _ = settled(text, first("Dense"))
    assert (record.status, record.remarks) == ("passed", ("accurate to float32 only",)), f"{record.status}: {record.message}"


def test_keras_is_not_asked_about_a_function_that_is_not_there(settled, monkeypatch):
    monkeypatch.setattr("conformance.oracle.live.keras.expect_gradients", lambda *_: pytest.fail("Keras was asked"))
    record, _ = settled("x = 1\n", first("Dense"))
    assert (record.status, "has no function dense_backward" in record.message) == ("unsupported", True), record.message


@pytest.mark.parametrize(("wrong", "status"), [("", "passed"), ("1.001 * ", "failed")])
def test_recorded_vectors_judge_gradients_too(settled, wrong, status):
    text = DENSE + f"    a, b, c = right(g, x, *weights, **options)\n    return a, {wrong}b, c\n"
    record, explain = settled(text, first("Dense"), "recorded")
    assert record.status == status, f"{record.status}: {record.message}"
    assert not wrong or "in the gradient of kernel" in explain(), explain()


def test_arrays_that_the_forward_pass_was_not_asked_with_are_recorded_themselves():
    """The forward pass draws again where the outputs are saturated."""
    layer, case = ALL["SimpleRNN"], next(case for case in declared_cases(ALL["SimpleRNN"]) if case.id == "SimpleRNN-one_unit-float64")
    (forward,), recorded = Recorded().draws(layer, case, 0), Recorded().backward(layer, case, 0)
    assert not np.array_equal(forward.x, recorded.arrays.x), "the case no longer draws twice: another one must be found for this test"
    assert np.array_equal(recorded.arrays.x, draw_backward(layer, case, 0).arrays.x), "the arrays are not those that are drawn"


def judged(case: Case) -> CaseResult:
    return judge_backward(case, REFERENCE, Recorded(), 0, strict=True)


@pytest.mark.parametrize("layer", ["Dense", "Embedding", "LSTM", "Bidirectional", "Add", "BatchNormalization"])
def test_an_oracle_whose_gradients_are_no_slopes_stops_the_run(layer):
    cases = [case for case in backward_cases(ALL[layer], "smoke") if case.dtype == "float64"]
    for case in (cases[0], next((case for case in cases if "initial_state" in case.call or "training" in case.call), cases[0])):
        right = judged(case)
        check_finite_differences(right, REFERENCE)
        assert right.expectation is not None
        for n, y in enumerate(right.expectation.outputs):
            outputs = tuple(1.5 * one if m == n else one for m, one in enumerate(right.expectation.outputs))
            wrong = replace(right, expectation=replace(right.expectation, outputs=outputs))
            with pytest.raises(SuiteError, match="by the expected gradients the slope is"):
                check_finite_differences(wrong, REFERENCE)
            assert y.size, f"{case.id}: gradient {n} is empty"


def test_oracles_that_disagree_about_a_gradient_stop_the_run():
    result = judged(first("Dense"))
    check_gradient_agreement(result, "reference", strict=True)
    off = replace(result, verdict=Verdict("failed", "all values are off"))
    with pytest.raises(SuiteError, match=r"Dense-units=6-features-float64 of reference: live Keras says failed .* vectors say passed"):
        check_gradient_agreement(off, "reference", strict=True)
    question = result.question
    moved = replace(question, positional=(2 * question.positional[0], *question.positional[1:]))
    with pytest.raises(SuiteError, match="Dense-units=6-features-float64 is differentiated with other arrays than were recorded"):
        check_gradient_agreement(replace(result, question=moved), "reference", strict=True)


def test_terms_that_cancel_are_allowed_their_rounding():
    """Two values have the normalised values 1 and -1: the gradient of the input is 0, but for epsilon, whatever its terms are."""
    case = make_case(ALL["LayerNormalization"], {"axis": 1}, (3, 2, 4), {}, "float32", "drawn-axis=1-3x2x4-seed=4")
    result = judge_backward(case, REFERENCE, LiveKeras(), 0, strict=True)
    assert result.verdict.status == "passed", result.verdict.sentence
    assert result.verdict.keras_ratio is not None and 0.01 < result.verdict.keras_ratio < 0.7, result.verdict


def test_drawn_gradients_end_in_a_script_of_literals(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(DENSE + "    a, b, c = (*right(g, x, *weights, **options), None)[:3]\n    return a, b / len(x), c\n")
    outcomes = []
    runner = CaseRunner(Session(iut=str(path)), "test_drawn[Dense-backward]", lambda: "again", lambda *outcome: outcomes.append(outcome))
    drawn.check(runner, "Dense", "backward", "core")
    ((record, explain),) = outcomes
    assert (record.status, record.kind) == ("failed", "drawn"), f"{record.status}: {record.message}"
    told = explain()
    text = told.partition("the same without the suite:")[2]
    assert "grad_output = np.array(" in text and "print(dense_backward(grad_output, x, kernel" in text, told
    (tmp_path / "script.py").write_text(text)
    runpy.run_path(str(tmp_path / "script.py"))
    assert "array" in capsys.readouterr().out, f"the script prints no gradients: {text}"


def test_every_layer_is_asked_in_both_dtypes():
    for name, layer in ALL.items():
        if name == "sparsemax":
            continue  # Keras computes it wrongly (D5)
        asked = {case.dtype for _, (case,) in backward.cases([name], "standard")}
        # Keras rounds constants of two, always; what Bidirectional wraps is asked in float32 by itself.
        alone = {"gelu": "float32", "leaky_relu": "float32", "Bidirectional": "float64"}
        wanted = {alone[name]} if name in alone else {"float64", "float32"}
        assert wanted <= asked, f"{layer.layer} is asked in {asked} alone"


def test_keras_answers_as_it_is_asked():
    """The tape is asked of layers built once: the same question twice has the same answer."""
    from conformance.oracle.live.gradients import gradients

    case = first("LSTM", "units=5-sequence-float64")
    asked = draw_backward(ALL["LSTM"], case, 0)
    one, other = (gradients(ALL["LSTM"], case, asked, "float64") for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, other, strict=True)), "Keras gives two answers to one question"


def test_a_script_has_none_where_a_weight_is_removed():
    case = next(case for case in backward_cases(ALL["BatchNormalization"], "smoke") if "scale=False" in case.title)
    result = judged(case)
    text = script(result.layer, case, result.question, (), "reference")
    assert "gamma = None" in text and "(grad_output, x, gamma, beta, moving_mean, moving_variance)" in text, text
