"""An argument that a function changed is called as the contract calls it."""

from __future__ import annotations

import pytest

from conformance import check
from conformance.cases.questions import Answer
from conformance.judging.arguments import with_names


def dense_backward(grad, x, w, b=None):
    grad *= 2
    return grad @ w.T, x.T @ grad, grad.sum(0)


def dense_forward(x, w, b=None):
    w += 1
    return x @ w


def mean_squared_error(y, p):
    p -= y
    return (p**2).mean()


def mean_squared_error_backward(y, p):
    y -= p
    return y


def sgd_step(v, g, s=None):
    g[0] += 1
    return v, s


@pytest.mark.parametrize(
    ("function", "layer", "called"),
    [
        (dense_backward, "Dense", "grad_output"),
        (dense_forward, "Dense", "kernel"),
        (mean_squared_error, "mean_squared_error", "y_pred"),
        (mean_squared_error_backward, "mean_squared_error", "y_true"),
        (sgd_step, "SGD", "gradients"),
    ],
)
def test_a_changed_argument_has_the_name_of_the_contract(function, layer, called):
    report = check({function.__name__: function}, [layer])
    said = {record.message for record in report.failed() if "it changes its arguments" in record.message}
    assert said and all(message.endswith(f"it changes its arguments: {called}") for message in said), f"{said}"


def test_the_input_is_called_that_and_what_has_no_name_keeps_its_place():
    changed = Answer("passed", changed=("argument 1", "argument 9", "mask"))
    assert with_names("dense_forward", changed).changed == ("the input", "argument 9", "mask"), "names are looked up by place"
    assert with_names("unheard_of", changed).changed == changed.changed, "nobody knows the names of that function's arguments"
