"""What works on this machine: versions, oracle, data sets, cores. Looks, and downloads and imports nothing heavy."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from conformance.cli.usage import has_studies

PACKAGES = ("numpy", "h5py", "tensorflow", "keras", "pytest", "pytest-xdist", "hypothesis", "scikit-learn", "tabulate", "pooch")
DATA_FILES: dict[str, list[tuple[str, ...]]] = {
    "NusaX-Senti, Indonesian": [tuple(f"nusax-indonesian/{split}.csv" for split in ("train", "valid", "test"))],
    "CIFAR-10": [("cifar10.npz",), ("cifar-10-binary.tar.gz",)],
}
"""Of each data set the sets of files that would do."""
DONE, REFUSED, USAGE = 0, 1, 2
IMPORT = "import conformance.oracle.environment as e; e.import_keras()"


def main(arguments: Sequence[str]) -> int:
    """The command; without a model it needs the standard library alone, since it is called where something is missing.

    Of a model's file it ends with 0 where the reference reads it, with 1 where it is refused, with 2 where it is none.
    """
    about = "Say what works on this machine: versions, TensorFlow, data sets, cores. Or what is in the file of a model."
    parser = argparse.ArgumentParser(prog="conform doctor", description=about, allow_abbrev=False)
    parser.add_argument("model", nargs="?", type=Path, metavar="MODEL", help="The file of a model: say what is in it.")
    parser.add_argument("--data", type=Path, metavar="DIR", help="Folder with the data sets; without it CONFORM_DATA, or a download.")
    given = parser.parse_args(arguments)
    if given.model is not None:
        return _file(given.model)
    print("\n".join(report(given.data)))
    return DONE


def _file(path: Path) -> int:
    """What is in the file of a model."""
    from reference.saving.contents import contents
    from reference.saving.reader import ArchiveError

    try:
        found = contents(path)
    except ArchiveError as error:
        print(f"{path}: {error}", file=sys.stderr)
        return USAGE
    print("\n".join(found.lines))
    return DONE if found.is_read else REFUSED


def installed(package: str) -> str:
    """The version of a package, or "missing"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def data_lines(folder: Path | None, cache: Path) -> list[str]:
    """A line for each data set: where it is, or what would bring it. A folder that was named is the only place looked at."""
    lines = []
    for title, choices in DATA_FILES.items():
        if _holds(folder or cache, choices):
            said = f"here, in {folder or cache}"
        elif folder:
            said = f"not in the folder {folder}"
        else:
            said = "not here: it is downloaded when it is needed; CONFORM_DATA=DIR names a folder that holds it"
        lines.append(f"{title}: {said}")
    return lines


def _holds(place: Path, choices: list[tuple[str, ...]]) -> bool:
    return any(all((place / name).is_file() for name in files) for files in choices)


def oracle_line() -> str:
    """Whether TensorFlow and Keras can be imported, tried in a process of its own."""
    from conformance.oracle.environment import how_to_install, missing_package

    if missing := missing_package():
        return f"the recorded vectors, since {missing} is not installed here (for live Keras: {how_to_install()})"
    tried = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return "TensorFlow and Keras can be imported"
    cause = tried.stderr.strip().splitlines()[-1:] or [f"exit status {tried.returncode}"]
    return f"TensorFlow and Keras are installed and cannot be imported: {cause[0]}"


def sandbox_line() -> str:
    """What would hold a submission in the sandbox, found out by making one; or what is missing."""
    from conformance.base.errors import SandboxError
    from conformance.implementations.sandbox.launcher import locks

    try:
        return locks()
    except SandboxError as error:
        return f"none: {error}"


def vectors_line() -> str:
    """What is recorded, or why nothing can be read."""
    from conformance.oracle.recorded.vectors import VectorsError, folder, manifest

    try:
        facts = manifest(folder())
    except VectorsError as error:
        return str(error)
    cases = sum(known["cases"] for known in facts["files"].values())
    return f"{cases:,} cases of Keras {facts['keras']}" + ("" if installed("safetensors") != "missing" else ", which need safetensors")


def report(data: Path | None) -> list[str]:
    """Everything, a line each."""
    from conformance import __version__
    named = os.environ.get("CONFORM_DATA")
    folder = data or (Path(named) if named else None)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [
        f"keras-conformance {__version__}, Python {platform.python_version()}, {cores} cores",
        ", ".join(f"{package} {installed(package)}" for package in PACKAGES),
        f"oracle: {oracle_line()}",
        *_lines("recorded vectors: ", lambda: [vectors_line()]),
        *_lines("sandbox: ", lambda: [sandbox_line()]),
        *_data(folder),
    ]


def _data(folder: Path | None) -> list[str]:
    """What there is of the data that the studies are about; an installed package has no studies."""
    if not has_studies():
        return ["data: none here; data sets and trained models come with the project's checkout"]
    sets = _lines("data: ", lambda: data_lines(folder, folder or _cache()))
    return [*sets, f"data: digits and reviews: {embedded_line()}"]


def _lines(subject: str, look: Callable[[], list[str]]) -> list[str]:
    """What is found, each line with what it is about; or that a package is missing without which nobody can look."""
    try:
        return [subject + line for line in look()]
    except ModuleNotFoundError as error:
        return [f"{subject}not looked for, since {error.name} is not installed"]


def _cache() -> Path:
    from conformance.studies.data.paths import cache_dir

    return cache_dir()


def embedded_line() -> str:
    """Whether the embedded tasks and the checkpoints are here."""
    from conformance.studies.data.paths import fixtures_dir

    try:
        fixtures_dir()
    except FileNotFoundError:
        return "not here, they come with the project's checkout"
    return "embedded"
