"""Which recorded cases a rubric asks for, so that a grader carries no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from conformance import checks
from conformance.grading.asking import asks
from conformance.grading.assignment.functions import BACKWARD, FORWARD
from conformance.grading.rubric import Item
from conformance.suite.check import questions

KINDS = (FORWARD, BACKWARD)
"""The kinds of question of which a recorded case is found by the same id."""


def asked_cases(items: Sequence[Item], layers: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """The ids of the cases that items ask of each layer; a layer of which all may be needed is left out."""
    found = {}
    for layer in layers:
        own = [item for item in items if layer in item.layers]
        if all(item.passes and set(item.passes) <= set(KINDS) and not item.hidden for item in own):
            found[layer] = frozenset(
                identifier
                for kind, identifier, question in questions([layer], "standard", KINDS)
                if any(asks(item, kind, checks.KINDS[kind].level_of(*question), question) for item in own)
            )
    return found
