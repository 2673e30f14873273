"""Models of every layer class in files of every form, read by the reference, against Keras itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from conformance.selftests.builders.file_models import BUILDERS, assert_same, flat, inputs_for, redraw
from conformance.selftests.builders.keras2_files import write_keras2
from reference.layers import LAYERS
from reference.models import Model, load_json, load_model
from reference.saving import reader as archive
from reference.saving.reader import ArchiveError


@pytest.fixture(scope="module")
def keras() -> Any:
    from conformance.oracle.environment import import_keras

    return import_keras()


@pytest.fixture(scope="module")
def models(keras: Any) -> dict[str, Any]:
    """Every model of these tests by name, with random weights."""
    result = {}
    for name, build in BUILDERS.items():
        keras.utils.clear_session()
        result[name] = build(keras)
        redraw(result[name])
    return result


def keras_archive(model: Any, folder: Path) -> Model:
    model.save(folder / "m.keras")
    return load_model(folder / "m.keras")


def legacy(model: Any, folder: Path) -> Model:
    model.save(folder / "m.h5")
    return load_model(folder / "m.h5")


def beside_a_file(model: Any, folder: Path) -> Model:
    (folder / "config.json").write_text(model.to_json())
    model.save_weights(folder / "m.weights.h5")
    return load_model(folder / "config.json", weights=folder / "m.weights.h5")


def beside_a_mapping(model: Any, folder: Path) -> Model:
    """The configuration of the new form, the weights of the old one."""
    model.save(folder / "m.h5")
    return load_model(json.loads(model.to_json()), weights=folder / "m.h5")


def of_keras_2(model: Any, folder: Path) -> Model:
    write_keras2(model, folder / "old.h5")
    return load_model(folder / "old.h5")


def own_json(model: Any, folder: Path) -> Model:
    keras_archive(model, folder).save_json(folder / "m.json")
    return load_model(folder / "m.json")


FORMS: dict[str, Callable[[Any, Path], Model]] = {
    form.__name__: form for form in (keras_archive, legacy, beside_a_file, beside_a_mapping, of_keras_2, own_json)
}


def test_the_models_hold_every_layer_class(models: dict[str, Any]) -> None:
    def classes(layers: Any) -> set[str]:
        found = {type(layer).__name__ for layer in layers}
        inner = [layer.layers for layer in layers if hasattr(layer, "layers")]
        inner += [[layer.layer] for layer in layers if hasattr(layer, "layer")]
        return found.union(*map(classes, inner))

    found = set().union(*(classes(model.layers) for model in models.values()))
    assert set(LAYERS) - found == {"Activation"}, "the class Activation alone is tested elsewhere"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", BUILDERS)
def test_predicts_what_keras_predicts(name: str, form: str, models: dict[str, Any], tmp_path: Path) -> None:
    model, x = models[name], inputs_for(name)
    loaded = FORMS[form](model, tmp_path)
    assert_same(loaded.predict(x, batch_size=3), model.predict(x, verbose=0), 1e-5, f"{name} from {form}")
    assert loaded.parameters == model.count_params(), f"{name} from {form} has {loaded.parameters} parameters"


@pytest.mark.parametrize("name", BUILDERS)
def test_all_forms_hold_the_same_weights(name: str, models: dict[str, Any], tmp_path: Path) -> None:
    first, *others = (read(models[name], tmp_path) for read in FORMS.values())
    for form, other in zip(list(FORMS)[1:], others, strict=True):
        assert [layer.name for layer in other.layers] == [layer.name for layer in first.layers], f"the layers from {form}"
        for one, two in zip(first.layers, other.layers, strict=True):
            assert len(one.weights) == len(two.weights), f"{one.name} from {form} has {len(two.weights)} weights"
            assert all(map(np.array_equal, one.weights, two.weights)), f"the weights of {one.name} from {form} differ"


# Legacy files


@pytest.mark.filterwarnings("ignore:Argument `alpha` is deprecated:UserWarning")
@pytest.mark.parametrize(
    ("name", "said"),
    [("sequences", ""), ("images", "Shape mismatch .* layer_normalization/gamma"), ("steps", "Could not locate class 'Conv2D'")],
)
def test_keras_reads_the_old_layout_as_the_reference_does(
    name: str, said: str, models: dict[str, Any], keras: Any, tmp_path: Path
) -> None:
    """The writer of that layout is one of these tests' own: Keras 3 confirms it where it reads such files at all.

    It drops an `axis` that is a list of two, and does not find the classes of wrapped layers.
    """
    write_keras2(models[name], tmp_path / "old.h5", plain=True)
    if said:
        with pytest.raises((TypeError, ValueError), match=said):
            keras.models.load_model(tmp_path / "old.h5", compile=False)
        return
    want = keras.models.load_model(tmp_path / "old.h5", compile=False).predict(inputs_for(name), verbose=0)
    assert_same(load_model(tmp_path / "old.h5").predict(inputs_for(name)), want, 1e-5, name)


def test_a_sequential_model_without_input_layer_is_read(models: dict[str, Any], tmp_path: Path) -> None:
    write_keras2(models["sequences"], tmp_path / "old.h5", with_input_layer=False)
    loaded, x = load_model(tmp_path / "old.h5"), inputs_for("sequences")
    assert list(loaded.graph.specs) == ["zz_input"], "the input is called after the first layer"
    assert_same(loaded.predict(x), models["sequences"].predict(x, verbose=0), 1e-5, "batch_input_shape")


def test_a_compiled_model_is_read_whatever_its_optimizer_left(keras: Any, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(2)])
    model.compile("adam", "mse", metrics=["mae"])
    x = np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)
    model.fit(x, x[:, :2], verbose=0)
    for path in (tmp_path / "m.h5", tmp_path / "m.keras"):
        model.save(path)
        assert_same(load_model(path).predict(x), model.predict(x, verbose=0), 1e-6, path.name)
    model.save_weights(tmp_path / "m.weights.h5")
    loaded = load_model(json.loads(model.to_json()), weights=tmp_path / "m.weights.h5")
    assert_same(loaded.predict(x), model.predict(x, verbose=0), 1e-6, "weights beside a configuration")


def test_names_of_weights_in_several_attributes_are_read(keras: Any, tmp_path: Path) -> None:
    """Keras splits the lists of names that are larger than 64 KiB."""
    inner = keras.Sequential([keras.Input((2,)), *(keras.layers.Dense(2, name=f"{'n' * 180}{n}") for n in range(200))], name="inner")
    model = keras.Sequential([keras.Input((2,)), inner])
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, 0.7, w.shape) for w in model.get_weights()])
    model.save(tmp_path / "m.h5")
    write_keras2(model, tmp_path / "old.h5")
    with h5py.File(tmp_path / "old.h5") as file:
        names = list(file["model_weights/inner"].attrs)
    assert names == ["weight_names0", "weight_names1"], f"the names are in the attributes {names}"
    for path in (tmp_path / "m.h5", tmp_path / "old.h5"):
        for one, two in zip(load_model(path).layers, inner.layers, strict=True):
            assert np.array_equal(one.weights[0], two.get_weights()[0]), f"{path.name}: the kernel of {one.name[-10:]} differs"


def test_weights_that_are_named_after_another_layer_are_refused(models: dict[str, Any], tmp_path: Path) -> None:
    """Two kernels of one shape in the place of each other, which the order alone would not show."""
    models["shared"].save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        attributes = file["model_weights/inner"].attrs
        exchanged = {"first/kernel": "last/kernel", "last/kernel": "first/kernel"}
        attributes["weight_names"] = [exchanged.get(name, name) for name in attributes["weight_names"]]
    with pytest.raises(ArchiveError, match="weight_names has 'last/kernel' in the place of kernel of layer 'inner/first'"):
        load_model(tmp_path / "m.h5")


def test_a_vocabulary_of_the_configuration_is_read_from_every_form(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    texts = layers.TextVectorization(vocabulary=["a", "cat"], output_sequence_length=4, name="texts")
    model = keras.Sequential([keras.Input((1,), dtype="string"), texts, layers.Embedding(4, 3, mask_zero=True), layers.GRU(2)])
    redraw(model)
    want = np.asarray(model(np.array([["a cat"], ["dog a"]], dtype=object)))
    for name, read in FORMS.items():
        got = read(model, tmp_path).predict(np.array(["a cat", "dog a"]))
        assert_same(got, want, 1e-5, f"texts from {name}")


def test_a_learned_vocabulary_is_in_archives_alone(keras: Any, tmp_path: Path) -> None:
    texts = keras.layers.TextVectorization(name="texts")
    texts.adapt(["a cat"])
    model = keras.Sequential([keras.Input((1,), dtype="string"), texts])
    for form in (legacy, beside_a_file):
        with pytest.raises(ArchiveError, match=r"layer 'texts': a vocabulary that was learned by adapt is kept in \.keras archives alone"):
            form(model, tmp_path)
    loaded = own_json(model, tmp_path)
    assert sorted(loaded.predict(np.array(["cat a dog"]))[0].tolist()) == [1, 2, 3], "two terms that it learned and one that it did not"
    assert loaded.context.vocabularies == load_model(tmp_path / "m.keras").context.vocabularies, "the JSON file holds it"


# The JSON form


@pytest.mark.parametrize("name", BUILDERS)
def test_json_gives_the_same_model_bit_for_bit(name: str, models: dict[str, Any], tmp_path: Path) -> None:
    loaded, x = keras_archive(models[name], tmp_path), inputs_for(name)
    for number, model in enumerate((loaded, loaded.astype(np.float64))):
        path = tmp_path / f"{number}.json"
        model.save_json(path)
        again = load_model(path)
        assert again.dtype == model.dtype, f"the model of {model.dtype} is read as one of {again.dtype}"
        for one, two in zip(model.layers, again.layers, strict=True):
            assert all(a.tobytes() == b.tobytes() for a, b in zip(one.weights, two.weights, strict=True)), f"the weights of {one.name}"
        got, want = flat(again.predict(x)), flat(model.predict(x))
        assert all(got[key].tobytes() == want[key].tobytes() for key in want), f"{name} predicts something else as {model.dtype}"
        again.save_json(tmp_path / "again.json")
        assert (tmp_path / "again.json").read_bytes() == path.read_bytes(), "saved again, the file is the same"


def dense(keras: Any, tmp_path: Path, values: list[float], dtype: str = "float32") -> Model:
    model = keras.Sequential([keras.Input((len(values),), dtype=dtype), keras.layers.Dense(1, name="d", dtype=dtype)])
    model.set_weights([np.array(values)[:, None], np.zeros(1)])
    return keras_archive(model, tmp_path)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_number_survives_json(dtype: str, keras: Any, tmp_path: Path) -> None:
    found = np.finfo(dtype)
    least, most, step = float(found.smallest_subnormal), float(found.max), float(found.eps)
    values = [0.0, -0.0, 0.1, 1 / 3, most, -most, float(found.tiny), least, 1 + step, np.nan, np.inf, -np.inf]
    values += np.random.default_rng(1).normal(size=200).tolist()
    model = dense(keras, tmp_path, values, dtype)
    model.save_json(tmp_path / "m.json")
    text = (tmp_path / "m.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"the file holds {name}, which JSON does not have"))
    kernel = load_json(tmp_path / "m.json").layers[0].weights[0]
    want = model.layers[0].weights[0]
    assert kernel.dtype == want.dtype, f"the kernel is {kernel.dtype}"
    same = (kernel == want) & (np.signbit(kernel) == np.signbit(want)) | np.isnan(kernel) & np.isnan(want)
    assert same.all(), f"these numbers changed: {want[~same]} became {kernel[~same]}"


@pytest.mark.parametrize("failing", ["os.fsync", "os.replace"])
def test_a_file_is_replaced_whole_or_not_at_all(failing: str, keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out" / "m.json"
    path.parent.mkdir()
    model = dense(keras, tmp_path, [1.0, 2.0])
    model.save_json(path)
    before = path.read_bytes()

    def full(*arguments: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(failing, full)
    with pytest.raises(OSError, match="no space left"):
        model.astype(np.float64).save_json(path)
    assert path.read_bytes() == before, "the file that was there is as it was"
    assert list(path.parent.iterdir()) == [path], "nothing else is left behind"
    with pytest.raises(ValueError, match="float16 cannot be saved"):
        model.astype(np.float16).save_json(path)
    with pytest.raises(ValueError, match="no configuration"):
        Model(model.graph, model.context).save_json(path)


def test_what_is_saved_as_json_may_have_any_name(keras: Any, tmp_path: Path) -> None:
    dense(keras, tmp_path, [1.0, 2.0]).save_json(tmp_path / "model.txt")
    assert load_json(tmp_path / "model.txt").parameters == 3, "load_json asks for no suffix"


# What belongs together


def test_weights_are_given_beside_a_configuration_and_only_there(keras: Any, tmp_path: Path) -> None:
    model = dense(keras, tmp_path, [1.0, 2.0])
    model.save_json(tmp_path / "m.json")
    (tmp_path / "config.json").write_text(json.dumps(model.config))
    for path in (tmp_path / "m.keras", tmp_path / "m.json"):
        with pytest.raises(ArchiveError, match=r"has weights of its own"):
            load_model(path, weights=tmp_path / "m.keras")
    for source in (tmp_path / "config.json", model.config):
        with pytest.raises(ArchiveError, match=r"a configuration without weights; weights= names"):
            load_model(source)
    with pytest.raises(ArchiveError, match="there is no format"):
        load_json(tmp_path / "config.json")
    with pytest.raises(ArchiveError, match=r"nowhere\.h5: there is no such file"):
        load_model(tmp_path / "config.json", weights=tmp_path / "nowhere.h5")


def test_a_file_of_weights_alone_asks_for_its_configuration(keras: Any, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ArchiveError, match=r"m\.weights\.h5: the file holds weights alone"):
        load_model(tmp_path / "m.weights.h5")


def test_the_archive_says_the_same_of_every_form(models: dict[str, Any], tmp_path: Path) -> None:
    model = models["shared"]
    of_keras_2(model, tmp_path), legacy(model, tmp_path), own_json(model, tmp_path)
    found = [archive.read_archive(tmp_path / name) for name in ("m.keras", "m.h5", "old.h5", "m.json")]
    assert len({one.dtype for one in found}) == 1, "one dtype"
    for one in found[1:]:
        assert list(one.layers) == list(found[0].layers), f"the layers of {one.path}"
        assert [entry.shapes for entry in one.layers.values()] == [entry.shapes for entry in found[0].layers.values()], "and their weights"
