"""How far off any float32 implementation of a whole model may be.

The bound is the model's own: the float64 model is asked once as it is, and three times with its inputs and weights multiplied by ``1 +
eps u`` (u uniform in [-1, 1], eps = 2**-23; token ids stay). With P the largest change of any value of an output and o the largest value
of that output, a float32 answer may be ``8 (P + eps max(1, |o|))`` away from the float64 one: the rule of iterated layers
(:func:`.tolerance.perturbation`), over all layers at once. Two such answers are compared here, Keras's and another's, so that
twice as much is allowed between them: for probabilities ``16 (P + eps)``. Where Keras's own float32 answer is further from the float64
one than its share, as a long sum of equal numbers may be, whose roundings do not cancel, that distance takes the place of its share: what
is right must not fail for Keras's rounding. The output of a layer inside the model has its bound by the same rule. (Where TensorFlow has
no float64 kernel, how far Keras is off is not known, and both shares are from the disturbance.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import numpy as np

from conformance.base.arrays import EPS, Array, perturbed
from conformance.cases.tolerance import PERTURBATIONS
from conformance.oracle.environment import tensorflow
from conformance.oracle.live.whole_model import Fed, Watch, asking, float64_model, innermost, keras_model, outputs_of, part, slices

SAMPLES = 1000
"""A bound is taken over the first so many samples, and over those that are asked for by name. Fewer samples make it smaller, never
larger; four float64 passes over 10,000 images take twenty seconds of one core, over 1,000 two."""
SHARE = 8
BETWEEN_TWO = 2
"""Both answers are float32, and each may be off. (Keras's own answer of a deep LSTM was seen to use 0.98 of one share.)"""
FLOAT32_STEP = 2.0**-12
"""Where TensorFlow has no float64 kernel, the float32 model is disturbed by this much instead, and its response taken in proportion: its
own rounding, about eps, is then a two-thousandth of what is measured."""


def perturbation_bound(
    path: str | PathLike[str], x: Array, also: Array | None = None, batch_size: int = 256, samples: int = SAMPLES, seed: int = 0
) -> float:
    """The largest difference of a probability that float32 arithmetic explains: ``16 (P + eps)``, more where Keras itself is further off.

    Parameters
    ----------
    path : path
        The ``.keras`` archive of a model with one input.
    x : array (samples, ...)
        What the model is fed.
    also : array of int, optional
        Rows of `x` over which the bound is taken beside the first `samples`: those on which two implementations disagree most.
    batch_size, samples, seed
        How much is computed at once, how many rows are asked about, where the perturbations come from.
    """
    model = keras_model(path)
    (name,) = (tensor._keras_history.operation.name for tensor in model.inputs)
    return max(bounds(model, outputs_of, {name: np.asarray(x[rows_with(len(x), also, samples)])}, batch_size, seed))


def bounds(model: Any, watch: Watch, x: Fed, batch_size: int = 256, seed: int = 0) -> list[float]:
    """The largest difference that float32 arithmetic explains, for every watched tensor; 0 for one of integers.

    Parameters
    ----------
    model : Keras model
    watch : callable
        From a Keras model to the tensors of its graph that are asked about.
    x : mapping of input name to array
        All of it is asked about, `batch_size` samples at a time.
    """
    own = asking(model, watch, x)
    try:
        wide = {name: array.astype(np.float64) if array.dtype.kind == "f" else array for name, array in x.items()}
        return _of_keras(float64_model(model), watch, wide, batch_size, seed, 1, lambda place: own(part(x, place)))
    except tensorflow().errors.OpError:
        return _of_keras(model, watch, x, batch_size, seed, FLOAT32_STEP / EPS, lambda place: own(part(x, place)))


def _of_keras(
    model: Any, watch: Watch, x: Fed, batch_size: int, seed: int, times: float, own: Callable[[slice], list[Array]]
) -> list[float]:
    """The bounds of a Keras model; its weights are what they were when it returns."""
    ask, weights = asking(model, watch, x), tuple(model.get_weights())

    held: list[Sequence[Array]] = [weights]

    def answer(moved: Sequence[Array], batch: Fed) -> list[Array]:
        if moved is not held[0]:
            model.set_weights(moved)
            held[0] = moved
        return ask(batch)

    layers = list(innermost(model))
    values = [layer.mask_value for layer in layers if type(layer).__name__ == "Masking"]
    looks_up = any(type(layer).__name__ == "Embedding" for layer in layers)
    try:
        return response_bounds(answer, weights, x, own, lambda array: names_in(array, looks_up, values), batch_size, seed, times)
    finally:
        model.set_weights(weights)


def response_bounds(
    answer: Callable[[Sequence[Array], Fed], list[Array]],
    weights: Sequence[Array],
    x: Fed,
    own: Callable[[slice], list[Array]],
    named: Callable[[Array], Array],
    batch_size: int = 256,
    seed: int = 0,
    times: float = 1,
) -> list[float]:
    """The bounds of whatever computes a model in float64, by its response to disturbances of `times` eps.

    Parameters
    ----------
    answer : callable
        From weights and a batch to the values that are asked about.
    weights, x
        As they are.
    own : callable
        From the place of a batch to the oracle's own float32 answer.
    named : callable
        Where the floats of an input are names and no amounts: these stay.
    """
    rng = np.random.default_rng(seed)
    disturbed = []
    for _ in range(PERTURBATIONS):
        moved = tuple(_moved(rng, weight, times) for weight in weights)
        disturbed.append((moved, {name: np.where(named(a), a, _moved(rng, a, times)) for name, a in x.items()}))
    found: list[list[float]] = []
    with np.errstate(all="ignore"):
        for place in slices(x, batch_size):
            centre, rounded = answer(weights, part(x, place)), own(place)
            floats = [value.dtype.kind == "f" for value in centre]
            responses = []
            for moved, fed in disturbed:
                changed = answer(moved, part(fed, place))
                responses.append([_largest(a - b) if wide else 0.0 for a, b, wide in zip(changed, centre, floats, strict=True)])
            response = np.max(responses, axis=0) / times
            sizes = [EPS * max(1.0, _largest(o)) for o in centre]
            shares = [SHARE * (p + size) for p, size in zip(response, sizes, strict=True)]
            errors = [_largest(a - b) if wide else 0.0 for a, b, wide in zip(rounded, centre, floats, strict=True)]
            allowed = [(BETWEEN_TWO - 1) * share + max(share, error) for share, error in zip(shares, errors, strict=True)]
            found.append([bound if wide else 0.0 for bound, wide in zip(allowed, floats, strict=True)])
    return [float(value) for value in np.max(found, axis=0)]


def _moved(rng: np.random.Generator, value: Array, times: float) -> Array:
    """Floats off by a relative eps, `times` over; anything else as it is."""
    moved: Array = perturbed(rng, value)
    return moved if times == 1 or value.dtype.kind != "f" else (value + (moved - value) * times).astype(value.dtype)


def names_in(array: Array, looks_up: bool, mask_values: Sequence[float]) -> Array:
    """Where the floats of an input are names and no amounts: ids that are looked up, and the value that a Masking layer looks for."""
    if array.dtype.kind == "f" and looks_up and np.array_equal(array, np.rint(array)):
        return np.ones(array.shape, bool)
    return np.isin(array, mask_values) if array.dtype.kind == "f" and mask_values else np.zeros(array.shape, bool)


def rows_with(count: int, also: Array | None, samples: int = SAMPLES) -> Array:
    """The first `samples` of `count` rows, and others by number."""
    return np.unique(np.concatenate([np.arange(min(samples, count)), np.asarray([] if also is None else also, np.int64)]))


def _largest(values: Array) -> float:
    """The largest absolute value, infinities and NaN left out."""
    return float(np.max(np.abs(values), initial=0, where=np.isfinite(values)))
