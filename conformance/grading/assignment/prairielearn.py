"""PrairieLearn: a question that is graded externally, with all that the grader needs in ``tests/``.

Its documentation: https://docs.prairielearn.com/externalGrading/. The variable ``CONFORM_GRADE`` puts another folder in the place of
``/grade``, and ``CONFORM_PYTHON`` names the interpreter.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import uuid
from collections.abc import Mapping
from html import escape
from pathlib import Path

from conformance.grading.assignment.plan import Assignment
from conformance.grading.assignment.running import NAME, NOT_GRADED, NOT_YET, grade_one
from conformance.grading.assignment.upload import Upload, below, carried
from conformance.grading.assignment.wheel import FILE_NAME
from conformance.grading.formats.writing import PRAIRIELEARN, SUBMISSIONS
from reference.saving.files import write_document

IMAGE, SECONDS = "prairielearn/grader-python", 300
RUN = f"""\
#!/usr/bin/env bash
# Runs for every submission. What is not gradable costs no attempt.
root="${{CONFORM_GRADE:-/grade}}"
python="${{CONFORM_PYTHON:-python3}}"
mkdir -p "$root/results"
echo '{{"gradable": true, "score": 0.0, "message": "{NOT_YET}"}}' > "$root/results/results.json"
pip() {{ "$python" -I -m pip install --quiet --disable-pip-version-check --no-compile --root-user-action=ignore "$@"; }}
"$python" -I -c 'import conformance' 2> /dev/null \\
    || {{ pip -r "$root/tests/requirements.txt" && pip --no-deps "$root"/tests/*.whl; }}
"$python" -I -m conformance.grading.assignment.prairielearn && exit 0
echo '{{"gradable": false, "format_errors": ["{NOT_GRADED}"]}}' > "$root/results/results.json"
"""
QUESTION = """\
<pl-question-panel>
  <p>
    <a href="{{{{options.client_files_question_url}}}}/ASSIGNMENT.md">What to write and how it is counted</a>,
    <a href="{{{{options.client_files_question_url}}}}/{file}">the starter file</a>,
    <a href="{{{{options.client_files_question_url}}}}/{wheel}">the package that checks it</a>.
  </p>
  <pl-file-upload file-names="{file}"></pl-file-upload>
</pl-question-panel>

<pl-submission-panel>
  <pl-external-grader-results></pl-external-grader-results>
  <pl-file-preview></pl-file-preview>
</pl-submission-panel>
"""
DOCKERFILE = f"""\
# Grading without a network, and some seconds faster: build and push this image, name it as "image" in info.json, and take
# "enableNetworking" out there.
FROM {IMAGE}
COPY tests/requirements.txt tests/*.whl /conform/
RUN pip install --no-cache-dir -r /conform/requirements.txt && pip install --no-cache-dir --no-deps /conform/*.whl
"""
STEPS = """\
1. Copy the folder `questions/{name}` to the questions of your course, and give `info.json` a topic that your course has.
2. Sync, and put the question into an assessment.
3. Hand in a solution of yours: the results show an item of the rubric each.

The grader installs the wheel and a few packages for every submission, which takes some seconds and the network (`enableNetworking`); the
submission itself has none. With an image of your own, made by `questions/{name}/Dockerfile`, neither is needed. What cannot be imported,
and what could not be locked in, is "not gradable" and costs no attempt.
"""


def upload(assignment: Assignment, wheel: bytes, students: Mapping[str, bytes]) -> Upload:
    """The folder of the question."""
    files = {
        "info.json": (json.dumps(info(assignment), indent=2, ensure_ascii=False) + "\n").encode(),
        "question.html": QUESTION.format(file=escape(assignment.file), wheel=FILE_NAME).encode(),
        "Dockerfile": DOCKERFILE.encode(),
        **below("clientFilesQuestion", students),
        **below("tests", {"run.sh": RUN.encode(), **carried(assignment, wheel)}),
    }
    folder = f"questions/{assignment.name}"
    return Upload(below(folder, files), STEPS.format(name=assignment.name), (f"{folder}/tests/run.sh",))


def info(assignment: Assignment) -> dict[str, object]:
    """``info.json``; the same assignment has the same identifier, so that it can be made again."""
    return {
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"keras-conformance:{assignment.name}")),
        "title": assignment.title,
        "topic": "Neural networks",
        "tags": ["code"],
        "type": "v3",
        "singleVariant": True,
        "gradingMethod": "External",
        "externalGradingOptions": {
            "image": IMAGE,
            "entrypoint": "/grade/tests/run.sh",
            "timeout": SECONDS,
            "enableNetworking": True,
        },
    }


def main() -> int:
    """Grade the submission of this container."""
    root = Path(os.environ.get("CONFORM_GRADE", "/grade"))
    with tempfile.TemporaryDirectory(prefix="conform-") as work:
        outcome = grade_one(root / "student", root / "tests", Path(work))
        nothing = {"gradable": False, "format_errors": [outcome.sentence]}
        document = nothing if outcome.code else outcome.document(SUBMISSIONS, NAME, PRAIRIELEARN)
        write_document(root / "results" / "results.json", document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
