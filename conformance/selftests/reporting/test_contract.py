"""The page of the contract: written from the records as it stands, every example runs, and what its rules say is what the suite does."""

from __future__ import annotations

import ast
import re

import numpy as np
import pytest

import conformance
from conformance.cases import LAYERS_OF, NAMES
from conformance.reporting.contract import BEGIN, PAGE, page
from conformance.reporting.examples import Block, shapes, source
from reference.layers import layer_call

TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
AGAIN = "`python -m conformance.reporting.contract` writes it again"


def test_the_page_is_what_the_records_say():
    assert page(TEXT) == TEXT, f"conformance/docs/contract.md is behind the records or the cases; {AGAIN}"


def test_a_page_without_its_marks_is_refused():
    with pytest.raises(ValueError, match="lacks one of the marks"):
        page(TEXT.replace(BEGIN, ""))


def test_everything_that_the_suite_asks_about_is_on_the_page():
    headings = set(re.findall(r"^### (\w+)$", TEXT, re.MULTILINE))
    told = set(re.findall(r"^# (\w+)\(", TEXT, re.MULTILINE))
    assert headings | set(LAYERS_OF["activations"]) == set(NAMES), "a heading for each layer, loss and optimizer"
    assert told >= set(LAYERS_OF["activations"]), "and a signature for each activation function"


def run_all(blocks):
    """Run blocks of source in one namespace, and yield each assignment of a call: its targets, its value, the remark behind it."""
    place = {}
    for block in blocks:
        remarks = dict(enumerate((line.rpartition("  # ")[2] if "  # " in line else "" for line in block.splitlines()), 1))
        for statement in ast.parse(block).body:
            if isinstance(statement, ast.Assign):
                value = eval(compile(ast.Expression(statement.value), "page", "eval"), place)  # noqa: S307 - our own page
                yield statement, value, remarks[statement.end_lineno], place
            exec(compile(ast.Module([statement], []), "page", "exec"), place)


def test_every_example_runs_and_gives_the_shapes_that_stand_behind_it():
    seen = 0
    for statement, value, remark, _ in run_all(BLOCKS):
        if remark and not remark.startswith("or:"):
            assert shapes(value) == remark, f"{ast.unparse(statement)} gives {shapes(value)}, the page says {remark}"
            seen += 1
    assert seen > 100, f"only {seen} examples were compared"


def test_every_gradient_has_the_shape_of_what_it_is_of():
    seen = 0
    for statement, value, _, place in run_all(BLOCKS):
        (target,) = statement.targets
        names = [one.id for one in target.elts] if isinstance(target, ast.Tuple) else [getattr(target, "id", "")]
        if not names[0].startswith("grad_") or names[0] == "grad_output":
            continue
        found = value if isinstance(target, ast.Tuple) else (value,)
        assert len(found) == len(names), f"{ast.unparse(statement)} gives {len(found)} gradients"
        for name, gradient in zip(names, found, strict=True):
            of = name.removeprefix("grad_")
            wanted = place["initial_state"][int(of[-1])] if of.startswith("state_") else place[of]
            if isinstance(gradient, np.ndarray):
                assert gradient.shape == np.shape(wanted), f"{name} in {ast.unparse(statement)}"
                seen += 1
    assert seen > 100, f"only {seen} gradients were compared"


def test_a_long_call_is_broken_and_a_name_is_given_once():
    block = Block()
    block.name({"x": np.zeros((2, 3))})
    block.name({"x": np.zeros((2, 3)), "y": [np.zeros(2, bool), None]})
    assert block.lines == ["x = floats(2, 3)", "y = [booleans(2), None]"], "x is what it was"
    assert source((np.zeros((1, 2), np.int32),)) == "(integers(1, 2),)", "a tuple of one keeps its comma"
    assert shapes((None, [np.zeros(2)], (np.zeros(()),))) == "None, [(2,)], (())", "shapes of everything that comes back"


# What the rules say


def found(tmp_path, name, text):
    """Status and message of every case of Flatten, by id; a file of its own each time, since a module is imported once."""
    path = tmp_path / f"{name}.py"
    path.write_text(text)
    return {record.id: (record.status, record.message) for record in conformance.check(str(path), ["Flatten"]).records}


@pytest.mark.parametrize(("returned", "wanted"), [("grad_x", "failed"), ("(grad_x,)", "passed")])
def test_a_layer_without_weights_returns_a_tuple_of_one(tmp_path, returned, wanted):
    text = f"def flatten_backward(grad_output, x):\n    grad_x = grad_output.reshape(x.shape)\n    return {returned}\n"
    status, message = found(tmp_path, f"returns_{wanted}", text)["test_backward[Flatten-images-float64]"]
    assert status == wanted, f"a backward pass that returns {returned} is {status}: {message}"
    assert ("a tuple of gradients is expected" in message) is (wanted == "failed"), f"the sentence says what is expected: {message}"


def test_not_implemented_error_is_unsupported_with_its_sentence(tmp_path):
    answers = found(tmp_path, "tomorrow", "def flatten_forward(x):\n    raise NotImplementedError('tomorrow')\n")
    assert {status for status, _ in answers.values()} == {"unsupported"}, "no failure"
    assert any("tomorrow" in message for _, message in answers.values()), "the reason is shown"


def test_a_weight_in_the_middle_is_none_and_the_last_is_left_out():
    gamma, beta, mean, variance = np.arange(4.0).reshape(4, 1)
    assert layer_call("LayerNormalization", {"scale": False}, [beta]).weights == (None, beta), "None in the place of gamma"
    assert layer_call("LayerNormalization", {"center": False}, [gamma]).weights == (gamma,), "beta is the last"
    call = layer_call("BatchNormalization", {"center": False}, [gamma, mean, variance])
    assert (call.weights, call.options) == ((gamma, None, mean, variance), {}), "and the option itself is not passed"
