"""The project's own NumPy functions as the oracle, for cases that were not recorded where there is no Keras.

They agree with Keras in every recorded case. Here they stand in Keras's place: the expected value is their answer in float64, and what is
allowed around it follows by the same rules from asking them again. Their answer in the case's own dtype only says which dtypes there are:
it is not Keras's, and is not told as such.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

import reference
from conformance.base.arrays import Array, Arrays, cast, same
from conformance.base.call import Question
from conformance.base.errors import SuiteError
from conformance.cases.case import Case, FunctionCases, LayerCases
from conformance.cases.draw import draw_arrays
from conformance.cases.gradients import Backward, draw_backward, gradient_names
from conformance.cases.losses import LOSS_CASES, draw_loss
from conformance.cases.masks import MaskCase
from conformance.cases.questions import backward_question, forward_question
from conformance.cases.stateful import StatefulCase
from conformance.cases.tolerance import meaning, meaning_of_gradients, responses_of_gradients, rounding_of_gradients
from conformance.cases.tolerance_training import loss, loss_meaning
from conformance.oracle.expectation import Expectation, LossExpectation, StepsExpectation, TextExpectation, in_range
from conformance.oracle.live.quiet import once, quiet
from conformance.oracle.recorded.vectors import folder, manifest
from reference.layers import spec_of

DRAWS = 4
Outputs = tuple[Array, ...]
T = TypeVar("T")


class Reference:
    """See :class:`conformance.oracle.protocol.Oracle`; asked about forward and backward passes and losses, which hidden cases are about.

    A case may meet no defect of Keras: what is documented is known here, what Keras does instead is not. The last answer of each kind is
    kept: a hidden case is tried before it is asked.
    """

    live = True

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Any, Any]] = {}

    @property
    def keras(self) -> str:
        """The version that the functions agree with, which is the recorded one."""
        return str(manifest(folder())["keras"])

    def draws(self, layer: LayerCases, case: Case, seed: int) -> Iterator[Arrays]:
        """As live Keras's."""
        return (draw_arrays(layer, case, case.seed(seed) + draw) for draw in range(DRAWS))

    def expect(self, layer: LayerCases, case: Case, arrays: Arrays) -> Expectation:
        """The function's own float64 value."""
        return self._once("forward", (case, arrays), lambda: _expectation(layer, case, arrays))

    def backward(self, layer: LayerCases, case: Case, seed: int) -> Backward:
        """As live Keras's."""
        return draw_backward(layer, case, seed)

    def gradients(self, layer: LayerCases, case: Case, backward: Backward) -> Expectation:
        """The gradients by the backward function; that they are slopes of the forward one is for the caller to confirm."""
        return self._once("backward", (case, backward.arrays, backward.grads), lambda: _gradients(layer, case, backward))

    def loss(self, case: Case, seed: int) -> LossExpectation:
        """Value and gradient of the predictions."""
        return self._once("loss", (case, seed), lambda: _loss(case, draw_loss(case, seed)))

    def mask(self, case: MaskCase) -> Array | None:
        """Not asked."""
        raise _not_asked("masks")

    def stateful(self, case: StatefulCase, seed: int) -> tuple[Sequence[Arrays], Sequence[Array]]:
        """Not asked."""
        raise _not_asked("stateful layers")

    def text(self, options: Mapping[str, Any]) -> TextExpectation:
        """Not asked."""
        raise _not_asked("text")

    def steps(self, case: Case, seed: int) -> StepsExpectation:
        """Not asked."""
        raise _not_asked("optimizers")

    def _once(self, kind: str, asked: tuple[Any, ...], answer: Callable[[], T]) -> T:
        """What was answered to the last question of this kind, if it was this one."""
        if kind not in self._kept or not same(self._kept[kind][0], asked):
            self._kept[kind] = asked, answer()
        found: T = self._kept[kind][1]
        return found


@quiet()
def _expectation(layer: LayerCases, case: Case, arrays: Arrays) -> Expectation:
    wide, ask = cast(arrays, "float64"), _OneCase(layer, case, _dropout_mask(layer, case, arrays))
    own = ask.as_given(arrays)
    outputs = own if case.dtype == "float64" else ask(wide)
    single = functools.partial(_expectation, layer, replace(case, dtype="float32"), cast(arrays, "float32"))
    return Expectation(
        outputs=tuple(in_range(y, case.dtype) for y in outputs),
        dtypes=tuple(y.dtype for y in own),
        meaning=once(lambda: meaning(ask, case, wide, outputs)),
        rounding=once(lambda: layer.tolerance(ask, case, wide, outputs)),
        arguments=ask.chosen,
        single=None if case.dtype == "float32" else functools.cache(single),
    )


@quiet()
def _gradients(layer: LayerCases, case: Case, backward: Backward) -> Expectation:
    wide = Backward(cast(backward.arrays, "float64"), cast(backward.grads, "float64"))
    chosen = _dropout_mask(layer, case, backward.arrays)

    def ask(backward: Backward) -> Outputs:
        return _leaves(_answer(backward_question(layer, case, backward.arrays, chosen, backward.grads)))

    own = ask(backward)
    exact = tuple(in_range(y, case.dtype) for y in (own if case.dtype == "float64" else ask(wide)))
    return Expectation(
        outputs=exact,
        dtypes=tuple(y.dtype for y in own),
        meaning=lambda: meaning_of_gradients(exact),
        rounding=once(lambda: rounding_of_gradients(responses_of_gradients(ask, case, wide, exact), wide, exact)),
        arguments=chosen,
        names=gradient_names(layer, case, backward.arrays),
    )


@quiet()
def _loss(case: Case, arrays: Arrays) -> LossExpectation:
    layer = LOSS_CASES[case.layer]
    wide = cast(arrays, "float64")

    def ask(arrays: Arrays) -> Outputs:
        value = _answer(forward_question(layer, case, arrays, {}))
        return np.asarray(value), np.asarray(_answer(backward_question(layer, case, arrays, {}, ())))

    own = ask(arrays)
    outputs = own if case.dtype == "float64" else ask(wide)
    allowed, meant = once(lambda: loss(ask, case, wide, outputs)), loss_meaning(case, wide, outputs)

    def part(n: int) -> Expectation:
        return Expectation((outputs[n],), (own[n].dtype,), lambda: (meant[n],), lambda: (allowed()[n],))

    return LossExpectation(arrays, part(0), part(1))


class _OneCase:
    """The float64 oracle of one case, as tolerances ask it: on other arrays, or with parts of the configuration changed."""

    def __init__(self, layer: LayerCases, case: Case, chosen: Mapping[str, Any]) -> None:
        self.layer, self.case, self.chosen = layer, case, chosen

    def __call__(self, arrays: Arrays, **changes: Any) -> Outputs:
        """The answer in float64."""
        return self.as_given(cast(arrays, "float64"), **changes)

    def as_given(self, arrays: Arrays, **changes: Any) -> Outputs:
        """The answer in the dtype that the arrays have."""
        case = replace(self.case, config={**self.case.config, **changes})
        value = _answer(forward_question(self.layer, case, arrays, self.chosen))
        return tuple(map(np.asarray, value)) if isinstance(value, tuple) else (np.asarray(value),)

    def activation(self, name: str, z: Array) -> Array:
        """An activation function alone, in float64."""
        return np.asarray(getattr(reference, name)(z))


def _answer(question: Question) -> Any:
    return getattr(reference, question.function)(*question.positional, **question.keywords)


def _dropout_mask(layer: LayerCases, case: Case, arrays: Arrays) -> dict[str, Array]:
    """The mask of a layer that drops, drawn by its own seed: what it leaves of an array of ones."""
    if isinstance(layer, FunctionCases) or not spec_of(case.layer).drops or not arrays.arguments.get("training"):
        return {}
    ones = replace(arrays, x=np.ones_like(arrays.x))
    return {"dropout_mask": _answer(forward_question(layer, case, ones, {"seed": case.seed()})) != 0}


def _leaves(value: Any) -> Outputs:
    """The gradients in an answer, one after the other; None stands for what has none."""
    if isinstance(value, tuple | list):
        return tuple(leaf for one in value for leaf in _leaves(one))
    return () if value is None else (np.asarray(value),)


def _not_asked(what: str) -> SuiteError:
    return SuiteError(f"no expected values of {what} are made of the reference: these questions are recorded")
