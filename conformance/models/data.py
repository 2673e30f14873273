"""The user's own data for ``conform compare``: arrays of an ``.npz`` file as a model's inputs and labels, or one sentence about them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conformance.base.arrays import Array
from reference.network.graph import Input, as_input

ONLY_INPUT, LABELS = "x", "y"


class UnusableError(Exception):
    """What cannot be compared; the text is one sentence."""


@dataclass(frozen=True)
class Data:
    """What a model is fed.

    Attributes
    ----------
    x : mapping of input name to array
        Of the declared rank and kind, all with the same number of samples, at least one.
    labels : array (samples,) or None
        Class numbers.
    unused : tuple of str
        Arrays of the file that nothing was made of.
    """

    x: Mapping[str, Array]
    labels: Array | None
    unused: tuple[str, ...]

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return len(next(iter(self.x.values())))


def read_data(path: Path, specs: Mapping[str, Input], dtype: np.dtype[Any]) -> Data:
    """Read the inputs, named as the model names them (the only one may be called ``x``), and the labels ``y``.

    An input that is itself called ``y`` is that input, and there are no labels then.

    Raises
    ------
    UnusableError
        If the file is not there or is no ``.npz`` archive, if an array is missing, pickled or of the wrong shape, or if the numbers of
        samples and labels differ.
    """
    names = _names(path)
    stored = {name: ONLY_INPUT if len(specs) == 1 and name not in names else name for name in specs}
    missing = [name for name in stored.values() if name not in names]
    if missing:
        takes = " and ".join(f"{name!r}" for name in sorted(specs)) + (f" (which may be called {ONLY_INPUT!r})" if len(specs) == 1 else "")
        raise UnusableError(f"{path} lacks the array {missing[0]!r}: the model takes {takes}, and the file holds {_listed(names)}.")
    x = {}
    for name, spec in specs.items():
        array = _finite(path, stored[name], _array(path, stored[name]))
        try:
            with np.errstate(over="ignore"):
                x[name] = as_input(spec, array)
        except ValueError as error:
            raise UnusableError(f"{path}: {error}.") from None
        _finite(path, stored[name], x[name])
    _check_samples(path, x)
    labels = None
    if LABELS in names and LABELS not in stored.values():
        labels = _labels(path, _array(path, LABELS), len(next(iter(x.values()))))
    used = {*stored.values(), *([LABELS] if labels is not None else [])}
    return Data(x, labels, tuple(name for name in names if name not in used))


def check_classes(path: Path, labels: Array, classes: int) -> None:
    """Refuse labels that are not among the classes of the model."""
    outside = labels[(labels < 0) | (labels >= classes)]
    if outside.size:
        raise UnusableError(f"{path}: y holds the class {outside[0]}, and the model has {classes} classes, 0 to {classes - 1}.")


def _names(path: Path) -> list[str]:
    if not path.is_file():
        raise UnusableError(f"There is no file {path}.")
    if not zipfile.is_zipfile(path):
        raise UnusableError(f'{path} is not an .npz archive; numpy.savez("data.npz", x=x, y=y) writes one.')
    try:
        with np.load(path, allow_pickle=False) as archive:
            return list(archive.files)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UnusableError(f"{path} cannot be read as an .npz archive ({_short(error)}).") from None


def _array(path: Path, name: str) -> Array:
    try:
        with np.load(path, allow_pickle=False) as archive:
            array = archive[name]
    except ValueError as error:
        if "pickle" in str(error):
            raise UnusableError(f"{path}: {name!r} holds Python objects, which are not unpickled: save numbers or texts.") from None
        raise UnusableError(f"{path}: {name!r} cannot be read ({_short(error)}).") from None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
        raise UnusableError(f"{path}: {name!r} cannot be read ({_short(error)}).") from None
    if not isinstance(array, np.ndarray):
        raise UnusableError(f"{path}: {name!r} is not an array.")
    return array


def _check_samples(path: Path, x: Mapping[str, Array]) -> None:
    counts = {name: len(array) for name, array in x.items()}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name!r} has {count}" for name, count in sorted(counts.items()))
        raise UnusableError(f"{path}: the inputs have different numbers of samples: {said}.")
    if not next(iter(counts.values())):
        raise UnusableError(f"{path} holds no samples.")


def _finite(path: Path, name: str, array: Array) -> Array:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0]) if array.ndim else 0
        raise UnusableError(f"{path}: {name!r} is not a finite {array.dtype} in sample {row}, where nothing can be compared.")
    return array


def _labels(path: Path, y: Array, samples: int) -> Array:
    """Class numbers as a row of integers."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise UnusableError(f"{path}: y has the shape {y.shape}; it must hold one class number for each sample (not one-hot rows).")
    if len(y) != samples:
        raise UnusableError(f"{path}: y holds {len(y)} labels for {samples} samples.")
    if y.dtype.kind not in "iubf" or not np.array_equal(y, np.rint(y)):
        raise UnusableError(f"{path}: y must hold class numbers, whole and from 0 on; it is an array of {y.dtype}.")
    return y.astype(np.int64)


def _listed(names: list[str]) -> str:
    return ", ".join(f"{name!r}" for name in names) or "nothing"


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:120]}"
