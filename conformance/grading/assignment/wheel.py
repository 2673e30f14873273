"""The wheel that is handed out and uploaded: this package as it is here, with the recorded answers of some layers alone.

It is written from the files that run here, be it in a checkout or installed, so nothing has to be built or downloaded, and it is small
enough for platforms that take ten megabytes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from conformance import __version__
from conformance.cases import LAYERS_OF
from conformance.oracle.recorded.vectors import ENDING, MANIFEST, Family, folder, manifest, write_family

PACKAGES = ("reference", "conformance")
LEFT_OUT = frozenset({"selftests", "studies", "docs"})
"""Folders of the packages that grading has no use for, beside those whose name begins with ``_``: data that a checkout keeps elsewhere."""
REQUIREMENTS = ("numpy>=2.0", "safetensors>=0.5", "joblib>=1.4", "tabulate>=0.9", "threadpoolctl>=3.1", "tqdm>=4.66", "typer>=0.12")
FOR_MODELS = "h5py>=3.11"
"""What checking and grading import: nothing of TensorFlow, and nothing of pytest; and what reading a saved model takes."""
DISTRIBUTION = f"keras_conformance-{__version__}"
FILE_NAME = f"{DISTRIBUTION}-py3-none-any.whl"
PYTHON = ">=3.11"
INFO = f"{DISTRIBUTION}.dist-info"
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The time of every file: the same files give the same wheel."""


def wheel(layers: Sequence[str], cases: Mapping[str, Collection[str]] = MappingProxyType({})) -> bytes:
    """The wheel with the recorded answers of these layers.

    Parameters
    ----------
    layers : sequence of str
    cases : mapping of layer to ids
        Of which layers only these cases are carried.

    Raises
    ------
    VectorsError
        If the recorded answers cannot be read.
    """
    contents = dict(_sources()) | _vectors(layers, cases) | _about()
    rows = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in contents.items()]
    record = "\n".join([*rows, f"{INFO}/RECORD,,", ""])
    return zipped({**contents, f"{INFO}/RECORD": record.encode()})


def zipped(contents: dict[str, bytes], programs: Sequence[str] = ()) -> bytes:
    """A zip archive of these files, `programs` among them executable; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            info = zipfile.ZipInfo(name, LONG_AGO)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if name in programs else 0o100644) << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def _sources() -> Iterator[tuple[str, bytes]]:
    for package in PACKAGES:
        home = Path(str(files(package)))
        for path in sorted([*home.rglob("*.py"), *home.glob("py.typed")]):
            inside = path.relative_to(home)
            if not any(part in LEFT_OUT or part.startswith("_") for part in inside.parts[:-1]):
                yield f"{package}/{inside.as_posix()}", path.read_bytes()


def _vectors(layers: Sequence[str], cases: Mapping[str, Collection[str]]) -> dict[str, bytes]:
    """Files of recorded answers, and the manifest of these."""
    facts, contents, told = manifest(folder()), {"__init__.py": b""}, {}
    for family, of_family in LAYERS_OF.items():
        wanted = [layer for layer in of_family if layer in layers]
        if wanted:
            name = family + ENDING
            content, count = _family(name, {layer: cases.get(layer) for layer in wanted}, facts)
            contents[name] = content
            told[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "cases": count, "layers": wanted}
    contents[MANIFEST] = json.dumps({**facts, "files": told}, indent=1).encode()
    return {f"conformance/_vectors/{name}": content for name, content in contents.items()}


def _family(name: str, wanted: Mapping[str, Collection[str] | None], facts: Mapping[str, Any]) -> tuple[bytes, int]:
    """The file of a family with what is recorded of some of its layers, of some only some cases, and how many cases that are."""
    of_file = facts["files"][name]
    if list(wanted) == of_file["layers"] and all(ids is None for ids in wanted.values()):
        return (folder() / name).read_bytes(), of_file["cases"]
    stored = Family(folder() / name, of_file["sha256"])
    keys = [
        (case["kind"], case["id"])
        for case in stored.cases
        if case["layer"] in wanted and ((ids := wanted[case["layer"]]) is None or case["id"] in ids)
    ]
    kept = [entry for key in keys if (entry := stored.entry(*key)) is not None]
    with tempfile.TemporaryDirectory(prefix="conform-") as home:
        path = Path(home, name)
        write_family(path, name.removesuffix(ENDING), facts["keras"], kept)
        return path.read_bytes(), len(kept)


def _about() -> dict[str, bytes]:
    needs = "".join(f"Requires-Dist: {one}\n" for one in REQUIREMENTS)
    metadata = f"Metadata-Version: 2.1\nName: keras-conformance\nVersion: {__version__}\nRequires-Python: {PYTHON}\n{needs}"
    return {
        f"{INFO}/METADATA": metadata.encode(),
        f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nGenerator: conform assignment\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{INFO}/entry_points.txt": b"[console_scripts]\nconform = conformance.cli:main\n",
    }


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
