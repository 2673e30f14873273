"""One submission graded where a platform runs it: the command ``conform grade`` on a copy, and what to say where that is impossible."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.grading.archives import LARGEST_FILE
from conformance.grading.assignment.plan import RUBRIC, SECRET
from conformance.grading.paths import is_junk, is_source

NAME = "submission"
"""What the one submission is called in the folder of results."""
UNLOCKED = 3
"""How ``conform grade`` ends where the sandbox cannot be had."""
NOT_YET = "It was not graded to the end: the time or the memory of the platform ran out. Hand in again, or ask your course."
NOT_LOCKED = (
    "It was not graded: the machine that grades lacks what it takes to lock a submission in. That is not your fault and costs you "
    "nothing; your course can see why, and will have it graded again."
)
NOT_GRADED = "It was not graded: the grader failed. That is not your fault and costs you nothing; your course can see why."
"""What a student is told where there is no grade."""


@dataclass(frozen=True)
class Outcome:
    """How grading ended.

    Attributes
    ----------
    code : int
        As ``conform grade`` ended: 0 where there are results.
    folder : Path
        What it wrote.
    """

    code: int
    folder: Path

    @property
    def sentence(self) -> str:
        """What a student is told where there are no results."""
        return NOT_LOCKED if self.code == UNLOCKED else NOT_GRADED

    def text(self, *parts: str) -> str:
        """A file that it wrote."""
        return self.folder.joinpath(*parts).read_text(encoding="utf-8")

    def document(self, *parts: str) -> Any:
        """A JSON file that it wrote."""
        return json.loads(self.text(*parts))


def grade_one(submission: Path, upload: Path, work: Path) -> Outcome:
    """Grade what lies in a folder by the rubric in another one; what went wrong is printed, which is for the staff.

    Parameters
    ----------
    submission : path
        The student's files. Nothing is run or imported there.
    upload : path
        Where rubric and secret are.
    work : path
        An empty folder.
    """
    archive, out = work / f"{NAME}.tar", work / "out"
    pack(submission, archive)
    command = [sys.executable, "-I", "-m", "conformance", "grade", archive, "--rubric", upload / RUBRIC, "--out", out, "--jobs", "1"]
    if (upload / SECRET).is_file():
        command += ["--secret-file", upload / SECRET]
    done = subprocess.run(list(map(str, command)), cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode:
        print(f"conform grade ended with {done.returncode}:\n{done.stderr[-5000:]}", flush=True)
    return Outcome(done.returncode, out)


def pack(folder: Path, archive: Path) -> None:
    """Put the source files of a folder into a tar archive, and links and the like as what they are, so that they are refused.

    A checkout or an upload may have much beside, which nobody has to read: hidden folders, data.
    """

    def wanted(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        parts = Path(info.name).parts
        if parts and is_junk(parts):
            return None
        large = info.size > LARGEST_FILE and not info.name.endswith(".py")
        return None if info.isreg() and (large or not is_source(parts)) else info

    with tarfile.open(archive, "w") as file:
        if folder.is_dir():
            file.add(folder, arcname=".", filter=wanted)
