"""Weights in the layout of legacy ``.h5`` files, of Keras 3 and of Keras 2 (``tf.keras``).

The weights of a top-level layer lie in ``model_weights/<its name>`` under the paths of its variables, ``bi/forward_lstm/lstm_cell/kernel``
(with ``:0`` in Keras 2), in the order that the attribute ``weight_names`` says: trained ones first. The configuration is the attribute
``model_config`` of the root; :mod:`reference.saving.legacy_config` brings it into today's form. Source: keras.src.legacy.saving.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reference.layers import LAYERS
from reference.network.config import Entry
from reference.network.errors import ArchiveError, shown
from reference.saving.hdf5 import Places, Weights, child, opened, parents, read_datasets
from reference.saving.hdf5_attributes import has_texts, read_text, read_texts

ROOT = "model_weights"
TOP_LEVEL = "top_level_model_weights"
MAX_LEVELS = 64


class StoredWeight(NamedTuple):
    """One weight of a layer: the layer, its place in ``get_weights()``, its name, and whether it is trained."""

    layer: str
    place: int
    name: str
    trained: bool


def read_model_config(data: bytes) -> bytes:
    """The configuration in a legacy ``.h5`` file, as it stands there; ``ArchiveError`` if the file has none."""
    with opened(data) as file:
        if "model_config" not in file.attrs:
            raise ArchiveError("the file holds weights alone, or no model; weights are read beside a configuration, with weights=")
        return read_text(data, file, "model_config").encode()


def is_legacy_weights(data: bytes) -> bool:
    """Whether an HDF5 file holds weights in the older layout, by the names of layers."""
    with opened(data) as file:
        return has_texts(file, "layer_names") or ROOT in file


def read_legacy_weights(data: bytes, entries: Sequence[Entry], dtype: str, left_out: Sequence[Entry] = ()) -> Weights:
    """Return the weights of every layer from the bytes of a legacy ``.h5`` file.

    Parameters
    ----------
    data : bytes
        The whole HDF5 file.
    entries, dtype, left_out
        As in :func:`reference.saving.hdf5.read_weights`.

    Raises
    ------
    ArchiveError
        For anything missing, extra, of another shape or dtype, or stored in a way that Keras never uses.
    """
    layers: dict[str, list[Entry]] = {}
    for entry in entries:
        layers.setdefault(entry.path.split("/")[0], []).append(entry)
    places: Places = {entry.path: [""] * len(entry.shapes) for entry in entries}
    groups = {TOP_LEVEL, ROOT, f"{ROOT}/{TOP_LEVEL}"}
    with opened(data) as file:
        prefix = f"{ROOT}/" if ROOT in file else ""
        root = child(file, ROOT, ROOT) if prefix else file
        for name, parts in layers.items():
            groups.add(f"{prefix}{name}")
            order = _saved_order(parts)
            if not order:
                continue
            where = f"layer {name!r}: {prefix}{name}"
            if name not in root:
                raise ArchiveError(f"{where} is not in the file; the configuration asks for {len(order)} weights")
            try:
                variables = read_texts(data, child(root, name, f"{prefix}{name}"), "weight_names", len(order))
            except ArchiveError as error:
                raise ArchiveError(f"{where}: {error}") from None
            _check_variables(order, variables, where)
            for weight, variable in zip(order, variables, strict=True):
                places[weight.layer][weight.place] = f"{prefix}{name}/{variable}"
                groups |= parents(f"{prefix}{name}/{variable}")
        return read_datasets(file, len(data), entries, places, groups, dtype, [f"{prefix}{entry.path}" for entry in left_out])


def _check_variables(order: Sequence[StoredWeight], variables: Sequence[str], where: str) -> None:
    """The paths of variables are paths, and those of the weights that are expected in this order."""
    if len(set(variables)) < len(variables) or not all(map(_is_path, variables)):
        raise ArchiveError(f"{where}: weight_names {shown(variables)} are not the paths of {len(order)} weights")
    parts = [variable.split("/") for variable in variables]
    named = {name for path in parts for name in path[:-1]}
    for weight, path in zip(order, parts, strict=True):
        # A path names its layer, if that has not been renamed since, and in any case the weight.
        own = weight.layer.rpartition("/")[2]
        if path[-1].partition(":")[0] != weight.name or (own in named and own not in path):
            raise ArchiveError(f"{where}: weight_names has {shown('/'.join(path))} in the place of {weight.name} of layer {weight.layer!r}")


def _is_path(variable: str) -> bool:
    parts = variable.split("/")
    return len(parts) <= MAX_LEVELS and all(one.strip(".") for one in parts)


def _saved_order(entries: Sequence[Entry]) -> list[StoredWeight]:
    """The weights of one top-level layer, with all within it, in the order in which Keras saves them.

    Those that are trained come first, then the others - unless the layer is frozen, when all are alike.
    """
    weights = [
        StoredWeight(entry.path, place, name, trained)
        for entry in entries
        for place, (name, trained) in enumerate(_weights(entry.class_name, entry.config))
    ]
    frozen = entries[0].config.get("trainable", True) is False
    return weights if frozen else sorted(weights, key=lambda weight: not weight.trained)


def _weights(class_name: str, config: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """For every weight of a layer its name and whether it is trained."""
    if class_name not in LAYERS:
        return []
    return [
        (name, options.get("trainable", True) is not False and owner.weights[name].trained)
        for _, owner, options in LAYERS[class_name].owners(config)
        for name in owner.weight_names(options)
    ]
