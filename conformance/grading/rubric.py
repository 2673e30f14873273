"""A rubric: what is asked, what it is worth, what a submission may use, and how much a student is told. Read from TOML."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from conformance.base.record import CORE, EDGE
from conformance.cases import known_layer
from conformance.grading.result import FEEDBACK, SENTENCE, VISIBILITIES, VISIBLE
from conformance.implementations.sandbox.limits import Limits

ALL_LEVELS = "all"
LEVELS = (CORE, EDGE, ALL_LEVELS)
PASSES = ("forward", "backward", "mask", "loss", "loss_gradient", "optimizer", "stateful", "random", "text", "property", "repeated")
"""Passes, in the words of records; an item without any asks for all that its layers have."""
LARGEST_FILE = 1_000_000


class RubricError(ValueError):
    """A rubric cannot be used; the sentence names the file, the item and the key."""


@dataclass(frozen=True)
class Item:
    """One line of a rubric.

    Attributes
    ----------
    id : str
        Letters, digits, ``-`` and ``_``: it becomes a column and a file name.
    points : float
        0 or more.
    title : str
        As a student reads it; the id if not given.
    layers : tuple of str
        Keras class names; names of activation functions, losses, optimizers.
    passes : tuple of str
        Some of :data:`PASSES`; all if empty.
    options : mapping of option to patterns
        Only cases in which each of these options has a value that matches one of its patterns (``*`` and ``?``, as in file names). A case
        in which an option does not occur matches where the pattern is ``None`` or ``*``.
    required : tuple of str, or None
        Options that a submission must have: not having one costs. Cases that need another option, at a value that is not its default, are
        left out where it is not supported. None, which is the default: everything in the item is required.
    level : str
        'core', which is the default, 'edge' or 'all'.
    batch : bool
        Whether samples come together. False: where a case fails it is asked sample by sample as well, and either will do.
    model, data : path or None
        Instead of layers: a model's file and inputs with classes (``x``, ``y``); the submission predicts, and earns as its predictions
        agree with Keras's. Relative to the rubric.
    hidden : int
        So many more cases, with other arrays and sizes, that nobody can know before.
    bonus : bool
        Whether its points come on top.
    visibility, feedback : str
        See :mod:`conformance.grading.result`.
    """

    id: str
    points: float
    title: str = ""
    layers: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    required: tuple[str, ...] | None = None
    level: str = CORE
    batch: bool = True
    model: Path | None = None
    data: Path | None = None
    hidden: int = 0
    bonus: bool = False
    visibility: str = VISIBLE
    feedback: str = SENTENCE


@dataclass(frozen=True)
class Rubric:
    """A whole rubric.

    Attributes
    ----------
    name : str
        Of the assignment; letters, digits, ``-`` and ``_``.
    items : tuple of Item
    title : str
    file : str
        Which file of a folder or an archive is judged; if empty the only Python file, or ``layers.py``.
    adapter : path or None
        A file of the course that has the layer functions and gets them from the submission, which it imports as ``submission``.
    limits : Limits
        What a submission may use and spend.
    text : str
        The file as it was read.
    """

    name: str
    items: tuple[Item, ...]
    title: str = ""
    file: str = ""
    adapter: Path | None = None
    limits: Limits = field(default_factory=Limits)
    text: str = field(default="", repr=False)

    @property
    def points(self) -> float:
        """What can be earned, bonus apart."""
        return sum(item.points for item in self.items if not item.bonus)
