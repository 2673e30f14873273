"""A user's file of a model, and what an implementation of it is compared with: Keras where it can load the file, else the reference."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.models.data import UnusableError
from conformance.models.oracles import KerasOracle, ModelOracle, ReferenceOracle, Remembered
from conformance.models.partial import NOTHING_LEFT, Part, PartError, Refused, read_part
from conformance.oracle.environment import NoKerasError, import_keras, missing_package
from conformance.oracle.live.whole_model import keras_model, keras_model_of
from reference.models import Model, model_of
from reference.network.assembly import describe
from reference.saving.current import current_config
from reference.saving.reader import Archive, ArchiveError, read_archive

WHOLE_FILES = (".keras", ".h5", ".hdf5")
WEIGHTS_ONLY = "the file holds weights alone"
SHOWN = 200


@dataclass(frozen=True)
class Subject:
    """A model that can be compared.

    Attributes
    ----------
    file : Path
        What an implementation's own ``load_model`` is given: the user's file, or one that was written of what could be read.
    model : Model
        As the reference reads and computes it.
    part : Part or None
        What had to be left out of it.
    oracle : ModelOracle
    no_keras : str
        Why that is not Keras; empty where it is.
    """

    file: Path
    model: Model
    part: Part | None
    oracle: ModelOracle
    no_keras: str = ""


def read_subject(path: Path, weights: Path | None, folder: Path) -> Subject:
    """Read a model's file, all of it or what can be; `folder` is for files that must be written.

    Keras never sees a file that the reader refuses: of that it gets the part that was read.

    Raises
    ------
    UnusableError
        If there is nothing that can be compared.
    """
    for one in (path, weights):
        if one is not None:
            require_file(one)
    archive, part = _read(path, weights)
    model = model_of(archive)
    as_it_is = part is None and (weights is not None or path.suffix.lower() in WHOLE_FILES)
    keras, why = _keras(path, weights, archive, as_it_is)
    file = path if part is None and path.suffix.lower() in WHOLE_FILES else _written(folder / f"{path.stem}.keras", model, keras)
    oracle = ReferenceOracle(model) if keras is None else KerasOracle(keras)
    return Subject(file, model, part, Remembered(oracle), why)


def require_file(path: Path) -> None:
    """Refuse a folder, a pipe, a device, of which some never end, and what is not there."""
    if path.is_dir():
        raise UnusableError(f"{path} is a folder, not a file.")
    if not path.exists():
        raise UnusableError(f"There is no file {path}.")
    if not path.is_file():
        raise UnusableError(f"{path} is not a regular file (a pipe or a device).")


def _read(path: Path, weights: Path | None) -> tuple[Archive, Part | None]:
    try:
        return read_archive(path, weights), None
    except ArchiveError as error:
        whole = str(error)
    try:
        return read_part(path, weights)
    except PartError as error:
        whole = re.sub(r"(?<!-)weights=", "--weights=", whole)
        if WEIGHTS_ONLY in whole:
            whole += " (conform compare model.json DATA.npz --weights=FILE.weights.h5, with model.to_json() in model.json)"
        if path.suffix.lower() not in (*WHOLE_FILES, ".json"):
            whole += "; a model is a .keras, .h5 or .json file"
        if error.part.refused:
            whole = f"{path}: no layer can be compared; {listed(error.part.refused)}"
            if NOTHING_LEFT not in str(error):
                whole += f"; and of the rest: {str(error).removeprefix(f'{path}: ')}"
            elif path.suffix.lower() != ".keras" and any("/" in one.path for one in error.part.refused):
                whole += "; saved as .keras, a model within the model can be compared up to it"
        raise UnusableError(f"{whole}.") from None


def listed(refused: tuple[Refused, ...]) -> str:
    """All layers that are refused, in words."""
    return "; ".join(f"layer {one.path!r} ({one.class_name}): {one.why}" for one in refused)


def _keras(path: Path, weights: Path | None, archive: Archive, as_it_is: bool) -> tuple[Any, str]:
    """Keras's model, or why there is none."""
    if missing := missing_package():
        return None, f"{missing} is not installed here"
    try:
        if as_it_is:
            return keras_model(path, weights), ""
        return keras_model_of(current_config(describe(archive.config)), archive.weights, archive.vocabularies), ""
    except NoKerasError as error:
        return None, str(error)
    except Exception as error:
        return None, f"Keras {import_keras().__version__} cannot load {path.name} ({first_line(error)})"


def _written(file: Path, model: Model, keras: Any) -> Path:
    """What was read, as a file of its own; by Keras where it is there, which orders the layers in its own way."""
    if keras is None:
        model.save(file)
    else:
        keras.save(file)
    return file


def first_line(error: BaseException) -> str:
    """The first line of an exception that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {(lines or ['no text'])[0][:SHOWN]}"
