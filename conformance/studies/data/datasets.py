"""The data sets of the experiments: where their bytes come from, how they are split, and the checksum of what was used.

============ ================================================================= ==============================
name         content                                                           train / valid / test
============ ================================================================= ==============================
``cifar10``  CIFAR-10 (Krizhevsky 2009), 32×32 colour images, 10 classes        40,000 / 10,000 / 10,000
``nusax``    NusaX-Senti, Indonesian (Winata et al. 2022), 3 classes            500 / 100 / 400
``digits``   the 8×8 grey images that scikit-learn ships, 10 classes            1,197 / 200 / 400
``reviews``  Indonesian reviews written for this project, 3 classes             as its file says
============ ================================================================= ==============================

The first two come from a folder (the argument, or the environment variable ``CONFORM_DATA``) or else from the network,
by checksum. CIFAR-10 is published as a Python and as a binary archive of the same images. The Python one consists of
pickles, which run code when they are read, so the binary one is used: records of one label byte and 3,072 pixel bytes,
read from named members, never extracted.

Splits that are not published are drawn with ``numpy.random.RandomState``, whose streams are frozen, so they do not move
with NumPy.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from conformance.studies.data.downloads import NO_DOWNLOADS, DataInvalidError, DataUnavailable, fetch, matches
from conformance.studies.data.paths import cache_dir, fixtures_dir

SPLITS = ("train", "valid", "test")
SENTIMENTS = ("negative", "neutral", "positive")
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

NUSAX_COMMIT = "75b0be5d982348332509f296e10d9bf9cb66d60f"
NUSAX_URL = f"https://raw.githubusercontent.com/IndoNLP/nusax/{NUSAX_COMMIT}/datasets/sentiment/indonesian"
NUSAX_SHA256 = {
    "train": "698c4802111085c14fbe35122957e1145338d307bcc295764026a23095a32984",
    "valid": "4049c4a53017e08db72c72e1907345bfdfc19385481c58f54fe4637073d813f9",
    "test": "43b612ed6fde972c752ab9fa8b2ce290d9ffa06b176b732fcef2a947cb94a161",
}
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz"
CIFAR10_ARCHIVE = "cifar-10-binary.tar.gz"
CIFAR10_HASH = "md5:c32a1d4ab5d03f1284b67883e8d87530"
CIFAR10_STEMS = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
CIFAR10_MEMBERS = tuple(f"cifar-10-batches-bin/{stem}.bin" for stem in CIFAR10_STEMS)
CIFAR10_IMAGES_PER_FILE = 10_000
CIFAR10_JPEG_SHA256 = "4f0838ff6fe2c1c9c35c1d4a15fb9590fc4881fa0db1cf2d9287bd693c182388"


@dataclass(frozen=True, eq=False)
class Dataset:
    """One data set, split.

    Attributes
    ----------
    name, title : str
        The key of :func:`load`, and the words for a table; the title says which bytes these are.
    classes : tuple of str
        ``classes[label]`` names a label.
    x_train, x_valid, x_test : ndarray of uint8, shape (images, height, width, channels), or list of str
        As stored. :meth:`images` gives what a model is fed.
    y_train, y_valid, y_test : ndarray of int64, shape (images,)
    sha256 : str
        :func:`content_sha256` of the splits.
    scale : float or None
        What a pixel is divided by; None for texts.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    x_train: Any
    y_train: np.ndarray
    x_valid: Any
    y_valid: np.ndarray
    x_test: Any
    y_test: np.ndarray
    sha256: str
    scale: float | None = None

    def images(self, pixels: np.ndarray) -> np.ndarray:
        """Stored pixels (any selection of them) as float32 in [0, 1]; a batch at a time keeps memory small."""
        if self.scale is None:
            raise TypeError(f"{self.title} holds texts, not images.")
        return pixels.astype(np.float32) / np.float32(self.scale)


def held_out(dataset: Dataset, fold: int, folds: int) -> Dataset:
    """Training and validation split cut into `folds` parts with equal shares of classes; one is held out, as validation and as test split.

    ``sha256`` stays that of the whole data set, whose test split has no part in it.
    """
    both = joined(dataset)
    samples, labels = both.x_train, both.y_train
    split = parts(labels, folds)[fold]
    if isinstance(samples, np.ndarray):
        train, rest = (samples[part] for part in split)
    else:
        train, rest = ([samples[place] for place in part] for part in split)
    y_train, y_rest = (labels[part] for part in split)
    return replace(dataset, x_train=train, y_train=y_train, x_valid=rest, y_valid=y_rest, x_test=rest, y_test=y_rest)


def parts(labels: np.ndarray, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each of `folds` parts with equal shares of classes: the places of all other samples, and those of the part."""
    from sklearn.model_selection import StratifiedKFold

    return list(StratifiedKFold(folds, shuffle=True, random_state=0).split(labels, labels))


def joined(dataset: Dataset) -> Dataset:
    """Training and validation split as one training split; the validation split is empty, ``sha256`` that of the whole data set."""
    samples = dataset.x_train, dataset.x_valid
    both = np.concatenate(samples) if isinstance(dataset.x_train, np.ndarray) else [*samples[0], *samples[1]]
    labels = np.concatenate([dataset.y_train, dataset.y_valid])
    return replace(dataset, x_train=both, y_train=labels, x_valid=both[:0], y_valid=labels[:0])


def content_sha256(splits: Iterable[tuple[Any, np.ndarray]]) -> str:
    """The checksum of what is in a data set, whatever files carried it.

    SHA-256 over train, valid and test in this order; of each split first the inputs, then the labels. Images: the uint8
    pixels in C order (image, row, column, channel). Texts: each text in UTF-8 followed by one zero byte. Labels: int64,
    little-endian.
    """
    digest = hashlib.sha256()
    for inputs, labels in splits:
        if isinstance(inputs, np.ndarray):
            digest.update(np.ascontiguousarray(inputs, dtype=np.uint8).data)
        else:
            for text in inputs:
                digest.update(text.encode() + b"\0")
        digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def load(name: str, data_dir: str | os.PathLike[str] | None = None, *, url: str | None = None, cache: Path | None = None) -> Dataset:
    """Load a data set by name.

    Parameters
    ----------
    name : str
        One of ``cifar10``, ``nusax``, ``digits``, ``reviews``.
    data_dir : path, optional
        Folder that holds ``nusax-indonesian/{train,valid,test}.csv`` and ``cifar10.npz`` (``x_train``, ``y_train``,
        ``x_test``, ``y_test``) or the official ``cifar-10-binary.tar.gz``. Without it the environment variable
        ``CONFORM_DATA`` names it; without either, the files are downloaded.
    url : str, optional
        Address of a mirror, under which the files have the names above (``cifar-10-binary.tar.gz`` for CIFAR-10);
        without it the environment variable ``CONFORM_DATA_URL``, else the publishers. Checksums are the same
        everywhere.
    cache : path, optional
        Folder of the downloads; by default this project's folder in the user's cache.

    Raises
    ------
    KeyError
        No data set has this name.
    DataUnavailable
        The folder that is given lacks it, or there is neither folder nor network.
    DataInvalidError
        A file is incomplete or not the expected one; the message names it.
    """
    if name not in _LOADERS:
        raise KeyError(f"There is no data set {name!r}; there are {', '.join(NAMES)}.")
    folder = data_dir or os.environ.get("CONFORM_DATA") or None
    mirror = url or os.environ.get("CONFORM_DATA_URL") or None
    return _LOADERS[name](_Source(Path(folder) if folder else None, mirror.rstrip("/") if mirror else None, cache))


@dataclass(frozen=True)
class _Source:
    """Where files come from: a folder, else a mirror or the publisher, into a cache."""

    folder: Path | None
    mirror: str | None
    cache: Path | None

    def in_folder(self, name: str) -> Path:
        path = (self.folder or Path()) / name
        if not path.is_file():
            raise DataUnavailable(f"The data folder {self.folder} lacks {name}.")
        return path

    def download(self, name: str, publisher: str, known_hash: str, what: str) -> Path:
        if importlib.util.find_spec("pooch") is None:
            raise DataUnavailable(NO_DOWNLOADS.format(what=what))
        url = f"{self.mirror}/{name}" if self.mirror else f"{publisher}/{name.rsplit('/', 1)[-1]}"
        return fetch(url, known_hash, (self.cache or cache_dir()) / Path(name).parent, what)


def _dataset(name: str, title: str, classes: tuple[str, ...], splits: list[tuple[Any, np.ndarray]], **other: Any) -> Dataset:
    (x_train, y_train), (x_valid, y_valid), (x_test, y_test) = splits
    sha256 = other.pop("sha256", None) or content_sha256(splits)
    return Dataset(name, title, classes, x_train, y_train, x_valid, y_valid, x_test, y_test, sha256, **other)


def _load_nusax(source: _Source) -> Dataset:
    title = "NusaX-Senti, Indonesian"
    splits = []
    for split in SPLITS:
        name = f"nusax-indonesian/{split}.csv"
        if source.folder:
            path = source.in_folder(name)
            if not matches(path, NUSAX_SHA256[split]):
                raise DataInvalidError(f"{path} is not the published file: its SHA-256 is not {NUSAX_SHA256[split]}.")
        else:
            path = source.download(name, NUSAX_URL, NUSAX_SHA256[split], title)
        splits.append(_labelled_texts(_rows(path), path))
    return _dataset("nusax", title, SENTIMENTS, splits)


def _load_reviews(source: _Source) -> Dataset:
    path = fixtures_dir() / "reviews" / "reviews.csv"
    if not path.is_file():
        raise DataInvalidError("The checkout lacks fixtures/reviews/reviews.csv.")
    rows = _rows(path)
    splits = [_labelled_texts([row for row in rows if row.get("split") == split], path) for split in SPLITS]
    if sum(len(labels) for _, labels in splits) != len(rows):
        raise DataInvalidError(f"{path} has a row whose split is none of {', '.join(SPLITS)}.")
    return _dataset("reviews", "reviews (written for this project)", SENTIMENTS, splits)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _labelled_texts(rows: list[dict[str, str]], path: Path) -> tuple[list[str], np.ndarray]:
    try:
        return [row["text"] for row in rows], np.array([SENTIMENTS.index(row["label"]) for row in rows], np.int64)
    except (KeyError, ValueError) as error:
        message = f"{path} needs the columns text and label, and labels among {', '.join(SENTIMENTS)}."
        raise DataInvalidError(message) from error


def _load_digits(source: _Source) -> Dataset:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    images, labels = pixels.reshape(-1, 8, 8, 1).astype(np.uint8), labels.astype(np.int64)
    rest, x_test, y_rest, y_test = train_test_split(images, labels, test_size=400, stratify=labels, random_state=0)
    x_train, x_valid, y_train, y_valid = train_test_split(rest, y_rest, test_size=200, stratify=y_rest, random_state=0)
    splits = [(x_train, y_train), (x_valid, y_valid), (x_test, y_test)]
    return _dataset("digits", "digits (scikit-learn)", tuple("0123456789"), splits, scale=16.0)


def _load_cifar10(source: _Source) -> Dataset:
    if source.folder and (source.folder / "cifar10.npz").is_file():
        x, y, x_test, y_test = _cifar10_folder(source.folder / "cifar10.npz")
        title = None
    else:
        if source.folder and not (source.folder / CIFAR10_ARCHIVE).is_file():
            raise DataUnavailable(f"The data folder {source.folder} lacks cifar10.npz.")
        if source.folder:
            archive = source.folder / CIFAR10_ARCHIVE
            if not matches(archive, CIFAR10_HASH):
                raise DataInvalidError(f"{archive} is not the official archive: its checksum is not {CIFAR10_HASH}.")
        else:
            archive = source.download(CIFAR10_ARCHIVE, CIFAR10_URL, CIFAR10_HASH, "CIFAR-10")
        x, y, x_test, y_test = _cifar10_archive(archive)
        title = "CIFAR-10"
    order = np.random.RandomState(0).permutation(len(x))
    valid, train = order[: len(x) // 5], order[len(x) // 5 :]
    splits = [(x[train], y[train]), (x[valid], y[valid]), (x_test, y_test)]
    sha256 = content_sha256(splits)
    title = title or ("CIFAR-10, JPEG copies" if sha256 == CIFAR10_JPEG_SHA256 else "CIFAR-10 (folder)")
    return _dataset("cifar10", title, CIFAR10_CLASSES, splits, sha256=sha256, scale=255.0)


def _cifar10_folder(path: Path) -> tuple[np.ndarray, ...]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            x, y, x_test, y_test = (arrays[key] for key in ("x_train", "y_train", "x_test", "y_test"))
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataInvalidError(f"{path} cannot be read as x_train, y_train, x_test, y_test ({error}).") from error
    for images, labels in ((x, y), (x_test, y_test)):
        whole = images.dtype == np.uint8 and images.shape[1:] == (32, 32, 3) and labels.size == len(images) > 0
        if not whole or labels.min() < 0 or labels.max() > 9:
            raise DataInvalidError(f"{path} needs uint8 images of shape (n, 32, 32, 3), as many labels from 0 to 9.")
    return x, y.reshape(-1).astype(np.int64), x_test, y_test.reshape(-1).astype(np.int64)


def _cifar10_archive(path: Path) -> tuple[np.ndarray, ...]:
    """The images of the official binary archive, read as a stream; nothing is extracted, the rest passed over."""
    files: dict[str, np.ndarray] = {}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isreg() and member.name in CIFAR10_MEMBERS else None
                if stream is not None:
                    content = stream.read(CIFAR10_IMAGES_PER_FILE * 3073)
                    files[member.name] = np.frombuffer(content, np.uint8).reshape(-1, 3073)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise DataInvalidError(f"{path} cannot be read ({error}).") from error
    for name in CIFAR10_MEMBERS:
        if name not in files or len(files[name]) != CIFAR10_IMAGES_PER_FILE:
            raise DataInvalidError(f"{path} lacks {name} or holds a part of it.")
    train, test = np.concatenate([files[name] for name in CIFAR10_MEMBERS[:-1]]), files[CIFAR10_MEMBERS[-1]]
    return (*_records(train), *_records(test))


def _records(records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0].astype(np.int64)


_LOADERS: dict[str, Callable[[_Source], Dataset]] = {
    "cifar10": _load_cifar10,
    "nusax": _load_nusax,
    "digits": _load_digits,
    "reviews": _load_reviews,
}
NAMES = tuple(_LOADERS)
