"""Reading ``.keras`` archives with ``zipfile``, ``json`` and ``h5py`` alone.

A ``.keras`` file is a zip archive with ``config.json`` (the architecture), ``model.weights.h5`` (the weights) and
``assets/`` (vocabularies). The reader treats it as coming from a stranger: members are read by exact name and never
extracted, every size is checked before the bytes are read, classes are looked up in a fixed list, and no part of the
file is ever executed. A file is read completely or not at all.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from reference.archive_config import ArchiveError, Entry, layer_entries, model_dtype
from reference.archive_hdf5 import read_weights

__all__ = ["Archive", "ArchiveError", "read_archive"]

MAX_CONFIG_BYTES = 16 * 2**20
MAX_WEIGHTS_BYTES = 2 * 2**30
MAX_ASSET_BYTES = 64 * 2**20
MAX_RATIO = 100
"""Keras stores its members uncompressed; a repacked archive may deflate them, but by no more than this."""


@dataclass(frozen=True)
class Archive:
    """The content of a ``.keras`` file.

    Attributes
    ----------
    path : str
        Where it was read.
    config : dict
        ``config.json``.
    layers : dict of path to Entry
        All layers, in the order of the configuration; those of a nested model below its name: ``"encoder/dense"``.
    weights : dict of path to list of arrays
        For every layer, in the order of ``get_weights()``; read-only.
    vocabularies : dict of path to tuple of str
        The stored vocabularies of ``TextVectorization`` layers, special terms included.
    dtype : str
        ``"float32"`` or ``"float64"``, in which all layers compute.
    """

    path: str
    config: dict[str, Any]
    layers: dict[str, Entry]
    weights: dict[str, list[NDArray[Any]]]
    vocabularies: dict[str, tuple[str, ...]]
    dtype: str


def read_archive(path: str | os.PathLike[str]) -> Archive:
    """Read a ``.keras`` archive.

    Parameters
    ----------
    path : path
        A file written by ``model.save("....keras")`` of a Sequential or functional model.

    Raises
    ------
    ArchiveError
        If the file is missing, damaged, hostile, or holds something that is not supported; the sentence names the file
        and the member or layer.
    """
    try:
        return _read(Path(path))
    except ArchiveError as error:
        raise ArchiveError(f"{path}: {error}") from None


def _read(path: Path) -> Archive:
    try:
        with zipfile.ZipFile(path) as file:
            config = _read_config(_member(file, "config.json", MAX_CONFIG_BYTES))
            entries, dtype = _describe(config)
            if "model.weights.npz" in file.namelist():
                raise ArchiveError("model.weights.npz: weights in NPZ form are not supported, only HDF5, the default")
            weights = read_weights(_member(file, "model.weights.h5", MAX_WEIGHTS_BYTES), entries, dtype)
            vocabularies = _vocabularies(file, entries)
    except FileNotFoundError:
        raise ArchiveError("there is no such file") from None
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ArchiveError(f"not a complete zip archive ({error})") from None
    except (OSError, NotImplementedError) as error:
        raise ArchiveError(f"cannot be read ({error})") from None
    return Archive(str(path), config, {entry.path: entry for entry in entries}, weights, vocabularies, dtype)


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


def _read_config(data: bytes) -> dict[str, Any]:
    try:
        config = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"config.json: not readable as JSON ({type(error).__name__}: {str(error)[:120]})") from None
    if not isinstance(config, dict):
        raise ArchiveError("config.json: not the configuration of a model")
    return config


def _describe(config: dict[str, Any]) -> tuple[list[Entry], str]:
    """The layers of a configuration and its dtype; a malformed one is one sentence, whatever it trips over."""
    try:
        entries = layer_entries(config)
        return entries, model_dtype(config, entries)
    except ArchiveError:
        raise
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError, RecursionError) as error:
        cause = f"{type(error).__name__}: {str(error)[:120]}"
        raise ArchiveError(f"config.json: not the configuration of a Keras model ({cause})") from None


def _vocabularies(file: zipfile.ZipFile, entries: list[Entry]) -> dict[str, tuple[str, ...]]:
    """The vocabulary of each TextVectorization layer: from its configuration, else from the archive's assets."""
    vocabularies = {}
    for entry in entries:
        if entry.class_name != "TextVectorization":
            continue
        given = entry.config.get("vocabulary")
        if given is None:
            name = f"assets/{entry.group}/vocabulary.txt"
            try:  # split as Keras does when it loads the file, at every line break that Python knows
                lines = _member(file, name, MAX_ASSET_BYTES).decode("utf-8").splitlines()
            except UnicodeDecodeError:
                raise ArchiveError(f"{name}: not UTF-8") from None
            while lines and not lines[-1]:
                lines.pop()
            given = lines
        elif not isinstance(given, list) or not all(isinstance(term, str) for term in given):
            raise ArchiveError(f"layer {entry.path!r}: its vocabulary is not a list of terms")
        special = ["", "[UNK]"] if entry.config.get("output_mode", "int") == "int" else ["[UNK]"]
        vocabularies[entry.path] = tuple(given if given[: len(special)] == special else special + given)
    return vocabularies
