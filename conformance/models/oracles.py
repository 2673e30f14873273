"""What an implementation of a whole model is compared with: Keras, or the reference where Keras cannot run the file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from conformance.base.arrays import Array
from conformance.models.bounds import bounds, names_in, response_bounds
from conformance.models.walk import walk
from conformance.oracle.environment import import_keras
from conformance.oracle.live.activations import Traced, final_activation, keras_activations, watched_outputs
from conformance.oracle.live.whole_model import Fed, asking, batches, outputs_of, part
from reference.models import Model
from reference.network.execution import run_graph
from reference.network.graph import Graph, leaves

BATCH_SIZE = 256


class ModelOracle(Protocol):
    """The right answers about one model."""

    @property
    def name(self) -> str:
        """What it is called in a sentence."""

    @property
    def version(self) -> str:
        """What it is called in the table of what was compared."""

    def outputs(self, x: Fed) -> list[Array]:
        """Every output of the model for `x`."""

    def output_bounds(self, x: Fed) -> list[float]:
        """The largest difference of each output that float32 arithmetic explains."""

    def activations(self, x: Fed) -> Callable[[Fed], dict[str, Traced]]:
        """A function from a batch like `x` to what the layers answer to it, by path."""

    def layer_bounds(self, x: Fed, batch_size: int) -> list[float]:
        """As :meth:`output_bounds`, of the outputs of all layers in a row."""

    def final_activation(self) -> str | None:
        """The activation that makes the only output of the model, if there is one."""


@dataclass(frozen=True)
class KerasOracle:
    """Keras's own model."""

    model: Any
    name: str = "Keras"

    @property
    def version(self) -> str:
        """With its version."""
        return f"Keras {import_keras().__version__}"

    def outputs(self, x: Fed) -> list[Array]:
        """Keras's own answer."""
        ask = asking(self.model, outputs_of, x)
        return _joined([ask(batch) for batch in batches(x, BATCH_SIZE)])

    def output_bounds(self, x: Fed) -> list[float]:
        """By :func:`.bounds.bounds`."""
        return bounds(self.model, outputs_of, x)

    def activations(self, x: Fed) -> Callable[[Fed], dict[str, Traced]]:
        """Of Keras's graph."""
        return keras_activations(self.model, x)

    def layer_bounds(self, x: Fed, batch_size: int) -> list[float]:
        """By :func:`.bounds.bounds`."""
        return bounds(self.model, watched_outputs, x, batch_size)

    def final_activation(self) -> str | None:
        """Of Keras's last layer."""
        return final_activation(self.model)


@dataclass(frozen=True)
class ReferenceOracle:
    """The model as the reference reads and computes it."""

    model: Model
    name: str = "the reference"
    version: str = "the reference, without Keras"

    def outputs(self, x: Fed) -> list[Array]:
        """What it predicts."""
        return _joined([_outputs(self.model, batch) for batch in batches(x, BATCH_SIZE)])

    def output_bounds(self, x: Fed) -> list[float]:
        """By its own response to disturbances, in float64."""
        return self._bounds(_outputs, x, BATCH_SIZE)

    def activations(self, x: Fed) -> Callable[[Fed], dict[str, Traced]]:
        """What its layers make when it runs."""
        return lambda batch: _layers(self.model, batch)

    def layer_bounds(self, x: Fed, batch_size: int) -> list[float]:
        """By its own response to disturbances, in float64."""
        return self._bounds(_layer_outputs, x, batch_size)

    def final_activation(self) -> str | None:
        """Of the layer that makes the only output."""
        return _last_activation(self.model, self.model.graph)

    def _bounds(self, watch: Callable[[Model, Fed], list[Array]], x: Fed, batch_size: int) -> list[float]:
        wide = self.model.astype(np.float64)
        names, flat = list(wide.weights), [one for arrays in wide.weights.values() for one in arrays]
        sizes = [len(arrays) for arrays in wide.weights.values()]

        def answer(weights: Sequence[Array], batch: Fed) -> list[Array]:
            rows = iter(weights)
            given = {name: [next(rows) for _ in range(size)] for name, size in zip(names, sizes, strict=True)}
            return watch(wide.with_weights(given), batch)

        layers = self.model.layers
        values = [layer.config["mask_value"] for layer in layers if layer.class_name == "Masking" and "mask_value" in layer.config]
        values += [0.0 for layer in layers if layer.class_name == "Masking" and "mask_value" not in layer.config]
        looks_up = any(layer.class_name == "Embedding" for layer in layers)
        fed = {name: array.astype(np.float64) if array.dtype.kind == "f" else array for name, array in x.items()}
        return response_bounds(
            answer,
            flat,
            fed,
            lambda place: watch(self.model, part(x, place)),
            lambda array: names_in(array, looks_up, values),
            batch_size,
        )


class Remembered:
    """An oracle that is asked each question once: where something differs, the same is wanted again by who looks for the reason."""

    def __init__(self, oracle: ModelOracle) -> None:
        self._oracle = oracle
        self._known: dict[tuple[Any, ...], Any] = {}

    @property
    def name(self) -> str:
        """That of the oracle, as everything else."""
        return self._oracle.name

    @property
    def version(self) -> str:
        """With the name."""
        return self._oracle.version

    def outputs(self, x: Fed) -> list[Array]:
        """Every output."""
        return self._once(("outputs", *_values(x)), lambda: self._oracle.outputs(x))

    def output_bounds(self, x: Fed) -> list[float]:
        """What is allowed around the outputs."""
        return self._once(("output_bounds", *_values(x)), lambda: self._oracle.output_bounds(x))

    def activations(self, x: Fed) -> Callable[[Fed], dict[str, Traced]]:
        """The function that tells the layers' answers, for all batches of a form."""
        form = ((name, array.dtype.str, array.shape[1:]) for name, array in x.items())
        return self._once(("activations", *form), lambda: self._oracle.activations(x))

    def layer_bounds(self, x: Fed, batch_size: int) -> list[float]:
        """What is allowed around the outputs of the layers."""
        return self._once(("layer_bounds", batch_size, *_values(x)), lambda: self._oracle.layer_bounds(x, batch_size))

    def final_activation(self) -> str | None:
        """The activation of the only output."""
        return self._oracle.final_activation()

    def _once(self, question: tuple[Any, ...], ask: Callable[[], Any]) -> Any:
        if question not in self._known:
            self._known[question] = ask()
        return self._known[question]


def _values(x: Fed) -> list[tuple[Any, ...]]:
    """What tells one batch from others."""
    digests = ((name, array, hashlib.sha256(np.ascontiguousarray(array).tobytes())) for name, array in x.items())
    return [(name, array.dtype.str, array.shape, digest.digest()) for name, array, digest in digests]


def _last_activation(model: Model, graph: Graph) -> str | None:
    outputs = leaves(graph.outputs)
    if len(outputs) != 1:
        return None
    if outputs[0].layer in graph.models:
        return _last_activation(model, graph.models[outputs[0].layer])
    layer = model.context.layers.get(graph.prefix + outputs[0].layer)
    if layer is None:
        return None
    return "softmax" if layer.class_name == "Softmax" else layer.config.get("activation")


def _outputs(model: Model, batch: Fed) -> list[Array]:
    values, _ = run_graph(model.context, model.graph, batch, {})
    return [np.asarray(values[ref]) for ref in leaves(model.graph.outputs)]


def _layers(model: Model, batch: Fed) -> dict[str, Traced]:
    found = {}
    for path, _, answer in walk(model, batch):
        if isinstance(answer, Exception):
            raise answer
        found[path] = answer
    return found


def _layer_outputs(model: Model, batch: Fed) -> list[Array]:
    return [np.asarray(value) for traced in _layers(model, batch).values() for value in traced.outputs]


def _joined(parts: Sequence[list[Array]]) -> list[Array]:
    return [np.concatenate(part) for part in zip(*parts, strict=True)]
