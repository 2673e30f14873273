"""Whole trained models, run by the reference, against Keras itself."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
from conformance.selftests.builders.file_models import assert_same, flat, redraw
from conformance.selftests.builders.network_models import BUILDERS, RNG_SEED, inputs_for
from reference.layers.dense import dense_forward
from reference.models import Model, load_model


@pytest.fixture(scope="module")
def keras() -> Any:
    from conformance.oracle.environment import import_keras

    return import_keras()


@pytest.fixture(scope="module")
def saved(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Path]]:
    """Every model of these tests by name, with random weights, and the file that Keras wrote of it."""
    folder = tmp_path_factory.mktemp("models")
    result = {}
    for name, build in BUILDERS.items():
        keras.utils.clear_session()
        model = build(keras)
        redraw(model)
        model.save(folder / f"{name}.keras")
        result[name] = (model, folder / f"{name}.keras")
    return result


@pytest.mark.parametrize("name", BUILDERS)
def test_predicts_what_keras_predicts(name: str, saved: dict[str, tuple[Any, Path]]) -> None:
    model, path = saved[name]
    x = inputs_for(name)
    assert_same(load_model(path).predict(x, batch_size=3), model.predict(x, verbose=0), 1e-5, name)


@pytest.mark.parametrize("name", BUILDERS)
def test_counts_the_parameters_that_keras_counts(name: str, saved: dict[str, tuple[Any, Path]]) -> None:
    model, path = saved[name]
    loaded = load_model(path)
    assert loaded.parameters == model.count_params(), "a layer is missing from the list, or counted twice"
    assert f"{model.count_params():,}" in loaded.summary().splitlines()[-1], "the last line of the table is the total"


@pytest.mark.parametrize("name", ["cnn", "text", "two_by_two"])
def test_layers_have_the_weights_that_keras_has(name: str, saved: dict[str, tuple[Any, Path]]) -> None:
    model, path = saved[name]
    for layer in load_model(path).layers:
        want = model.get_layer(layer.name).get_weights()
        assert len(layer.weights) == len(want), f"{layer.name} has {len(layer.weights)} weights, in Keras {len(want)}"
        assert all(np.array_equal(a, b) for a, b in zip(layer.weights, want, strict=True)), f"{layer.name} differs"


@pytest.mark.parametrize("name", BUILDERS)
def test_an_empty_batch_gives_empty_outputs(name: str, saved: dict[str, tuple[Any, Path]]) -> None:
    loaded, x = load_model(saved[name][1]), inputs_for(name)
    empty = {key: value[:0] for key, value in x.items()} if isinstance(x, dict) else x[:0]
    whole, nothing = flat(loaded.predict(x)), flat(loaded.predict(empty))
    for key, value in whole.items():
        assert nothing[key].shape == (0, *value.shape[1:]), f"output {key!r} of an empty batch is {nothing[key].shape}"


def test_float64_shows_the_error_of_float32(saved: dict[str, tuple[Any, Path]]) -> None:
    loaded, x = load_model(saved["cnn"][1]), inputs_for("cnn")
    single, exact = loaded.predict(x), loaded.astype(np.float64).predict(x)
    assert exact.dtype == np.float64, f"the model of float64 computes in {exact.dtype}"
    assert 0 < np.abs(single - exact).max() < 1e-5, "float32 and float64 differ by rounding alone"
    assert loaded.dtype == np.float32, "astype left the model itself as it was"
    assert loaded.predict(x.astype(np.float64)).dtype == np.float32, "a model of float32 casts its input, as Keras does"


def test_a_float64_model_never_goes_through_float32(saved: dict[str, tuple[Any, Path]]) -> None:
    loaded = load_model(saved["deep"][1]).astype(np.float64)
    x = want = inputs_for("deep").astype(np.float64) * 1.1
    for layer in loaded.layers:
        want = np.tanh(want @ layer.weights[0] + layer.weights[1])
    error = np.abs(loaded.predict(x) - want).max()
    assert error < 1e-14, f"twelve layers in float64 are {error:.1e} away from the same by hand"


def test_masks_travel_where_an_archive_does_not_name_them(saved: dict[str, tuple[Any, Path]], tmp_path: Path) -> None:
    """As in the files of Keras 2: the mask of an Embedding reaches both sequences of a Bidirectional that is not merged."""
    for name in ("masked", "two_directions"):
        path = saved[name][1]
        with_names = load_model(path).predict(inputs_for(name))
        without = without_named_masks(path, tmp_path / f"{name}.keras")
        got = load_model(without).predict(inputs_for(name))
        # What comes from the call that names a mask itself has none to travel.
        kept = (0, 1, 3) if name == "masked" else (0, 1)
        assert_same([got[n] for n in kept], [with_names[n] for n in kept], 1e-7, f"{name} without named masks")


def without_named_masks(path: Path, result: Path) -> Path:
    """The archive with the argument ``mask`` taken out of every call."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                for layer in config["config"]["layers"]:
                    for node in layer["inbound_nodes"]:
                        node["kwargs"].pop("mask", None)
                content = json.dumps(config).encode()
            new.writestr(name, content)
    return result


def test_every_layer_casts_what_an_integer_input_became(keras: Any, tmp_path: Path) -> None:
    x = keras.Input((6,), dtype="int32")
    model = keras.Model(x, [keras.layers.Embedding(9, 3)(x), keras.layers.Dense(2)(x)])
    model.save(tmp_path / "model.keras")
    ids = np.arange(12).reshape(2, 6) % 9
    for dtype in (np.int32, np.int64, np.float64):
        got = load_model(tmp_path / "model.keras").predict(ids.astype(dtype))
        assert_same(got, model.predict(ids.astype(np.int32), verbose=0), 1e-6, f"ids as {np.dtype(dtype)}")


def test_a_float64_model_rescales_integers_in_float64(keras: Any, tmp_path: Path) -> None:
    x = keras.Input((3,), dtype="int32")
    model = keras.Model(x, keras.layers.Rescaling(np.array([0.1, 0.2, 0.3]), dtype="float64")(x))
    model.save(tmp_path / "model.keras")
    numbers = np.arange(6, dtype=np.int32).reshape(2, 3)
    got = load_model(tmp_path / "model.keras").predict(numbers)
    assert_same(got, model.predict(numbers, verbose=0), 1e-15, "integers in float64")
    assert got.dtype == np.float64, f"integers became {got.dtype} on the way"


def test_a_layer_casts_a_float64_array_that_a_foreign_function_returned(saved: dict[str, tuple[Any, Path]]) -> None:
    seen = []

    def dense(x: Any, *weights: Any, **options: Any) -> Any:
        seen.append(x.dtype)
        return dense_forward(x, *weights, **options).astype(np.float64)

    load_model(saved["deep"][1], {"dense_forward": dense}).predict(inputs_for("deep"))
    assert set(seen) == {np.dtype(np.float32)}, f"layers of a float32 model were handed {set(seen)}"


@pytest.mark.parametrize("shape", [(7, 3, 1), (7, 3)])
def test_a_last_axis_of_one_may_be_left_out_or_added(shape: tuple[int, ...], keras: Any, tmp_path: Path) -> None:
    declared = (3,) if len(shape) == 3 else (3, 1)
    model = keras.Sequential([keras.Input(declared), keras.layers.Dense(2)])
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(RNG_SEED).normal(size=shape).astype(np.float32)
    got = load_model(tmp_path / "model.keras").predict(x)
    assert_same(got, model.predict(x, verbose=0), 1e-6, f"{shape} for {declared}")


def test_channels_first_weights_are_read_by_their_own_axis(keras: Any, tmp_path: Path) -> None:
    """As many channels as no other axis is long; Keras's own prediction needs channels last on a CPU."""
    layers = keras.layers
    first = keras.Sequential([keras.Input((3, 6, 5)), layers.Conv2D(4, 2, data_format="channels_first")])
    redraw(first)
    first.save(tmp_path / "first.keras")
    last = keras.Sequential([keras.Input((6, 5, 3)), layers.Conv2D(4, 2)])
    last.set_weights(first.get_weights())
    x = np.random.default_rng(RNG_SEED).normal(size=(2, 3, 6, 5)).astype(np.float32)
    want = np.moveaxis(last.predict(np.moveaxis(x, 1, -1), verbose=0), -1, 1)
    assert_same(load_model(tmp_path / "first.keras").predict(x), want, 1e-5, "channels_first")


def test_activations_are_the_outputs_of_the_layers(saved: dict[str, tuple[Any, Path]], keras: Any) -> None:
    model, path = saved["cnn"]
    x = inputs_for("cnn")
    got = load_model(path).activations(x)
    assert list(got) == [layer.name for layer in model.layers], "every layer, in the order of the model"
    for layer in model.layers:
        want = keras.Model(model.inputs, layer.output).predict(x, verbose=0)
        assert np.allclose(got[layer.name], want, rtol=1e-5, atol=1e-5), f"{layer.name} diverges"


def test_activations_of_shared_and_nested_layers_have_names_of_their_own(saved: dict[str, tuple[Any, Path]]) -> None:
    loaded = load_model(saved["two_by_two"][1])
    assert {"shared", "shared[1]", "shared[2]", "shared[3]"} <= set(loaded.activations(inputs_for("two_by_two")))
    assert {"inner/d", "tail/d"} <= set(load_model(saved["nested"][1]).activations(inputs_for("nested")))


def test_probabilities_of_softmax_and_of_one_sigmoid_unit(saved: dict[str, tuple[Any, Path]]) -> None:
    loaded, x = load_model(saved["ends_nested"][1]), inputs_for("ends_nested")
    assert np.array_equal(loaded.predict_proba(x), loaded.predict(x)), "a softmax output is returned as it is"
    loaded, x = load_model(saved["sigmoid"][1]), inputs_for("sigmoid")
    p = loaded.predict_proba(x)
    assert p.shape == (7, 2), f"one sigmoid unit gives two columns, not {p.shape}"
    assert np.array_equal(p[:, 1:], loaded.predict(x)), "the second column is the probability of class 1"
    for name in ("deep", "two_by_two"):
        with pytest.raises(ValueError, match="no probabilities"):
            load_model(saved[name][1]).predict_proba(inputs_for(name))


def test_evaluate_gives_loss_accuracy_and_f1(saved: dict[str, tuple[Any, Path]], keras: Any) -> None:
    from sklearn.metrics import f1_score

    model, path = saved["cnn"]
    x, y = inputs_for("cnn"), np.arange(7) % 5
    p = model.predict(x, verbose=0)
    got = load_model(path).evaluate(x, y, batch_size=2)
    loss = float(np.mean(keras.losses.sparse_categorical_crossentropy(y, p)))
    assert got["loss"] == pytest.approx(loss, rel=1e-5), "the loss is that of Keras on the probabilities"
    assert got["accuracy"] == pytest.approx(np.mean(p.argmax(1) == y)), "accuracy"
    assert got["macro_f1"] == pytest.approx(f1_score(y, p.argmax(1), average="macro")), "F1, the mean over the classes"
    with pytest.raises(ValueError, match="3 labels were given for 7 samples"):
        load_model(path).evaluate(x, y[:3])


def test_a_wrong_input_shape_is_named_with_both_shapes(saved: dict[str, tuple[Any, Path]]) -> None:
    loaded = load_model(saved["two_by_two"][1])
    x = inputs_for("two_by_two")
    with pytest.raises(ValueError, match=r"input 'a' .*\(None, 4\), got \(7, 5\)"):
        loaded.predict({**x, "a": np.zeros((7, 5))})
    with pytest.raises(ValueError, match="different numbers of samples"):
        loaded.predict({**x, "a": x["a"][:3]})
    with pytest.raises(ValueError, match=r"takes the inputs \['b', 'a'\]|takes the inputs \['a', 'b'\]"):
        loaded.predict(x["a"])


def test_a_list_of_arrays_fits_a_model_with_a_list_of_inputs(saved: dict[str, tuple[Any, Path]]) -> None:
    loaded, x = load_model(saved["late_order"][1]), inputs_for("late_order")
    name = next(iter(loaded.graph.specs))
    for given in ([x], {name: x}):
        assert all(np.array_equal(a, b) for a, b in zip(loaded.predict(given), loaded.predict(x), strict=True))


def reference_functions() -> dict[str, Any]:
    return {name: getattr(reference, name) for name in reference.__all__}


def test_a_missing_function_is_named_with_its_layer(saved: dict[str, tuple[Any, Path]]) -> None:
    functions = reference_functions()
    del functions["conv2d_forward"]
    with pytest.raises(NotImplementedError, match=r"layer 'zzz' \(Conv2D\) needs the function conv2d_forward"):
        load_model(saved["cnn"][1], functions)


def test_foreign_functions_are_called_by_the_contract(saved: dict[str, tuple[Any, Path]]) -> None:
    calls: list[tuple[str, int, dict[str, Any]]] = []
    functions = reference_functions()

    def recorded(name: str) -> Any:
        def function(x: Any, *weights: Any, **options: Any) -> Any:
            calls.append((name, len(weights), options))
            return functions[name](x, *weights, **options)

        return function

    spies = {name: recorded(name) for name in functions if name.endswith("_forward")}
    load_model(saved["cnn"][1], spies).predict(inputs_for("cnn"))
    assert calls == [
        ("conv2d_forward", 2, {"padding": "same", "activation": "relu"}),
        ("max_pooling2d_forward", 0, {}),
        ("conv2d_forward", 1, {"strides": (2, 1), "groups": 2}),
        ("activation_forward", 0, {"activation": "tanh"}),
        ("flatten_forward", 0, {}),
        ("dropout_forward", 0, {"rate": 0.5}),
        ("dense_forward", 2, {"activation": "softmax"}),
    ], "weights by position, and no option that has Keras's default"
    calls.clear()
    model, path = saved["text"]
    got = load_model(path, spies).predict(inputs_for("text"))
    options = [options for name, _, options in calls if name == "bidirectional_forward"]
    assert [set(o) for o in options] == [
        {"return_sequences", "mask"},
        {"merge_mode", "mask"},
    ], "the mask reaches both, though the functions have no embedding_compute_mask"
    assert_same(got, model.predict(inputs_for("text"), verbose=0), 1e-5, "text with foreign functions")


def test_a_function_that_writes_into_its_arguments_is_told(saved: dict[str, tuple[Any, Path]]) -> None:
    def in_place(x: Any, *weights: Any, **options: Any) -> Any:
        x *= 2
        return x

    loaded = load_model(saved["cnn"][1], {**reference_functions(), "flatten_forward": in_place})
    with pytest.raises(ValueError, match="read-only") as raised:
        loaded.predict(inputs_for("cnn"))
    assert any("flatten" in note for note in raised.value.__notes__), "the layer is named"


def test_text_vectorization_inside_a_model(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    adapted = layers.TextVectorization(output_sequence_length=4, ngrams=2)
    adapted.adapt(["a cat sat", "a dog", "the cat"])
    model = keras.Sequential(
        [keras.Input((1,), dtype="string"), adapted, layers.Embedding(20, 3, mask_zero=True), layers.LSTM(2)]
    )
    model.save(tmp_path / "text.keras")
    seen: list[tuple[list[str], dict[str, Any]]] = []

    def stand_in(texts: Any, vocabulary: list[str], **options: Any) -> Any:
        seen.append((vocabulary, options))
        return np.asarray(adapted(texts.astype(str).tolist()))

    loaded = load_model(tmp_path / "text.keras", {**reference_functions(), "text_vectorization_forward": stand_in})
    texts = np.array(["A cat!", "the dog", ""])
    with_keras = np.asarray(model(np.array([["A cat!"], ["the dog"], [""]], dtype=object)))
    assert_same(loaded.predict(texts), with_keras, 1e-5, "text")
    assert seen == [(adapted.get_vocabulary(), {"ngrams": 2, "output_sequence_length": 4})], (
        "vocabulary from the assets"
    )
    assert_same(load_model(tmp_path / "text.keras").predict(texts), with_keras, 1e-5, "text by the reference")


def test_a_saved_vocabulary_is_split_at_every_line_break_as_keras_splits_it(keras: Any, tmp_path: Path) -> None:
    layer = keras.layers.TextVectorization(standardize=None, split=None)
    layer.adapt(["one", "t\x85wo", "thr\u2028ee", "four"])
    path = tmp_path / "text.keras"
    keras.Sequential([keras.Input((1,), dtype="string"), layer]).save(path)
    want = keras.models.load_model(path).layers[-1].get_vocabulary()
    assert "wo" in want, f"Keras splits the file at every line break, but reads {want}"
    (read,) = load_model(path).context.vocabularies.values()
    assert list(read) == want, f"the vocabulary is {read}, Keras reads {want}"


def test_every_output_of_a_graph_depends_on_its_own_weights(saved: dict[str, tuple[Any, Path]]) -> None:
    """A check of the checks: with two weights exchanged each comparison above must fail."""
    for name in ("deep", "nested", "two_by_two"):
        model, path = saved[name]
        loaded = load_model(path)
        wrong = exchanged(loaded)
        with pytest.raises(AssertionError, match="away from Keras's"):
            assert_same(wrong.predict(inputs_for(name)), model.predict(inputs_for(name), verbose=0), 1e-5, name)


def exchanged(model: Model) -> Model:
    """The model with the first weights of two alike layers exchanged."""
    twins: dict[Any, str] = {}
    for layer in model.layers:
        key = (layer.class_name, tuple(w.shape for w in layer.weights))
        if layer.weights and key in twins:
            other = model.context.layers[twins[key]]
            changed = {
                **model.context.layers,
                layer.name: layer._replace(weights=other.weights),
                other.name: other._replace(weights=layer.weights),
            }
            return replace(model, context=replace(model.context, layers=changed))
        twins[key] = layer.name
    raise AssertionError("the model has no two layers alike")
