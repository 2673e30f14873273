"""Recording again: what has changed since the last time, in words, and files that change only where the answers did."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from conformance.base.arrays import Array
from conformance.base.errors import VectorsError
from conformance.cases import LAYERS_OF, NAMES
from conformance.cases.tolerance import ITERATED
from conformance.oracle.environment import in_processes
from conformance.oracle.recorded.generator import generator_hash
from conformance.oracle.recorded.reader import PROFILE, SEED
from conformance.oracle.recorded.tensors import STEP, least_of_gradients
from conformance.oracle.recorded.vectors import ENDING, FORMAT, MANIFEST, Family, StoredCase, manifest, write_family
from conformance.recording.layers import record_layer
from reference.saving.files import write_document

Recording = Mapping[str, Sequence[StoredCase]]

SAME = 1e-6
"""A tolerance that moved by less than this part of itself has not changed: the last digits depend on the processor. For the same reason
an expected value may have been rounded to the next step, see :func:`conformance.oracle.recorded.tensors.rounded`."""
RATIO_SAME = 0.05


def record(place: Path, workers: int | None = None) -> tuple[dict[str, list[StoredCase]], list[str]]:
    """Ask Keras everything, with a progress bar, and compare with what is stored; see :func:`settle`."""
    from tqdm import tqdm

    fresh = {}
    with tqdm(total=len(NAMES), unit="layer", disable=None) as bar:
        # What takes longest first.
        jobs = [(name,) for name in sorted(NAMES, key=lambda name: name not in ITERATED)]
        for (name,), entries in in_processes(record_layer, jobs, workers or os.cpu_count() or 1):
            fresh[name] = entries
            bar.set_postfix_str(name)
            bar.update()
    return settle(fresh, place)


def stored_entries(place: Path) -> dict[str, dict[tuple[str, str], StoredCase]]:
    """What an earlier recording left in a folder, by family; nothing where there is none that can be read."""
    try:
        recorded = [name for name in LAYERS_OF if name + ENDING in manifest(place)["files"]]
        return {name: {entry.key: entry for entry in Family(place / (name + ENDING)).entries()} for name in recorded}
    except VectorsError:
        return {}


def settle(fresh: Recording, place: Path) -> tuple[dict[str, list[StoredCase]], list[str]]:
    """The entries to be stored, by family, and a sentence for each difference from what is stored: what did not change stays as it is."""
    before = stored_entries(place)
    kept: dict[str, list[StoredCase]] = {}
    sentences: list[str] = []
    for family, layers in LAYERS_OF.items():
        old = dict(before.get(family, {}))
        kept[family] = []
        for entry in (entry for layer in layers for entry in fresh[layer]):
            stored = old.pop(entry.key, None)
            told = ["new"] if stored is None else differences(stored, entry)
            sentences += [f"{entry.facts['id']} ({entry.facts['kind']}): {one}" for one in told]
            kept[family].append(entry if told or stored is None else stored)
        sentences += [f"{identifier} ({kind}): gone" for kind, identifier in old]
    return kept, sentences


def differences(stored: StoredCase, fresh: StoredCase) -> list[str]:
    """What tells two recordings of a case apart, beyond the last digits."""
    said = []
    for name in sorted({*stored.facts, *fresh.facts} - {"keras_error_over_allowance", "ratios"}):
        if _plain(stored.facts.get(name)) != _plain(fresh.facts.get(name)):
            said.append(f"{name} was {stored.facts.get(name)!r}, is {fresh.facts.get(name)!r}")
    ratios = [entry.facts.get("keras_error_over_allowance") for entry in (stored, fresh)]
    if (ratios[0] is None) != (ratios[1] is None) or (ratios[0] is not None and abs(ratios[0] - ratios[1]) > RATIO_SAME):
        said.append(f"Keras's own error over tolerance was {ratios[0]}, is {ratios[1]}")
    for name in sorted({*stored.tensors, *fresh.tensors}):
        old, new = stored.tensors.get(name), fresh.tensors.get(name)
        if old is None or new is None:
            said.append(f"{name} is {'new' if old is None else 'gone'}")
        else:
            said += _moved(name, old, new, _room(name, stored))
    return said


def _room(name: str, entry: StoredCase) -> Array | float:
    """How far a tensor may move unnoticed: one step around an expected value, nothing for what is asked with."""
    value, kind = entry.tensors[name], entry.facts["kind"]
    prefix, output, last = name.rpartition("output/")
    with np.errstate(all="ignore"):
        if output and "rules" in entry.facts:
            share = entry.facts["rules"].get(f"{prefix}allowed")
            allowed = entry.tensors[f"{prefix}allowed/{last}"] if share is None else share * (1 + np.abs(value))
            return STEP["float32" if prefix == "float32/" else entry.facts["dtype"]] * allowed
        if output and kind == "backward":
            return STEP[entry.facts["dtype"]] * least_of_gradients(value, entry.tensors["response"][int(last)], entry.facts["dtype"])
        if output and kind == "stateful":
            return 1e-14 * np.abs(value)
        if "allowed/" not in name and "alternative/" not in name and name != "response":
            return 0.0
        room = SAME * np.abs(value)
    if "alternative/" in name and kind == "forward":
        # What a kernel of Keras answers where a NaN is expected depends on the processor.
        number = name.rpartition("/")[2]
        return np.where(np.isnan(entry.tensors[f"{name.rpartition('alternative/')[0]}output/{number}"]), np.inf, room)
    return room


def _moved(name: str, old: Array, new: Array, room: Array | float) -> list[str]:
    if old.shape != new.shape or old.dtype != new.dtype:
        return [f"{name} was {old.dtype} {old.shape}, is {new.dtype} {new.shape}"]
    if old.dtype.kind != "f":
        changed = old != new
        return [f"{name}: {int(changed.sum())} of {old.size} values are others"] if changed.any() else []
    with np.errstate(all="ignore"):
        apart = np.abs(new.astype(np.float64) - old)
        same = (old == new) | (np.isnan(old) & np.isnan(new)) | (apart <= room) | np.isposinf(room)
    if np.all(same):
        return []
    largest = np.max(np.where(same | ~np.isfinite(apart), 0, apart))
    return [f"{name}: {int(np.sum(~same))} of {old.size} values moved, by {largest:.2g} at most"]


def _plain(value: Any) -> Any:
    """As JSON gives it back: tuples are lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def store(kept: Mapping[str, Sequence[StoredCase]], place: Path) -> None:
    """Write every file and then the manifest."""
    place.mkdir(parents=True, exist_ok=True)
    keras = version("keras")
    files = {}
    for family, entries in kept.items():
        path = place / (family + ENDING)
        write_family(path, family, keras, entries)
        data = path.read_bytes()
        layers = LAYERS_OF[family]
        files[path.name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "cases": len(entries), "layers": layers}
    facts = {
        "format": FORMAT,
        "command": "conform record",
        "keras": keras,
        "tensorflow": version("tensorflow"),
        "numpy": version("numpy"),
        "seed": SEED,
        "profile": PROFILE,
        "generator": generator_hash(),
        "files": files,
    }
    write_document(place / MANIFEST, facts)
    manifest.cache_clear()


def lines(sentences: Iterable[str], most: int = 20) -> list[str]:
    """The first differences and how many more there are."""
    sentences = list(sentences)
    more = [f"and {len(sentences) - most} more"] if len(sentences) > most else []
    return [*sentences[:most], *more]
