"""Where Keras and the reference disagree about a file: nothing is said there about an implementation that runs in the reference's graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conformance.base.arrays import Array
from conformance.models.divergence import Divergence, LayerFindings, find_divergence, largest_difference
from conformance.models.oracles import ModelOracle, ReferenceOracle
from reference.models import Model


@dataclass(frozen=True)
class Dispute:
    """What the reference computes otherwise than Keras.

    Attributes
    ----------
    layers : Divergence
        The reference's layers beside Keras's.
    outputs : tuple of bool
        For every output of the model whether the reference is further from Keras than float32 arithmetic explains.
    """

    layers: Divergence
    outputs: tuple[bool, ...]

    @property
    def first(self) -> LayerFindings | None:
        """The first layer that differs."""
        return self.layers.first_forced or self.layers.first_free

    @property
    def exists(self) -> bool:
        """Whether they disagree at all."""
        return self.first is not None or any(self.outputs)

    def by_itself(self, path: str) -> bool:
        """Whether the reference's own layer of this path differs."""
        return any(layer.path == path for layer in self.layers.wrong)

    def in_free_run(self, path: str) -> bool:
        """Whether what the reference has made by this layer differs, when it runs alone."""
        return any(layer.path == path and layer.free is not None and layer.free.diverges for layer in self.layers.layers)


def find_dispute(
    oracle: ModelOracle,
    model: Model,
    x: Mapping[str, Array],
    some: Mapping[str, Array],
    expected: Sequence[Array],
    allowed: Sequence[float],
) -> Dispute:
    """Ask the reference what the implementation was asked: outputs of all of `x`, layers on `some` of it."""
    own = ReferenceOracle(model).outputs(x)
    pairs = zip(own, expected, allowed, strict=True)
    off = tuple(got.shape != want.shape or largest_difference(got, want) > bound for got, want, bound in pairs)
    return Dispute(find_divergence(oracle, model, some), off)
