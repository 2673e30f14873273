"""Whole Keras models, run through layer functions.

:func:`load_model` reads the file of a model and returns a :class:`Model` that calls ``conv2d_forward``,
``lstm_forward`` and the others exactly by the contract: weights by position, options that differ from Keras's
defaults, and ``mask``, ``initial_state`` or ``training`` only where the model has them. The functions are an
argument, so that any implementation of the layers can be run by the same graph.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from reference.layers import FUNCTIONS
from reference.losses import sparse_categorical_crossentropy
from reference.metrics import accuracy, macro_f1
from reference.network.config import MODELS
from reference.network.execution import Context, Layer
from reference.network.network import Network
from reference.saving.reader import Archive, ArchiveError, Source, new_archive, read_archive, read_json_archive
from reference.saving.writer import save_json, save_model
from reference.training import loop
from reference.training.run import History
from reference.training.step import TrainingState, train_step

__all__ = ["ArchiveError", "Model", "load_json", "load_model", "new_model"]


# A subclass and no wrapper: what a model has and computes is the network's, and training gives back the class that it was given.
@dataclass(frozen=True, repr=False)
class Model(Network):
    """A Keras model that computes with given layer functions: a :class:`.Network`, and what a user does with it.

    It predicts (:meth:`predict`, :meth:`predict_proba`, :meth:`activations`), is trained and evaluated, told in a table, and saved.
    What it is made of (`graph`, `context`, `config`, `threaded`) stands at the network.
    """

    def evaluate(self, x: Any, y: Any, batch_size: int = 256, **options: Any) -> dict[str, float]:
        """Mean sparse categorical cross-entropy, accuracy and macro F1 for the class numbers `y` (samples,).

        With options (`loss`, `loss_weights`, `metrics`, `sample_weight`) what :func:`reference.evaluate` says.
        """
        if options:
            return loop.evaluate(self, x, y, batch_size=batch_size, **options)
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

    def fit(self, x: Any, y: Any, **options: Any) -> History[Self]:
        """Train this model: :func:`reference.fit` with its options, after which the model has the trained weights.

        Where a training ends with an error, the model has the weights of the last finished epoch, or is as it was.
        """
        return loop.fit_in_place(self, x, y, **options)

    def train_step(self, state: TrainingState, x: Any, y: Any, **options: Any) -> tuple[TrainingState, dict[str, float]]:
        """One step from a state: :func:`reference.train_step` with its options. The model itself is not changed."""
        return train_step(self, state, x, y, **options)

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
        save_model(self, path)

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
        save_json(self, path)


def load_model(source: Source, functions: Any = None, *, weights: str | os.PathLike[str] | None = None) -> Model:
    """Read the file of a model and return the model, computing with the given layer functions.

    Parameters
    ----------
    source : path or mapping
        A Sequential or functional model in a file of any form that :mod:`.saving.reader` reads, whatever it is called: ``.keras``, legacy
        ``.h5``, ``.json``; one of Keras 2 keeps the meaning that it had there (:mod:`.saving.versions`);
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
    return model_of(read_archive(source, weights), functions)


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
    return model_of(new_archive(source, seed), functions)


def load_json(path: str | os.PathLike[str], functions: Any = None) -> Model:
    """Read what :meth:`Model.save_json` wrote, whatever the file is called; the rest as in :func:`load_model`."""
    return model_of(read_json_archive(path), functions)


def model_of(archive: Archive, functions: Any = None) -> Model:
    """The model of an archive; every function that it needs must be there."""
    layers = {
        entry.path: Layer(entry.path, entry.class_name, entry.config, archive.weights[entry.path])
        for entry in archive.layers.values()
        if entry.class_name not in MODELS and entry.class_name != "InputLayer"
    }
    layers |= {entry.path: layers[entry.same_as or entry.path] for entry in archive.layers.values() if entry.path in layers}
    own = functions is None
    given = FUNCTIONS if own else functions
    find = given.get if isinstance(given, Mapping) else lambda name: getattr(given, name, None)
    context = Context(layers, archive.vocabularies, find, np.dtype(archive.dtype))
    for layer in layers.values():
        context.function(layer)
    return Model(archive.graph, context, archive.config, threaded=own)
