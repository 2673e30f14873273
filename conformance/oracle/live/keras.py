"""Keras itself as the oracle: anything can be asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from conformance.base.arrays import Array, Arrays
from conformance.cases.case import Case, LayerCases
from conformance.cases.draw import draw_arrays
from conformance.cases.gradients import Backward, draw_backward
from conformance.cases.masks import MaskCase
from conformance.cases.stateful import StatefulCase
from conformance.cases.text import ADAPTED, ASKED, in_shape
from conformance.oracle.expectation import Expectation, LossExpectation, StepsExpectation, TextExpectation
from conformance.oracle.live import forward, training
from conformance.oracle.live.cache import cached, cached_gradients
from conformance.oracle.live.gradients import expect_gradients, own_gradients
from conformance.oracle.live.text import expect_text

DRAWS = 4


class LiveKeras:
    """See :class:`conformance.oracle.protocol.Oracle`; `use_cache` says whether :mod:`.cache` may spare it questions."""

    live = True

    def __init__(self, *, use_cache: bool = True) -> None:
        self._use_cache = use_cache
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
        found = cached(layer, case, arrays) if self._use_cache else None
        if found is None:
            return forward.expect(layer, case, arrays)
        own = forward.own_answer(layer, case, arrays)
        return replace(found, keras=own, dtypes=tuple(y.dtype for y in own))

    def backward(self, layer: LayerCases, case: Case, seed: int) -> Backward:
        """Drawn from the case's own seed."""
        return draw_backward(layer, case, seed)

    def gradients(self, layer: LayerCases, case: Case, backward: Backward) -> Expectation:
        """What Keras's automatic differentiation says."""
        found = cached_gradients(layer, case, backward) if self._use_cache else None
        if found is None:
            return expect_gradients(layer, case, backward)
        own = own_gradients(layer, case, backward)
        return replace(found, keras=own, dtypes=tuple(y.dtype for y in own))

    def mask(self, case: MaskCase) -> Array | None:
        """What Keras's layer hands on."""
        return forward.keras_mask(case.layer, {**case.sizes, **case.options}, case.x, case.mask)

    def stateful(self, case: StatefulCase, seed: int) -> tuple[Sequence[Arrays], Sequence[Array]]:
        """The halves through a stateful layer."""
        halves = case.draw(seed)
        return halves, forward.keras_stateful(case.layer, case.case, halves)

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
