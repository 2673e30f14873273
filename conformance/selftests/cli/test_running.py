"""How `conform check` runs and ends: stopped by Ctrl-C, in a process of its own, without an answer to any question."""

from __future__ import annotations

import os
import re
import signal

import pytest

import conformance
from conformance.cli import check
from conformance.selftests.builders.place import ABANDON_AFTER, Place, said
from conformance.selftests.cli.test_check import RIGHT, until

STARTED = """
def started(number=[0]):
    number[0] += 1
    with open("started", "w") as pipe:
        pipe.write(str(number[0]))
"""
"""What a function calls to say that it runs: it waits there until somebody hears it."""
LOOP = "while True: pass"
ENDLESS = RIGHT + STARTED + f"def relu(x):\n    started()\n    {LOOP}\n"
STUBBORN = ENDLESS.replace(LOOP, f"while True:\n        try:\n            {LOOP}\n        except BaseException: pass")
RAISING = RIGHT + "def relu(x): raise KeyboardInterrupt\n"


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    os.mkfifo(place.folder / "started")
    return place


def begun(place, *arguments):
    """A check that has begun."""
    return place.begin("conformance", "check", "my_layers.py", *arguments)


@pytest.mark.parametrize("mode", ["inprocess", "process"])
def test_ctrl_c_stops_a_check_at_once(place, mode):
    place.write("my_layers.py", ENDLESS)
    with begun(place, "--layers", "relu,Flatten", "--mode", mode) as process:
        (place.folder / "started").read_text()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=ABANDON_AFTER)
    assert process.returncode == 130, f"as a shell counts an interrupted command: {errors}"
    assert errors.endswith("\nStopped.\n") and "Traceback" not in errors, f"one word, and no traceback: {errors}"
    assert "Flatten" not in output, f"nothing else is asked: {output}"


def test_an_interrupt_that_the_file_raises_stops_as_well(place):
    place.write("my_layers.py", RAISING)
    result = place.python("-m", "conformance", "check", "my_layers.py")
    assert result.returncode == 130 and not result.stdout, f"nobody can tell it from Ctrl-C: {said(result)}"
    place.write("my_layers.py", "raise KeyboardInterrupt\n")
    result = place.python("-m", "conformance", "check", "my_layers.py")
    assert result.returncode == 130 and not result.stdout, f"at import neither: {said(result)}"


def test_an_exit_in_a_function_is_an_error_of_its_case(place):
    place.write("my_layers.py", "import sys\ndef relu(x): sys.exit(0)\n")
    result = place.python("-m", "conformance", "check", "my_layers.py")
    assert result.returncode == 1 and "relu raised SystemExit: 0" in result.stdout, said(result)


def test_in_another_process_an_interrupt_is_that_process_s_own(place):
    place.write("my_layers.py", RAISING)
    result = place.python("-m", "conformance", "check", "my_layers.py", "--mode", "process", "--case", "relu-rows-float64")
    assert result.returncode == 1, f"the check goes on: {said(result)}"
    assert "the program ended during relu: signal SIGINT, its last line: KeyboardInterrupt" in result.stdout, said(result)


def test_a_timeout_needs_no_other_option(place):
    place.write("my_layers.py", RIGHT + "def relu(x):\n    while True: pass\n")
    arguments = ("--layers", "relu,Flatten", "--timeout", "0.5")
    result = place.python("-m", "conformance", "check", "my_layers.py", *arguments, "--case", "relu-rows-float64")
    assert result.returncode == 1 and "relu gave no answer within 0.5 s" in result.stdout, said(result)
    (explain,) = conformance.check(place.folder / "my_layers.py", ["relu"], case="relu-rows-float64", timeout=0.5).explanations.values()
    again = "--layers relu --case relu-rows-float64 --timeout 0.5"
    assert again in explain(), f"the command for the case alone repeats it: {explain()}"


def test_in_a_process_of_its_own_a_file_is_judged_alike(place):
    place.write("my_layers.py", RIGHT + "def relu(x): return x\n")
    here, there = (place.python("-m", "conformance", "check", "my_layers.py", "--mode", mode) for mode in ("inprocess", "process"))
    assert here.returncode == there.returncode == 1, f"{said(here)}{said(there)}"
    plain = [re.sub(r" --mode process| in [\d.]+ s", "", done.stdout) for done in (here, there)]
    assert plain[0] == plain[1] and " --mode process" in there.stdout, "the same is told, with the command that repeats it"


@pytest.mark.parametrize(
    ("what", "arguments", "sentence"),
    [
        ("reference", {"mode": "thread"}, "mode must be one of inprocess, process, sandbox, got 'thread'"),
        ("reference", {"timeout": 0}, "timeout must be a positive number of seconds, got 0"),
        ("reference", {"timeout": float("nan")}, "timeout must be a positive number of seconds, got nan"),
        ("reference", {"mode": "inprocess", "timeout": 5}, "a timeout needs mode 'process': a call in this process cannot be stopped"),
        ({"relu": abs}, {"mode": "process"}, "dict is an object of this process"),
    ],
)
def test_what_cannot_be_run_so_is_said(what, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        conformance.check(what, **arguments)


@pytest.mark.parametrize("arguments", ["--timeout=0", "--timeout=5 --mode=inprocess", "--mode=thread", "--timeout=x"])
def test_what_cannot_be_run_so_ends_with_2(place, arguments, capsys, monkeypatch):
    monkeypatch.chdir(place.folder)
    place.write("my_layers.py", RIGHT)
    try:
        code = check.main(["my_layers.py", *arguments.split()])
    except SystemExit as usage:
        code = usage.code
    said = capsys.readouterr()
    assert (code, said.out) == (2, ""), f"nothing is asked: {said}"
    assert len(said.err.strip().splitlines()[-1]) > 20, f"the last line says why: {said.err}"


NEVER = "def relu(x): raise NotImplementedError('not yet')\ndef dense_forward(x, kernel, bias): raise NotImplementedError('not yet')\n"


def test_nothing_passed_and_nothing_failed_is_no_success(place):
    place.write("my_layers.py", NEVER)
    result = place.python("-m", "conformance", "check", "my_layers.py")
    assert result.returncode == 2, f"without an answer there is no verdict: {said(result)}"
    assert "Nothing could be asked: 0 of " in result.stdout and "not yet" in result.stdout, f"the report says why: {result.stdout}"
    report = conformance.check(place.folder / "my_layers.py")
    assert not report.ok and not report.answered and not report.failed(), "a program is told the same"


def test_one_answer_is_a_verdict(place):
    place.write("my_layers.py", RIGHT + NEVER)
    assert place.python("-m", "conformance", "check", "my_layers.py").returncode == 0, "Flatten was answered, and right"


@pytest.mark.parametrize("text", [ENDLESS, STUBBORN, ENDLESS.replace("def relu(x):", "if True:")], ids=["function", "stubborn", "import"])
def test_watching_survives_an_endless_loop(place, text):
    place.write("my_layers.py", text)
    with begun(place, "--watch") as process:
        try:
            (place.folder / "started").read_text()
            place.write("my_layers.py", RIGHT)
            lines = until(process, "Watching")
        finally:
            process.kill()
    assert any("Saved while it was checked" in line for line in lines), f"the loop was left behind: {lines}"
    assert any("Nothing is wrong" in line for line in lines), f"the answer is about the file as it is now: {lines}"


def test_watching_survives_a_file_that_cannot_be_read(place):
    place.write("my_layers.py", "def f(:\n")
    with begun(place, "--watch") as process:
        try:
            until(process, "Watching")
            (place.folder / "my_layers.py").unlink()
            until(process, "Watching")
            place.write("my_layers.py", RIGHT)
            lines = until(process, "Watching")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=ABANDON_AFTER)
        finally:
            process.kill()
    assert any("Nothing is wrong" in line for line in lines), f"it is checked once it can be: {lines}"
    assert "SyntaxError" in errors and "there is no file my_layers.py" in errors, f"what was wrong before was told: {errors}"
    assert process.returncode == 130 and errors.endswith("Stopped.\n"), f"Ctrl-C ends it: {process.returncode} {errors}"


def test_the_word_watch_is_not_abbreviated(place):
    place.write("my_layers.py", RIGHT)
    result = place.python("-m", "conformance", "check", "my_layers.py", "--wat")
    assert result.returncode == 2 and "unrecognized arguments: --wat" in result.stderr, f"the check in it would watch, too: {said(result)}"


def test_help_tells_how_it_ends(place):
    result = place.python("-m", "conformance", "check", "--help")
    told = " ".join(result.stdout.split())
    for word in ("Ends with 0 when nothing is wrong", "with 2 when nothing could be", "130 when Ctrl-C", "--mode", "--timeout SECONDS"):
        assert word in told, f"{word!r} is missing: {result.stdout}"
