"""The data sets: sources, splits, checksums, and what is said when data are missing, incomplete or others."""

import functools
import hashlib
import http.server
import io
import os
import socket
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

from conformance.studies.data import datasets, downloads
from conformance.studies.data.downloads import DataInvalidError, DataUnavailable

IMAGES = 5  # in each of the six files of the small archive


@pytest.fixture(autouse=True)
def _no_source(monkeypatch):
    """No folder and no mirror but the test's own, no memory of other tests' failures, and no proxy before 127.0.0.1."""
    for name in ("CONFORM_DATA", "CONFORM_DATA_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(downloads, "_failed", {})


@pytest.fixture
def serve(tmp_path):
    """A folder, and the address under which a server on this machine offers it."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def closed_url():
    """An address on this machine at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def small_cifar(tmp_path, monkeypatch):
    """Records as CIFAR-10 publishes them, few and random, in an archive that also holds members nobody asked for."""
    records = np.random.default_rng(0).integers(0, 256, (6, IMAGES, 3073)).astype(np.uint8)
    records[:, :, 0] %= 10
    path = tmp_path / datasets.CIFAR10_ARCHIVE
    with tarfile.open(path, "w:gz") as archive:
        for name, content in zip(datasets.CIFAR10_MEMBERS, records, strict=True):
            _add(archive, name, content.tobytes())
        _add(archive, "../outside.bin", b"never written")
    monkeypatch.setattr(datasets, "CIFAR10_IMAGES_PER_FILE", IMAGES)
    monkeypatch.setattr(datasets, "CIFAR10_HASH", "md5:" + hashlib.md5(path.read_bytes()).hexdigest())
    return path, records


class Trap:
    """An object whose pickle makes a folder where it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.makedirs, (str(self.path), 0o777, True)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _arrays(records: np.ndarray) -> dict[str, np.ndarray]:
    """The same images as a ``cifar10.npz`` holds them, built pixel plane by pixel plane."""
    flat = records.reshape(-1, 3073)
    images = np.stack([flat[:, 1 + 1024 * plane : 1025 + 1024 * plane].reshape(-1, 32, 32) for plane in range(3)], axis=-1)
    train = 5 * IMAGES
    return {"x_train": images[:train], "y_train": flat[:train, 0], "x_test": images[train:], "y_test": flat[train:, 0]}


def test_a_good_download_is_read_cached_and_named(serve, small_cifar, tmp_path, monkeypatch):
    folder, url = serve
    path, records = small_cifar
    path.rename(folder / path.name)
    cache = tmp_path / "cache"
    data = datasets.load("cifar10", url=url, cache=cache)
    expected = _arrays(records)
    assert data.title == "CIFAR-10", "what was downloaded by its official checksum is CIFAR-10 itself"
    assert (len(data.x_train), len(data.x_valid), len(data.x_test)) == (20, 5, 5), "train and valid are split 4 to 1"
    assert np.array_equal(data.x_test, expected["x_test"]), "pixels come as planes of red, green and blue, row by row"
    assert np.array_equal(data.y_test, expected["y_test"]), "the first byte of a record is its label"
    both = np.concatenate([data.x_train, data.x_valid]).reshape(25, -1)
    assert {row.tobytes() for row in both} == {row.tobytes() for row in expected["x_train"]}, "no image is lost or doubled"
    assert not list(tmp_path.rglob("outside.bin")), "nothing of the archive is extracted"
    (folder / path.name).unlink()
    monkeypatch.setenv("CONFORM_DATA_URL", url)
    assert datasets.load("cifar10", cache=cache).sha256 == data.sha256, "the second load reads the cache, not the network"


def test_a_download_with_another_checksum_is_refused_and_not_kept(serve, small_cifar, tmp_path):
    folder, url = serve
    (folder / datasets.CIFAR10_ARCHIVE).write_bytes(small_cifar[0].read_bytes() + b"x")
    with pytest.raises(DataInvalidError, match=r"cifar-10-binary\.tar\.gz does not have its pinned checksum"):
        datasets.load("cifar10", url=url, cache=tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()], "a refused download leaves no file"


@pytest.mark.parametrize("name", ["cifar10", "nusax"])
def test_without_a_server_one_sentence_says_what_to_give_and_nobody_waits_twice(name, closed_url, tmp_path, monkeypatch):
    with pytest.raises(DataUnavailable, match="CONFORM_DATA=DIR") as first:
        datasets.load(name, url=closed_url, cache=tmp_path)
    assert str(first.value).count("\n") == 0, "the message is one sentence on one line"

    def refuse(*_args, **_options):
        pytest.fail("a download that failed was tried again in the same process")

    monkeypatch.setattr("pooch.retrieve", refuse)
    with pytest.raises(DataUnavailable) as second:
        datasets.load(name, url=closed_url, cache=tmp_path)
    assert str(second.value) == str(first.value), "the remembered failure says the same"


def test_a_file_that_the_server_lacks_is_unavailable(serve, tmp_path):
    with pytest.raises(DataUnavailable, match="NusaX-Senti, Indonesian is not here"):
        datasets.load("nusax", url=serve[1], cache=tmp_path)


def test_nusax_is_downloaded_file_by_file(serve, tmp_path, monkeypatch):
    folder, url = serve
    (folder / "nusax-indonesian").mkdir()
    for split in datasets.SPLITS:
        content = f'id,text,label\n1,"{split}, baik",positive\n2,buruk,negative\n3,biasa,neutral\n'.encode()
        (folder / "nusax-indonesian" / f"{split}.csv").write_bytes(content)
        monkeypatch.setitem(datasets.NUSAX_SHA256, split, hashlib.sha256(content).hexdigest())
    data = datasets.load("nusax", url=url, cache=tmp_path / "cache")
    assert data.x_valid == ["valid, baik", "buruk", "biasa"], "each split holds its own texts"
    assert data.y_train.tolist() == [2, 0, 1], "labels are negative 0, neutral 1, positive 2"
    assert datasets.load("nusax", folder).sha256 == data.sha256, "a folder with the same files gives the same content"


def test_a_folder_without_a_file_or_with_another_is_named(tmp_path, monkeypatch):
    with pytest.raises(DataUnavailable, match=r"lacks cifar10\.npz"):
        datasets.load("cifar10", tmp_path)
    monkeypatch.setenv("CONFORM_DATA", str(tmp_path))
    with pytest.raises(DataUnavailable, match=r"lacks nusax-indonesian/train\.csv"):
        datasets.load("nusax")
    (tmp_path / "nusax-indonesian").mkdir()
    (tmp_path / "nusax-indonesian" / "train.csv").write_text("id,text,label\n1,baik,positive\n")
    with pytest.raises(DataInvalidError, match=r"train\.csv is not the published file"):
        datasets.load("nusax")


@pytest.mark.parametrize("fault", ["truncated", "missing array", "pickle", "float pixels", "label 10", "labels short"])
def test_a_damaged_cifar_file_is_named(fault, small_cifar, tmp_path):
    arrays = _arrays(small_cifar[1])
    if fault == "missing array":
        del arrays["y_test"]
    elif fault == "pickle":
        arrays["y_test"] = np.array([Trap(tmp_path / "trap")] * IMAGES, dtype=object)
    elif fault == "float pixels":
        arrays["x_train"] = arrays["x_train"] / 255
    elif fault == "label 10":
        arrays["y_test"] = np.full(IMAGES, 10)
    elif fault == "labels short":
        arrays["y_train"] = arrays["y_train"][1:]
    path = tmp_path / "cifar10.npz"
    np.savez(path, **arrays)
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataInvalidError, match=r"cifar10\.npz"):
        datasets.load("cifar10", tmp_path)
    assert not (tmp_path / "trap").exists(), "reading data runs nothing that the data say"


def test_an_archive_that_holds_a_part_is_named(small_cifar, monkeypatch):
    path, records = small_cifar
    with tarfile.open(path, "w:gz") as archive:
        for name, content in zip(datasets.CIFAR10_MEMBERS[:-1], records, strict=False):
            _add(archive, name, content.tobytes())
    with pytest.raises(DataInvalidError, match="is not the official archive"):
        datasets.load("cifar10", path.parent)
    monkeypatch.setattr(datasets, "CIFAR10_HASH", "md5:" + hashlib.md5(path.read_bytes()).hexdigest())
    with pytest.raises(DataInvalidError, match=r"lacks cifar-10-batches-bin/test_batch\.bin"):
        datasets.load("cifar10", path.parent)


def test_the_checksum_is_of_the_content_and_not_of_its_packaging(small_cifar, tmp_path):
    arrays = _arrays(small_cifar[1])
    found = {"archive": datasets.load("cifar10", tmp_path)}
    for name, save in (("plain", np.savez), ("compressed", np.savez_compressed)):
        (tmp_path / name).mkdir()
        save(tmp_path / name / "cifar10.npz", **arrays)
        found[name] = datasets.load("cifar10", tmp_path / name)
    assert len({data.sha256 for data in found.values()}) == 1, "archive and .npz of the same images have one checksum"
    assert found["plain"].title == "CIFAR-10 (folder)", "a folder's images are not called the official ones"
    for key in ("x_train", "y_train", "x_test", "y_test"):
        changed = {name: array.copy() for name, array in arrays.items()}
        changed[key].flat[0] = (int(changed[key].flat[0]) + 1) % 10
        np.savez(tmp_path / "plain" / "cifar10.npz", **changed)
        other = datasets.load("cifar10", tmp_path / "plain")
        assert other.sha256 != found["archive"].sha256, f"one value of {key} changes the checksum"


def test_known_copies_are_called_by_their_name(small_cifar, tmp_path, monkeypatch):
    np.savez(tmp_path / "cifar10.npz", **_arrays(small_cifar[1]))
    monkeypatch.setattr(datasets, "CIFAR10_JPEG_SHA256", datasets.load("cifar10", tmp_path).sha256)
    assert datasets.load("cifar10", tmp_path).title == "CIFAR-10, JPEG copies", "the copies' checksum gives their title"


def test_texts_are_kept_apart_in_the_checksum():
    labels = np.array([0, 1])
    one, other = (datasets.content_sha256([(texts, labels)]) for texts in (["ab", "c"], ["a", "bc"]))
    assert one != other, "where one text ends and the next begins is part of the content"


def test_digits_are_split_by_class_and_always_alike():
    data = datasets.load("digits")
    assert (len(data.y_train), len(data.y_valid), len(data.y_test)) == (1197, 200, 400), "the digits' split has fixed sizes"
    assert data.sha256 == "ac407bd5a399e1b36781c98ba2a0f92b3c5960e4f1fb1787c5b2e3a0d97a038b", "the split is always this one"
    for labels, expected in ((data.y_valid, 20), (data.y_test, 40)):
        counts = np.bincount(labels, minlength=10)
        assert abs(counts - expected).max() <= 2, f"every digit stands about {expected} times in the split: {counts}"
    images = data.images(data.x_test[:3])
    assert images.shape == (3, 8, 8, 1), "a digit is 8 by 8 with one channel"
    assert images.dtype == np.float32, "images are handed out as float32"
    assert data.images(data.x_train).max() == 1.0, "the brightest pixel, 16, becomes 1"


def test_reviews_are_whole():
    data = datasets.load("reviews")
    assert (len(data.x_train), len(data.x_valid), len(data.x_test)) == (280, 50, 90), "the reviews' split has fixed sizes"
    assert set(data.y_test.tolist()) == {0, 1, 2}, "every class is tested"
    texts = [*data.x_train, *data.x_valid, *data.x_test]
    assert len(set(texts)) == len(texts), "no sentence stands twice, above all not in two splits"


def test_a_name_that_is_not_a_data_set_lists_those_that_are():
    with pytest.raises(KeyError, match="cifar10, nusax, digits, reviews"):
        datasets.load("mnist")


@pytest.mark.parametrize(("name", "sizes"), [("nusax", (500, 100, 400)), ("cifar10", (40_000, 10_000, 10_000))])
def test_the_published_sizes(name, sizes, data_folder):
    data = datasets.load(name, data_folder)
    assert (len(data.y_train), len(data.y_valid), len(data.y_test)) == sizes, f"{data.title} has its published sizes"
    assert np.bincount(data.y_test).min() > 0, "every class is tested"


@pytest.fixture(scope="module")
def data_folder():
    """The folder that ``CONFORM_DATA`` names, where one does."""
    folder = os.environ.get("CONFORM_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("CONFORM_DATA names no folder, so the published data sets are not looked at")
    return folder
