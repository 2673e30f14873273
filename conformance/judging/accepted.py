"""What of a layer an implementation has: the declaration of its cases, without the values of options that are not taken.

Declared cases ask about everything that Keras has. Questions that are made while the implementation is at hand (all pairs of what it
takes, drawn cases) are made of what is left here, so that none of them is spent on an answer that is known.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from conformance.base.call import Question
from conformance.base.record import ERROR, FAILED, PASSED, UNSUPPORTED, Record
from conformance.cases.case import DTYPES, Case, LayerCases, declared_cases, in_words, make_case
from conformance.cases.draw import draw_arrays
from conformance.cases.gradients import backward_cases, draw_backward
from conformance.cases.questions import backward_question, forward_question
from conformance.implementations.protocol import Implementation

ANSWERED = (PASSED, FAILED, ERROR)
INPUTS = ("values", "others")
"""Of what a case is called with, these are no options: they say what its arrays hold."""


def accepted(layer: LayerCases, implementation: Implementation, part: str) -> LayerCases:
    """The declaration with those values of options that the implementation takes, each alone with all else at Keras's default.

    Where it does not even take the call without options, the declaration is as it was: every question about it says why. `part` is
    'forward' or 'backward'. No case of the result is a special one.
    """

    def taken(factors: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        return {
            name: [values[0], *(value for value in values[1:] if not _refused(layer, implementation, part, name, value))]
            for name, values in factors.items()
        }

    sizes = {name: values[0] for name, values in layer.sizes.items()}
    plain = make_case(layer, sizes, next(iter(layer.inputs.values())), {}, "float64", "")
    if _unsupported(layer, plain, implementation, part):
        return replace(layer, special=())
    return replace(layer, special=(), options=taken(layer.options), call=taken(layer.call))


def _refused(layer: LayerCases, implementation: Implementation, part: str, name: str, value: Any) -> bool:
    """Whether a value is not taken on any input on which Keras takes it; False where it takes it on none, with all else at its default."""
    config: dict[str, Any] = {one: values[0] for one, values in layer.sizes.items()}
    call: dict[str, Any] = {}
    (config if name in layer.options else call)[name] = value
    cases = [make_case(layer, config, shape, call, dtype, "") for shape in layer.inputs.values() for dtype in DTYPES]
    possible = [case for case in cases if layer.possible(config, case.shape, call, case.dtype)]
    return bool(possible) and all(_unsupported(layer, case, implementation, part) for case in possible)


def _unsupported(layer: LayerCases, case: Case, implementation: Implementation, part: str) -> bool:
    refusal = implementation.refusal(_question(layer, case, part))
    return refusal is not None and refusal.status == UNSUPPORTED


def _question(layer: LayerCases, case: Case, part: str) -> Question:
    if part == "forward":
        return forward_question(layer, case, draw_arrays(layer, case, case.seed()), {})
    backward = draw_backward(layer, case, 0)
    return backward_question(layer, case, backward.arrays, {}, backward.grads)


def pairs_of_accepted(layer: LayerCases, narrowed: LayerCases, part: str, profile: str) -> list[Case]:
    """Cases in which all pairs of what is taken meet, without those that are declared; none where all is taken, since then all are."""
    if all(len(values) == len(left[name]) for values_of, left in _factors(layer, narrowed) for name, values in values_of.items()):
        return []
    declared = {case.id for case in declared_cases(layer, profile)}
    made = declared_cases(narrowed, profile) if part == "forward" else backward_cases(narrowed, profile)
    return [case for case in made if case.id not in declared]


def _factors(layer: LayerCases, narrowed: LayerCases) -> Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    return ((layer.options, narrowed.options), (layer.call, narrowed.call))


def never_met(layer: LayerCases, records: Iterable[Record]) -> list[tuple[str, str]]:
    """Pairs of options of which each was answered in some case, and both together in none although that was asked."""
    usual = {name: in_words(values[0]) for name, values in {**layer.options, **layer.call}.items() if name not in layer.unpassed}
    asked: set[tuple[str, str]] = set()
    answered: set[tuple[str, str]] = set()
    alone: set[str] = set()
    for record in records:
        used = [name for name, word in usual.items() if name not in INPUTS and record.options.get(name, word) != word]
        asked.update(_pairs(used))
        if record.status in ANSWERED:
            answered.update(_pairs(used))
            alone.update(used)
    return sorted(pair for pair in asked - answered if alone.issuperset(pair))


def _pairs(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    return itertools.combinations(sorted(names), 2)
