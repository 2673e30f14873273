"""The configuration that stands in a model's file, as it stands there, and who wrote it."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import Any

from reference.network.errors import ArchiveError, naming
from reference.saving.files import parse_json
from reference.saving.legacy import is_weights, read_attributes
from reference.saving.source import member
from reference.saving.versions import Origin

MAX_CONFIG_BYTES = 16 * 2**20
MAX_WEIGHTS_BYTES = 2 * 2**30
MAX_ASSET_BYTES = 64 * 2**20
MAX_JSON_BYTES = 128 * 2**20
MAX_METADATA_BYTES = 2**16


def zip_config(file: zipfile.ZipFile) -> tuple[Any, Origin]:
    """The configuration in a ``.keras`` archive, and who ``metadata.json`` says has written it."""
    data = member(file, "config.json", MAX_CONFIG_BYTES)
    with naming("config.json"):
        config = parse_json(data)
    return config, _metadata(file)


def _metadata(file: zipfile.ZipFile) -> Origin:
    """Keras does not read it: where it is missing or damaged, nothing is known."""
    if "metadata.json" not in file.namelist():
        return Origin()
    data = member(file, "metadata.json", MAX_METADATA_BYTES)
    try:
        return config_origin(parse_json(data))
    except ArchiveError:
        return Origin()


def hdf5_config(data: bytes) -> tuple[Any, Origin]:
    """The configuration in a legacy ``.h5`` file, and who its attributes say has written it."""
    found = read_attributes(data, ("model_config", "keras_version", "backend"))
    if found["model_config"] is None:
        by = f", {Origin(found['keras_version'])}" if found["keras_version"] else ""
        if not is_weights(data):
            raise ArchiveError(f"no model of Keras{by}: an HDF5 file with neither a model_config nor weights of layers")
        raise ArchiveError(f"the file holds weights alone{by}; they are read beside a configuration, with weights=")
    text = found["model_config"].encode()
    with naming("model_config"):
        if len(text) > MAX_CONFIG_BYTES:
            raise ArchiveError(f"{len(text)} bytes are more than the {MAX_CONFIG_BYTES} allowed")
        return parse_json(text), Origin(found["keras_version"], found["backend"])


def weights_origin(data: bytes) -> Origin:
    """Who wrote a file of weights."""
    found = read_attributes(data, ("keras_version", "backend"))
    return Origin(found["keras_version"], found["backend"])


def config_origin(config: Any) -> Origin:
    """Who wrote a configuration: ``model.to_json()`` of Keras 2 says it."""
    given = [config.get(name) for name in ("keras_version", "backend")] if isinstance(config, Mapping) else [None, None]
    return Origin(*(value if isinstance(value, str) else None for value in given))
