"""Mistakes of student files, planted in the reference: each is told first, by its name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import conformance
import reference as right

STATISTICS = {"mean": 1, "variance": 2}


def first_told(report: conformance.Report) -> str:
    """The headline of the first group of failures."""
    return next(line for line in str(report).splitlines() if line.startswith("  ") and "case" in line)


def moving(place: int, update: Any) -> Any:
    def function(x, gamma, beta, *old, training=False, momentum=0.99, axis=-1, epsilon=1e-3):
        options = {"training": training, "axis": axis, "epsilon": epsilon}
        found = right.batch_normalization_forward(x, gamma, beta, *old, momentum=momentum, **options)
        if not training:
            return found
        batch = right.batch_normalization_forward(x, gamma, beta, *old, momentum=0.0, **options)[place]
        return tuple(update(old[place - 1], batch, momentum) if n == place else one for n, one in enumerate(found))

    return function


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize(
    ("update", "said"),
    [
        (lambda old, batch, m: (1 - m) * old + m * batch, "in the new moving {} alone momentum is the share of the batch"),
        (lambda old, batch, m: old, "the moving {} is not updated in training, the other one is"),
    ],
)
def test_one_of_the_moving_statistics_is_named_alone(name, update, said):
    report = conformance.check({"batch_normalization_forward": moving(STATISTICS[name], update)}, ["BatchNormalization"])
    assert said.format(name) in first_told(report), first_told(report)


@pytest.mark.parametrize("layer", ["SimpleRNN", "LSTM", "GRU"])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda y, x: y[:, ::-1], "the outputs stand in the opposite order"),
        (None, "the sequence is always read from the last step to the first"),
    ],
)
def test_a_sequence_the_wrong_way_round_is_named(layer, wrong, said):
    name = {"SimpleRNN": "simple_rnn"}.get(layer, layer.lower())
    forward = getattr(right, f"{name}_forward")

    def function(x, kernel, recurrent_kernel, bias, return_sequences=False):
        y = forward(x if wrong else x[:, ::-1], kernel, recurrent_kernel, bias, return_sequences=return_sequences)
        return wrong(y, x) if wrong and return_sequences else y

    report = conformance.check({f"{name}_forward": function}, [layer])
    assert said in first_told(report), first_told(report)


@pytest.mark.parametrize("rank", [1, 2])
def test_windows_that_overwrite_each_other_are_named(rank):
    def backward(grad, x, pool_size=2, strides=None):
        pool = (pool_size,) * rank if isinstance(pool_size, int) else tuple(pool_size)
        step = pool if strides is None else (strides,) * rank if isinstance(strides, int) else tuple(strides)
        found = np.zeros_like(x)
        for n, *place, channel in np.ndindex(*grad.shape):
            start = [p * s for p, s in zip(place, step, strict=True)]
            window = x[(n, *(slice(a, a + k) for a, k in zip(start, pool, strict=True)), channel)]
            at = np.unravel_index(np.argmax(window), window.shape)
            found[(n, *(a + k for a, k in zip(start, at, strict=True)), channel)] = grad[(n, *place, channel)]
        return (found,)

    name = f"max_pooling{rank}d"
    functions = {f"{name}_forward": getattr(right, f"{name}_forward"), f"{name}_backward": backward}
    report = conformance.check(functions, [f"MaxPooling{rank}D"])
    assert "gets the gradient of the last of them alone: = instead of +=" in first_told(report), first_told(report)


def test_a_gradient_that_is_missing_is_told_before_an_activation_that_overflows():
    def forward(x, kernel, bias=None, activation=None):
        z = right.dense_forward(x, kernel, bias)
        with np.errstate(all="ignore"):
            return np.log(1 + np.exp(z)) if activation == "softplus" else right.dense_forward(x, kernel, bias, activation=activation)

    functions = {"dense_forward": forward, "dense_backward": lambda *arguments, **options: right.dense_backward(*arguments, **options)[:2]}
    said = first_told(conformance.check(functions, ["Dense"]))
    assert "3 are expected: of the input, kernel and bias (that of bias is missing)" in said, said


def test_what_is_refused_does_not_stand_before_the_mistake():
    def forward(x, kernel, bias=None, activation="linear"):
        if activation not in ("linear", "relu"):
            raise ValueError(f"unknown activation {activation}")
        z = np.einsum("ij,jk->ik", x, kernel) + (0 if bias is None else bias)
        return np.maximum(z, 0) if activation == "relu" else z

    report = conformance.check({"dense_forward": forward}, ["Dense"])
    group = str(report).split("\n\n")[2]
    assert "einstein sum" in group and "unknown activation" not in group, f"the sequence is the mistake:\n{group}"


def test_what_a_course_calls_the_gradient_does_not_hide_a_mistake():
    def backward(y, p):
        found = np.zeros_like(p)
        found[np.arange(len(p)), y] = -1 / p[np.arange(len(p)), y]
        return found

    name = "sparse_categorical_crossentropy"
    port = {name: getattr(right, name), f"{name}_backward": backward}
    said = first_told(conformance.check(port, [name]))
    assert "when the losses are added up instead of averaged" in said, said
    both = str(conformance.check(port, [name], edge=True))
    assert "neither divided by its sum nor clipped, and the losses are added up instead of averaged" in both, both


def without_amsgrad(variables, gradients, state=None, amsgrad=False, **options):
    return right.adam_step(variables, gradients, state, **options)


def test_one_option_that_is_ignored_is_named_before_all_of_them():
    report = conformance.check({"adam_step": without_amsgrad}, ["Adam"])
    assert "when amsgrad is ignored" in first_told(report), first_told(report)


def test_a_pass_in_float32_that_has_a_cause_is_told_with_it():
    lines = str(conformance.check({"adam_step": without_amsgrad}, ["Adam"])).splitlines()
    place = next(n for n, line in enumerate(lines) if "accurate to float32 only" in line)
    assert lines[place + 1] == "Adam: you would get exactly these values when amsgrad is ignored.", lines[place + 1]

    def single(*arguments, **options):
        x, *weights = (np.asarray(one, np.float32) for one in arguments)
        return right.dense_forward(x, *weights, **options)

    text = str(conformance.check({"dense_forward": single}, ["Dense"]))
    assert "accurate to float32 only" in text and "exactly these values" not in text, "code that computes in float32 has no other mistake"


def test_dropout_that_keeps_too_few_is_not_called_dependent():
    def dropout(x, rate=0.5, training=True):
        kept = np.random.default_rng(1).random(x.shape) < rate
        return x * kept / rate if training and rate else x

    report = conformance.check({"dropout_forward": dropout}, ["Dropout"])
    asked = {record.id: record for record in report.records if "independence" in record.id and "noise_shape" not in record.id}
    assert asked and all(record.status == "passed" for record in asked.values()), f"{asked}"
    assert any("share_kept" in record.id for record in report.failed()), "the share is what is wrong"
