"""The declared cases of every layer."""

from __future__ import annotations

import difflib

from conformance.cases import activation_layers, activations, convolution, core, merging, normalization, pooling, recurrent
from conformance.cases.case import LayerCases
from conformance.cases.losses import LOSS_CASES
from conformance.cases.optimizers import OPTIMIZER_CASES

FAMILIES: dict[str, tuple[LayerCases, ...]] = {
    family.__name__.rpartition(".")[2]: tuple(family.LAYERS)
    for family in (core, activation_layers, merging, normalization, convolution, pooling, recurrent, activations)
}
"""Declarations by family, the name of the module in which they stand."""

ALL: dict[str, LayerCases] = {layer.layer: layer for family in FAMILIES.values() for layer in family}
"""Declarations by layer, in the order in which they are reported."""

TEXT = "TextVectorization"
TRAINING: dict[str, dict[str, LayerCases]] = {"losses": LOSS_CASES, "optimizers": OPTIMIZER_CASES}
"""Declarations of what trains a network, by family and name."""
LAYERS_OF: dict[str, list[str]] = {
    **{family: [layer.layer for layer in layers] for family, layers in FAMILIES.items()},
    "text": [TEXT],
    **{family: list(declared) for family, declared in TRAINING.items()},
}
"""Names by family."""
NAMES = tuple(name for names in LAYERS_OF.values() for name in names)
"""Everything that the suite asks about; text vectorization takes strings, losses and optimizers are asked by functions of another form."""


def known_layer(name: str) -> str:
    """`name` where the suite has cases for it; ``ValueError`` with near matches where not."""
    if name in NAMES:
        return name
    lower = {known.lower(): known for known in NAMES}
    near = [lower[match] for match in difflib.get_close_matches(name.lower(), lower, 3, 0.6)]
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(NAMES)}"
    raise ValueError(f"{name!r} is not a layer that the suite has cases for; {hint}")


def layer_cases(name: str) -> LayerCases:
    """The declaration of a layer, an activation function, a loss or an optimizer."""
    return {**ALL, **LOSS_CASES, **OPTIMIZER_CASES}[known_layer(name)]
