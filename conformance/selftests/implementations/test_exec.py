"""Programs and processes as the suite's command meets them: a client in C, hangs and crashes in a run, and the options."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conformance import plugin
from conformance.base.call import REFUSED, Question
from conformance.base.record import CORE, ERROR, PASSED, TIMEOUT, UNSUPPORTED
from conformance.cases import ALL
from conformance.cases.case import declared_cases
from conformance.checks import drawn
from conformance.implementations import PROCESS
from conformance.implementations.protocol import find
from conformance.judging.session import CaseRunner, Session
from conformance.judging.shrink import script
from conformance.selftests.builders.place import RECORDED

ROOT = Path(plugin.__file__).resolve().parents[2]
SOURCE = ROOT / "fixtures" / "implementations" / "dense_lstm.c"
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
TROUBLE = """
import os, signal
import numpy as np
def dense_forward(x, kernel, bias=None): return x @ kernel + (0 if bias is None else bias)
def flatten_forward(x): os.write(2, b"no memory\\n"); os.kill(os.getpid(), 11)
def relu(x):
    print("hang", file=open("hangs", "a"), flush=True)
    signal.pause()
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a folder of the user's."""
    command = [sys.executable, "-m", "pytest", "--pyargs", "-n0", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-q", "-rs"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return subprocess.run([*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def records(folder: Path) -> list[dict[str, str]]:
    return json.loads((folder / "records.json").read_text())["records"]


LACKS = (
    "activation=", "recurrent_activation=", "zero_output_for_mask", "mask of I32", "mask of F", "mask with 3 axes", "dropout",
    "recurrent_dropout", "input of several types", "training",
)
"""What the client in C does not have, as its answers name it: options, and arrays that are not all of one float type."""
HAS = ("activation=linear", "activation=relu", "activation=sigmoid", "activation=tanh")


@pytest.mark.skipif(not SOURCE.is_file(), reason="the samples are only in a checkout")
@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler to make the sample client with")
def test_a_client_in_c_is_judged_and_passes_all_that_it_has(tmp_path):
    program = tmp_path / "my layers" / "dense lstm"
    program.parent.mkdir()
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run([str(COMPILER), *flags, "-o", str(program), str(SOURCE), "-lm"], check=True)
    # One of the many activation functions that it lacks stands for all of them.
    asked = "not (test_dropout or test_drawn or test_backward or Dense-backward or LSTM-backward or check_grads)"
    chosen = f"{asked} and (not activation or relu or sigmoid or tanh or softmax) and not tanh_shrink"
    arguments = ("--conform-layers=Dense,LSTM", "--conform-oracle=recorded", "--conform-json=records.json", "-k", chosen)
    done = run(tmp_path, "--iut=exec:'my layers/dense lstm'", *arguments, "conformance.suite")
    assert done.returncode == 0, f"the client in C is not right:\n{done.stdout}{done.stderr}"
    judged = records(tmp_path)
    passed = {record["id"] for record in judged if record["status"] == PASSED}
    for has in ("mask=right", "initial_state=given", "return_state", "return_sequences", "go_backwards", "use_bias=False", "relu"):
        assert any(has in name for name in passed), f"nothing with {has} passed"
    for kind in ("test_stateful[LSTM", "test_repeated[LSTM]"):
        assert any(name.startswith(kind) for name in passed), f"{kind} did not pass"
    for record in judged:
        said = record["message"].strip()
        if record["status"] == UNSUPPORTED:
            _, does_not_take, option = said.rpartition(REFUSED)
            said = option if does_not_take else said
            assert said.startswith(LACKS) and not said.endswith(HAS), f"{record['id']} is unsupported because of {said!r}, which it has"


def test_a_hang_and_a_crash_are_statuses_of_their_cases_and_the_run_goes_on(tmp_path):
    (tmp_path / "mine.py").write_text(TROUBLE)
    options = ("--iut=mine.py", "--conform-iut-mode=process", "--conform-timeout=1.5", "--conform-json=records.json")
    asked = {
        "relu": "relu and rows and not (value or _rows or slope or threshold)",
        "Flatten": "Flatten and one_row",
        "Dense": "Dense and one_row and not activation",
    }
    chosen = ("-k", f"float64 and ({' or '.join(asked.values())})", f"--conform-layers={','.join(asked)}")
    done = run(tmp_path, *options, *chosen, RECORDED, "--conform-profile=smoke", "conformance.suite.test_forward")
    found = {(record["layer"], record["pass"]): (record["status"], record["message"]) for record in records(tmp_path)}
    assert found == {
        ("relu", "forward"): (TIMEOUT, "relu gave no answer within 1.5 s"),
        ("Flatten", "forward"): (ERROR, "the program ended during flatten_forward: signal SIGSEGV, its last line: no memory"),
        ("Dense", "forward"): (PASSED, ""),
    }, f"the cases end as {found}\n{done.stdout}{done.stderr}"
    assert done.returncode == 1, "a hang and a crash do not fail the run"
    facts = json.loads((tmp_path / "records.json").read_text())
    assert (facts["iut_mode"], facts["timeout"]) == ("process", 1.5), f"the results do not say how it was called: {facts['iut']}"
    again = [line for line in done.stdout.splitlines() if line.startswith("  again ")]
    named = [{"--conform-iut-mode=process", "--conform-timeout=1.5"} <= set(shlex.split(line)) for line in again]
    assert len(named) == 2 and all(named), f"the commands to repeat lack the options:\n{again}"


def test_a_drawn_case_that_hangs_is_shown_and_not_made_smaller(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(TROUBLE)
    session = Session("mine.py", profile="smoke", mode=PROCESS, timeout=1.5)
    found = []
    drawn.check(CaseRunner(session, "relu", str, lambda record, tell: found.append((record, tell()))), "relu", "forward", CORE)
    session.implementation.close()
    ((record, said),) = found
    assert (record.status, record.message) == (TIMEOUT, "relu gave no answer within 1.5 s"), f"the case ends as {record}"
    assert "print(relu(x" in said, f"the call that hangs is not shown:\n{said}"
    hangs = (tmp_path / "hangs").read_text().split()
    assert len(hangs) <= 3, f"a call that hangs was made {len(hangs)} times, to make it smaller"


USAGE = {
    "a mode that there is not": (
        ["--conform-iut-mode=thread"],
        "--conform-iut-mode must be one of inprocess, process, sandbox, got 'thread'",
    ),
    "no time": (["--conform-timeout=0"], "--conform-timeout must be a positive number of seconds, got '0'"),
    "endless time": (["-o", "conform_timeout=inf"], "--conform-timeout must be a positive number of seconds, got 'inf'"),
    "a program that there is not": (["--iut=exec:./nothing --fast"], "--iut=exec:./nothing --fast: there is no program ./nothing"),
}


@pytest.mark.parametrize("kind", USAGE)
def test_what_cannot_be_run_is_refused_before_anything_is_collected(kind, tmp_path):
    arguments, sentence = USAGE[kind]
    done = run(tmp_path, *arguments, "conformance.suite.test_forward")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, f"{kind} is not refused:\n{done.stdout}{done.stderr}"
    assert sentence in done.stderr, f"the sentence is missing:\n{done.stderr}"


def test_a_command_is_looked_for_without_being_run(tmp_path):
    (tmp_path / "text").write_text("no program")
    assert find(f"exec:{shlex.quote(sys.executable)} -c 'print(1)'") is None, "a program that there is was not found"
    assert find("exec:sh") is None, "a program on the search path was not found"
    assert find(f"exec:{tmp_path}/text") == f"{tmp_path}/text is not executable", "a text file passes for a program"
    assert "cannot be split into words" in str(find("exec:'half")), "half a quotation passes for a command"
    assert find("exec:") == "there is no command after exec:", "nothing passes for a command"


def test_the_script_of_a_program_shows_values_and_imports_nothing_of_it():
    question = Question("dense_forward", (np.ones((1, 2)), np.ones((2, 1))), {"activation": "relu"})
    text = script(ALL["Dense"], next(declared_cases(ALL["Dense"])), question, (np.array([[2.0]]),), "exec:./mine --fast")
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"the script does not run:\n{done.stderr}\n{text}"
    assert "# exec:./mine --fast is asked for dense_forward(x, kernel, activation=activation)" in text, f"the call is not told:\n{text}"
