"""A model run call by call, every layer on its own or on given activations: what comparing layer by layer stands on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from conformance.oracle.live.activations import Traced
from conformance.oracle.live.whole_model import Fed
from reference.models import Model
from reference.network.config import MODELS
from reference.network.execution import run_graph
from reference.network.graph import Call, Graph, Ref, as_input, leaves, map_leaves, match_structure


def walk(model: Model, x: Fed, given: Mapping[str, Traced] | None = None) -> Iterator[tuple[str, str, Traced | Exception]]:
    """Run the graph call by call and yield path, class and answer of every layer that can be asked.

    With `given` activations each layer is asked on those, and one that raises is passed over; without them all that takes what such a
    layer would have made is left out, and all that does not is asked.
    """
    values: dict[Ref, Any] = {Ref(name, 0, 0): array for name, array in x.items()}
    yield from _walk(model, model.graph, values, {}, given, "")


def _walk(
    model: Model, graph: Graph, values: dict[Ref, Any], masks: dict[Ref, Any], given: Mapping[str, Traced] | None, where: str
) -> Iterator[tuple[str, str, Traced | Exception]]:
    """:func:`walk` in one graph; `values` and `masks` receive what its calls make."""
    for (name, number), call in graph.calls.items():
        path = where + name + (f"[{number}]" if number else "")
        if not _can_be_asked(graph, call, values):
            continue
        if call.class_name in MODELS:
            inner = graph.models[name]
            inside, inside_masks = _handed_in(model, inner, call, values, masks)
            yield from _walk(model, inner, inside, inside_masks, given, f"{path}/")
            made = {index: (inside[ref], inside_masks.get(ref)) for index, ref in enumerate(leaves(inner.outputs)) if ref in inside}
        else:
            answer = _attempt(model, graph, (name, number), values, masks)
            if graph.prefix + name in model.context.layers:  # an operation that carries masks is no layer
                yield path, call.class_name, answer
            made = _handed_on(answer, None if given is None else given.get(path))
        for index, (value, mask) in made.items():
            values[Ref(name, number, index)], masks[Ref(name, number, index)] = value, mask


def _handed_on(answer: Traced | Exception, given: Traced | None) -> dict[int, tuple[Any, Any]]:
    """What a call hands on, its outputs by number with their masks: what is given in the place of its own answer, as far as it is known."""
    if given is not None:
        own = (None,) * len(given.outputs) if isinstance(answer, Exception) else answer.masks
        answer = Traced(given.outputs, tuple(mine if mask is None else mask for mask, mine in zip(given.masks, own, strict=True)))
    return {} if isinstance(answer, Exception) else dict(enumerate(zip(answer.outputs, answer.masks, strict=True)))


def _can_be_asked(graph: Graph, call: Call, values: Mapping[Ref, Any]) -> bool:
    """Whether all is there that a call takes; of a nested model anything, since a part of it may be computed."""
    taken = [ref for ref in leaves([call.args, call.kwargs]) if isinstance(ref, Ref)]
    some = any if call.class_name in MODELS else all
    return not taken or some(ref in values for ref in taken)


def _attempt(model: Model, graph: Graph, node: tuple[str, int], values: Mapping[Ref, Any], masks: Mapping[Ref, Any]) -> Traced | Exception:
    """One call of a graph, or what it raised; a ``NotImplementedError`` says that the layer, or an option of it, is not supported."""
    try:
        return _answer(model, graph, node, values, masks)
    except Exception as error:
        return error


def _answer(model: Model, graph: Graph, node: tuple[str, int], values: Mapping[Ref, Any], masks: Mapping[Ref, Any]) -> Traced:
    """A graph of one call alone is run, whose inputs are what it takes."""
    call = graph.calls[node]
    names: dict[Ref, str] = {}

    def fed(leaf: Any) -> Any:
        # No layer has such a name: the reader wants printable ones.
        return Ref(names.setdefault(leaf, f"\0{len(names)}"), 0, 0) if isinstance(leaf, Ref) else leaf

    alone = replace(call, args=map_leaves(fed, call.args), kwargs=map_leaves(fed, call.kwargs))
    inputs = {name: values[ref] for ref, name in names.items()}
    made, carried = run_graph(
        model.context, replace(graph, calls={node: alone}), inputs, {name: masks.get(ref) for ref, name in names.items()}
    )
    refs = [ref for ref in made if ref.node == node]
    return Traced(tuple(made[ref] for ref in refs), tuple(carried.get(ref) for ref in refs))


def _handed_in(
    model: Model, inner: Graph, call: Call, values: Mapping[Ref, Any], masks: Mapping[Ref, Any]
) -> tuple[dict[Ref, Any], dict[Ref, Any]]:
    """The inputs of a nested model in a call of it as far as they were made, and their masks."""

    def resolved(structure: Any, kept: Mapping[Ref, Any]) -> Any:
        return map_leaves(lambda leaf: kept.get(leaf) if isinstance(leaf, Ref) else None, structure)

    given = match_structure(inner.inputs, resolved(call.args[0], values))
    mask = resolved(call.kwargs.get("mask"), values)
    named = match_structure(inner.inputs, resolved(call.args[0], masks) if mask is None else mask, masks=True)
    made = {name: spec for name, spec in inner.specs.items() if given[name] is not None}
    inside = {Ref(name, 0, 0): as_input(spec, given[name]) for name, spec in made.items()}
    return inside, {Ref(name, 0, 0): one for name, one in named.items()}
