"""One trained model from question to verdict: the same samples through Keras and through an implementation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from conformance.base.arrays import EPS, Array
from conformance.base.errors import reason
from conformance.base.record import ERROR, FAILED, PASSED, UNSUPPORTED
from conformance.implementations.protocol import Implementation
from conformance.judging.verdict import LARGEST_RATIO, Verdict
from conformance.models.agreement import FURTHEST, compare
from conformance.models.bounds import BETWEEN_TWO, SHARE, perturbation_bound, rows_with
from conformance.models.divergence import LAYER_SAMPLES, find_divergence, largest_difference
from conformance.models.functions import Functions, predictor
from conformance.models.oracles import KerasOracle
from conformance.oracle.live.whole_model import keras_model, keras_probabilities
from reference.models import load_model

BOUND_SAMPLES = 100
"""The bound is taken over so many samples, which makes it no larger than over all; reports take ten times as many."""
LEAST_BOUND = BETWEEN_TWO * SHARE * EPS
"""What rounding explains of a probability if disturbing the weights does not move it at all."""


def judge_model(path: Path, x: Array, implementation: Implementation) -> Verdict:
    """Judge a checkpoint on these samples: same classes as Keras, and probabilities within the model's own perturbation bound.

    A sample may get another class only if Keras's two most probable classes are closer than the bound.
    """
    try:
        got = np.asarray(predictor(implementation, path)(x))
    except NotImplementedError as error:  # from the graph, or from a function that the implementation lacks
        return Verdict(UNSUPPORTED, str(error))
    except (Exception, SystemExit) as error:
        return Verdict(ERROR, reason(error))
    expected = keras_probabilities(path, x)
    if got.shape != expected.shape:
        message = f"predict gives the shape {got.shape}, expected {expected.shape}"
        return Verdict(FAILED, f"{message}; {diverging_layers(implementation, path, x)}")
    found = compare(expected, got, lambda rows: _bound(path, x, expected, got, rows))
    message = (
        f"agreement {found.agreement:.4f} on {len(x)} samples, largest probability difference {found.largest:.1e}, "
        f"allowed {found.bound:.1e}"
    )
    if found.decided.size:
        message += f"; {found.decided.size} samples get another class, the first is sample {found.decided[0]}"
    if not found.within:
        apart = [largest_difference(ours, theirs) for ours, theirs in zip(got, expected, strict=True)]
        message += f"; {diverging_layers(implementation, path, x, np.argsort(apart)[-FURTHEST:])}"
    return Verdict(PASSED if found.within else FAILED, message, min(found.largest / found.bound, LARGEST_RATIO))


def _bound(path: Path, x: Array, expected: Array, got: Array, rows: Array) -> float:
    """The model's bound; its least possible value where that is kept and nothing disagreed about, for the bound takes seconds."""
    same = np.array_equal(expected.argmax(axis=-1), got.argmax(axis=-1))
    if same and largest_difference(expected, got) <= LEAST_BOUND:
        return LEAST_BOUND
    return perturbation_bound(path, x, rows, samples=BOUND_SAMPLES)


def diverging_layers(implementation: Implementation, path: Path, x: Array, also: Array | None = None) -> str:
    """Where a model with one input first goes wrong, in words; the first samples are looked at, and those in `also`."""
    try:
        model = load_model(path, Functions(implementation))
        (name,) = model.graph.specs
        return find_divergence(KerasOracle(keras_model(path)), model, {name: x[rows_with(len(x), also, LAYER_SAMPLES)]}).sentence
    except Exception as error:
        return f"its layers cannot be compared one by one: {reason(error)}"
