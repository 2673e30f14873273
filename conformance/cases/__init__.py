"""The declared cases of every layer."""

from __future__ import annotations

import difflib

from conformance.cases import activations, convolution, core, pooling, recurrent
from conformance.cases.case import LayerCases

ALL: dict[str, LayerCases] = {
    layer.layer: layer
    for family in (core, convolution, pooling, recurrent, activations)
    for layer in family.LAYERS
}
"""Declarations by layer, in the order in which they are reported."""


def layer_cases(name: str) -> LayerCases:
    """The declaration of a layer; ``ValueError`` names near matches of an unknown one."""
    if name in ALL:
        return ALL[name]
    near = difflib.get_close_matches(name, ALL, 3, 0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(ALL)}"
    raise ValueError(f"{name!r} is not a layer that the suite has cases for; {hint}")
