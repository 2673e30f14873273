"""Where a whole model goes wrong: every layer of an implementation beside Keras's, found in two ways.

*Teacher-forced*, each layer is given Keras's own activations and masks, so that only what it does itself counts. *Free-running*, each
layer is given what the implementation's layers before it made, as in a prediction. The first layer, in the order of computation, whose
output is further from Keras's than its bound is the first diverging one. The bound of a layer is that of
:mod:`conformance.models.bounds` with the layer's output in place of the model's: 16 times the largest response of this output in
float64 to inputs and weights that are off by one relative eps (8 times, and what Keras itself is off, where that is larger), all layers
before it included. Integers and masks must be equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from conformance.base.arrays import Array
from conformance.base.errors import plain
from conformance.models.bounds import bounds
from conformance.oracle.live.activations import Traced, keras_activations, watched_outputs
from conformance.oracle.live.whole_model import Fed, batches
from reference.layers import LAYERS
from reference.models import Model
from reference.network.config import MODELS
from reference.network.execution import run_graph
from reference.network.graph import Graph, Ref, as_input, leaves, map_leaves, match_structure

LAYER_SAMPLES = 256
"""Layers are compared on the first so many samples, and on those whose outputs are furthest off."""
VALUES_AT_ONCE = 2**24
"""How many values the layers of one batch may have together: 128 MB in float64."""
LARGEST_BATCH = 64


@dataclass(frozen=True)
class Finding:
    """What one layer did in one of the two ways.

    Attributes
    ----------
    difference, allowed : float
        Of the output that is the most times its bound away.
    said : str
        What is wrong beyond numbers: it raised, another shape, another mask. Empty where nothing is.
    """

    difference: float = 0.0
    allowed: float = 0.0
    said: str = ""

    @property
    def diverges(self) -> bool:
        """Whether the layer is not where Keras's is."""
        return bool(self.said) or self.difference > self.allowed

    def or_worse(self, other: Finding) -> Finding:
        """The worse of two findings of the same layer."""
        if self.said or other.said:
            return self if self.said else other
        return other if other.difference * max(self.allowed, 1e-300) > self.difference * max(other.allowed, 1e-300) else self


@dataclass(frozen=True)
class LayerFindings:
    """A layer by its path and class, and what it did; None where the free run did not come to it."""

    path: str
    class_name: str
    forced: Finding
    free: Finding | None


@dataclass(frozen=True)
class Divergence:
    """All layers in the order of computation."""

    layers: tuple[LayerFindings, ...]
    samples: int

    @property
    def wrong(self) -> list[LayerFindings]:
        """The layers that differ from Keras's on Keras's own activations."""
        return [layer for layer in self.layers if layer.forced.diverges]

    @property
    def first_forced(self) -> LayerFindings | None:
        """The first of them."""
        return next(iter(self.wrong), None)

    @property
    def first_free(self) -> LayerFindings | None:
        """The first layer that differs when the implementation runs alone."""
        return next((layer for layer in self.layers if layer.free is not None and layer.free.diverges), None)

    @property
    def sentence(self) -> str:
        """Both first layers in words."""
        forced, free = self.first_forced, self.first_free
        if forced is None and free is None:
            return "no layer diverges, neither teacher-forced nor free-running"
        if forced and free and forced.path == free.path:
            return f"the first diverging layer, teacher-forced and free-running, is {_named(forced, forced.forced)}"
        return "; ".join(
            f"{way}, no layer diverges" if layer is None else f"{way}, the first diverging layer is {_named(layer, finding)}"
            for way, layer, finding in (
                ("teacher-forced", forced, forced.forced if forced else None),
                ("free-running", free, free.free if free else None),
            )
        )


def _named(layer: LayerFindings, finding: Finding | None) -> str:
    return f"{layer.path!r} ({layer.class_name})" + (f": {words(finding)}" if finding else "")


def words(finding: Finding) -> str:
    """A finding as a phrase."""
    return finding.said or f"off by {finding.difference:.1e}, allowed {finding.allowed:.1e}"


def find_divergence(keras_model: Any, model: Model, x: Fed) -> Divergence:
    """Compare every layer on all of `x`, as many samples at a time as memory bears.

    Parameters
    ----------
    keras_model : Keras model
    model : Model
        The same archive, computing with the functions of an implementation.
    x : mapping of input name to array

    Raises
    ------
    NotImplementedError
        If the implementation lacks a function or an option of a layer.
    """
    ask = keras_activations(keras_model, x)
    one = ask(next(batches(x, 1)))
    values = sum(part.size for traced in one.values() for part in traced.outputs)
    size = max(1, min(LARGEST_BATCH, VALUES_AT_ONCE // max(values, 1)))
    flat_bounds = iter(bounds(keras_model, watched_outputs, x, size))
    allowed = {path: tuple(next(flat_bounds) for _ in traced.outputs) for path, traced in one.items()}
    forced: dict[str, Finding] = {}
    free: dict[str, Finding] = {}
    classes: dict[str, str] = {}
    for batch in batches(x, size):
        keras = ask(batch)
        for findings, given in ((forced, keras), (free, None)):
            for path, class_name, answer in walk(model, batch, given):
                classes[path] = class_name
                finding = judged(model, class_name, answer, keras[path], allowed[path])
                findings[path] = findings[path].or_worse(finding) if path in findings else finding
    layers = tuple(LayerFindings(path, classes[path], forced[path], free.get(path)) for path in forced)
    return Divergence(layers, len(next(iter(x.values()))))


def judged(model: Model, class_name: str, answer: Traced | Exception, keras: Traced, allowed: tuple[float, ...]) -> Finding:
    """One layer's answer to one batch beside Keras's."""
    if isinstance(answer, Exception):
        return Finding(said=plain(answer))
    worst = Finding(allowed=allowed[0])
    for got, want, bound in zip(answer.outputs, keras.outputs, allowed, strict=True):
        if got.shape != want.shape:
            return Finding(said=f"gives the shape {got.shape}, Keras {want.shape}")
        if got.dtype.kind not in "fiub" and want.dtype.kind in "fiub":
            return Finding(said=f"gives an array of {got.dtype}")
        worst = worst.or_worse(Finding(largest_difference(got, want), bound))
    spec = LAYERS.get(class_name)
    if not worst.diverges and spec and model.context.find(f"{spec.name}_compute_mask") is not None:
        for got, want in zip(answer.masks, keras.masks, strict=True):
            if want is not None and (got is None or not np.array_equal(got, want)):
                return Finding(said="its mask differs from Keras's" if got is not None else "it makes no mask, Keras does")
    return worst


def largest_difference(got: Array, want: Array) -> float:
    """The largest difference of two arrays of one shape; infinite where one is not finite and the other is something else."""
    return float(np.max(differences(got, want), initial=0.0))


def differences(got: Array, want: Array) -> Array:
    """Absolute differences in float64: 0 where both are NaN or the same infinity, infinite where only one is not finite."""
    if want.dtype.kind not in "fiub":
        return np.where(got == want, 0.0, np.inf)
    a, b = got.astype(np.float64), want.astype(np.float64)
    with np.errstate(invalid="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        return np.where(same, 0.0, np.nan_to_num(np.abs(a - b), nan=np.inf))


def walk(model: Model, x: Fed, keras: Mapping[str, Traced] | None = None) -> Iterator[tuple[str, str, Traced | Exception]]:
    """Run the graph call by call and yield path, class and answer of every layer.

    With Keras's activations each layer is given those, and one that raises is passed over; without them a run ends at the first one that
    raises.
    """
    values: dict[Ref, Any] = {Ref(name, 0, 0): array for name, array in x.items()}
    yield from _walk(model, model.graph, values, {}, keras, "")


def _walk(
    model: Model, graph: Graph, values: dict[Ref, Any], masks: dict[Ref, Any], keras: Mapping[str, Traced] | None, where: str
) -> Iterator[tuple[str, str, Traced | Exception]]:
    """:func:`walk` in one graph; `values` and `masks` receive what its calls make."""
    for (name, number), call in graph.calls.items():
        path = where + name + (f"[{number}]" if number else "")
        if call.class_name in MODELS:
            inner = graph.models[name]
            inside, inside_masks = _handed_in(model, inner, call, values, masks)
            yield from _walk(model, inner, inside, inside_masks, keras, f"{path}/")
            if any(ref not in inside for ref in leaves(inner.outputs)):
                return
            made = Traced(*(tuple(kept.get(ref) for ref in leaves(inner.outputs)) for kept in (inside, inside_masks)))
        else:
            answer = _attempt(model, graph, (name, number), values, masks)
            if graph.prefix + name in model.context.layers:  # an operation that carries masks is no layer
                yield path, call.class_name, answer
            if isinstance(answer, Exception):
                if keras is None:
                    return
                answer = Traced(keras[path].outputs, (None,) * len(keras[path].outputs))
            made = answer
        if keras is not None and path in keras:
            known = zip(keras[path].masks, made.masks, strict=True)
            made = Traced(keras[path].outputs, tuple(own if mask is None else mask for mask, own in known))
        for index, (value, mask) in enumerate(zip(made.outputs, made.masks, strict=True)):
            values[Ref(name, number, index)], masks[Ref(name, number, index)] = value, mask


def _attempt(model: Model, graph: Graph, node: tuple[str, int], values: Mapping[Ref, Any], masks: Mapping[Ref, Any]) -> Traced | Exception:
    """One call of a graph, or what it raised; what is not supported is raised here as well."""
    try:
        return _answer(model, graph, node, values, masks)
    except NotImplementedError:
        raise
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
    model: Model, inner: Graph, call: Any, values: Mapping[Ref, Any], masks: Mapping[Ref, Any]
) -> tuple[dict[Ref, Any], dict[Ref, Any]]:
    """The inputs of a nested model in a call of it, and their masks."""

    def resolved(structure: Any, kept: Mapping[Ref, Any]) -> Any:
        return map_leaves(lambda leaf: kept.get(leaf) if isinstance(leaf, Ref) else None, structure)

    given = match_structure(inner.inputs, resolved(call.args[0], values))
    mask = resolved(call.kwargs.get("mask"), values)
    named = match_structure(inner.inputs, resolved(call.args[0], masks) if mask is None else mask, masks=True)
    inside = {Ref(name, 0, 0): as_input(spec, given[name]) for name, spec in inner.specs.items()}
    return inside, {Ref(name, 0, 0): one for name, one in named.items()}
