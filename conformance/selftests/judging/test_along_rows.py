"""The gradient of probabilities along rows that add up to 1: a course's is right there, and a wrong one stays wrong."""

from __future__ import annotations

import contextlib
import io
import re

import numpy as np
import pytest

import conformance
from conformance.base.record import CORE, EDGE, FAILED, PASSED
from conformance.cases.losses import divides_by_sums, loss_cases
from conformance.checks import loss
from conformance.implementations.module import ModuleImplementation
from conformance.judging.along_rows import NAME
from conformance.judging.details import in_detail
from conformance.oracle.recorded.reader import Recorded

ORACLE = Recorded()


def one_hot(y, p):
    return y if y.shape == p.shape else np.eye(p.shape[-1], dtype=p.dtype)[y]


COURSE = "categorical_crossentropy", "sparse_categorical_crossentropy"
RIGHT = {
    "-y/p": lambda y, p: -one_hot(y, p) / p / len(p),
    "with an epsilon": lambda y, p: -one_hot(y, p) / (p + 1e-12) / len(p),
    "Keras's own": lambda y, p: (1 - one_hot(y, p) / p) / len(p),
}
WRONG = {
    "not divided by the batch": lambda y, p: -one_hot(y, p) / p,
    "that of logits": lambda y, p: (p - one_hot(y, p)) / len(p),
    "of the other sign": lambda y, p: one_hot(y, p) / p / len(p),
    "a division left out": lambda y, p: -one_hot(y, p) / len(p),
    "divided by all values": lambda y, p: -one_hot(y, p) / p / p.size,
    "nothing": lambda y, p: np.zeros_like(p),
    "one number for a row": lambda y, p: np.sum(-one_hot(y, p) / p / len(p), axis=-1, keepdims=True) + 0 * p,
}


def outcomes(name, function):
    """(level, status) of the gradient of the loss's plain case: as it is, and along rows."""
    return {part: (loss.level_of(part, plain(name)), judged(part, name, function).verdict.status) for part in (loss.GRADIENT, loss.ROWS)}


def judged(part, name, function):
    return loss.judge_loss(part, plain(name), ModuleImplementation("mine", {f"{name}_backward": function}), ORACLE, 0, strict=False)


def plain(name):
    return next(iter(loss_cases(name, "smoke")))


@pytest.mark.parametrize("kind", RIGHT)
@pytest.mark.parametrize("name", COURSE)
def test_the_gradient_of_the_formula_is_right_along_rows(name, kind):
    found = outcomes(name, RIGHT[kind])
    assert found[loss.ROWS] == (CORE, PASSED), f"{kind} is wrong: {found}"
    exactly = PASSED if kind == "Keras's own" else FAILED
    assert found[loss.GRADIENT] == (EDGE, exactly), f"{kind}: what Keras gives to the digit is a question of the edge: {found}"


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("name", COURSE)
def test_a_wrong_gradient_is_wrong_along_rows(name, kind):
    assert outcomes(name, WRONG[kind])[loss.ROWS] == (CORE, FAILED), f"{kind} passes as a gradient"


@pytest.mark.parametrize("name", COURSE)
def test_a_gradient_of_another_form_is_told_as_it_is(name):
    verdict = judged(loss.ROWS, name, lambda y, p: np.zeros((6, 1))).verdict
    assert (verdict.status, verdict.sentence) == (FAILED, f"the gradient of {NAME} has the shape (6, 1), expected (6, 4)"), verdict
    verdict = judged(loss.ROWS, name, lambda y, p: None).verdict
    assert (verdict.status, verdict.sentence) == (FAILED, "it returns a NoneType where an array is expected"), verdict


def test_it_is_asked_where_keras_divides_and_nowhere_else():
    for name in ("categorical_crossentropy", "sparse_categorical_crossentropy", "categorical_focal_crossentropy"):
        for case in loss_cases(name, "standard"):
            unusual = case.call.get("values") in ("extremes", "not_normalised")
            wanted = not case.config.get("from_logits") and not unusual
            assert divides_by_sums(case) is wanted, f"{case.id}: logits are not divided, and rows that do not add up to 1 are no such rows"
    for name in ("binary_crossentropy", "kl_divergence", "mean_squared_error"):
        assert not any(map(divides_by_sums, loss_cases(name, "standard"))), f"Keras does not divide for {name}"


def test_both_differ_by_a_constant_in_each_row_in_every_case():
    """What the question rests on: a reference without the division is right along rows, whatever the options."""
    for name in COURSE:
        for case in filter(divides_by_sums, loss_cases(name, "standard")):
            expected = ORACLE.loss(case, 0)
            axis, labels, p = case.config.get("axis", -1), expected.arrays.weights[0], expected.arrays.x.astype(float)
            if case.dtype == "float32" or case.config.get("ignore_class") is not None or p.size == 0:
                continue
            if name.startswith("sparse"):
                labels = np.eye(p.shape[-1])[labels.reshape(p.shape[:-1]).astype(int)]
            smoothing = case.config.get("label_smoothing", 0)
            formula = -(labels * (1 - smoothing) + smoothing / p.shape[-1]) / p  # the last axis, whichever the classes are
            total = expected.gradient.outputs[0]
            kept = total.any(axis=axis, keepdims=True)
            share = (total - total.mean(axis=axis, keepdims=True)) / (formula - formula.mean(axis=axis, keepdims=True))
            spread = np.ptp(share, axis=axis, keepdims=True)[kept]
            assert np.all(np.abs(spread) < 1e-6 * np.abs(share).max()), f"{case.id}: a row is no multiple of -y/p along rows"


@pytest.mark.parametrize("kind", RIGHT)
@pytest.mark.parametrize("name", COURSE)
def test_what_is_right_along_rows_is_repeated_along_rows(name, kind):
    """And it is not told that it ended otherwise when it was asked first: exactly it may well be another one."""
    functions = {f"{name}_backward": RIGHT[kind], name: lambda y, p: -np.sum(one_hot(y, p) * np.log(p)) / len(p)}
    report = conformance.check(functions, [name])
    (record,) = [record for record in report.records if record.id == f"test_repeated[{name}-backward]"]
    assert record.status == PASSED, f"{kind}: {record.status}: {record.message}"
    assert report.ok, f"{kind} is wrong: {[record.id for record in report.failed(CORE)]}"


def test_a_check_tells_it_and_its_script_prints_what_is_compared(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\n"
        "def categorical_crossentropy(y, p):\n    return -np.sum(y * np.log(p)) / len(p)\n"
        "def categorical_crossentropy_backward(y, p):\n    return -y / p\n"
    )
    name = "categorical_crossentropy-samples-float64-gradient_along_rows"
    report = conformance.check(str(path), ["categorical_crossentropy"], case=name)
    (record,) = report.failed(CORE)
    assert f"in the gradient of {NAME}." in report.text(), report.text()
    named = "when the losses are added up instead of averaged" in report.text()
    assert record.kind == "loss_gradient" and named, f"the mistake has its name: {report.text()}"
    result = judged(loss.ROWS, "categorical_crossentropy", lambda y, p: -y / p)
    text = in_detail(result, str(path)).partition("The same without the suite:\n\n")[2]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, "script", "exec"), {})
    numbers = [float(one) for one in re.findall(r"-?\d+\.\d*", printed.getvalue())]
    assert np.allclose(numbers, np.ravel(result.answer.value), rtol=1e-6), "the script prints another array than was compared"
