"""Damaged and hostile JSON files, and files that are something else altogether."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
from conformance.selftests.builders.hostile_forms import FORMS, MIB, Change, changed, good_files, little_memory, refused
from reference.models import load_model
from reference.network import network
from reference.saving.reader import ArchiveError, read_archive

JSON_WEIGHTS: dict[str, tuple[Change, str]] = {
    "a missing layer": (lambda all_: all_["weights"].pop("classes"), "layer 'classes': weights has 0 arrays"),
    "a layer too many": (lambda all_: all_["weights"].update(more=[[1.0]]), "'more' is no layer"),
    "a layer without weights": (lambda all_: all_["weights"].update(flat=[]), "'flat' is no layer"),
    "a missing weight": (lambda all_: all_["weights"]["classes"].pop(), "has 1 arrays, the configuration asks for 2"),
    "a weight too many": (lambda all_: all_["weights"]["classes"].append([]), "has 3 arrays"),
    "no list": (lambda all_: all_["weights"].update(classes=3), "has 3 arrays"),
    "a row too few": (lambda all_: all_["weights"]["classes"][0].pop(), "not a nested list of the shape (32, 2)"),
    "a number too few": (lambda all_: all_["weights"]["classes"][0][5].pop(), "not a nested list of the shape (32, 2)"),
    "a list too deep": (lambda all_: all_["weights"]["classes"][1].__setitem__(0, [1.0]), "holds [1.0], which is no float32 number"),
    "a text": (lambda all_: all_["weights"]["classes"][1].__setitem__(0, "1.0"), "holds '1.0'"),
    "a bool": (lambda all_: all_["weights"]["classes"][1].__setitem__(0, True), "holds True"),
    "null": (lambda all_: all_["weights"]["classes"][1].__setitem__(0, None), "holds None"),
    "an object": (lambda all_: all_["weights"]["classes"][1].__setitem__(0, {"a": 1}), "holds {'a': 1}"),
    "a bare NaN": (lambda all_: all_["weights"]["classes"][1].__setitem__(0, float("nan")), "holds nan"),
    "a bare infinity": (lambda all_: all_["weights"]["classes"][1].__setitem__(0, float("inf")), "holds inf"),
    "a number too large": (lambda all_: all_["weights"]["classes"][1].__setitem__(0, 1e39), "holds 1e+39, which is no float32 number"),
    "an int too large": (lambda all_: all_["weights"]["classes"][1].__setitem__(0, 10**400), "no float32 number"),
    "another format": (lambda all_: all_.update(format="mine"), "the format is 'mine'"),
    "another version": (lambda all_: all_.update(version=2), "version 2"),
    "another dtype": (lambda all_: all_.update(dtype="float16"), "dtype is 'float16'"),
    "no dtype": (lambda all_: all_.pop("dtype"), "dtype is missing"),
    "no weights": (lambda all_: all_.pop("weights"), "weights is missing"),
    "no configuration": (lambda all_: all_.update(config=3), "config is missing"),
    "a vocabulary too many": (lambda all_: all_["vocabularies"].update(classes=["a"]), "vocabularies"),
    "a vocabulary of numbers": (lambda all_: all_["vocabularies"].update(classes=[1]), "not a list of terms"),
}


@pytest.mark.parametrize("attack", JSON_WEIGHTS)
def test_weights_in_json_that_are_not_plain_numbers_are_refused(attack: str, tmp_path: Path) -> None:
    change, words = JSON_WEIGHTS[attack]
    whole = changed(json.loads(good_files()["whole.json"]), change)
    (tmp_path / "whole.json").write_text(json.dumps(whole))
    refused(FORMS["json"], tmp_path / "whole.json", words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "not readable as JSON"),
        (b"{", "not readable as JSON"),
        (b"\xff", "not readable as JSON"),
        (b"[" * 90_000, "not readable as JSON"),
        (b'{"format": ' + b"9" * 5000 + b"}", "not readable as JSON"),
        (b"[" + b"[]," * 2_000_000 + b"[]]", "are not those of a model"),
        (b'{"format": [' + b"{}," * 2_000_000 + b"{}]}", "are not those of a model"),
        (b"null", "configuration"),
        (b"3", "configuration"),
        (b"[]", "configuration"),
        (b"{}", "configuration"),
        (b'"text"', "configuration"),
    ],
    ids=["empty", "open", "bytes", "deep", "number", "lists", "objects", "null", "int", "list", "nothing", "string"],
)
def test_what_is_no_model_in_json_is_refused(text: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "whole.json"
    path.write_bytes(text)
    with little_memory(3 * len(text) + 8 * MIB):
        refused(FORMS["json"], path, words)
    (tmp_path / "m.weights.h5").write_bytes(b"")
    with pytest.raises(ArchiveError, match=r"whole\.json"):
        load_model(path, weights=tmp_path / "m.weights.h5")


# Files of another kind


class Payload:
    """What makes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return open, (str(self.trace), "w")


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.hdf5", "m.json", "m.weights.h5", "m.pkl", "m"])
def test_a_pickle_is_never_loaded(name: str, tmp_path: Path) -> None:
    path, trace = tmp_path / name, tmp_path / "pickle-was-run"
    (tmp_path / "config.json").write_bytes(good_files()["config.json"])
    payload, array = Payload(trace), io.BytesIO()
    np.save(array, np.array([payload], dtype=object), allow_pickle=True)
    for data in (pickle.dumps(payload), array.getvalue()):
        path.write_bytes(data)
        with pytest.raises(ArchiveError):
            load_model(path)
        with pytest.raises(ArchiveError):
            load_model(tmp_path / "config.json", weights=path)
    assert not trace.exists(), "the pickle was run"


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.json"])
def test_only_regular_files_are_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.mkdir()
    with pytest.raises(ArchiveError, match="cannot be read"):
        load_model(path)
    path.rmdir()
    path.symlink_to("/dev/zero")
    with pytest.raises(ArchiveError, match=r"cannot be read|not a complete zip archive"):
        load_model(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    for name, size in (("m.json", 200 * MIB), ("m.h5", 3 * 1024 * MIB)):
        with open(tmp_path / name, "wb") as file:
            file.truncate(size)  # takes no room on the disk
        with little_memory(MIB), pytest.raises(ArchiveError, match=f"{name}: {size} bytes are more than"):
            read_archive(tmp_path / name)


# Running


def test_samples_that_take_much_memory_are_computed_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def dense(x: Any, *weights: Any, **settings: Any) -> Any:
        sizes.append(len(x))
        return reference.dense_forward(x, *weights, **settings)

    functions = {name: getattr(reference, name) for name in reference.__all__} | {"dense_forward": dense}
    model, x = load_model(FORMS["keras"].make(tmp_path), functions), np.ones((20, 8))
    want = model.predict(x)
    assert set(sizes) == {20}, f"a small model is computed at once: {sizes}"
    sizes.clear()
    monkeypatch.setattr(network, "MAX_BATCH_NUMBERS", 2000)
    got = model.predict(x)
    assert 1 <= max(sizes) < 10, f"batches of {sizes} samples where few numbers are allowed"
    assert np.allclose(got, want, rtol=1e-6), "the result does not depend on it"
