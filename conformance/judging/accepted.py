"""What of a layer an implementation has: the declaration of its cases, without the values of options that are not taken.

Declared cases ask about everything that Keras has. Questions that are made while the implementation is at hand (all pairs of what it
takes, drawn cases) are made of what is left here, so that none of them is spent on an answer that is known.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from conformance.base.call import REFUSED, Question
from conformance.base.record import ERROR, FAILED, PASSED, UNSUPPORTED, Record
from conformance.cases.case import Case, LayerCases, declared_cases, values_alone
from conformance.cases.draw import draw_arrays
from conformance.cases.gradients import backward_cases, draw_backward
from conformance.cases.questions import backward_question, forward_question
from conformance.cases.titles import in_words
from conformance.implementations.protocol import Implementation

ANSWERED = (PASSED, FAILED, ERROR)
ATTEMPTS = 4
"""Of cases with the same options so many are tried: a layer may take a value on some inputs only."""
NO_OPTION = "no_option_of_keras"
OF_WRAPPED = {"TimeDistributed": ("mask", "training", "dilation_rate", "groups", "epsilon")}
"""What a wrapper hands on beside the options that its declaration gives."""
INPUTS = ("values", "others", "labels", "gradients", "steps")
"""Of what a case is called with, these are no options: they say what its arrays hold."""


def accepted(layer: LayerCases, implementation: Implementation, part: str, profile: str = "standard") -> LayerCases:
    """The declaration with those values of options that the implementation takes, each with as little else beside it as there is a case of.

    Where it does not even take the call without options, the declaration is as it was: every question about it says why. `part` is
    'forward' or 'backward'. No case of the result is a special one.
    """
    by_use: dict[frozenset[tuple[str, str]], list[Case]] = defaultdict(list)
    for case in declared_cases(layer, profile):
        by_use[frozenset(_used(layer, case.options))].append(case)

    def taken(name: str, value: Any) -> bool:
        """Whether any of the cases is taken that have this value and the fewest others; there may be none."""
        having = [used for used in by_use if (name, in_words(value)) in used]
        fewest = min(map(len, having), default=0)
        cases = [case for used in having if len(used) == fewest for case in by_use[used][:ATTEMPTS]]
        return not cases or any(not _unsupported(layer, case, implementation, part) for case in cases)

    def left(factors: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        return {name: [values[0], *(value for value in values[1:] if taken(name, value))] for name, values in factors.items()}

    if all(_unsupported(layer, case, implementation, part) for case in by_use[frozenset()][:ATTEMPTS]):
        return replace(layer, special=())
    options, call = left(layer.options), left(layer.call)
    drawn = {name: span for name, span in layer.drawn.items() if len(options.get(name, ())) == len(layer.options.get(name, ()))}
    return replace(layer, special=(), options=options, call=call, drawn=drawn)


def _used(layer: LayerCases, options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The options that are not at their default, with the words for their values."""
    usual = {name: in_words(values[0]) for name, values in {**layer.options, **layer.call}.items()}
    return [(name, in_words(options[name])) for name, word in usual.items() if in_words(options.get(name, word)) != word]


def _unsupported(layer: LayerCases, case: Case, implementation: Implementation, part: str) -> bool:
    refusal = implementation.refusal(_question(layer, case, part))
    return refusal is not None and refusal.status == UNSUPPORTED


def _question(layer: LayerCases, case: Case, part: str) -> Question:
    if part == "forward":
        return forward_question(layer, case, draw_arrays(layer, case, case.seed()), {})
    backward = draw_backward(layer, case, 0)
    return backward_question(layer, case, backward.arrays, {}, backward.grads)


def pairs_of_accepted(layer: LayerCases, narrowed: LayerCases, implementation: Implementation, part: str, profile: str) -> list[Case]:
    """Cases in which all pairs of what is taken meet, without those that are declared; none where all is taken, since then all are."""
    if all(len(values) == len(left[name]) for values_of, left in _factors(layer, narrowed) for name, values in values_of.items()):
        return []
    declared = {case.id for case in declared_cases(layer, profile)}
    made = declared_cases(narrowed, profile) if part == "forward" else backward_cases(narrowed, profile)
    # Some pairs need a third option to act, which may not be taken.
    return [case for case in made if case.id not in declared and not _unsupported(layer, case, implementation, part)]


def _factors(layer: LayerCases, narrowed: LayerCases) -> Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    return ((layer.options, narrowed.options), (layer.call, narrowed.call))


def never_met(layer: LayerCases, records: Iterable[Record], unasked: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Pairs of options of which each was answered in some case, and both together in none although that was asked.

    An option that does nothing without another one (dropout without training) is answered only beside that. One that is in no case at all
    (`unasked`, see :func:`never_asked`) met none of the others.
    """
    asked: set[tuple[str, str]] = set()
    answered: set[tuple[str, str]] = set()
    alone: set[str] = set()
    for record in records:
        used = [name for name in _acting(layer, record.options) if name not in (*INPUTS, *layer.unpassed)]
        asked.update(_pairs(used))
        if record.status in ANSWERED:
            answered.update(_pairs(used))
            alone.update(used)
    unmet = {pair for option in unasked for other in {*alone, *unasked} - {option} for pair in _pairs((option, other))}
    return sorted({pair for pair in asked - answered if alone.issuperset(pair)} | unmet)


def never_asked(layer: LayerCases, records: Sequence[Record], implementation: Implementation, function: str) -> list[str]:
    """Options of Keras that a function takes by name, and that no case of its layer gives.

    Of a function that takes any name (``**options``), and of a program that does not tell, this is not known.
    """

    def takes(name: str) -> bool:
        refusal = implementation.refusal(Question(function, (), {name: None}))
        return refusal is None or REFUSED not in refusal.message

    if not implementation.has(function) or takes(NO_OPTION):
        return []
    given = {name for record in records for name in record.options}
    known = {*layer.untested, *layer.defaults(), *OF_WRAPPED.get(layer.layer, ())} - {*layer.sizes, *layer.unpassed, "state"}
    return sorted(name for name in known - given if takes(name))


def _told(layer: LayerCases, options: Mapping[str, Any]) -> list[str]:
    """The options that are not at their default, those among them that stand in special cases and in pairs alone."""
    defaults, varied = {**layer.constant, **layer.defaults()}, {*layer.options, *layer.call, *layer.sizes}
    others = [name for name in {**defaults, **values_alone(layer)} if name in options and name not in varied]
    differing = [name for name in others if name not in defaults or in_words(options[name]) != in_words(defaults[name])]
    return [*(name for name, _ in _used(layer, options)), *differing]


def _acting(layer: LayerCases, options: Mapping[str, Any]) -> list[str]:
    """Those of the options that are told beside which there is what they need to change anything, be it of the call alone."""
    told = _told(layer, options)
    there = {*told, *INPUTS, *(options.keys() - {*layer.options, *layer.call, *layer.defaults()})}
    ways = (layer.alone.acts_with, {**layer.alone.acts_with, **layer.alone.or_with})
    return [name for name in told if any(there.issuperset(way.get(name, ())) for way in ways)]


def _pairs(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    return itertools.combinations(sorted(names), 2)
