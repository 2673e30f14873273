"""An implementation's layer functions, as the reference's graph calls them, and how an implementation predicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.base.errors import ImplementationError
from conformance.base.record import PASSED, UNSUPPORTED
from conformance.cases.questions import Question
from conformance.implementations.protocol import Implementation
from conformance.judging.refusal import ask
from reference.models import Model, load_model


class Functions:
    """The layer functions of an implementation, for the graph to call; what it does not support is a ``NotImplementedError``."""

    def __init__(self, implementation: Implementation) -> None:
        self._implementation = implementation

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if not self._implementation.has(name):
            raise AttributeError(name)

        def call(*positional: Any, **keywords: Any) -> Any:
            answer = ask(self._implementation, Question(name, positional, keywords))
            if answer.status == UNSUPPORTED:
                raise NotImplementedError(answer.message)
            if answer.status != PASSED:
                raise ImplementationError(answer.message)
            return answer.value

        return call


class EveryFunction(Functions):
    """The same, with a function in the place of every one that is missing: when it is called it says so."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if not name.endswith("_forward") or self._implementation.has(name):
            return super().__getattr__(name)

        def missing(*positional: Any, **keywords: Any) -> Any:
            raise NotImplementedError(f"there is no function {name}")

        return missing


def run_by(model: Model, implementation: Implementation) -> Model:
    """The same model, computing with the layer functions of an implementation."""
    functions = EveryFunction(implementation)
    context = replace(model.context, find=lambda name: getattr(functions, name, None))
    return replace(model, context=context, threaded=False)


def predictor(implementation: Implementation, path: Path) -> Callable[[Any], Any]:
    """How an implementation predicts: by its own ``load_model``, else the suite's graph calls its layer functions."""
    own = implementation.predictor(path)
    return load_model(path, Functions(implementation)).predict if own is None else own
