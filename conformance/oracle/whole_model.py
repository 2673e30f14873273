"""What Keras answers for a whole trained model, and how far off any float32 implementation of that model may be.

The bound is the model's own: the float64 model is asked once as it is, and three times with its inputs and weights multiplied by
``1 + eps u`` (u uniform in [-1, 1], eps = 2**-23; token ids stay). With P the largest change of any probability, ``8 (P + eps)`` is
allowed: the rule of iterated layers (:func:`conformance.allowance.perturbation`), over all layers at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.allowance import PERTURBATIONS
from conformance.arrays import EPS, perturbed
from conformance.oracle.environment import import_keras, tensorflow

Array = NDArray[Any]

SAMPLES = 1000
"""A bound is taken over the first so many samples, and over those that are asked for by name. Fewer samples make it smaller, never
larger; four float64 passes over 10,000 images take twenty seconds of one core, over 1,000 two."""


def keras_model(path: str | PathLike[str]) -> Any:
    """The Keras model of an archive, not compiled."""
    return import_keras().saving.load_model(path, compile=False)


def float64_model(model: Any) -> Any:
    """The same model with the same weights, every layer computing in float64."""
    widened = type(model).from_config(_widened(model.get_config()))
    widened.set_weights([np.asarray(weight, np.float64) for weight in model.get_weights()])
    return widened


def compiled(model: Any, x: Array) -> Callable[[Array], Array]:
    """A model as one graph for batches of any size like `x`; weights that are set later are seen."""
    tf = tensorflow()
    signature = [tf.TensorSpec([None, *x.shape[1:]], x.dtype)]
    graph = tf.function(lambda batch: model(batch, training=False), input_signature=signature)
    return lambda batch: np.asarray(graph(batch))


def keras_probabilities(path: str | PathLike[str], x: Array, batch_size: int = 256) -> Array:
    """Keras's own float32 answer for `x`, shape (samples, classes)."""
    return _in_batches(compiled(keras_model(path), x), x, batch_size)


def perturbation_bound(
    path: str | PathLike[str], x: Array, also: Array | None = None, batch_size: int = 256, samples: int = SAMPLES, seed: int = 0
) -> float:
    """The largest difference of a probability that float32 arithmetic explains: ``8 (P + eps)``.

    Parameters
    ----------
    path : path
        The ``.keras`` archive.
    x : array (samples, ...)
        What the model is fed.
    also : array of int, optional
        Rows of `x` over which P is taken beside the first `samples`: those on which two implementations disagree.
    batch_size, samples, seed
        How much is computed at once, how many rows are asked about, where the perturbations come from.
    """
    rows = np.unique(np.concatenate([np.arange(min(samples, len(x))), np.asarray([] if also is None else also, np.int64)]))
    x = np.asarray(x[rows])
    x = x.astype(np.float64) if x.dtype.kind == "f" else x
    model = float64_model(keras_model(path))
    weights = tuple(model.get_weights())
    ask = compiled(model, x)
    centre = _in_batches(ask, x, batch_size)
    rng = np.random.default_rng(seed)
    response = 0.0
    for _ in range(PERTURBATIONS):
        model.set_weights(perturbed(rng, weights))
        change = np.abs(_in_batches(ask, perturbed(rng, x), batch_size) - centre)
        response = max(response, float(np.max(change, initial=0)))
    return 8 * (response + EPS)


@dataclass(frozen=True)
class Comparison:
    """Keras's probabilities and another implementation's, on the same samples.

    Attributes
    ----------
    agreement : float
        Share of the samples that both put into the same class.
    disagreeing, decided : arrays of int
        The other samples; and those among them whose two most probable classes (Keras's) are further apart than the bound.
    largest, mean : float
        Differences of probabilities; infinite where one is not a number.
    bound : float
        What float32 arithmetic explains.
    """

    agreement: float
    disagreeing: Array
    decided: Array
    largest: float
    mean: float
    bound: float

    @property
    def within(self) -> bool:
        """Whether every difference keeps the bound, and every disagreement is a near tie."""
        return self.largest <= self.bound and not self.decided.size


def compare(keras: Array, other: Array, bound: Callable[[Array], float]) -> Comparison:
    """Compare probabilities (samples, classes); `bound` is asked with the samples on which the two disagree."""
    disagreeing = np.flatnonzero(keras.argmax(axis=-1) != other.argmax(axis=-1))
    allowed = bound(disagreeing)
    difference = np.nan_to_num(np.abs(keras.astype(np.float64) - other.astype(np.float64)), nan=np.inf)
    top = np.sort(keras[disagreeing].astype(np.float64), axis=-1)
    return Comparison(
        agreement=1 - disagreeing.size / max(len(keras), 1),
        disagreeing=disagreeing,
        decided=disagreeing[top[:, -1] - top[:, -2] > allowed],
        largest=float(difference.max(initial=0)),
        mean=float(difference.mean()) if difference.size else 0.0,
        bound=allowed,
    )


def _in_batches(ask: Callable[[Array], Array], x: Array, batch_size: int) -> Array:
    return np.concatenate([ask(x[start : start + batch_size]) for start in range(0, max(len(x), 1), batch_size)])


def _widened(value: Any) -> Any:
    """A configuration with every ``float32``, the dtype of an input or the name of a policy, replaced by ``float64``."""
    if isinstance(value, dict):
        return {key: _widened(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_widened(item) for item in value)
    return "float64" if value == "float32" else value
