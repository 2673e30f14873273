"""A configuration that Keras 3 takes: :mod:`reference.saving.legacy_config` brings older forms only as far as the reader needs.

Keras wants a shape and a dtype for every symbolic tensor, where older files name the place that it comes from and no more; and it refuses
options that its layers have no longer. What Keras 3 wrote stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reference.layers import LAYERS
from reference.layers.kinds import WrapperSpec
from reference.layers.shapes import Shape
from reference.layers.spec import MASK
from reference.network.assembly import Description
from reference.network.config import MODELS, Entry
from reference.network.errors import ArchiveError
from reference.network.graph import Graph, Ref, leaves
from reference.network.shapes import infer_shapes
from reference.saving.versions import OLD_HARD_SIGMOID

OPERATION = re.compile(r"concatenate(_[0-9]+)?")
"""Names that Keras makes up for the operation that joins masks, and for Concatenate layers alike."""

Tensors = Mapping[tuple[str, Ref], Shape]


def current_config(found: Description) -> dict[str, Any]:
    """The configuration of a model as Keras 3 takes it.

    The shape of a tensor is the one that follows from the graph, its dtype that of the input or else of the model; neither decides
    anything, Keras finds out both when it calls the layers.

    Raises
    ------
    ArchiveError
        If a layer has a function of Keras 2 that Keras 3 does not have.
        If Keras would not load the model, because an operation on masks that it adds itself would have the name of a layer.
    """
    for entry in found.entries:
        _check_functions(entry.path, entry.config)
    layers = {entry.path: entry for entry in found.entries}
    config = _model(found.config, found.graph, infer_shapes(found.graph, layers).tensors, found.dtype)
    if config != found.config:
        _check_names(found.graph, layers)
    return config


def _check_functions(path: str, config: Mapping[str, Any]) -> None:
    """Keras 3 has every function but one that a file of Keras 2 may mean."""
    for name, value in config.items():
        if value == OLD_HARD_SIGMOID:
            raise ArchiveError(
                f"layer {path!r}: {name} is the hard_sigmoid of Keras 2, 0.2 x + 0.5, which Keras 3 does not have: "
                "the model can be saved as .json, or with another activation"
            )
        if name in ("layer", "backward_layer"):
            _check_functions(path, value["config"])


def _model(model: Mapping[str, Any], graph: Graph, tensors: Tensors, dtype: str) -> dict[str, Any]:
    """A model, and the models in it."""

    def complete(value: Any) -> Any:
        if not isinstance(value, dict):
            return [complete(one) for one in value] if isinstance(value, list) else value
        if value.get("class_name") != "__keras_tensor__":
            return {name: complete(one) for name, one in value.items()}
        ref = Ref(*value["config"]["keras_history"])
        known = {"shape": list(tensors[graph.prefix, ref]), "dtype": graph.specs[ref.layer].dtype if ref.layer in graph.specs else dtype}
        return {**value, "config": known | value["config"]}

    layers = []
    for layer in model["config"]["layers"]:
        name = layer["config"]["name"]
        inner = _model(layer, graph.models[name], tensors, dtype) if layer["class_name"] in MODELS else dict(layer)
        if "inbound_nodes" in layer:
            inner["inbound_nodes"] = complete(layer["inbound_nodes"])
        layers.append(inner)
    return {**model, "config": {**model["config"], "layers": layers}}


def _check_names(graph: Graph, layers: Mapping[str, Entry]) -> None:
    """Older forms do not name the masks of their calls, so that Keras adds operations for them when it loads the model."""
    taken = sorted(name for name, _ in graph.calls if OPERATION.fullmatch(name))
    joins = list(_joined_masks(graph, layers))
    if taken and joins:
        raise ArchiveError(
            f"layer {joins[0]!r}: a mask travels through it, and Keras would call the operation that joins masks "
            f"{OPERATION.pattern!r}, as layers of this model are called already: give {', '.join(taken)} other names in the configuration"
        )
    for inner in graph.models.values():
        _check_names(inner, layers)


def _joined_masks(graph: Graph, layers: Mapping[str, Entry]) -> Iterator[str]:
    """The Concatenate layers that a mask comes to."""
    masked: set[Ref] = set()
    for (name, number), call in graph.calls.items():
        arrives = any(ref in masked for ref in leaves(call.args[0]))
        spec = LAYERS.get(call.class_name)
        if spec is None:
            keeps, count = call.class_name == "Sequential", 1
        else:
            config = layers[graph.prefix + name].config
            inner = spec.inner(config)[1] if isinstance(spec, WrapperSpec) else config
            sequences = "initial_state" in spec.takes and bool(inner.get("return_sequences"))
            keeps, count = spec.keeps_mask or spec.compute_mask is not None or sequences, spec.output_count(config)
            makes = spec.compute_mask is not None and not spec.merges
            arrives = arrives or (makes and bool({"mask_zero": True, **spec.defaults(MASK), **config}["mask_zero"]))
        if arrives and call.class_name == "Concatenate":
            yield graph.prefix + name
        if arrives and keeps:
            masked |= {Ref(name, number, output) for output in range(count)}
