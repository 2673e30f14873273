"""The backward pass of a whole model, by the graph that the forward pass ran.

A :class:`Tape` takes part in :func:`.execution.run_graph`: it calls each layer's ``_xyz_run`` and keeps what that saved. Backward,
the calls come in reverse order; each turns the gradient of its outputs into those of its inputs and weights, and gradients of what was
used several times add up. No forward pass runs twice.

Where a loss is computed from the logits below a softmax or sigmoid, its gradient enters there (see :mod:`reference.losses.crossentropy`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference.layers.spec import EndsInActivation, LayerCall
from reference.network.execution import Layer, Node, Recorder
from reference.network.graph import Graph, Ref, leaves, match_structure
from reference.optimizers.step import Gradient, dense

Array = NDArray[Any]
Gradients = dict[Ref, Array]


class Step(NamedTuple):
    """One call of a layer.

    Attributes
    ----------
    outputs : int
    first : bool
        Whether it is called on an input of the model, whose gradient nobody needs.
    saved : object
        What its gradients need.
    """

    layer: Layer
    outputs: int
    first: bool
    saved: Any


class NestedRun(NamedTuple):
    """One call of a nested model: its graph, its own tape, the shapes of the values it was called on."""

    graph: Graph
    tape: Tape
    shapes: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Tape(Recorder):
    """The record of one run of a graph.

    Attributes
    ----------
    graph : Graph
    acts : callable
        Whether a layer is in training.
    random : callable
        From the path of a call and its layer to the options that decide what is dropped: masks, or a seed.
    prefix : str
        What precedes the name of a layer in the path of a call: the second call of ``dense`` in a nested model is ``encoder/dense[1]``.
    steps : dict of call to Step or NestedRun
    moved : dict of layer path to weights
        New moving statistics, ``(mean, variance)``.
    """

    graph: Graph
    acts: Callable[[Layer], bool]
    random: Callable[[str, Layer], dict[str, Any]]
    prefix: str = ""
    steps: dict[Node, Step | NestedRun] = field(default_factory=dict)
    moved: dict[str, tuple[Array, Array]] = field(default_factory=dict)

    def training(self, layer: Layer) -> bool:
        """Whether a layer that acts otherwise in training does so."""
        return self.acts(layer)

    def call(self, node: Node, layer: Layer, call: LayerCall, x: Any) -> Any:
        """Call ``_xyz_run`` and keep what it saved."""
        weights, options = call.weights, call.options
        training, normalizes = bool(options.get("training")), layer.spec.normalizes
        if training and not normalizes:
            options = options | self.random(f"{self.prefix}{numbered(node)}", layer)
        if normalizes and layer.name in self.moved:
            # A layer that is called again goes on with the statistics that its last call left.
            weights = (*weights[:2], *self.moved[layer.name])
        result, saved = layer.spec.run(x, *weights, **options)
        if normalizes and training:
            self.moved[layer.name] = result[1:]
        first = not self.prefix and all(ref.layer in self.graph.specs for ref in _refs(self.graph.calls[node].args[0]))
        self.steps[node] = Step(layer, layer.spec.output_count(layer.config), first, saved)
        return result

    def nested(self, node: Node, inputs: Mapping[str, Any]) -> Tape:
        """A tape for the run of a nested model."""
        graph = self.graph.models[node[0]]
        tape = replace(self, graph=graph, prefix=f"{self.prefix}{numbered(node)}/", steps={})
        self.steps[node] = NestedRun(graph, tape, {name: np.shape(value) for name, value in inputs.items()})
        return tape

    def logits(self, ref: Ref) -> Array | None:
        """What the softmax or sigmoid that made an output was applied to; None where the output was made otherwise."""
        step = self.steps.get(ref.node)
        if isinstance(step, NestedRun):
            return step.tape.logits(leaves(step.graph.outputs)[ref.output])
        at_logits = None if step is None else _below_activation(step)
        return None if at_logits is None else at_logits[0]

    def backward(self, gradients: Gradients, of_logits: Gradients, found: dict[str, list[Gradient | None]]) -> Gradients:
        """Go back through all calls.

        Parameters
        ----------
        gradients : dict of Ref to array
            Of the loss by the graph's outputs.
        of_logits : dict of Ref to array
            By the logits of outputs, see :meth:`logits`.
        found : dict of layer path to list
            Receives the gradients of the weights, in the order of ``get_weights()``.

        Returns
        -------
        The gradients of the graph's inputs, of those that have one.
        """
        gradients = dict(gradients)
        for node, call in reversed(self.graph.calls.items()):
            step = self.steps.get(node)
            if step is None:
                continue
            size = step.outputs if isinstance(step, Step) else len(leaves(step.graph.outputs))
            refs = [Ref(*node, index) for index in range(size)]
            grads, logits = [gradients.pop(ref, None) for ref in refs], [of_logits.get(ref) for ref in refs]
            if all(one is None for one in grads + logits):
                continue
            if isinstance(step, NestedRun):
                names = match_structure(step.graph.inputs, call.args[0])
                for name, gradient in _through_model(step, grads, logits, found).items():
                    _add(gradients, names[name], gradient)
                continue
            grad_x, grad_states = _through_layer(step, grads, logits[0], found)
            for ref, back in zip(leaves(call.args[0]), grad_x, strict=True):
                if isinstance(ref, Ref):  # an operand may be a number
                    _add(gradients, ref, back)
            for ref, back in zip(leaves(call.kwargs.get("initial_state")), grad_states, strict=False):
                _add(gradients, ref, back)
        return gradients


def _refs(structure: Any) -> list[Ref]:
    """The tensors among the arguments of a call."""
    return [leaf for leaf in leaves(structure) if isinstance(leaf, Ref)]


def numbered(node: Node) -> str:
    """The name of a call: that of its layer, and from the second one on its number."""
    name, number = node
    return f"{name}[{number}]" if number else name


def _add(gradients: Gradients, ref: Ref, gradient: Array | None) -> None:
    if gradient is not None:
        gradients[ref] = gradients[ref] + gradient if ref in gradients else gradient


def _through_model(
    step: NestedRun, grads: Sequence[Array | None], logits: Sequence[Array | None], found: dict[str, list[Gradient | None]]
) -> dict[str, Array]:
    """The gradients of a nested model's inputs, by their names, in the shapes of what was given for them."""
    given: tuple[Gradients, Gradients] = ({}, {})
    for ref, *both in zip(leaves(step.graph.outputs), grads, logits, strict=True):
        for gradients, gradient in zip(given, both, strict=True):
            _add(gradients, ref, gradient)
    back = step.tape.backward(*given, found)
    names = {ref: ref.layer for ref in leaves(step.graph.inputs)}
    return {names[ref]: gradient.reshape(step.shapes[names[ref]]) for ref, gradient in back.items() if ref in names}


def _through_layer(
    step: Step, grads: Sequence[Array | None], of_logits: Array | None, found: dict[str, list[Gradient | None]]
) -> tuple[list[Array | None], list[Array | None]]:
    """The gradients of a layer's inputs and initial states; those of its weights are added to what was found."""
    parts = []
    if any(one is not None for one in grads):
        parts.append(_gradients(step, grads[0] if step.outputs == 1 else tuple(grads), None))
    at_logits = None if of_logits is None else _below_activation(step)
    if at_logits is not None:
        parts.append(_gradients(step, of_logits, at_logits[1]))
    grad_x, grad_weights, grad_states = parts[0]
    for other_x, other_weights, _ in parts[1:]:
        grad_x = [add_gradients(one, other) for one, other in zip(grad_x, other_x, strict=True)]
        grad_weights = [add_gradients(one, other) for one, other in zip(grad_weights, other_weights, strict=True)]
    if grad_weights:
        before = found.get(step.layer.name, [None] * len(grad_weights))
        found[step.layer.name] = [add_gradients(one, other) for one, other in zip(before, grad_weights, strict=True)]
    return grad_x, grad_states


def _gradients(step: Step, grad_output: Any, below: Callable[..., Any] | None) -> tuple[list[Any], list[Any], list[Any]]:
    """The gradients of the inputs, of the weights in the order of ``get_weights()``, and of the initial states.

    `below` are the gradients of the layer without the activation at its end, where `grad_output` enters there.
    """
    spec, config = step.layer.spec, step.layer.config
    unneeded = {"of_input": False} if step.first and spec.input_apart else {}
    if below is not None:
        return spec.sort_gradients(config, below(grad_output, **unneeded))
    return spec.back(config, step.saved, grad_output, **unneeded)


def add_gradients(one: Any, other: Any) -> Any:
    """The sum of two gradients, either of which may be None; rows stay rows unless an array comes to them."""
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, tuple) and isinstance(other, tuple):
        return np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])
    like = other if isinstance(one, tuple) else one
    return dense(one, like) + dense(other, like)


def _below_activation(step: Step) -> tuple[Array, Callable[..., Any]] | None:
    """What the softmax or sigmoid at the end of a layer was applied to, and its gradients without it; None where there is none."""
    return step.saved.logits() if isinstance(step.saved, EndsInActivation) else None
