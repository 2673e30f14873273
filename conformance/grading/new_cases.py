"""Cases that stand nowhere: a declared one with other sizes and other arrays, and whether somebody can be judged by it."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import cycle, islice
from typing import Any

import numpy as np

from conformance.base.arrays import cast, same
from conformance.base.errors import IllConditionedCaseError, NotDiscriminatingError, SuiteError
from conformance.base.record import CORE, PASSED
from conformance.cases import layer_cases
from conformance.cases.case import Case, FunctionCases, LayerCases, declared_cases, make_case, shapes_of_inputs
from conformance.cases.draw import draw_arrays
from conformance.cases.gradients import backward_cases, differentiable, draw_backward
from conformance.cases.level import BACKWARD, FORWARD, level
from conformance.cases.losses import draw_loss, loss_cases
from conformance.cases.questions import Question, backward_question, forward_question
from conformance.cases.titles import in_words, words
from conformance.checks.loss import GRADIENT, VALUE, judge_loss
from conformance.grading.rubric import Item
from conformance.implementations.module import ModuleImplementation
from conformance.judging.discriminating import check_discriminating
from conformance.judging.finite_differences import SMOOTH, check_finite_differences
from conformance.judging.judge import CaseResult, judge_backward, judge_case
from conformance.oracle.protocol import Oracle
from conformance.oracle.reference import Reference
from reference.layers import spec_of

PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "forward": ("forward", ()),
    "backward": ("backward", ()),
    "loss": ("loss", (VALUE,)),
    "loss_gradient": ("loss", (GRADIENT,)),
}
"""Passes of a rubric: the kind of question, and what its check takes before the case."""
ORDINARY = (*SMOOTH, "tiny", "masked_steps")
"""Inputs of which no value was chosen to lie at a tie, a kink or the end of the numbers."""
SHAPE_OF_LOSS = ((2, 8), (1, 6), (2, 7))
"""Ranges of the axes of predictions, which are not drawn elsewhere: samples, steps, classes."""
ORACLE: Oracle = Reference()
JUDGED = ModuleImplementation("reference")
"""By these a case is tried before anybody is asked."""


def new_case(item: Item, layer: str, part: str, seed: int, number: int) -> Case | None:
    """The case of this number; None where sizes were drawn with which there is none, or one that is not asked."""
    begun = _begun(item, layer, part, seed, number)
    if begun is None:
        return None
    rng, base = begun
    declaration = layer_cases(layer)
    spans = {name: declaration.drawn.get(name) for name in declaration.sizes if name in base.config and name not in item.options}
    sizes = {name: _within(rng, span) for name, span in spans.items() if span is not None}
    shape = tuple(_within(rng, span) for span in _axes(declaration, len(base.shape)))
    config = {**base.config, **sizes}
    title = "-".join([*_said(declaration, base), f"hidden_case_{number}"])
    case = make_case(declaration, config, shape, base.call, base.dtype, title)
    return case if _is_possible(declaration, case) and _is_fair(declaration, part, case) else None


def _begun(item: Item, layer: str, part: str, seed: int, number: int) -> tuple[np.random.Generator, Case] | None:
    """The generator of the case of this number, and the declared case that it is made of; None where no case has the item's options."""
    bases = _bases(layer, part, tuple(sorted(item.options.items())))
    rng = np.random.default_rng(list(hashlib.sha256(f"{seed}:{item.id}:{layer}:{part}:{number}".encode()).digest()))
    return (rng, bases[rng.integers(len(bases))]) if bases else None


def question_of(part: str, case: Case, seed: int) -> Question:
    """What an implementation is asked, up to what the oracle chooses."""
    layer = layer_cases(case.layer)
    if part == "backward":
        backward = draw_backward(layer, case, seed)
        return backward_question(layer, case, backward.arrays, {}, backward.grads)
    if part == "forward":
        return forward_question(layer, case, draw_arrays(layer, case, case.seed(seed)), {})
    arrays = draw_loss(case, seed)
    return forward_question(layer, case, arrays, {}) if part == "loss" else backward_question(layer, case, arrays, {}, ())


def is_sound(part: str, case: Case, seed: int, oracle: Oracle = ORACLE) -> bool:
    """Whether the case can be judged by: the layer takes it, its arrays can tell right from wrong, no last digit decides, the reference
    keeps what is allowed, and gradients are the slopes of its forward pass, by finite differences in float64. `oracle` is the reference.
    """
    try:
        result = SOUND[part](case, seed, oracle)
    except (IllConditionedCaseError, NotDiscriminatingError, SuiteError, ValueError):  # ValueError: sizes that the layer does not take
        return False
    return result is not None and result.verdict.status == PASSED


def _forward(case: Case, seed: int, oracle: Oracle) -> CaseResult | None:
    layer = layer_cases(case.layer)
    result = judge_case(case, JUDGED, oracle, seed, strict=True)
    if result.expectation is not None:
        result.expectation.rounding()
    first = draw_arrays(layer, case, case.seed(seed))
    return result if same(result.arrays, first) else None


def _backward(case: Case, seed: int, oracle: Oracle) -> CaseResult:
    layer = layer_cases(case.layer)
    result = judge_backward(case, JUDGED, oracle, seed, strict=True)
    forward = oracle.expect(layer, case, result.arrays)
    check_discriminating(layer, case, result.arrays, forward)
    forward.rounding()
    return _confirmed(result)


def _loss(case: Case, seed: int, oracle: Oracle) -> CaseResult:
    return judge_loss(VALUE, case, JUDGED, oracle, seed, strict=True)


def _loss_gradient(case: Case, seed: int, oracle: Oracle) -> CaseResult:
    result = judge_loss(GRADIENT, case, JUDGED, oracle, seed, strict=True)
    (value,) = oracle.loss(case, seed).value.outputs
    return replace(_confirmed(replace(result, grads=(np.ones(value.shape),))), grads=())


SOUND: dict[str, Callable[[Case, int, Oracle], CaseResult | None]] = {
    "forward": _forward, "backward": _backward, "loss": _loss, "loss_gradient": _loss_gradient,
}  # fmt: skip


def _confirmed(result: CaseResult) -> CaseResult:
    """The result; SuiteError where its gradients, which are float64 values, are not those that forward passes in float64 show."""
    wide = {name: cast(getattr(result, name), "float64") for name in ("arrays", "grads")}
    check_finite_differences(replace(result, case=replace(result.case, dtype="float64"), **wide), JUDGED)
    return result


@functools.lru_cache(maxsize=256)
def _bases(name: str, part: str, options: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[Case, ...]:
    """The declared cases of which others are made: those of the core with these options."""
    layer = layer_cases(name)
    declared: dict[str, Callable[[], Iterable[Case]]] = {
        "forward": lambda: declared_cases(layer, "standard"),
        "backward": lambda: backward_cases(layer, "standard"),
    }
    cases = declared[part]() if part in declared else loss_cases(name)
    fair = (case for case in cases if len(case.shape) > 1 and _is_fair(layer, part, case))
    return tuple(case for case in fair if matches(dict(options), {name: in_words(value) for name, value in case.options.items()}))


def _is_possible(layer: LayerCases, case: Case) -> bool:
    """Whether Keras accepts the case, and the layer its sizes."""
    possible = layer.possible(case.config, case.shape, case.call, case.dtype)
    if not possible or isinstance(layer, FunctionCases):
        return possible
    shapes = shapes_of_inputs(case.shape, case.config, case.call) if "others" in layer.call else [case.shape]
    try:
        return bool(spec_of(case.layer).output_shapes(layer.keras_config(case.config), shapes))
    except ValueError:
        return False


def _is_fair(layer: LayerCases, part: str, case: Case) -> bool:
    """Whether nothing about a case could be argued about: it is of the core, where no defect of Keras is met, its values are ordinary."""
    values = case.call.get("values", layer.call.get("values", ["ordinary"])[0])
    if part == "backward" and not (differentiable(layer, case) and values in SMOOTH):
        return False
    direction = BACKWARD if part in ("backward", "loss_gradient") else FORWARD
    return values in ORDINARY and level(case, direction) == CORE


def matches(patterns: Mapping[str, Sequence[str]], options: Mapping[str, str]) -> bool:
    """Whether the options of a case, in words, have values that a rubric wants; one that a case has not is None."""
    return all(any(fnmatchcase(options.get(name, "None"), one) for one in wanted) for name, wanted in patterns.items())


def _axes(layer: LayerCases, rank: int) -> list[Any]:
    """A range for each axis of an input; of another rank than is drawn with more or fewer axes in the middle."""
    first, *middle, last = layer.drawn.get("shape", SHAPE_OF_LOSS)
    if rank == 2 + len(middle):
        return [first, *middle, last]
    return [first, *islice(cycle(middle or [last]), rank - 2), last]


def _within(rng: np.random.Generator, span: Any) -> Any:
    """A size in a range, or one in each of several; the larger of two, since sizes of one show little."""
    if isinstance(span[0], tuple):
        return tuple(_within(rng, axis) for axis in span)
    return int(max(rng.integers(span[0], span[1] + 1, 2)))


def _said(layer: LayerCases, base: Case) -> list[str]:
    """The options of a case in words, without sizes."""
    given = {name: value for name, value in base.config.items() if name not in layer.sizes and layer.constant.get(name) != value}
    return [words(name, value) for name, value in {**given, **base.call}.items()]
