"""What may be imported: the standard library, the packages that the assignment allows, and the submission's own files.

Landlock already keeps everything else from being read. The finder says so in a sentence, and finds what may be read where no folder can
be listed that holds more than that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import EXTENSION_SUFFIXES, BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from importlib.util import spec_from_file_location
from types import ModuleType

from conformance.implementations.sandbox.attempts import attempts

ENDINGS = ("/__init__.py", *EXTENSION_SUFFIXES, ".py")


class NotAllowedError(ModuleNotFoundError):
    """A module that may not be imported here."""


class Finder:
    """Finds top-level modules in these places, and the parts of a package where the package is.

    Parameters
    ----------
    library : sequence of str
        Folders of the standard library.
    packages : mapping of str
        Names of allowed packages, and the folder that each lies in.
    submission : str
        The submission's folder.
    """

    def __init__(self, library: Sequence[str], packages: Mapping[str, str], submission: str) -> None:
        self.library, self.packages, self.submission = library, packages, submission

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Where a module is; :class:`NotAllowedError` where it may not be imported."""
        if path is not None:
            return PathFinder.find_spec(name, path)
        own = [self.packages[name]] if name in self.packages else []
        for folder in (*self.library, *own):
            found = located(name, folder)
            if found is not None:
                return found
        found = PathFinder.find_spec(name, [self.submission])
        # Who only asks whether there is a module, by `importlib.util.find_spec`, is told that there is none.
        if found is not None or sys._getframe(2).f_code.co_name == "find_spec":
            return found
        allowed = f"the standard library, {', '.join(sorted(self.packages))} and the submission's own files"
        attempts.note(f"{name} may not be imported")
        raise NotAllowedError(f"{name} may not be imported here, only {allowed}", name=name)

    def install(self) -> None:
        """Import by this finder alone."""
        sys.meta_path[:] = [BuiltinImporter, FrozenImporter, self]  # type: ignore[list-item]
        sys.path[:] = []
        sys.path_importer_cache.clear()


def located(name: str, folder: str) -> ModuleSpec | None:
    """A package or a module that lies in a folder, found without listing it."""
    for ending in ENDINGS:
        path = f"{folder}/{name}{ending}"
        if os.path.isfile(path):
            return spec_from_file_location(name, path)
    return None


def move(places: Mapping[str, str]) -> None:
    """Let packages that are imported find their further parts by other names of the folders that they lie in."""
    for module in list(sys.modules.values()):
        path = getattr(module, "__path__", None)
        if isinstance(path, list):
            path[:] = [moved(one, places) for one in path]


def moved(path: str, places: Mapping[str, str]) -> str:
    """A path by the other name of the longest folder among these that it lies in."""
    homes = [home for home in places if path == home or path.startswith(f"{home}/")]
    home = max(homes, key=len, default="")
    return places[home] + path[len(home) :] if home else path
