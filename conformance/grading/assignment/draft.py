"""The rubric of an assignment as it is drafted: an item for each layer, its gradients a bonus, every key explained."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from conformance.grading.assignment.functions import passes_of
from conformance.grading.rubric import options_of

FORWARD_POINTS, BONUS_POINTS, UNSEEN_POINTS = 10, 5, 5
REQUIRED = ("use_bias", "activation", "padding", "strides", "pool_size", "return_sequences", "merge_mode", "axis", "target_shape", "rate")
"""Options without which a layer is not what a course means by it, where it has them."""
NARROWED = {
    "activation": ["None", "linear", "relu", "sigmoid", "tanh", "softmax"],
    "recurrent_activation": ["None", "sigmoid"],
    "data_format": ["None", "channels_last"],
    "mask": ["None"],
    "initial_state": ["None"],
    "training": ["None"],
}
"""Options of which only these values are asked."""
OF_CALLS = ("mask", "training")
"""Those that are left out of recurrent layers alone: of others they are the point."""
DRAWN = ("forward", "loss")
"""Passes of which cases can be drawn that nobody knows before."""
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

# Of an item: a case that needs another option than the required ones, at a value that is not its default, costs nothing where that is not
# supported. Without "required" everything is. "options" takes only the cases in which these have one of these values.
"""


def draft(name: str, layers: Sequence[str], hidden: int) -> str:
    """A rubric in TOML for these layers; with `hidden` an item of so many cases of each layer and pass that nobody can know before."""
    taken: set[str] = set()
    items = [item for layer in layers for item in _items(layer, _free(layer, taken))]
    drawn = [layer for layer in layers if set(DRAWN) & set(passes_of(layer)[0])]
    if hidden and drawn:
        asked = {one for layer in drawn for one in passes_of(layer)[0]}
        more = [
            f"hidden = {hidden}                  # so many cases of each layer and pass, drawn when it is graded",
            'feedback = "category"',
        ]
        items.append(
            _item(_free("unseen", taken), "Other numbers and sizes", UNSEEN_POINTS, drawn, [one for one in DRAWN if one in asked], more)
        )
    return HEAD.format(name=name) + "".join(f"\n{item}" for item in items)


def _items(layer: str, identifier: str) -> Iterator[str]:
    asked, bonus = passes_of(layer)
    yield _item(identifier, layer, FORWARD_POINTS, [layer], asked)
    if bonus:
        more = ["bonus = true                # its points come on top"]
        yield _item(f"{identifier}-gradients", f"{layer}: gradients", BONUS_POINTS, [layer], bonus, more)


def _free(name: str, taken: set[str]) -> str:
    """A name for an item, told apart from others where these differ in capitals alone (ReLU, relu)."""
    free = name if name.lower() not in taken else f"{name}-function"
    taken.add(free.lower())
    return free


def _item(identifier: str, title: str, points: int, layers: Sequence[str], passes: Sequence[str], more: Sequence[str] = ()) -> str:
    there = {option for layer in layers for option in options_of(layer)}
    required = [option for option in REQUIRED if option in there]
    values = {"id": identifier, "title": title, "points": points, "layers": layers, "passes": passes, "required": required}
    lines = ["[[item]]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), *more]
    recurrent = "initial_state" in there
    narrowed = {option: patterns for option, patterns in NARROWED.items() if option in there and (recurrent or option not in OF_CALLS)}
    if narrowed:
        lines += ["[item.options]", *(f"{option} = {json.dumps(patterns)}" for option, patterns in narrowed.items())]
    return "\n".join([*lines, ""])
