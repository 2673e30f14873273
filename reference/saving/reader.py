"""Reading the files of Keras models with ``zipfile``, ``json`` and ``h5py`` alone.

======================  ==========================================================================================
file                    what is in it
======================  ==========================================================================================
``.keras``              a zip archive: ``config.json``, ``model.weights.h5``, and vocabularies below ``assets/``
``.h5``, ``.hdf5``      the legacy form of Keras 3, and of Keras 2: :mod:`reference.saving.legacy`
``.json``               a whole model: :mod:`reference.saving.json_document`
``.json`` or a dict     what ``model.to_json()`` gives, with the weights in another file, ``*.weights.h5`` or legacy
======================  ==========================================================================================

What a file is follows from its content, not from its name (:mod:`reference.saving.source`), and what its options mean from the Keras that
wrote it (:mod:`reference.saving.versions`). The reader treats files as coming from a stranger: members are read by exact name and never
extracted, every size is checked before the bytes are read, classes are looked up in a fixed list, and no part of a file is ever executed. A
file is read completely or not at all.
"""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reference.layers.options import is_int
from reference.layers.text_vectorization import TEXT_VECTORIZATION
from reference.network.assembly import Description, describe
from reference.network.config import Entry
from reference.network.errors import ArchiveError, malformed, naming, shown
from reference.network.graph import Graph, with_float_inputs
from reference.saving.files import parse_json
from reference.saving.hdf5 import Weights, read_weights
from reference.saving.json_document import check_document, is_document, vocabularies_of, weights_of
from reference.saving.legacy import is_legacy_weights, read_legacy_weights
from reference.saving.legacy_config import canonical_config
from reference.saving.new_weights import new_weights
from reference.saving.source import HDF5, JSON, content, file_kind, hdf5_content, member, opened_zip
from reference.saving.stored_config import (
    MAX_ASSET_BYTES,
    MAX_JSON_BYTES,
    MAX_WEIGHTS_BYTES,
    config_origin,
    hdf5_config,
    weights_origin,
    zip_config,
)
from reference.saving.versions import Origin, turned

__all__ = ["Archive", "ArchiveError", "new_archive", "read_archive", "read_json_archive"]

Source = str | os.PathLike[str] | Mapping[str, Any]
Draw = Callable[[Description], Weights]
"""What makes new weights in place of those of a file."""
Describe = Callable[[Any], Description]
"""What looks through a configuration in the form of ``config.json``: :func:`.assembly.describe`, or what takes a part of it."""

NOT_ALONE = "the file has weights of its own; weights= is for a configuration alone"


@dataclass(frozen=True)
class Archive:
    """The content of a model's file.

    Attributes
    ----------
    path : str
        Where it was read.
    config : dict
        The configuration, in the form of ``config.json`` whatever the file was.
    layers : dict of path to Entry
        All layers, in the order of the configuration; those of a nested model below its name: ``"encoder/dense"``.
    weights : dict of path to list of arrays
        For every layer, in the order of ``get_weights()``; read-only.
    vocabularies : dict of path to tuple of str
        The stored vocabularies of ``TextVectorization`` layers, special terms included.
    dtype : str
        ``"float32"`` or ``"float64"``, in which all layers compute.
    graph : Graph
        Which layer is called on what.
    """

    path: str
    config: dict[str, Any]
    layers: dict[str, Entry]
    weights: Weights
    vocabularies: dict[str, tuple[str, ...]]
    dtype: str
    graph: Graph


def read_archive(source: Source, weights: str | os.PathLike[str] | None = None, describing: Describe = describe) -> Archive:
    """Read a model's file or files.

    Parameters
    ----------
    source : path or mapping
        What ``model.save`` wrote of a Sequential or functional model, or :meth:`reference.models.Model.save_json`; or
        the configuration that ``model.to_json()`` gives, as a file or as the mapping that it stands for.
    weights : path, optional
        With a configuration alone: what ``model.save_weights`` wrote.
    describing : callable, optional
        What looks through the configuration, where not all of it is to be read.

    Raises
    ------
    ArchiveError
        If a file is missing, damaged, hostile, or holds something that is not supported; the sentence names the file
        and the member or layer.
    """
    return _read(source, weights, None, describing)


def new_archive(source: Source, seed: int) -> Archive:
    """Read the configuration in a model's file, and draw new weights instead of those that the file may have.

    Parameters
    ----------
    source : path or mapping
        As in :func:`read_archive`; a configuration alone needs nothing beside it.
    seed : int
        Of :mod:`reference.saving.new_weights`.

    Raises
    ------
    ArchiveError
        As :func:`read_archive`, and for initializers that are not Keras's own.
    """
    if not is_int(seed, highest=2**64 - 1):
        raise ValueError(f"seed is {seed!r}, not an int from 0 to 2**64 - 1")

    def draw(found: Description) -> Weights:
        return new_weights(found.entries, found.dtype, seed)

    return _read(source, None, draw)


def _read(source: Source, weights: str | os.PathLike[str] | None, draw: Draw | None, describing: Describe = describe) -> Archive:
    """Read a source of any form, with its own weights, those of a file beside it, or new ones."""
    if isinstance(source, Mapping):
        return _read_beside("the configuration", dict(source), weights, draw, describing)
    path = Path(source)
    with naming(path):
        kind = file_kind(path)
        if kind != JSON:
            if weights is not None:
                raise ArchiveError(NOT_ALONE)
            return (_read_hdf5 if kind == HDF5 else _read_zip)(path, draw, describing)
    return _read_json(path, weights, draw, describing)


def read_json_archive(path: str | os.PathLike[str]) -> Archive:
    """Read a whole model as JSON, whatever the file is called; errors as in :func:`read_archive`."""
    with naming(path):
        return _read_document(Path(path), parse_json(content(Path(path), MAX_JSON_BYTES)))


def _read_zip(path: Path, draw: Draw | None, describing: Describe) -> Archive:
    with opened_zip(path) as file:
        config, origin = zip_config(file)
        with naming(origin), naming("config.json"):
            found = read_configuration(config, origin, describing)
        if draw:
            return _archive(path, found, draw(found), _vocabularies(found.entries, file))
        if "model.weights.npz" in file.namelist():
            raise ArchiveError(
                "model.weights.npz: weights in NPZ form are pickles, which are never opened; HDF5, the default, is read"
            )
        with naming(origin):
            data = member(file, "model.weights.h5", MAX_WEIGHTS_BYTES)
            with naming("model.weights.h5"):
                weights = read_weights(data, found.entries, found.dtype, found.left_out)
        return _archive(path, found, weights, _vocabularies(found.entries, file))


def _read_hdf5(path: Path, draw: Draw | None, describing: Describe) -> Archive:
    data = hdf5_content(path, MAX_WEIGHTS_BYTES)
    config, origin = hdf5_config(data)
    with naming(origin):
        with naming("model_config"):
            found = read_configuration(config, origin, describing)
        weights = draw(found) if draw else _legacy_weights(data, found, origin)
    return _archive(path, found, weights, _vocabularies(found.entries))


def _legacy_weights(data: bytes, found: Description, origin: Origin) -> Weights:
    """The weights of an HDF5 file in the older layout, as a backend of today has them."""
    weights = read_legacy_weights(data, found.entries, found.dtype, found.left_out)
    return turned(weights, {entry.path: entry for entry in found.entries}) if origin.is_old and origin.backend == "theano" else weights


def _read_json(path: Path, weights: str | os.PathLike[str] | None, draw: Draw | None, describing: Describe) -> Archive:
    with naming(path):
        value = parse_json(content(path, MAX_JSON_BYTES))
        if is_document(value):
            if weights is not None:
                raise ArchiveError(NOT_ALONE)
            return _read_document(path, value, draw)
    return _read_beside(path, value, weights, draw, describing)


def _read_document(path: Path, document: Mapping[str, Any], draw: Draw | None = None) -> Archive:
    check_document(document)
    found = describe(document["config"])
    if found.dtype != document["dtype"]:  # that of a model whose dtype was changed when it had been read
        found = replace(found, dtype=document["dtype"], graph=with_float_inputs(found.graph, np.dtype(document["dtype"])))
    vocabularies = {path: _terms(path, terms) for path, terms in vocabularies_of(document).items()}
    texts = {entry.path for entry in found.entries if entry.class_name == TEXT_VECTORIZATION.class_name}
    if set(vocabularies) != texts:
        raise ArchiveError(f"there are vocabularies of {shown(sorted(vocabularies))}, the configuration asks for those of {sorted(texts)}")
    weights = draw(found) if draw else weights_of(document, found.entries)
    return _archive(path, found, weights, vocabularies)


def _read_beside(label: object, config: Any, weights: str | os.PathLike[str] | None, draw: Draw | None, describing: Describe) -> Archive:
    """A configuration, with its weights in a file of their own."""
    origin = config_origin(config)
    if draw:
        with naming(label), _naming_writer(origin):
            found = read_configuration(config, origin, describing)
            return _archive(label, found, draw(found), _vocabularies(found.entries))
    if weights is None and not isinstance(config, Mapping):
        raise ArchiveError(f"{label}: neither a whole model nor a configuration")
    if weights is None:
        raise ArchiveError(f"{label}: a configuration without weights; weights= names the file that model.save_weights wrote")
    path = Path(weights)
    if origin.number is None and isinstance(config, Mapping) and "class_name" in config and "module" not in config:
        with naming(path):
            origin = weights_origin(hdf5_content(path, MAX_WEIGHTS_BYTES))
    with naming(label), _naming_writer(origin):
        found = read_configuration(config, origin, describing)
        vocabularies = _vocabularies(found.entries)
    with naming(path):
        data = hdf5_content(path, MAX_WEIGHTS_BYTES)
        if is_legacy_weights(data):
            read = _legacy_weights(data, found, origin)
        else:
            read = read_weights(data, found.entries, found.dtype, found.left_out)
        return _archive(path, found, read, vocabularies)


def _naming_writer(origin: Origin) -> AbstractContextManager[None]:
    """Put the Keras that wrote a configuration in front of a sentence, if it says so: that of Keras 3 never does."""
    return naming(origin) if origin.number else nullcontext()


def _archive(path: object, found: Description, weights: Weights, vocabularies: dict[str, tuple[str, ...]]) -> Archive:
    layers = {entry.path: entry for entry in found.entries}
    return Archive(str(path), found.config, layers, weights, vocabularies, found.dtype, found.graph)


def read_configuration(config: Any, origin: Origin, describing: Describe = describe) -> Description:
    """A configuration of this or an older form."""
    with malformed("not the configuration of a Keras model"):
        config = canonical_config(config, origin)
    return describing(config)


def _vocabularies(entries: Sequence[Entry], file: zipfile.ZipFile | None = None) -> dict[str, tuple[str, ...]]:
    """The vocabulary of each TextVectorization layer: from its configuration, else from the archive's assets."""
    vocabularies = {}
    for entry in entries:
        if entry.class_name != TEXT_VECTORIZATION.class_name:
            continue
        given = entry.config.get("vocabulary")
        if given is None:
            if file is None:
                raise ArchiveError(f"layer {entry.path!r}: a vocabulary that was learned by adapt is kept in .keras archives alone")
            given = vocabulary_lines(member(file, name := f"assets/{entry.group}/vocabulary.txt", MAX_ASSET_BYTES), name)
        elif not isinstance(given, list) or not all(isinstance(term, str) for term in given):
            raise ArchiveError(f"layer {entry.path!r}: its vocabulary is not a list of terms")
        special = ["", "[UNK]"] if entry.config.get("output_mode", "int") == "int" else ["[UNK]"]
        vocabularies[entry.path] = _terms(entry.path, given if given[: len(special)] == special else special + given)
    return vocabularies


def _terms(path: str, terms: Sequence[str]) -> tuple[str, ...]:
    """The terms of a layer, which are all different: the number of one that stands twice would not be known."""
    repeated = [term for term, times in Counter(terms).items() if times > 1]
    if repeated:
        raise ArchiveError(f"layer {path!r}: its vocabulary has {shown(repeated[0])} more than once")
    return tuple(terms)


def vocabulary_lines(data: bytes, name: str) -> list[str]:
    """The terms of a vocabulary file, split as Keras does when it loads it: at every line break that Python knows."""
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ArchiveError(f"{name}: not UTF-8") from None
    while lines and not lines[-1]:
        lines.pop()
    return lines
