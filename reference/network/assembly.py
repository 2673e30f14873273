"""From a model's configuration to what has to be known before its weights are read: layers, graph, and the shape of every weight."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from reference.layers import LAYERS
from reference.layers.shapes import Shape
from reference.network.config import Entry, layer_entries, model_dtype
from reference.network.errors import ArchiveError, malformed
from reference.network.graph import Graph, build_graph
from reference.network.shapes import infer_shapes

MAX_PARAMETERS = 2**28


@dataclass(frozen=True)
class Description:
    """A model without its weights.

    Attributes
    ----------
    config : dict
        As ``config.json`` has it.
    entries : list of Entry
        All layers, in the order of the configuration, with the shapes of their weights.
    graph : Graph
    dtype : str
        ``"float32"`` or ``"float64"``, in which all layers compute.
    left_out : tuple of Entry
        Where this is a part of what a file describes: layers that the file has and the part has not.
    """

    config: dict[str, Any]
    entries: list[Entry]
    graph: Graph
    dtype: str
    left_out: tuple[Entry, ...] = ()


def describe(config: Any) -> Description:
    """Check a model's whole configuration: classes, options, graph, shapes, sizes.

    Raises
    ------
    ArchiveError
        Whatever is wrong with it; the sentence names the layer.
    """
    with malformed("not the configuration of a Keras model"):
        entries = layer_entries(config)
        dtype = model_dtype(entries)
    with malformed("not the graph of a Keras model"):
        graph = build_graph(config)
    try:
        found = infer_shapes(graph, {entry.path: entry for entry in entries})
        entries = [_with_shapes(entry, found.inputs.get(entry.path, ())) for entry in entries]
        _check_shared(entries)
        _check_parameters(entries)
        found.check()
    except ArchiveError:
        raise
    except ValueError as error:
        raise ArchiveError(str(error)) from None
    return Description(config, entries, graph, dtype)


def _with_shapes(entry: Entry, inputs: Iterable[tuple[Shape, ...]]) -> Entry:
    """The layer with the shapes of its weights, which must be the same for every input that it is called on."""
    if entry.class_name not in LAYERS:
        return entry
    with malformed(f"layer {entry.path!r}: no weight shapes follow from its configuration"):
        known = [LAYERS[entry.class_name].datasets(entry.config, shapes[0]) for shapes in inputs or [((),)]]
    whole = dict(known[0])
    for other in known[1:]:
        for name, shape in other.items():
            pairs = list(zip(shape, whole[name], strict=False))
            if len(shape) != len(whole[name]) or any(None not in pair and pair[0] != pair[1] for pair in pairs):
                raise ArchiveError(f"layer {entry.path!r} is called on inputs that need different weights, {whole[name]} and {shape}")
            whole[name] = tuple(one if two is None else two for one, two in pairs)
    return replace(entry, shapes=whole)


def _check_shared(entries: list[Entry]) -> None:
    """A layer that two models share has the same weights in both."""
    shapes = {entry.path: list(entry.shapes.values()) for entry in entries}
    for entry in entries:
        if entry.same_as and shapes[entry.path] != shapes[entry.same_as]:
            known = f"{shapes[entry.same_as]} and {shapes[entry.path]}"
            raise ArchiveError(f"layers {entry.same_as!r} and {entry.path!r} are one layer, called on inputs that need weights of {known}")


def _check_parameters(entries: list[Entry]) -> None:
    sizes = {entry.path: sum(math.prod(d or 1 for d in shape) for shape in entry.shapes.values()) for entry in entries}
    parameters = sum(sizes.values())
    if parameters > MAX_PARAMETERS:
        amount = str(parameters) if parameters < 10**18 else "more than 10**18"
        raise ArchiveError(
            f"layer {max(sizes, key=lambda path: sizes[path])!r}: the configuration implies {amount} parameters, "
            f"more than the {MAX_PARAMETERS} allowed"
        )
