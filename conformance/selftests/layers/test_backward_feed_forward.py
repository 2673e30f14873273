"""The backward passes of the feed-forward layers and of the activation functions: against Keras's tape, and against differences."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import reference
from conformance.base.arrays import Arrays, cast
from conformance.cases import ALL, FAMILIES
from conformance.cases.case import Case, FunctionCases, declared_cases
from conformance.oracle.environment import import_keras, tensorflow
from conformance.selftests.builders.keras_gradients import ARRAY_ALONE, arrays_of, grad_output_for, reference_call, reference_gradients
from reference.layers import spec_of

LAYERS = [layer.layer for family, layers in FAMILIES.items() if family not in ("recurrent", "activations") for layer in layers]
FUNCTIONS = [layer.layer for layer in FAMILIES["activations"]]
EVERYTHING = [*LAYERS, "TimeDistributed", *FUNCTIONS]
ROUNDED = ("leaky_relu", "LeakyReLU", "gelu")
"""TensorFlow rounds constants of these to float32."""
every_layer = pytest.mark.parametrize("name", EVERYTHING)


def tolerance(case: Case) -> float:
    rounded = case.layer in ROUNDED or case.config.get("activation") in ROUNDED or case.config.get("negative_slope")
    return 1e-6 if rounded else 1e-10


def worst(got: Any, wanted: Any) -> float:
    """The largest difference relative to ``1 + abs(wanted)``; infinite where the kinds, the shapes or the overflows differ."""
    if isinstance(wanted, list):
        return max([worst(a, b) for a, b in itertools.zip_longest(got, wanted)], default=0.0) if isinstance(got, list) else np.inf
    if wanted is None or got is None:
        return 0.0 if got is wanted else np.inf
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        return np.inf
    if not np.array_equal(np.isfinite(got), np.isfinite(wanted)):
        return np.inf
    got, wanted = got[np.isfinite(wanted)], wanted[np.isfinite(wanted)]
    return float(np.max(np.abs(got - wanted) / (1 + np.abs(wanted)), initial=0.0))


def cross_checked() -> list[Case]:
    """The first case of everything, and every one in which Keras itself deviates from what it documents."""
    found = []
    for name in EVERYTHING:
        cases = [case for case in declared_cases(ALL[name], "smoke") if case.dtype == "float64"]
        defined = [case for case in cases if case.call.get("values") in (None, "ordinary", "ties", "wide", "huge") or case is cases[0]]
        found += [defined[0], *(case for case in defined[1:] if case.deviation and case.call.get("values") in (None, "ordinary"))]
    trained = ("training-images", "training-sequence", "mask=gap-sequence", "all_masked-training")
    found += [case for case in declared_cases(ALL["BatchNormalization"], "smoke") if case.title in trained and case.dtype == "float64"]
    return [case for case in found if case.layer != "Embedding"]


def output(case: Case, arrays: Arrays) -> np.ndarray:
    name, args, options = reference_call(case, arrays)
    y = getattr(reference, name if isinstance(ALL[case.layer], FunctionCases) else f"{name}_forward")(*args, **options)
    return y[0] if isinstance(y, tuple) else y


def test_gradients_are_slopes():
    """A cross-check of its own: ``L(x + h d) - L(x - h d) = 2 h <gradient, d>`` for the number ``L = <grad_output, y>``."""
    for case in cross_checked():
        arrays = arrays_of(case)
        grad_x, grad_weights = reference_gradients(case, arrays)
        gradients = [*(grad_x if isinstance(grad_x, list) else [grad_x]), *grad_weights]
        rng = np.random.default_rng(case.seed(2))
        directions = [rng.normal(size=one.shape) for one in gradients]

        def moved(step: float, arrays: Arrays = arrays, directions: Any = directions) -> Arrays:
            x = arrays.x if isinstance(arrays.x, tuple) else (arrays.x,)
            held = [one + step * d for one, d in zip((*x, *arrays.weights), directions, strict=False)] + list(arrays.weights)
            new = tuple(held[: len(x)])
            weights = (*held[len(x) : len(directions)], *arrays.weights[len(directions) - len(x) :])
            return replace(arrays, x=new if isinstance(arrays.x, tuple) else new[0], weights=weights)

        ends = [float(np.sum(y * grad_output_for(case, y))) for y in (output(case, moved(step)) for step in (1e-5, -1e-5))]
        slope = (ends[0] - ends[1]) / 2e-5
        said = sum(float(np.sum(gradient * d)) for gradient, d in zip(gradients, directions, strict=True))
        assert abs(slope - said) < 1e-6 * (1 + abs(slope)), f"{case.id}: the slope is {slope}, the gradients say {said}"


@every_layer
def test_gradients_keep_float32(name):
    case = next(case for case in declared_cases(ALL[name], "smoke") if case.dtype == "float32" and "values" not in case.call)
    arrays = cast(arrays_of(case), "float32")
    exact = reference_gradients(case, cast(arrays, "float64"))
    for got, wanted in zip(reference_gradients(case, arrays), exact, strict=True):
        narrow = [one.astype(np.float32) for one in wanted] if isinstance(wanted, list) else wanted
        narrow = narrow if isinstance(wanted, list) or wanted is None else wanted.astype(np.float32)
        off = worst(got, narrow)
        assert off < 2e-5, f"{case.id}: in float32 the gradient is off by {off}"


@every_layer
def test_a_gradient_of_another_shape_is_refused(name):
    case = next(case for case in declared_cases(ALL[name], "smoke") if case.dtype == "float64")
    name, args, options = reference_call(case, arrays_of(case))
    with pytest.raises(ValueError, match=r"grad_output must have the shape of the output, \(.*\), got \(7, 1, 7\)"):
        getattr(reference, f"{name}_backward")(np.zeros((7, 1, 7)), *args, **options)


@every_layer
def test_arguments_are_never_changed(name):
    case = next(case for case in declared_cases(ALL[name], "smoke") if case.dtype == "float64")
    arrays = arrays_of(case)
    kept = [one for one in (*(arrays.x if isinstance(arrays.x, tuple) else (arrays.x,)), *arrays.weights)]
    for one in kept:
        one.flags.writeable = False
    reference_gradients(case, arrays)  # a write into a read-only array raises


@pytest.mark.parametrize("name", LAYERS)
def test_forward_and_backward_are_thin_over_one_pair(name):
    spec = spec_of(name)
    snake = spec.name
    case = next(case for case in declared_cases(ALL[name], "smoke") if case.dtype == "float64")
    arrays = arrays_of(case)
    _, args, options = reference_call(case, arrays)
    y, saved = spec.run(*args, **options)
    assert np.array_equal(y, output(case, arrays)), f"_{snake}_run computes something else than {snake}_forward"
    got = spec.gradients(grad_output_for(case, y), saved)
    assert isinstance(got, tuple), f"_{snake}_gradients returns no tuple"
    if f"{snake}_backward" not in ARRAY_ALONE:
        public = getattr(reference, f"{snake}_backward")(grad_output_for(case, y), *args, **options)
        assert worst(list(got), list(public)) == 0, f"{snake}_backward computes something else than _{snake}_gradients"


ELEMENTWISE = [name for name in FUNCTIONS if name not in ("glu", "log_softmax", "softmax", "sparsemax", "threshold")]
KINKS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ELEMENTWISE),
    *(
        ("relu", {"negative_slope": slope, "max_value": most, "threshold": least})
        for slope, most, least in itertools.product((0.0, 0.25), (None, 0.0, 2.0, 6.0), (0.0, 1.0, -1.0, 3.0, 6.0))
    ),
    *((name, {"alpha": alpha}) for name in ("elu", "celu") for alpha in (0.5, 2.0)),
    *((name, {"threshold": least}) for name in ("hard_shrink", "soft_shrink") for least in (0.0, 1.0)),
    *(("threshold", {"threshold": least, "default_value": 2.0}) for least in (-1.0, 0.0, 0.5)),
]


@pytest.mark.parametrize(("name", "options"), KINKS, ids=["-".join([name, *map(str, options.values())]) for name, options in KINKS])
def test_a_kink_has_the_slope_that_keras_gives_it(name, options):
    tf, x = tensorflow(), np.array([-6, -3, -2, -1, -0.5, -0.0, 0.0, 0.5, 1, 2, 3, 6])
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        y = getattr(import_keras().activations, name)(tensor, **options)
    wanted = tape.gradient(y, tensor).numpy()
    got = getattr(reference, f"{name}_backward")(np.ones_like(x), x, **options)
    off = np.flatnonzero(np.abs(got - wanted) > (1e-7 if name in ROUNDED else 1e-12))
    assert not off.size, f"{name} at {x[off]}: the slopes are {got[off]}, in Keras {wanted[off]}"


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if name != "exponential"])
def test_huge_values_have_finite_slopes(name):
    for huge in (np.float32(1e30), np.float64(1e250)):
        x = np.array([-huge, -1000, -100, 100, 1000, huge], huge.dtype)
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            slopes = getattr(reference, f"{name}_backward")(np.ones_like(x), x)
        assert np.all(np.abs(slopes) < 2), f"{name}: the slopes at {x} are {slopes}"


NAN, INF = np.nan, np.inf
WINDOWS = {
    "ties": [1, 1, 0, 1],
    "a NaN in front": [NAN, 1, 2, NAN],
    "a NaN behind": [1, NAN, 2, 1],
    "NaN alone": [NAN] * 4,
    "minus infinity alone": [-INF] * 4,
    "both": [-INF, NAN, -INF, NAN],
    "infinities": [INF, INF, 1, 2],
}


@pytest.mark.parametrize("what", WINDOWS)
@pytest.mark.parametrize("options", [{"pool_size": 4}, {"pool_size": 3, "strides": 1, "padding": "same"}], ids=["whole", "overlapping"])
def test_a_maximum_is_chosen_as_keras_chooses_it(what, options):
    tf, x = tensorflow(), np.array(WINDOWS[what], float).reshape(1, 4, 1)
    layer, tensor = import_keras().layers.MaxPooling1D(**options, dtype="float64"), tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        y = layer(tensor)
    grad_output = np.arange(1.0, 1 + y.shape[1]).reshape(y.shape)
    wanted = tape.gradient(y, tensor, output_gradients=tf.constant(grad_output)).numpy()
    (got,) = reference.max_pooling1d_backward(grad_output, x, **options)
    assert np.array_equal(got, wanted), f"{what}: {got.ravel()}, in Keras {wanted.ravel()}"


IMAGES = np.random.default_rng(3).normal(size=(4, 6, 5, 3))


@pytest.mark.parametrize(
    ("name", "more"),
    [("dropout", {}), ("spatial_dropout1d", {}), ("spatial_dropout2d", {}), ("spatial_dropout2d", {"data_format": "channels_first"})],
    ids=lambda one: one if isinstance(one, str) else "-".join(one.values()) or "alone",
)
def test_a_seed_drops_the_same_in_both_directions(name, more):
    x = IMAGES[:, 0] if name == "spatial_dropout1d" else IMAGES
    options = {"rate": 0.4, "training": True, **more}
    y = getattr(reference, f"{name}_forward")(x, seed=5, **options)
    backward = getattr(reference, f"{name}_backward")
    (grad_x,) = backward(x, x, seed=5, **options)
    assert np.array_equal(grad_x, y), f"{name} is linear: the gradient of x, given x, is the output"
    with pytest.raises(ValueError, match="dropout_mask"):
        backward(x, x, **options)


INTEGERS = {
    "Dense": lambda x: reference.dense_backward(np.ones((2, 2)), x, np.ones((3, 2))),
    "Flatten": lambda x: reference.flatten_backward(np.ones((2, 3)), x),
    "Reshape": lambda x: reference.reshape_backward(np.ones((2, 3, 1)), x, target_shape=(3, 1)),
    "ReLU": lambda x: reference.re_lu_backward(np.ones((2, 3)), x),
    "MaxPooling1D": lambda x: reference.max_pooling1d_backward(np.ones((2, 1, 1)), x[..., None], pool_size=3),
    "GlobalMaxPooling1D": lambda x: reference.global_max_pooling1d_backward(np.ones((2, 1)), x[..., None]),
    "GlobalAveragePooling1D": lambda x: reference.global_average_pooling1d_backward(np.ones((2, 1)), x[..., None]),
    "BatchNormalization": lambda x: reference.batch_normalization_backward(np.ones((2, 3)), x, None, None, np.ones(3), np.ones(3)),
    "LayerNormalization": lambda x: reference.layer_normalization_backward(np.ones((2, 3)), x),
    "TimeDistributed": lambda x: reference.time_distributed_backward(np.ones((2, 3, 2)), x[..., None], (np.ones((1, 2)),)),
    "Rescaling": lambda x: reference.rescaling_backward(np.ones((2, 3)), x, scale=0.5),
    "Embedding": lambda x: reference.embedding_backward(np.ones((2, 3, 2)), x, np.ones((9, 2))),
    "Dropout": lambda x: reference.dropout_backward(np.ones((2, 3)), x, rate=0.5),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_have_no_gradient(name):
    assert INTEGERS[name](np.array([[1, 2, 3], [4, 5, 6]]))[0] is None, f"{name} returns a gradient of integers"


def test_integers_among_several_inputs_have_no_gradient():
    whole, broken = np.ones((2, 3), np.int32), np.ones((2, 3))
    for name, shape in (("add", (2, 3)), ("concatenate", (2, 6))):
        (gradients,) = getattr(reference, f"{name}_backward")(np.ones(shape), [whole, broken])
        assert gradients[0] is None and gradients[1].shape == (2, 3), f"{name} does not tell integers from floats"


def test_what_is_added_to_every_sample_gets_the_sum_over_the_batch():
    g = IMAGES[:, 0]
    ((_, grad_row),) = reference.add_backward(g, [g, g[:1]])
    assert np.allclose(grad_row, g.sum(axis=0, keepdims=True), rtol=0, atol=1e-12), "the batch axis was repeated, its gradients add up"


def test_an_infinite_gradient_stays_in_its_cell():
    (grad_x,) = reference.max_pooling1d_backward(np.array([[[np.inf], [2.0]]]), np.arange(4.0).reshape(1, 4, 1), pool_size=2)
    assert grad_x.ravel().tolist() == [0, np.inf, 0, 2], f"beside the largest value the gradient is 0, not {grad_x.ravel()}"


def test_a_weight_that_is_not_there_has_no_gradient():
    x, g = IMAGES[:, 0], np.ones((4, 5, 2))
    assert reference.dense_backward(g, x, np.ones((3, 2)))[2] is None, "dense has no bias here"
    assert reference.conv1d_backward(g, x, np.ones((1, 3, 2)))[2] is None, "conv1d has no bias here"
    three, (mean, variance) = np.ones(3), np.ones((2, 3))
    for training in (False, True):
        gradients = reference.batch_normalization_backward(x, x, None, three, mean, variance, training=training)
        assert len(gradients) == 3 and gradients[1] is None and gradients[2].shape == (3,), "scale is off, moving statistics do not train"
    assert reference.layer_normalization_backward(x, x, three)[2] is None, "center is off"


def test_masked_places_have_no_gradient():
    x, mask = IMAGES[:, 0], np.array([[True, True, False, True, False]] * 3 + [[False] * 5])
    (grad_x,) = reference.global_average_pooling1d_backward(np.ones((4, 3)), x, mask=mask)
    assert np.all((grad_x != 0) == mask[..., None]), "global average pooling: other places than the kept ones have a gradient"
    kept = np.broadcast_to(mask[..., None], x.shape)
    grad_x = reference.softmax_backward(IMAGES[:, 1], x, mask=kept, axis=1)
    assert np.all((grad_x != 0) == kept), "softmax: other places than the kept ones have a gradient"
    steps = np.where(kept, x, 0)
    assert np.all((reference.masking_backward(np.ones(x.shape), steps)[0] != 0) == kept), "masking: masked steps have a gradient"


def test_the_statistics_of_one_position_are_differentiated_as_keras_does():
    """Where a single position counts, the 1e-7 that a mask adds to their number is what its mean and variance are made of."""
    tf, x, mask = tensorflow(), IMAGES[:, 0], np.arange(20).reshape(4, 5) == 7
    layer, tensor = import_keras().layers.BatchNormalization(dtype="float64"), tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        y = layer(tensor, training=True, mask=tf.constant(mask))
    wanted = tape.gradient(y, [tensor, layer.gamma, layer.beta], output_gradients=tf.constant(IMAGES[:, 1]))
    one, zero = np.ones(3), np.zeros(3)
    got = reference.batch_normalization_backward(IMAGES[:, 1], x, one, zero, zero, one, training=True, mask=mask)
    off = worst(list(got), [one.numpy() for one in wanted])
    assert off < 1e-10, f"the gradients are off by {off}"


@pytest.mark.parametrize("layer", ["Conv2D", "MaxPooling2D", "AveragePooling2D", "BatchNormalization", "Embedding", "Dense"])
def test_chunks_of_a_large_batch_have_the_gradients_of_their_samples(layer):
    rng = np.random.default_rng(4)
    x, kernel = rng.normal(size=(300, 9, 8, 16)), rng.normal(size=(3, 3, 16, 5))
    table, ids = rng.normal(size=(50, 4)), rng.integers(-50, 50, (300, 40))
    parts = (slice(0, 100), slice(100, 300))
    if layer == "Embedding":
        g = rng.normal(size=(300, 40, 4))
        whole, *halves = (reference.embedding_backward(g[p], ids[p], table)[1] for p in (slice(None), *parts))
        assert np.allclose(whole, sum(halves), rtol=0, atol=1e-11), "Embedding: the table's gradient over a large batch"
        one_by_one = np.zeros_like(table)
        np.add.at(one_by_one, ids, g)
        assert np.allclose(whole, one_by_one, rtol=0, atol=1e-11), "Embedding: the rows do not hold the sums of their places"
        return
    calls = {
        "Conv2D": lambda g, x: reference.conv2d_backward(g, x, kernel, padding="same", strides=(2, 1)),
        "MaxPooling2D": lambda g, x: reference.max_pooling2d_backward(g, x, pool_size=3, strides=(2, 1), padding="same"),
        "AveragePooling2D": lambda g, x: reference.average_pooling2d_backward(g, x, pool_size=3, strides=(2, 1), padding="same"),
        "BatchNormalization": lambda g, x: reference.batch_normalization_backward(g, x, np.ones(16), None, np.zeros(16), np.ones(16)),
        "Dense": lambda g, x: reference.dense_backward(g, x, kernel[0, 0]),
    }
    shape = {"Conv2D": (5, 8, 5), "Dense": (9, 8, 5), "BatchNormalization": (9, 8, 16)}.get(layer, (5, 8, 16))
    g = rng.normal(size=(300, *shape))
    whole, halves = calls[layer](g, x), [calls[layer](g[p], x[p]) for p in parts]
    assert np.allclose(whole[0], np.concatenate([half[0] for half in halves]), rtol=0, atol=1e-11), f"{layer}: grad_x of a large batch"
    for own, *apart in zip(whole[1:], *(half[1:] for half in halves), strict=True):
        assert own is None or np.allclose(own, sum(apart), rtol=0, atol=1e-9), f"{layer}: a weight's gradient over a large batch"
