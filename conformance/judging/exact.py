"""Questions whose answers are right or wrong as a whole, without a tolerance: the masks of layers, the vocabulary and ids of a text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.cases.questions import Answer, Question


@dataclass(frozen=True)
class ExactResult:
    """A judged question of this kind, with everything that an explanation of it needs.

    Attributes
    ----------
    layer, part : str
        Which function was asked: ``Embedding`` and ``compute_mask``, say.
    question : Question
    expected : object
    answer : Answer
    same : callable (got, expected) -> bool
        Whether two answers are the same.
    """

    layer: str
    part: str
    question: Question
    expected: Any
    answer: Answer
    same: Callable[[Any, Any], bool]
