"""Whole Keras models, run through layer functions.

:func:`load_model` reads the file of a model and returns a :class:`Model` that calls ``conv2d_forward``,
``lstm_forward`` and the others exactly by the contract: weights by position, options that differ from Keras's
defaults, and ``mask``, ``initial_state`` or ``training`` only where the model has them. The functions are an
argument, so that any implementation of the layers can be run by the same graph.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from reference.network.config import MODELS
from reference.network.execution import Context, Layer, frozen, run_graph
from reference.network.graph import Graph, Ref, as_input, leaves, map_leaves, match_structure
from reference.network.parallel import in_threads, shares
from reference.network.shapes import GraphShapes, infer_shapes
from reference.saving.files import write_json
from reference.saving.json_document import json_document
from reference.saving.reader import Archive, ArchiveError, Source, new_archive, read_archive, read_json_archive
from reference.saving.writer import write_archive

if TYPE_CHECKING:
    from reference.training.run import History
    from reference.training.step import TrainingState

__all__ = ["ArchiveError", "Layer", "Model", "load_json", "load_model", "new_model"]

Array = NDArray[Any]

MAX_BATCH_NUMBERS = 2**28
"""Most numbers that the outputs of all layers may take for the samples computed at once: 1 GiB in float32."""


@dataclass(frozen=True, repr=False)
class Model:
    """A trained model that computes with given layer functions.

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
        return f"<Model of {len(self.layers)} layers, {self.parameters:,} parameters, {self.dtype}>"

    @property
    def layers(self) -> list[Layer]:
        """The layers that compute, each once; a layer ``dense`` of a nested model ``encoder`` is ``encoder/dense``."""
        return list(self.context.layers.values())

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype in which the model computes."""
        return self.context.dtype

    @property
    def parameters(self) -> int:
        """The number of weights, each layer counted once however often it is called."""
        return sum(weight.size for layer in self.layers for weight in layer.weights)

    def astype(self, dtype: DTypeLike) -> Model:
        """The same model computing in another floating dtype; float64 shows how large float32 errors are."""
        layers = {
            name: layer._replace(weights=[frozen(weight.astype(dtype)) for weight in layer.weights])
            for name, layer in self.context.layers.items()
        }
        return replace(self, context=replace(self.context, layers=layers, dtype=np.dtype(dtype)))

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
        inputs, found = self._inputs(x)
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
        activation = _last_activation(self, self.graph)
        if activation not in ("softmax", "sigmoid"):
            raise ValueError(f"no probabilities: the model ends in {activation}, not in softmax or one sigmoid unit")
        p = self.predict(x, batch_size)
        if p.ndim != 2 or (activation == "sigmoid" and p.shape[1] != 1):
            raise ValueError(f"no probabilities: the {activation} output has the shape {p.shape}")
        return np.asarray(p) if activation == "softmax" else np.concatenate([1 - p, p], axis=1)

    def evaluate(self, x: Any, y: Any, batch_size: int = 256, **options: Any) -> dict[str, float]:
        """Mean sparse categorical cross-entropy, accuracy and macro F1 for the class numbers `y` (samples,).

        With options (`loss`, `loss_weights`, `metrics`, `sample_weight`) what :func:`reference.evaluate` says.
        """
        from reference.losses.crossentropy import sparse_categorical_crossentropy
        from reference.metrics import accuracy, macro_f1

        if options:
            return import_module("reference.training.loop").evaluate(self, x, y, batch_size=batch_size, **options)  # type: ignore[no-any-return]
        labels = np.asarray(y).reshape(-1)
        p = self.predict_proba(x, batch_size)
        if len(labels) != len(p):
            raise ValueError(f"{len(labels)} labels were given for {len(p)} samples")
        predicted = p.argmax(axis=1)
        return {
            "loss": float(sparse_categorical_crossentropy(labels, p)),
            "accuracy": float(accuracy(labels, predicted)),
            "macro_f1": float(macro_f1(labels, predicted)),
        }

    def fit(self, x: Any, y: Any, **options: Any) -> History:
        """Train this model: :func:`reference.fit` with its options, after which the model has the trained weights.

        Where a training ends with an error, the model has the weights of the last finished epoch, or is as it was.
        """
        history: History = import_module("reference.training.loop").fit_in_place(self, x, y, **options)
        return history

    def train_step(self, state: TrainingState, x: Any, y: Any, **options: Any) -> tuple[TrainingState, dict[str, float]]:
        """One step from a state: :func:`reference.train_step` with its options. The model itself is not changed."""
        step: tuple[TrainingState, dict[str, float]] = import_module("reference.training.step").train_step(self, state, x, y, **options)
        return step

    def activations(self, x: Any) -> dict[str, Any]:
        """The output of every layer for `x` as one batch, in the order computed.

        Layers go by their path, and the second call of a shared layer ``name`` is ``name[1]``.
        """
        trace: dict[str, Any] = {}
        run_graph(self.context, self.graph, self._inputs(x)[0], {}, trace)
        return trace

    def summary(self) -> str:
        """A table of the layers, the shapes of their weights and the number of their parameters."""
        rows = [("layer", "class", "weights", "parameters")]
        for layer in self.layers:
            shapes = " ".join(str(weight.shape).replace(" ", "") for weight in layer.weights) or "-"
            rows.append((layer.name, layer.class_name, shapes, f"{sum(weight.size for weight in layer.weights):,}"))
        rows.append(("total", "", "", f"{self.parameters:,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        return "\n".join(
            "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model into a ``.keras`` archive, which Keras and :func:`load_model` read; or, where `path` ends so, as ``.json``.

        The file is written whole or not at all. The archive holds a model that is not compiled: no optimizer, loss or metrics.

        Raises
        ------
        ValueError
            If `path` ends otherwise, the model has no configuration or computes in another dtype than it says, or a vocabulary has a
            term that the format cannot hold.
        OSError
            If the file cannot be written.
        """
        suffix = os.path.splitext(path)[1].lower()
        if suffix == ".json":
            return self.save_json(path)
        if suffix != ".keras":
            raise ValueError(f"{os.fspath(path)}: a model is saved as .keras or .json")
        self._check_has_config()
        weights = {layer.name: layer.weights for layer in self.layers}
        return write_archive(path, self.config, weights, self.context.vocabularies, self.dtype.name)

    def save_json(self, path: str | os.PathLike[str]) -> None:
        """Write configuration and weights into one JSON file, from which :func:`load_json` makes the same model.

        The file is written whole or not at all; its form is that of :mod:`reference.saving.json_document`.

        Raises
        ------
        ValueError
            If the model has no configuration, or computes in another dtype than float32 or float64.
        OSError
            If the file cannot be written.
        """
        self._check_has_config()
        weights = {layer.name: layer.weights for layer in self.layers}
        write_json(path, json_document(self.config, weights, self.context.vocabularies, self.dtype.name))

    def _check_has_config(self) -> None:
        if not self.config:
            raise ValueError("the model was not read from a file: it has no configuration to save")

    def _outputs(self, inputs: Mapping[str, Array], rows: slice) -> dict[Ref, Array]:
        """The outputs for some of the samples."""
        values, _ = run_graph(self.context, self.graph, {name: value[rows] for name, value in inputs.items()}, {})
        return {ref: values[ref] for ref in leaves(self.graph.outputs)}

    def _inputs(self, x: Any) -> tuple[dict[str, Array], GraphShapes]:
        """Arrays by input name, of the declared shape and dtype and of one batch size; and the shapes that follow from them."""
        given = match_structure(self.graph.inputs, x)
        inputs = {name: as_input(spec, given[name], self.dtype) for name, spec in self.graph.specs.items()}
        sizes = {name: len(value) for name, value in inputs.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"the inputs have different numbers of samples: {sizes}")
        found = infer_shapes(self.graph, self.context.layers, {name: (None, *value.shape[1:]) for name, value in inputs.items()})
        found.check()
        return inputs, found


def load_model(source: Source, functions: Any = None, *, weights: str | os.PathLike[str] | None = None) -> Model:
    """Read the file of a model and return the model, computing with the given layer functions.

    Parameters
    ----------
    source : path or mapping
        A Sequential or functional model in a file of any form that :mod:`.saving.reader` reads: ``.keras``, legacy ``.h5``, ``.json``;
        or the configuration alone, as ``model.to_json()`` gives it, in a ``.json`` file or as a mapping.
    functions : module, object or mapping, optional
        Where ``dense_forward`` and the other functions of the model's layers are found; the reference by default.
    weights : path, optional
        For a configuration alone: the file that ``model.save_weights`` wrote.

    Raises
    ------
    ArchiveError
        If a file cannot be read (a ``ValueError``).
    NotImplementedError
        If the function of a layer is missing; the sentence names both.
    """
    return _model(read_archive(source, weights), functions)


def new_model(source: Source, seed: int = 0, functions: Any = None) -> Model:
    """Make a model that has not been trained, from a configuration alone: no Keras, no weights.

    Every weight comes from the initializer that its layer names (:mod:`reference.initializers`), with a stream of random numbers of its
    own: :mod:`reference.saving.new_weights`.

    Parameters
    ----------
    source : path or mapping
        A configuration as :func:`load_model` takes it; or the file of a whole model, whose weights are not read.
    seed : int
        The same seed gives the same weights; from 0.
    functions
        As in :func:`load_model`.

    Raises
    ------
    ArchiveError
        As :func:`load_model`; and for initializers that are not Keras's own, or weights whose sizes do not follow from the inputs.
    """
    return _model(new_archive(source, seed), functions)


def load_json(path: str | os.PathLike[str], functions: Any = None) -> Model:
    """Read what :meth:`Model.save_json` wrote, whatever the file is called; the rest as in :func:`load_model`."""
    return _model(read_json_archive(path), functions)


def _model(archive: Archive, functions: Any) -> Model:
    """The model of an archive; every function that it needs must be there."""
    layers = {
        entry.path: Layer(entry.path, entry.class_name, entry.config, archive.weights[entry.path])
        for entry in archive.layers.values()
        if entry.class_name not in MODELS and entry.class_name != "InputLayer"
    }
    context = Context(layers, archive.vocabularies, _finder(functions), np.dtype(archive.dtype))
    for layer in layers.values():
        context.function(layer)
    return Model(archive.graph, context, archive.config, threaded=functions is None)


def _finder(functions: Any) -> Callable[[str], Callable[..., Any] | None]:
    """A callable from a function's name to the function, or None."""
    if functions is None:
        functions = import_module("reference")
    if isinstance(functions, Mapping):
        return functions.get
    return lambda name: getattr(functions, name, None)


def _last_activation(model: Model, graph: Graph) -> str:
    """The activation of the layer that makes the only output, or in words why there is none."""
    outputs = leaves(graph.outputs)
    if len(outputs) != 1 or isinstance(graph.outputs, dict):
        return "several outputs"
    name = outputs[0].layer
    if name in graph.models:
        return _last_activation(model, graph.models[name])
    layer = model.context.layers.get(graph.prefix + name)
    if layer is None:
        return "its own input"
    return str(layer.config.get("activation") or f"a {layer.class_name} layer without activation")
