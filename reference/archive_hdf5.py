"""Reading weights from an HDF5 file that may be hostile.

The file is walked along the paths that the configuration implies and no others. A link must be a hard link, a dataset
must lie in the file itself, contiguous and whole, with the shape and dtype expected - all of it looked up in the
headers, before any array is allocated. So what is read can never be larger than the file, and nothing outside it is
opened. (A file made to upset the HDF5 library itself is another matter: only a separate process protects from that.)
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.archive_config import ArchiveError, Entry
from reference.shapes import Shape

IGNORED = ("optimizer",)
"""Groups at the root that are never opened."""


def read_weights(data: bytes, entries: list[Entry], dtype: str) -> dict[str, list[NDArray[Any]]]:
    """Return the weights of every layer, in the order of ``get_weights()``, from the bytes of ``model.weights.h5``.

    Parameters
    ----------
    data : bytes
        The whole HDF5 file.
    entries : list of Entry
        The layers, with the shapes that their weights must have.
    dtype : str
        The dtype that every weight must have.

    Raises
    ------
    ArchiveError
        For anything missing, extra, of another shape or dtype, or stored in a way that Keras never uses.
    """
    import h5py  # here, so that the package can be imported without it

    datasets = {f"{entry.group}/{name}": (entry, shape) for entry in entries for name, shape in entry.shapes.items()}
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            found: dict[str, Any] = {}
            _find(file, "", _groups(entries), datasets, found)
            for entry in entries:
                _check_complete(entry, found)
            for path, (entry, shape) in datasets.items():
                _check_dataset(found[path], f"layer {entry.path!r}: {path}", shape, np.dtype(dtype))
            if sum(dataset.nbytes for dataset in found.values()) > len(data):
                raise ArchiveError("model.weights.h5: the weights are larger than the file")
            return {entry.path: [_read(found[f"{entry.group}/{name}"]) for name in entry.shapes] for entry in entries}
    except ArchiveError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, ArithmeticError, MemoryError) as error:
        cause = f"{type(error).__name__}: {str(error)[:200]}"
        raise ArchiveError(f"model.weights.h5: not a readable HDF5 file ({cause})") from None


def _groups(entries: list[Entry]) -> set[str]:
    """Paths at which a group may stand: those of the layers and of everything between them and their datasets."""
    groups = {"layers", "vars"}
    for entry in entries:
        inner = {str(parent) for name in entry.shapes for parent in PurePosixPath(name).parents} - {"."}
        if entry.class_name == "TextVectorization":
            inner.add("_lookup_layer")
        if entry.class_name in ("Sequential", "Functional"):
            inner.add("layers")
        for below in ("", *inner):
            path = f"{entry.group}/{below}".rstrip("/")
            groups |= {path, f"{path}/vars"}
    return groups


def _find(group: Any, path: str, groups: set[str], datasets: Mapping[str, Any], found: dict[str, Any]) -> None:
    """Collect the expected datasets below a group; refuse every link and every name that is not expected."""
    import h5py

    for name in group:
        below = f"{path}/{name}".lstrip("/")
        if below in IGNORED:
            continue
        if below not in groups and below not in datasets:
            raise ArchiveError(f"model.weights.h5: {below} belongs to no layer of the configuration")
        link = group.get(name, getlink=True)
        if type(link) is not h5py.HardLink:
            raise ArchiveError(f"model.weights.h5: {below} is a {_kind(link)}, which is not followed")
        item = group[name]
        if below in datasets and isinstance(item, h5py.Dataset):
            found[below] = item
        elif below in groups and isinstance(item, h5py.Group):
            _find(item, below, groups, datasets, found)
        else:
            raise ArchiveError(f"model.weights.h5: {below} is a {type(item).__name__}, which is not expected there")


def _kind(link: Any) -> str:
    return {"SoftLink": "soft link", "ExternalLink": "external link"}.get(type(link).__name__, type(link).__name__)


def _check_complete(entry: Entry, found: Mapping[str, Any]) -> None:
    missing = [name for name in entry.shapes if f"{entry.group}/{name}" not in found]
    if missing:
        raise ArchiveError(
            f"layer {entry.path!r}: model.weights.h5 lacks {', '.join(f'{entry.group}/{name}' for name in missing)}; "
            f"its configuration asks for {len(entry.shapes)} weights"
        )


def _check_dataset(dataset: Any, where: str, expected: Shape, dtype: np.dtype[Any]) -> None:
    """Compare a dataset's header with what the configuration implies; nothing of its content is read."""
    if dataset.is_virtual:
        raise ArchiveError(f"{where} is a virtual dataset, which is not followed")
    if dataset.external:
        raise ArchiveError(f"{where} is stored outside the file, which is not followed")
    shape = dataset.shape
    same_rank = shape is not None and len(shape) == len(expected)
    if not same_rank or any(want not in (None, have) for have, want in zip(shape, expected, strict=True)):
        raise ArchiveError(f"{where} has the shape {shape}, the configuration implies {expected}")
    if dataset.dtype != dtype:
        raise ArchiveError(f"{where} has the dtype {dataset.dtype}, the configuration implies {dtype}")
    if dataset.chunks is not None or dataset.id.get_storage_size() != dataset.nbytes:
        raise ArchiveError(f"{where} is chunked, compressed or not stored in full; weights must be contiguous")


def _read(dataset: Any) -> NDArray[Any]:
    # Read-only: whoever runs the model with functions that write into their arguments is told so.
    array = np.asarray(dataset[()])
    array.flags.writeable = False
    return array
