"""The one place that decides how Keras is imported, so that expected values mean the same everywhere.

CPU only, TensorFlow backend, oneDNN on (it changes which convolutions run at all), a private Keras home (a user's ``keras.json`` may
change ``floatx`` or the image data format), and in a pytest-xdist worker one thread, since there is one worker a core.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")

VARIABLES = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GRPC_VERBOSITY": "ERROR",
}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
NEEDED = "{what} needs TensorFlow and Keras: {install}"
INSTALL, ANOTHER_PYTHON = "pip install 'keras-conformance[live]'", "with Python 3.11 to 3.13, {install}"
WITHOUT_WHEELS = (3, 14)
"""The first version of Python for which TensorFlow has no release, as in pyproject.toml."""


class NoKerasError(RuntimeError):
    """Keras cannot answer here: it is not installed, or it is and cannot be imported; the text is one sentence."""


def prepare() -> None:
    """Set what Keras and TensorFlow read from the environment; must run before either is imported."""
    os.environ.update(VARIABLES)
    os.environ["KERAS_HOME"] = _keras_home()


@functools.cache
def _keras_home() -> str:
    """An empty folder of this process, removed when it ends."""
    folder = tempfile.mkdtemp(prefix="keras-home-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def single_thread() -> None:
    """One BLAS thread in this process; effective when it runs before NumPy is imported."""
    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, "1")


def limit_threads(threads: int) -> None:
    """So many threads within an operation of TensorFlow and so many operations at once; before TensorFlow has computed anything."""
    threading = tensorflow().config.threading
    threading.set_intra_op_parallelism_threads(threads)
    threading.set_inter_op_parallelism_threads(threads)


def one_thread() -> None:
    """:func:`limit_threads` to one."""
    limit_threads(1)


def in_processes(function: Callable[..., T], jobs: Iterable[tuple[Any, ...]], workers: int) -> Iterator[tuple[tuple[Any, ...], T]]:
    """Call a function with the arguments of every job, in processes of one thread each; jobs and results, in the order they are finished.

    With one thread sums are formed in the same order every time.
    """
    single_thread()
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), one_thread) as pool:
        futures = {pool.submit(function, *job): job for job in jobs}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def missing_package() -> str | None:
    """The first package that live Keras needs and that is not installed, or None; imports nothing."""
    for name in ("tensorflow", "keras"):
        if importlib.util.find_spec(name) is None:
            return name
    return None


def how_to_install(python: tuple[int, ...] = sys.version_info[:2]) -> str:
    """What brings TensorFlow and Keras to this Python, as the end of a sentence."""
    return INSTALL if python < WITHOUT_WHEELS else ANOTHER_PYTHON.format(install=INSTALL)


def refusal(what: str) -> str | None:
    """Why `what` cannot be done here, a sentence, where TensorFlow or Keras is not installed; None where both are. Imports nothing."""
    return NEEDED.format(what=what, install=how_to_install()) if missing_package() else None


@functools.cache
def import_keras() -> ModuleType:
    """Import Keras, prepared: float32, ``channels_last``; raises :class:`NoKerasError` where that cannot be."""
    prepare()
    if missing := refusal("live Keras"):
        raise NoKerasError(missing)
    try:
        with _silent():
            import keras
            import tensorflow
    except Exception as error:
        cause = " ".join(str(error).split())
        raise NoKerasError(f"TensorFlow and Keras are installed and cannot be imported: {type(error).__name__}: {cause}") from error

    if "PYTEST_XDIST_WORKER" in os.environ:
        tensorflow.config.threading.set_intra_op_parallelism_threads(1)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)

    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    return keras


def tensorflow() -> Any:
    """TensorFlow, imported as :func:`import_keras` does."""
    import_keras()
    import tensorflow

    return tensorflow


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without standard error, which TensorFlow writes to from C++ before any log level holds."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
