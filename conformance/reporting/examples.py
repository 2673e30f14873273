"""Example calls as source text: the suite's own questions, arrays written by their shapes.

A question of a small case becomes lines that can be run where ``floats``, ``integers`` and ``booleans`` make an array of a shape::

    x, kernel, bias = floats(3, 5), floats(5, 6), floats(6)
    y = dense_forward(x, kernel, bias)  # (3, 6)

The shape of what comes back is that of the reference's answer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import reference
from conformance.base.call import Question

WIDTH = 120
MAKERS = {"f": "floats", "i": "integers", "b": "booleans"}
"""What makes an array, by the kind of its dtype."""
PLAIN = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass
class Block:
    """Lines of source that know what they have named; a name is written again only for another array.

    Attributes
    ----------
    lines : list of str
    named : dict of name to the source of its value
    """

    lines: list[str] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)

    def name(self, values: Mapping[str, Any]) -> None:
        """Give values their names, on one line where it is short enough."""
        new = {name: source(value) for name, value in values.items() if self.named.get(name) != source(value)}
        self.named |= new
        line = f"{', '.join(new)} = {', '.join(new.values())}"
        if new:
            self.lines += [line] if len(line) <= WIDTH else [f"{name} = {text}" for name, text in new.items()]

    def ask(self, question: Question, results: Sequence[str], *, told: bool = True) -> None:
        """Write the call of a question, and behind it the shapes of what the reference answers.

        Parameters
        ----------
        question : Question
        results : sequence of str
            Names of what comes back, one for an array.
        told : bool
            Whether shapes of plain arrays are written, too; gradients have those of what they are of.
        """
        function = getattr(reference, question.function)
        given = dict(zip(parameters(function), question.positional, strict=False))
        arrays = {name: value for name, value in question.keywords.items() if holds_arrays(value)}
        self.name({name: value for name, value in (given | arrays).items() if value is not None})
        words = [name if value is not None else "None" for name, value in given.items()]
        words += [f"{name}={name if name in arrays else source(value)}" for name, value in question.keywords.items()]
        answer = function(*question.positional, **question.keywords)
        taken = f"({results[0]},)" if isinstance(answer, tuple) and len(answer) == 1 else ", ".join(results)
        remark = f"  # {shapes(answer)}" if told or not holds_arrays_alone(answer) else ""
        call = f"{taken} = {question.function}({', '.join(words)}){remark}"
        long = [f"{taken} = {question.function}(", f"    {', '.join(words)}", f"){remark}"]
        self.lines += [call] if len(call) <= WIDTH else long
        self.named |= dict.fromkeys(results, "what came back")

    def say(self, sentence: str) -> None:
        """A comment above what follows."""
        self.lines += [*([""] if self.lines else []), f"# {sentence}"]

    def __str__(self) -> str:
        return "\n".join(["```python", *self.lines, "```"])


def parameters(function: Callable[..., Any]) -> list[str]:
    """The names of what a function takes by position."""
    return [one.name for one in inspect.signature(function).parameters.values() if one.kind in PLAIN]


def signature(name: str) -> str:
    """How the reference's function of this name is called, without types."""
    found = inspect.signature(getattr(reference, name))
    bare = [one.replace(annotation=one.empty) for one in found.parameters.values()]
    return f"{name}{found.replace(parameters=bare, return_annotation=found.empty)}".replace("'", '"')


def holds_arrays(value: Any) -> bool:
    """Whether a value is an array or a tuple or list with one in it."""
    return isinstance(value, np.ndarray) or (isinstance(value, tuple | list) and any(map(holds_arrays, value)))


def holds_arrays_alone(answer: Any) -> bool:
    """Whether an answer is an array, or a tuple of nothing else."""
    return all(isinstance(one, np.ndarray | np.generic) for one in (answer if isinstance(answer, tuple) else (answer,)))


def source(value: Any) -> str:
    """A value as Python writes it, an array as a call of what makes one of its shape."""
    if isinstance(value, np.ndarray):
        return f"{MAKERS[value.dtype.kind]}({', '.join(map(str, value.shape))})"
    if isinstance(value, tuple):
        return f"({', '.join(map(source, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(map(source, value))}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def shapes(value: Any) -> str:
    """The shapes of an answer; those of a tuple one after the other."""
    return ", ".join(map(_shape, value)) if isinstance(value, tuple) else _shape(value)


def _shape(value: Any) -> str:
    if isinstance(value, tuple | list):
        opening, closing = "()" if isinstance(value, tuple) else "[]"
        return f"{opening}{', '.join(map(_shape, value))}{closing}"
    return "None" if value is None else str(np.shape(value))
