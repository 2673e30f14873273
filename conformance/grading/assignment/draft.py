"""The rubric of an assignment as it is drafted: an item for each layer, its gradients a bonus, every key explained."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from conformance.grading.assignment.functions import passes_of

FORWARD_POINTS, BONUS_POINTS = 10, 5
ON_TOP = "bonus = true                # its points come on top\n"
HEAD = """\
# What the assignment "{name}" asks, what it is worth, and how much a student is told. Change it as you like:
# `conform grade SUBMISSIONS --rubric rubric.toml --out grades` reads it, and says what is wrong with it.

[assignment]
name = "{name}"
title = "{name}"
file = "layers.py"          # which file of a folder or an archive is judged; a single Python file is judged whatever its name

[sandbox]
packages = ["numpy"]        # what may be imported beside the standard library
forbidden = []              # what may not be called: ["np.convolve", "sliding_window_view", "np.einsum"]
call_seconds = 2            # of computing, for one call
submission_seconds = 60     # for all of them together
memory_mib = 1024

[defaults]
level = "core"              # core: what the layer's documentation says; edge: unusual input; all: both
feedback = "sentence"       # none; category: "wrong values"; sentence: the mistake, without a number; full: the simplest case
visibility = "visible"      # hidden; after_due_date; after_published
hidden = {hidden}                  # so many cases more for each layer and pass, which nobody can know before
"""


def draft(name: str, layers: Sequence[str], hidden: int) -> str:
    """A rubric in TOML for these layers."""
    return HEAD.format(name=name, hidden=hidden) + "".join(f"\n{item}" for layer in layers for item in _items(layer))


def _items(layer: str) -> Iterator[str]:
    asked, bonus = passes_of(layer)
    yield _item(layer, layer, FORWARD_POINTS, asked)
    if bonus:
        yield _item(f"{layer}-gradients", f"{layer}: gradients", BONUS_POINTS, bonus, layer) + ON_TOP


def _item(identifier: str, title: str, points: int, passes: Sequence[str], layer: str = "") -> str:
    values = {"id": identifier, "title": title, "points": points, "layers": [layer or identifier], "passes": list(passes)}
    return "[[item]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
