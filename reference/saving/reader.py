"""Reading the files of Keras models with ``zipfile``, ``json`` and ``h5py`` alone.

======================  ==========================================================================================
file                    what is in it
======================  ==========================================================================================
``.keras``              a zip archive: ``config.json``, ``model.weights.h5``, and vocabularies below ``assets/``
``.h5``, ``.hdf5``      the legacy form of Keras 3, and of Keras 2: :mod:`reference.saving.legacy`
``.json``               a whole model: :mod:`reference.saving.json_document`
``.json`` or a dict     what ``model.to_json()`` gives, with the weights in another file, ``*.weights.h5`` or legacy
======================  ==========================================================================================

The reader treats them as coming from a stranger: members are read by exact name and never extracted, every size is checked before the
bytes are read, classes are looked up in a fixed list, and no part of a file is ever executed. A file is read completely or not at all.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from reference.layers.options import is_int
from reference.layers.text_vectorization import TEXT_VECTORIZATION
from reference.network.assembly import Description, describe
from reference.network.config import Entry
from reference.network.errors import ArchiveError, malformed, naming, shown
from reference.network.graph import Graph
from reference.saving.files import parse_json
from reference.saving.hdf5 import Weights, read_weights
from reference.saving.json_document import check_document, is_document, vocabularies_of, weights_of
from reference.saving.legacy import is_legacy_weights, read_legacy_weights, read_model_config
from reference.saving.legacy_config import canonical_config
from reference.saving.new_weights import new_weights

__all__ = ["Archive", "ArchiveError", "new_archive", "read_archive", "read_json_archive"]

Source = str | os.PathLike[str] | Mapping[str, Any]
Draw = Callable[[Description], Weights]
"""What makes new weights in place of those of a file."""
Describe = Callable[[Any], Description]
"""What looks through a configuration in the form of ``config.json``: :func:`.assembly.describe`, or what takes a part of it."""

MAX_CONFIG_BYTES = 16 * 2**20
MAX_WEIGHTS_BYTES = 2 * 2**30
MAX_ASSET_BYTES = 64 * 2**20
MAX_JSON_BYTES = 128 * 2**20
MAX_RATIO = 100
"""Keras stores its members uncompressed; a repacked archive may deflate them, but by no more than this."""

HDF5_SUFFIXES = (".h5", ".hdf5")
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
    if path.suffix.lower() == ".json":
        return _read_json(path, weights, draw, describing)
    with naming(path):
        if weights is not None:
            raise ArchiveError(NOT_ALONE)
        return (_read_legacy if path.suffix.lower() in HDF5_SUFFIXES else _read_keras)(path, draw, describing)


def read_json_archive(path: str | os.PathLike[str]) -> Archive:
    """Read a whole model as JSON, whatever the file is called; errors as in :func:`read_archive`."""
    with naming(path):
        return _read_document(Path(path), parse_json(_content(Path(path), MAX_JSON_BYTES)))


def _read_keras(path: Path, draw: Draw | None, describing: Describe) -> Archive:
    try:
        with _regular(path) as opened, zipfile.ZipFile(opened) as file:
            with naming("config.json"):
                found = describing(parse_json(_member(file, "config.json", MAX_CONFIG_BYTES)))
            if draw:
                return _archive(path, found, draw(found), _vocabularies(found.entries, file))
            if "model.weights.npz" in file.namelist():
                raise ArchiveError("model.weights.npz: weights in NPZ form are not supported, only HDF5, the default")
            with naming("model.weights.h5"):
                weights = read_weights(_member(file, "model.weights.h5", MAX_WEIGHTS_BYTES), found.entries, found.dtype, found.left_out)
            return _archive(path, found, weights, _vocabularies(found.entries, file))
    except FileNotFoundError:
        raise ArchiveError("there is no such file") from None
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ArchiveError(f"not a complete zip archive ({error})") from None
    except (OSError, NotImplementedError) as error:
        raise ArchiveError(f"cannot be read ({error})") from None


def _read_legacy(path: Path, draw: Draw | None, describing: Describe) -> Archive:
    data = _content(path, MAX_WEIGHTS_BYTES)
    text = read_model_config(data)
    with naming("model_config"):
        if len(text) > MAX_CONFIG_BYTES:
            raise ArchiveError(f"{len(text)} bytes are more than the {MAX_CONFIG_BYTES} allowed")
        found = _describe_any(parse_json(text), describing)
    weights = draw(found) if draw else read_legacy_weights(data, found.entries, found.dtype, found.left_out)
    return _archive(path, found, weights, _vocabularies(found.entries))


def _read_json(path: Path, weights: str | os.PathLike[str] | None, draw: Draw | None, describing: Describe) -> Archive:
    with naming(path):
        value = parse_json(_content(path, MAX_JSON_BYTES))
        if is_document(value):
            if weights is not None:
                raise ArchiveError(NOT_ALONE)
            return _read_document(path, value, draw)
    return _read_beside(path, value, weights, draw, describing)


def _read_document(path: Path, document: Mapping[str, Any], draw: Draw | None = None) -> Archive:
    check_document(document)
    found = replace(describe(document["config"]), dtype=document["dtype"])
    vocabularies = vocabularies_of(document)
    texts = {entry.path for entry in found.entries if entry.class_name == TEXT_VECTORIZATION.class_name}
    if set(vocabularies) != texts:
        raise ArchiveError(f"there are vocabularies of {shown(sorted(vocabularies))}, the configuration asks for those of {sorted(texts)}")
    weights = draw(found) if draw else weights_of(document, found.entries)
    return _archive(path, found, weights, vocabularies)


def _read_beside(
    label: object, config: Any, weights: str | os.PathLike[str] | None, draw: Draw | None, describing: Describe
) -> Archive:
    """A configuration, with its weights in a file of their own."""
    with naming(label):
        if draw:
            found = _describe_any(config, describing)
            return _archive(label, found, draw(found), _vocabularies(found.entries))
        if weights is None:
            raise ArchiveError("a configuration without weights; weights= names the file that model.save_weights wrote")
        found = _describe_any(config, describing)
        vocabularies = _vocabularies(found.entries)
    path = Path(weights)
    with naming(path):
        data = _content(path, MAX_WEIGHTS_BYTES)
        read = read_legacy_weights if is_legacy_weights(data) else read_weights
        return _archive(path, found, read(data, found.entries, found.dtype, found.left_out), vocabularies)


def _archive(path: object, found: Description, weights: Weights, vocabularies: dict[str, tuple[str, ...]]) -> Archive:
    layers = {entry.path: entry for entry in found.entries}
    return Archive(str(path), found.config, layers, weights, vocabularies, found.dtype, found.graph)


def _describe_any(config: Any, describing: Describe) -> Description:
    """A configuration of this or an older form."""
    with malformed("not the configuration of a Keras model"):
        config = canonical_config(config)
    return describing(config)


@contextmanager
def _regular(path: Path) -> Iterator[BinaryIO]:
    """A file opened for reading; ``ArchiveError`` for a folder, a pipe or a device, of which some never end."""
    with open(path, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ArchiveError("cannot be read (it is not a regular file)")
        yield file


def _content(path: Path, limit: int) -> bytes:
    """The bytes of a file, after its size has been found acceptable."""
    try:
        with _regular(path) as file:
            if (size := os.fstat(file.fileno()).st_size) > limit:
                raise ArchiveError(f"{size} bytes are more than the {limit} allowed")
            return file.read(size)
    except FileNotFoundError:
        raise ArchiveError("there is no such file") from None
    except OSError as error:
        raise ArchiveError(f"cannot be read ({error})") from None


def _member(file: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """The bytes of one member, after its declared sizes have been found acceptable."""
    infos = [info for info in file.infolist() if info.filename == name]
    if len(infos) != 1:
        raise ArchiveError(f"the archive has {'no' if not infos else 'more than one'} member {name}")
    info = infos[0]
    if info.flag_bits & 0x1:
        raise ArchiveError(f"{name}: encrypted members are not supported")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArchiveError(f"{name}: compression method {info.compress_type} is not supported")
    if info.file_size > limit:
        raise ArchiveError(f"{name}: {info.file_size} bytes are more than the {limit} allowed")
    if info.file_size > MAX_RATIO * max(info.compress_size, 1):
        raise ArchiveError(f"{name}: {info.file_size} bytes packed into {info.compress_size} look like a zip bomb")
    # Asking for the declared size is what holds a lying member to it: without a size, zipfile unpacks all there is.
    with file.open(info) as member:
        return member.read(info.file_size)


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
            given = vocabulary_lines(_member(file, name := f"assets/{entry.group}/vocabulary.txt", MAX_ASSET_BYTES), name)
        elif not isinstance(given, list) or not all(isinstance(term, str) for term in given):
            raise ArchiveError(f"layer {entry.path!r}: its vocabulary is not a list of terms")
        special = ["", "[UNK]"] if entry.config.get("output_mode", "int") == "int" else ["[UNK]"]
        vocabularies[entry.path] = tuple(given if given[: len(special)] == special else special + given)
    return vocabularies


def vocabulary_lines(data: bytes, name: str) -> list[str]:
    """The terms of a vocabulary file, split as Keras does when it loads it: at every line break that Python knows."""
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ArchiveError(f"{name}: not UTF-8") from None
    while lines and not lines[-1]:
        lines.pop()
    return lines
