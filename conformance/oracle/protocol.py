"""What every oracle offers, and those there are: live Keras, vectors that were recorded of it, and the reference in its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from conformance.base.arrays import Array, Arrays
from conformance.cases.case import Case, LayerCases
from conformance.cases.gradients import Backward
from conformance.cases.masks import MaskCase
from conformance.cases.stateful import StatefulCase
from conformance.oracle.expectation import Expectation, LossExpectation, StepsExpectation, TextExpectation

LIVE, RECORDED = "live", "recorded"
ORACLES = (LIVE, RECORDED)
"""Those that a run may be judged by."""
REFERENCE = "reference"
"""The project's own functions, for cases that are new where there is no Keras."""


class Oracle(Protocol):
    """Where expected values come from.

    Attributes
    ----------
    live : bool
        Whether anything can be asked, or only what was recorded.
    keras : str
        The version of Keras that answers.
    """

    live: bool

    @property
    def keras(self) -> str:
        """The version of Keras that answers."""

    def draws(self, layer: LayerCases, case: Case, seed: int) -> Iterable[Arrays]:
        """The arrays to ask a case with; the next ones where those before could not tell right from wrong."""

    def expect(self, layer: LayerCases, case: Case, arrays: Arrays) -> Expectation:
        """What is expected of a case, and what is allowed around it."""

    def backward(self, layer: LayerCases, case: Case, seed: int) -> Backward:
        """The arrays to ask the backward pass of a case with, and a gradient for each output."""

    def gradients(self, layer: LayerCases, case: Case, backward: Backward) -> Expectation:
        """The gradients that are expected, and what is allowed around them."""

    def mask(self, case: MaskCase) -> Array | None:
        """The mask that a layer hands on."""

    def stateful(self, case: StatefulCase, seed: int) -> tuple[Sequence[Arrays], Sequence[Array]]:
        """The halves of a sequence and a stateful layer's outputs for them."""

    def text(self, options: Mapping[str, Any]) -> TextExpectation:
        """What TextVectorization makes of the suite's texts."""

    def loss(self, case: Case, seed: int) -> LossExpectation:
        """The value and the gradient of a loss."""

    def steps(self, case: Case, seed: int) -> StepsExpectation:
        """The variables after each step of an optimizer."""


def oracle(name: str) -> Oracle:
    """The oracle of this name, one of :data:`ORACLES` or :data:`REFERENCE`."""
    if name == LIVE:
        from conformance.oracle.live.keras import LiveKeras

        return LiveKeras()
    if name == REFERENCE:
        from conformance.oracle.reference import Reference

        return Reference()
    from conformance.oracle.recorded.reader import Recorded

    return Recorded()
