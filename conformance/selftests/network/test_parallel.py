"""A model that computes a large batch in several threads computes the same."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import reference
from conformance.studies.data.paths import checkpoints_dir
from reference.models import Model, load_model
from reference.network import parallel

MANY = parallel.SMALLEST_WORK
DIGITS: Path = checkpoints_dir() / "digits-cnn" / "model.keras"


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "threads", lambda: 2)


def test_shares_are_nearly_equal_and_leave_nothing_out(two_threads: None) -> None:
    for start, stop in ((0, 256), (10, 75), (0, 0), (3, 4), (0, 63)):
        parts = parallel.shares(start, stop, MANY)
        covered = [number for part in parts for number in range(part.start, part.stop)]
        sizes = [part.stop - part.start for part in parts]
        assert covered == list(range(start, stop)), f"shares of {start} to {stop} are {parts}"
        assert max(sizes) - min(sizes) <= 1, f"shares of {start} to {stop} have the sizes {sizes}"
        assert len(parts) == (2 if stop - start >= 64 else 1), f"{stop - start} samples go to {len(parts)} threads"


def test_little_work_is_not_shared(two_threads: None) -> None:
    assert len(parallel.shares(0, 256, 2 * MANY // 256)) == 2, "enough for two threads is done by one"
    assert len(parallel.shares(0, 256, 2 * MANY // 256 - 1)) == 1, "what takes a moment is shared, which takes longer"


def test_a_large_batch_gives_what_its_shares_give(two_threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "SMALLEST_WORK", 1)
    model = load_model(DIGITS)
    x = np.random.default_rng(0).random((101, 8, 8, 1), np.float32)
    whole, halves = model.predict(x, 101), [model.predict(x[part], 101) for part in (slice(0, 50), slice(50, 101))]
    assert model.threaded, "a model of the reference may use several threads"
    assert np.array_equal(whole, np.concatenate(halves)), "in threads a batch gives other numbers than its shares one by one"


def test_functions_of_others_are_called_by_one_thread() -> None:
    names = ("conv2d_forward", "max_pooling2d_forward", "flatten_forward", "dense_forward", "dropout_forward")
    model: Model = load_model(DIGITS, {name: getattr(reference, name) for name in names})
    assert not model.threaded, "nobody says that the functions of others may run in several threads at once"


def test_an_error_in_a_thread_is_raised(two_threads: None) -> None:
    def fail(part: slice) -> None:
        raise ValueError(f"from {part.start}")

    with pytest.raises(ValueError, match="from 0"):
        parallel.in_threads(fail, parallel.shares(0, 100, MANY))


def test_threads_follow_the_settings_of_their_caller(two_threads: None) -> None:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        found = parallel.in_threads(lambda part: np.float32(1) / np.zeros(1, np.float32), parallel.shares(0, 100, MANY))
    assert np.isinf(found).all(), "np.errstate of the caller holds in its threads"


def test_without_threadpoolctl_there_is_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_CONTROLLER", None)
    assert parallel.threads() == 1, "what cannot be limited is not multiplied"
    assert parallel.shares(0, 1000, MANY) == [slice(0, 1000)], "one thread has one share"


WATCHED = """
import sys
import numpy as np
import reference
from reference.network import parallel

model, found = reference.load_model(sys.argv[1]), []
parallel.SMALLEST_WORK = 1
sys.addaudithook(lambda event, _: found.append(event) if event in ("import", "exec", "ctypes.dlopen", "subprocess.Popen") else None)
for samples in (3, 200):
    model.predict(np.zeros((samples, 8, 8, 1), np.float32))
print(found)
"""


def test_a_prediction_loads_nothing() -> None:
    """No module and no shared library, in one thread or in several: whoever watches a process for what a file makes it load sees none."""
    done = subprocess.run([sys.executable, "-c", WATCHED, str(DIGITS)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", f"predict loads: {done.stdout}"
