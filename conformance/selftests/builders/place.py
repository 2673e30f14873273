"""A folder of a user's, from which pytest and Python run as they would with this project installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conformance import plugin

ROOT = Path(plugin.__file__).resolve().parents[2]
ABANDON_AFTER = 400
"""Seconds after which a subprocess counts as hanging; nothing here is judged by its speed."""
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Variables of this run that a subprocess sees: what the plugin may have set in it is not among them."""
FORWARD = ("--pyargs", "conformance.suite.test_forward")
RECORDED = "--conform-oracle=recorded"
"""For runs that need no Keras, whose import takes seconds."""
USAGE_ERROR = int(pytest.ExitCode.USAGE_ERROR)

checkout = pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="the project's own files are only in a checkout")

ENTRY_POINTS = "[pytest11]\nconformance.plugin = conformance.plugin\n"
METADATA = "Metadata-Version: 2.1\nName: keras-conformance\nVersion: 0.1.0\n"

HIDING = """
import importlib.machinery
_find = importlib.machinery.PathFinder.find_spec
def _hiding(cls, name, path=None, target=None):
    return None if name.partition(".")[0] in {hidden!r} else _find(name, path, target)
importlib.machinery.PathFinder.find_spec = classmethod(_hiding)
"""
"""A `sitecustomize.py`: these packages are not installed."""

HEARING = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
"""A program that runs a module: what a shell runs in its background ignores Ctrl-C, and hands that on."""


class Place:
    """An empty folder of a user, from which pytest and Python are run with this project installed, or seeming so."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.library = folder / "work", folder / "library"
        self.folder.mkdir(parents=True)
        information = self.library / "keras_conformance-0.1.0.dist-info"
        information.mkdir(parents=True)
        (information / "entry_points.txt").write_text(ENTRY_POINTS)
        (information / "METADATA").write_text(METADATA)
        self.write("pytest.ini", "[pytest]\n")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def customize(self, text: str) -> None:
        """Run this whenever an interpreter starts."""
        (self.library / "sitecustomize.py").write_text(text)

    def python(self, *arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment |= {"PYTHONPATH": os.pathsep.join(map(str, (self.library, self.folder, ROOT))), **variables}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd or self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ABANDON_AFTER,
        )

    def begin(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        """Python running a module, begun and not waited for; what it prints is piped, and it hears Ctrl-C."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (self.library, ROOT)))}
        command = [sys.executable, "-u", "-c", HEARING, module, *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=pipe, stderr=pipe, text=True)

    def pytest(self, *arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        # Hypothesis's plugin loads all of Hypothesis in every run; what the suite draws needs no plugin.
        return self.python("-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments, cwd=cwd, **variables)

    def read(self, pattern: str) -> list[Any]:
        """The JSON files of this name."""
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob(pattern))]


def said(result: subprocess.CompletedProcess[str]) -> str:
    return result.stdout + result.stderr
