"""Many submissions: side by side, one by one kept, continued after kill -9, and the command around all that."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from joblib import parallel_config

from conformance.cli import main
from conformance.grading.batch import KEPT, UnfinishedError, grade_all
from conformance.grading.grader import Terms
from conformance.grading.intake import find_submissions
from conformance.implementations.sandbox import launcher
from conformance.selftests.builders.place import ROOT
from conformance.selftests.grading.grading import FLATTEN, RIGHT, rubric
from conformance.selftests.implementations.sandbox.builder import needs_locks

pytestmark = needs_locks
WHOLE = "[!.]*.json"
"""Records, not what a run that was killed was about to write."""
WRONG = RIGHT.replace("return x.reshape(len(x), int", "return -x.reshape(len(x), int")
RUBRIC = (
    '[assignment]\nname = "test"\n[sandbox]\ncall_seconds = 1\nlost_seconds = 2\n'
    '[[item]]\nid = "flatten"\npoints = 2\nlayers = ["Flatten"]\npasses = ["forward"]\noptions = { data_format = "channels_last" }\n'
)
HOSTILE = {
    "kills": "import os\nfor who in (os.getppid(), -1, 0):\n    try:\n        os.kill(who, 9)\n    except OSError:\n        pass\n" + RIGHT,
    "floods": "import sys\nwhile True:\n    sys.stdout.write('x' * 100000)\n",
    "loops": "while True:\n    pass\n",
    "ends": "import os\nos._exit(0)\n",
    "eats": "x = bytearray(2**44)\n",  # at once: page by page a busy machine ends its CPU seconds before its memory
    "breaks": "def flatten_forward(x:\n",
}
"""What must not touch anybody else's grade."""


@pytest.fixture
def handed_in(tmp_path):
    folder = tmp_path / "handed-in"
    folder.mkdir()
    for name, text in {"ana": RIGHT, "ben": WRONG, "cy ": RIGHT.replace("def flatten", "def flat"), **HOSTILE}.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def graded(folder, out, **options):
    return grade_all(find_submissions(folder), Terms(rubric(FLATTEN, text=RUBRIC)), out, **options)


def without_times(path):
    return {**json.loads(path.read_text()), "timing": None}


def test_each_gets_in_the_crowd_what_it_gets_alone(handed_in, tmp_path):
    together = graded(handed_in, tmp_path / "all", jobs=2)
    points = {one.submission: one.earned for one in together if one.earned}
    assert points == {"ana": 2, "kills": 2}, f"who is right has all points, others none: {points}"
    assert {one.submission: one.status for one in together} == {
        "ana": "ok",
        "ben": "ok",
        "breaks": "ungradable",
        "cy ": "ok",
        "eats": "ungradable",
        "ends": "crash",
        "floods": "timeout",
        "kills": "ok",
        "loops": "timeout",
    }, {one.submission: one.reason for one in together}
    alone = tmp_path / "one"
    alone.mkdir()
    shutil.copy(handed_in / "ben.py", alone)
    graded(alone, tmp_path / "alone", jobs=1)
    for file in ("records/ben.json", "submissions/ben/page.md", "submissions/ben/prairielearn.json", "submissions/ben/junit.xml"):
        own, crowd = (folder / file for folder in (tmp_path / "alone", tmp_path / "all"))
        same = without_times(own) == without_times(crowd) if "records" in file else own.read_bytes() == crowd.read_bytes()
        assert same, f"{file} depends on who else is graded"
    with (tmp_path / "all" / "grades.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["submission"].strip() for row in rows] == [one.submission.strip() for one in together], "one row a submission"


def test_a_run_that_was_killed_is_continued(handed_in, tmp_path):
    out, path = tmp_path / "out", tmp_path / "rubric.toml"
    path.write_text(RUBRIC)
    command = [sys.executable, "-m", "conformance", "grade", str(handed_in), "--rubric", str(path), "--out", str(out), "--jobs", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, start_new_session=True) as run:
        stop = threading.Timer(300, lambda: os.killpg(run.pid, signal.SIGKILL))
        stop.start()
        while run.poll() is None and len(list((out / KEPT).glob(WHOLE))) < 2:
            stop.join(0.05)
        os.killpg(run.pid, signal.SIGKILL)
        stop.cancel()
    before = {one.name: one.read_bytes() for one in (out / KEPT).glob(WHOLE)}
    assert 2 <= len(before) < 9, f"it was not killed in the middle: {sorted(before)}"
    with (out / "grades.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9, "everybody had a row before anything ran"
    assert {(row["earned"], row["status"]) for row in rows} == {("", "grader_error")}, "nothing yet, and that is not theirs"
    with pytest.raises(UnfinishedError, match="--resume"):
        graded(handed_in, out)
    told = []
    (handed_in / "ben.py").write_text(RIGHT)  # handed in again
    results = graded(handed_in, out, jobs=1, resume=True, done=lambda result: told.append(result.submission))
    kept = {name for name, data in before.items() if (out / KEPT / name).read_bytes() == data}
    assert len(told) == len(set(told)) and len(told) + len(kept) == 9, f"{told} were graded, {kept} kept"
    assert {one.submission: one.earned for one in results if one.earned} == {"ana": 2, "ben": 2, "kills": 2}, "nothing is lost"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_all_processes_and_leaves_no_folder(jobs, tmp_path):
    folder, path, temporary = tmp_path / "slow", tmp_path / "rubric.toml", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    for above in (temporary, *temporary.parents):  # another user has to come that far
        if Path(tempfile.gettempdir()).resolve() in above.resolve().parents:
            above.chmod(0o755)
    path.write_text(RUBRIC)
    for name in "abcd":
        (folder / f"{name}.py").write_text(RIGHT + "import time\ntime.sleep(2)\n")
    command = [sys.executable, "-m", "conformance", "grade", str(folder), "--rubric", str(path), "--out", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    with subprocess.Popen([*command, "--jobs", jobs], stderr=subprocess.DEVNULL, env=environment, start_new_session=True) as run:
        stop = threading.Timer(300, lambda: os.killpg(run.pid, signal.SIGKILL))
        stop.start()
        while run.poll() is None and not list(temporary.glob("conform-run-*/conform-*/*.py")):
            stop.join(0.05)
        os.killpg(run.pid, signal.SIGINT)
        code = run.wait()
        stop.cancel()
    assert code == 130, "as any command that Ctrl-C ends"
    assert not list(temporary.glob("conform-*")), "copies of submissions are left behind"


def test_another_rubric_grades_again(handed_in, tmp_path):
    for name in HOSTILE:
        (handed_in / f"{name}.py").unlink()
    graded(handed_in, tmp_path / "out", jobs=1)
    told = []
    terms = Terms(rubric({**FLATTEN, "points": 7}, text="another"))
    found = find_submissions(handed_in)
    results = grade_all(found, terms, tmp_path / "out", jobs=1, resume=True, done=lambda one: told.append(one.submission))
    assert len(told) == 3 and max(one.earned for one in results) == 7, "what another rubric gave is not kept"


def test_the_processes_may_be_those_of_a_cluster(handed_in, tmp_path):
    distributed = pytest.importorskip("distributed")
    for name in HOSTILE:
        (handed_in / f"{name}.py").unlink()
    local = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None, "processes": False}
    with distributed.LocalCluster(**local) as cluster, distributed.Client(cluster), parallel_config("dask"):
        results = graded(handed_in, tmp_path / "out")
    assert [one.earned for one in results] == [2, 0, 0], [one.reason for one in results]


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["grade", *map(str, arguments)])
    return ended.value.code


@pytest.fixture
def small(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "ana.py").write_text(RIGHT)
    path = tmp_path / "rubric.toml"
    path.write_text(RUBRIC)
    return folder, path


def test_the_command_says_what_it_wrote(small, tmp_path, capsys):
    folder, path = small
    assert run(folder, "--rubric", path, "--out", tmp_path / "out", "--csv", tmp_path / "g.csv", "--jobs", 1) in (0, None)
    assert "1 submission graded" in capsys.readouterr().out
    assert (tmp_path / "g.csv").read_bytes() == (tmp_path / "out" / "grades.csv").read_bytes()
    assert (tmp_path / "out" / "submissions" / "ana" / "page.md").is_file(), "each has a page"


def test_what_is_shown_later_is_shown_when_that_is_said(small, tmp_path):
    folder, path = small
    path.write_text(RUBRIC + 'visibility = "after_due_date"\ntitle = "Kept back"\n')
    page = tmp_path / "out" / "submissions" / "ana" / "page.md"
    run(folder, "--rubric", path, "--out", tmp_path / "out", "--jobs", 1)
    before = page.read_text()
    run(folder, "--rubric", path, "--out", tmp_path / "out", "--resume", "--show", "after_due_date")
    assert "Kept back" not in before and "Kept back" in page.read_text(), "nothing is graded again, and the page shows more"


def test_what_cannot_be_used_is_one_sentence(small, tmp_path, capsys):
    folder, path = small
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "bad.toml").write_text("[assignment]")
    cases = [
        ((tmp_path / "none", "--rubric", path), "There is no"),
        ((empty, "--rubric", path), "There is no submission in"),
        ((folder, "--rubric", tmp_path / "none.toml"), "cannot be read"),
        ((folder, "--rubric", tmp_path / "bad.toml"), "[assignment] needs a name"),
        ((folder, "--rubric", path, "--sandbox", "open"), "--sandbox: there is none of the name 'open'"),
        ((folder, "--rubric", path, "--show", "later"), "--show: there is no visibility 'later'"),
        ((folder, "--rubric", path, "--seed", "x"), "--seed must be a whole number or random"),
        ((folder, "--rubric", path, "--adapter", tmp_path / "a.py"), "--adapter: there is no file"),
        ((folder, "--rubric", path, "--secret-file", tmp_path / "s"), "--secret-file"),
        ((folder, "--rubric", path, "--out", path), "cannot be written"),
        ((folder, "--rubric", path, "--out", folder), "lies in"),
        ((folder, "--rubric", path, "--out", folder / "grades"), "where a later run would take it for a submission"),
        ((folder, "--rubric", path, "--jobs", 0), "--jobs must be at least 1"),
    ]
    for arguments, said in cases:
        code = run(*arguments, *(() if "--out" in arguments else ("--out", tmp_path / "out")))
        told = capsys.readouterr().err
        assert code == 2 and said in told and len(told.splitlines()) == 1, f"{arguments}: {code}, {told}"
    assert not (tmp_path / "out").exists() and [one.name for one in folder.iterdir()] == ["ana.py"], "nothing was written"


def test_a_full_disk_loses_nothing_that_is_graded(small, tmp_path, capsys):
    folder, path = small
    (folder / "ben.py").write_text(WRONG)
    code = (
        "import resource, sys\n"
        "from conformance.grading import batch\n"
        "kept = batch.write_document\n"
        "def full(path, document, count=[0]):\n"
        "    count[0] += 1\n"
        "    if count[0] > 1:\n"
        "        raise OSError(28, 'No space left on device', str(path))\n"
        "    kept(path, document)\n"
        "batch.write_document = full\n"
        "from conformance.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    arguments = ["grade", str(folder), "--rubric", str(path), "--out", str(tmp_path / "out"), "--jobs", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 2 and "No space left on device" in done.stderr and "Traceback" not in done.stderr, done.stderr
    (record,) = (tmp_path / "out" / KEPT).glob(WHOLE)
    assert json.loads(record.read_text())["status"] == "ok", "what was graded before is whole"


def test_without_its_locks_nothing_is_graded_unless_that_is_said(small, tmp_path, capsys, monkeypatch):
    folder, path = small
    monkeypatch.setattr(launcher, "unsupported", lambda: "there are no locks here")
    assert run(folder, "--rubric", path, "--out", tmp_path / "out") == 3, "a weaker sandbox is no sandbox"
    assert "there are no locks here; nothing more was graded" in capsys.readouterr().err
    assert not (tmp_path / "out").exists(), "nothing was written"
    assert run(folder, "--rubric", path, "--out", tmp_path / "out", "--sandbox", "none", "--jobs", 1) in (0, None)
    assert "any submission could have changed anything" in capsys.readouterr().out
    assert '"earned": 2' in next(Path(tmp_path / "out" / KEPT).glob(WHOLE)).read_text()


def test_a_mistake_of_the_harness_ends_with_4(small, tmp_path, capsys, monkeypatch):
    folder, path = small
    monkeypatch.setattr("conformance.grading.grader.ask", lambda *arguments: 1 / 0)
    assert run(folder, "--rubric", path, "--out", tmp_path / "out", "--jobs", 1) == 4
    assert "The harness failed for 1 of them, the first is 'ana'" in capsys.readouterr().err
