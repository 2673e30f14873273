"""A model as the inside of the package sees it: a graph of layers with weights, that computes.

Training changes its weights and saving writes them; what a user does with a model besides is :class:`reference.models.Model`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from reference._arrays import Array
from reference.network.execution import Context, Layer, frozen, run_graph
from reference.network.graph import Graph, Ref, as_input, leaves, map_leaves, match_structure, with_float_inputs
from reference.network.parallel import in_threads, shares
from reference.network.shapes import GraphShapes, infer_shapes

AnyNetwork = TypeVar("AnyNetwork", bound="Network")
"""A function that is given a model returns one of the same class."""

MAX_BATCH_NUMBERS = 2**28
"""Most numbers that the outputs of all layers may take for the samples computed at once: 1 GiB in float32."""


@dataclass(frozen=True, repr=False)
class Network:
    """Layers with weights, called as a graph says, by given layer functions.

    Attributes
    ----------
    graph : Graph
        What is called on what.
    context : Context
        The layers, the functions and the dtype.
    config : dict
        The configuration, in the form of ``config.json`` of a ``.keras`` archive.
    threaded : bool
        Whether the functions may be called by several threads at once; those of the reference may.
    """

    graph: Graph
    context: Context
    config: dict[str, Any] = field(default_factory=dict)
    threaded: bool = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.layers)} layers, {self.parameters:,} parameters, {self.dtype}>"

    @property
    def layers(self) -> list[Layer]:
        """The layers that compute, each once; a layer ``dense`` of a nested model ``encoder`` is ``encoder/dense``."""
        return [layer for path, layer in self.context.layers.items() if path == layer.name]

    @property
    def weights(self) -> dict[str, list[Array]]:
        """The weights of every layer by its path, in the order of ``get_weights()``."""
        return {layer.name: layer.weights for layer in self.layers}

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype in which the model computes."""
        return self.context.dtype

    @property
    def parameters(self) -> int:
        """The number of weights, each layer counted once however often it is called."""
        return sum(weight.size for layer in self.layers for weight in layer.weights)

    def with_weights(self, weights: Mapping[str, Sequence[Array]]) -> Self:
        """The same model with other weights, given as :attr:`weights` gives them."""
        layers = {path: layer._replace(weights=[frozen(one) for one in weights[layer.name]]) for path, layer in self.context.layers.items()}
        return replace(self, context=replace(self.context, layers=layers))

    def astype(self, dtype: DTypeLike) -> Self:
        """The same model computing in another floating dtype; float64 shows how large float32 errors are."""
        model = self.with_weights({path: [one.astype(dtype) for one in arrays] for path, arrays in self.weights.items()})
        graph = with_float_inputs(model.graph, np.dtype(dtype))
        return replace(model, graph=graph, context=replace(model.context, dtype=np.dtype(dtype)))

    def predict(self, x: Any, batch_size: int = 256) -> Any:
        """The outputs for `x`, computed `batch_size` samples at a time.

        Parameters
        ----------
        x : array, or list or dict of arrays
            As the model's inputs; a dict of arrays by input name is always accepted. An empty batch is legal.
        batch_size : int
            How many samples are computed at once, fewer if they take much memory; the result does not depend on it.

        Returns
        -------
        An array for a single output, otherwise the list or dict of arrays that the model was made with.

        Raises
        ------
        ValueError
            If an input is missing or has another shape than the model declares (both are named), or a layer cannot take
            what follows from it.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be positive, got {batch_size}")
        inputs, found = self.as_inputs(x)
        batch_size = min(batch_size, max(1, MAX_BATCH_NUMBERS // max(1, found.numbers)))
        samples = len(next(iter(inputs.values())))
        parts = []
        for start in range(0, max(samples, 1), batch_size):
            stop = min(start + batch_size, samples)
            places = shares(start, stop, found.numbers) if self.threaded else [slice(start, stop)]
            parts += in_threads(functools.partial(self._outputs, inputs), places)
        whole = {ref: np.concatenate([part[ref] for part in parts]) for ref in parts[0]}
        outputs = map_leaves(whole.__getitem__, self.graph.outputs)
        return outputs[0] if isinstance(outputs, list) and len(outputs) == 1 else outputs

    def predict_proba(self, x: Any, batch_size: int = 256) -> Array:
        """Class probabilities: a softmax output as it is, a single sigmoid unit ``p`` as two columns, ``[1 - p, p]``.

        Raises
        ------
        ValueError
            If the model does not end in one softmax output or one sigmoid unit.
        """
        activation = self._last_activation(self.graph)
        if activation not in ("softmax", "sigmoid"):
            raise ValueError(f"no probabilities: the model ends in {activation}, not in softmax or one sigmoid unit")
        p = self.predict(x, batch_size)
        if p.ndim != 2 or (activation == "sigmoid" and p.shape[1] != 1):
            raise ValueError(f"no probabilities: the {activation} output has the shape {p.shape}")
        return np.asarray(p) if activation == "softmax" else np.concatenate([1 - p, p], axis=1)

    def activations(self, x: Any) -> dict[str, Any]:
        """The output of every layer for `x` as one batch, in the order computed.

        Layers go by their path, and the second call of a shared layer ``name`` is ``name[1]``.
        """
        trace: dict[str, Any] = {}
        run_graph(self.context, self.graph, self.as_inputs(x)[0], {}, trace)
        return trace

    def as_inputs(self, x: Any) -> tuple[dict[str, Array], GraphShapes]:
        """Arrays by input name, of the declared shape and dtype and of one batch size; and the shapes that follow from them."""
        given = match_structure(self.graph.inputs, x)
        inputs = {name: as_input(spec, given[name]) for name, spec in self.graph.specs.items()}
        sizes = {name: len(value) for name, value in inputs.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"the inputs have different numbers of samples: {sizes}")
        found = infer_shapes(self.graph, self.context.layers, {name: (None, *value.shape[1:]) for name, value in inputs.items()})
        found.check()
        return inputs, found

    def _outputs(self, inputs: Mapping[str, Array], rows: slice) -> dict[Ref, Array]:
        """The outputs for some of the samples."""
        values, _ = run_graph(self.context, self.graph, {name: value[rows] for name, value in inputs.items()}, {})
        return {ref: values[ref] for ref in leaves(self.graph.outputs)}

    def _last_activation(self, graph: Graph) -> str:
        """The activation of the layer that makes the only output, or in words why there is none."""
        outputs = leaves(graph.outputs)
        if len(outputs) != 1 or isinstance(graph.outputs, dict):
            return "several outputs"
        name = outputs[0].layer
        if name in graph.models:
            return self._last_activation(graph.models[name])
        layer = self.context.layers.get(graph.prefix + name)
        if layer is None:
            return "its own input"
        return str(layer.config.get("activation") or f"a {layer.class_name} layer without activation")
