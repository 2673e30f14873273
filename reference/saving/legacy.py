"""Weights in the layout of legacy ``.h5`` files, of Keras 3 and of Keras 2 (``tf.keras``).

The weights of a top-level layer lie in ``model_weights/<its name>`` under the paths of its variables, ``bi/forward_lstm/lstm_cell/kernel``
(with ``:0`` in Keras 2), in the order that the attribute ``weight_names`` says: trained ones first. The configuration is the attribute
``model_config`` of the root; :mod:`reference.saving.legacy_config` brings it into today's form. Keras reads the layers in the order of the
attribute ``layer_names``, so one that names them in another order is refused. Source: keras.src.legacy.saving.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reference.layers import LAYERS
from reference.network.config import MAX_LAYERS, MODELS, Entry
from reference.network.errors import ArchiveError, naming, shown
from reference.saving.hdf5 import OLD_ROOT, Places, Weights, child, opened, parents, read_datasets
from reference.saving.hdf5_attributes import has_texts, list_length, read_text, read_texts

ROOT = "model_weights"
TOP_LEVEL = "top_level_model_weights"
MAX_LEVELS = 64
MAX_NAMES = MAX_LAYERS


class StoredWeight(NamedTuple):
    """One weight of a layer: the layer, its place in ``get_weights()``, its name, and whether it is trained."""

    layer: str
    place: int
    name: str
    trained: bool


def read_attributes(data: bytes, names: Sequence[str]) -> dict[str, str | None]:
    """Texts among the attributes of an HDF5 file, None for those that are not there.

    Who wrote a file stands at its root or, in files of weights alone and some of Keras 2, at the group of the weights.
    """
    with opened(data) as file:
        places = [file, child(file, ROOT, ROOT)] if ROOT in set(file) else [file]
        found = {name: next((place for place in places if name in place.attrs), None) for name in names}
        return {name: read_text(data, place, name) if place is not None else None for name, place in found.items()}


def is_legacy_weights(data: bytes) -> bool:
    """Whether an HDF5 file holds weights in the older layout, by the names of layers."""
    with opened(data) as file:
        return has_texts(file, "layer_names") or ROOT in set(file)


def is_weights(data: bytes) -> bool:
    """Whether an HDF5 file holds the weights of layers, in the older layout or in that of Keras 3."""
    with opened(data) as file:
        new = bool({"layers", "vars", OLD_ROOT} & {name.replace("\\", "/").split("/")[0] for name in file})
    return new or is_legacy_weights(data)


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
        prefix = f"{ROOT}/" if ROOT in set(file) else ""
        root = child(file, ROOT, ROOT) if prefix else file
        orders = {name: _saved_order(parts) for name, parts in layers.items()}
        groups |= {f"{prefix}{name}" for name, order in orders.items() if not order}
        orders = {name: order for name, order in orders.items() if order}
        given = _layer_names(data, root, prefix, {name: layers[name][0] for name in orders}, {entry.path for entry in left_out})
        for (name, order), stored in zip(orders.items(), given, strict=True):
            where = f"layer {name!r}: {prefix}{stored}"
            with naming(where):
                variables = read_texts(data, child(root, stored, f"{prefix}{stored}"), "weight_names", len(order))
            _check_variables(order, variables, where)
            for weight, variable in zip(order, variables, strict=True):
                places[weight.layer][weight.place] = f"{prefix}{stored}/{variable}"
                groups |= parents(f"{prefix}{stored}/{variable}")
        return read_datasets(file, len(data), entries, places, groups, dtype, [f"{prefix}{entry.path}" for entry in left_out])


def _layer_names(data: bytes, root: Any, prefix: str, layers: Mapping[str, Entry], left_out: set[str]) -> list[str]:
    """The groups of the layers that have weights, one for each: those that ``layer_names`` lists and that have weights, in its order."""
    present = set(root)  # asked of the group itself, a link would be followed
    for name in layers:
        if name not in present and layers[name].class_name not in MODELS:
            raise ArchiveError(f"layer {name!r}: {prefix}{name} is not in the file; its configuration asks for weights")
        if name in present and not list_length(child(root, name, f"{prefix}{name}"), "weight_names"):
            raise ArchiveError(f"layer {name!r}: {prefix}{name}: weight_names has 0 entries; its configuration asks for weights")
    count = list_length(root, "layer_names")
    if count is None:
        raise ArchiveError("the attribute layer_names is missing, which says in which order the layers were saved")
    if count > MAX_NAMES:
        raise ArchiveError(f"layer_names has {count} entries, more than the {MAX_NAMES} allowed")
    given = read_texts(data, root, "layer_names", count)
    if len(set(given)) < len(given) or any("/" in name for name in given):
        raise ArchiveError(f"layer_names {shown(given)} are not the names of layers, each once")
    missing = [name for name in given if name not in present]
    if missing:
        raise ArchiveError(f"layer_names has {shown(missing[0])}, for which there is no group")
    kept = [name for name in given if name not in left_out and list_length(child(root, name, f"{prefix}{name}"), "weight_names")]
    # A model in a list of layers, as Keras wrote them until 2.2.2, has no name in the configuration.
    fits = len(kept) == len(layers) and all(
        name == stored or (entry.class_name in MODELS and name not in present)
        for (name, entry), stored in zip(layers.items(), kept, strict=True)
    )
    if not fits:
        raise ArchiveError(f"layer_names lists the layers with weights {shown(kept)}, the configuration has {shown(list(layers))}")
    return kept


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
