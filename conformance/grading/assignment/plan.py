"""What an assignment is: its name, its layers, its rubric with the files that this names, and a secret."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from conformance.base.words import are, listed
from conformance.cases import known_layer
from conformance.grading.assignment.draft import draft
from conformance.grading.rubric import NAME, NAME_RULE, Rubric, RubricError, read_rubric, rubric_of

RUBRIC, SECRET, REQUIREMENTS = "rubric.toml", "secret", "requirements.txt"
"""Names of files in an upload."""


class AssignmentError(ValueError):
    """There can be no such assignment; the sentence says why."""


@dataclass(frozen=True)
class Assignment:
    """An assignment.

    Attributes
    ----------
    name : str
    layers : tuple of str
        Those of the starter file.
    rubric : Rubric
    files : mapping of name to bytes
        The rubric, as it was written, and what it names: an adapter, models and their data.
    secret : str
        What hidden cases are drawn by; empty where there are none.
    """

    name: str
    layers: tuple[str, ...]
    rubric: Rubric
    files: Mapping[str, bytes] = field(repr=False)
    secret: str = field(default="", repr=False)

    @property
    def title(self) -> str:
        """As a student reads it."""
        return self.rubric.title or self.name

    @property
    def file(self) -> str:
        """What the file is called that is handed in."""
        return self.rubric.file or "layers.py"


def plan(name: str, layers: Sequence[str] = (), rubric: Path | None = None, secret: str = "", public: bool = False) -> Assignment:
    """The assignment of a name.

    Parameters
    ----------
    name : str
    layers : sequence of str
        Keras class names; if there are none, those of the rubric.
    rubric : path, optional
        Of the course; if not given one is drafted for the layers.
    secret : str
        That of an earlier time; if empty a new one is drawn.
    public : bool
        Whether students can read what is uploaded: then a secret would be none, and nothing is drafted that needs it.

    Raises
    ------
    AssignmentError
        If the name, a layer, or the rubric is not usable.
    """
    if not NAME.fullmatch(name):
        raise AssignmentError(f"NAME must be {NAME_RULE}, got {name!r}")
    try:
        chosen = tuple(dict.fromkeys(known_layer(layer) for layer in layers))
    except ValueError as error:
        raise AssignmentError(f"--layers: {error}") from None
    if rubric is None:
        if not chosen:
            raise AssignmentError("--layers: name at least one, as --layers Dense,LSTM")
        text = draft(name, chosen, hidden=0 if public else HIDDEN)
        found, files = rubric_of(_parsed(text), Path(), text), {RUBRIC: text.encode()}
    else:
        try:
            found = read_rubric(rubric)
        except RubricError as error:
            raise AssignmentError(f"--rubric: {error}") from None
        files = {RUBRIC: rubric.read_bytes(), **_named(found, rubric.parent)}
        asked = tuple(dict.fromkeys(layer for item in found.items for layer in item.layers))
        missing = [layer for layer in asked if layer not in chosen]
        if chosen and missing:
            raise AssignmentError(f"--layers: the rubric asks for {listed(missing)}, which {are(len(missing))} not among them")
        chosen = chosen or asked
    if not chosen:
        raise AssignmentError("--layers: the rubric asks for models alone; name the layers that the starter file has")
    drawn = any(item.hidden for item in found.items)
    return Assignment(name, chosen, found, files, (secret or secrets.token_hex(32)) if drawn else "")


HIDDEN = 5
"""Cases of a layer and pass that nobody can know before, where an assignment is drafted."""


def _parsed(text: str) -> dict[str, object]:
    import tomllib

    return tomllib.loads(text)


def _named(rubric: Rubric, home: Path) -> dict[str, bytes]:
    """The files that a rubric names, by their names in it; they have to lie beside it, or below."""
    paths = [rubric.adapter, *(path for item in rubric.items for path in (item.model, item.data))]
    found = {}
    for path in paths:
        if path is None:
            continue
        if not path.resolve().is_relative_to(home.resolve()):
            raise AssignmentError(f"--rubric: {path} does not lie in the rubric's folder, so it cannot be uploaded with it; copy it there")
        try:
            found[path.relative_to(home).as_posix()] = path.read_bytes()
        except OSError as error:
            raise AssignmentError(f"--rubric: {path} cannot be read: {error.strerror}") from None
    return found
