"""The contract between the suite and an implementation: what is called, with what, and what can come back.

An implementation is a set of functions found by name (``conv2d_forward``). A :class:`Question` is one call of one of them; an
:class:`Answer` is what came of it. Nothing else passes between the suite and an implementation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from conformance.base.arrays import Arrays
from conformance.base.call import Answer, Question
from conformance.cases import layer_cases
from conformance.cases.case import Case, FunctionCases, LayerCases
from reference.layers import layer_call

__all__ = ["Answer", "Origin", "Question", "backward_question", "forward_question", "function_name"]


@dataclass(frozen=True)
class Origin:
    """What the question of a case was made of, so that it can be made again; ``grads`` is None where a forward pass is asked for."""

    layer: LayerCases
    case: Case
    arrays: Arrays
    chosen: Mapping[str, Any]
    grads: tuple[Any, ...] | None = None


def function_name(layer: str, part: str = "forward") -> str:
    """The name by which a layer, an activation function or a loss is called; `part` is 'forward', 'backward' or 'compute_mask'.

    An optimizer has the part 'step' alone.
    """
    return layer_cases(layer).function_name(part)


def forward_question(layer: LayerCases, case: Case, arrays: Arrays, chosen: Mapping[str, Any]) -> Question:
    """The forward call of a case; of a loss with its labels, which are drawn in place of weights, first.

    Parameters
    ----------
    layer, case, arrays
        The case and what it is asked with.
    chosen : mapping
        Arguments that the oracle chose (:attr:`Expectation.arguments`).
    """
    arguments = {**arrays.arguments, **chosen}
    origin = Origin(layer, case, arrays, chosen)
    if isinstance(layer, FunctionCases):
        return Question(case.layer, (*arrays.weights, arrays.x), {**case.config, **arguments}, origin)
    config = layer.keras_config({name: value for name, value in case.config.items() if name not in layer.unpassed})
    # Options that change no number, and that a function may take all the same.
    arguments |= {name: case.config[name] for name in case.call.get("given", ()) if name in case.config}
    training = bool(arguments.get("training"))
    call = layer_call(case.layer, config, arrays.weights, training=training)
    x = list(arrays.x) if isinstance(arrays.x, tuple) else arrays.x
    return Question(f"{call.name}_forward", (x, *call.weights), {**call.options, **arguments}, origin)


def backward_question(layer: LayerCases, case: Case, arrays: Arrays, chosen: Mapping[str, Any], grads: tuple[Any, ...]) -> Question:
    """The backward call of a case: the gradients of its outputs, then the arguments of the forward call.

    `grads` has one gradient for each output; they are passed as a tuple where there are several. A loss is asked without any.
    """
    forward = forward_question(layer, case, arrays, chosen)
    given = (grads,) if len(grads) > 1 else grads
    name = function_name(case.layer, "backward")
    return Question(name, (*given, *forward.positional), forward.keywords, replace(forward.origin, grads=grads))
