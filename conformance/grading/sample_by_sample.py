"""An implementation that is asked one sample at a time: for an item that is not about batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from conformance.base.call import Answer, Question
from conformance.base.record import ERROR, PASSED
from conformance.implementations.protocol import Implementation

WITH_SAMPLES = ("mask", "initial_state")
"""Arguments beside the input that have a row for each sample."""


class SampleBySample:
    """Asks another implementation of a forward pass once for each sample, as a batch of one, and puts the answers together.

    A layer that treats each sample by itself, as all but BatchNormalization in training do, is asked the same by it.
    """

    def __init__(self, implementation: Implementation) -> None:
        self._implementation, self.spec = implementation, implementation.spec

    def ask(self, question: Question) -> Answer:
        """The answers about all samples, one after the other; the first that is none, where one is none."""
        x, *weights = question.positional
        count = len(x[0] if isinstance(x, tuple | list) else x) if np.ndim(x if not isinstance(x, tuple | list) else x[0]) else 0
        if count < 2:
            return self._implementation.ask(question)
        answers = []
        for number in range(count):
            own = {name: _sample(value, number, count) if name in WITH_SAMPLES else value for name, value in question.keywords.items()}
            one = replace(question, positional=(_sample(x, number, count), *weights), keywords=own)
            answers.append(self._implementation.ask(one))
            if answers[-1].status != PASSED:
                return answers[-1]
        try:
            return replace(answers[0], value=_together([answer.value for answer in answers]))
        except (TypeError, ValueError):
            return Answer(ERROR, message=f"{question.function} gives samples of different shapes or types")

    def refusal(self, question: Question) -> Answer | None:
        """As the other one."""
        return self._implementation.refusal(question)

    def has(self, name: str) -> bool:
        """As the other one."""
        return self._implementation.has(name)

    def names(self) -> dict[str, bool]:
        """As the other one."""
        return self._implementation.names()

    def overwrites(self, question: Question, other: Question) -> bool:
        """As the other one."""
        return self._implementation.overwrites(question, other)

    def predictor(self, path: Path) -> Callable[[Any], Any] | None:
        """As the other one."""
        return self._implementation.predictor(path)

    def close(self) -> None:
        """Nothing: the other one is not this one's to end."""


def _sample(value: Any, number: int, count: int) -> Any:
    """The part of an argument that belongs to a sample: a batch of one, or all of what has no row for each sample."""
    if isinstance(value, tuple | list):
        return type(value)(_sample(part, number, count) for part in value)
    return value[number : number + 1] if np.ndim(value) and len(value) == count else value


def _together(values: list[Any]) -> Any:
    """Answers about samples as the answer about all of them; ValueError or TypeError where that cannot be."""
    if isinstance(values[0], tuple | list):
        return type(values[0])(_together(list(parts)) for parts in zip(*values, strict=True))
    return np.concatenate([np.asarray(value) for value in values])
