"""Reading weights from an HDF5 file that may be hostile.

The file is walked along the paths that the configuration implies and no others. A link must be a hard link, a dataset must lie in the
file itself, contiguous and whole, with the shape and dtype expected - all of it looked up in the headers, before any array is allocated.
So what is read can never be larger than the file, and nothing outside it is opened. (A file made to upset the HDF5 library itself is
another matter: only a separate process protects from that.)

What Keras 3 writes - ``model.weights.h5`` in an archive, and ``save_weights("x.weights.h5")`` - is a tree of groups that go by the classes
of the layers, ``layers/dense_1/vars/0``. The older layout, which goes by names, is that of :mod:`reference.saving.legacy`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import h5py
except ImportError:  # the package can be imported without it, and reads JSON
    h5py = None

from reference.layers import record_of
from reference.layers.shapes import Shape
from reference.network.config import MODELS, Entry
from reference.network.errors import ArchiveError, shown

IGNORED = ("optimizer", "optimizer_weights", "metrics", "compiled_metrics", "compiled_loss", "loss")
"""Groups at the root that are never opened: what a model was compiled with."""
OLD_ROOT = "_layer_checkpoint_dependencies"
"""In the place of ``layers`` in what tf.keras 2.12 and 2.13 wrote."""

MAX_EMPTY = 1000
"""Groups that hold nothing and are of no layer, beside each other: so many are passed over."""

NUMBERED = re.compile(r"_[0-9]+$")

Weights = dict[str, list[NDArray[Any]]]
"""The weights of every layer by its path, in the order of ``get_weights()``."""

Places = dict[str, list[str]]
"""Where the weights of every layer lie in a file, in the same order."""


@contextmanager
def opened(data: bytes) -> Iterator[Any]:
    """An ``h5py.File`` of the bytes of a file; whatever the library stumbles over is an :class:`ArchiveError`."""
    if h5py is None:
        raise ArchiveError("HDF5 files are read with h5py, which is not installed")
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            yield file
    except ArchiveError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, ArithmeticError, MemoryError) as error:
        raise ArchiveError(f"not a readable HDF5 file ({type(error).__name__}: {str(error)[:200]})") from None


def read_weights(data: bytes, entries: Sequence[Entry], dtype: str, left_out: Sequence[Entry] = ()) -> Weights:
    """Return the weights of every layer from the bytes of a ``*.weights.h5`` file.

    Parameters
    ----------
    data : bytes
        The whole HDF5 file.
    entries : sequence of Entry
        The layers, with the shapes that their weights must have.
    dtype : str
        The dtype that every weight must have.
    left_out : sequence of Entry
        Layers of the file whose weights are not looked at.

    Raises
    ------
    ArchiveError
        For anything missing, extra, of another shape or dtype, or stored in a way that Keras never uses.
    """
    with opened(data) as file:
        if tops := _old_tops(file):
            both = _old_groups([*entries, *left_out], tops)
            entries, left_out = both[: len(entries)], both[len(entries) :]
        groups = {entry.path: entry.group for entry in entries}
        for entry in entries:
            # Of a layer that two models share Keras writes the weights once, wherever it comes to it first.
            first = groups.get(entry.same_as, entry.group)
            if entry.shapes and first != entry.group:
                here, there = (f"{group}/{next(iter(entry.shapes))}" in file for group in (entry.group, first))
                if here != there:
                    groups[entry.path] = groups[entry.same_as] = entry.group if here else first
        places = {entry.path: [f"{groups[entry.path]}/{name}" for name in entry.shapes] for entry in entries}
        return read_datasets(file, len(data), entries, places, _groups(entries), dtype, [entry.group for entry in left_out])


def read_datasets(
    file: Any, size: int, entries: Sequence[Entry], places: Places, groups: set[str], dtype: str, ignored: Sequence[str] = ()
) -> Weights:
    """The datasets at these places and no others, after the headers of all of them have been checked.

    Parameters
    ----------
    file : h5py.File
    size : int
        Of the whole file.
    entries, dtype
        As in :func:`read_weights`.
    places : Places
    groups : set of str
        All paths at which a group may stand.
    ignored : sequence of str
        Paths of groups that are never opened, beside :data:`IGNORED`.
    """
    wanted = {place: (entry, shape) for entry in entries for place, shape in zip(places[entry.path], entry.shapes.values(), strict=True)}
    found: dict[str, Any] = {}
    _find(file, "", groups, wanted, found, {*IGNORED, *ignored})
    for entry in entries:
        missing = [place for place in places[entry.path] if place not in found]
        if missing:
            raise ArchiveError(
                f"layer {entry.path!r}: the file lacks {', '.join(missing)}; its configuration asks for {len(entry.shapes)} weights"
            )
    for place, (entry, shape) in wanted.items():
        _check_dataset(found[place], f"layer {entry.path!r}: {place}", shape, np.dtype(dtype))
    if sum(dataset.nbytes for dataset in found.values()) > size:
        raise ArchiveError("the weights are larger than the file")
    return {entry.path: [_read(found[place]) for place in places[entry.path]] for entry in entries}


def child(group: Any, name: str, path: str) -> Any:
    """What stands under a name in a group; ``ArchiveError`` if that is a link to somewhere else."""
    link = group.get(name, getlink=True)
    if type(link) is not h5py.HardLink:
        kind = {"SoftLink": "soft link", "ExternalLink": "external link"}.get(type(link).__name__, type(link).__name__)
        raise ArchiveError(f"{shown(path)} is {'an' if kind[0] in 'eE' else 'a'} {kind}, which is not followed")
    return group[name]


def parents(path: str) -> set[str]:
    """The groups on the way to a path."""
    return {str(parent) for parent in PurePosixPath(path).parents} - {"."}


def _old_tops(file: Any) -> set[str]:
    """The names of the groups in the table of layers that tf.keras 2.12 and 2.13 wrote; none where there is no such table."""
    names = [name.replace("\\", "/").split("/") for name in file]
    inside = {name[1] for name in names if name[0] == OLD_ROOT and len(name) > 1}
    return inside | (set(child(file, OLD_ROOT, OLD_ROOT)) if [OLD_ROOT] in names else set())


def _old_groups(entries: Sequence[Entry], names: set[str]) -> list[Entry]:
    """The entries with the groups that tf.keras 2.12 and 2.13 gave them, of which `names` are those at the top.

    Their tables of layers have every layer with weights twice, so that its number counts for two; later ones count as Keras 3 does.
    """
    result = [replace(entry, group=entry.group.replace("layers/", f"{OLD_ROOT}/")) for entry in entries]
    weighty = {path for entry in entries if entry.shapes for path in (entry.path, *parents(entry.path))}
    if {entry.group.split("/")[1] for entry in result if entry.path in weighty} <= names:
        return result
    moved: dict[str, str] = {}
    used: dict[str, int] = {}

    def order(entry: Entry) -> tuple[int, int]:
        number = NUMBERED.search(entry.group)
        return entry.path.count("/"), int(number[0][1:]) if number else 0

    for entry in sorted(entries, key=order):
        above = moved.get(entry.path.rpartition("/")[0], "")
        kind = f"{above}{OLD_ROOT}/{NUMBERED.sub('', entry.group.rpartition('/')[2])}"
        number = used.get(kind, 0)
        used[kind] = number + 1 + (entry.path in weighty)
        moved[entry.path] = f"{kind}_{number}/" if number else f"{kind}/"
    return [replace(entry, group=moved[entry.path][:-1]) for entry in entries]


def _groups(entries: Sequence[Entry]) -> set[str]:
    """Paths at which a group may stand: those of the layers and of everything between them and their datasets."""
    groups = {"layers", OLD_ROOT, "vars"}
    for entry in entries:
        inner = {one for name in entry.shapes for one in parents(name)}
        # Groups that Keras writes even if there are no weights in them.
        spec = record_of(entry.class_name)
        inner.update(spec.groups if spec else ["layers", OLD_ROOT] if entry.class_name in MODELS else [])
        if entry.class_name == "Bidirectional":  # tf.keras wrote groups of the layer as it was given, which has no weights
            inner.update(("layer", "layer/cell"))
        for below in ("", *inner):
            path = f"{entry.group}/{below}".rstrip("/")
            groups |= {path, f"{path}/vars"}
    return groups


def _find(group: Any, path: str, groups: set[str], wanted: Mapping[str, Any], found: dict[str, Any], ignored: set[str]) -> None:
    """Collect the expected datasets below a group; refuse every link and every name that is not expected, but of empty groups."""
    empty = 0
    for name in group:
        # tf.keras on Windows joined the names of groups by its own separator.
        below = f"{path}/{name}".lstrip("/").replace("\\", "/")
        if below in ignored or (not path and below.split("/")[0] in IGNORED):
            continue
        item = child(group, name, below)
        if below not in groups and below not in wanted:
            empty += 1
            if empty <= MAX_EMPTY and _is_empty(item, below):  # Keras asks for what it wants, and does not see it
                continue
            raise ArchiveError(f"{shown(below)} belongs to no layer of the configuration")
        if below in found:
            raise ArchiveError(f"{shown(below)} stands in the file twice")
        if below in wanted and isinstance(item, h5py.Dataset):
            found[below] = item
        elif below in groups and isinstance(item, h5py.Group):
            _find(item, below, groups, wanted, found, ignored)
        else:
            raise ArchiveError(f"{shown(below)} is a {type(item).__name__}, which is not expected there")


def _is_empty(item: Any, path: str) -> bool:
    """Whether a group holds nothing but a few groups that hold nothing."""
    if not isinstance(item, h5py.Group) or len(item) > MAX_EMPTY:
        return False
    return all(isinstance(below := child(item, name, f"{path}/{name}"), h5py.Group) and not len(below) for name in item)


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
