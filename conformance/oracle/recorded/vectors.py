"""The files of recorded vectors: one safetensors file for each family of layers, and a manifest.

A file holds a tensor ``facts`` of bytes: one JSON document in UTF-8, compressed by zlib (RFC 1950)::

    {"format": 2, "keras": "3.15.1", "family": "core",
     "cases": [{"id": "Dense-units=6-features-float64", "kind": "forward", "tensors": [...], ...}, ...]}

and the bytes of all arrays, packed without loss as :mod:`conformance.oracle.recorded.packing` says; "tensors" of each case is its part of
the table. There the arrays of a case are named

    input, or input/0, input/1 ...          what the layer is called with
    weight/<name>                           in the order that "weights" says
    argument/<name>, /0, /1 ...             arrays among the keyword arguments (a tuple is numbered)
    output/0, output/1 ...                  what Keras gives: float64 where it is a float at all, rounded to a small part of what is allowed
    allowed/0 ...                           the largest error; where "rules" has a number a for "allowed", it is a (1 + |output|)
    alternative/0/0 ...                     other answers that are right as well
    keras/0 ...                             where Keras does other than it documents: what it gives ("output" is what is documented)
    float32/...                             of a float64 case: output, allowed and alternative of its arrays rounded to float32,
    float32_allowed/0 ...                   and what float32 arithmetic is allowed on the arrays as they are

A case of the kind ``backward`` is called with the arrays of the ``forward`` case of its id, where it has none of its own, and has

    grad_output/0 ...                       a gradient for each output; float16 holds them exactly
    output/0 ...                            Keras's gradients: of what, is said by "gradients", in that order
    alternative/0/0 ...                     where Keras chooses one of several right ones: the gradients by other choices
    response                                one number P for each gradient: in float32 ``(8 + sqrt(K)) (P + eps (1 + |output|))`` is
                                            allowed, K the size of the largest array among inputs and grad_output; in float64
                                            ``1e-11 (1 + the largest |output|)``

Everything else about a case (Keras's configuration, the options to pass, dtypes) stands in its JSON.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from conformance.base.arrays import Array
from conformance.base.errors import VectorsError
from conformance.base.files import checksum, read_json
from conformance.oracle.recorded.packing import Packer, starts_of, unpack
from reference.saving.files import write_whole

FORMAT = 2
FACTS = "facts"
MANIFEST = "manifest.json"
ENDING = ".safetensors"
MISSING = (
    "reading recorded vectors needs the package safetensors, which cannot be imported here: install it with `pip install safetensors`"
)


@dataclass(frozen=True)
class StoredCase:
    """One recorded case: what JSON says of it, and its arrays by name."""

    facts: Mapping[str, Any]
    tensors: Mapping[str, Array]

    @property
    def key(self) -> tuple[str, str]:
        """Kind and id, by which a case is found."""
        return self.facts["kind"], self.facts["id"]

    def array(self, name: str) -> Array:
        """One array."""
        return self.tensors[name]

    def numbered(self, name: str) -> tuple[Array, ...]:
        """The arrays ``name/0``, ``name/1`` and so on."""
        found: list[Array] = []
        while (key := f"{name}/{len(found)}") in self.tensors:
            found.append(self.tensors[key])
        return tuple(found)


@functools.cache
def folder() -> Path:
    """Where the vectors are: in the checkout's fixtures, else in the installed package."""
    package = Path(str(files("conformance")))
    checkout = package.parent / "fixtures" / "vectors"
    return checkout if (package.parent / "pyproject.toml").is_file() else package / "_vectors"


@functools.cache
def manifest(place: Path) -> dict[str, Any]:
    """The manifest of a folder.

    Raises
    ------
    VectorsError
        If there is none, or it is of another format.
    """
    path = place / MANIFEST
    try:
        found: dict[str, Any] = read_json(path)
    except FileNotFoundError:
        raise VectorsError(f"there are no recorded vectors: {path} is missing; `conform record` makes them where Keras is") from None
    except (OSError, ValueError) as error:
        raise VectorsError(f"{path} cannot be read: {error}") from None
    if found.get("format") != FORMAT:
        raise VectorsError(f"{path} is of format {found.get('format')!r}, this version reads {FORMAT}")
    return found


def recorded_layers(place: Path) -> tuple[str, ...]:
    """The layers of which a folder has answers: all, or those of an assignment, see :mod:`conformance.grading.assignment.wheel`."""
    return tuple(layer for about in manifest(place)["files"].values() for layer in about["layers"])


class Family:
    """The cases of one file, their arrays unpacked when asked for."""

    def __init__(self, path: Path, sha256: str | None = None) -> None:
        try:
            from safetensors import SafetensorError, safe_open
        except ImportError:
            raise VectorsError(MISSING) from None
        try:
            if sha256 is not None and checksum(path) != sha256:
                raise VectorsError(f"{path} is not the file that the manifest names: restore it, or record again with `conform record`")
            with safe_open(path, framework="numpy") as file:
                self._packed = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            self.cases: list[dict[str, Any]] = json.loads(zlib.decompress(self._packed[FACTS].tobytes()))["cases"]
            self._tables = [facts.pop("tensors") for facts in self.cases]
        except FileNotFoundError:
            raise VectorsError(f"{path}, which the manifest names, is missing") from None
        except (OSError, SafetensorError, zlib.error, ValueError, KeyError, TypeError) as error:
            raise VectorsError(f"{path} cannot be read: {error}") from None
        self._starts = starts_of(self._tables)
        self._numbers = {(facts["kind"], facts["id"]): n for n, facts in enumerate(self.cases)}

    @functools.lru_cache(maxsize=4)  # noqa: B019 - a process holds each family once
    def entry(self, kind: str, identifier: str) -> StoredCase | None:
        """The case of this id, or None."""
        number = self._numbers.get((kind, identifier))
        if number is None:
            return None
        return StoredCase(self.cases[number], unpack(self._tables[number], self._starts[number], self._packed))

    def entries(self) -> Iterator[StoredCase]:
        """Every case, in order."""
        for facts in self.cases:
            found = self.entry(facts["kind"], facts["id"])
            assert found is not None
            yield found


def write_family(path: Path, family: str, keras: str, entries: Sequence[StoredCase]) -> None:
    """Write the file of a family, whole or not at all; the same entries give the same bytes."""
    from safetensors.numpy import save

    packer = Packer()
    cases = [{**entry.facts, "tensors": packer.rows(entry.tensors)} for entry in entries]
    document = {"format": FORMAT, "keras": keras, "family": family, "cases": cases}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    facts = np.frombuffer(zlib.compress(text.encode(), 9), np.uint8)
    write_whole(path, save({FACTS: facts, **packer.tensors()}))
