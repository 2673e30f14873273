"""Running the graph of a model: every call of a layer by the contract, every mask by Keras's rules.

A value carries the mask of the layer that made it, until a layer drops it or a call names another one. Functional
archives name their masks (as ``NotEqual`` and ``Any`` nodes), Sequential ones leave them to this propagation; both
agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from reference.layers import LayerCall, LayerSpec, record_of
from reference.layers.identities import IdentitySpec
from reference.layers.kinds import WrapperSpec
from reference.layers.operators import OPERATORS
from reference.layers.spec import FORWARD, MASK, spec_of
from reference.layers.text_vectorization import TEXT_VECTORIZATION
from reference.network.config import MODELS
from reference.network.graph import Graph, Ref, as_input, leaves, map_leaves, match_structure
from reference.network.operations import Constant

Array = NDArray[Any]

MASK_OPERATIONS: dict[str, Callable[..., Array]] = {
    "ops.NotEqual": lambda config, x, y: np.not_equal(x, y),
    "ops.Any": lambda config, x: np.any(x, axis=config.get("axis"), keepdims=bool(config.get("keepdims"))),
    "ops.LogicalOr": lambda config, x, y: np.logical_or(x, y),
    "ops.ExpandDims": lambda config, x: np.expand_dims(x, config["axis"]),
    "ops.ZerosLike": lambda config, x: np.zeros_like(x, dtype=bool),
    "ops.OnesLike": lambda config, x: np.ones_like(x, dtype=bool),
}
"""What Keras writes into a functional archive to carry masks."""


class Layer(NamedTuple):
    """A layer of a model: its path, its Keras class, its configuration, its weights as in ``get_weights()``.

    `record` is another record than that of its class, for a model of which one part is to be replaced.
    """

    name: str
    class_name: str
    config: dict[str, Any]
    weights: list[Array]
    record: LayerSpec | None = None

    @property
    def spec(self) -> LayerSpec:
        """The record of its class, or the one in its place."""
        return self.record or record_of(self.class_name) or spec_of(self.class_name)


@dataclass(frozen=True)
class Context:
    """What the calls of a graph need.

    Attributes
    ----------
    layers : dict of path to Layer
        One that two models share stands at both its paths, and has the first one for its name.
    vocabularies : mapping of path to terms
    find : callable
        Returns the function of a name, or None.
    dtype : dtype
        In which the layers compute: floating arrays are cast to it, as Keras layers do.
    """

    layers: dict[str, Layer]
    vocabularies: Mapping[str, tuple[str, ...]]
    find: Callable[[str], Callable[..., Any] | None]
    dtype: np.dtype[Any]

    def function(self, layer: Layer) -> Callable[..., Any]:
        """The forward function of a layer; ``NotImplementedError`` names both if it is missing. Identities are the reference's own."""
        if isinstance(layer.spec, IdentitySpec):
            return layer.spec.forward
        name = f"{layer.spec.name}_forward"
        function = self.find(name)
        if function is None:
            raise NotImplementedError(f"layer {layer.name!r} ({layer.class_name}) needs the function {name}")
        return function

    def cast(self, value: Any) -> Any:
        """A floating array in the dtype of the model; anything else as it is."""
        value = np.asarray(value)
        return value.astype(self.dtype) if value.dtype.kind == "f" and value.dtype != self.dtype else value


Node = tuple[str, int]
"""A call of a graph: the name of its layer and the number of the call."""


class Recorder(Protocol):
    """What takes part in a run whose gradient is wanted: it calls the layers in the place of their forward functions."""

    def training(self, layer: Layer) -> bool:
        """Whether a layer that acts otherwise in training does so."""

    def call(self, node: Node, layer: Layer, call: LayerCall, x: Any) -> Any:
        """What the forward function of a layer would return."""

    def nested(self, node: Node, inputs: Mapping[str, Any]) -> Recorder:
        """The recorder of the run of a nested model, called on these values."""


def run_graph(
    context: Context,
    graph: Graph,
    inputs: Mapping[str, Array],
    masks: Mapping[str, Any],
    trace: dict[str, Any] | None = None,
    recorder: Recorder | None = None,
) -> tuple[dict[Ref, Any], dict[Ref, Any]]:
    """Run all calls of a graph.

    Parameters
    ----------
    context : Context
        The layers and their functions.
    graph : Graph
        What is called on what.
    inputs : mapping of input name to array
        All of one batch size.
    masks : mapping of input name to array or None
        Those that an enclosing model hands in.
    trace : dict, optional
        Receives the output of every layer by its path; the second call of ``name`` is ``name[1]``.
    recorder : Recorder, optional
        Calls the layers of a run whose gradient is wanted.

    Returns
    -------
    values, masks : dicts of Ref to array (a mask may be None)
    """
    values = {Ref(name, 0, 0): frozen(value) for name, value in inputs.items()}
    carried: dict[Ref, Any] = {Ref(name, 0, 0): mask for name, mask in masks.items()}
    for (name, number), call in graph.calls.items():
        path = graph.prefix + name
        try:
            outputs, output_masks = _run_call(context, graph, (name, number), values, carried, trace, recorder)
        except Exception as error:
            error.add_note(f"in layer {path!r} ({call.class_name})")
            raise
        for index, (output, mask) in enumerate(zip(outputs, output_masks, strict=True)):
            values[Ref(name, number, index)] = frozen(output)
            carried[Ref(name, number, index)] = mask
        if trace is not None and path in context.layers:
            trace[path if not number else f"{path}[{number}]"] = outputs[0] if len(outputs) == 1 else tuple(outputs)
    return values, carried


def frozen(array: Any) -> Array:
    """A view that refuses writing: a function that changes its arguments cannot spoil the rest of the graph unseen."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _run_call(
    context: Context,
    graph: Graph,
    node: Node,
    values: Mapping[Ref, Any],
    masks: Mapping[Ref, Any],
    trace: dict[str, Any] | None,
    recorder: Recorder | None,
) -> tuple[list[Any], list[Any]]:
    """The outputs of one call and their masks."""
    call = graph.calls[node]

    def value(leaf: Any) -> Any:
        return values[leaf] if isinstance(leaf, Ref) else leaf.value if isinstance(leaf, Constant) else leaf

    def resolved(structure: Any) -> Any:
        return map_leaves(value, structure)

    args, kwargs = resolved(call.args), resolved(call.kwargs)
    if call.class_name in OPERATORS:
        return [_operated(graph, node, args[0], recorder)], [None]
    if call.class_name.startswith("ops."):
        return [MASK_OPERATIONS[call.class_name](graph.configs[call.layer], *args)], [None]
    mask = kwargs.get("mask")
    if mask is None:
        mask = map_leaves(lambda leaf: masks.get(leaf) if isinstance(leaf, Ref) else None, call.args[0])
    if call.class_name in MODELS:
        inner = graph.models[call.layer]
        given = match_structure(inner.inputs, args[0])
        inputs = {name: as_input(spec, given[name]) for name, spec in inner.specs.items()}
        inner_masks = match_structure(inner.inputs, mask, masks=True)
        inner_recorder = None if recorder is None else recorder.nested(node, given)
        values, masks = run_graph(context, inner, inputs, inner_masks, trace, inner_recorder)
        return [values[ref] for ref in leaves(inner.outputs)], [masks.get(ref) for ref in leaves(inner.outputs)]
    layer = context.layers[graph.prefix + call.layer]
    x = map_leaves(context.cast, args[0])
    if layer.spec.floats:
        x = x.astype(context.dtype, copy=False)  # integers too, which other layers get as they are
    if layer.spec is TEXT_VECTORIZATION:
        options = layer.spec.given(layer.config, FORWARD)
        return [context.function(layer)(x, list(context.vocabularies[layer.name]), **options)], [None]
    return _run_layer(context, layer, x, mask, kwargs, node, recorder)


def _operated(graph: Graph, node: Node, operands: list[Any], recorder: Recorder | None) -> Array:
    """The result of an operator, which runs by the reference's own function whatever those of the layers are."""
    kind, config = graph.calls[node].class_name, graph.configs[node[0]]
    layer = Layer(graph.prefix + node[0], kind, config, [], OPERATORS[kind])
    call = layer.spec.call(config)
    result = layer.spec.forward(operands, **call.options) if recorder is None else recorder.call(node, layer, call, operands)
    return np.asarray(result)


def _run_layer(
    context: Context, layer: Layer, x: Any, mask: Any, kwargs: Mapping[str, Any], node: Node, recorder: Recorder | None
) -> tuple[list[Any], list[Any]]:
    """Call a layer function by the contract, and find out the masks of its outputs."""
    spec = layer.spec
    # As in Keras the run alone says whether it is one of training: a ``training`` that the graph gives a call is never heard.
    training = recorder is not None and recorder.training(layer) and spec.acts(layer.config)
    call = spec.call(layer.config, layer.weights, training=training)
    options = dict(call.options)
    if training:
        options["training"] = True
    # As in Keras a call with states does not see the mask that its sequence carries, only one that is an argument; its outputs carry it on.
    unseen = kwargs.get("initial_state") is not None and kwargs.get("mask") is None
    acts = FORWARD in spec.mask_acts or (training and bool(spec.mask_acts))
    if mask is not None and acts and not unseen:
        options["mask"] = mask
    if kwargs.get("initial_state") is not None:
        state = kwargs["initial_state"]
        options["initial_state"] = tuple(context.cast(s) for s in (state if isinstance(state, list) else [state]))
    if recorder is None:
        result = context.function(layer)(x, *call.weights, **options)
    else:
        result = recorder.call(node, layer, replace(call, options=options), x)
    count = spec.output_count(layer.config)
    if spec.normalizes and training and isinstance(result, tuple):
        result = result[0]  # what follows are the new moving statistics, which only a training step keeps
    outputs = list(result) if isinstance(result, tuple) else [result]
    if isinstance(result, tuple) != (count > 1) or len(outputs) != count:
        returned = f"a tuple of {len(outputs)}" if isinstance(result, tuple) else "one array"
        raise TypeError(f"{call.name}_forward returned {returned}, not {count if count > 1 else 'one array'}")
    if "initial_state" in spec.takes:
        config = spec.inner(layer.config)[1] if isinstance(spec, WrapperSpec) else layer.config
        sequences = (2 if layer.config.get("merge_mode", "") is None else 1) if config.get("return_sequences") else 0
        return outputs, [mask] * sequences + [None] * (len(outputs) - sequences)
    return outputs, [_output_mask(context, layer, x, mask)]


def _output_mask(context: Context, layer: Layer, x: Any, mask: Any) -> Any:
    """The mask of a layer's output: what the function for it says, else Keras's rule."""
    spec = layer.spec
    rule = context.find(f"{spec.name}_compute_mask") or spec.compute_mask
    if rule is None:
        return mask if spec.keeps_mask else None
    return rule(x, mask, **spec.given(layer.config, MASK))
