"""Files of Keras 2 and of tf.keras: read with the meaning that they had, or refused with the true cause."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from conformance.selftests.builders.old_files import chain, dense, draw, layer, with_modules, write_h5, write_zip
from reference.models import load_model, new_model
from reference.saving.reader import ArchiveError

KERNEL, BIAS, SECOND, SECOND_BIAS = draw((4, 3), (3,), (3, 2), (2,))
X = np.random.default_rng(3).normal(size=(5, 4)).astype(np.float32)
TWO = {"a": {"kernel": KERNEL, "bias": BIAS}, "b": {"kernel": SECOND, "bias": SECOND_BIAS}}
WANTED = np.maximum(X @ KERNEL + BIAS, 0) @ SECOND + SECOND_BIAS
SHAPE: dict[str, Any] = {"batch_input_shape": [None, 4]}
UNITS = 2


def close(got: Any, want: Any, about: str) -> None:
    assert got.shape == want.shape, f"{about}: the shape is {got.shape}, not {want.shape}"
    assert np.abs(got - want).max() < 1e-5, f"{about}: off by {np.abs(got - want).max():.1e}"


def refused(path: Any, *words: str, **options: Any) -> None:
    with pytest.raises(ArchiveError) as raised:
        load_model(path, **options)
    for word in words:
        assert word in str(raised.value), f"the sentence does not say {word!r}: {raised.value}"


def old_line(x: Any) -> Any:
    return np.clip(0.2 * x + 0.5, 0, 1)


def new_line(x: Any) -> Any:
    return np.clip(x / 6 + 0.5, 0, 1)


# A Sequential model as a list


@pytest.mark.parametrize("version", ["2.0.8", "2.1.4", "2.2.2"])
def test_a_list_of_layers_is_a_sequential_model(version: str, tmp_path: Path) -> None:
    config = {"class_name": "Sequential", "config": [dense("a", 3, "relu", **SHAPE), dense("b", 2)]}
    close(load_model(write_h5(tmp_path / "m.h5", config, TWO, version)).predict(X), WANTED, "a list")


def test_a_list_in_a_list_has_the_name_that_its_weights_have(tmp_path: Path) -> None:
    inner = {"class_name": "Sequential", "config": [dense("a", 3, "relu", **SHAPE)]}
    config = {"class_name": "Sequential", "config": [inner, dense("b", 2)]}
    path = write_h5(tmp_path / "m.h5", config, {"sequential_7": TWO["a"], "b": TWO["b"]}, "2.1.4")
    close(load_model(path).predict(X), WANTED, "a list in a list")


# What the names of Keras 2 meant


def lstm(weights: Any, x: Any, gate: Any) -> Any:
    k, r, b = weights.values()
    h = c = np.zeros((len(x), UNITS))
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ k + h @ r + b, 4, -1)
        c = gate(f) * c + gate(i) * np.tanh(g)
        h = gate(o) * np.tanh(c)
    return h


def gru(weights: Any, x: Any, gate: Any) -> Any:
    k, r, b = weights.values()
    h = np.zeros((len(x), UNITS))
    kz, kr, kh = np.split(k, 3, -1)
    rz, rr, rh = np.split(r, 3, -1)
    bz, br, bh = np.split(b, 3, -1)
    for t in range(x.shape[1]):
        z, reset = gate(x[:, t] @ kz + h @ rz + bz), gate(x[:, t] @ kr + h @ rr + br)
        h = z * h + (1 - z) * np.tanh(x[:, t] @ kh + (reset * h) @ rh + bh)
    return h


STEPS = np.random.default_rng(4).normal(0, 2, size=(4, 3, 2)).astype(np.float32)
GATED = {
    name: dict(zip(("kernel", "recurrent_kernel", "bias"), draw((2, gates * UNITS), (UNITS, gates * UNITS), (gates * UNITS,)), strict=True))
    for name, gates in (("LSTM", 4), ("GRU", 3))
}


def gated(tmp_path: Path, class_name: str, version: str | None, **options: Any) -> Path:
    config = chain(layer(class_name, "cell", units=UNITS, activation="tanh", use_bias=True, batch_input_shape=[None, 3, 2], **options))
    return write_h5(tmp_path / "m.h5", config, {"cell": GATED[class_name]}, version)


@pytest.mark.parametrize(
    ("version", "line"),
    [("2.0.6", old_line), ("2.2.4", old_line), ("2.2.4-tf", old_line), ("2.15.0", old_line), ("3.0.5", new_line), ("3.15.1", new_line)],
)
def test_hard_sigmoid_is_that_of_the_version(version: str, line: Any, tmp_path: Path) -> None:
    path = gated(tmp_path, "LSTM", version, recurrent_activation="hard_sigmoid")
    close(load_model(path).predict(STEPS), lstm(GATED["LSTM"], STEPS, line), version)


@pytest.mark.parametrize("version", ["2.1.4", "2.2.4"])
@pytest.mark.parametrize(("class_name", "run"), [("LSTM", lstm), ("GRU", gru)])
def test_what_a_gated_layer_leaves_out_has_the_default_of_its_version(class_name: str, run: Any, version: str, tmp_path: Path) -> None:
    path = gated(tmp_path, class_name, version)
    close(load_model(path).predict(STEPS), run(GATED[class_name], STEPS, old_line), f"{class_name} of {version}")


def test_a_gru_of_keras_2_3_has_no_reset_after(tmp_path: Path) -> None:
    path = gated(tmp_path, "GRU", "2.3.1", recurrent_activation="sigmoid")
    close(load_model(path).predict(STEPS), gru(GATED["GRU"], STEPS, lambda x: 1 / (1 + np.exp(-x))), "the product comes after")


def test_what_cannot_be_known_is_refused(tmp_path: Path) -> None:
    path = gated(tmp_path, "LSTM", None, recurrent_activation="hard_sigmoid")
    refused(path, "layer 'cell': recurrent_activation 'hard_sigmoid' is 0.2 x + 0.5 in Keras 2", "x / 6 + 0.5", "keras_version")
    refused(gated(tmp_path, "GRU", None, recurrent_activation="sigmoid"), "layer 'cell': GRU has no reset_after", "keras_version")
    refused(gated(tmp_path, "LSTM", "2.2.4-tf"), "LSTM has no recurrent_activation", "TensorFlow 1 and TensorFlow 2", "2.2.4-tf")
    path = gated(tmp_path, "LSTM", "three", recurrent_activation="hard_sigmoid")
    refused(path, "a Keras that the file does not name", "hard_sigmoid")


def test_the_version_stands_beside_a_configuration_or_in_its_file_of_weights(tmp_path: Path) -> None:
    options = {"units": UNITS, "activation": "tanh", "use_bias": True, "recurrent_activation": "hard_sigmoid"}
    config = chain(layer("LSTM", "cell", batch_input_shape=[None, 3, 2], **options))
    want = lstm(GATED["LSTM"], STEPS, old_line)
    weights = gated(tmp_path, "LSTM", None, recurrent_activation="hard_sigmoid")
    close(load_model({**config, "keras_version": "2.2.4"}, weights=weights).predict(STEPS), want, "the configuration says it")
    refused(config, "hard_sigmoid", "keras_version", weights=weights)
    weights = gated(tmp_path, "LSTM", "2.2.4", recurrent_activation="hard_sigmoid")
    close(load_model(config, weights=weights).predict(STEPS), want, "the weights say it")
    with pytest.raises(ArchiveError, match="keras_version"):
        new_model(config)


@pytest.mark.parametrize("end", [dense("b", 2, "hard_sigmoid"), layer("Activation", "b", activation="hard_sigmoid")])
def test_hard_sigmoid_of_any_layer_is_kept_and_saved_as_json_alone(end: Any, tmp_path: Path) -> None:
    is_dense = end["class_name"] == "Dense"
    first = dense("a", 3, "relu", **SHAPE)
    path = write_h5(tmp_path / "m.h5", chain(first, end), TWO if is_dense else {"a": TWO["a"]}, "2.4.0")
    want = old_line(WANTED if is_dense else np.maximum(X @ KERNEL + BIAS, 0))
    model = load_model(path)
    close(model.predict(X), want, "slope 0.2")
    with pytest.raises(ArchiveError, match=r"layer 'b': activation is the hard_sigmoid of Keras 2, .* which Keras 3 does not have"):
        model.save(tmp_path / "m.keras")
    model.save(tmp_path / "m.json")
    close(load_model(tmp_path / "m.json").predict(X), want, "as JSON")


def test_the_function_of_keras_2_has_no_name_in_a_file_of_keras_3(tmp_path: Path) -> None:
    config = with_modules(chain(layer("InputLayer", "x", batch_shape=[None, 4]), dense("a", 3, "hard_sigmoid_keras2")))
    refused(write_zip(tmp_path / "m.keras", config, {"layers/dense": [KERNEL, BIAS]}, "3.15.1"), "'hard_sigmoid_keras2' is no activation")


@pytest.mark.parametrize("wrapped", [False, True])
def test_kernels_of_the_theano_backend_are_turned(wrapped: bool, tmp_path: Path) -> None:
    conv = layer("Conv2D", "conv", filters=2, kernel_size=[2, 3], strides=[1, 1], padding="valid", activation="linear", use_bias=True)
    size = [None, 2, 5, 4, 1] if wrapped else [None, 5, 4, 1]
    first = layer("TimeDistributed", "conv", layer=conv) if wrapped else conv
    first["config"]["batch_input_shape"] = size
    kernel, bias, x = draw((2, 3, 1, 2), (2,), (3, *(one for one in size if one)))
    arrays = {"conv": {"kernel": kernel, "bias": bias}}
    other = load_model(write_h5(tmp_path / "t.h5", chain(first), {"conv": {"kernel": kernel[::-1, ::-1], "bias": bias}}, "2.2.4"))
    want = other.predict(x)
    close(load_model(write_h5(tmp_path / "m.h5", chain(first), arrays, "2.2.4", "theano")).predict(x), want, "turned")
    assert np.abs(load_model(write_h5(tmp_path / "n.h5", chain(first), arrays, "2.2.4")).predict(x) - want).max() > 0.1, "not the others"


def test_options_that_keras_3_has_no_more_are_dropped_and_no_others(tmp_path: Path) -> None:
    gone = layer("BatchNormalization", "n", axis=[1], fused=None, virtual_batch_size=None, adjustment=None)
    one = {"gamma": BIAS, "beta": BIAS, "moving_mean": BIAS, "moving_variance": np.abs(BIAS)}
    first = dense("a", 3, **SHAPE)
    model = load_model(write_h5(tmp_path / "m.h5", chain(first, gone), {"a": TWO["a"], "n": one}))
    y = X @ KERNEL + BIAS
    close(model.predict(X), BIAS * (y - BIAS) / np.sqrt(np.abs(BIAS) + 1e-3) + BIAS, "normalised")
    gone["config"]["virtual_batch_size"] = 2
    path = write_h5(tmp_path / "m.h5", chain(first, gone), {"a": TWO["a"], "n": one})
    refused(path, "'n': BatchNormalization has no option 'virtual_batch_size'")
    leak = layer("LeakyReLU", "leak", alpha={"type": "ndarray", "value": 0.25})
    model = load_model(write_h5(tmp_path / "m.h5", chain(first, leak), {"a": TWO["a"]}))
    close(model.predict(X), np.where(y > 0, y, 0.25 * y), "alpha, kept as an array")


def test_what_keras_1_wrote_is_refused_by_its_version(tmp_path: Path) -> None:
    old = {"class_name": "Dense", "config": {"name": "a", "output_dim": 3, "init": "glorot_uniform", **SHAPE}}
    path = write_h5(tmp_path / "m.h5", {"class_name": "Sequential", "config": [old]}, {"a": TWO["a"]}, "1.2.2")
    refused(path, "Keras 1.2.2", "Keras 2.0 to 2.3 loads the file")


# Archives of tf.keras 2.12 to 2.15


INPUT = layer("InputLayer", "x", batch_input_shape=[None, 4], dtype="float32", sparse=False, ragged=False)
PAIR = with_modules(chain(INPUT, dense("a", 3, "relu"), dense("b", 2)))


@pytest.mark.parametrize(
    "groups",
    [
        ("layers/dense", "layers/dense_1"),
        ("layers\\dense", "layers\\dense_1"),
        ("_layer_checkpoint_dependencies/dense", "_layer_checkpoint_dependencies/dense_1"),
        ("_layer_checkpoint_dependencies/dense", "_layer_checkpoint_dependencies/dense_2"),
        ("_layer_checkpoint_dependencies\\dense", "_layer_checkpoint_dependencies\\dense_2"),
    ],
)
@pytest.mark.parametrize("version", ["2.13.1", None])
@pytest.mark.parametrize("metrics", ["metrics/mean", "metrics\\mean_metric_wrapper"])
def test_an_archive_of_tf_keras_is_read(version: str | None, groups: tuple[str, str], metrics: str, tmp_path: Path) -> None:
    weights = {groups[0]: [KERNEL, BIAS], groups[1]: [SECOND, SECOND_BIAS], metrics: [BIAS], "optimizer": [BIAS], "": []}
    path = write_zip(tmp_path / "m.keras", PAIR, {name: arrays for name, arrays in weights.items() if name}, version)
    close(load_model(path).predict(X), WANTED, groups[1])


def test_three_layers_of_one_shape_keep_their_order_where_the_numbers_count_twice(tmp_path: Path) -> None:
    """``dense_2`` is the second layer there, and the third one where numbers count once."""
    kernels = draw((4, 4), (4, 4), (4, 4))
    config = with_modules(chain(INPUT, *(layer("Dense", name, units=4, use_bias=False) for name in "abc")))
    root = "_layer_checkpoint_dependencies/dense"
    for numbers in (("", "_2", "_4"), ("", "_1", "_2")):
        path = write_zip(tmp_path / "m.keras", config, {f"{root}{n}": [k] for n, k in zip(numbers, kernels, strict=True)})
        close(load_model(path).predict(X), X @ kernels[0] @ kernels[1] @ kernels[2], str(numbers))


@pytest.mark.parametrize("module", ["keras.src.engine.functional", "tf_keras.src.engine.functional"])
def test_a_functional_archive_of_tf_keras_is_read(module: str, tmp_path: Path) -> None:
    layers = [{**INPUT, "name": "x", "inbound_nodes": []}]
    layers += [{**dense("a", 3, "relu"), "name": "a", "inbound_nodes": [[["x", 0, 0, {}]]]}]
    layers += [{**dense("b", 2), "name": "b", "inbound_nodes": [[["a", 0, 0, {}]]]}]
    config = {"name": "model", "trainable": True, "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["b", 0, 0]]}
    model = with_modules({"class_name": "Functional", "config": config}, module)
    path = write_zip(tmp_path / "m.keras", model, {"layers/dense": [KERNEL, BIAS], "layers/dense_1": [SECOND, SECOND_BIAS]}, "2.15.0")
    close(load_model(path).predict(X), WANTED, "functional")


def test_no_layer_keeps_the_input_shape_that_it_was_made_with(tmp_path: Path) -> None:
    """tf.keras gives one to a layer that was called before the model was made, as TextVectorization is by adapt."""
    options = {"max_tokens": 9, "vocabulary": ["a", "b"], "output_sequence_length": 2, "batch_input_shape": [None]}
    text = layer("TextVectorization", "t", **options)
    first = layer("InputLayer", "x", batch_input_shape=[None, 1], dtype="string", sparse=False, ragged=False)
    table = layer("Embedding", "e", input_dim=9, output_dim=2, mask_zero=False)
    (rows,) = draw((9, 2))
    model = load_model(write_h5(tmp_path / "m.h5", chain(first, text, table), {"e": {"embeddings": rows}}, "2.15.0"))
    close(model.predict(np.array([["b a"]])), rows[[[3, 2]]], "the terms are numbered from 2")


def test_the_sentence_names_the_keras_that_wrote_a_configuration_or_weights_alone(tmp_path: Path) -> None:
    config = {**chain(layer("Dense", "a", units=3, use_bias=True, **SHAPE), layer("Lambda", "l")), "keras_version": "2.3.1"}
    refused(config, "the configuration: written by Keras 2.3.1: layer 'l'", weights=tmp_path / "any.h5")
    with h5py.File(write_h5(tmp_path / "w.h5", config, TWO, "2.3.1"), "r+") as file:
        del file.attrs["model_config"]
    refused(tmp_path / "w.h5", "the file holds weights alone, written by Keras 2.3.1; they are read beside a configuration")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["measured"] = KERNEL
    refused(tmp_path / "data.h5", "no model of Keras: an HDF5 file with neither a model_config nor weights")


def test_a_group_that_stands_under_two_names_is_refused(tmp_path: Path) -> None:
    weights = {"layers/dense": [KERNEL, BIAS], "layers\\dense": [KERNEL, BIAS], "layers/dense_1": [SECOND, SECOND_BIAS]}
    refused(write_zip(tmp_path / "m.keras", PAIR, weights), "stands in the file twice")


# A Sequential model whose input is described elsewhere


PLACES: dict[str, Any] = {
    "build_input_shape": lambda model, first: model["config"].update(build_input_shape=[None, 4]),
    "the model's build_config": lambda model, first: model.update(build_config={"input_shape": [None, 4]}),
    "the layer's build_config": lambda model, first: first.update(build_config={"input_shape": [None, 4]}),
    "input_shape": lambda model, first: first["config"].update(input_shape=[4]),
    "input_dim": lambda model, first: first["config"].update(input_dim=4),
    "shape": lambda model, first: model["config"]["layers"].insert(0, {**first, **layer("InputLayer", "x", shape=[4])}),
}


@pytest.mark.parametrize("place", PLACES)
def test_the_input_of_a_sequential_model_is_found_where_keras_finds_it(place: str, tmp_path: Path) -> None:
    model = with_modules(chain(dense("a", 3, "relu"), dense("b", 2)))
    weights = {"layers/dense": [KERNEL, BIAS], "layers/dense_1": [SECOND, SECOND_BIAS]}
    refused(write_zip(tmp_path / "m.keras", model, weights, "3.15.1"), "the model was saved before it was built")
    PLACES[place](model, model["config"]["layers"][0])
    loaded = load_model(write_zip(tmp_path / "m.keras", model, weights, "3.15.1"))
    close(loaded.predict(X), WANTED, place)
    loaded.save(tmp_path / "again.keras")
    close(load_model(tmp_path / "again.keras").predict(X), WANTED, "saved again")


# Refusals that name everything


def test_all_missing_layers_are_named(tmp_path: Path) -> None:
    steps = layer("Lambda", "l1", function=["4wE=", None, None]), layer("Lambda", "l2", function=["4wE=", None, None])
    others = layer("ThresholdedReLU", "t", theta=1.0), layer("TimeDistributed", "steps", layer=layer("CuDNNLSTM", "fast", units=2))
    path = write_h5(tmp_path / "m.h5", chain(dense("a", 3, **SHAPE), *steps, *others), {"a": TWO["a"]}, "2.2.4")
    refused(
        path, "written by Keras 2.2.4", "layer 'l1': class 'Lambda' is not supported", "it in 'l2'", "class 'ThresholdedReLU' ('t')",
        "class 'CuDNNLSTM' ('steps/layer')", "layers.LSTM in its place is read", "its code is never run", "supported are Activation, ",
    )  # fmt: skip


def of_tf(function: str, *nodes: Any, before: tuple[dict[str, Any], ...] = (), name: str = "op") -> dict[str, Any]:
    """A functional model of tf.keras: layers ``a`` (4 to 3) and ``b`` (4 to 3), and an operation on what they give."""
    layers = [{**INPUT, "name": "x", "inbound_nodes": []}]
    layers += [{**dense(one, 3), "name": one, "inbound_nodes": [[["x", 0, 0, {}]]]} for one in "ab"]
    layers += [*before, {**layer("TFOpLambda", name, function=function), "name": name, "inbound_nodes": list(nodes)}]
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [[name, len(nodes) - 1, 0]]}
    return {"class_name": "Functional", "config": config}


BOTH = {"a": {"kernel": KERNEL, "bias": BIAS}, "b": {"kernel": KERNEL[::-1], "bias": BIAS}}
A, B = X @ KERNEL + BIAS, X @ KERNEL[::-1] + BIAS
ROW = [0.5, -1.0, 2.0]
WITH_B: dict[str, Any] = {"y": ["b", 0, 0], "name": None}
OF_TF: dict[str, tuple[dict[str, Any], Any]] = {
    "x + y": (of_tf("__operators__.add", ["a", 0, 0, WITH_B]), A + B),
    "tf.math.add": (of_tf("math.add", ["a", 0, 0, {**WITH_B, "name": None}]), A + B),
    "x - y": (of_tf("math.subtract", ["a", 0, 0, WITH_B]), A - B),
    "x * 2": (of_tf("math.multiply", ["a", 0, 0, {"y": 2, "name": None}]), A * 2),
    "x / 255": (of_tf("math.truediv", ["a", 0, 0, {"y": 255.0, "name": None}]), A / 255),
    "1 - x": (of_tf("math.subtract", ["_CONSTANT_VALUE", -1, 1.0, {"y": ["a", 0, 0], "name": None}]), 1 - A),
    "1 / x": (of_tf("math.truediv", ["_CONSTANT_VALUE", -1, 1, {"y": ["a", 0, 0], "name": None}]), 1 / A),
    "x - a row": (of_tf("math.subtract", ["a", 0, 0, {"y": ROW, "name": None}]), A - ROW),
    "a row - x": (of_tf("math.subtract", ["_CONSTANT_VALUE", -1, ROW, {"y": ["a", 0, 0]}]), ROW - A),
    "tf.concat": (of_tf("concat", [["a", 0, 0, {"axis": -1}], ["b", 0, 0, {"axis": -1}]]), np.concatenate([A, B], axis=-1)),
    "tf.concat along 1": (of_tf("concat", [["a", 0, 0, {"axis": 1}], ["b", 0, 0, {"axis": 1}]]), np.concatenate([A, B], axis=1)),
    "tf.nn.relu": (of_tf("nn.relu", ["a", 0, 0, {"name": None}]), np.maximum(A, 0)),
    "tf.tanh": (of_tf("math.tanh", ["a", 0, 0, {"name": None}]), np.tanh(A)),
    "twice": (of_tf("math.multiply", ["a", 0, 0, {"y": 2.0}], ["op", 0, 0, {"y": ["b", 0, 0]}]), A * 2 * B),
}


@pytest.mark.parametrize("what", OF_TF)
def test_operations_of_tf_keras_run_where_an_operator_or_a_layer_does_the_same(what: str, tmp_path: Path) -> None:
    config, want = OF_TF[what]
    path = write_h5(tmp_path / "m.h5", config, {**BOTH, "op": {}}, "2.11.0")
    close(load_model(path).predict(X), want, what)
    load_model(path).save(tmp_path / "again.keras")
    close(load_model(tmp_path / "again.keras").predict(X), want, f"{what}, saved again")


NOT_OF_TF: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "the mean": (
        of_tf("math.reduce_mean", ["a", 0, 0, {"axis": -1}]),
        ("layer 'op': the operator tf.math.reduce_mean (TFOpLambda of tf.keras) is not supported", "a layer GlobalAveragePooling"),
    ),
    "another shape": (of_tf("reshape", ["a", 0, 0, {"shape": [-1, 3, 1]}]), ("tf.reshape", "layers.Reshape in its place is read")),
    "one more axis": (of_tf("expand_dims", ["a", 0, 0, {"axis": 1}]), ("tf.expand_dims", "layers.Reshape in its place is read")),
    "a part": (of_tf("__operators__.getitem", ["a", 0, 0, {"slice_spec": [{"start": 0}]}]), ("tf.__operators__.getitem",)),
    "two of them": (
        of_tf("math.reduce_sum", ["up", 0, 0, {}], before=(
            {**layer("TFOpLambda", "up", function="math.square"), "name": "up", "inbound_nodes": [["a", 0, 0, {}]]},
        )),
        ("layer 'up': the operator tf.math.square", "nor is the operator tf.math.reduce_sum (TFOpLambda of tf.keras) ('op')"),
    ),
    "an unknown argument": (
        of_tf("math.add", ["a", 0, 0, {**WITH_B, "dtype": "float64"}]),
        ("layer 'op': a call of tf.math.add with ['dtype', 'y'] beside its input is not supported",),
    ),
    "a batch of numbers": (of_tf("math.add", ["a", 0, 0, {"y": [[1.0] * 3] * 5}]), ("layer 'op'", "the batch of one meets another axis")),
    "a number too large": (of_tf("math.add", ["a", 0, 0, {"y": 10**400}]), ("layer 'op': the operator ops.Add takes", "finite numbers")),
    "no numbers": (of_tf("math.add", ["a", 0, 0, {"y": ["q"]}]), ("layer 'op'", "['q']")),
    "nothing": (of_tf("math.add"), ("refers to call -1 of layer 'op'",)),
    "constants alone": (of_tf("math.add", ["_CONSTANT_VALUE", -1, 1, {"y": 2}]), ("layer 'op': the operator ops.Add takes",)),
}  # fmt: skip


@pytest.mark.parametrize("what", NOT_OF_TF)
def test_other_operations_of_tf_keras_are_named(what: str, tmp_path: Path) -> None:
    config, words = NOT_OF_TF[what]
    refused(write_h5(tmp_path / "m.h5", config, {**BOTH, "op": {}}, "2.11.0"), "written by Keras 2.11.0", *words)


@pytest.mark.parametrize("version", ["2.12.0", "3.15.1"])
def test_an_option_that_a_class_does_not_have_is_refused_when_the_file_is_read(version: str, tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"unit": 3}, "layer 'b': Dense has no option 'unit'; it has units"),
        ({"padding": "same", "pool": 2}, "layer 'b': Dense has no option 'padding', 'pool'"),
        ({"stateful": False}, "'stateful'"),
    ]
    for options, words in wrong:
        path = write_h5(tmp_path / "m.h5", chain(dense("a", 3, **SHAPE), dense("b", 2, **options)), TWO, version)
        refused(path, words, f"written by Keras {version}")


# Attributes that lie or lack


def names(file: Any, given: Any) -> None:
    file["model_weights"].attrs["layer_names"] = given


def attributes(change: Any, tmp_path: Path) -> Path:
    import h5py

    path = write_h5(tmp_path / "m.h5", chain(dense("a", 3, "relu", **SHAPE), dense("b", 2)), TWO)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file["model_weights"].attrs.__delitem__("layer_names"), "layer_names is missing"),
        (lambda file: names(file, [b"b", b"a"]), "layer_names lists the layers with weights ['b', 'a']"),
        (lambda file: names(file, [b"a"]), "layer_names lists the layers with weights ['a']"),
        (lambda file: names(file, [b"a", b"b", b"c"]), "layer_names has 'c'"),
        (lambda file: names(file, [b"a", b"a"]), "each once"),
        (lambda file: names(file, b"a"), "layer_names is not a list"),
        (lambda file: names(file, [b"a", b"b/b"]), "each once"),
        (lambda file: file["model_weights/b"].attrs.__delitem__("weight_names"), "weight_names has 0 entries"),
        (lambda file: file.attrs.__setitem__("keras_version", 3), "keras_version has the dtype"),
    ],
)
def test_attributes_that_lie_or_lack_are_refused(change: Any, words: str, tmp_path: Path) -> None:
    refused(attributes(change, tmp_path), words)


def test_a_file_without_version_is_read_where_nothing_depends_on_it(tmp_path: Path) -> None:
    path = attributes(lambda file: [file.attrs.__delitem__(name) for name in ("keras_version", "backend")], tmp_path)
    close(load_model(path).predict(X), WANTED, "no version")


@pytest.mark.parametrize("terms", [["cat", "dog", "cat"], ["cat", "[UNK]"], ["", "[UNK]", "cat", ""]])
def test_a_vocabulary_with_repeats_is_refused(terms: list[str], tmp_path: Path) -> None:
    text = layer("TextVectorization", "text", max_tokens=None, vocabulary=terms, output_sequence_length=3, output_mode="int")
    config = with_modules(chain(layer("InputLayer", "x", batch_shape=[None, 1], dtype="string"), text))
    refused(write_zip(tmp_path / "m.keras", config, {}, "3.15.1"), "layer 'text': its vocabulary has", "more than once")
    document = {"format": "keras-conformance model", "version": 1, "dtype": "float32", "config": config, "weights": {}}
    (tmp_path / "m.json").write_text(json.dumps({**document, "vocabularies": {"text": ["", "[UNK]", "cat", "cat"]}}))
    refused(tmp_path / "m.json", "'cat' more than once")
