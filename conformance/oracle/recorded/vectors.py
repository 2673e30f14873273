"""The files of recorded vectors: one safetensors file for each family of layers, and a manifest.

A file holds under the metadata key ``conformance`` one JSON document::

    {"format": 1, "keras": "3.15.1", "family": "core", "cases": [{"id": "Dense-batch-float64", "kind": "forward", ...}, ...]}

The tensors of the case at position ``n`` of that list are named ``n/...``:

    n/input, or n/input/0, n/input/1 ...      what the layer is called with
    n/weight/<name>                           in the order that "weights" says
    n/argument/<name>, /0, /1 ...             arrays among the keyword arguments (a tuple is numbered)
    n/output/0, n/output/1 ...                what Keras gives: float64 where it is a float at all, or float32 where that loses nothing
    n/allowed/0 ...                           the largest error; where "allowed" is a number a instead, it is a (1 + |output|)
    n/alternative/0/0 ...                     other answers that are right as well
    n/keras/0 ...                             where Keras does other than it documents: what it gives ("output" is what is documented)
    n/float32/...                             of a float64 case: output, allowed and alternative of its arrays rounded to float32,
    n/float32_allowed/0 ...                   and what float32 arithmetic is allowed on the arrays as they are

A case of the kind ``backward`` is called with the arrays of the ``forward`` case of its id, where it has none of its own, and has

    n/grad_output/0 ...                       a gradient for each output; float16 holds them exactly
    n/output/0 ...                            Keras's gradients: of what, is said by "gradients", in that order
    n/alternative/0/0 ...                     where Keras chooses one of several right ones: the gradients by other choices
    n/response                                one number P for each gradient: in float32 ``(8 + sqrt(K)) (P + eps (1 + |output|))`` is
                                              allowed, K the size of the largest array among inputs and grad_output; in float64
                                              ``1e-11 (1 + the largest |output|)``

Everything else about a case (Keras's configuration, the options to pass, dtypes) stands in its JSON.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from conformance.base.arrays import Array
from conformance.base.errors import VectorsError
from conformance.base.files import checksum, read_json
from reference.saving.files import write_whole

FORMAT = 1
KEY = "conformance"
MANIFEST = "manifest.json"
ENDING = ".safetensors"
MISSING = (
    "reading recorded vectors needs the package safetensors, which cannot be imported here: install it with `pip install safetensors`"
)


@dataclass(frozen=True)
class StoredCase:
    """One recorded case: what JSON says of it, and its tensors by name (without the number of the case)."""

    facts: Mapping[str, Any]
    tensors: Mapping[str, Array]

    @property
    def key(self) -> tuple[str, str]:
        """Kind and id, by which a case is found."""
        return self.facts["kind"], self.facts["id"]

    def array(self, name: str) -> Array:
        """One tensor."""
        return self.tensors[name]

    def numbered(self, name: str) -> tuple[Array, ...]:
        """The tensors ``name/0``, ``name/1`` and so on."""
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


class Family:
    """The cases of one file, their tensors read when asked for."""

    def __init__(self, path: Path, sha256: str | None = None) -> None:
        try:
            from safetensors import SafetensorError, safe_open
        except ImportError:
            raise VectorsError(MISSING) from None
        try:
            if sha256 is not None and checksum(path) != sha256:
                raise VectorsError(f"{path} is not the file that the manifest names: restore it, or record again with `conform record`")
            self._file = safe_open(path, framework="numpy")
            document = json.loads(self._file.metadata()[KEY])
        except FileNotFoundError:
            raise VectorsError(f"{path}, which the manifest names, is missing") from None
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise VectorsError(f"{path} cannot be read: {error}") from None
        self.cases: list[dict[str, Any]] = document["cases"]
        names: dict[str, list[str]] = {}
        for name in self._file.keys():  # noqa: SIM118 - it is no mapping
            number, _, rest = name.partition("/")
            names.setdefault(number, []).append(rest)
        self._names = names
        self._numbers = {(facts["kind"], facts["id"]): n for n, facts in enumerate(self.cases)}

    @functools.lru_cache(maxsize=4)  # noqa: B019 - a process holds each family once
    def entry(self, kind: str, identifier: str) -> StoredCase | None:
        """The case of this id, or None."""
        number = self._numbers.get((kind, identifier))
        if number is None:
            return None
        tensors = {name: self._file.get_tensor(f"{number}/{name}") for name in self._names.get(str(number), ())}
        return StoredCase(self.cases[number], tensors)

    def entries(self) -> Iterator[StoredCase]:
        """Every case, in order."""
        for facts in self.cases:
            found = self.entry(facts["kind"], facts["id"])
            assert found is not None
            yield found


def write_family(path: Path, family: str, keras: str, entries: Sequence[StoredCase]) -> None:
    """Write the file of a family, whole or not at all; the same entries give the same bytes."""
    from safetensors.numpy import save

    document = {"format": FORMAT, "keras": keras, "family": family, "cases": [entry.facts for entry in entries]}
    tensors = {f"{n}/{name}": np.asarray(value, order="C") for n, entry in enumerate(entries) for name, value in entry.tensors.items()}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    write_whole(path, save(tensors, {KEY: text}))
