"""A whole model as one JSON file: its configuration and its weights as nested lists.

::

    {"format": "keras-conformance model", "version": 1, "dtype": "float32",
     "config": {...},                                      the configuration, as in config.json of a .keras archive
     "weights": {"dense": [[[0.5, ...], ...], [...]]},     for every layer that has some, in the order of get_weights()
     "vocabularies": {"text_vectorization": [...]}}        of TextVectorization layers, special terms included

Every number is written with as many digits as its exact value needs, so that the weights read are those written, bit for bit. JSON has no
NaN and no infinity: they stand as the texts ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.layers.shapes import Shape
from reference.network.config import DTYPES, Entry
from reference.network.errors import ArchiveError, shown
from reference.network.network import Network
from reference.saving.hdf5 import Weights

FORMAT, VERSION = "keras-conformance model", 1
NOT_FINITE = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}


def json_document(model: Network) -> Any:
    """A model as the value of a JSON file; ``ValueError`` where it computes neither in float32 nor in float64."""
    dtype = model.dtype.name
    if dtype not in DTYPES:
        raise ValueError(f"a model of {dtype} cannot be saved, only {' and '.join(DTYPES)}")
    paths = {path: layer.weights for path, layer in model.context.layers.items()}
    listed = {path: [_listed(array) for array in arrays] for path, arrays in paths.items() if len(arrays)}
    terms = {path: list(vocabulary) for path, vocabulary in model.context.vocabularies.items()}
    return {"format": FORMAT, "version": VERSION, "dtype": dtype, "config": model.config, "weights": listed, "vocabularies": terms}


def is_document(value: Any) -> bool:
    """Whether the value of a JSON file is a whole model, not a configuration alone."""
    return isinstance(value, dict) and "format" in value


def check_document(document: Any) -> None:
    """Refuse a document that is of another format or version, or lacks something."""
    if not is_document(document):
        raise ArchiveError(f"not a whole model: there is no format {FORMAT!r}")
    if document["format"] != FORMAT or document.get("version") != VERSION:
        found = f"{shown(document['format'])}, version {shown(document.get('version'))}"
        raise ArchiveError(f"the format is {found}, not {FORMAT!r}, version {VERSION}")
    for name, kind in (("dtype", str), ("config", dict), ("weights", dict), ("vocabularies", dict)):
        if not isinstance(document.get(name), kind):
            raise ArchiveError(f"{name} is missing, or is not {'a text' if kind is str else 'an object'}")
    if document["dtype"] not in DTYPES:
        raise ArchiveError(f"dtype is {shown(document['dtype'])}, not {' or '.join(DTYPES)}")


def weights_of(document: Mapping[str, Any], entries: Sequence[Entry]) -> Weights:
    """The weights of every layer; ``ArchiveError`` for anything missing, extra, of another shape, or no number."""
    given = document["weights"]
    extra = sorted(set(given) - {entry.path for entry in entries if entry.shapes})
    if extra:
        raise ArchiveError(f"weights: {shown(extra[0])} is no layer of the configuration that has weights")
    result: Weights = {}
    for entry in entries:
        arrays = given.get(entry.path, [])
        if not isinstance(arrays, list) or len(arrays) != len(entry.shapes):
            found = len(arrays) if isinstance(arrays, list) else shown(arrays)
            raise ArchiveError(f"layer {entry.path!r}: weights has {found} arrays, the configuration asks for {len(entry.shapes)}")
        result[entry.path] = [
            _array(value, shape, document["dtype"], f"layer {entry.path!r}: weight {index}")
            for index, (value, shape) in enumerate(zip(arrays, entry.shapes.values(), strict=True))
        ]
    return result


def vocabularies_of(document: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The vocabularies by layer; ``ArchiveError`` if one is not a list of texts."""
    for path, terms in document["vocabularies"].items():
        if not isinstance(terms, list) or not all(isinstance(term, str) for term in terms):
            raise ArchiveError(f"layer {shown(path)}: its vocabulary is not a list of terms")
    return {path: tuple(terms) for path, terms in document["vocabularies"].items()}


def _listed(array: NDArray[Any]) -> Any:
    """An array as nested lists; a number that JSON does not have is its name."""
    if np.isfinite(array).all():
        return array.tolist()
    names = np.where(np.isnan(array), "NaN", np.where(array > 0, "Infinity", "-Infinity"))
    return np.where(np.isfinite(array), array.astype(object), names.astype(object)).tolist()


def _array(value: Any, shape: Shape, dtype: str, where: str) -> NDArray[Any]:
    """Nested lists of the shape expected as an array, read-only."""
    flat: list[Any] = [value]
    found: list[int] = []
    for _ in shape:
        lengths = {len(part) if isinstance(part, list) else -1 for part in flat}
        if len(lengths) != 1 or -1 in lengths:
            break
        found.append(lengths.pop())
        flat = list(chain.from_iterable(flat))
    if len(found) != len(shape) or any(want not in (None, have) for have, want in zip(found, shape, strict=True)):
        raise ArchiveError(f"{where} is not a nested list of the shape {shape}, which the configuration implies")
    limit = float(np.finfo(dtype).max)
    bad = [one for one in flat if not (one in NOT_FINITE if isinstance(one, str) else type(one) in (int, float) and -limit <= one <= limit)]
    if bad:
        raise ArchiveError(f"{where} holds {shown(bad[0])}, which is no {dtype} number")
    array = np.array([NOT_FINITE.get(one, one) for one in flat], dtype).reshape(found)
    array.flags.writeable = False
    return array
