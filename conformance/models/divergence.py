"""Where a whole model goes wrong: every layer of an implementation beside Keras's, found in two ways.

*Teacher-forced*, each layer is given Keras's own activations and masks, so that only what it does itself counts. *Free-running*, each
layer is given what the implementation's layers before it made, as in a prediction. The first layer, in the order of computation, whose
output is further from Keras's than its bound is the first diverging one. The bound of a layer is that of
:mod:`conformance.models.bounds` with the layer's output in place of the model's: 16 times the largest response of this output in
float64 to inputs and weights that are off by one relative eps (8 times, and what Keras itself is off, where that is larger), all layers
before it included. Integers and masks must be equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conformance.base.arrays import Array
from conformance.base.errors import plain
from conformance.models.oracles import ModelOracle
from conformance.models.walk import walk
from conformance.oracle.live.activations import Traced
from conformance.oracle.live.whole_model import Fed, batches
from reference.layers import LAYERS
from reference.models import Model

LAYER_SAMPLES = 256
"""Layers are compared on the first so many samples, and on those whose outputs are furthest off."""
VALUES_AT_ONCE = 2**24
"""How many values the layers of one batch may have together: 128 MB in float64."""
LARGEST_BATCH = 64


@dataclass(frozen=True)
class Finding:
    """What one layer did in one of the two ways.

    Attributes
    ----------
    difference, allowed : float
        Of the output that is the most times its bound away.
    said : str
        What is wrong beyond numbers: it raised, another shape, another mask. Empty where nothing is.
    unsupported : str
        Why there is no answer at all: the implementation lacks the layer, or an option of it. Nothing is wrong then.
    """

    difference: float = 0.0
    allowed: float = 0.0
    said: str = ""
    unsupported: str = ""

    @property
    def diverges(self) -> bool:
        """Whether the layer is not where Keras's is."""
        return bool(self.said) or self.difference > self.allowed

    def or_worse(self, other: Finding) -> Finding:
        """The worse of two findings of the same layer."""
        if self.unsupported or other.unsupported:
            return self if self.unsupported else other
        if self.said or other.said:
            return self if self.said else other
        return other if other.difference * max(self.allowed, 1e-300) > self.difference * max(other.allowed, 1e-300) else self


@dataclass(frozen=True)
class LayerFindings:
    """A layer by its path and class, and what it did; None where the free run did not come to it."""

    path: str
    class_name: str
    forced: Finding
    free: Finding | None


@dataclass(frozen=True)
class Divergence:
    """All layers in the order of computation."""

    layers: tuple[LayerFindings, ...]
    samples: int

    @property
    def wrong(self) -> list[LayerFindings]:
        """The layers that differ from Keras's on Keras's own activations."""
        return [layer for layer in self.layers if layer.forced.diverges]

    @property
    def compared(self) -> list[LayerFindings]:
        """The layers that there was an answer of."""
        return [layer for layer in self.layers if not layer.forced.unsupported]

    @property
    def unsupported(self) -> list[LayerFindings]:
        """The layers that the implementation does not support, as it says."""
        return [layer for layer in self.layers if layer.forced.unsupported]

    @property
    def first_forced(self) -> LayerFindings | None:
        """The first of them."""
        return next(iter(self.wrong), None)

    @property
    def first_free(self) -> LayerFindings | None:
        """The first layer that differs when the implementation runs alone."""
        return next((layer for layer in self.layers if layer.free is not None and layer.free.diverges), None)

    @property
    def sentence(self) -> str:
        """Both first layers in words."""
        forced, free = self.first_forced, self.first_free
        if forced is None and free is None:
            return "no layer diverges, neither teacher-forced nor free-running"
        if forced and free and forced.path == free.path:
            return f"the first diverging layer, teacher-forced and free-running, is {_named(forced, forced.forced)}"
        return "; ".join(
            f"{way}, no layer diverges" if layer is None else f"{way}, the first diverging layer is {_named(layer, finding)}"
            for way, layer, finding in (
                ("teacher-forced", forced, forced.forced if forced else None),
                ("free-running", free, free.free if free else None),
            )
        )


def _named(layer: LayerFindings, finding: Finding | None) -> str:
    return f"{layer.path!r} ({layer.class_name})" + (f": {words(finding)}" if finding else "")


def words(finding: Finding) -> str:
    """A finding as a phrase."""
    return finding.unsupported or finding.said or f"off by {finding.difference:.1e}, allowed {finding.allowed:.1e}"


def find_divergence(oracle: ModelOracle, model: Model, x: Fed) -> Divergence:
    """Compare every layer on all of `x`, as many samples at a time as memory bears.

    Parameters
    ----------
    oracle : ModelOracle
    model : Model
        The same archive, computing with the functions of an implementation.
    x : mapping of input name to array
    """
    ask = oracle.activations(x)
    one = ask(next(batches(x, 1)))
    values = sum(part.size for traced in one.values() for part in traced.outputs)
    size = max(1, min(LARGEST_BATCH, VALUES_AT_ONCE // max(values, 1)))
    flat_bounds = iter(oracle.layer_bounds(x, size))
    allowed = {path: tuple(next(flat_bounds) for _ in traced.outputs) for path, traced in one.items()}
    forced: dict[str, Finding] = {}
    free: dict[str, Finding] = {}
    classes: dict[str, str] = {}
    for batch in batches(x, size):
        right = ask(batch)
        for findings, given in ((forced, right), (free, None)):
            for path, class_name, answer in walk(model, batch, given):
                if path not in right:
                    continue
                classes[path] = class_name
                finding = judged(model, class_name, answer, right[path], allowed[path], oracle.name)
                findings[path] = findings[path].or_worse(finding) if path in findings else finding
    layers = tuple(LayerFindings(path, classes[path], forced[path], free.get(path)) for path in forced)
    return Divergence(layers, len(next(iter(x.values()))))


def judged(
    model: Model, class_name: str, answer: Traced | Exception, right: Traced, allowed: tuple[float, ...], oracle: str = "Keras"
) -> Finding:
    """One layer's answer to one batch beside the right one, which the oracle of this name gives."""
    if isinstance(answer, NotImplementedError):
        return Finding(unsupported=plain(answer))
    if isinstance(answer, Exception):
        return Finding(said=plain(answer))
    worst = Finding(allowed=allowed[0])
    for got, want, bound in zip(answer.outputs, right.outputs, allowed, strict=True):
        if got.shape != want.shape:
            return Finding(said=f"gives the shape {got.shape}, {oracle} {want.shape}")
        if got.dtype.kind not in "fiub" and want.dtype.kind in "fiub":
            return Finding(said=f"gives an array of {got.dtype}")
        worst = worst.or_worse(Finding(largest_difference(got, want), bound))
    spec = LAYERS.get(class_name)
    if not worst.diverges and spec and model.context.find(f"{spec.name}_compute_mask") is not None:
        for got, want in zip(answer.masks, right.masks, strict=True):
            if want is not None and (got is None or not np.array_equal(got, want)):
                return Finding(said=f"its mask differs from that of {oracle}" if got is not None else f"it makes no mask, {oracle} does")
    return worst


def largest_difference(got: Array, want: Array) -> float:
    """The largest difference of two arrays of one shape; infinite where one is not finite and the other is something else."""
    return float(np.max(differences(got, want), initial=0.0))


def differences(got: Array, want: Array) -> Array:
    """Absolute differences in float64: 0 where both are NaN or the same infinity, infinite where only one is not finite."""
    if want.dtype.kind not in "fiub":
        return np.where(got == want, 0.0, np.inf)
    a, b = got.astype(np.float64), want.astype(np.float64)
    with np.errstate(invalid="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        return np.where(same, 0.0, np.nan_to_num(np.abs(a - b), nan=np.inf))
