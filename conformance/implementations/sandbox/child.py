"""The process of a sandboxed implementation: it locks itself in, says so, and only then imports the submission.

Started by :mod:`conformance.implementations.sandbox.program` as ``python -I -S -B``, where no file of an installation is run: NumPy is
found by the folder that was told.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conformance.base.record import ERROR, PASSED
from conformance.implementations.child import pipes, serve
from conformance.implementations.frames import Frame, encode, read_frame
from conformance.implementations.launcher import end_with
from conformance.implementations.messages import text_of
from conformance.implementations.module import ModuleImplementation
from conformance.implementations.sandbox import ATTEMPTS, forbidden, landlock, resources, seccomp, system, user
from conformance.implementations.sandbox.attempts import attempts
from conformance.implementations.sandbox.finder import Finder, located, move, moved

NO_NEW_PRIVILEGES = 38
NOT_THE_LIBRARY = ("site-packages", "dist-packages")
PRELOADED = ("zlib", "bz2", "lzma", "hashlib", "decimal")
"""Modules of the standard library behind which there are system libraries, which cannot be opened later."""
DEVICES = ("/dev/urandom",)
WRITABLE = ("/dev/null",)


class LockError(Exception):
    """A lock does not hold; the text says which."""


def main() -> None:
    """Lock this process, answer the first request with what holds it, and serve as any other process does."""
    told = json.loads(sys.argv[1])
    end_with(told["parent"])
    requests, replies = pipes()
    request = read_frame(requests)
    if request is None:
        return
    try:
        about = {"status": PASSED, "locks": lock(told)}
    except Exception as error:
        about = {"status": ERROR, "message": str(error) if isinstance(error, LockError) else f"{type(error).__name__}: {error}"}
    replies.write(encode(Frame({"id": text_of(request, "id"), **about})))
    replies.flush()
    if about["status"] == PASSED:
        attempts.folder = told["folder"]
        serve(ModuleImplementation(told["spec"]), requests, replies, {ATTEMPTS: lambda: list(attempts.sentences)})


def lock(told: Mapping[str, Any]) -> str:
    """Lock this process into what it was told; what holds it, in words. Whatever cannot be locked raises.

    The rules of Landlock and the folders are opened before root is given up: this process keeps them by handle, so that an interpreter
    or NumPy below a folder that the other user may not enter can still be read, and nothing else of that folder.
    """
    homes = set(told["homes"])
    library = [folder for folder in sys.path if folder not in homes and os.path.isdir(folder)]
    for name in PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    folder, packages = told["folder"], told["packages"]
    places = {home: f"/proc/self/fd/{os.open(home, os.O_PATH | os.O_DIRECTORY)}" for home in {*library, *packages.values()}}
    found = {name: moved(home, places) for name, home in packages.items()}
    Finder([moved(one, places) for one in library], found, folder).install()
    move(places)
    forbidden.forbid(told["forbidden"])
    with _lock("limits"):
        resources.limit(told["memory"], float(told["seconds"]))
    with _lock("Landlock"):
        rules, version = landlock.ruleset([*entries(library), *files_of(packages), folder, *DEVICES], WRITABLE), landlock.version()
    with _lock("another user than root"):
        who = user.become_nobody()
    end_with(told["parent"])  # who becomes another user has to ask for that again
    os.chdir(folder)
    if len(os.listdir("/proc/self/task")) > 1:
        raise LockError("Landlock: there are threads already, which it would not hold")
    with _lock("no new privileges"):
        system.control(NO_NEW_PRIVILEGES, 1)
    with _lock("Landlock"):
        landlock.restrict(rules)
    with _lock("seccomp"):
        seccomp.restrict()
    _verify([f"{folder}/{name}" for name in told["read"]], places, packages)
    for name in [name for name in sys.modules if name.partition(".")[0] == "conformance"]:
        del sys.modules[name]
    return f"Landlock {version}, seccomp, no new privileges, {who}"


@contextlib.contextmanager
def _lock(name: str) -> Iterator[None]:
    """Name the lock that the system does not give."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise LockError(f"{name}: {error}") from None


def entries(library: Sequence[str]) -> Iterator[str]:
    """What lies in the folders of the standard library, the folders of installed packages apart, which may lie there as well."""
    for folder in library:
        with os.scandir(folder) as found:
            yield from (one.path for one in found if one.name not in NOT_THE_LIBRARY and not (one.is_symlink() and one.is_dir()))


def files_of(packages: Mapping[str, str]) -> Iterator[str]:
    """The files and folders of installed packages, with the libraries that their wheels brought along."""
    for name, home in packages.items():
        spec = located(name, home)
        if spec is None or spec.origin is None:
            raise LockError(f"the package {name} is not a folder or a file in {home}")
        yield from spec.submodule_search_locations or [spec.origin]
        if os.path.isdir(f"{home}/{name}.libs"):
            yield f"{home}/{name}.libs"


def _verify(own: Sequence[str], places: Mapping[str, str], packages: Mapping[str, str]) -> None:
    """Try the locks: what must be readable, and two things that must be refused."""
    inside = [located("enum", folder) for folder in places.values()] + [located(name, moved(packages[name], places)) for name in packages]
    for path in [*own, *(spec.origin for spec in inside if spec and spec.origin)]:
        try:
            os.close(os.open(path, os.O_RDONLY))
        except OSError as error:
            raise LockError(f"{os.path.realpath(path)} cannot be read in the sandbox ({error.strerror})") from None
    with contextlib.suppress(PermissionError):
        os.close(os.open(__file__, os.O_RDONLY))
        raise LockError("Landlock does not hold: the suite's own files can be read")
    with contextlib.suppress(PermissionError):
        os.close(os.pidfd_open(os.getpid()))
        raise LockError("seccomp does not hold: a call can be made that is not in its table")
