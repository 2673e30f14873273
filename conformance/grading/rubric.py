"""A rubric: what is asked, what it is worth, what a submission may use, and how much a student is told. Read from TOML."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from conformance.base.record import CORE, EDGE
from conformance.base.words import listed
from conformance.cases import ALL, TEXT, known_layer, layer_cases
from conformance.cases.case import declared_cases
from conformance.grading.result import FEEDBACK, SENTENCE, VISIBILITIES, VISIBLE
from conformance.implementations.sandbox.limits import MIB, Limits

ALL_LEVELS = "all"
LEVELS = (CORE, EDGE, ALL_LEVELS)
PASSES = ("forward", "backward", "mask", "loss", "loss_gradient", "optimizer", "stateful", "random", "text", "property", "repeated")
"""Passes, in the words of records; an item without any asks for all that its layers have."""
LARGEST_FILE = 1_000_000
MOST_HIDDEN = 100
DEFAULT_LIMITS = Limits(submission=60.0, lost=12.0)
"""What a submission may use where the rubric does not say."""


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
        Instead of the recorded cases, which everybody can read, so many of each layer and pass with other arrays and sizes, that nobody can
        know before.
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
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
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
    limits: Limits = DEFAULT_LIMITS
    text: str = field(default="", repr=False)

    @property
    def points(self) -> float:
        """What can be earned, bonus apart."""
        return sum(item.points for item in self.items if not item.bonus)


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
NAME_RULE = "1 to 80 letters, digits, - and _, beginning with a letter or a digit"
OF_LIMITS = {
    "packages": ("packages", "texts"),
    "forbidden": ("forbidden", "texts"),
    "call_seconds": ("call", "positive"),
    "import_seconds": ("start", "positive"),
    "idle_seconds": ("idle", "positive"),
    "submission_seconds": ("submission", "positive"),
    "lost_seconds": ("lost", "positive"),
    "memory_mib": ("memory", "count"),
    "answer_mib": ("reply", "mib"),
}
"""Keys of ``[sandbox]``: the limit that each sets, and what it may be."""
OF_ITEM = {
    "id": "name",
    "points": "number",
    "title": "text",
    "layers": "layers",
    "passes": "passes",
    "options": "patterns",
    "required": "texts",
    "level": LEVELS,
    "batch": "flag",
    "model": "file",
    "data": "file",
    "hidden": "few",
    "bonus": "flag",
    "visibility": VISIBILITIES,
    "feedback": FEEDBACK,
}
"""Keys of ``[[item]]``, and what each may be."""
OF_ASSIGNMENT = {"name": "name", "title": "text", "file": "text", "adapter": "file"}
DEFAULTED = ("level", "batch", "required", "hidden", "visibility", "feedback", "passes")
"""What ``[defaults]`` may say for all items."""


def read_rubric(path: Path) -> Rubric:
    """The rubric in a file.

    Raises
    ------
    RubricError
        If it cannot be read, is no TOML, or says what cannot be: an unknown key, layer, pass, option, a wrong type, two items of one id.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= LARGEST_FILE else b""
    except OSError as error:
        raise RubricError(f"{path} cannot be read: {error.strerror or error}") from None
    if not data:
        raise RubricError(f"{path} is no rubric: it is empty, or larger than {LARGEST_FILE // 1000} kB")
    try:
        text = data.decode("utf-8")
        return rubric_of(tomllib.loads(text), path.parent, text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise RubricError(f"{path} is no TOML: {error}") from None
    except RubricError as error:
        raise RubricError(f"{path}: {error}") from None


def rubric_of(document: Mapping[str, Any], folder: Path, text: str = "") -> Rubric:
    """The rubric that parsed TOML says, with paths relative to `folder`; :class:`RubricError` if it cannot be one."""
    _known(document, ("assignment", "sandbox", "defaults", "item"), "at the top")
    assignment = _table(document, "assignment")
    own = _read(assignment, OF_ASSIGNMENT, "[assignment]", folder)
    if "name" not in own:
        raise RubricError("[assignment] needs a name")
    sandbox = _table(document, "sandbox")
    _known(sandbox, OF_LIMITS, "in [sandbox]")
    limits = {OF_LIMITS[key][0]: _value(value, OF_LIMITS[key][1], f"[sandbox] {key}", folder) for key, value in sandbox.items()}
    defaults = _read(_table(document, "defaults"), {key: OF_ITEM[key] for key in DEFAULTED}, "[defaults]", folder)
    tables = document.get("item", [])
    if not isinstance(tables, list) or not tables or not all(isinstance(one, dict) for one in tables):
        raise RubricError("there is no [[item]], so nothing would be graded")
    items = tuple(_item(one, number, defaults, folder) for number, one in enumerate(tables, 1))
    ids = [item.id.lower() for item in items]
    twice = [item.id for item in items if ids.count(item.id.lower()) > 1]
    if twice:
        raise RubricError(f"two items have the id {twice[0]!r} (capitals do not tell them apart: ids become columns and files)")
    if not sum(item.points for item in items if not item.bonus) > 0:
        raise RubricError("no item that is not a bonus has any points")
    return Rubric(items=items, limits=replace(DEFAULT_LIMITS, **limits), text=text, **own)


def _item(table: Mapping[str, Any], number: int, defaults: Mapping[str, Any], folder: Path) -> Item:
    where = f"item {number}" + (f" ({table['id']})" if isinstance(table.get("id"), str) else "")
    own = {**defaults, **_read(table, OF_ITEM, where, folder)}
    for key in ("id", "points"):
        if key not in own:
            raise RubricError(f"{where} has no {key}")
    by_model = "model" in own
    if by_model != ("data" in own):
        raise RubricError(f"{where}: model and data belong together")
    if by_model == bool(own.get("layers")):
        raise RubricError(f"{where} needs either layers, or a model and its data")
    item = Item(**{"title": own["id"], **own})
    if not by_model:
        _check_options(item, where)
    return item


def _check_options(item: Item, where: str) -> None:
    """Refuse an option that no layer of the item has: a pattern that nothing can match would make the item worth nothing."""
    options = {name: values for layer in item.layers for name, values in options_of(layer).items()}
    for name in (*item.options, *(item.required or ())):
        if name not in options:
            near = difflib.get_close_matches(name, options, 3, 0.6)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(options)}"
            raise RubricError(f"{where}: {listed(item.layers)} {'has' if len(item.layers) == 1 else 'have'} no option {name!r}; {hint}")


def options_of(layer: str) -> dict[str, None]:
    """Names of the options that cases of a layer vary, of its call (``mask``, ``training`` ...) as well."""
    if layer == TEXT:
        return {}
    declared = layer_cases(layer)
    asked = declared_cases(declared, "standard") if layer in ALL else ()
    return dict.fromkeys([*declared.options, *declared.call, *(name for case in asked for name in case.options)])


def _read(table: Mapping[str, Any], allowed: Mapping[str, Any], where: str, folder: Path) -> dict[str, Any]:
    """The values of a table, each checked."""
    _known(table, allowed, f"in {where}")
    return {key: _value(value, allowed[key], f"{where}: {key}", folder) for key, value in table.items()}


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise RubricError(f"[{name}] must be a table, got {table!r}")
    return table


def _known(table: Mapping[str, Any], allowed: Iterable[str], where: str) -> None:
    allowed = list(allowed)
    for key in table:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, 1, 0.6)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(allowed)}"
            raise RubricError(f"there is no {key!r} {where}; {hint}")


def _value(value: Any, wanted: str | Sequence[str], where: str, folder: Path) -> Any:
    """A value as the dataclasses have it; :class:`RubricError` where it is none."""
    if not isinstance(wanted, str):
        if value not in wanted:
            raise RubricError(f"{where} must be one of {', '.join(wanted)}, got {value!r}")
        return value
    right, words = KINDS[wanted]
    if not right(value):
        raise RubricError(f"{where} must be {words}, got {value!r}")
    if wanted == "layers":
        return tuple(_of_suite(name, where) for name in value)
    if wanted == "file":
        if not (folder / value).is_file():
            raise RubricError(f"{where}: there is no file {folder / value}")
        return folder / value
    if wanted == "mib":
        return value * MIB
    if wanted == "patterns":
        return {name: tuple(patterns) if isinstance(patterns, list) else (patterns,) for name, patterns in value.items()}
    return tuple(value) if isinstance(value, list) else value


def _of_suite(name: str, where: str) -> str:
    try:
        return known_layer(name)
    except ValueError as error:
        raise RubricError(f"{where}: {error}") from None


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)


KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (lambda value: isinstance(value, str) and bool(NAME.fullmatch(value)), NAME_RULE),
    "text": (lambda value: isinstance(value, str), "text"),
    "texts": (_texts, 'a list of texts, as ["numpy"]'),
    "number": (lambda value: _number(value) and value >= 0, "a number, 0 or more"),
    "positive": (lambda value: _number(value) and value > 0, "a number above 0"),
    "count": (lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0, "a whole number, 0 or more"),
    "mib": (lambda value: isinstance(value, int) and not isinstance(value, bool) and value > 0, "a whole number above 0"),
    "few": (
        lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_HIDDEN,
        f"a whole number from 0 to {MOST_HIDDEN}",
    ),
    "flag": (lambda value: isinstance(value, bool), "true or false"),
    "file": (lambda value: isinstance(value, str) and bool(value), "the name of a file"),
    "layers": (lambda value: _texts(value) and bool(value), 'a list of layers, as ["Dense", "LSTM"]'),
    "passes": (
        lambda value: _texts(value) and all(one in PASSES for one in value),
        f"a list of passes, of {', '.join(PASSES)}",
    ),
    "patterns": (
        lambda value: isinstance(value, dict) and all(isinstance(one, str) or (_texts(one) and one) for one in value.values()),
        'a table of options and patterns, as { activation = ["relu", "linear"], use_bias = "True" }',
    ),
}
"""What a value may be: how that is told, and in words."""


DEFAULT = "cnn-rnn-lstm.toml"


def default_rubric() -> Rubric:
    """The rubric of the course that this suite comes from: in the checkout's fixtures, else in the installed package."""
    package = Path(str(files("conformance")))
    checkout = package.parent / "fixtures" / "rubrics"
    return read_rubric((checkout if (package.parent / "pyproject.toml").is_file() else package / "_rubrics") / DEFAULT)
