"""What kind a file is follows from its content; what is no file of a model is refused by what it is, at once. And what is in a file."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import reference
from conformance.selftests.builders.old_files import chain, dense, draw, layer, with_modules, write_h5, write_zip
from reference.models import load_model
from reference.saving.contents import contents
from reference.saving.reader import ArchiveError

KERNEL, BIAS = draw((4, 3), (3,))
X = np.random.default_rng(3).normal(size=(5, 4)).astype(np.float32)
INPUT = layer("InputLayer", "x", batch_shape=[None, 4])


def h5(path: Path) -> Path:
    return write_h5(path, chain(INPUT, dense("a", 3)), {"a": {"kernel": KERNEL, "bias": BIAS}})


def archive(path: Path) -> Path:
    return write_zip(path, with_modules(chain(INPUT, dense("a", 3))), {"layers/dense": [KERNEL, BIAS]}, "3.15.1")


def document(path: Path) -> Path:
    load_model(archive(path.with_name("m.keras"))).save(path.with_name("made.json"))
    return path.with_name("made.json").rename(path)


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.hdf5", "m.json", "m.bin", "m"])
@pytest.mark.parametrize("write", [h5, archive, document])
def test_a_file_is_read_by_its_content_whatever_it_is_called(write: Any, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "sub"
    folder.mkdir()
    got = load_model(write(folder / name)).predict(X)
    assert np.abs(got - (X @ KERNEL + BIAS)).max() < 1e-6, f"{write.__name__} called {name}"


@pytest.mark.parametrize("size", [512, 4096, 2**21])
def test_an_hdf5_file_may_begin_after_a_block_of_the_users(size: int, tmp_path: Path) -> None:
    """As for Keras, both where the library was asked for the block and where bytes were put before a file."""
    plain = h5(tmp_path / "m.h5")
    with h5py.File(plain) as old, h5py.File(tmp_path / "asked.h5", "w", userblock_size=size) as new:
        for name, value in old.attrs.items():
            new.attrs[name] = value
        old.copy("model_weights", new)
    (tmp_path / "put.h5").write_bytes(b"#".ljust(size, b"\n") + plain.read_bytes())
    for path in (tmp_path / "asked.h5", tmp_path / "put.h5"):
        got = load_model(path).predict(X)
        assert np.abs(got - (X @ KERNEL + BIAS)).max() < 1e-6, f"{path.name} with a block of {size} bytes"
        assert contents(path).is_read, contents(path).lines


@pytest.mark.parametrize("place", [512, 1024, 4096])
def test_an_archive_is_one_wherever_its_weights_lie(place: int, tmp_path: Path) -> None:
    """Stored as they are, they may lie where an HDF5 file after a block of the user's would begin."""
    with zipfile.ZipFile(archive(tmp_path / "made.keras")) as made, zipfile.ZipFile(tmp_path / "m.keras", "w") as moved:
        name = "model.weights.h5"
        moved.writestr("first", bytes(place - 2 * 30 - len("first") - len(name)))
        for one in (name, "config.json", "metadata.json"):
            moved.writestr(one, made.read(one))
    assert (tmp_path / "m.keras").read_bytes().find(b"\x89HDF") == place, "the weights lie there"
    got = load_model(tmp_path / "m.keras").predict(X)
    assert np.abs(got - (X @ KERNEL + BIAS)).max() < 1e-6, f"weights at {place}"


@pytest.mark.parametrize(("module", "read"), [("keras.src.layers.core.dense", True), ("keras.src.evil", False), ("keras.srclayers", False)])
def test_a_layer_may_name_the_module_where_keras_has_it(module: str, read: bool, tmp_path: Path) -> None:
    config = with_modules(chain(INPUT, dense("a", 3)))
    config["config"]["layers"][1]["module"] = module
    path = write_zip(tmp_path / "m.keras", config, {"layers/dense": [KERNEL, BIAS]}, "3.15.1")
    assert contents(path).is_read == read, contents(path).lines


@pytest.mark.parametrize("text", ["1", "null", "[]", '"x"'])
def test_a_text_that_is_no_configuration_needs_no_weights(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(ArchiveError, match=r"m\.json: neither a whole model nor a configuration"):
        load_model(tmp_path / "m.json")


OTHERS = {
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "Git LFS"),
    "a pickle": (pickle.dumps([1, 2]), "a pickle, which is never opened"),
    "a packed file": (gzip.compress(b"{}"), "packed with gzip"),
    "a page": (b"<!DOCTYPE html><html></html>", "a page of the web"),
    "TensorFlow Lite": (b"\x1c\x00\x00\x00TFL3" + bytes(60), "TensorFlow Lite"),
}


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.json"])
@pytest.mark.parametrize("kind", OTHERS)
def test_what_people_take_for_a_model_is_named(kind: str, name: str, tmp_path: Path) -> None:
    data, words = OTHERS[kind]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ArchiveError, match=words):
        load_model(tmp_path / name)


LOAD = "import sys, reference\ntry: reference.load_model(sys.argv[1])\nexcept ValueError as error: print(error)"


def in_a_process(code: str, *arguments: object) -> str:
    """What it prints; a process that hangs is ended, which fails the test."""
    environment = {**os.environ, "PYTHONPATH": str(Path(reference.__file__).parents[1])}
    program = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["pipe.keras", "pipe.h5", "pipe.json"])
def test_a_pipe_is_refused_and_not_waited_for(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    assert "it is not a regular file" in in_a_process(LOAD, tmp_path / name), "a pipe nobody writes to"


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/full"])
def test_a_device_is_refused(path: str) -> None:
    assert "it is not a regular file" in in_a_process(LOAD, path), path


def test_weights_that_are_a_pipe_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.h5")
    (tmp_path / "c.json").write_text(json.dumps(with_modules(chain(INPUT, dense("a", 3)))))
    code = LOAD.replace("sys.argv[1]", "sys.argv[1], weights=sys.argv[2]")
    assert "it is not a regular file" in in_a_process(code, tmp_path / "c.json", tmp_path / "w.h5"), "weights that are a pipe"


def test_a_folder_is_refused_with_what_would_work(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="it is a folder; of a SavedModel nothing is read"):
        load_model(tmp_path)


LIBRARIES = """
import sys, reference; reference.load_model  # which loads what reading needs
def libraries(): return {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}
before, modules = libraries(), set(sys.modules)
for path in sys.argv[1:]:
    try: reference.load_model(path)
    except ValueError: pass
print(sorted(libraries() - before) + sorted(set(sys.modules) - modules))
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux lists the libraries of a process")
def test_reading_a_file_loads_no_shared_library_and_no_module(tmp_path: Path) -> None:
    paths = [h5(tmp_path / "m.h5"), archive(tmp_path / "m.keras"), document(tmp_path / "m.json"), Path(__file__)]
    assert in_a_process(LIBRARIES, *paths).strip() == "[]", "something was loaded while files were read"


# What is in a file


def test_the_contents_of_a_file_that_is_read(tmp_path: Path) -> None:
    gate = layer("LSTM", "cell", units=2, recurrent_activation="hard_sigmoid", unroll=True, batch_input_shape=[None, 3, 2])
    arrays = dict(zip(("kernel", "recurrent_kernel", "bias"), draw((2, 8), (2, 8), (8,)), strict=True))
    path = write_h5(tmp_path / "m.keras", chain(gate, dense("a", 3)), {"cell": arrays, "a": {"kernel": KERNEL[:2], "bias": BIAS}}, "2.2.4")
    found = contents(path)
    text = "\n".join(found.lines)
    assert found.is_read and found.lines[-1] == "load_model reads it, and its weights fit the configuration", text
    for words in (
        "an HDF5 file of",
        "named like a zip archive",
        "written by Keras 2.2.4, backend tensorflow",
        "Sequential 'sequential_1' of 2 layers: 1 Dense, 1 LSTM",
        "shape [None, 3, 2]",
        "layer 'cell': recurrent_activation is the hard_sigmoid of Keras 2",
        "not read of LSTM: unroll=True",
    ):
        assert words in text, f"{words!r} is not said:\n{text}"


@pytest.mark.parametrize(("version", "sequences", "mask_zero", "told"), [
    ("2.2.4", True, True, True), ("2.2.4", False, True, False), ("2.2.4", True, False, False), ("2.12.0", True, True, False),
])  # fmt: skip
def test_the_contents_tell_of_masked_steps_that_are_read_as_those_of_keras_3(
    version: str, sequences: bool, mask_zero: bool, told: bool, tmp_path: Path
) -> None:
    inner = layer("LSTM", "cell", units=2, recurrent_activation="sigmoid", return_sequences=sequences)
    ids = layer("Embedding", "ids", input_dim=5, output_dim=2, mask_zero=mask_zero, batch_input_shape=[None, 3])
    text = "\n".join(contents(write_h5(tmp_path / "m.h5", chain(ids, layer("Bidirectional", "both", layer=inner)), {}, version)).lines)
    assert ("layer 'both': the outputs at masked steps are zeros, as in Keras 3" in text) == told, text


def test_the_contents_of_a_file_that_is_refused_name_all_that_stands_in_the_way(tmp_path: Path) -> None:
    layers = dense("a", 3, kind="x"), layer("Lambda", "l"), dense("b", 3, "nonsense"), dense("c", 0)
    found = contents(write_zip(tmp_path / "m.keras", with_modules(chain(INPUT, *layers)), {}, "3.15.1"))
    text = "\n".join(found.lines)
    assert not found.is_read and "load_model refuses it: written by Keras 3.15.1" in text, text
    said = "'l': class 'Lambda' is not supported", "'a': Dense has no option 'kind'", "'b': activation is 'nonsense'", "'c': units is 0"
    for words in said:
        assert words in text, f"{words!r} is not said:\n{text}"


def test_the_contents_of_a_file_whose_weights_do_not_fit(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "m.h5", chain(INPUT, dense("a", 3)), {"a": {"kernel": KERNEL[:, :2], "bias": BIAS}})
    assert "has the shape (4, 2), the configuration implies (4, 3)" in contents(path).lines[-1], contents(path).lines


def test_the_contents_of_a_configuration_alone(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps(with_modules(chain(INPUT, dense("a", 3)))))
    found = contents(tmp_path / "c.json")
    assert found.is_read and found.lines[-1].endswith("with weights= naming the file of its weights"), found.lines


NO_MODELS: list[Any] = [None, 3, [], {}, {"class_name": "Sequential"}, {"class_name": "Sequential", "config": [3, {"config": []}]}]


@pytest.mark.parametrize("config", NO_MODELS)
def test_the_contents_of_what_is_no_configuration(config: Any, tmp_path: Path) -> None:
    for path in (write_h5(tmp_path / "m.h5", config, {}), write_zip(tmp_path / "m.keras", config, {})):
        assert not contents(path).is_read, contents(path).lines


def test_all_forms_have_contents(tmp_path: Path) -> None:
    for path in (h5(tmp_path / "m.h5"), archive(tmp_path / "m.keras"), document(tmp_path / "m.json")):
        assert contents(path).is_read, contents(path).lines
