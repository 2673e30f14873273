"""Uploads as their platforms run them: the script, its folders, its environment, an interpreter in which the carried wheel is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from conformance.grading.assignment.running import NOT_GRADED, NOT_LOCKED, pack
from conformance.grading.assignment.writing import PLATFORMS, write_assignment
from conformance.grading.intake import Submission, unpacked
from conformance.grading.paths import IntakeError

RIGHT = "def flatten_forward(x):\n    return x.reshape(len(x), -1)\n"
WRONG = "def flatten_forward(x):\n    return x.reshape(len(x), -1) + 1\n"
RUBRIC = '[assignment]\nname = "flat"\nfile = "layers.py"\n[[item]]\nid = "flatten"\ntitle = "Flatten"\npoints = 8\nlayers = ["Flatten"]\n'
RUBRIC += 'passes = ["forward"]\nrequired = []\n'
ELSEWHERE = 'import platform\nplatform.machine = lambda: "mips64"\n'
"""In an interpreter of its own: a machine on which there is no sandbox."""
LURES = ("pip", "venv", "json", "tempfile", "conformance", "sitecustomize", "numpy", "subprocess")
"""Modules that a student may hand in, hoping that the grader imports them."""


@pytest.fixture(scope="module")
def uploads(tmp_path_factory):
    """What ``conform assignment`` writes for each platform."""
    home = tmp_path_factory.mktemp("assignments")
    (home / "r.toml").write_text(RUBRIC, encoding="utf-8")
    for platform in PLATFORMS:
        write_assignment("flat", [], platform, home / platform, home / "r.toml")
    return home


def interpreter(home, wheel):
    """An interpreter in which a wheel is installed, and the packages that are installed here."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    packages = next(home.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    (packages / "others.pth").write_text(f"{Path(np.__file__).parents[1]}\n")
    return home / "bin" / "python", packages


@pytest.fixture(scope="module")
def interpreters(uploads, tmp_path_factory):
    """Two interpreters with the wheel of an upload; on the second there are no locks."""
    wheel = next((uploads / "folder" / "grader").glob("*.whl"))
    locked, _ = interpreter(tmp_path_factory.mktemp("locked"), wheel)
    unlocked, packages = interpreter(tmp_path_factory.mktemp("unlocked"), wheel)
    (packages / "sitecustomize.py").write_text(ELSEWHERE)
    return locked, unlocked


def run(command, cwd, **environment):
    """Run a script of an upload and return how it ended and what it printed."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **{key: str(value) for key, value in environment.items()}},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def gradescope(uploads, tmp_path):
    """A container of Gradescope's with a submission, and what it finds in results.json."""
    with zipfile.ZipFile(uploads / "gradescope" / "autograder.zip") as archive:
        archive.extractall(tmp_path / "source")
    (tmp_path / "submission").mkdir()
    (tmp_path / "results").mkdir()
    script = tmp_path / "run_autograder"
    script.write_bytes((tmp_path / "source" / "run_autograder").read_bytes())
    script.chmod(0o755)

    def grade(python, **files):
        for name, text in files.items():
            (tmp_path / "submission" / f"{name}.py").write_text(text, encoding="utf-8")
        code, told = run([script], tmp_path, CONFORM_AUTOGRADER=tmp_path, CONFORM_PYTHON=python)
        assert code == 0, told
        return json.loads((tmp_path / "results" / "results.json").read_text(encoding="utf-8")), told

    grade.root = tmp_path
    return grade


def test_gradescope_grades(gradescope, interpreters):
    found, _ = gradescope(interpreters[0], layers=RIGHT)
    (test,) = found["tests"]
    assert (test["name"], test["score"], test["max_score"], test["status"]) == ("Flatten", 8.0, 8.0, "passed")
    assert found["stdout_visibility"] == "hidden" and "score" not in found, "Gradescope adds the scores up"


def test_gradescope_without_anything_to_grade(gradescope, interpreters):
    (gradescope.root / "submission" / "layers.py").symlink_to("/etc/passwd")
    found, _ = gradescope(interpreters[0])
    assert "is a link" in found["output"] and [test["score"] for test in found["tests"]] == [0.0]


def test_gradescope_without_locks_gives_no_score(gradescope, interpreters):
    found, told = gradescope(interpreters[1], layers=RIGHT)
    assert found["output"] == NOT_LOCKED and not {"score", "tests"} & set(found), "not a 0, but no score"
    assert "the sandbox is only to be had on Linux" in told, "the staff reads why"
    assert "mips64" not in json.dumps(found), "the student does not"


def test_gradescope_whose_setup_failed_gives_no_score(gradescope):
    found, _ = gradescope(Path("/nowhere/python"), layers=RIGHT)
    assert found == {"output": NOT_GRADED}


def test_gradescope_writes_a_zero_before_it_grades(gradescope, interpreters):
    """As when the container is ended in the middle: the first thing that runs there ends the process."""
    source = gradescope.root / "source"
    (source / "rubric.toml").unlink()
    os.mkfifo(source / "rubric.toml")  # who reads it waits
    environment = {**os.environ, "CONFORM_AUTOGRADER": str(gradescope.root)}
    command = [str(interpreters[0]), "-I", "-m", "conformance.grading.assignment.gradescope"]
    process = subprocess.Popen(command, env=environment, cwd=gradescope.root)
    with process, open(source / "rubric.toml", "w"):  # which opens when `conform grade` has come so far
        found = json.loads((gradescope.root / "results" / "results.json").read_text(encoding="utf-8"))
        process.kill()
    assert found["score"] == 0.0 and "not graded to the end" in found["output"]


@pytest.fixture
def classroom50(uploads, tmp_path):
    """A checkout on a runner of Classroom 50's, and what is in it afterwards."""
    checkout, bundle = tmp_path / "checkout", tmp_path / "runtime" / "flat"
    shutil.copytree(uploads / "classroom50" / "autograders" / "flat", bundle)
    checkout.mkdir()
    identity = {
        "CLASSROOM": "nn-2026",
        "ASSIGNMENT": "flat",
        "SUBMISSION_TAG": "submit/2026-06-01T14-32-05Z-a1b2c3d",
        "OWNER": "ann",
        "USERNAME": "ann",
        "ASSIGNMENT_TYPE": "individual",
        "COMMIT_URL": "https://github.com/o/r/commit/a1b2c3d",
        "RELEASE_URL": "https://github.com/o/r/releases/tag/x",
        "REVIEW_URL": "https://github.com/o/r/compare/a...b",
    }

    def grade(python, text=RIGHT):
        (checkout / "layers.py").write_text(text, encoding="utf-8")
        return run([sys.executable, bundle / "autograder.py"], checkout, CONFORM_PYTHON=python, **identity)

    grade.checkout, grade.identity = checkout, identity
    return grade


def test_classroom_50_grades(classroom50, interpreters):
    code, told = classroom50(interpreters[0])
    assert code == 0, told
    found = json.loads((classroom50.checkout / "result.json").read_text(encoding="utf-8"))
    assert found["schema"] == "classroom50/result/v1"
    assert (found["classroom"], found["assignment"], found["owner"], found["commit"]) == (
        "nn-2026",
        "flat",
        "ann",
        classroom50.identity["COMMIT_URL"],
    )
    assert type(found["score"]) is int and found["score"] == found["max-score"] > 0
    assert [(test["test-name"], test["passed"]) for test in found["tests"]] == [("Flatten", True)]
    assert "Flatten" in (classroom50.checkout / "release-body.md").read_text(encoding="utf-8")
    assert sorted(path.name for path in classroom50.checkout.iterdir()) == ["layers.py", "release-body.md", "result.json"]


def test_classroom_50_without_locks_is_an_error_and_no_score(classroom50, interpreters):
    code, told = classroom50(interpreters[1])
    assert code == 3 and f"::error::{NOT_LOCKED}" in told and "only to be had on Linux" in told
    assert not (classroom50.checkout / "result.json").exists(), "an earlier score stays"


def test_a_checkout_runs_nothing_and_is_written_to_by_rename(classroom50, interpreters, tmp_path):
    checkout, marker, target = classroom50.checkout, tmp_path / "ran", tmp_path / "target"
    for name in LURES:
        (checkout / f"{name}.py").write_text(f"open({str(marker)!r}, 'w').close()\n", encoding="utf-8")
    (checkout / "setup.cfg").write_text("[install]\nprefix=/tmp\n", encoding="utf-8")
    for name in ("result.json", "release-body.md"):
        (checkout / name).symlink_to(target)
    (checkout / ".git").mkdir()
    (checkout / ".git" / "pack").write_bytes(bytes(60_000_000))
    (checkout / "data.bin").write_bytes(bytes(60_000_000))
    code, told = classroom50(interpreters[0])
    # Links are refused: nobody hands in a result. So there is a result, of nothing.
    assert code == 0, told
    assert not marker.exists(), "a module of the student's was imported by the grader"
    assert not target.exists() and not (checkout / "result.json").is_symlink(), "a link was written through"
    for name in ("result.json", "release-body.md"):
        (checkout / name).unlink()
    code, told = classroom50(interpreters[0])
    found = json.loads((checkout / "result.json").read_text(encoding="utf-8"))
    assert code == 0 and found["score"] == found["max-score"] > 0, "hidden folders and data beside the file are no matter"
    assert not marker.exists()


@pytest.fixture
def prairielearn(uploads, tmp_path):
    """A container of PrairieLearn's, and what it finds in results.json."""
    question = uploads / "prairielearn" / "questions" / "flat"
    shutil.copytree(question / "tests", tmp_path / "tests")
    (tmp_path / "student").mkdir()

    def grade(python, text):
        if text is not None:
            (tmp_path / "student" / "layers.py").write_text(text, encoding="utf-8")
        entrypoint = json.loads((question / "info.json").read_text())["externalGradingOptions"]["entrypoint"]
        script = tmp_path / Path(entrypoint).relative_to("/grade")
        code, told = run([script], tmp_path, CONFORM_GRADE=tmp_path, CONFORM_PYTHON=python)
        assert code == 0, told
        return json.loads((tmp_path / "results" / "results.json").read_text(encoding="utf-8"))

    return grade


def test_prairielearn_grades(prairielearn, interpreters):
    found = prairielearn(interpreters[0], RIGHT)
    assert found["gradable"] and found["score"] == 1.0 and [test["points"] for test in found["tests"]] == [8.0]
    found = prairielearn(interpreters[0], "def flatten_forward(x)\n")
    assert found["gradable"] is False and "SyntaxError" in found["format_errors"][0], "costs no attempt"


def test_prairielearn_without_locks_is_not_gradable(prairielearn, interpreters):
    assert prairielearn(interpreters[1], RIGHT) == {"gradable": False, "format_errors": [NOT_LOCKED]}


def test_prairielearn_whose_packages_cannot_be_installed_is_not_gradable(prairielearn):
    assert prairielearn(Path("/nowhere/python"), None) == {"gradable": False, "format_errors": [NOT_GRADED]}


def test_a_folder_is_graded_by_its_script(uploads, interpreters, tmp_path):
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "ann.py").write_text(RIGHT, encoding="utf-8")
    (tmp_path / "class" / "bob.py").write_text(WRONG, encoding="utf-8")
    script = uploads / "folder" / "grader" / "grade.sh"
    code, told = run([script, "class", "out"], tmp_path, CONFORM_PYTHON=interpreters[0])
    assert code == 0, told
    rows = (tmp_path / "out" / "grades.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[0] for row in rows] == ["submission", "ann", "bob"], told
    assert not (uploads / "folder" / "grader" / ".venv").exists(), "nothing is installed where all is there"


def test_what_is_packed_is_what_would_be_taken(tmp_path):
    folder = tmp_path / "folder"
    (folder / "node_modules" / "x").mkdir(parents=True)
    (folder / "package").mkdir()
    for name in ("layers.py", "package/part.py", "node_modules/x/y.py", "a.bin", ".hidden.py"):
        (folder / name).write_bytes(b"x = 1\n")
    (folder / "large.csv").write_bytes(bytes(5_000_001))
    pack(folder, tmp_path / "s.tar")
    taken = unpacked(Submission("s", tmp_path / "s.tar", "layers.py"), tmp_path / "taken")
    assert sorted(path.name for path in taken.folder.rglob("*.py")) == ["layers.py", "part.py"]
    again = unpacked(Submission("s", folder, "layers.py"), tmp_path / "again")
    assert again.sha256 == taken.sha256, "the same as from the folder"
    (folder / "link.py").symlink_to("/etc/passwd")
    pack(folder, tmp_path / "s.tar")
    with pytest.raises(IntakeError, match="is a link"):
        unpacked(Submission("s", tmp_path / "s.tar"), tmp_path / "third")


@pytest.mark.skipif("CONFORM_FRESH" not in os.environ, reason="CONFORM_FRESH=1 installs from a package index, as Gradescope does")
def test_the_setup_of_gradescope_makes_an_environment_that_grades(gradescope):
    environment = {"CONFORM_AUTOGRADER": gradescope.root}
    code, told = run(["bash", gradescope.root / "source" / "setup.sh"], gradescope.root, **environment)
    assert code == 0, told
    installed = {path.name.split("-")[0].lower() for path in gradescope.root.glob("conform/lib/python*/site-packages/*.dist-info")}
    assert {"numpy", "keras_conformance", "safetensors"} <= installed, told
    assert not {"tensorflow", "keras", "pytest", "scikit_learn"} & installed, "light"
    found, told = gradescope(gradescope.root / "conform" / "bin" / "python", layers=RIGHT)
    assert [test["score"] for test in found["tests"]] == [8.0], told


def test_a_student_checks_by_the_package_that_is_handed_out(uploads, tmp_path):
    """It has the answers for the layers of the assignment: a helper of another layer's name is left aside, and said."""
    (tmp_path / "layers.py").write_text(RIGHT + "def sigmoid(x):\n    return 0\n", encoding="utf-8")
    python, _ = interpreter(tmp_path / "venv", next((uploads / "folder" / "students").glob("*.whl")))
    check = [python, "-I", "-m", "conformance", "check", "layers.py"]
    code, told = run(check, tmp_path)
    assert code == 0, told
    assert "Not asked, since no answers are recorded here: sigmoid." in told and "Flatten" in told
    assert "Not in layers.py" not in told, "nor is there any talk of layers that are no part of the assignment"
    code, told = run([*check, "--layers", "sigmoid"], tmp_path)
    assert code == 2 and "no answers are recorded here: sigmoid" in told
