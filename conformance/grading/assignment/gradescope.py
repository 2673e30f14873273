"""Gradescope: ``autograder.zip`` with ``setup.sh``, which runs once, and ``run_autograder``, which runs for every submission.

Its specification: https://gradescope-autograders.readthedocs.io/en/latest/specs/. The folders are those of its containers; the variable
``CONFORM_AUTOGRADER`` puts another one in the place of ``/autograder``, and ``CONFORM_PYTHON`` names the interpreter.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.grading.assignment.plan import Assignment
from conformance.grading.assignment.running import NAME, NOT_GRADED, NOT_YET, grade_one
from conformance.grading.assignment.upload import Upload, carried
from conformance.grading.assignment.wheel import zipped
from conformance.grading.formats.writing import GRADESCOPE, STAFF
from reference.saving.files import write_document

PROGRAMS = ("setup.sh", "run_autograder")
SETUP = """\
#!/usr/bin/env bash
# Runs once, when Gradescope builds the image: Python 3.11 or newer, and a few packages beside the wheel that lies here.
set -euo pipefail
root="${CONFORM_AUTOGRADER:-/autograder}"

usable() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2> /dev/null
}

find_python() {
    for name in python3 python3.13 python3.12 python3.11 python3.14; do
        if usable "$name"; then echo "$name"; return; fi
    done
}

python="$(find_python)"
if [ -z "$python" ]; then
    apt-get update
    apt-get install -y --no-install-recommends python3.12 python3.12-venv \\
        || apt-get install -y --no-install-recommends python3.11 python3.11-venv
    python="$(find_python)"
fi
"$python" -m venv "$root/conform"
pip() { "$root/conform/bin/python" -I -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-compile "$@"; }
pip -r "$root/source/requirements.txt"
pip --no-deps "$root"/source/*.whl
"$root/conform/bin/python" -I -c 'import conformance.grading.batch, conformance.cli.app'  # compiles what is used, and nothing else
"$root/conform/bin/conform" doctor || true  # the log of the build says whether submissions can be locked in
"""
RUN = f"""\
#!/usr/bin/env bash
# Runs for every submission. Without a score Gradescope tells the staff that the autograder failed; it is no 0.
root="${{CONFORM_AUTOGRADER:-/autograder}}"
python="${{CONFORM_PYTHON:-$root/conform/bin/python}}"
mkdir -p "$root/results"
"$python" -I -m conformance.grading.assignment.gradescope && exit 0
echo '{{"output": "{NOT_GRADED}"}}' > "$root/results/results.json"
"""
STEPS = """\
1. Make a programming assignment on Gradescope with {points:g} points{bonus}.
2. "Configure Autograder": upload `autograder.zip`; any Ubuntu image will do. Building it takes about a minute.
3. "Test Autograder" with `students/{file}`: it says that nothing is supported yet. Then with a solution of yours.

The log of the build ends with what `conform doctor` says. If its line "sandbox" names a lock that is missing, no submission can be graded
there: students are told so, get no score, and the autograder's output says which lock it is.
"""


def upload(assignment: Assignment, wheel: bytes, students: Mapping[str, bytes]) -> Upload:
    """``autograder.zip``."""
    scripts = {"setup.sh": SETUP.encode(), "run_autograder": RUN.encode()}
    archive = zipped({**scripts, **carried(assignment, wheel)}, PROGRAMS)
    bonus = " (what is a bonus comes on top)" if any(item.bonus for item in assignment.rubric.items) else ""
    return Upload({"autograder.zip": archive}, STEPS.format(points=assignment.rubric.points, bonus=bonus, file=assignment.file))


def main() -> int:
    """Grade the submission of this container. A 0 is there before, for the case that the container is ended."""
    root = Path(os.environ.get("CONFORM_AUTOGRADER", "/autograder"))
    results = root / "results" / "results.json"
    write_document(results, {"score": 0.0, **_said(NOT_YET)})
    with tempfile.TemporaryDirectory(prefix="conform-") as work:
        outcome = grade_one(root / "submission", root / "source", Path(work))
        write_document(results, _said(outcome.sentence) if outcome.code else outcome.document(STAFF, NAME, GRADESCOPE))
    return 0


def _said(sentence: str) -> dict[str, Any]:
    return {"output": sentence, "visibility": "visible", "stdout_visibility": "hidden"}


if __name__ == "__main__":
    sys.exit(main())
