"""What the contract calls the arguments of a call, for an answer that tells of them by their places."""

from __future__ import annotations

import inspect
from dataclasses import replace

import reference
from conformance.base.call import Answer, place_of

INPUT = "the input"


def with_names(function: str, answer: Answer) -> Answer:
    """The answer with names for the arguments that `function` changed: ``grad_output``, the input, ``kernel``, ``y_true`` ...

    An argument of a function that the reference does not have keeps its place for a name.
    """
    if not answer.changed:
        return answer
    right = getattr(reference, function, None)
    names = list(inspect.signature(right).parameters) if right is not None else []
    called = {place_of(n): INPUT if name == "x" else name for n, name in enumerate(names)}
    return replace(answer, changed=tuple(called.get(name, name) for name in answer.changed))
