"""The graph of a Keras model: which layer is called on what, as ``config.json`` says it.

A functional model lists its calls (``inbound_nodes``) layer by layer; :func:`build_graph` sorts them so that every
call follows those it depends on. A Sequential model becomes the chain that it is. No layer is computed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.layers import LAYERS, record_of
from reference.layers.operators import OPERATORS
from reference.layers.shapes import Shape
from reference.network.config import MODELS, kind_of
from reference.network.errors import ArchiveError, part, shown
from reference.network.operations import Constant, constant_of

MAX_STRUCTURE = 8
"""How deep the structures of a model's inputs and outputs may be nested."""
LARGEST = {float: float(np.finfo(np.float64).max), int: 2**63 - 1, bool: 1}
"""The largest number of each type that an operand may be."""


@dataclass(frozen=True)
class Ref:
    """One output tensor of one call: the ``keras_history`` of a symbolic tensor."""

    layer: str
    call: int
    output: int

    @property
    def node(self) -> tuple[str, int]:
        """The call alone."""
        return self.layer, self.call


@dataclass(frozen=True)
class Input:
    """An input of a model: its declared shape (the batch first) and dtype."""

    name: str
    shape: Shape
    dtype: str


@dataclass(frozen=True)
class Call:
    """One call of a layer, nested model or operation; in its arguments a :class:`Ref` stands for each tensor.

    A layer or model has one positional argument, its input; all others are in `kwargs`, whatever way they were given. An operator has one
    as well, the list of its operands.
    """

    layer: str
    class_name: str
    args: list[Any]
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class Graph:
    """A model's calls in an order in which they can be run.

    Attributes
    ----------
    prefix : str
        What precedes a layer's name in its path: empty, or the path of the nested model and ``/``.
    inputs, outputs : structures of Ref
        As given to ``keras.Model``: one, a list or a dict.
    specs : dict of layer name to Input
    calls : dict of (layer name, number of the call) to Call
    configs : dict of layer name to configuration
        Of the operations alone.
    models : dict of layer name to Graph
        The nested models.
    """

    prefix: str
    inputs: Any
    outputs: Any
    specs: dict[str, Input]
    calls: dict[tuple[str, int], Call]
    configs: dict[str, dict[str, Any]]
    models: dict[str, Graph]


def build_graph(model: Mapping[str, Any], prefix: str = "") -> Graph:
    """Build the graph of a Sequential or functional model from its configuration (whose layers have been checked).

    Raises
    ------
    ArchiveError
        If a call refers to a tensor that does not exist, or the calls go round in a circle.
    """
    layers = {layer["config"]["name"]: layer for layer in model["config"]["layers"]}
    if model["class_name"] == "Sequential":
        nodes, inputs, outputs = _chain(layers)
    else:
        nodes = {
            (name, number): _call(f"{prefix}{name}", layer, node)
            for name, layer in layers.items()
            for number, node in enumerate(part(layer, "inbound_nodes", list, f"layer {prefix + name!r}"))
        }
        inputs = _endpoints(model["config"]["input_layers"], layers)
        outputs = _endpoints(model["config"]["output_layers"], layers)
    specs = {
        name: Input(name, tuple(layer["config"]["batch_shape"]), str(layer["config"].get("dtype") or "float32"))
        for name, layer in layers.items()
        if layer["class_name"] == "InputLayer"
    }
    where = prefix.rstrip("/") or "the model"
    nested = [name for name, layer in layers.items() if layer["class_name"] in MODELS]
    models = {name: build_graph(layers[name], f"{prefix}{name}/") for name in nested}
    sizes = {name: output_count(kind_of(layer), layer["config"]) for name, layer in layers.items()}
    sizes |= {name: len(leaves(inner.outputs)) for name, inner in models.items()}
    calls = _sorted(nodes, specs, leaves(outputs), sizes, where)
    if {ref.layer for ref in leaves(inputs)} != set(specs) or len(leaves(inputs)) != len(specs):
        raise ArchiveError(f"{where}: its input_layers are not its InputLayers {sorted(specs)}")
    configs = {name: layer["config"] for name, layer in layers.items() if kind_of(layer).startswith("ops.")}
    return Graph(prefix, inputs, outputs, specs, calls, configs, models)


def output_count(class_name: str, config: Mapping[str, Any]) -> int:
    """The number of arrays that a layer returns: more than one for recurrent layers with ``return_state`` alone."""
    return LAYERS[class_name].output_count(config) if class_name in LAYERS else 1


def leaves(structure: Any) -> list[Any]:
    """The leaves of nested lists and dicts, a dict in the order of its keys: so Keras numbers a model's outputs."""
    if isinstance(structure, dict):
        return [leaf for name in sorted(structure) for leaf in leaves(structure[name])]
    if isinstance(structure, list):
        return [leaf for part in structure for leaf in leaves(part)]
    return [structure]


def map_leaves(function: Callable[[Any], Any], structure: Any) -> Any:
    """The same structure with `function` applied to every leaf."""
    if isinstance(structure, dict):
        return {name: map_leaves(function, part) for name, part in structure.items()}
    if isinstance(structure, list):
        return [map_leaves(function, part) for part in structure]
    return function(structure)


def _chain(layers: Mapping[str, Any]) -> tuple[dict[tuple[str, int], Call], Ref, Ref]:
    """The calls of a Sequential model."""
    names = list(layers)
    calls = {
        (name, 0): Call(name, kind_of(layers[name]), [Ref(before, 0, 0)], {}) for before, name in pairwise(names)
    }
    return calls, Ref(names[0], 0, 0), Ref(names[-1], 0, 0)


def _call(path: str, layer: Mapping[str, Any], node: Mapping[str, Any]) -> Call:
    """One of the ``inbound_nodes`` of a layer; ``ArchiveError`` for arguments that its class does not take."""
    kind, name, where = kind_of(layer), layer["config"]["name"], f"layer {path!r}: a call"
    args = [_tensors(value, where) for value in part(node, "args", list, where)]
    kwargs = {str(key): _tensors(value, where) for key, value in part(node, "kwargs", dict, where).items()}
    if kind in OPERATORS:
        return Call(name, kind, [_operands(path, kind, args, kwargs)], {})
    if kind.startswith("ops."):
        _check_operation(path, kind, args)
        return Call(name, kind, args, {})
    record = record_of(kind)
    takes = ("training", "mask") if record is None else record.takes
    named = dict(zip(takes, args[1:], strict=False))
    unknown = sorted(set(kwargs) - {*takes, "training", "mask"}) + sorted(set(kwargs) & set(named))
    if not args or len(args) > 1 + len(takes) or unknown:
        raise ArchiveError(f"layer {path!r}: a call of {kind} does not take {len(args)} arguments and {shown(sorted(kwargs))}")
    inputs, merges = leaves(args[0]), kind in LAYERS and LAYERS[kind].merges
    if not inputs or not all(isinstance(leaf, Ref) for leaf in inputs):
        raise ArchiveError(f"layer {path!r}: the input of a call is {shown(args[0])}, not a tensor")
    if kind not in MODELS and (not isinstance(args[0], list) if merges else not isinstance(args[0], Ref)):
        raise ArchiveError(f"layer {path!r}: a call of {kind} takes {'a list of tensors' if merges else 'one tensor'}")
    call = Call(name, kind, args[:1], named | kwargs)
    _check_keywords(path, call)
    return call


def _check_keywords(path: str, call: Call) -> None:
    """The arguments of a call beside its input are tensors where arrays are taken, and a bool for ``training``."""
    for key in ("mask", "initial_state"):
        given = call.kwargs.get(key)
        one = key == "mask" and isinstance(call.args[0], Ref) and call.class_name not in MODELS
        if not all(leaf is None or isinstance(leaf, Ref) for leaf in ([given] if one else leaves(given))):
            raise ArchiveError(f"layer {path!r}: {key} is {shown(given)}, not a tensor")
    mask = call.kwargs.get("mask")
    if mask is not None and isinstance(call.args[0], list) and (not isinstance(mask, list) or len(mask) != len(call.args[0])):
        raise ArchiveError(f"layer {path!r}: mask is {shown(mask)}, not a list of one mask for each input")
    training = call.kwargs.get("training")
    if not (training is None or isinstance(training, bool)):
        raise ArchiveError(f"layer {path!r}: training is {shown(training)}, not True or False")


def _operands(path: str, kind: str, args: list[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """The operands of an operator: tensors, numbers and arrays, at least one of them a tensor; of ``concatenate`` tensors alone."""
    joins = kind == "ops.Concatenate"
    operands = args[0] if joins and len(args) == 1 and isinstance(args[0], list) else args
    kinds = (Ref,) if joins else (Ref, Constant, int, float)
    fit = all(isinstance(one, kinds) and (not isinstance(one, float | int) or abs(one) <= LARGEST[type(one)]) for one in operands)
    alone = not any(isinstance(one, Ref) for one in operands)
    if kwargs or not fit or alone or (operands is args if joins else len(args) != 2):
        wanted = "a list of tensors" if joins else "two operands, tensors or finite numbers, at least one of them a tensor"
        raise ArchiveError(f"layer {path!r}: the operator {kind} takes {wanted}")
    return operands


def _check_operation(path: str, kind: str, args: list[Any]) -> None:
    """The arguments of an operation on masks: tensors, or a number to compare with."""
    both = kind in ("ops.NotEqual", "ops.LogicalOr")
    values = args
    if kind == "ops.NotEqual" and len(args) == 2 and isinstance(args[1], int | float):
        values = args[:1]
    if len(args) != 1 + both or not values or not all(isinstance(value, Ref) for value in values):
        raise ArchiveError(f"layer {path!r}: a call of {kind} does not take {shown(args)}")


def _tensors(value: Any, where: str, depth: int = 0) -> Any:
    """Serialised arguments of a call, with a Ref for each symbolic tensor."""
    if depth > MAX_STRUCTURE:
        raise ArchiveError(f"{where} has arguments that are nested more than {MAX_STRUCTURE} deep")
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return _ref(part(part(value, "config", dict, where), "keras_history", list, where))
        if value.get("class_name") in ("__numpy__", "__tensor__"):
            return constant_of(part(value, "config", dict, where), where)
        if "class_name" in value or "module" in value:
            raise ArchiveError(f"{where} takes a {shown(value.get('class_name'))}, which is not supported")
        return {str(name): _tensors(one, where, depth + 1) for name, one in value.items()}
    return [_tensors(one, where, depth + 1) for one in value] if isinstance(value, list) else value


def _endpoints(value: Any, layers: Mapping[str, Any], depth: int = 0) -> Any:
    """The structure of ``input_layers`` or ``output_layers``, with a Ref for each ``[layer, call, output]``."""
    if depth > MAX_STRUCTURE:
        raise ArchiveError(f"the inputs or outputs of the model are nested more than {MAX_STRUCTURE} deep")
    if isinstance(value, dict):
        return {str(name): _endpoints(one, layers, depth + 1) for name, one in value.items()}
    if not isinstance(value, list):
        raise ArchiveError(f"{shown(value)} is no structure of a model's inputs or outputs")
    if len(value) == 3 and isinstance(value[0], str):
        ref = _ref(value)
        # Keras counts the calls of a nested functional model from 1 here, and from 0 everywhere else.
        functional = ref.layer in layers and layers[ref.layer]["class_name"] == "Functional"
        return Ref(ref.layer, ref.call - 1, ref.output) if functional else ref
    return [_endpoints(one, layers, depth + 1) for one in value]


def _ref(history: Any) -> Ref:
    layer, call, output = history if isinstance(history, list) and len(history) == 3 else (None, None, None)
    if not isinstance(layer, str) or type(call) is not int or type(output) is not int or output < 0:
        raise ArchiveError(f"{shown(history)} is not a tensor of a layer")
    return Ref(layer, call, output)


def _sorted(
    nodes: Mapping[tuple[str, int], Call],
    specs: Mapping[str, Input],
    outputs: list[Ref],
    sizes: Mapping[str, int],
    where: str,
) -> dict[tuple[str, int], Call]:
    """The calls in an order in which each follows those whose outputs it takes."""
    if not outputs:
        raise ArchiveError(f"{where}: the graph has no outputs")
    arguments = {node: leaves([call.args, call.kwargs]) for node, call in nodes.items()}
    taken = {node: [leaf for leaf in given if isinstance(leaf, Ref)] for node, given in arguments.items()}
    for ref in [*outputs, *(ref for refs in taken.values() for ref in refs)]:
        missing = None
        if ref.node not in nodes and not (ref.layer in specs and ref.call == 0):
            missing = f"call {ref.call}"
        elif ref.output >= sizes[ref.layer]:
            missing = f"output {ref.output}"
        if missing:
            raise ArchiveError(f"{where}: the graph refers to {missing} of layer {shown(ref.layer)}, which does not exist")
    before = {node: [ref.node for ref in refs] for node, refs in taken.items()}
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError as error:
        names = [name for name, _ in error.args[1]]
        raise ArchiveError(f"{where}: the graph has a cycle through the layers {shown(names)}") from None
    return {node: nodes[node] for node in order if node in nodes}


def match_structure(structure: Any, given: Any, *, masks: bool = False) -> dict[str, Any]:
    """The values given for a model's inputs, by the name of the input.

    Parameters
    ----------
    structure : structure of Ref
        The inputs of the model.
    given : array, list or dict
        In the same structure; a dict by input name fits every model, and a bare array a model with one input.
    masks : bool
        The values are masks: whatever is not there is None.

    Raises
    ------
    ValueError
        If the structures do not fit; the sentence lists the inputs.
    """
    names = [ref.layer for ref in leaves(structure)]
    if masks and given is None:
        return dict.fromkeys(names)
    if isinstance(given, dict) and not isinstance(structure, dict) and set(names) <= set(given):
        return {name: given[name] for name in names}
    if isinstance(structure, dict):
        if isinstance(given, dict) and set(structure) <= set(given):
            return _merged(match_structure(part, given[name], masks=masks) for name, part in structure.items())
    elif isinstance(structure, list):
        if isinstance(given, list | tuple) and len(given) == len(structure):
            return _merged(
                match_structure(part, value, masks=masks) for part, value in zip(structure, given, strict=True)
            )
        if len(structure) == 1:
            return match_structure(structure[0], given, masks=masks)
    elif not isinstance(given, dict):
        single = isinstance(given, list | tuple) and len(given) == 1 and hasattr(given[0], "shape")
        return {structure.layer: given[0] if single else given}
    raise ValueError(f"the model takes the inputs {names}; {_described(given)} does not fit")


def with_float_inputs(graph: Graph, dtype: np.dtype[Any]) -> Graph:
    """The same graph, whose inputs of floats, those of nested models included, are declared in another dtype."""
    specs = {name: replace(spec, dtype=dtype.name) if is_floating(spec) else spec for name, spec in graph.specs.items()}
    return replace(graph, specs=specs, models={name: with_float_inputs(model, dtype) for name, model in graph.models.items()})


def is_floating(spec: Input) -> bool:
    """Whether an input takes floats."""
    return spec.dtype.startswith(("float", "bfloat"))


def as_input(spec: Input, value: Any) -> NDArray[Any]:
    """`value` as the declared input: of its rank, shape and dtype.

    As in Keras, a last axis of length 1 may be left out or be too many, and values are converted to the declared dtype, which may be
    coarser than that of the layers. (Of bfloat16, which NumPy has not, there are the values in float32.)

    Raises
    ------
    ValueError
        If the shape does not fit; the sentence names the input and both shapes.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"input {spec.name!r} is no array ({error})") from None
    shape = fit_shape(spec.name, spec.shape, array.shape)
    array = array.reshape(array.shape[0], *(size or 0 for size in shape[1:]))
    if spec.dtype == "string":
        return array
    if array.dtype.kind not in "fiub":
        raise ValueError(f"input {spec.name!r} takes {spec.dtype} numbers, got an array of {array.dtype}")
    return _as_bfloat16(array.astype(np.float32)) if spec.dtype == "bfloat16" else array.astype(spec.dtype, copy=False)


def _as_bfloat16(array: NDArray[Any]) -> NDArray[Any]:
    """The nearest numbers of 8 binary digits, those of even ones where two are as near."""
    bits = array.view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    return np.where(np.isfinite(array), rounded, array)


def fit_shape(name: str, declared: Shape, shape: Shape) -> Shape:
    """The shape in which an input is taken; ``ValueError`` names the input if the one given does not fit the declared one."""
    given = shape
    if len(shape) == len(declared) - 1 and declared[-1] == 1:
        given = (*shape, 1)
    elif len(shape) == len(declared) + 1 and shape[-1] == 1:
        given = shape[:-1]
    pairs = list(zip(declared[1:], given[1:], strict=False))
    if not given or len(given) != len(declared) or any(None not in (want, have) and want != have for want, have in pairs):
        raise ValueError(f"input {name!r} takes arrays of the shape {(None, *declared[1:])}, got {shape}")
    return (given[0], *(want if have is None else have for want, have in pairs))


def _merged(parts: Iterator[dict[str, Any]]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}


def _described(given: Any) -> str:
    if isinstance(given, dict):
        return f"a dict of {list(given)}"
    shape = given.shape if hasattr(given, "shape") else np.shape(given)
    return f"a list of {len(given)}" if isinstance(given, list | tuple) else f"an array of the shape {shape}"
