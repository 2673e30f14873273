"""The starter file: every function that is asked for, with its signature and what it computes, and no body."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Collection, Mapping

import reference

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

Write what you can: a function that is not written is "not supported", which earns nothing and is no failure. Options come by keyword,
and only where they differ from their default. Do not print, and do not change the arrays that you are given.
"""

import numpy as np

'''


def starter(title: str, file: str, names: Mapping[str, Collection[str] | None]) -> str:
    """The source of a starter file.

    Parameters
    ----------
    title : str
    file : str
        What it is called.
    names : mapping
        Names of the reference's functions, and of each the options that its signature keeps; all if None.
    """
    return HEAD.format(title=title, file=file) + "\n".join(f"\n{function(name, kept)}" for name, kept in names.items())


def function(name: str, kept: Collection[str] | None = None) -> str:
    """One function without a body."""
    found = parameters(name, kept)
    told = gradients(name) if name.endswith("_backward") else told_of(name, gone(name, found))
    opening, *lines = told.splitlines() or [""]
    body = "\n".join(["    " + line if line else "" for line in lines])
    closing = f"\n{body}\n    " if lines else ""
    return f'{_definition(name, found)}\n    """{opening}{closing}"""\n    raise NotImplementedError("{name} is not written yet")\n'


def parameters(name: str, kept: Collection[str] | None) -> list[inspect.Parameter]:
    """The parameters of the reference's function without types, of the options those that are kept; a backward has those of its forward."""
    own = list(inspect.signature(getattr(reference, name)).parameters.values())
    if own[-1].kind is own[-1].VAR_KEYWORD and (forward := _forward(name)) is not None:
        of_forward = inspect.signature(forward).parameters.values()
        own = [*own[:-1], *(one for one in of_forward if one.kind in (one.KEYWORD_ONLY, one.VAR_KEYWORD))]
    options = [one for one in own if one.kind is one.KEYWORD_ONLY]
    return [one.replace(annotation=one.empty) for one in own if one not in options or kept is None or one.name in kept]


def _forward(name: str) -> Callable[..., object] | None:
    """The function whose gradients a backward gives; None for any other."""
    stem = name.removesuffix("_backward")
    return None if stem == name else getattr(reference, f"{stem}_forward", None) or getattr(reference, stem, None)


def gone(name: str, found: Collection[inspect.Parameter]) -> set[str]:
    """Names of parameters that the reference has and the starter has not."""
    return set(inspect.signature(getattr(reference, name)).parameters) - {one.name for one in found}


def told_of(name: str, without: Collection[str] = ()) -> str:
    """What a function computes, by the docstring of the reference: equation, shapes, options, source.

    How its gradients go is not told, nor what parameters mean that it is `without`.
    """
    text = inspect.cleandoc(getattr(reference, name).__doc__ or "")
    text, _, source = text.partition("\n\nSource: ")
    sections = (one.strip() for one in SECTION.split(text))
    kept = "\n\n".join(_without(one, without) for one in sections if not one.startswith(NOT_TOLD))
    told = [one for one in kept.split("\n\n") if not one.startswith("Gradient")]
    return _plain("\n\n".join([*told, f"Source: {source}"] if source else told))


def _without(section: str, names: Collection[str]) -> str:
    """The section of parameters without those of these names; any other section as it is."""
    if not section.startswith("Parameters"):
        return section
    lines, leaving = [], False
    for line in section.splitlines():
        before, colon, after = line.partition(" : ")
        if colon and not line.startswith(" "):
            left = [one for one in before.split(", ") if one not in names]
            leaving = not left
            line = f"{', '.join(left)}{colon}{after}"
        lines += [] if leaving else [line]
    return "\n".join(lines)


def gradients(name: str) -> str:
    """What a backward function returns, not how it comes to that."""
    stem = name.removesuffix("_backward")
    forward = f"{stem}_forward" if hasattr(reference, f"{stem}_forward") else stem
    of_loss = f"Gradient of `y_pred`, of what ``{forward}`` returns with these arguments."
    of_others = f"Gradients of the arguments, where `grad_output` is that of what ``{forward}`` returned."
    sections = SECTION.split(inspect.cleandoc(getattr(reference, name).__doc__ or "").partition("\n\nSource: ")[0])
    returns = [one.strip() for one in sections if one.startswith("Returns")]
    takes = "grad_output" in inspect.signature(getattr(reference, name)).parameters
    return _plain("\n\n".join([of_others if takes else of_loss, *returns]))


def _plain(text: str) -> str:
    return ROLE.sub(r"``\1``", ELSEWHERE.sub("", text)).replace("\\", "\\\\").replace('"""', "'''").strip()


def _definition(name: str, found: Collection[inspect.Parameter]) -> str:
    """The line, or lines, that define a function."""
    inside = str(inspect.Signature(list(found)))[1:-1].replace("'", '"')
    line = f"def {name}({inside}):"
    if len(line) <= WIDTH:
        return line
    wrapped = textwrap.fill(f"{inside},", WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
    return f"def {name}(\n{wrapped}\n):"
