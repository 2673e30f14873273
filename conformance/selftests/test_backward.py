"""The check of backward passes: what is wrong with an answer is told in the words of the contract."""

from __future__ import annotations

import pytest

from conformance.cases import ALL
from conformance.cases.case import Case, declared_cases
from conformance.checks import backward
from conformance.desk import Desk, Session
from conformance.oracle.live_keras import LiveKeras

DENSE = "import numpy as np\nfrom reference import dense_backward as right\ndef dense_backward(g, x, *weights, **options):\n"
LSTM = DENSE.replace("dense", "lstm")


@pytest.fixture
def settled(tmp_path):
    """The record and the explanation of one case, asked of an implementation with this text."""

    def ask(text: str, case: Case, oracle: str = "live"):
        # A process imports a file once.
        path = tmp_path / f"mine{len(list(tmp_path.iterdir()))}.py"
        path.write_text(text)
        outcomes = []
        desk = Desk(Session(iut=str(path), oracle_name=oracle), case.id, lambda: "again", lambda *outcome: outcomes.append(outcome))
        backward.check(desk, case)
        ((record, explain),) = outcomes
        return record, explain

    return ask


def first(layer: str, word: str = "") -> Case:
    return next(case for case in declared_cases(ALL[layer]) if word in case.id and backward.differentiable(ALL[layer], case))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("return right(g, x, *weights, **options)[0]", "returns a ndarray, where a tuple of gradients is expected"),
        ("return list(right(g, x, *weights, **options))", "returns a list of 3, where a tuple of gradients is expected"),
        ("return right(g, x, *weights, **options)[:2]", "returns 2 gradients, where 3 are expected: of input, weights and states"),
        ("a, b, c = right(g, x, *weights, **options); return a, None, c", "number 2 of 3 is None"),
        ("a, b, c = right(g, x, *weights, **options); return a, (b,), c", "returns a tuple"),
    ],
)
def test_another_structure_is_told(settled, body, sentence):
    record, _ = settled(DENSE + f"    {body}\n", first("Dense"))
    assert record.status == "failed" and (sentence in record.message or "tuple" in record.message), f"{body}: {record.message}"


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


def test_states_have_gradients_and_outputs_of_their_own(settled):
    case = first("LSTM", "return_state-units=5-sequence-float64")
    record, _ = settled(LSTM + "    assert isinstance(g, tuple) and len(g) == 3\n    return right(g, x, *weights, **options)\n", case)
    assert record.status == "passed", f"a tuple of gradients for y, h and c: {record.message}"
    case = first("LSTM", "initial_state=given-units=5-sequence-float64")
    record, explain = settled(LSTM + "    *others, h, c = right(g, x, *weights, **options)\n    return (*others, c, h)\n", case)
    assert record.status == "failed" and "in the gradient of initial state" in explain(), f"states changed places: {record.message}"


def test_code_that_computes_in_float32_passes_with_a_remark(settled):
    text = DENSE + "    f = lambda a: a.astype('f4')\n    found = right(f(g), f(x), *map(f, weights), **options)\n"
    text += "    return tuple(y.astype('f8') for y in found)\n"
    record, _ = settled(text, first("Dense"))
    assert (record.status, record.remarks) == ("passed", ("accurate to float32 only",)), f"{record.status}: {record.message}"


def test_keras_is_not_asked_about_a_function_that_is_not_there(settled, monkeypatch):
    monkeypatch.setattr("conformance.oracle.gradients.expect_gradients", lambda *_: pytest.fail("Keras was asked"))
    record, _ = settled("x = 1\n", first("Dense"))
    assert (record.status, "has no function dense_backward" in record.message) == ("unsupported", True), record.message


def test_recorded_vectors_hold_no_gradients_and_say_so(settled):
    record, _ = settled(DENSE + "    return right(g, x, *weights, **options)\n", first("Dense"), "recorded")
    assert (record.status, record.message) == ("skipped", backward.NOT_RECORDED), f"{record.status}: {record.message}"


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
    from conformance.oracle.gradients import Backward, gradients

    case = first("LSTM", "units=5-sequence-float64")
    (arrays, *_) = LiveKeras().draws(ALL["LSTM"], case, 0)
    asked = Backward(arrays, backward.draw_gradients(ALL["LSTM"], case, arrays, 0))
    one, other = (gradients(ALL["LSTM"], case, asked, "float64") for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, other, strict=True)), "Keras gives two answers to one question"
