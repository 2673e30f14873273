"""Writing models, as JSON or into ``.keras`` archives that Keras loads: the counterpart of :mod:`reference.saving.reader`.

An archive has these members:

====================================  ============================================================================================
member                                what is in it
====================================  ============================================================================================
``metadata.json``                     the version of Keras whose form this is; no date, so that the same model is the same file
``config.json``                       the configuration, without what the model was compiled with
``model.weights.h5``                  a group for every layer, named by its class: ``layers/dense_1/vars/0``
``assets/<group>/vocabulary.txt``     of TextVectorization layers whose vocabulary is not in the configuration
====================================  ============================================================================================

Where the weights of a layer lie, and in which order, is what the reader knows: :func:`reference.network.assembly.describe`.
Source: keras.src.saving.saving_lib of Keras 3.15.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator, Mapping

from reference.layers import LAYERS
from reference.layers.text_vectorization import TEXT_VECTORIZATION
from reference.network.assembly import Description, describe
from reference.network.config import Entry
from reference.network.errors import ArchiveError, shown
from reference.network.network import Network
from reference.saving.current import current_config
from reference.saving.files import whole_file, write_json
from reference.saving.hdf5 import Weights
from reference.saving.json_document import json_document
from reference.saving.reader import vocabulary_lines

KERAS_VERSION = "3.15.1"
READABLE = 0o644 << 16
"""The permissions of a member that is unpacked."""


def save_model(model: Network, path: str | os.PathLike[str]) -> None:
    """Write a model into the file that the ending of `path` names; see :meth:`reference.models.Model.save`."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in WRITERS:
        raise ValueError(f"{os.fspath(path)}: a model is saved as .keras or .json")
    WRITERS[suffix](model, path)


def save_json(model: Network, path: str | os.PathLike[str]) -> None:
    """Write a model as one JSON file; see :meth:`reference.models.Model.save_json`."""
    write_json(path, json_document(_configured(model)))


def save_archive(model: Network, path: str | os.PathLike[str]) -> None:
    """Write a model into a ``.keras`` archive, whole or not at all.

    Raises
    ------
    ArchiveError
        If the weights are not those of the configuration, or a vocabulary cannot be stored; the sentence names the layer.
    ValueError
        If there is no configuration.
    OSError
        If the file cannot be written.
    """
    found, dtype = describe(_configured(model).config), model.dtype.name
    if dtype != found.dtype:
        raise ArchiveError(
            f"the model computes in {dtype}, its configuration says {found.dtype}: save model.astype({found.dtype!r}), or a .json file"
        )
    members = {
        "metadata.json": json.dumps({"keras_version": KERAS_VERSION}).encode(),
        "config.json": json.dumps({**current_config(found), "compile_config": {}}).encode(),
        "model.weights.h5": _weights_file(found, {path: layer.weights for path, layer in model.context.layers.items()}),
        **dict(_assets(found, model.context.vocabularies)),
    }
    with whole_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = READABLE
            archive.writestr(info, data)


WRITERS = {".keras": save_archive, ".json": save_json}


def _configured(model: Network) -> Network:
    """The model itself, which must have been read from a file."""
    if not model.config:
        raise ValueError("the model was not read from a file: it has no configuration to save")
    return model


def _weights_file(found: Description, weights: Weights) -> bytes:
    """The bytes of ``model.weights.h5``: every group that Keras writes, each with the name of what it is of, and the weights."""
    import h5py  # here, so that the package can be imported without it

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for group, name in _groups(found):
            file.create_group(f"{group}vars").attrs["name"] = name
        for entry in found.entries:
            arrays = weights.get(entry.path, [])
            shapes = [array.shape for array in arrays]
            fits = len(shapes) == len(entry.shapes) and all(map(_fits, shapes, entry.shapes.values()))
            if not fits or any(array.dtype != found.dtype for array in arrays):
                raise ArchiveError(
                    f"layer {entry.path!r} has weights of the shapes {shapes}, "
                    f"its configuration implies {list(entry.shapes.values())} in {found.dtype}"
                )
            for place, array in zip(entry.shapes, arrays, strict=True):
                file[f"{entry.group}/{place}"] = array
    return buffer.getvalue()


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(want in (None, have) for have, want in zip(shape, expected, strict=True))


def _groups(found: Description) -> Iterator[tuple[str, str]]:
    """The groups of the model, its layers and what is in them, each with a name."""
    yield "", str(found.config["config"].get("name", ""))
    chains = {entry.path for entry in found.entries if entry.class_name == "Sequential"}
    chains |= {""} if found.config["class_name"] == "Sequential" else set()
    for entry in found.entries:
        of_chain = entry.class_name == "InputLayer" and entry.path.rpartition("/")[0] in chains
        if of_chain or entry.class_name.startswith("ops."):
            continue
        yield f"{entry.group}/", str(entry.config.get("name", ""))
        if entry.class_name == TEXT_VECTORIZATION.class_name:
            yield f"{entry.group}/_lookup_layer/", "string_lookup"
        for group, owner, config in LAYERS[entry.class_name].owners(entry.config) if entry.class_name in LAYERS else ():
            if group:
                yield f"{entry.group}/{group}", str(config.get("name", ""))
            if owner.cell:
                yield f"{entry.group}/{group}{owner.cell}", f"{owner.name}_cell"


def _assets(found: Description, vocabularies: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, bytes]]:
    """The files of vocabularies that are not in the configuration."""
    for entry in found.entries:
        if entry.class_name == TEXT_VECTORIZATION.class_name and entry.config.get("vocabulary") is None:
            data = _vocabulary_file(entry, list(vocabularies[entry.path]))
            yield from ((f"assets/{entry.group}/{name}", data) for name in ("_lookup_layer/vocabulary.txt", "vocabulary.txt"))


def _vocabulary_file(entry: Entry, terms: list[str]) -> bytes:
    """A vocabulary with a term a line; ``ArchiveError`` where other terms would be read from it."""
    data = "\n".join(terms).encode("utf-8", "replace")
    if vocabulary_lines(data, entry.path) != terms:
        bad = next((term for term in terms[1:] if term.splitlines() != [term]), "")
        raise ArchiveError(f"layer {entry.path!r}: the term {shown(bad)} of its vocabulary cannot stand in a file with a term a line")
    return data
