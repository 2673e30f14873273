"""Which functions a layer of an assignment consists of, and in which passes of a rubric they are asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import reference
from conformance.cases import TEXT, layer_cases
from conformance.cases.losses import LOSS_CASES
from conformance.cases.optimizers import OPTIMIZER_CASES, function_of
from conformance.grading.rubric import Item
from reference.layers import LAYERS

FORWARD, BACKWARD = "forward", "backward"
TEXT_FUNCTIONS = tuple(f"text_vectorization_{part}" for part in ("adapt", FORWARD, "idf"))


def functions_of(layer: str, passes: Collection[str] = ()) -> tuple[str, ...]:
    """The names of the reference's functions that these passes of a layer ask for, all passes if none are named."""
    if layer == TEXT:
        return TEXT_FUNCTIONS
    if layer in OPTIMIZER_CASES:
        return (function_of(layer),)
    asks_gradients = not passes or bool({BACKWARD, "loss_gradient"} & set(passes))
    parts = [FORWARD, *(["compute_mask"] if not passes or "mask" in passes else []), *([BACKWARD] if asks_gradients else [])]
    names = (layer_cases(layer).function_name(part) for part in parts)
    return tuple(name for name in names if hasattr(reference, name))


def passes_of(layer: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The passes that an assignment asks of a layer, and those that are a bonus: its gradients, where it has any."""
    if layer == TEXT:
        return ("text",), ()
    if layer in OPTIMIZER_CASES:
        return ("optimizer",), ()
    if layer in LOSS_CASES:
        return ("loss",), ("loss_gradient",)
    spec = LAYERS.get(layer)
    forward = (FORWARD, *(["mask"] if spec and spec.compute_mask else []), *(["random"] if spec and spec.drops else []))
    return forward, (BACKWARD,) if hasattr(reference, layer_cases(layer).function_name(BACKWARD)) else ()


def asked_passes(items: Iterable[Item], layer: str) -> frozenset[str]:
    """The passes in which a rubric's items ask a layer; none stands for all."""
    of_layer = [item.passes for item in items if layer in item.layers]
    return frozenset(one for passes in of_layer for one in passes) if all(of_layer) else frozenset()


def kept_options(items: Iterable[Item], layer: str) -> frozenset[str] | None:
    """The options of a layer that some item needs; None where an item needs whatever there is."""
    of_layer = [item for item in items if layer in item.layers and not item.hidden]
    if not of_layer or any(item.required is None for item in of_layer):
        return None
    return frozenset(name for item in of_layer for name in item.required or ())
