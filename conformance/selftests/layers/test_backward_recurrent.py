"""Gradients of the recurrent layers and of Bidirectional: against Keras's tape, and against central differences."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import reference
from conformance.base.arrays import Arrays
from conformance.cases import ALL
from conformance.cases.case import Case, declared_cases
from conformance.cases.draw import draw_arrays
from reference.activations import ACTIVATIONS, activation_gradient
from reference.layers import layer_call

LAYERS = ("SimpleRNN", "LSTM", "GRU", "Bidirectional")


CASES = [
    case for name in LAYERS for case in declared_cases(ALL[name], "smoke") if case.dtype == "float64" and case.deviation is None
]
MORE: list[tuple[str, tuple[int, ...], dict[str, Any], dict[str, Any]]] = [
    ("LSTM", (3, 6, 4), {"units": 3, "return_sequences": True, "return_state": True}, {"mask": "gap", "initial_state": "given"}),
    ("LSTM", (3, 6, 4), {"units": 3, "return_state": True, "go_backwards": True, "zero_output_for_mask": True}, {"mask": "left"}),
    ("LSTM", (3, 6, 4), {"units": 3, "return_sequences": True, "zero_output_for_mask": True, "go_backwards": True}, {"mask": "gap"}),
    ("GRU", (3, 6, 4), {"units": 3, "return_sequences": True, "return_state": True, "reset_after": False},
     {"mask": "gap", "initial_state": "given"}),
    ("GRU", (3, 6, 4), {"units": 3, "use_bias": False, "reset_after": False, "go_backwards": True}, {"mask": "right"}),
    ("GRU", (3, 6, 4), {"units": 3, "recurrent_dropout": 0.4, "dropout": 0.3, "reset_after": False, "return_state": True},
     {"training": True, "mask": "gap", "initial_state": "given"}),
    ("SimpleRNN", (3, 6, 4), {"units": 3, "return_sequences": True, "return_state": True}, {"mask": "gap", "initial_state": "given"}),
    *(
        ("Bidirectional", (3, 6, 4), {"layer": layer, "units": 3, "merge_mode": mode, "return_sequences": sequences, "return_state": True},
         {"mask": "gap", "initial_state": "given"})
        for layer, mode, sequences in (("LSTM", None, True), ("GRU", "mul", True), ("SimpleRNN", "ave", False), ("LSTM", "concat", True))
    ),
    ("Bidirectional", (3, 6, 4), {"layer": "GRU", "units": 3, "merge_mode": None}, {}),
]  # fmt: skip
CASES += [Case(layer, config, shape, call, title=f"more-{n}") for n, (layer, shape, config, call) in enumerate(MORE)]


def flat(value: Any) -> list[Any]:
    """The arrays of nested tuples, in order."""
    return [one for part in value for one in flat(part)] if isinstance(value, tuple | list) else [value]


def asked(case: Case) -> tuple[Arrays, str, tuple[Any, ...], dict[str, Any]]:
    """The arrays of a case, and the call of the reference's functions: name, weights, keyword arguments."""
    layer = ALL[case.layer]
    arrays = draw_arrays(layer, case, case.seed())
    call = layer_call(case.layer, layer.keras_config(case.config), arrays.weights, training="training" in case.call)
    return arrays, call.name, call.weights, {**call.options, **arrays.arguments}


def output_gradients(case: Case, outputs: list[Any]) -> list[Any]:
    """A random gradient for every output."""
    rng = np.random.default_rng(case.seed(1))
    return [rng.normal(size=one.shape) for one in outputs]


def reference_gradients(case: Case, grads: list[Any]) -> tuple[Any, ...]:
    """The reference's gradients, as nested as it returns them."""
    arrays, name, weights, options = asked(case)
    grad_output = grads[0] if len(grads) == 1 else tuple(grads)
    return getattr(reference, f"{name}_backward")(grad_output, arrays.x, *weights, **options)


def outputs_of(case: Case) -> list[Any]:
    """The reference's outputs."""
    arrays, name, weights, options = asked(case)
    return flat(getattr(reference, f"{name}_forward")(arrays.x, *weights, **options))


def without_removed(gradients: tuple[Any, ...]) -> list[Any]:
    """The gradients in Keras's order, without that of a removed bias."""
    found = flat(gradients)
    return [found[0], *(one for one in found[1:] if one is not None)]


WITNESSED = [case for case in CASES if case.title.startswith("more") or "dropout" in case.title]


@pytest.mark.parametrize("case", WITNESSED, ids=lambda case: case.id)
def test_the_gradients_are_those_of_central_differences(case):
    arrays, name, weights, options = asked(case)
    given = options.pop("initial_state", ())
    place = (arrays.x, weights, given)
    grads = output_gradients(case, outputs_of(case))
    gradients = [one for one in flat(reference_gradients(case, grads)) if one is not None]

    def loss(x: Any, weights: Any, states: Any) -> float:
        more = {"initial_state": states} if states else {}
        outputs = flat(getattr(reference, f"{name}_forward")(x, *weights, **more, **options))
        return sum(float(np.sum(one * grad)) for one, grad in zip(outputs, grads, strict=True))

    rng = np.random.default_rng(1)
    for _ in range(3):
        directions = [rng.normal(size=one.shape) for one in flat(place)]
        there, back = (loss(*moved(place, iter(directions), far)) for far in (1e-6, -1e-6))
        slope = sum(float(np.sum(one * direction)) for one, direction in zip(gradients, directions, strict=True))
        measured = (there - back) / 2e-6
        assert abs(slope - measured) < 1e-7 * (1 + abs(measured)), f"{case.id}: the slope is {measured}, by the gradients {slope}"


def moved(value: Any, directions: Iterator[Any], far: float) -> Any:
    """Nested tuples of arrays, each moved along its direction."""
    return tuple(moved(one, directions, far) for one in value) if isinstance(value, tuple) else value + far * next(directions)


RNG = np.random.default_rng(3)
GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3}
STATES = {"simple_rnn": 1, "lstm": 2, "gru": 1}
every_layer = pytest.mark.parametrize("layer", GATES)


def weights_of(layer: str, dtype: str = "float64", units: int = 3, features: int = 4) -> tuple[np.ndarray, ...]:
    """Weights of a layer of these sizes."""
    wide = GATES[layer] * units
    bias = (2, wide) if layer == "gru" else (wide,)
    return tuple((RNG.normal(size=shape) / 2).astype(dtype) for shape in ((features, wide), (units, wide), bias))


def backward_of(layer: str) -> Any:
    """A layer's backward function."""
    return getattr(reference, f"{layer}_backward")


@every_layer
def test_where_no_gradient_comes_none_is_zeros(layer):
    x, weights = RNG.normal(size=(2, 5, 4)), weights_of(layer)
    grad_y, grad_h = RNG.normal(size=(2, 5, 3)), RNG.normal(size=(2, 3))
    options = {"return_state": True, "return_sequences": True}
    rest = (None,) * (STATES[layer] - 1)
    both = backward_of(layer)((grad_y, grad_h, *rest), x, *weights, **options)
    parts = [backward_of(layer)((*part, *rest), x, *weights, **options) for part in ((grad_y, None), (None, grad_h))]
    for whole, *each in zip(both, *parts, strict=True):
        assert np.allclose(whole, sum(each), rtol=0, atol=1e-12), f"{layer}: a gradient is not the sum of its parts"
    plain = backward_of(layer)(grad_y, x, *weights, return_sequences=True)
    assert all(np.array_equal(one, two) for one, two in zip(plain, parts[0], strict=True)), f"{layer}: None for the states differs"


@every_layer
def test_gradients_keep_the_dtype_and_leave_the_arguments_alone(layer):
    x, weights = RNG.normal(size=(2, 5, 4)).astype("float32"), weights_of(layer, "float32")
    grad, mask = RNG.normal(size=(2, 3)), np.array([[True, False, True, True, False]] * 2)
    state = (RNG.normal(size=(2, 3)).astype("float32"),) * STATES[layer]
    arguments = [x, *weights, grad, mask, *state]
    before = [one.copy() for one in arguments]
    gradients = backward_of(layer)(grad, x, *weights, mask=mask, initial_state=state)
    assert [one.dtype for one in gradients] == ["float32"] * len(gradients), f"{layer}: gradients of another dtype than the layer"
    assert all(np.array_equal(one, old) for one, old in zip(arguments, before, strict=True)), f"{layer} changed an argument"
    assert np.all(gradients[0][:, [1, 4]] == 0), f"{layer}: a step that does not count has a gradient"
    x, *weights = (one.astype("float64") for one in (x, *weights))
    exact = backward_of(layer)(grad, x, *weights, mask=mask, initial_state=tuple(one.astype("float64") for one in state))
    worst = max(float(np.max(np.abs(one - wide))) for one, wide in zip(gradients, exact, strict=True))
    assert worst < 1e-5, f"{layer}: float32 is off by {worst}"


@every_layer
def test_an_empty_batch_has_gradients_of_zero(layer):
    weights = weights_of(layer)
    for options in ({}, {"mask": np.ones((0, 5), bool)}, {"training": True, "dropout": 0.5, "recurrent_dropout": 0.5, "seed": 1}):
        grad_x, *gradients = backward_of(layer)(np.ones((0, 3)), np.ones((0, 5, 4)), *weights, **options)
        assert grad_x.shape == (0, 5, 4), f"{layer}: an empty batch has a gradient of the shape {grad_x.shape}"
        assert all(not grad.any() and grad.shape == one.shape for grad, one in zip(gradients, weights, strict=True)), (
            f"{layer}: an empty batch moves weights"
        )


@every_layer
def test_integers_and_removed_biases_have_no_gradient(layer):
    kernel, recurrent_kernel, _ = weights_of(layer)
    grad_x, *_, grad_bias = backward_of(layer)(np.ones((2, 3)), np.ones((2, 5, 4), int), kernel, recurrent_kernel)
    assert grad_x is None and grad_bias is None, f"{layer}: integers, or a bias that is not there, have a gradient"


@every_layer
def test_a_grad_output_of_another_shape_is_refused(layer):
    x, weights = np.ones((2, 5, 4)), weights_of(layer)
    for options, grad, sizes in (
        ({}, np.ones((2, 5, 3)), r"\(2, 3\).*\(2, 5, 3\)"),
        ({"return_sequences": True}, np.ones((2, 3)), r"\(2, 5, 3\).*\(2, 3\)"),
        ({"return_state": True}, (np.ones((2, 3)),), r"\(2, 3\), \(2, 3\).*got \[\(2, 3\)\]"),
        ({"return_state": True}, (np.ones((2, 3)),) * 4, r"got \[\(2, 3\), \(2, 3\), \(2, 3\), \(2, 3\)\]"),
    ):
        with pytest.raises(ValueError, match=sizes):
            backward_of(layer)(grad, x, *weights, **options)


def test_a_grad_output_of_another_shape_than_bidirectional_merges_is_refused():
    x, weights = np.ones((2, 5, 4)), weights_of("lstm")
    for options, grad, sizes in (
        ({}, np.ones((2, 3)), r"\(2, 6\).*\(2, 3\)"),
        ({"merge_mode": None}, (np.ones((2, 3)),), r"\(2, 3\), \(2, 3\).*\(2, 3\)"),
        ({"return_state": True, "merge_mode": "sum"}, np.ones((5, 2, 6)), r"\(2, 3\), \(2, 3\).*\(2, 6\)"),
    ):
        with pytest.raises(ValueError, match=sizes):
            reference.bidirectional_backward(grad, x, weights, weights, **options)


def test_halves_that_differ_in_units_have_gradients_of_their_own_shapes():
    x, three, two = RNG.normal(size=(2, 5, 4)), weights_of("lstm"), weights_of("lstm", units=2)
    grad = RNG.normal(size=(2, 5, 5))
    grad_x, forward, backward = reference.bidirectional_backward(grad, x, three, two, return_sequences=True)
    one = reference.lstm_backward(grad[..., :3], x, *three, return_sequences=True)
    other = reference.lstm_backward(grad[:, ::-1, 3:], x, *two, return_sequences=True, go_backwards=True)
    for found, wanted in zip((grad_x, *forward, *backward), (one[0] + other[0], *one[1:], *other[1:]), strict=True):
        assert np.array_equal(found, wanted), "the halves are not layers of their own"


@every_layer
def test_drawn_masks_are_the_same_in_both_passes(layer):
    x, weights = RNG.normal(size=(2, 5, 4)), weights_of(layer)
    grad, options = RNG.normal(size=(2, 3)), {"training": True, "dropout": 0.5, "recurrent_dropout": 0.5, "seed": 1}
    grad_x = backward_of(layer)(grad, x, *weights, **options)[0]
    direction = RNG.normal(size=x.shape)
    there, back = (getattr(reference, f"{layer}_forward")(x + far * direction, *weights, **options) for far in (1e-6, -1e-6))
    measured = float(np.sum(grad * (there - back))) / 2e-6
    assert abs(measured - float(np.sum(grad_x * direction))) < 1e-7, f"{layer}: one seed drops differently in the two passes"


def test_a_forward_pass_keeps_nothing_for_gradients():
    x, weights = np.zeros((32, 400, 4), np.float32), weights_of("lstm", "float32", units=16)
    tracemalloc.start()
    reference.lstm_forward(x, *weights)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The inputs of all gates take 3 MiB; what gradients need, 7 more.
    assert peak / 2**20 < 5, f"the forward pass needed {peak / 2**20:.0f} MiB"


KINKS = [0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 6.0, -6.0]


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"threshold", "hard_sigmoid_keras2"}))  # the last is none of Keras 3
def test_the_gradients_of_activations_are_those_of_keras(name):
    from conformance.oracle.environment import import_keras, tensorflow

    tf = tensorflow()
    x = np.concatenate([np.tile(KINKS, (2, 2)), RNG.normal(0, 3, (20, 22)), RNG.uniform(-80, 80, (20, 22))])
    y = ACTIVATIONS[name](x)
    grad = RNG.normal(size=y.shape)
    found = activation_gradient(name, grad, x, y)
    if name == "sparsemax":
        # Keras computes another function (D5).
        step = 1e-7 * RNG.normal(size=x.shape)
        measured = np.sum(grad * (ACTIVATIONS[name](x + step) - ACTIVATIONS[name](x - step)), axis=-1)[2:] / 2
        assert np.allclose(np.sum(found * step, axis=-1)[2:], measured, rtol=1e-5, atol=1e-12), "the slope of sparsemax is another"
        return
    constant = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(constant)
        answer = getattr(import_keras().activations, name)(constant)
    keras = np.asarray(tape.gradient(answer, constant, output_gradients=tf.constant(grad)))
    # Keras rounds constants of these to float32.
    near = 1e-7 if name in ("gelu", "leaky_relu") else 1e-11
    worst = float(np.max(np.abs(found - keras) / (1 + np.abs(keras))))
    assert worst < near, f"the gradient of {name} is off by {worst}"
