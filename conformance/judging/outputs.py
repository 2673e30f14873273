"""What the arrays of an answer are called: the output, a state, a new moving mean, the gradient of a weight."""

from __future__ import annotations

from conformance.cases.case import Case, FunctionCases, LayerCases
from conformance.cases.gradients import state_names
from reference.layers import spec_of

GRADIENT = "the gradient of "
NEW_STATISTICS = ("new_moving_mean", "new_moving_variance")


def named_outputs(layer: LayerCases, case: Case, count: int) -> tuple[str, ...]:
    """The names of what a forward pass returns, in its order; none of a single array, which is the output, nor of another number."""
    if count == 1 or isinstance(layer, FunctionCases):
        return ()
    if spec_of(case.layer).normalizes:
        return ("the output", *NEW_STATISTICS) if count == 1 + len(NEW_STATISTICS) else ()
    halves = case.config.get("merge_mode", "") is None
    outputs = ("the output of the forward half", "the output of the backward half") if halves else ("the output",)
    states = state_names(case, count - len(outputs))
    names = (*outputs, *(f"the state {name}" for name in states))
    return names if len(names) == count else ()


def named_gradients(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of gradients by those of what they are of."""
    return tuple(GRADIENT + name for name in names)
