"""One model in a file of every form, to be changed by the tests of hostile files."""

from __future__ import annotations

import copy
import functools
import io
import json
import tempfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import pytest

from conformance.selftests.builders.file_models import redraw
from conformance.selftests.builders.keras2_files import write_keras2
from reference.models import Model, load_model
from reference.saving.reader import ArchiveError

MIB = 2**20
LAMBDA = {"class_name": "__lambda__", "config": {"value": "4wAAAAAAAAAA", "defaults": None, "closure": None}}
FUNCTION = {"class_name": "function", "module": "builtins", "config": "exec", "registered_name": "function"}
Change = Callable[[Any], Any]


@functools.cache
def good_files() -> dict[str, bytes]:
    """One functional model, with random weights, in a file of every form: their content by name."""
    from conformance.oracle.environment import import_keras

    keras = import_keras()
    keras.utils.clear_session()
    layers = keras.layers
    inner_x = keras.Input((4, 3))
    inner = keras.Model(inner_x, layers.Dense(3, name="d")(layers.BatchNormalization(name="normal")(inner_x)), name="inner")
    x = keras.Input((8,), name="ids")
    y = layers.Embedding(9, 3, name="words")(x)
    y = layers.Conv1D(3, 2, padding="same", name="conv")(y)
    y = inner(layers.MaxPooling1D(2, name="pool")(layers.Dropout(0.5, name="drop")(y)))
    y = layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="both")(layers.Masking(name="masking")(y))
    y = layers.TimeDistributed(layers.Dense(4, activation="relu"), name="steps")(y)
    y = layers.Concatenate(name="join")([y, layers.LeakyReLU(name="leak")(y)])
    y = layers.Flatten(name="flat")(layers.LayerNormalization(name="even")(layers.Reshape((8, -1), name="shape")(y)))
    y = layers.Rescaling(0.5, name="range")(y)
    model = keras.Model(x, layers.Dense(2, activation="softmax", name="classes")(y), name="whole")
    redraw(model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save(folder / "m.keras")
        model.save(folder / "m.h5")
        write_keras2(model, folder / "old.h5")
        (folder / "config.json").write_text(model.to_json())
        model.save_weights(folder / "m.weights.h5")
        load_model(folder / "m.keras").save_json(folder / "whole.json")
        return {path.name: path.read_bytes() for path in folder.iterdir()}


class Form:
    """One form of file: how it is taken apart, put together again with changes, and read."""

    def __init__(self, name: str, layout: str | None) -> None:
        self.name = name
        self.layout = layout
        """How weights are named in its HDF5 file, if it has one."""

    def make(self, folder: Path, config: Change | None = None, weights: Change | None = None) -> Path:
        """Write the good file anew; the functions change the configuration and the HDF5 file in place."""
        path, data = folder / self.name, good_files()[self.name]
        if self.name == "m.keras":
            with zipfile.ZipFile(io.BytesIO(data)) as file:
                members = {name: file.read(name) for name in file.namelist()}
            members["config.json"] = json.dumps(changed(json.loads(members["config.json"]), config)).encode()
            members["model.weights.h5"] = changed_hdf5(members["model.weights.h5"], weights)
            with zipfile.ZipFile(path, "w") as file:
                for name, content in members.items():
                    file.writestr(name, content)
        elif self.name == "config.json":
            path.write_text(json.dumps(changed(json.loads(data), config)))
            path.with_name("m.weights.h5").write_bytes(changed_hdf5(good_files()["m.weights.h5"], weights))
        elif self.name == "whole.json":
            document = json.loads(data)
            path.write_text(json.dumps(document | {"config": changed(document["config"], config)}))
        else:

            def change(file: Any) -> None:
                file.attrs["model_config"] = json.dumps(changed(json.loads(file.attrs["model_config"]), config)).encode()
                if weights:
                    weights(file)

            path.write_bytes(changed_hdf5(data, change))
        return path

    def read(self, path: Path) -> Model:
        """Load the model as this form is loaded."""
        return load_model(path, weights=path.with_name("m.weights.h5")) if self.name == "config.json" else load_model(path)


def changed(value: Any, change: Change | None) -> Any:
    """The value, which the function may change in place."""
    value = copy.deepcopy(value)
    if change:
        change(value)
    return value


def changed_hdf5(data: bytes, change: Change | None) -> bytes:
    """An HDF5 file after the function has been at it."""
    if not change:
        return data
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        change(file)
    return buffer.getvalue()


FORMS = {
    "keras": Form("m.keras", "new"),
    "beside": Form("config.json", "new"),
    "legacy": Form("m.h5", "old"),
    "keras2": Form("old.h5", "keras2"),
    "json": Form("whole.json", None),
}
HDF5_FORMS = [name for name, form in FORMS.items() if form.layout]


def refused(form: Form, path: Path, *words: str) -> str:
    """The file is refused with one sentence that names it and says these words."""
    started = time.process_time()
    with pytest.raises(ArchiveError) as raised:
        form.read(path)
    sentence = str(raised.value)
    named = [one for one in (path, path.with_name("m.weights.h5")) if str(one) in sentence]
    assert named, f"the sentence does not name the file: {sentence}"
    for one in named:
        sentence = sentence.replace(str(one), "")
    for word in words:
        assert word in sentence, f"the sentence does not say {word!r}: {sentence}"
    assert len(sentence) < 2500 and sentence.isprintable(), f"the sentence has {len(sentence)} characters"
    assert time.process_time() - started < 5, "refusing took longer than five seconds"
    return sentence


def layer(config: Any, name: str) -> Any:
    """A layer of the configuration by its path."""
    for part in name.split("/"):
        layers = config["config"].get("layers") or [config["config"]["layer"]]
        config = next(one for one in layers if part in (one["config"]["name"], one["class_name"]))
    return config


@contextmanager
def little_memory(limit: float) -> Iterator[None]:
    """What is done inside takes at most so many bytes of Python's memory."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit, f"it took {peak / MIB:.0f} MiB"


def options(name: str, /, **values: Any) -> Change:
    """A change of some options of a layer."""
    return lambda config: layer(config, name)["config"].update(values)


def keys(name: str, /, **values: Any) -> Change:
    """A change of what stands beside the options: class, module, calls."""
    return lambda config: layer(config, name).update(values)


