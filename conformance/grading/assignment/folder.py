"""No platform: a folder with a script that grades whatever is in another folder, on a machine that has nothing but Python."""

from __future__ import annotations

from collections.abc import Mapping

from conformance.grading.assignment.plan import Assignment
from conformance.grading.assignment.upload import Upload, below, carried

SCRIPT = """\
#!/usr/bin/env bash
# grade.sh SUBMISSIONS [OUT]: grades a folder of files, folders and archives, one a student, into OUT (default: grades).
# What it needs is installed into .venv beside it, once; CONFORM_PYTHON names another interpreter that has it already.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="${CONFORM_PYTHON:-$here/.venv/bin/python}"
if ! "$python" -I -c 'import conformance' 2> /dev/null; then
    python3 -m venv "$here/.venv"
    "$python" -I -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    "$python" -I -m pip install --quiet --disable-pip-version-check --no-deps "$here"/*.whl
fi
secret=()
if [ -f "$here/secret" ]; then secret=(--secret-file "$here/secret"); fi
exec "$python" -I -m conformance grade "$1" --rubric "$here/rubric.toml" --out "${2:-grades}" ${secret[@]+"${secret[@]}"}
"""
STEPS = """\
1. Put what was handed in into one folder: files, folders or archives, one a student, as a platform's download has them.
2. `grader/grade.sh SUBMISSIONS grades` grades them: `grades/grades.csv`, and a page for each student in `grades/submissions`. Where this
   package is installed `conform grade SUBMISSIONS --rubric rubric.toml --out grades --secret-file grader/secret` does the same.
3. `grades/staff` has the full pages: what stands out in a file, hidden items, what was printed.
"""


def upload(assignment: Assignment, wheel: bytes, students: Mapping[str, bytes]) -> Upload:
    """The folder with the script."""
    return Upload(below("grader", {"grade.sh": SCRIPT.encode(), **carried(assignment, wheel)}), STEPS, ("grader/grade.sh",))
