"""The shapes of everything in a graph: a run of the model with shapes in place of arrays.

It tells the shape of every layer's input, from which those of its weights follow, and finds out layers that do not fit each other and
models that would take more memory than any of their data justify, before a single array is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from reference.layers import record_of
from reference.layers.operators import OPERATORS
from reference.layers.shapes import Shape, broadcast, size_of
from reference.layers.spec import FORWARD, LayerSpec, spec_of
from reference.network.config import MODELS
from reference.network.graph import Call, Graph, Ref, fit_shape, leaves, map_leaves, match_structure
from reference.network.operations import Constant

MAX_NUMBERS = 2**28
"""Most numbers that one sample may take, in the outputs of all layers together."""
MAX_TENSORS = 50_000
"""Most tensors that the calls of one run may take; a nested model may be called many times, and so on within it."""
MAX_STEPS = 2**18
"""Most steps that the recurrent layers of one run may take together."""
MAX_RANK = 32
"""Most axes of an array, as many as NumPy 1 has."""


class Described(Protocol):
    """What is known of a layer: its class and configuration."""

    @property
    def class_name(self) -> str:
        """Keras's class."""

    @property
    def config(self) -> dict[str, Any]:
        """Keras's configuration."""


@dataclass
class GraphShapes:
    """What a run with shapes found.

    Attributes
    ----------
    inputs : dict of layer path to tuples of Shape
        The shapes of the inputs of every layer, once for each that differs, in the order of the calls.
    numbers : int
        How many numbers one sample takes in the outputs of all layers together; sizes that are not known count as 1.
    largest : str
        The layer that takes most of them.
    steps : int
        How many steps the recurrent layers take.
    outputs : list of Shape
        Of the model, in the order of its leaves.
    tensors : dict of (prefix of the graph, Ref) to Shape
        The shapes of the inputs of every graph and of all that its calls give, as they were last found.
    """

    inputs: dict[str, dict[tuple[Shape, ...], None]] = field(default_factory=dict)
    numbers: int = 0
    largest: str = ""
    steps: int = 0
    outputs: list[Shape] = field(default_factory=list)
    tensors: dict[tuple[str, Ref], Shape] = field(default_factory=dict)
    _most: int = 0

    def add(self, path: str, numbers: int) -> None:
        """Count what one call of a layer gives."""
        self.numbers += numbers
        if numbers > self._most:
            self.largest, self._most = path, numbers

    def check(self) -> None:
        """Raise ``ValueError`` if one sample takes more than :data:`MAX_NUMBERS` numbers or :data:`MAX_STEPS` steps."""
        if self.steps > MAX_STEPS:
            raise ValueError(f"the recurrent layers of the model take more than the {MAX_STEPS} steps allowed")
        if self.numbers > MAX_NUMBERS:
            raise ValueError(f"layer {self.largest!r}: one sample takes more than the {MAX_NUMBERS} numbers allowed in all layers together")


def infer_shapes(graph: Graph, layers: Mapping[str, Described], inputs: Mapping[str, Shape] | None = None) -> GraphShapes:
    """Run a graph with shapes.

    Parameters
    ----------
    graph : Graph
    layers : mapping of path to layer
        All layers but the models, those within nested ones included.
    inputs : mapping of input name to Shape, optional
        The declared ones by default.

    Raises
    ------
    ValueError
        If a layer cannot take its input, or too many calls follow from the nesting; the sentence names the layer.
    """
    if (tensors := _count_tensors(graph)) > MAX_TENSORS:
        raise ValueError(f"the calls of one run, those within nested models included, take {tensors} tensors, more than {MAX_TENSORS}")
    found = GraphShapes()
    declared = {name: spec.shape for name, spec in graph.specs.items()}
    found.outputs = _run(graph, layers, {**declared, **(inputs or {})}, found)
    return found


def _count_tensors(graph: Graph) -> int:
    """The tensors that the calls of one run take; big numbers cost nothing, as every nested model is looked at once."""
    inner = {name: _count_tensors(model) for name, model in graph.models.items()}
    return sum(len(leaves(call.args)) + inner.get(name, 0) for (name, _), call in graph.calls.items())


def _run(graph: Graph, layers: Mapping[str, Described], inputs: Mapping[str, Shape], found: GraphShapes) -> list[Shape]:
    """The shapes of the outputs of a graph, in the order of its leaves."""
    shapes = {Ref(name, 0, 0): shape for name, shape in inputs.items()}
    for (name, number), call in graph.calls.items():
        try:
            outputs = _call(graph, call, layers, shapes, found)
            shapes |= {Ref(name, number, index): shape for index, shape in enumerate(outputs)}
            found.add(graph.prefix + name, sum(map(size_of, outputs)))
        except ValueError as error:
            if str(error).startswith("layer "):
                raise
            raise ValueError(f"layer {graph.prefix + name!r} ({call.class_name}): {error}") from None
    found.tensors |= {(graph.prefix, ref): shape for ref, shape in shapes.items()}
    return [shapes[ref] for ref in leaves(graph.outputs)]


def _call(graph: Graph, call: Call, layers: Mapping[str, Described], shapes: Mapping[Ref, Shape], found: GraphShapes) -> list[Shape]:
    """The shapes of the outputs of one call."""
    if call.class_name in OPERATORS:
        return [_operator(call, graph.configs[call.layer], _shapes_of(call.args[0], shapes))]
    if call.class_name.startswith("ops."):
        return [_operation(call.class_name, graph.configs[call.layer], _shapes_of(call.args, shapes))]
    given = _shapes_of(call.args[0], shapes)
    if call.class_name in MODELS:
        inner = graph.models[call.layer]
        by_name = match_structure(inner.inputs, map_leaves(_Leaf, given))
        match_structure(inner.inputs, call.kwargs.get("mask"), masks=True)
        fitted = {name: fit_shape(name, spec.shape, by_name[name].shape) for name, spec in inner.specs.items()}
        return _run(inner, layers, fitted, found)
    path = graph.prefix + call.layer
    taken = tuple(given) if isinstance(given, list) else (given,)
    found.inputs.setdefault(path, {})[taken] = None
    spec, config = record_of(call.class_name) or spec_of(call.class_name), layers[path].config
    found.steps += spec.steps(config, taken[0])
    _check_states(call, spec.state_widths(config), shapes)
    _check_mask(call, spec, taken, shapes)
    return spec.output_shapes(config, taken)


@dataclass(frozen=True)
class _Leaf:
    """What stands for an array where structures are matched."""

    shape: Shape


def _shapes_of(value: Any, shapes: Mapping[Ref, Shape]) -> Any:
    def shape(leaf: Any) -> Shape:
        return shapes[leaf] if isinstance(leaf, Ref) else leaf.value.shape if isinstance(leaf, Constant) else ()

    return map_leaves(shape, value)


def _check_mask(call: Call, spec: LayerSpec, taken: Sequence[Shape], shapes: Mapping[Ref, Shape]) -> None:
    """A mask that a call names has a value for every sample and step of its input."""
    mask = call.kwargs.get("mask")
    acts = FORWARD in spec.mask_acts
    if acts and spec.keeps_mask:  # that of Softmax, aligned from the last axis, with axes of 1 anywhere
        return
    for one, shape in zip(mask if isinstance(mask, list) else [mask], taken, strict=False):
        if one is None:
            continue
        sizes = list(zip(shapes[one], shape, strict=False))
        if (acts and len(sizes) < 2) or any(None not in pair and pair[0] not in (1, pair[1]) for pair in sizes):
            raise ValueError(f"a mask of the shape {shapes[one]} does not fit an input of the shape {shape}")


def _check_states(call: Call, wanted: Sequence[int], shapes: Mapping[Ref, Shape]) -> None:
    """Initial states fit the layer: as many as it has, each of the width of its units."""
    given = call.kwargs.get("initial_state")
    if given is None:
        return
    states = [shapes[ref] for ref in leaves(given)]
    if len(states) != len(wanted) or any(
        len(state) != 2 or state[1] not in (None, units) for state, units in zip(states, wanted, strict=True)
    ):
        raise ValueError(f"its states are {len(wanted)} arrays of the widths {wanted}, initial_state has the shapes {states}")


def _operator(call: Call, config: Mapping[str, Any], shapes: list[Shape]) -> Shape:
    """The shape that an operator gives; the batch of a tensor must meet nothing but other batches."""
    rank = max(map(len, shapes))
    for operand, shape in zip(call.args[0], shapes, strict=True):
        if (len(shape) < rank) if isinstance(operand, Ref) else (len(shape) == rank and shape[0] != 1):
            raise ValueError(f"operands of the shapes {', '.join(map(str, shapes))}: the batch of one meets another axis")
    return OPERATORS[call.class_name].output_shapes(config, shapes)[0]


def _operation(class_name: str, config: Mapping[str, Any], shapes: list[Any]) -> Shape:
    """The shape that an operation on masks gives; a number among its arguments has the shape ``()``."""
    if class_name not in ("ops.ExpandDims", "ops.Any"):
        return broadcast(shapes)
    axis, keepdims, (shape, *_) = config.get("axis"), config.get("keepdims", False), shapes
    if type(axis) is not int or not isinstance(keepdims, bool | None):
        raise ValueError(f"axis={axis!r} and keepdims={keepdims!r} are not options of an operation on masks")
    rank = len(shape) + (class_name == "ops.ExpandDims")
    if rank > MAX_RANK:
        raise ValueError(f"an array of {rank} axes is more than the {MAX_RANK} allowed")
    if not -rank <= axis < rank or axis % rank == 0:
        raise ValueError(f"axis {axis} is no axis of an array of the shape {shape} beside the batch")
    place = axis % rank
    if class_name == "ops.ExpandDims":
        return (*shape[:place], 1, *shape[place:])
    return (*shape[:place], *([1] if keepdims else []), *shape[place + 1 :])
