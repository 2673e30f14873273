"""Keras itself as the oracle: anything can be asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from numpy.typing import NDArray

from conformance.arrays import Arrays
from conformance.cases.arrays import draw_arrays
from conformance.cases.case import Case, LayerCases
from conformance.cases.gradients import Backward, draw_backward
from conformance.cases.masks import MaskCase
from conformance.cases.stateful import StatefulCase
from conformance.cases.text import ADAPTED, ASKED, in_shape
from conformance.oracle import live, training
from conformance.oracle.expectation import Expectation, LossExpectation, StepsExpectation, TextExpectation
from conformance.oracle.gradients import expect_gradients
from conformance.oracle.recalled import with_recalled_allowance, with_recalled_response
from conformance.oracle.text import expect_text

Array = NDArray[Any]
DRAWS = 4


class LiveKeras:
    """See :class:`conformance.oracle.oracle.Oracle`; `recall` says whether allowances may come from the recording, where it is current."""

    live = True

    def __init__(self, *, recall: bool = True) -> None:
        self._recall = recall
        self._last: tuple[tuple[str, int], LossExpectation] | None = None

    @property
    def keras(self) -> str:
        """The version that is installed."""
        return version("keras")

    def draws(self, layer: LayerCases, case: Case, seed: int) -> Iterator[Arrays]:
        """Arrays from the case's own seed, at most :data:`DRAWS` times."""
        return (draw_arrays(layer, case, case.seed(seed) + draw) for draw in range(DRAWS))

    def expect(self, layer: LayerCases, case: Case, arrays: Arrays) -> Expectation:
        """What Keras says."""
        found = live.expect(layer, case, arrays)
        return with_recalled_allowance(found, layer, case, arrays) if self._recall else found

    def backward(self, layer: LayerCases, case: Case, seed: int) -> Backward:
        """Drawn from the case's own seed."""
        return draw_backward(layer, case, seed)

    def gradients(self, layer: LayerCases, case: Case, backward: Backward) -> Expectation:
        """What Keras's automatic differentiation says."""
        found = expect_gradients(layer, case, backward)
        return with_recalled_response(found, layer, case, backward) if self._recall else found

    def mask(self, case: MaskCase) -> Array | None:
        """What Keras's layer hands on."""
        return live.keras_mask(case.layer, {**case.sizes, **case.options}, case.x, case.mask)

    def stateful(self, case: StatefulCase, seed: int) -> tuple[Sequence[Arrays], Sequence[Array]]:
        """The halves through a stateful layer."""
        halves = case.draw(seed)
        return halves, live.keras_stateful(case.layer, case.case, halves)

    def text(self, options: Mapping[str, Any]) -> TextExpectation:
        """Keras's layer, adapted on the suite's texts and asked about others."""
        given = {name: value for name, value in options.items() if name != "shape"}
        return expect_text(ADAPTED, in_shape(ASKED, options.get("shape", "(batch,)")), given)

    def loss(self, case: Case, seed: int) -> LossExpectation:
        """Keras's loss object and its automatic differentiation."""
        # Value and gradient are asked about one after the other.
        if self._last is None or self._last[0] != (case.id, seed):
            self._last = (case.id, seed), training.expect_loss(case, seed)
        return self._last[1]

    def steps(self, case: Case, seed: int) -> StepsExpectation:
        """Keras's optimizer, applied to variables."""
        return training.expect_steps(case, seed)
