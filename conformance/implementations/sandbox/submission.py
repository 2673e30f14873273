"""What is submitted, copied to a folder of its own, where nothing else is: files that can be read, and no links.

Nothing is imported to find it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from conformance.base.errors import UnimportableError
from conformance.implementations.module import split_name

LEFT_OUT = (".so", ".pyd", ".pyc", ".pth")
"""Endings of files that are not source: what is submitted can be read."""


@dataclass(frozen=True)
class Copy:
    """A copied submission: its folder, by which name it is imported there, and the files that must be readable."""

    folder: Path
    spec: str
    read: tuple[str, ...]

    def add(self, path: Path) -> Path:
        """Put another file beside it, and say where that is."""
        beside = self.folder / "given"
        beside.mkdir(mode=0o755, exist_ok=True)
        beside.chmod(0o755)
        if not (beside / path.name).exists():
            _copy(path, beside / path.name)
        return beside / path.name

    def remove(self) -> None:
        """Remove the copy."""
        shutil.rmtree(self.folder, ignore_errors=True)


def copied(spec: str, folder: Path | None = None) -> Copy:
    """A copy of what a name means: a file, or a module that can be found from here; with `folder` all of that, and the file is in it.

    Raises
    ------
    UnimportableError
        If there is nothing of the name.
    """
    target, attribute = split_name(spec)
    source = _source(target) if folder is None else folder / target
    home = Path(tempfile.mkdtemp(prefix="conform-"))
    home.chmod(0o755)
    if folder is not None:
        _copy_all(folder, home)
    elif source.is_dir():
        _copy_all(source, home / source.name)
    else:
        _copy(source, home / source.name)
    inside = target if folder is not None or not target.endswith(".py") else source.name
    read = target if folder is not None else f"{source.name}/__init__.py" if source.is_dir() else source.name
    return Copy(home, f"{inside}:{attribute}" if attribute else inside, (read,))


def _source(target: str) -> Path:
    """The file, or the folder of the package, that a name means; of a package's part it is the whole package."""
    if target.endswith(".py"):
        if not Path(target).is_file():
            raise UnimportableError(f"there is no file {target}")
        return Path(target)
    found = importlib.util.find_spec(target.partition(".")[0])
    if found is None or found.origin is None or not Path(found.origin).is_file():
        raise UnimportableError(f"there is no module {target!r} whose source could be copied to the sandbox")
    return Path(found.origin).parent if found.submodule_search_locations else Path(found.origin)


def _copy_all(source: Path, target: Path) -> None:
    """Copy a folder without links, devices and what is no source."""

    def unwanted(folder: str, names: Iterable[str]) -> set[str]:
        paths = {name: Path(folder, name) for name in names}
        ordinary = {name for name, path in paths.items() if not path.is_symlink() and (path.is_dir() or path.is_file())}
        return {name for name in names if name not in ordinary or name.endswith(LEFT_OUT) or name == "__pycache__"}

    shutil.copytree(source, target, ignore=unwanted, copy_function=_copy, dirs_exist_ok=True)
    for folder, _, _ in os.walk(target):
        os.chmod(folder, 0o755)


def _copy(source: str | Path, target: str | Path) -> None:
    shutil.copyfile(source, target)
    os.chmod(target, 0o444)
