"""What is in the file of a model, in a few lines: also of one that is refused, and without predicting anything.

The question that people with an unreadable file have first: which form, which Keras, which layers, what of it is not read, and what
stands in the way - all of it, where reading ends at the first.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference.network.config import KNOWN, OF_ANY_LAYER, check_options, is_known, unread_options
from reference.network.errors import ArchiveError, malformed, shown
from reference.network.missing import described, every_layer, missing_layers
from reference.saving.files import parse_json
from reference.saving.json_document import is_document
from reference.saving.legacy_config import canonical_config
from reference.saving.reader import read_archive, read_configuration
from reference.saving.source import HDF5, JSON, SUFFIXES, content, file_kind, hdf5_content, opened_zip
from reference.saving.stored_config import MAX_JSON_BYTES, MAX_WEIGHTS_BYTES, config_origin, hdf5_config, zip_config
from reference.saving.versions import OLD_HARD_SIGMOID, Origin, masked_steps

MAX_LINES = 50
"""Most lines of one kind."""


@dataclass(frozen=True)
class Contents:
    """What :func:`contents` found.

    Attributes
    ----------
    lines : list of str
        What to print.
    is_read : bool
        Whether :func:`reference.load_model` reads the file.
    """

    lines: list[str]
    is_read: bool


def contents(path: str | os.PathLike[str]) -> Contents:
    """Look through a file.

    Raises
    ------
    ArchiveError
        If it cannot even be opened, or is no file of a model.
    """
    path = Path(path)
    kind = file_kind(path)
    named = SUFFIXES.get(path.suffix.lower(), kind)
    lines = [f"{path}: {_a(kind)} of {path.stat().st_size:,} bytes" + (f", named like {_a(named)}" if named != kind else "")]
    config, origin, alone = _stored(path, kind)
    lines.append(str(origin) + (f", backend {origin.backend}" if origin.backend else ""))
    lines += _model_lines(config)
    refusal = _refusal(path, config, origin, alone)
    try:
        with malformed("not the configuration of a Keras model"):
            canonical = canonical_config(config, origin)
            lines += [*_notes(canonical, origin), *_problems(canonical, refusal)]
    except ArchiveError as error:
        lines += _others([str(error)], refusal)
    if refusal:
        lines.append(f"load_model refuses it: {refusal}")
    else:
        how = "with weights= naming the file of its weights" if alone else "and its weights fit the configuration"
        lines.append(f"load_model reads it, {how}")
    return Contents(lines, refusal is None)


def _a(kind: str) -> str:
    return f"an {kind}" if kind == HDF5 else f"a {kind}"


def _stored(path: Path, kind: str) -> tuple[Any, Origin, bool]:
    """The configuration in a file, who wrote it, and whether it stands there without weights."""
    if kind == HDF5:
        return *hdf5_config(hdf5_content(path, MAX_WEIGHTS_BYTES)), False
    if kind == JSON:
        value = parse_json(content(path, MAX_JSON_BYTES))
        return (value.get("config"), Origin(), False) if is_document(value) else (value, config_origin(value), True)
    with opened_zip(path) as file:
        return *zip_config(file), False


def _refusal(path: Path, config: Any, origin: Origin, alone: bool) -> str | None:
    """The sentence with which the file is refused, without its name; None where it is read."""
    try:
        read_configuration(config, origin) if alone else read_archive(path)
    except ArchiveError as error:
        return str(error).removeprefix(f"{path}: ")
    return None


def _model_lines(config: Any) -> Iterator[str]:
    """The model and its layers, as far as they can be seen."""
    layers = [{**layer, "config": {}} if isinstance(layer["config"], list) else layer for _, layer in every_layer(config, "", 0)]
    if not layers:
        yield "no layers are found in its configuration"
        return
    inside = config["config"]
    name = f" {shown(inside['name'])}" if isinstance(inside, Mapping) and "name" in inside else ""
    counts = Counter(described(layer).removeprefix("class ").strip("'") for layer in layers)
    listed = ", ".join(f"{count} {title}" for title, count in sorted(counts.items())[:MAX_LINES])
    yield f"{shown(config.get('class_name'))[1:-1]}{name} of {len(layers)} layers: {listed}"
    for layer in layers:
        shape = layer["config"].get("batch_shape", layer["config"].get("batch_input_shape"))
        if layer["class_name"] == "InputLayer" or shape is not None:
            yield f"input {shown(layer['config'].get('name'))}: shape {shown(shape)}"


def _notes(config: Any, origin: Origin) -> Iterator[str]:
    """Options that are not read, and those that mean something else than in Keras 3."""
    unread: dict[str, dict[str, Any]] = {}
    layers = list(every_layer(config, "", 0))
    masks = any(layer["class_name"] == "Masking" or layer["config"].get("mask_zero") for _, layer in layers)
    for path, layer in layers:
        if masks and (otherwise := masked_steps(layer, origin)):
            yield f"layer {shown(path)}: {otherwise}"
        names = unread_options(layer["class_name"]) - {*OF_ANY_LAYER, "layer", "backward_layer", "vocabulary"}
        for name, value in layer["config"].items():
            if value == OLD_HARD_SIGMOID:
                yield f"layer {shown(path)}: {name} is the hard_sigmoid of Keras 2, 0.2 x + 0.5"
            if name in names and not name.endswith(("initializer", "constraint", "regularizer")) and value not in (None, False):
                unread.setdefault(str(layer["class_name"]), {})[name] = value
    for class_name, found in unread.items():
        yield f"not read of {class_name}: {', '.join(f'{name}={shown(value)}' for name, value in found.items())}"


def _problems(config: Any, refusal: str | None) -> Iterator[str]:
    """What stands in the way besides what the refusal says."""
    yield from _others(list(_all_problems(config)), refusal)


def _others(problems: list[str], refusal: str | None) -> list[str]:
    return [f"in the way: {problem}" for problem in problems if refusal and problem not in refusal][:MAX_LINES]


def _all_problems(config: Any) -> Iterator[str]:
    missing = missing_layers(config, is_known, ", ".join(sorted(KNOWN)))
    if missing:
        yield missing
    for path, layer in every_layer(config, "", 0):
        if is_known(layer):
            try:
                with malformed(f"layer {path!r}"):
                    check_options(layer["class_name"], layer["config"], path)
            except ArchiveError as error:
                yield str(error)
