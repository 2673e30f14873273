"""Archives that the reference writes: Keras loads them without a word and has the same model, and so has the reference, bit for bit."""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from conformance.selftests.builders import file_models, network_models
from conformance.selftests.builders.file_models import assert_same, flat, redraw
from conformance.selftests.builders.keras2_files import write_keras2
from reference.models import Model, load_model, new_model
from reference.saving.reader import ArchiveError

OTHERS = ("two_by_two", "late_order", "nested", "ends_nested", "masked", "deep", "double")
MODELS = {**file_models.BUILDERS, **{name: network_models.BUILDERS[name] for name in OTHERS}}

pytestmark = pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match the expected structure:UserWarning")


@pytest.fixture(scope="module")
def keras() -> Any:
    from conformance.oracle.environment import import_keras

    return import_keras()


@pytest.fixture(scope="module")
def made(keras: Any) -> Callable[[str], Any]:
    """Models by name, with random weights, each made once."""
    known: dict[str, Any] = {}

    def make(name: str) -> Any:
        if name not in known:
            keras.utils.clear_session()
            known[name] = MODELS[name](keras)
            redraw(known[name])
        return known[name]

    return make


def inputs_for(name: str) -> Any:
    return (file_models if name in file_models.BUILDERS else network_models).inputs_for(name)


def loaded_by(keras: Any, path: Path) -> Any:
    """What Keras makes of an archive; a warning is an error, except the one that some of the models give whenever they are called."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="Layer .* was passed an input with a mask attached to it")
        return keras.saving.load_model(path)


def answers(model: Any, x: Any) -> Any:
    """The outputs of a Keras model as arrays; called at once, which spares the time of compiling it."""
    outputs = model(x, training=False)
    if isinstance(outputs, dict):
        return {name: np.asarray(one) for name, one in outputs.items()}
    return [np.asarray(one) for one in outputs] if isinstance(outputs, list | tuple) else np.asarray(outputs)


def content(path: Path) -> tuple[Any, dict[str, Any], dict[str, bytes]]:
    """The configuration in an archive, everything in its file of weights (groups, attributes, bytes), and its assets."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    tree: dict[str, Any] = {}
    with h5py.File(io.BytesIO(members["model.weights.h5"])) as weights:

        def note(name: str, item: Any) -> None:
            attributes = {} if name.endswith("_lookup_layer/vars") else dict(item.attrs)  # a name that Keras counts up in each session
            tree[name] = (attributes, (item.dtype, item.shape, item[()].tobytes()) if isinstance(item, h5py.Dataset) else None)

        weights.visititems(note)
    return json.loads(members["config.json"]), tree, {name: data for name, data in members.items() if name.startswith("assets")}


def assert_same_model(got: Model, want: Model, x: Any) -> None:
    assert [layer.name for layer in got.layers] == [layer.name for layer in want.layers], "the layers are others"
    for one, two in zip(got.layers, want.layers, strict=True):
        same = [a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(one.weights, two.weights, strict=True)]
        assert all(same), f"the weights of {one.name} changed"
    outputs, expected = flat(got.predict(x)), flat(want.predict(x))
    assert all(outputs[key].tobytes() == expected[key].tobytes() for key in expected), "the outputs are others"


@pytest.mark.parametrize("name", MODELS)
def test_an_archive_is_what_keras_itself_would_write(name: str, keras: Any, made: Callable[[str], Any], tmp_path: Path) -> None:
    model, x = made(name), inputs_for(name)
    model.save(tmp_path / "theirs.keras")
    ours = load_model(tmp_path / "theirs.keras")
    ours.save(tmp_path / "ours.keras")
    (config, tree, assets), (their_config, their_tree, their_assets) = content(tmp_path / "ours.keras"), content(tmp_path / "theirs.keras")
    assert config == their_config, "the configuration changed"
    assert set(tree) == set(their_tree), f"only one of the files has {sorted(set(tree) ^ set(their_tree))}"
    assert tree == their_tree, f"other names or values: {[place for place in tree if tree[place] != their_tree[place]]}"
    assert assets == their_assets == {}, "no vocabularies"
    assert_same_model(load_model(tmp_path / "ours.keras"), ours, x)
    again = loaded_by(keras, tmp_path / "ours.keras")
    same = [np.array_equal(a, b) for a, b in zip(again.get_weights(), model.get_weights(), strict=True)]
    assert all(same), "Keras reads other weights"
    assert_same(answers(again, x), answers(model, x), 1e-6, name)


def of_keras_3(model: Any, path: Path) -> None:
    model.save(path)


def of_keras_2(model: Any, path: Path) -> None:
    write_keras2(model, path)


def without_input_layer(model: Any, path: Path) -> None:
    write_keras2(model, path, with_input_layer=False)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        *((name, of_keras_3) for name in ("masks", "shared")),
        *((name, of_keras_2) for name in file_models.BUILDERS if name != "masks"),
        ("sequences", without_input_layer),
    ],
)
def test_an_older_file_becomes_an_archive_of_today(
    name: str, write: Callable[[Any, Path], None], keras: Any, made: Callable[[str], Any], tmp_path: Path
) -> None:
    model, x = made(name), inputs_for(name)
    write(model, tmp_path / "old.h5")
    ours = load_model(tmp_path / "old.h5")
    ours.save(tmp_path / "new.keras")
    assert_same_model(load_model(tmp_path / "new.keras"), ours, x)
    assert_same(answers(loaded_by(keras, tmp_path / "new.keras"), x), answers(model, x), 1e-6, name)


def test_a_mask_that_an_older_file_joins_is_refused_where_keras_would_give_a_name_twice(
    keras: Any, made: Callable[[str], Any], tmp_path: Path
) -> None:
    """Keras adds operations for masks that a configuration does not name, and calls them as it calls Concatenate layers."""
    model, x = made("masks"), inputs_for("masks")
    write_keras2(model, tmp_path / "old.h5")
    with pytest.raises(ArchiveError, match=r"layer 'concatenate.*': a mask travels through it, .*: give concatenate.* other names"):
        load_model(tmp_path / "old.h5").save(tmp_path / "new.keras")
    assert not (tmp_path / "new.keras").exists(), "nothing was written"
    with h5py.File(tmp_path / "old.h5") as file:
        renamed = json.loads(file.attrs["model_config"].replace('"concatenate', '"joined'))
    model.save_weights(tmp_path / "m.weights.h5")
    load_model(renamed, weights=tmp_path / "m.weights.h5").save(tmp_path / "new.keras")
    keras.utils.clear_session()  # so that Keras begins to count its names anew
    assert_same(answers(loaded_by(keras, tmp_path / "new.keras"), x), answers(model, x), 1e-6, "masks")


@pytest.mark.parametrize("name", ["shared", "recurrent"])
def test_a_configuration_of_keras_2_has_the_shapes_of_todays(name: str, made: Callable[[str], Any], tmp_path: Path) -> None:
    """The shapes of the tensors, which only today's form has, are those that Keras writes there."""

    def shapes(value: Any) -> Any:
        if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            tensor = value["config"]
            found.add((*tensor["keras_history"], tuple(tensor["shape"]), tensor["dtype"]))
        for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            shapes(one)

    sets = []
    made(name).save(tmp_path / "theirs.keras")
    write_keras2(made(name), tmp_path / "old.h5")
    load_model(tmp_path / "old.h5").save(tmp_path / "ours.keras")
    for path in (tmp_path / "ours.keras", tmp_path / "theirs.keras"):
        found: set[Any] = set()
        shapes(content(path)[0])
        sets.append(found)
    assert len(sets[1]) > 5 and sets[0] == sets[1], f"the tensors are others: {sets[0] ^ sets[1]}"


@pytest.mark.parametrize("form", ["m.json", "config.json"])
def test_a_json_file_becomes_the_archive_that_it_came_from(form: str, made: Callable[[str], Any], tmp_path: Path) -> None:
    model = made("shared")
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    (tmp_path / "config.json").write_text(json.dumps(load_model(tmp_path / "m.keras").config))
    load_model(tmp_path / "m.keras").save(tmp_path / "m.json")
    ours = load_model(tmp_path / form, weights=tmp_path / "m.weights.h5" if form == "config.json" else None)
    ours.save(tmp_path / "again.keras")
    assert content(tmp_path / "again.keras") == content(tmp_path / "m.keras"), f"{form} gives another archive"


def test_a_compiled_model_is_written_without_its_optimizer(keras: Any, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    x = np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)
    model.fit(x, np.zeros(8), verbose=0)
    model.save(tmp_path / "m.keras")
    load_model(tmp_path / "m.keras").save(tmp_path / "ours.keras")
    again = loaded_by(keras, tmp_path / "ours.keras")
    assert not again.compiled, "nothing is left of the optimizer, so that Keras does not miss its state"
    assert_same(answers(again, x), answers(model, x), 1e-6, "compiled")


def test_a_new_model_is_one_that_keras_loads(keras: Any, made: Callable[[str], Any], tmp_path: Path) -> None:
    ours, x = new_model(json.loads(made("images").to_json()), seed=4), inputs_for("images")
    ours.save(tmp_path / "m.keras")
    assert_same(ours.predict(x), answers(loaded_by(keras, tmp_path / "m.keras"), x), 1e-5, "a new model")


# Vocabularies


@pytest.fixture(scope="module")
def texts(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model with a learned vocabulary, one of the configuration, and one within a nested model."""
    layers = keras.layers
    learned = layers.TextVectorization(name="learned", output_mode="multi_hot")
    inner = layers.TextVectorization(name="inner", output_sequence_length=3)
    learned.adapt(["the cat", "ünï the"])
    inner.adapt(["a dog a"])
    x = keras.Input((1,), dtype="string")
    nested = keras.Sequential([keras.Input((1,), dtype="string"), inner, layers.Embedding(5, 2)], name="nested")
    given = layers.TextVectorization(name="given", vocabulary=["cat", "the"], output_sequence_length=2)(x)
    model = keras.Model(x, [learned(x), nested(x), layers.Embedding(4, 2)(given)])
    redraw(model)
    path = tmp_path_factory.mktemp("texts") / "m.keras"
    model.save(path)
    return model, path


def test_vocabularies_are_written_as_keras_writes_them(keras: Any, texts: tuple[Any, Path], tmp_path: Path) -> None:
    model, path = texts
    load_model(path).save(tmp_path / "m.json")
    for source in (path, tmp_path / "m.json"):
        load_model(source).save(tmp_path / "ours.keras")
        assert content(tmp_path / "ours.keras") == content(path), f"the archive made of {source.name} is another"
    x = keras.ops.convert_to_tensor([["the cat"], ["a dog ünï"]])
    assert_same(answers(loaded_by(keras, tmp_path / "ours.keras"), x), answers(model, x), 1e-6, "texts")


@pytest.mark.parametrize("term", ["two\nlines", "form\x0cfeed", "end\r", ""])
def test_a_term_that_a_file_cannot_hold_is_refused(term: str, texts: tuple[Any, Path], tmp_path: Path) -> None:
    model = load_model(texts[1])
    vocabularies = {**model.context.vocabularies, "learned": ("[UNK]", "a", term)}
    changed = replace(model, context=replace(model.context, vocabularies=vocabularies))
    with pytest.raises(ArchiveError, match=r"layer 'learned': the term .* cannot stand in a file with a term a line"):
        changed.save(tmp_path / "m.keras")
    assert not list(tmp_path.iterdir()), "nothing was written"


# The file


@pytest.fixture
def small(keras: Any, tmp_path: Path) -> Model:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="d")])
    model.save(tmp_path / "small.keras")
    return load_model(tmp_path / "small.keras")


def test_the_same_model_is_the_same_file_and_can_be_unpacked(small: Model, tmp_path: Path) -> None:
    for name in ("one.keras", "two.KERAS"):
        small.save(tmp_path / name)
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "two.KERAS").read_bytes(), "two files of one model differ"
    with zipfile.ZipFile(tmp_path / "one.keras") as file:
        for info in file.infolist():
            assert info.compress_type == zipfile.ZIP_STORED, f"{info.filename} is compressed, which Keras never does"
            assert info.external_attr >> 16 == 0o644, f"{info.filename} could not be read when unpacked"


@pytest.mark.parametrize("failing", ["os.fsync", "os.replace", "zipfile.ZipFile.writestr"])
def test_an_archive_is_replaced_whole_or_not_at_all(failing: str, small: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out" / "m.keras"
    path.parent.mkdir()
    path.write_bytes(b"what was there")

    def full(*arguments: Any) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(failing, full)
        with pytest.raises(OSError, match="no space left"):
            small.save(path)
    assert path.read_bytes() == b"what was there", "the file that was there changed"
    assert os.listdir(path.parent) == ["m.keras"], "something else is left behind"
    small.save(path)
    assert load_model(path).parameters == 3, "and can be replaced afterwards"


def test_what_cannot_be_saved_is_refused_and_nothing_is_written(small: Model, tmp_path: Path) -> None:
    (layer,) = small.layers
    odd = replace(small, context=replace(small.context, layers={"d": layer._replace(weights=[layer.weights[0].T, layer.weights[1]])}))
    single = replace(small, context=replace(small.context, layers={"d": layer._replace(weights=layer.weights[:1])}))
    half = replace(small, context=replace(small.context, layers={"d": layer._replace(weights=[w.astype("f8") for w in layer.weights])}))
    for model, path, said in [
        (small, "m.h5", r"m\.h5: a model is saved as \.keras or \.json"),
        (small, "model", r"model: a model is saved as \.keras or \.json"),
        (small.astype(np.float64), "m.keras", r"computes in float64, its configuration says float32: save model\.astype\('float32'\)"),
        (Model(small.graph, small.context), "m.keras", "no configuration to save"),
        (odd, "m.keras", r"layer 'd' has weights of the shapes \[\(1, 2\), \(1,\)\]"),
        (single, "m.keras", r"layer 'd' has weights of the shapes \[\(2, 1\)\], its configuration implies"),
        (half, "m.keras", "layer 'd' has weights of .* in float32"),
    ]:
        with pytest.raises(ValueError, match=said):
            model.save(tmp_path / "out" / path)
    with pytest.raises(OSError, match="No such file"):
        small.save(tmp_path / "out" / "m.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["small.keras"], "something was written"


def test_json_goes_to_save_json(small: Model, tmp_path: Path) -> None:
    small.save(tmp_path / "one.json")
    small.save_json(tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes(), "save writes another JSON file than save_json"
