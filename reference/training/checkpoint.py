"""Checkpoints of a training: all that it goes on from, in one ``.npz`` file that is written whole or not at all.

The file holds arrays (weights, what the optimizer and the callbacks remember) and a text, ``training.json``, with everything else: the
epochs and their history, the number of steps, what the training is about. Nothing in it is pickled. Since all random numbers follow from
the seed and the number of the step or epoch, a training that goes on from a checkpoint ends with the bits that it would have ended with.
"""

from __future__ import annotations

import functools
import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reference._arrays import Array
from reference.saving.files import write_whole
from reference.training.data import Samples
from reference.training.run import Run

__all__ = ["CheckpointError"]

FORMAT, VERSION = "keras-conformance training", 1
TEXT = "training.json"


class CheckpointError(ValueError):
    """A checkpoint that a training cannot go on from; the sentence names the file and what is wrong with it."""


def flat_weights(weights: Mapping[str, Sequence[Array]]) -> dict[str, Array]:
    """The weights of all layers by ``path/number``."""
    return {f"{path}/{index}": array for path, arrays in weights.items() for index, array in enumerate(arrays)}


def description(run: Run[Any], samples: Samples, validation: Samples | None, batch_size: int, shuffle: bool) -> dict[str, Any]:
    """What a training is about, as JSON: two trainings of one description make the same steps from the same weights."""
    plan = run.state.plan
    losses = {name: [one.loss.name, _plain(one.loss.options), one.weight] for name, one in plan.objectives.items()}
    shapes = {name: list(array.shape) for name, array in flat_weights(run.state.weights).items()}
    return {
        "model": {"dtype": run.model.dtype.name, "weights": shapes},
        "optimizer": [plan.optimizer.name, _plain(plan.optimizer.options)],
        "loss": losses,
        "trained": [f"{weight.path}/{weight.index} {weight.l1} {weight.l2}" for weight in plan.trained],
        "metrics": {name: [metric.name for metric in some] for name, some in run.metrics.items()},
        "batch_size": batch_size,
        "shuffle": shuffle,
        "seed": run.state.seed,
        "data": _checksum(samples),
        "validation": None if validation is None else _checksum(validation),
    }


def save_checkpoint(path: str | os.PathLike[str], run: Run[Any], callbacks: Sequence[Any], about: Mapping[str, Any]) -> None:
    """Write a checkpoint after an epoch; ``OSError`` if it cannot be written, and then the last one stays."""
    arrays = {f"weights/{name}": array for name, array in flat_weights(run.state.weights).items()}
    optimizer = _flat("optimizer", run.state.optimizer, arrays)
    states = [
        [type(one).__name__, _flat(f"callbacks/{number}", one.get_state(), arrays)] for number, one in enumerate(_remembering(callbacks))
    ]
    document = {
        "format": FORMAT,
        "version": VERSION,
        "about": about,
        "epochs": run.epochs,
        "history": run.history,
        "stop_training": run.stop_training,
        "step": run.state.step,
        "learning_rate": run.state.learning_rate,
        "optimizer": optimizer,
        "callbacks": states,
    }
    arrays[TEXT] = np.frombuffer(json.dumps(document).encode(), np.uint8)
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    write_whole(path, file.getvalue())


def load_checkpoint(path: str | os.PathLike[str], run: Run[Any], callbacks: Sequence[Any], about: Mapping[str, Any]) -> None:
    """Put a training and its callbacks where a checkpoint left them.

    Raises
    ------
    CheckpointError
        If the file is damaged, is no checkpoint, or is that of another training; nothing has changed then.
    """
    document, arrays = _read(Path(path))
    try:
        _compare(path, document["about"], json.loads(json.dumps(about)))
        _compare_callbacks(path, [name for name, _ in document["callbacks"]], [type(one).__name__ for one in _remembering(callbacks)])
        weights = {name: arrays[f"weights/{name}"] for name in flat_weights(run.state.weights)}
        states = [_unflat(state, arrays) for _, state in document["callbacks"]]
        state = replace(
            run.state, optimizer=_unflat(document["optimizer"], arrays), step=document["step"], learning_rate=document["learning_rate"]
        )
        epochs, history, stop_training = document["epochs"], document["history"], document["stop_training"]
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"checkpoint {path} is damaged: {type(error).__name__}: {error}") from None
    for name, array in flat_weights(run.state.weights).items():
        if weights[name].shape != array.shape or weights[name].dtype != array.dtype:
            found = f"{weights[name].dtype} {weights[name].shape}"
            raise CheckpointError(f"checkpoint {path}: weight {name} is {found}, not {array.dtype} {array.shape}")
    run.state = state
    run.set_weights(weights)
    run.epochs, run.history, run.stop_training = epochs, history, stop_training
    for callback, remembered in zip(_remembering(callbacks), states, strict=True):
        callback.set_state(remembered)


def _remembering(callbacks: Sequence[Any]) -> list[Any]:
    """Those that have something to remember."""
    return [one for one in callbacks if hasattr(one, "get_state")]


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The text and the arrays of a checkpoint."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        document = json.loads(arrays.pop(TEXT).tobytes())
    except (OSError, ValueError, KeyError, EOFError, AttributeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise CheckpointError(f"checkpoint {path} is damaged, or no checkpoint ({type(error).__name__}: {error})") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT or document.get("version") != VERSION:
        raise CheckpointError(f"checkpoint {path} is not a {FORMAT!r} of version {VERSION}")
    return document, arrays


def _compare(path: str | os.PathLike[str], found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        if found.get(name) != value:
            seen = "" if name in ("model", "data", "validation", "trained") else f" ({found.get(name)}, not {value})"
            raise CheckpointError(f"checkpoint {path} is that of another training: {name} differs{seen}; delete it to start anew")


def _compare_callbacks(path: str | os.PathLike[str], found: list[str], wanted: list[str]) -> None:
    if found != wanted:
        raise CheckpointError(f"checkpoint {path}: its callbacks are {', '.join(found) or 'none'}, not {', '.join(wanted) or 'none'}")


def _flat(prefix: str, value: Any, arrays: dict[str, Array]) -> Any:
    """A structure with the name of each array in its place; the arrays go into `arrays`."""
    if isinstance(value, np.ndarray):
        arrays[prefix] = value
        return {"array": prefix}
    if isinstance(value, Mapping):
        return {"dict": {name: _flat(f"{prefix}/{name}", one, arrays) for name, one in value.items()}}
    if isinstance(value, list | tuple):
        return [_flat(f"{prefix}/{index}", one, arrays) for index, one in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


def _unflat(value: Any, arrays: Mapping[str, Array]) -> Any:
    """What :func:`_flat` made flat."""
    if isinstance(value, list):
        return [_unflat(one, arrays) for one in value]
    if isinstance(value, dict):
        return arrays[value["array"]] if "array" in value else {name: _unflat(one, arrays) for name, one in value["dict"].items()}
    return value


def _plain(value: Any) -> Any:
    """Options as JSON: a function by its name, with the options of a partial one."""
    if isinstance(value, functools.partial):
        return [_plain(value.func), _plain(value.keywords)]
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(one) for one in np.asarray(value).tolist()] if isinstance(value, np.ndarray) else [_plain(one) for one in value]
    if isinstance(value, np.generic):
        return value.item()
    return getattr(value, "__qualname__", type(value).__name__) if callable(value) else value


def _checksum(samples: Samples) -> list[Any]:
    """Number and CRC-32 of all data."""
    found = 0
    for part in samples:
        for name, array in sorted(part.items()):
            if array is not None:
                data = repr(array.tolist()).encode() if array.dtype == object else np.ascontiguousarray(array).tobytes()
                found = zlib.crc32(data, zlib.crc32(name.encode(), found))
    return [samples.number, found]
