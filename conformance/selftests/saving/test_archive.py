"""The reader of ``.keras`` archives: what it reads, and what of zip archives it refuses; the rest stands in ``test_hostile_*``."""

from __future__ import annotations

import copy
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from conformance.selftests.builders.hostile_forms import MIB, little_memory
from reference.models import load_model
from reference.network import config as archive_config
from reference.saving.reader import Archive, ArchiveError, read_archive


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A Sequential model with random weights, and the archive that Keras wrote of it."""
    from conformance.oracle.environment import import_keras

    keras = import_keras()
    keras.utils.clear_session()
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            layers.Embedding(11, 4, mask_zero=True, name="words"),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both"),
            layers.LSTM(5, use_bias=False, name="lstm"),
            layers.Dense(7, name="hidden"),
            layers.Dense(2, activation="softmax", name="classes"),
        ]
    )
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(np.ones((2, 6)), np.zeros(2), verbose=0)  # so that the file holds the state of an optimizer as well
    path = tmp_path_factory.mktemp("archive") / "good.keras"
    model.save(path)
    return model, path


@pytest.fixture
def remake(written: tuple[Any, Path], tmp_path: Path) -> Callable[..., Path]:
    """Write the good archive anew, changed: the functions change the configuration and the HDF5 file in place."""

    def make(
        config: Callable[[dict[str, Any]], None] | None = None,
        weights: Callable[[Any], None] | None = None,
        members: dict[str, bytes | None] | None = None,
        compression: int = zipfile.ZIP_STORED,
    ) -> Path:
        with zipfile.ZipFile(written[1]) as file:
            content: dict[str, bytes | None] = {name: file.read(name) for name in file.namelist()}
        if config:
            described = json.loads(content["config.json"] or b"")
            config(described)
            content["config.json"] = json.dumps(described).encode()
        if weights:
            buffer = io.BytesIO(content["model.weights.h5"] or b"")
            with h5py.File(buffer, "r+") as hdf5:
                weights(hdf5)
            content["model.weights.h5"] = buffer.getvalue()
        content.update(members or {})
        with zipfile.ZipFile(tmp_path / "made.keras", "w", compression) as file:
            for name, data in content.items():
                if data is not None:
                    file.writestr(name, data)
        return tmp_path / "made.keras"

    return make


def refused(path: Path, *words: str) -> None:
    """The archive is refused with one sentence that names the file and says these words."""
    for read in (read_archive, load_model):
        with pytest.raises(ArchiveError) as raised:
            read(path)
        sentence = str(raised.value)
        assert str(path) in sentence, f"the sentence does not name the file: {sentence}"
        sentence = sentence.replace(str(path), "")  # the folder has the name of the test
        for word in words:
            assert word in sentence, f"the sentence does not say {word!r}: {sentence}"


def layer(config: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in config["config"]["layers"] if entry["config"]["name"] == name)


def same_weights(archive: Archive, model: Any) -> None:
    for name in ("words", "both", "lstm", "hidden", "classes"):
        want = model.get_layer(name).get_weights()
        got = archive.weights[name]
        assert len(got) == len(want), f"{name} has {len(got)} weights, in Keras {len(want)}"
        assert all(np.array_equal(a, b) for a, b in zip(got, want, strict=True)), f"the weights of {name} differ"


def test_reads_what_keras_wrote(written: tuple[Any, Path]) -> None:
    model, path = written
    archive = read_archive(path)
    same_weights(archive, model)
    assert archive.dtype == "float32", f"dtype {archive.dtype}"
    assert [e.class_name for e in archive.layers.values()][:2] == ["InputLayer", "Embedding"], "layers in their order"
    assert not any(a.flags.writeable for arrays in archive.weights.values() for a in arrays), "weights are read-only"


def test_groups_and_shapes_follow_from_the_configuration(written: tuple[Any, Path]) -> None:
    entries = read_archive(written[1]).layers
    assert entries["classes"].group == "layers/dense_1", "groups are numbered by class, whatever the layers are called"
    assert entries["both"].shapes["backward_layer/cell/vars/1"] == (3, 12), "recurrent kernel of the backward half"
    assert list(entries["lstm"].shapes) == ["cell/vars/0", "cell/vars/1"], "an option removed the bias"


def test_a_repacked_and_deflated_archive_is_read(written: tuple[Any, Path], remake: Callable[..., Path]) -> None:
    same_weights(read_archive(remake(compression=zipfile.ZIP_DEFLATED)), written[0])


def test_members_with_other_names_are_ignored_and_nothing_is_written(
    written: tuple[Any, Path], remake: Callable[..., Path]
) -> None:
    path = remake(members={"../evil": b"x", "/tmp/evil-absolute": b"x", "assets/../../evil": b"x"})
    before = sorted(path.parent.parent.rglob("*"))
    same_weights(read_archive(path), written[0])
    assert sorted(path.parent.parent.rglob("*")) == before, "reading an archive wrote a file"


def test_more_than_ten_variables_are_sorted_as_numbers() -> None:
    from reference.network.config import Entry
    from reference.saving.hdf5 import read_weights

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as hdf5:
        for index in range(12):
            hdf5[f"layers/many/vars/{index}"] = np.full(index + 1, index, np.float32)
    entry = Entry("many", "layers/many", "Dense", {}, {f"vars/{index}": (index + 1,) for index in range(12)})
    arrays = read_weights(buffer.getvalue(), [entry], "float32")["many"]
    assert [len(a) for a in arrays] == list(range(1, 13)), "10 comes after 9, not after 1"


def test_vocabularies_come_from_assets_and_from_the_configuration(tmp_path: Path) -> None:
    from conformance.oracle.environment import import_keras

    keras = import_keras()
    adapted = keras.layers.TextVectorization(name="adapted")
    adapted.adapt(["a b b", "ünï b"])
    given = keras.layers.TextVectorization(name="given", vocabulary=["x", "y"])
    for vectorize in (adapted, given):
        path = tmp_path / f"{vectorize.name}.keras"
        keras.Sequential([keras.Input((1,), dtype="string"), vectorize]).save(path)
        got = read_archive(path).vocabularies[vectorize.name]
        assert list(got) == vectorize.get_vocabulary(), f"the vocabulary {vectorize.name} is {got}"


# What is damaged


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "none.keras", "there is no such file")
    refused(tmp_path, "cannot be read")


def test_what_is_not_a_zip_archive_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"no zip archive", b"PK\x03\x04" + bytes(100)):
        path = tmp_path / "file.keras"
        path.write_bytes(content)
        refused(path, "not a complete zip archive")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(part: float, written: tuple[Any, Path], tmp_path: Path) -> None:
    data = written[1].read_bytes()
    path = tmp_path / "short.keras"
    path.write_bytes(data[: int(len(data) * part)])
    refused(path, "not a complete zip archive")


def test_a_changed_byte_in_the_weights_is_noticed(written: tuple[Any, Path], tmp_path: Path) -> None:
    data = bytearray(written[1].read_bytes())
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "flipped.keras"
    path.write_bytes(data)
    refused(path, "CRC")


def test_truncated_weights_in_a_whole_archive_are_refused(
    written: tuple[Any, Path], remake: Callable[..., Path]
) -> None:
    with zipfile.ZipFile(written[1]) as file:
        data = file.read("model.weights.h5")
    for part in (0, 100, len(data) // 2, len(data) - 1):
        refused(remake(members={"model.weights.h5": data[:part]}), "model.weights.h5")


def test_no_damaged_header_raises_anything_else(written: tuple[Any, Path], remake: Callable[..., Path]) -> None:
    """Twenty of the first bytes of the weights replaced at random: read, or refused with a sentence."""
    with zipfile.ZipFile(written[1]) as file:
        data = file.read("model.weights.h5")
    rng = np.random.default_rng(5)
    refusals = 0
    for _ in range(150):
        damaged = bytearray(data)
        for place in rng.integers(0, 2000, 20):
            damaged[place] = int(rng.integers(256))
        try:
            read_archive(remake(members={"model.weights.h5": bytes(damaged)}))
        except ArchiveError:
            refusals += 1
    assert refusals > 100, f"only {refusals} of 150 damaged files are refused"


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_a_missing_member_is_named(name: str, remake: Callable[..., Path]) -> None:
    refused(remake(members={name: None}), f"no member {name}")


def test_a_member_that_stands_twice_is_refused(written: tuple[Any, Path], remake: Callable[..., Path]) -> None:
    path = remake()
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("config.json", b"{}")
    refused(path, "more than one member config.json")


def test_weights_as_npz_are_refused_by_name(remake: Callable[..., Path]) -> None:
    refused(remake(members={"model.weights.h5": None, "model.weights.npz": b""}), "model.weights.npz", "NPZ form are pickles")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "\xff",
        "[" * 100_000,
        '{"a": ' + "9" * 5000 + "}",
        "null",
        "[]",
        "{}",
        '{"module": "keras", "class_name": "Sequential"}',
    ],
    ids=["empty", "open", "bytes", "deep", "number", "null", "list", "nothing", "class"],
)
def test_broken_json_is_refused(text: str, remake: Callable[..., Path]) -> None:
    refused(remake(members={"config.json": text.encode("latin-1")}), "config.json")


def test_no_damaged_configuration_raises_anything_else(written: tuple[Any, Path], remake: Callable[..., Path]) -> None:
    """Every value of the configuration in turn replaced by values of another kind: read, or refused with a sentence."""
    with zipfile.ZipFile(written[1]) as file:
        good = json.loads(file.read("config.json"))
    good = {key: good[key] for key in ("module", "class_name", "config", "registered_name")}
    places = list(_places(good))
    assert len(places) > 100, "the configuration has many values to damage"
    rng = np.random.default_rng(11)
    outcomes = set()
    wrong: Any
    for index in rng.permutation(len(places))[:60]:
        for wrong in (None, -1, "?", [], {}, 1e400):
            damaged = copy.deepcopy(good)
            *way, last = places[index]
            target = damaged
            for step in way:
                target = target[step]
            target[last] = wrong
            path = remake(members={"config.json": json.dumps(damaged).encode()})
            try:
                load_model(path)
                outcomes.add("read")
            except ArchiveError:
                outcomes.add("refused")
    assert outcomes == {"read", "refused"}, "some values matter and some do not"


def _places(value: Any, way: tuple[Any, ...] = ()) -> Any:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        if not str(key).endswith(("initializer", "regularizer", "constraint")):
            yield (*way, key)
            yield from _places(value[key], (*way, key))


# Weights that do not fit the configuration


@pytest.mark.parametrize("name", ["layers/dense/vars/2", "layers/dense_2/vars/0", "layers/dense/vars/idf", "other/0"])
def test_extra_weights_are_named(name: str, remake: Callable[..., Path]) -> None:
    def add(hdf5: Any) -> None:
        hdf5[name] = np.zeros(3, np.float32)

    refused(remake(weights=add), name.rsplit("/", 2)[0], "belongs to no layer")


@pytest.mark.parametrize("name", ["layers/dense_9", "layers/dense_9/vars", "other"])
def test_extra_groups_that_hold_nothing_are_no_weights(name: str, remake: Callable[..., Path]) -> None:
    """Keras asks for the groups that it wants, and does not see others."""
    load_model(remake(weights=lambda hdf5: hdf5.create_group(name)))
    refused(remake(weights=lambda hdf5: hdf5.create_group(f"{name}/one/two")), "belongs to no layer")


def test_extra_groups_are_followed_nowhere_and_are_few(remake: Callable[..., Path]) -> None:
    def linked(hdf5: Any) -> None:
        hdf5.create_group("other")["link"] = h5py.SoftLink("/layers")

    def round_about(hdf5: Any) -> None:
        hdf5["other/itself"] = hdf5.create_group("other")

    refused(remake(weights=linked), "'other/link' is a soft link, which is not followed")
    refused(remake(weights=round_about), "'other' belongs to no layer")
    refused(remake(weights=lambda hdf5: [hdf5.create_group(f"other{n}") for n in range(1001)]), "'other999' belongs to no layer")
    refused(remake(weights=lambda hdf5: [hdf5.create_group(f"other/{n}") for n in range(1001)]), "'other' belongs to no layer")


# Hostile files


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_a_zip_bomb_is_refused_before_it_is_unpacked(name: str, remake: Callable[..., Path]) -> None:
    path = remake(members={name: bytes(64 * MIB)}, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < MIB, "the bomb is small on the disk"
    with little_memory(8 * MIB):
        refused(path, name, "bytes")


def test_a_configuration_above_the_limit_is_refused(remake: Callable[..., Path]) -> None:
    refused(remake(members={"config.json": b" " * (16 * MIB + 1)}), "config.json", "allowed")


def test_a_member_that_declares_too_little_is_not_unpacked_beyond_it(remake: Callable[..., Path]) -> None:
    path = remake(members={"config.json": bytes(64 * MIB)}, compression=zipfile.ZIP_DEFLATED)
    data = path.read_bytes().replace((64 * MIB).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    path.write_bytes(data)
    with little_memory(8 * MIB):
        refused(path)


def test_a_group_that_contains_itself_ends_the_walk(remake: Callable[..., Path]) -> None:
    def change(hdf5: Any) -> None:
        hdf5["layers/dense/layers"] = hdf5["layers"]

    refused(remake(weights=change), "layers/dense/layers", "belongs to no layer")


def test_datasets_that_share_their_bytes_cannot_be_larger_than_the_file(remake: Callable[..., Path]) -> None:
    """A dense layer of 1 MiB, linked again and again: each link is a hard link to a whole dataset."""
    size, copies = 512, 40

    def describe(config: dict[str, Any]) -> None:
        dense = layer(config, "hidden")
        first = copy.deepcopy(dense)
        first["config"].update(units=size)
        more = []
        for number in range(copies):
            same = copy.deepcopy(first)
            same["config"].update(name=f"copy{number}", use_bias=False)
            more.append(same)
        config["config"]["layers"] = [*config["config"]["layers"][:1], *more]
        config["config"]["layers"][0]["config"].update(batch_shape=[None, size], dtype="float32")

    def share(hdf5: Any) -> None:
        del hdf5["layers"]
        kernel = hdf5.create_dataset("layers/dense/vars/0", data=np.zeros((size, size), np.float32))
        for number in range(1, copies):
            hdf5[f"layers/dense_{number}/vars/0"] = kernel

    refused(remake(describe, share), "larger than the file")


def test_what_would_compute_something_else_is_refused(remake: Callable[..., Path]) -> None:
    refused(remake(lambda c: layer(c, "lstm")["config"].update(stateful=True)), "'lstm'", "stateful")
    refused(remake(lambda c: layer(c, "lstm")["config"].update(dtype="mixed_float16")), "'lstm'", "mixed_float16")
    refused(remake(lambda c: layer(c, "lstm")["config"].update(dtype="float64")), "different dtype")
    refused(remake(lambda c: layer(c, "hidden")["config"].update(quantization_config={"a": 1})), "'hidden'")
    refused(
        remake(lambda c: layer(c, "both")["config"]["backward_layer"]["config"].update(activation="relu")),
        "'both'",
        "different options",
    )
    refused(remake(lambda c: layer(c, "hidden")["config"].update(name="classes")), "'classes'", "name")
    refused(remake(lambda c: layer(c, "hidden")["config"].update(name="a/b")), "'a/b'", "name")


def test_importing_the_reader_is_quick_and_brings_no_keras(written: tuple[Any, Path], tmp_path: Path) -> None:
    """The least of three runs, from compiled files as an installed package has them: what others do on the machine only adds to it.

    The HDF5 library is part of it: it is loaded here, so that reading a file loads no shared library.
    """
    code = (
        "import sys, time, numpy; base = time.process_time(); "
        "import reference, reference.saving.reader, reference.models; own = time.process_time() - base; "
        f"reference.saving.reader.read_archive({str(written[1])!r}); "
        "assert not {'keras', 'tensorflow'} & set(sys.modules), 'reading brings in Keras'; print(own)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(archive_config.__file__).parents[2]), "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    took = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        took.append(float(done.stdout))
    assert min(took) < 0.4, f"importing the reader took {min(took)} s beyond NumPy"
