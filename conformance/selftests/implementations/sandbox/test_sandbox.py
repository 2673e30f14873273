"""Submissions in the sandbox: honest ones are answered as anywhere else, and how each ends is told."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import conformance
from conformance.base.call import Question
from conformance.base.errors import SandboxError, UnimportableError
from conformance.base.record import ERROR, PASSED, TIMEOUT
from conformance.cli import check as check_command
from conformance.cli import doctor
from conformance.implementations import SANDBOX
from conformance.implementations.protocol import find
from conformance.implementations.sandbox import launcher, program
from conformance.implementations.sandbox.launcher import (
    CRASHED,
    OK,
    REJECTED,
    TIMED_OUT,
    UNGRADABLE,
    SandboxImplementation,
    homes,
    locks,
)
from conformance.implementations.sandbox.limits import Limits
from conformance.selftests.builders.place import checkout
from conformance.selftests.implementations.sandbox.builder import needs_locks
from conformance.selftests.implementations.test_process import SHOULD_HAVE_ENDED

pytestmark = needs_locks

SAMPLES = program.ROOT / "fixtures" / "implementations"
X = np.arange(6.0).reshape(2, 3)
TIGHT = Limits(call=0.3, start=1.0, idle=0.5)
HONEST = """
import dataclasses, json, random
import numpy as np
def relu(x): return np.maximum(x, 0)
def draws(x): return np.random.default_rng(0).random(3)
def quiet(x):
    with open(__import__("os").devnull, "w") as nothing:
        print("hello", file=nothing)
    print("hello")
    return x
def by_threads(x):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(2) as pool:
        return np.stack(list(pool.map(np.exp, x)))
def endless(x):
    while True: pass
def asleep(x):
    import time
    time.sleep(10000)
def crashing(x): __import__("os")._exit(3)
def where(x): return (__import__("os").getpid(), __file__)
"""


@pytest.fixture
def submitted(tmp_path):
    """Makes implementations of texts, and ends them."""
    made = []

    def make(text, limits=TIGHT, name="layers.py"):
        (tmp_path / name).write_text(text)
        made.append(SandboxImplementation(str(tmp_path / name), limits))
        return made[-1]

    yield make
    for implementation in made:
        implementation.close()


def asked(implementation, name):
    return implementation.ask(Question(name, (X,)))


def test_what_honest_code_does_works(submitted):
    implementation = submitted(HONEST)
    right = {"relu": np.maximum(X, 0), "draws": np.random.default_rng(0).random(3), "quiet": X, "by_threads": np.exp(X)}
    for name, value in right.items():
        answer = asked(implementation, name)
        assert answer.status == PASSED and np.array_equal(answer.value, value), f"{name}: {answer}"
    assert implementation.ending == OK, f"it ended as {implementation.ending}"
    held = implementation.usage.locks
    assert re.match(r"Landlock \d+, seccomp, no new privileges, user \d+", held), f"{held!r} holds it"


def test_the_submission_is_never_imported_here(submitted, tmp_path):
    pid, path = asked(submitted(HONEST), "where").value
    assert pid != os.getpid(), "it runs in this process"
    assert not [name for name in sys.modules if name.startswith("conform_iut_layers")], "it was imported here as well"
    assert Path(path).name == "layers.py" and not Path(path).is_relative_to(tmp_path), "it runs where it was submitted"


@checkout
def test_a_sample_is_judged_as_in_any_other_process():
    layers = ["relu", "Dense", "LSTM", "MaxPooling2D", "Flatten"]
    path = SAMPLES / "plain.py"
    here, there = (conformance.check(path, layers, mode=mode, timeout=timeout) for mode, timeout in ((None, None), (SANDBOX, 20.0)))
    told = [[(one.id, one.status, one.message) for one in report.records] for report in (here, there)]
    assert len(told[0]) > 20 and told[0] == told[1], "a verdict depends on where the code runs"


@pytest.mark.parametrize(("name", "says"), [("endless", "within 0.3 s$"), ("asleep", "it computed for 0.0 s and waited for 0.5 s$")])
def test_a_call_that_takes_too_long_is_stopped_and_the_next_one_is_answered(name, says, submitted):
    implementation = submitted(HONEST)
    answer = asked(implementation, name)
    assert answer.status == TIMEOUT and re.search(says, answer.message), f"{answer}"
    assert asked(implementation, "relu").status == PASSED, "nothing is answered after it"
    assert implementation.usage.timeouts == 1 and implementation.ending == TIMED_OUT, f"{implementation.usage}"


@pytest.mark.parametrize("name", ["endless", "crashing"])
def test_a_function_that_never_answers_is_asked_three_times(name, submitted):
    implementation = submitted(HONEST)
    answers = [asked(implementation, name) for _ in range(5)]
    assert [answer.message for answer in answers[3:]] == [f"{name} is not asked: it did not answer 3 times"] * 2, f"{answers}"
    assert implementation.usage.timeouts + implementation.usage.crashes == 3, f"{implementation.usage}"
    assert asked(implementation, "relu").status == PASSED, "other functions are asked no more either"


def test_all_calls_together_have_their_time(submitted):
    implementation = submitted(HONEST, Limits(call=0.3, start=1.0, submission=0.8))
    answers = [asked(implementation, "endless") for _ in range(6)]
    assert {answer.status for answer in answers} == {TIMEOUT}, f"{answers}"
    assert "the submission has used up its 0.8 s" in answers[-1].message, f"{answers[-1]}"
    assert implementation.usage.computed < 0.8 + 0.3, f"{implementation.usage} is more than was allowed"
    assert asked(implementation, "relu").message == "not asked: the submission has used up its 0.8 s", "it is asked on"


def test_a_crash_is_told_and_the_next_call_is_answered(submitted):
    implementation = submitted(HONEST)
    answer = asked(implementation, "crashing")
    assert answer.status == ERROR and "exit code 3" in answer.message, f"{answer}"
    assert asked(implementation, "relu").status == PASSED and implementation.ending == CRASHED, f"{implementation.usage}"


ENDS = {
    "no Python": ("def relu(x:\n", UNGRADABLE, "SyntaxError", "def relu(x:"),
    "raises": ("import numpy as np\nnp.no_such_thing\n", UNGRADABLE, "(layers.py, line 2)", "np.no_such_thing"),
    "Keras": ("import numpy as np\nimport keras\n", REJECTED, "keras may not be imported here", "import keras"),
    "within": ("import numpy as np\nnp.convolve([1], [1])\n", REJECTED, "numpy.convolve may not be called here", "np.convolve([1], [1])"),
    "beside": ("import helper\n", REJECTED, "helper may not be imported here", "import helper"),
    "exits": ("raise SystemExit(0)\n", UNGRADABLE, "SystemExit", "raise SystemExit(0)"),
}


@pytest.mark.parametrize("kind", ENDS)
def test_what_cannot_be_imported_says_why_with_its_line(kind, submitted, tmp_path):
    (tmp_path / "helper.py").write_text("")
    text, ending, says, line = ENDS[kind]
    implementation = submitted(text, Limits(forbidden=("np.convolve",)))
    with pytest.raises(UnimportableError) as caught:
        implementation.has("relu")
    assert says in str(caught.value) and line in caught.value.excerpt, f"{caught.value.in_full}"
    assert implementation.ending == ending, f"it ended as {implementation.ending}"


def test_an_endless_import_is_tried_twice_and_no_more(submitted):
    implementation = submitted("while True: pass\n")
    answers = [asked(implementation, "relu") for _ in range(5)]
    assert {answer.status for answer in answers} == {TIMEOUT} and implementation.ending == TIMED_OUT, f"{answers}"
    assert implementation.usage.timeouts == 2, f"it was imported {implementation.usage.timeouts} times"


def test_an_array_that_is_only_told_is_no_trap(submitted):
    text = "import numpy as np\ndef relu(x): return [1.0, np.broadcast_to(np.complex64(0), (10**6, 10**6))]\n"
    answer = asked(submitted(text), "relu")
    assert (answer.status, answer.message) == (ERROR, "relu returned more than 64 MiB"), f"{answer}"


def test_an_import_that_ends_the_process_is_a_crash(submitted):
    implementation = submitted("import os\nos._exit(0)\n")
    assert asked(implementation, "relu").status == ERROR and implementation.ending == CRASHED, f"it ended as {implementation.ending}"


def test_who_asks_whether_a_package_is_there_goes_on_without_it(submitted):
    text = "import importlib.util\ntry:\n    import torch\nexcept ImportError:\n    torch = None\ndef relu(x):\n    return x\n"
    implementation = submitted(text + "def found(x): return importlib.util.find_spec('torch')\n")
    assert asked(implementation, "relu").status == PASSED, "an import that may fail is the end"
    assert asked(implementation, "found") == type(asked(implementation, "found"))(PASSED), "a package is found that cannot be imported"


def test_a_forbidden_call_is_named_with_its_line_and_may_be_done_without(submitted):
    text = "import numpy as np\ndef relu(x):\n    return np.convolve(x[0], x[0])\n"
    text += "def without(x):\n    try:\n        return np.convolve(x, x)\n    except RuntimeError:\n        return x\n"
    implementation = submitted(text, Limits(forbidden=("np.convolve",)))
    says = "relu raised ForbiddenCallError: numpy.convolve may not be called here (layers.py, line 3)"
    assert asked(implementation, "relu").message == says, f"{asked(implementation, 'relu')}"
    assert asked(implementation, "without").status == PASSED, "an own way is not taken"


def test_packages_are_those_that_are_allowed(submitted):
    text = "import tqdm\ndef relu(x): return x\n"
    assert asked(submitted(text), "relu").status == ERROR, "what nobody allowed can be imported"
    assert asked(submitted(text, Limits(packages=("numpy", "tqdm"))), "relu").status == PASSED, "what is allowed cannot be imported"
    both = Limits(packages=("tqdm",), forbidden=("tqdm",))
    assert asked(submitted(text, both), "relu").status == ERROR, "what is forbidden can be imported"
    with pytest.raises(SandboxError, match=r"no_such_package.*not installed"):
        homes(Limits(packages=("no_such_package",)))


def test_a_forbidden_function_that_is_not_there_is_nobodys_answer(submitted):
    with pytest.raises(SandboxError, match=r"np\.convolute, which may not be called, is not there"):
        asked(submitted(HONEST, Limits(forbidden=("np.convolute",))), "relu")


def test_of_a_folder_all_files_can_be_read_and_nothing_is_a_link(tmp_path):
    secret, folder = tmp_path / "secret.txt", tmp_path / "handed in"
    (folder / "part").mkdir(parents=True)
    secret.write_text("secret")
    (folder / "my layers.py").write_text(
        "import os\nfrom helper import relu\nfrom part import more\ndef data(x): return open('data.txt').read()\n"
        "def files(x): return sorted(os.listdir())\n"
    )
    (folder / "helper.py").write_text("def relu(x): return x + 1\n")
    (folder / "part" / "__init__.py").write_text("more = 1\n")
    (folder / "data.txt").write_text("values")
    (folder / "native.so").write_text("")
    (folder / "link.txt").symlink_to(secret)
    os.mkfifo(folder / "pipe")
    implementation = SandboxImplementation("my layers.py", TIGHT, folder)
    try:
        assert np.array_equal(asked(implementation, "relu").value, X + 1), "a file beside it cannot be imported"
        assert asked(implementation, "data").value == "values", "a file beside it cannot be read"
        files = asked(implementation, "files").value
    finally:
        implementation.close()
    assert files == ["data.txt", "helper.py", "my layers.py", "part"], f"the copy has {files}"


def test_a_module_is_found_without_being_imported(tmp_path, monkeypatch):
    (tmp_path / "handed_in").mkdir()
    (tmp_path / "handed_in" / "__init__.py").write_text("import os\nPID = os.getpid()\n")
    (tmp_path / "handed_in" / "layers.py").write_text("from handed_in import PID\nclass by_name:\n    def relu(x): return PID\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find("handed_in.layers:by_name", SANDBOX) is None, "it is there"
    assert find("handed_out.layers", SANDBOX) is not None, "it is not there"
    implementation = SandboxImplementation("handed_in.layers:by_name", TIGHT)
    try:
        assert asked(implementation, "relu").value not in (None, os.getpid()), "it has no answer"
    finally:
        implementation.close()
    assert "handed_in" not in sys.modules, "the package was imported here"


def test_a_model_to_predict_with_is_put_beside_it(submitted, tmp_path):
    (tmp_path / "model.keras").write_text("1")
    text = "class load_model:\n    def __init__(self, path): self.add = float(open(path).read())\n"
    text += "    def predict(self, x): return x + self.add\n"
    predict = submitted(text).predictor(tmp_path / "model.keras")
    assert predict is not None and np.array_equal(predict(X), X + 1), "the model cannot be read"


def test_nothing_is_left_behind(submitted):
    implementation = submitted(HONEST)
    path = Path(asked(implementation, "where").value[1])
    assert path.parent.is_dir(), "there is no copy to look for"
    implementation.close()
    assert not path.parent.exists(), f"{path.parent} is left behind"


def test_it_ends_with_its_parent(tmp_path):
    (tmp_path / "layers.py").write_text(HONEST)
    text = (
        "import os, signal, sys\nfrom conformance.base.call import Question\nfrom conformance.implementations.frames import Frame, encode\n"
        "from conformance.implementations.messages import Packer, question_metadata\n"
        "from conformance.implementations.sandbox.launcher import SandboxImplementation\n"
        "implementation = SandboxImplementation(sys.argv[1])\nimplementation.has('')\nprogram = implementation._program\n"
        "asked = question_metadata(Question('endless', (None,)), Packer(True))\n"
        "os.write(program._in.fileno(), encode(Frame({**asked, 'id': '7'})))\nprint(program._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", text, str(tmp_path / "layers.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=program.ROOT, check=False)
    assert done.returncode == -signal.SIGKILL, f"it did not come to its end:\n{done.stderr}"
    assert _ends(int(done.stdout)), "the submission runs on without its parent"


def _ends(pid):
    """Whether a process of another parent ends."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ready = select.select([handle], [], [], SHOULD_HAVE_ENDED)[0]
    os.close(handle)
    return bool(ready)


WITHOUT = {
    "Landlock": "landlock.CREATE_RULESET = 9999",
    "seccomp": "seccomp.MACHINES = {name: one._replace(seccomp=9999) for name, one in seccomp.MACHINES.items()}",
    "no new privileges": "child.NO_NEW_PRIVILEGES = 9999",
    "Landlock does not hold": "landlock.restrict = lambda rules: None",
    "seccomp does not hold": "seccomp.restrict = lambda: None",
    "cannot be read in the sandbox": "child.entries = lambda library: []",
    "it gave no sign|ended|exit code": "sys.exit(5)",
}


def weakened(monkeypatch, change):
    """Let the process change something of itself before it locks itself in."""
    names = "from conformance.implementations.sandbox import child, landlock, seccomp, user"
    begin = f"import sys; sys.path += sys.argv[2:]; {names}; {change}; child.main()"
    monkeypatch.setattr(program, "BEGIN", begin)


@pytest.mark.parametrize("missing", WITHOUT)
def test_a_missing_lock_is_named_before_anything_runs(missing, submitted, monkeypatch):
    weakened(monkeypatch, WITHOUT[missing])
    with pytest.raises(SandboxError, match=missing):
        asked(submitted(HONEST), "relu")


def test_a_process_that_the_system_ended_before_it_was_locked_is_started_again(submitted, monkeypatch):
    made = []

    def first_ended(*arguments):
        made.append(arguments)
        if len(made) == 1:
            raise SandboxError("the sandbox cannot be started: signal SIGKILL")
        return program.LockedProgram(*arguments)

    monkeypatch.setattr(launcher, "LockedProgram", first_ended)
    assert asked(submitted(HONEST), "relu").status == PASSED and len(made) == 2, "one process that was ended ends a whole class"


def test_a_system_without_a_sandbox_says_so(submitted, monkeypatch):
    monkeypatch.setattr(launcher, "MACHINES", {})
    with pytest.raises(SandboxError, match="only to be had on Linux"):
        asked(submitted(HONEST), "relu")
    assert "only to be had on Linux" in find("layers.py", SANDBOX), "it is looked for where it cannot run"


def test_a_program_has_no_sandbox():
    assert "only Python code" in find("exec:true", SANDBOX), "a program is started without its locks"


def test_without_another_user_capabilities_go(submitted, monkeypatch):
    if os.getuid() != 0:
        pytest.skip("only root has capabilities to lose")
    weakened(monkeypatch, "user.os.setgroups = lambda groups: user.os.kill(1, 99)")  # which fails
    text = "def relu(x): return [line for line in open('/proc/self/status')]\ndef root(x): return __import__('os').getuid()\n"
    implementation = submitted(text)
    assert asked(implementation, "root").value == 0, "the user was changed after all"
    assert "without capabilities" in implementation.usage.locks, f"{implementation.usage.locks}"


def test_the_commands_know_it(tmp_path, monkeypatch, capsys):
    (tmp_path / "layers.py").write_text("import numpy as np\ndef relu(x): return np.maximum(x, 0)\n")
    call = [str(tmp_path / "layers.py"), "--mode", "sandbox", "--timeout", "20"]
    assert check_command.main(call) == 0, f"a right layer:\n{capsys.readouterr()}"
    assert doctor.sandbox_line() == locks(), "what holds is told"
    weakened(monkeypatch, WITHOUT["Landlock"])
    assert doctor.sandbox_line().startswith("none: the sandbox does not hold here: Landlock: "), "what is missing is told"
    assert check_command.main(call) == 3, "without its locks nothing is run"
    assert "Landlock" in capsys.readouterr().err, "the missing lock is not named"


def test_the_plugin_knows_it(tmp_path):
    (tmp_path / "layers.py").write_text("import numpy as np, os\nPARENT = os.getppid()\ndef relu(x): return np.maximum(x, 0)\n")
    options = ["--iut=layers.py", "--conform-iut-mode=sandbox", "--conform-oracle=recorded", "--conform-layers=relu", "-q"]
    command = [sys.executable, "-m", "pytest", "--pyargs", "conformance.suite.test_forward", "-n0", "-p", "no:cacheprovider", *options]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(program.ROOT), *sys.path])}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and " passed" in done.stdout, f"{done.stdout}\n{done.stderr}"
