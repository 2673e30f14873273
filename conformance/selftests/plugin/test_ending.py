"""How a run of pytest ends: by its records, at Ctrl-C, before it begins where the file cannot be imported, and without its files."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from conformance import plugin
from conformance.base.files import unwritable
from conformance.base.record import BLOCKED, ERROR, FAILED, PASSED, SKIPPED, TIMEOUT, UNSUPPORTED, Record
from conformance.plugin.collector import WORKERS_END_WITHIN, Collector
from conformance.plugin.ending import NOTHING_ASKED, ended
from conformance.plugin.settings import read
from conformance.selftests.builders.place import ABANDON_AFTER, FORWARD, HIDING, RECORDED, USAGE_ERROR, Place, said

ASKED = ("--iut=mine.py", "--conform-layers=relu", "--conform-profile=smoke", RECORDED, "-k", "relu-rows-float64")
OK, TESTS_FAILED, INTERRUPTED = 0, 1, 2
RELU = "import numpy as np\ndef relu(x): return np.maximum(x, 0)\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def judged(place: Place, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    place.write("mine.py", text)
    return place.pytest(*FORWARD, *ASKED, *arguments)


# By the records


def of(*statuses: str, **more: str) -> list[Record]:
    return [Record(f"test_forward[{n}]", "relu", "forward", status, **more) for n, status in enumerate(statuses)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "records", "code", "words"),
    [
        (0, of(PASSED, UNSUPPORTED, SKIPPED), 0, []),
        (0, of(PASSED, FAILED, ERROR), 1, ["2 failures on record that pytest does not report"]),
        (0, of(TIMEOUT), 1, ["1 failure on record that pytest does not report"]),
        (0, of(FAILED, known_failure="it is known"), 0, []),
        (0, of(UNSUPPORTED, SKIPPED), 2, ["nothing could be asked"]),
        (0, of(UNSUPPORTED, BLOCKED), 2, ["nothing could be asked"]),
        (0, [], 0, []),
        (5, [], 5, []),
        (1, of(FAILED), 1, []),
        (1, of(UNSUPPORTED), 1, []),
        (2, of(FAILED), 2, []),
        (3, of(PASSED), 3, []),
    ],
)
def test_the_exit_code_follows_from_the_records(given: int, records: list[Record], code: int, words: list[str]) -> None:
    ends, sentences = ended(given, records, [], 0, [])
    assert ends == code, f"{[record.status for record in records]} after {given} end with {ends}"
    assert len(sentences) == len(words) and all(map(str.startswith, sentences, words)), f"why is said: {sentences}"


def test_a_users_own_tests_may_be_marked_as_failing() -> None:
    assert ended(0, [], of(FAILED), 0, []) == (0, []), "pytest's own xfail holds in a file of a user's own"
    assert ended(0, [], of(UNSUPPORTED), 0, [])[0] == NOTHING_ASKED, "but without an answer no run is green"
    assert ended(0, of(UNSUPPORTED), of(PASSED), 0, []) == (0, []), "one answer is enough"


def test_what_leaves_no_record_or_no_file_fails_the_run() -> None:
    assert ended(0, of(PASSED), [], 3, []) == (1, ["3 tests of the suite left no record and counted as no failure: the run fails"])
    assert ended(0, of(PASSED), [], 0, ["it cannot be written"]) == (1, ["it cannot be written"]), "a script waits for the file"
    assert ended(2, of(PASSED), [], 0, ["it cannot be written"]) == (2, ["it cannot be written"]), "an interruption stays one"


GREEN = """
import pytest, _pytest.reports
made = _pytest.reports.TestReport.from_item_and_call.__func__
def green(cls, item, call):
    report = made(cls, item, call)
    report.outcome, report.longrepr = "passed", None
    return report
_pytest.reports.TestReport.from_item_and_call = classmethod(green)
def relu(x): return x
"""
HOSTILE = {
    "reports": (GREEN, "1 failure on record that pytest does not report: the run fails by its records"),
    "records": (GREEN.replace("report.outcome", "report.user_properties = []; report.outcome", 1), "of the suite left no record"),
}
"""Files that turn pytest's reports green: with the records of their tests, and without."""


@pytest.mark.parametrize(("kind", "workers"), [("reports", "0"), ("reports", "1"), ("records", "0")])
def test_a_file_that_turns_pytest_green_fails_the_run(place: Place, kind: str, workers: str) -> None:
    text, words = HOSTILE[kind]
    result = judged(place, text, "-n", workers)
    assert result.returncode == TESTS_FAILED, f"a wrong relu ended with {result.returncode}: {said(result)[-2000:]}"
    assert words in result.stdout, f"it is said why: {result.stdout[-2000:]}"


def test_nothing_passed_and_nothing_failed_is_not_green(place: Place) -> None:
    result = judged(place, "def relu(x): raise NotImplementedError('not yet')\n")
    assert result.returncode == NOTHING_ASKED, f"a run without an answer ends with {result.returncode}: {said(result)[-2000:]}"
    assert "nothing could be asked: nothing passed and nothing failed" in result.stdout, result.stdout[-2000:]


# Ctrl-C

LOOPING = """
def relu(x):
    with open("started", "w"):
        pass
    while True: pass
"""


@pytest.mark.parametrize("mode", ["inprocess", "process"])
def test_ctrl_c_stops_pytest_at_once(place: Place, mode: str) -> None:
    place.write("mine.py", LOOPING)
    os.mkfifo(place.folder / "started")
    arguments = ("-p", "no:cacheprovider", *FORWARD, *ASKED, f"--conform-iut-mode={mode}")
    with place.begin("pytest", *arguments) as process:
        (place.folder / "started").read_text()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=ABANDON_AFTER)
    assert process.returncode == INTERRUPTED and "KeyboardInterrupt" in output, f"{process.returncode}: {output[-2000:]}"
    assert not re.search(r"\d (passed|failed|skipped)", output), f"no test came to its end: {output[-2000:]}"


def test_workers_in_an_endless_loop_are_not_waited_for(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = pytest.importorskip("xdist.workermanage").NodeManager
    monkeypatch.setattr(manager, "EXIT_TIMEOUT", 10)
    Collector(pytestconfig, read(plugin.OPTIONS, lambda option: None), plugin.kept, whole=True).pytest_keyboard_interrupt()
    assert manager.EXIT_TIMEOUT == WORKERS_END_WITHIN, "a worker that hears no Ctrl-C is ended soon after it"


@pytest.mark.parametrize("text", ["def relu(x): raise KeyboardInterrupt\n", "raise KeyboardInterrupt\n"], ids=["call", "import"])
def test_an_interrupt_that_the_file_raises_stops_as_well(place: Place, text: str) -> None:
    result = judged(place, text)
    assert result.returncode == INTERRUPTED and "passed" not in result.stdout, f"nobody can tell it from Ctrl-C: {said(result)[-2000:]}"


# Before it begins


@pytest.mark.parametrize("how", [[], ["-n", "1"], ["--conform-iut-mode=process"]], ids=["here", "workers", "process"])
def test_a_file_that_cannot_be_imported_ends_the_run_before_it_begins(place: Place, how: list[str]) -> None:
    text = "import os\nprint('at import')\nopen(f'imported-{os.getpid()}', 'w').close()\nKERNEL = [1, 2][3]\n"
    result = judged(place, text, "--conform-json=out.json", *how)
    assert result.returncode == USAGE_ERROR, f"it ends with {result.returncode}: {said(result)[-2000:]}"
    sentence = "ERROR: --iut: mine.py cannot be imported: IndexError: list index out of range (mine.py, line 4)."
    shown = f"    KERNEL = [1, 2][3]\n{' ' * 13}~~~~~~^^^"
    assert result.stderr.rstrip() == f"{sentence}\n\n{shown}", f"one message with its line: {result.stderr}"
    assert not result.stdout, f"nothing is collected, nothing printed: {result.stdout}"
    assert not (place.folder / "out.json").exists(), "no results are written"
    assert len(list(place.folder.glob("imported-*"))) == 1, "it was tried once"


def test_a_syntax_error_and_a_crash_at_import_are_told_alike(place: Place) -> None:
    result = judged(place, "def relu(x:\n    return x\n")
    assert result.returncode == USAGE_ERROR and "ERROR: --iut: mine.py cannot be imported: SyntaxError" in result.stderr, result.stderr
    assert result.stderr.rstrip().endswith("    def relu(x:\n            ^"), f"with the line and a caret: {result.stderr}"
    result = judged(place, "import os\nos._exit(3)\n", "--conform-iut-mode=process")
    assert result.returncode == USAGE_ERROR, said(result)[-2000:]
    assert "mine.py cannot be used: the program ended during describe: exit code 3" in result.stderr, result.stderr


WITNESS = """
import sys
def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        print("loaded here:", "conform_iut_mine" in sys.modules)
"""
"""A plugin: whether the process that gathers the reports has imported the file."""


def test_workers_import_the_file_and_the_controller_does_not(place: Place) -> None:
    text = "import os\nwith open(f'imported-{os.getpid()}', 'w') as file:\n    file.write(os.environ.get('PYTEST_XDIST_WORKER', ''))\n"
    place.write("witness.py", WITNESS)
    result = judged(place, text + RELU, "-n", "1", "-p", "witness")
    assert result.returncode == OK, said(result)[-2000:]
    assert "loaded here: False" in result.stdout, "what the controller gathers is out of the file's reach"
    assert "gw0" in {path.read_text() for path in place.folder.glob("imported-*")}, "the worker has imported it"


# Files


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--conform-json=.", "--conform-json: . is a folder"),
        ("--conform-json=mine.py/out.json", "--conform-json: mine.py/out.json cannot be written: "),
        ("--conform-markdown=/proc/none/out.md", "--conform-markdown: /proc/none/out.md cannot be written: /proc: "),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_run(place: Place, option: str, sentence: str) -> None:
    result = judged(place, "def relu(x): return x\n", option)
    assert result.returncode == USAGE_ERROR and result.stderr.startswith(f"ERROR: {sentence}"), said(result)[-2000:]
    assert len(result.stderr.strip().splitlines()) == 1 and not result.stdout, f"one sentence, and no run: {said(result)}"


def test_a_run_of_own_tests_is_refused_then_as_well(place: Place) -> None:
    place.write("test_own.py", "def test_own(): pass\n")
    result = place.pytest("test_own.py", "--conform-json=.")
    assert (result.returncode, result.stderr.strip()) == (USAGE_ERROR, "ERROR: --conform-json: . is a folder"), said(result)


def test_a_folder_that_is_missing_is_made(place: Place) -> None:
    result = judged(place, RELU, "--conform-json=new/folder/out.json")
    assert result.returncode == OK, said(result)[-2000:]
    assert len(place.read("new/folder/out.json")) == 1, "the results lie in it"


def test_places_that_cannot_be_written_to_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert unwritable(tmp_path / "out.json") is None and unwritable(tmp_path / "a" / "b" / "out.json") is None, "here there is room"
    assert list(tmp_path.iterdir()) == [], "nothing is left of the trial"
    monkeypatch.chdir(tmp_path)
    assert unwritable(Path("out.json")) is None, "a bare name is one in the working folder"
    if os.getuid():
        tmp_path.chmod(0o500)
        assert "Permission denied" in str(unwritable(tmp_path / "out.json")), "a folder that may only be read"


FULL = """
import resource
def pytest_sessionstart():
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
"""
"""A plugin: no file may grow beyond a few bytes, as on a full disk."""


def test_a_disk_that_is_full_at_the_end_costs_the_file_and_not_the_results(place: Place) -> None:
    place.write("full.py", FULL)
    result = judged(place, RELU, "--conform-json=out.json", "--conform-markdown=out.md", "-p", "full")
    assert result.returncode == TESTS_FAILED, f"a script that waits for the file is told: {said(result)[-2000:]}"
    sentence = "--conform-json: out.json cannot be written (File too large); what stands here holds all the same"
    assert sentence in result.stdout and "INTERNALERROR" not in said(result), f"in a sentence: {said(result)[-2000:]}"
    assert "mine.py: 1 passed" in result.stdout, f"and what was found stands there: {result.stdout[-2000:]}"
    left = sorted(path.name for path in place.folder.iterdir() if "out." in path.name)
    assert left in ([], ["out.md"]), f"nothing is half-written: {left}"


@pytest.mark.parametrize(
    ("hidden", "sentence"),
    [
        ("numpy", "ERROR: The conformance suite needs NumPy, and numpy is not installed here (`pip install numpy`)."),
        ("tabulate", "ERROR: --conform-markdown: tables need the package tabulate (`pip install tabulate`)"),
    ],
)
def test_a_package_that_is_missing_is_one_sentence_before_the_run(place: Place, hidden: str, sentence: str) -> None:
    place.customize(HIDING.format(hidden={hidden}))
    result = judged(place, "def relu(x): return x\n", "--conform-markdown=out.md")
    assert result.returncode == USAGE_ERROR and result.stderr.strip() == sentence, said(result)[-2000:]


def test_a_check_without_numpy_is_one_sentence(place: Place) -> None:
    place.customize(HIDING.format(hidden={"numpy"}))
    place.write("mine.py", "def relu(x): return x\n")
    result = place.python("-m", "conformance", "check", "mine.py")
    assert result.returncode == 2 and not result.stdout, said(result)
    assert result.stderr == "`conform check` needs NumPy, and numpy is not installed here (`pip install numpy`).\n", said(result)


# Where there is no POSIX

ELSEWHERE = """
import ctypes, os, signal, sys, tempfile
for name in "fork getppid killpg mkfifo set_blocking setsid sched_getaffinity".split():
    vars(os).pop(name, None)
for name in "SIGKILL SIGPIPE SIGXFSZ setitimer".split():
    vars(signal).pop(name, None)
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("fcntl", "resource", "pwd", "grp", "termios"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
os.name = "elsewhere"
"""
"""A `sitecustomize.py`: a system without what POSIX alone has. (Under the name "nt" the standard library would look for Windows itself.)"""
ALONE = "a process of its own is only to be had on Linux, macOS and other POSIX systems"


def test_without_posix_what_runs_here_works_and_processes_are_refused(place: Place) -> None:
    place.customize(ELSEWHERE)
    result = judged(place, RELU, "-n", "1")
    assert result.returncode == OK, f"pytest judges a file: {said(result)[-2000:]}"
    result = judged(place, RELU, "--conform-iut-mode=process")
    assert result.returncode == USAGE_ERROR and result.stderr.strip() == f"ERROR: --iut=mine.py: {ALONE}", said(result)[-2000:]
    result = place.python("-m", "conformance", "check", "mine.py", "--case", "relu-rows-float64")
    assert result.returncode == OK, f"and so does the check: {said(result)[-2000:]}"
    for arguments in (["mine.py", "--timeout", "5"], ["exec:./mine"]):
        result = place.python("-m", "conformance", "check", *arguments)
        assert (result.returncode, result.stderr) == (2, f"{ALONE}.\n"), f"{arguments}: {said(result)[-2000:]}"
