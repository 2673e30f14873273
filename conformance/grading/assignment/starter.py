"""The starter file: every function that is asked for, with its signature and what it computes, and no body."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable

import reference
from conformance.reporting.examples import signature

WIDTH = 120
ROLE = re.compile(r"(?::\w+)?:\w+:`~?(?:[\w.]*\.)?(\w+)`")
"""A name as Sphinx marks it, which stands for itself here."""
ELSEWHERE = re.compile(r"\s*\((?:see )?:mod:`[^`]*`\)")
"""What is said of the reference's own modules."""
SECTION = re.compile(r"\n(?=\w[\w ]*\n---+\n)")
NOT_TOLD = ("Raises",)
"""Sections that say nothing of what is computed."""
HEAD = '''\
"""{title}

Fill in the functions, and check them as often as you like:

    conform check {file}

A function or an option that you leave out is "not supported": it earns nothing and harms nothing. To leave out an option take it
out of the signature; of an option that stays there every value is tried.
"""

import numpy as np

'''


def starter(title: str, file: str, names: Iterable[str]) -> str:
    """The source of a starter file with these functions of the reference, in their order."""
    return HEAD.format(title=title, file=file) + "\n".join(f"\n{function(name)}" for name in names)


def function(name: str) -> str:
    """One function without a body."""
    told = gradients(name) if name.endswith("_backward") else told_of(name)
    opening, *lines = told.splitlines() or [""]
    body = "\n".join(["    " + line if line else "" for line in lines])
    closing = f"\n{body}\n    " if lines else ""
    return f'{_definition(name)}\n    """{opening}{closing}"""\n    raise NotImplementedError("{name} is not written yet")\n'


def told_of(name: str) -> str:
    """What a function computes, by the docstring of the reference: equation, shapes, options, source; how its gradients go is not told."""
    text = inspect.cleandoc(getattr(reference, name).__doc__ or "")
    text, _, source = text.partition("\n\nSource: ")
    sections = (one.strip() for one in SECTION.split(text))
    kept = "\n\n".join(one for one in sections if not one.startswith(NOT_TOLD))
    told = [one for one in kept.split("\n\n") if not one.startswith("Gradient")]
    return _plain("\n\n".join([*told, f"Source: {source}"] if source else told))


def gradients(name: str) -> str:
    """What a backward function returns, not how it comes to that."""
    stem = name.removesuffix("_backward")
    forward = f"{stem}_forward" if hasattr(reference, f"{stem}_forward") else stem
    of_loss = f"Gradient of `y_pred`, of what ``{forward}`` returns with these arguments."
    of_others = f"Gradients of the arguments, where `grad_output` is that of what ``{forward}`` returned."
    sections = SECTION.split(inspect.cleandoc(getattr(reference, name).__doc__ or "").partition("\n\nSource: ")[0])
    returns = [one.strip() for one in sections if one.startswith("Returns")]
    return _plain("\n\n".join([of_others if "grad_output" in signature(name) else of_loss, *returns]))


def _plain(text: str) -> str:
    return ROLE.sub(r"``\1``", ELSEWHERE.sub("", text)).replace("\\", "\\\\").replace('"""', "'''").strip()


def _definition(name: str) -> str:
    """The line, or lines, that define a function."""
    line = f"def {signature(name)}:"
    if len(line) <= WIDTH:
        return line
    inside = line[line.index("(") + 1 : line.rindex(")")]
    wrapped = textwrap.fill(inside + ",", WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
    # A parameter after ``**options`` may not be followed by a comma of its own in a call, but it may in a definition's own lines.
    return f"def {name}(\n{wrapped.rstrip(',') if '**' in inside else wrapped}\n):"
