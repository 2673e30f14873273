"""Classroom 50: the folder ``autograders/NAME`` of its configuration repository, whose ``autograder.py`` is run in a checkout.

Its contract: https://github.com/foundation50/classroom50/wiki/Advanced-Autograding. An ending with another code than 0 is an
error of the infrastructure there, which changes no score; that is what becomes of a machine without locks.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from conformance.grading.assignment.plan import Assignment, AssignmentError
from conformance.grading.assignment.running import NAME, grade_one
from conformance.grading.assignment.upload import Upload, below, carried
from conformance.grading.assignment.wheel import zipped
from conformance.grading.formats.writing import CLASSROOM50, RELEASE_BODY, SUBMISSIONS
from reference.saving.files import write_document, write_text

LARGEST = 10 * 2**20
"""Bytes of a packed folder that the runner takes."""
AUTOGRADER = '''\
"""Run by Classroom 50 for every submission, in the student's checkout: installs the wheel that lies beside it, and grades."""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE, CHECKOUT = Path(__file__).resolve().parent, Path.cwd()


def main():
    with tempfile.TemporaryDirectory(prefix="conform-", dir=os.environ.get("RUNNER_TEMP")) as work:
        os.chdir(work)  # nothing is run in the checkout, where a file pip.py would be taken for the program
        python = os.environ.get("CONFORM_PYTHON") or installed(Path(work, "venv"))
        command = [python, "-I", "-m", "conformance.grading.assignment.classroom50", str(CHECKOUT), str(HERE)]
        code = subprocess.run(command, check=False).returncode
        os.chdir(HERE)
        return code


def installed(home):
    venv.create(home, with_pip=True)
    python = str(home / "bin" / "python")
    pip = [python, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*pip, "-r", str(HERE / "requirements.txt")], check=True)
    subprocess.run([*pip, "--no-deps", *map(str, HERE.glob("*.whl"))], check=True)
    return python


if __name__ == "__main__":
    sys.exit(main())
'''
RUNTIME = b'{"runs-on": "ubuntu-latest", "python": "3.13"}\n'
STEPS = """\
1. Copy the folder `autograders/{name}` to `CLASSROOM/autograders/{name}` of your `classroom50` repository, and push.
2. Make the students' template of `students/`, and the assignment of it:

   ```
   gh teacher assignment add ORG CLASSROOM {name} --name "{name}" --template ORG/{name}-template --runtime runtime.json
   ```

3. Push a solution of yours to a repository that has accepted the assignment: its release has the page that students see.

Scores are whole numbers there: hundredths of a point. The folder is published with your GitHub Pages, for which reason there is no secret
in it: whoever knows its address can read rubric and recorded answers.
"""


def upload(assignment: Assignment, wheel: bytes, students: Mapping[str, bytes]) -> Upload:
    """The folder of the assignment.

    Raises
    ------
    AssignmentError
        If it has a secret, which would be none there; or is larger than the runner takes.
    """
    if assignment.secret:
        raise AssignmentError("--rubric: hidden cases need a secret, and Classroom 50 publishes what is uploaded; set hidden = 0")
    files = {"autograder.py": AUTOGRADER.encode(), **carried(assignment, wheel)}
    size = len(zipped(files))
    if size > LARGEST:
        raise AssignmentError(f"--layers: the upload has {size / 1e6:.0f} MB, of which Classroom 50 takes 10; choose fewer layers")
    folder = f"autograders/{assignment.name}"
    return Upload({**below(folder, files), "runtime.json": RUNTIME}, STEPS.format(name=assignment.name))


def main(checkout: Path, upload: Path) -> int:
    """Grade a checkout; ``result.json`` and ``release-body.md`` are written there, by rename, whatever of that name the student has."""
    with tempfile.TemporaryDirectory(prefix="conform-") as work:
        outcome = grade_one(checkout, upload, Path(work))
        if outcome.code:
            print(f"::error::{outcome.sentence}", flush=True)
            return outcome.code
        write_text(checkout / "release-body.md", outcome.text(SUBMISSIONS, NAME, RELEASE_BODY))
        write_document(checkout / "result.json", outcome.document(SUBMISSIONS, NAME, CLASSROOM50))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
