"""What a page shows is run: the files that it writes down, then the commands, whose output stands below them.

A block of Python whose first line is a comment with the name of a file (``# my_layers.py``) is that file. In a block of the kind
``console`` a line that begins with ``$ `` is a command, and what follows is what it prints. Where the first line of that is ``...``, only
the last lines are shown. Times and small differences vary from machine to machine, and count as equal.

``python -m conformance.selftests.builders.console`` runs what README and the pages of ``conformance/docs/`` show, and writes the output
into them as it is now.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from conformance.selftests.builders.place import ABANDON_AFTER, ROOT, Place

PAGES = [ROOT / "README.md", *sorted((ROOT / "conformance" / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\w+\.py)\n")
VARIES = ((r"\b\d+(\.\d+)? ?s\b", "0 s"), (r"\b\d\.\de-\d\d\b", "1e-07"))
CUT = "..."
COMMANDS = {"conform": "-m conformance", "pytest": "-m pytest -p no:cacheprovider", "python": ""}


def same(text: str) -> str:
    """A text with what varies made equal."""
    for pattern, constant in VARIES:
        text = re.sub(pattern, constant, text)
    return text


def shows_commands(page: Path) -> bool:
    """Whether a page has a block that can be run."""
    return any(kind == "console" for kind, _ in BLOCK.findall(page.read_text(encoding="utf-8")))


def run_again(text: str, folder: Path) -> str:
    """The text of a page with every output as it is now; an output that only varies stays.

    Parameters
    ----------
    text : str
    folder : Path
        An empty one, in which the page's files are written and its commands run.
    """
    place = _place(folder)

    def again(found: re.Match[str]) -> str:
        kind, body = found.groups()
        name = FILE.match(body) if kind == "python" else None
        if name:
            place.write(name[1], body)
        if kind != "console":
            return found[0]
        shown = "".join(_shown(place, command, output) for command, output in _commands(body))
        return found[0] if same(shown) == same(body) else f"```{kind}\n{shown}```"

    return BLOCK.sub(again, text)


def _commands(body: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a block, and the lines below it."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, *output = part.splitlines()
        yield command, output


def _shown(place: Place, command: str, before: list[str]) -> str:
    """A command and what it prints: all of it, or as many last lines as were shown before."""
    environment = {**os.environ, "PATH": f"{place.folder.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (place.library, ROOT)))
    done = subprocess.run(
        ["bash", "-c", command], cwd=place.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=ABANDON_AFTER,
    )  # fmt: skip
    lines = [line.rstrip() for line in done.stdout.rstrip("\n").splitlines()] or done.stderr.splitlines()
    if before[:1] == [CUT]:
        lines = [CUT, *lines[len(lines) - (len(before) - 1) :]]
    return "".join(f"{line}\n" for line in [f"$ {command}", *lines])


def _place(folder: Path) -> Place:
    """A folder where this project seems installed, its commands on the path and the fixtures at hand."""
    place = Place(folder)
    (place.folder / "fixtures").symlink_to(ROOT / "fixtures")
    commands = folder / "bin"
    commands.mkdir()
    for name, arguments in COMMANDS.items():
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        (commands / name).chmod(0o755)
    return place


def main() -> None:
    """Write the pages with the output of their commands as it is now."""
    for page in filter(shows_commands, PAGES):
        text = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            now = run_again(text, Path(folder))
        page.write_text(now, encoding="utf-8")
        print(f"{page.relative_to(ROOT)}: {'as it was' if now == text else 'written'}")


if __name__ == "__main__":
    main()
