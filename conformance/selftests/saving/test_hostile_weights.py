"""Weights made to harm or mislead: HDF5 files of every layout that are damaged, point elsewhere, or are bombs."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import reference
from conformance.selftests.builders.hostile_forms import FORMS, HDF5_FORMS, MIB, Change, little_memory, options, refused
from reference.saving.reader import ArchiveError

DATASETS = {
    "new": ("layers/dense/vars/0", "layers/dense", "layers"),
    "old": ("model_weights/classes/classes/kernel", "model_weights/classes", "model_weights"),
    "keras2": ("model_weights/classes/classes/kernel:0", "model_weights/classes", "model_weights"),
}


def put(file: Any, path: str, **how: Any) -> Any:
    """Another dataset in the place of one."""
    shape, dtype = file[path].shape, file[path].dtype
    del file[path]
    return file.create_dataset(path, **{"shape": shape, "dtype": dtype, **how})


def virtual(file: Any, path: str) -> None:
    shape = file[path].shape
    del file[path]
    layout = h5py.VirtualLayout(shape, "float32")
    layout[:] = h5py.VirtualSource("/tmp/secret.h5", "secret", shape)
    file.create_virtual_dataset(path, layout)


def linked(link: Any) -> Callable[[Any, str], None]:
    def change(file: Any, path: str) -> None:
        del file[path]
        file[path] = link

    return change


def in_a_group(file: Any, path: str) -> None:
    del file[path]
    file.create_group(path)


def shared_bytes(file: Any, path: str) -> None:
    group, _, name = path.rpartition("/")
    file[group][f"{name}x"] = file[path]


DATA: dict[str, tuple[Callable[[Any, str], Any], str]] = {
    "a missing weight": (lambda file, path: file.__delitem__(path), "lacks"),
    "a weight too many": (shared_bytes, "belongs to no layer"),
    "a wrong shape": (lambda file, path: put(file, path, shape=(32, 3), data=np.ones((32, 3), np.float32)), "has the shape (32, 3)"),
    "a wrong rank": (lambda file, path: put(file, path, shape=(64,), data=np.ones(64, np.float32)), "has the shape (64,)"),
    "another dtype": (lambda file, path: put(file, path, dtype="float64"), "has the dtype float64"),
    "integers": (lambda file, path: put(file, path, dtype="int32"), "has the dtype int32"),
    "texts": (lambda file, path: put(file, path, dtype=h5py.string_dtype()), "has the dtype object"),
    "references": (lambda file, path: put(file, path, dtype=h5py.ref_dtype), "has the dtype object"),
    "pickled bytes": (lambda file, path: put(file, path, dtype=np.dtype("V64")), "has the dtype |V64"),
    "no data": (lambda file, path: put(file, path, shape=None, data=h5py.Empty("float32")), "has the shape None"),
    "a group": (in_a_group, "Group"),
    "a soft link": (linked(h5py.SoftLink("/somewhere")), "is a soft link"),
    "an external link": (linked(h5py.ExternalLink("/tmp/secret.h5", "/secret")), "is an external link"),
    "a virtual dataset": (virtual, "virtual"),
    "an external file": (lambda file, path: put(file, path, external=[("/etc/hostname", 0, 256)]), "outside the file"),
    "chunks": (lambda file, path: put(file, path, chunks=True), "contiguous"),
    "compression": (lambda file, path: put(file, path, chunks=True, compression="gzip"), "contiguous"),
    "nothing allocated": (lambda file, path: put(file, path), "contiguous"),
}


@pytest.mark.parametrize("attack", DATA)
@pytest.mark.parametrize("form", HDF5_FORMS)
def test_weights_that_are_not_plain_arrays_are_refused(form: str, attack: str, tmp_path: Path) -> None:
    change, words = DATA[attack]
    path = DATASETS[str(FORMS[form].layout)][0]
    made = FORMS[form].make(tmp_path, None, lambda file: change(file, path))
    refused(FORMS[form], made, words, path if words != "belongs to no layer" else path[:-2])


@pytest.mark.parametrize("form", HDF5_FORMS)
@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("kind", ["soft", "external"])
def test_a_group_that_is_a_link_is_not_followed(form: str, kind: str, level: int, tmp_path: Path) -> None:
    path = DATASETS[str(FORMS[form].layout)][level]
    link = linked(h5py.SoftLink("/optimizer") if kind == "soft" else h5py.ExternalLink("/etc/passwd", "/"))
    refused(FORMS[form], FORMS[form].make(tmp_path, None, lambda file: link(file, path)), path, f"{kind} link")


@pytest.mark.parametrize("form", HDF5_FORMS)
def test_a_bomb_of_a_dataset_is_refused_before_it_is_read(form: str, tmp_path: Path) -> None:
    """The configuration agrees with a dataset of 256 MiB that takes no room in the file."""
    units, path = 2**20, DATASETS[str(FORMS[form].layout)][0]
    bias = path.replace("kernel", "bias") if "kernel" in path else path[:-1] + "1"

    def change(file: Any) -> None:
        put(file, path, shape=(32, units), chunks=True, compression="gzip")
        put(file, bias, shape=(units,), chunks=True, compression="gzip")

    made = FORMS[form].make(tmp_path, options("classes", units=units), change)
    assert made.stat().st_size < MIB, "the bomb is small on the disk"
    with little_memory(8 * MIB):
        refused(FORMS[form], made, "'classes'", "contiguous")


@pytest.mark.parametrize("part", [0, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_ends_early_is_refused(form: str, part: float, tmp_path: Path) -> None:
    path = FORMS[form].make(tmp_path)
    shortened = path.with_name("m.weights.h5") if form == "beside" else path
    data = shortened.read_bytes()
    shortened.write_bytes(data[: int(len(data) * part)])
    refused(FORMS[form], path, "")


@pytest.mark.parametrize("form", FORMS)
def test_no_damage_raises_anything_else(form: str, tmp_path: Path) -> None:
    """Some bytes replaced at random, in the headers and anywhere: read, or refused with a sentence."""
    path = FORMS[form].make(tmp_path)
    target = path.with_name("m.weights.h5") if form == "beside" else path
    data, rng, refusals = target.read_bytes(), np.random.default_rng(5), 0
    for number in range(120):
        damaged = bytearray(data)
        for place in rng.integers(0, 3000 if number % 2 else len(data), 12):
            damaged[place] = int(rng.integers(256))
        target.write_bytes(damaged)
        try:
            FORMS[form].read(path)
        except ArchiveError:
            refusals += 1
    assert refusals > 40, f"only {refusals} of 120 damaged files are refused"


# Attributes of legacy files


def names_of(file: Any, names: Any) -> None:
    file["model_weights/classes"].attrs["weight_names"] = names


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file.attrs.__delitem__("model_config"), "weights alone"),
        (lambda file: file.attrs.__setitem__("model_config", 3), "it is not a text"),
        (lambda file: file.attrs.__setitem__("model_config", ["a", "b"]), "not a single text"),
        (lambda file: file.attrs.__setitem__("model_config", b"\xff\xfe"), "model_config"),
        (lambda file: file.attrs.__setitem__("model_config", b"[" * 60_000), "model_config: not readable as JSON"),
        (lambda file: file.attrs.__setitem__("model_config", b" " * 17 * MIB), "model_config: 17825792 bytes are more than"),
        (lambda file: file.attrs.__setitem__("training_config", b" " * 33 * MIB), "bytes are more than"),
        (lambda file: names_of(file, [b"classes/kernel"]), "weight_names has 1 entries, the configuration asks for 2"),
        (lambda file: names_of(file, [b"classes/kernel"] * 3), "weight_names has 3 entries"),
        (lambda file: names_of(file, [b"classes/kernel"] * 2), "are not the paths of 2 weights"),
        (lambda file: names_of(file, [b"classes/kernel", b"../../x"]), "are not the paths"),
        (lambda file: names_of(file, [b"classes/kernel", b"/etc"]), "are not the paths"),
        (lambda file: names_of(file, [b"classes/bias", b"classes/kernel"]), "'classes/bias' in the place of kernel of layer 'classes'"),
        (lambda file: names_of(file, [b"classes/x/kernel", b"classes/bias"]), "'model_weights/classes/classes/kernel' belongs to no layer"),
        (lambda file: names_of(file, [b"classes/kernel", b"\xff"]), "weight_names holds '\\udcff', which is not UTF-8"),
        (lambda file: names_of(file, [1.0, 2.0]), "it is not a text"),
        (lambda file: names_of(file, b"classes/kernel"), "not a list"),
        (lambda file: names_of(file, h5py.Empty("S10")), "HDF5"),
        (lambda file: file["model_weights/classes"].attrs.__delitem__("weight_names"), "weight_names has 0 entries"),
        (lambda file: file["model_weights"].__delitem__("classes"), "'classes': model_weights/classes is not in the file"),
        (lambda file: file.__delitem__("model_weights"), "is not in the file"),
        (lambda file: file.create_dataset("more/x", data=1), "'more' belongs to no layer"),
        (lambda file: file.create_dataset("model_weights/more/x", data=1), "'model_weights/more' belongs to no layer"),
        (lambda file: file["model_weights/flat"].create_dataset("x", data=1), "belongs to no layer"),
    ],
)
def test_attributes_of_legacy_files_are_checked(change: Change, words: str, tmp_path: Path) -> None:
    refused(FORMS["legacy"], FORMS["legacy"].make(tmp_path, None, change), words)


READ_IN_A_PROCESS = """
import resource, sys
from reference import load_model
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import h5py
try:
    load_model(sys.argv[1])
except ValueError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def read_in_a_process(path: Path) -> tuple[str, int]:
    """What is said, and how many MiB reading took, those of the HDF5 library included."""
    environment = {**os.environ, "PYTHONPATH": str(Path(reference.__file__).parents[1])}
    program = [sys.executable, "-c", READ_IN_A_PROCESS, str(path)]
    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    *said, peak = done.stdout.splitlines()
    return "\n".join(said), int(peak)


def references(data: bytearray, length: int) -> int:
    """Where the references to two texts stand: a length, an address and a number each, the second text 18 bytes long."""
    pattern = re.escape(struct.pack("<I", length)) + rb".{8}.{3}\x00" + re.escape(struct.pack("<I", 18)) + rb".{8}.{3}\x00"
    (found,) = re.finditer(pattern, bytes(data), re.DOTALL)
    return found.start()


def test_a_text_that_states_a_length_of_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = FORMS["legacy"].make(tmp_path, None, lambda file: names_of(file, [b"first-of-the-names", b"second-of-the-name"]))
    data = bytearray(path.read_bytes())
    place = references(data, 18)
    data[place : place + 4] = struct.pack("<I", 2**32 - 2)
    path.write_bytes(data)
    said, peak = read_in_a_process(path)
    assert "texts of 4294967" in said, f"the length is named: {said}"
    assert peak < 100, f"refusing it took {peak} MiB"


def test_one_long_text_under_many_names_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """A text of 16 MiB that the file holds once, and a list of names in which it stands two times and more."""
    big = b"x" * (16 * MIB)
    path = FORMS["legacy"].make(tmp_path, None, lambda file: names_of(file, [big, b"second-of-the-name"]))
    data = bytearray(path.read_bytes())
    place = references(data, len(big))
    data[place + 16 : place + 32] = data[place : place + 16]
    path.write_bytes(data)
    said, peak = read_in_a_process(path)
    assert "texts of 33554432 bytes are more than" in said, f"both are counted: {said}"
    assert peak < 100, f"refusing it took {peak} MiB"


