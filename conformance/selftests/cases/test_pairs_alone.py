"""A port that knows two options, and forgets the one where the other stands, fails a case that it accepts: every pair, every layer."""

from __future__ import annotations

import inspect
import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

import reference
from conformance.cases import ALL, layer_cases
from conformance.cases.case import Case, LayerCases, ways_alone
from conformance.cases.losses import LOSS_CASES
from conformance.cases.optimizers import OPTIMIZER_CASES
from conformance.selftests.builders.ports import (
    KINDS_OF_INPUT,
    Asked,
    answer,
    cases_of,
    differs,
    draw,
    drawn_with,
    first_wrong,
    forgetful,
    options_of,
    parts_of,
)
from conformance.selftests.builders.small_ports import PORTS

ASKED = [(name, part) for name in (*ALL, *LOSS_CASES, *OPTIMIZER_CASES) for part in parts_of(layer_cases(name))]


def mistakes(layer):
    """Every mistake where two options meet: the two with their values, the one that is forgotten, and what stands with them."""
    usual, *others_ways = ways_alone(layer)
    without_base = len(others_ways) - len(layer.alone.bases)
    for values, stand_with, base in [
        (*usual, {}),
        *((*way, {}) for way in others_ways[:without_base]),
        *((*way, base) for way, base in zip(others_ways[without_base:], layer.alone.bases, strict=True)),
    ]:
        for (first, ones), (second, others) in itertools.combinations(values.items(), 2):
            partners = {**stand_with.get(first, {}), **stand_with.get(second, {})}
            if stand_with is usual[1] or base or not {first, second}.isdisjoint(layer.alone.or_with):
                for one, other in itertools.product(ones, others):
                    for forgotten in sorted({first, second} - {*KINDS_OF_INPUT}):
                        # A port that does not have the default of a base answers no case without it.
                        yield {**base, first: one, second: other}, forgotten, {**partners, first: one, second: other}


def survivors(layer: LayerCases, part: str) -> Iterator[str]:
    """The mistakes that no declared case of the port finds, although other arrays would show them."""
    by_options = defaultdict(list)
    for case in cases_of(layer, part):
        if case.dtype == "float64":
            by_options[frozenset(_given(layer, case))].append(case)
    answers: dict[str, tuple[Asked, Any]] = {}

    def shows(case: Case, forgotten: str) -> bool:
        if case.id not in answers:
            asked = draw(layer, case, part)
            answers[case.id] = asked, answer(layer, asked, part)
        asked, right = answers[case.id]
        return right is not None and differs(right, forgetful(layer, asked, part, forgotten))

    for values, forgotten, row in mistakes(layer):
        accepted = {*row, *layer.sizes}
        cases = (case for options, cases in by_options.items() if {*values} <= options <= accepted for case in cases)
        meeting = (case for case in cases if all(_given(layer, case)[option] == value for option, value in values.items()))
        if not any(shows(case, forgotten) for case in meeting):
            missed = next((case for case in drawn_with(layer, part, row) if shows(case, forgotten)), None)
            if missed is not None:
                yield f"{values} with {forgotten} forgotten (shows on {missed.shape} of {missed.config})"


def _given(layer: LayerCases, case: Case) -> dict[str, Any]:
    """What a port must know for a case, and the kinds of input that pairs name."""
    kinds = {name: value for name, value in case.call.items() if name in KINDS_OF_INPUT}
    return {**options_of(layer, case), **kinds}


@pytest.mark.parametrize(("name", "part"), ASKED)
def test_every_mistake_where_two_options_meet_is_found_in_a_port_that_has_no_others(name, part):
    missed = list(survivors(layer_cases(name), part))
    assert not missed, f"{name} {part}: {len(missed)} mistakes are found by no case of two options alone: {missed[:5]}"


@pytest.mark.parametrize(("name", "part", "function", "wrong"), PORTS, ids=[wrong.__name__ for *_, wrong in PORTS])
def test_a_mistake_of_another_kind_where_two_options_meet_is_found_too(name, part, function, wrong):
    assert first_wrong({function: wrong}, name, part), f"no declared case of {name} that the port takes shows {wrong.__name__}"


@pytest.mark.parametrize(("name", "part", "function", "wrong"), PORTS, ids=[wrong.__name__ for *_, wrong in PORTS])
def test_the_same_port_without_the_mistake_is_right(name, part, function, wrong):
    options = inspect.signature(wrong)

    def right(*args, **given):
        options.bind(*args, **given)
        return getattr(reference, function)(*args, **given)

    right.__signature__ = options
    assert first_wrong({function: right}, name, part) is None, f"a port of {name} with the options {options} is called wrong"
