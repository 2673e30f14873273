"""The gradient check that needs nobody who knows the right answer: a backward pass beside the slopes of its own forward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np

from conformance.base.arrays import EPS, Arrays
from conformance.base.record import FAILED, PASSED
from conformance.cases.case import Case, FunctionCases, LayerCases
from conformance.cases.gradients import Backward, draw_backward, gradient_names
from conformance.cases.losses import LOSS_CASES, draw_loss
from conformance.cases.questions import backward_question, forward_question
from conformance.implementations.protocol import Implementation
from conformance.judging.finite_differences import along, differentiated, slope, weighted
from conformance.judging.form import Outputs, UnansweredError, well_formed
from conformance.judging.judge import ask_gradients
from conformance.judging.outputs import named_gradients, named_outputs
from conformance.judging.refusal import ask
from conformance.judging.verdict import SINGLE_ONLY, SMALLEST_NORMAL, Verdict
from reference.layers import spec_of

ROUNDINGS = 100
"""Roundings that a term of a sum may carry: those of the longest sum of :mod:`conformance.checks.properties`."""
DRAWS = 3
"""Of the arrays, where a step of 1e-3 may lead over a kink: of others it does not."""
SAME_FACTOR = 1e-5
"""How near a factor must be to a whole number to be told."""


@dataclass(frozen=True)
class Precision:
    """The eps of what both passes compute in, and the step h that shows the slope of the forward one.

    ``(L(v + h d) - L(v - h d)) / 2 h`` is off by ``eps S / h``, S being the sum of the sizes of the terms of L, each of which is rounded,
    and by ``h**2 L''' / 6``. The first falls with h, the second rises, and so does the share of values that a step takes over a kink; the
    two are equal near ``eps**(1/3)``. The steps lie below that, at 1e-6 and 1e-3, and leave the first: 2e-10 S in float64, 1e-4 S in
    float32. The gradients themselves are rounded, too, which a small step does not enlarge.
    """

    forward: float
    backward: float
    step: float

    def allowed(self, outputs: float, gradients: float) -> float:
        """How far apart the slopes may be, by the sizes of the terms of L and of ``sum of gradient * d``."""
        return ROUNDINGS * (self.forward / self.step * (outputs + gradients) + self.backward * gradients)


DOUBLE = Precision(2.0**-52, 2.0**-52, 1e-6)
CLOSER = replace(DOUBLE, step=1e-7)
"""Where a kink, or a probability that is nearly 1, lies within the step."""
MIXED = replace(DOUBLE, backward=EPS)
SINGLE = Precision(EPS, EPS, 1e-3)


@dataclass(frozen=True)
class Slopes:
    """The slope by the gradients, that by two forward passes, and how far apart they may be."""

    told: float
    shown: float
    allowed: float

    @property
    def ratio(self) -> float:
        """How far apart they are over that."""
        return abs(self.shown - self.told) / max(self.allowed, SMALLEST_NORMAL)


def check_grads(implementation: Implementation, layer: LayerCases, case: Case, seed: int = 0, *, strict: bool = False) -> Verdict:
    """Whether the backward pass is the derivative of the forward pass of the same implementation; no oracle is asked.

    For ``L = sum of grad_output * y`` (of a loss, the sum of its values) and one random direction d of everything v that has a gradient
    (float inputs, trainable weights, given initial states) ::

        (L(v + h d) - L(v - h d)) / 2 h = sum of gradient * d

    Both sides are answers of the implementation: a wrong forward pass passes with the backward pass that is its derivative. Where they
    differ, each part of v is moved alone, and the one is named whose two slopes differ most.

    Parameters
    ----------
    implementation : Implementation
    layer, case
        The declaration, and a case whose slopes can be measured: see :func:`conformance.judging.finite_differences.smooth`.
    seed : int
        Of the arrays and of the direction.
    strict : bool
        Whether code that computes in float32 inside, which passes with a remark, fails.

    Returns
    -------
    Verdict
        Unsupported where there is no backward pass, or a signature refuses an option; what becomes of a call that does not return, and of
        an answer of another form than it must have, is what becomes of it everywhere.
    """
    try:
        with np.errstate(all="ignore"):
            return _compared(partial(_Passes, implementation, layer, case, strict), seed)
    except UnansweredError as reason:
        return reason.verdict


def _drawn(layer: LayerCases, case: Case, seed: int) -> Backward:
    """The arrays, a dropout mask with them, and the gradients of the outputs, by which these are weighted: 1 for the values of a loss."""
    if case.layer in LOSS_CASES:
        return Backward(draw_loss(case, seed), (np.ones(()),))
    drawn = draw_backward(layer, case, seed)
    if isinstance(layer, FunctionCases) or not spec_of(case.layer).drops or "training" not in case.call:
        return drawn
    # One decision a sample: whatever a kind of dropout makes its values share, they share it.
    kept = np.arange(case.shape[0]).reshape(-1, *(1,) * (len(case.shape) - 1)) % 2 == 0
    mask = {"dropout_mask": np.broadcast_to(kept, case.shape).copy()}
    return replace(drawn, arrays=replace(drawn.arrays, arguments={**drawn.arrays.arguments, **mask}))


class _Passes:
    """Both passes of a case: the gradients, which are asked for once, and L, wherever it is asked for.

    ``size`` is the sum of the sizes of the terms of L, ``single`` whether the outputs are numbers of float32.
    """

    def __init__(self, implementation: Implementation, layer: LayerCases, case: Case, strict: bool, seed: int) -> None:
        self.implementation, self.layer, self.case, self.strict = implementation, layer, case, strict
        drawn, rng = _drawn(layer, case, seed), np.random.default_rng([case.seed(seed), 2])
        self.arrays, self.grads = drawn.arrays, drawn.grads
        self.of_loss = case.layer in LOSS_CASES
        self.names = ("y_pred",) if self.of_loss else gradient_names(layer, case, self.arrays)
        # In proportion to the values: a step stays small beside each of them, and probabilities near 0 stay above it.
        self.directions = [part * rng.normal(size=part.shape) for part in differentiated(layer, case, self.arrays)]
        question = backward_question(layer, case, self.arrays, {}, () if self.of_loss else self.grads)
        answer = ask_gradients(layer, case, self.arrays, question, implementation)
        shapes = [one.shape for one in self.directions]
        self.gradients = well_formed(question.function, answer, shapes, strict=strict, names=named_gradients(self.names))
        outputs = self.outputs(self.arrays)
        self.size = weighted([np.abs(y) for y in outputs], [np.abs(grad) for grad in self.grads])
        self.single = all(np.array_equal(y, y.astype(np.float32)) for y in outputs)

    def outputs(self, arrays: Arrays) -> Outputs:
        """The outputs that have gradients."""
        question = forward_question(self.layer, self.case, arrays, {})
        answer = ask(self.implementation, question)
        if self.case.layer == "BatchNormalization" and isinstance(answer.value, tuple):
            answer = replace(answer, value=answer.value[0])  # before the new statistics
        # Whether the losses stay apart, and along which axes, is the question of another check.
        shapes = [np.shape(answer.value)] if self.of_loss else [grad.shape for grad in self.grads]
        names = named_outputs(self.layer, self.case, len(shapes))
        return well_formed(question.function, answer, shapes, strict=self.strict, names=names)

    def slopes(self, precision: Precision, part: str = "") -> Slopes:
        """The slopes along the direction, or along a part of it alone, the others being still."""
        directions = [one * (part in ("", name)) for name, one in zip(self.names, self.directions, strict=True)]

        def number(arrays: Arrays) -> float:
            return weighted(self.outputs(arrays), self.grads)

        told, size = along(self.gradients, directions)
        shown = slope(number, self.layer, self.case, self.arrays, directions, precision.step)
        return Slopes(told, shown, precision.allowed(self.size, size))


def _compared(passes_of: Callable[[int], _Passes], seed: int) -> Verdict:
    """The verdict on passes that are answered."""
    passes = passes_of(seed)
    if (first := passes.slopes(DOUBLE)).ratio <= 1 or (closer := passes.slopes(CLOSER)).ratio <= 1:
        return Verdict(PASSED)
    # A slope that changes with the step is noise: the forward pass has fewer digits than float64.
    single = passes.single or abs(first.shown - closer.shown) > closer.allowed
    precision = SINGLE if single else MIXED
    others = (passes_of(seed + n) for n in range(1, DRAWS)) if single else ()
    if any(one.slopes(precision).ratio <= 1 for one in chain([passes], others)):
        sentence = f"gradients and slopes of the forward pass agree, but they are {SINGLE_ONLY}"
        return Verdict(FAILED, sentence) if passes.strict else Verdict(PASSED, remarks=(SINGLE_ONLY,))
    found = {name: passes.slopes(precision, name) for name in passes.names}
    worst = max(found, key=lambda name: found[name].ratio)
    return Verdict(FAILED, _sentence(worst, found[worst].told, found[worst].shown))


def _sentence(name: str, told: float, shown: float) -> str:
    """Which gradient is wrong, and by how much."""
    digits = 4 if f"{told:.4g}" != f"{shown:.4g}" else 17
    said = f"by the backward {told:.{digits}g}, by two forward passes {shown:.{digits}g}{_factor(told, shown)}"
    return f"the gradient of {name} is not the slope of your own forward pass: {said}"


def _factor(told: float, shown: float) -> str:
    """A factor that was forgotten, in words: the sign, a whole number, or one over it."""
    if not told or not shown:
        return ""
    larger, smaller = (shown, told) if abs(shown) > abs(told) else (told, shown)
    count = round(larger / smaller)
    if count in (0, 1) or count < -1 or abs(larger / smaller / count - 1) > SAME_FACTOR:
        return ""
    if count == -1:
        return " (the opposite)"
    more, less = {2: ("twice as much", "half as much")}.get(count, (f"{count} times as much", f"1/{count} of that"))
    return f" ({more if larger == shown else less})"
