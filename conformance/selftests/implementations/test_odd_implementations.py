"""Implementations with unusual names, places and habits: judged right, named so that a reader can repeat what was seen."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conformance.base.record import CORE, ERROR, PASSED
from conformance.cases import ALL
from conformance.cases.case import declared_cases
from conformance.cases.questions import Question
from conformance.checks import drawn
from conformance.implementations.module import ModuleImplementation
from conformance.judging.judge import judge_case
from conformance.judging.session import CaseRunner, Session
from conformance.judging.shrink import script
from conformance.judging.verdict import SINGLE_ONLY
from conformance.oracle.live.forward import expect
from conformance.oracle.recorded.reader import Recorded
from conformance.selftests.builders.place import RECORDED

ORACLE = Recorded()
PYTEST = Path(sys.executable).with_name("pytest")
BUFFER = """
import numpy as np
BUFFERS = {}
def flatten_forward(x, data_format="channels_last"):
    if data_format == "channels_first" and x.ndim > 2:
        x = np.moveaxis(x, 1, -1)
    y = x.reshape(len(x), int(np.prod(x.shape[1:])))
    buffer = BUFFERS.setdefault((y.shape, y.dtype), np.empty_like(y))
    buffer[...] = y
    return buffer
"""
WRONG = """
class Layers:
    def dense_forward(self, x, kernel, bias=None, activation=None):
        return x @ kernel + (0 if bias is None else bias) + 1
layers = Layers()
by_name = {"dense_forward": layers.dense_forward}
"""
FLOAT32_INSIDE = """
import numpy as np
import reference

def _inside(function):
    def called(x, **options):
        return function(x.astype(np.float32), **options).astype(x.dtype)
    return called

globals().update({name: _inside(function) for name, function in reference.ACTIVATIONS.items()})
"""


def _pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a user types it, in a folder of the user's."""
    command = [str(PYTEST), "--pyargs", "-n0", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-q", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_an_array_that_is_used_for_the_next_answer_fails(tmp_path):
    (tmp_path / "mine.py").write_text(BUFFER)
    done = _pytest(tmp_path, "--iut=mine.py", "--conform-layers=Flatten", RECORDED, "conformance.suite.test_repeated")
    assert done.returncode == 1, f"one buffer for all answers passed:\n{done.stdout}"
    assert "the array is used for the next answer as well" in done.stdout, f"the cause is not told:\n{done.stdout}"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "my work"
    folder.mkdir()
    (folder / "my-layers v2.py").write_text(WRONG)
    return folder


def test_the_command_of_a_failure_works_as_printed(folder):
    arguments = ("--iut=my-layers v2.py:layers", "--conform-layers=Dense", "--conform-profile=smoke", RECORDED, "-k", "features-float64")
    said = _pytest(folder, *arguments, "conformance.suite.test_forward").stdout
    again = next(line for line in said.splitlines() if line.startswith("  again   pytest")).split("pytest", 1)[1]
    repeated = _pytest(folder, *shlex.split(again))
    assert repeated.returncode == 1 and "FAILED" in repeated.stdout, f"the command did not run the test again:\n{again}\n{repeated.stdout}"


def test_the_script_of_a_drawn_failure_works_as_printed(folder, monkeypatch):
    monkeypatch.chdir(folder)
    messages = []
    runner = CaseRunner(Session("my-layers v2.py:layers", profile="smoke"), "Dense", str, lambda record, tell: messages.append(tell()))
    drawn.check(runner, "Dense", "forward", CORE)
    (said,) = messages
    lines = said[said.index("import numpy as np") :].splitlines()
    (folder / "alone.py").write_text("\n".join(lines[: next(n for n, line in enumerate(lines) if line.startswith("print(")) + 1]))
    done = subprocess.run([sys.executable, "alone.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "[[" in done.stdout, f"the script does not run:\n{done.stderr}\n{said}"


@pytest.mark.parametrize("name", ["pack.age", "pack.age:layers", "pack.age:by_name", "file.py", "file.py:by_name"])
def test_a_script_gets_the_function_from_where_it_is(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "pack").mkdir()
    module = WRONG + "dense_forward = layers.dense_forward\n"
    (tmp_path / "pack" / "age.py").write_text(module)
    (tmp_path / "file.py").write_text(module)
    question = Question("dense_forward", (np.ones((1, 2)), np.ones((2, 1))), {})
    text = script(ALL["Dense"], next(declared_cases(ALL["Dense"])), question, (np.array([[2.0]]),), name)
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[[3.]]", f"the script of {name} says {done.stdout}{done.stderr}\n{text}"


def test_a_module_in_the_working_folder_is_found_by_the_plain_command(tmp_path):
    (tmp_path / "mylayers").mkdir()
    (tmp_path / "mylayers" / "__init__.py").write_text("def flatten_forward(x): return x.reshape(len(x), int(x[:1].size))\n")
    arguments = ("--iut=mylayers", "--conform-layers=Flatten", "--conform-profile=smoke", RECORDED, "conformance.suite.test_forward")
    done = _pytest(tmp_path, *arguments, "-k", "not empty")
    assert done.returncode == 0 and "passed" in done.stdout, f"the package beside the user is not found:\n{done.stdout}{done.stderr}"


def test_a_namespace_that_raises_is_an_error_of_the_case(tmp_path):
    (tmp_path / "mine.py").write_text("class Odd:\n    def __getattr__(self, name): raise RuntimeError('not ' + name)\nlayers = Odd()\n")
    case = next(declared_cases(ALL["Flatten"]))
    verdict = judge_case(case, ModuleImplementation(f"{tmp_path / 'mine.py'}:layers"), ORACLE, 0, strict=False).verdict
    assert verdict.status == ERROR, f"a lookup that raises gives {verdict.status}"
    assert "looking up flatten_forward raised RuntimeError: not flatten_forward" in verdict.sentence, verdict.sentence


ENDS = {
    "sys.exit(0)": "SystemExit: 0",
    "pytest.skip('not today')": "Skipped: not today",
    "pytest.exit('done', 0)": "Exit: done",
    "raise GeneratorExit": "GeneratorExit: ",
}


@pytest.mark.parametrize("end", ENDS)
def test_what_would_end_a_test_or_a_run_is_an_error_of_the_case(end, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(f"import sys, pytest\ndef relu(x): {end}\n")
    answer = ModuleImplementation(str(path)).ask(Question("relu", (np.ones(3),)))
    assert answer.status == ERROR and f"relu raised {ENDS[end]}" in answer.message, f"{end} becomes {answer}"
    path = tmp_path / "at_import.py"
    path.write_text(f"import sys, pytest\n{end}\n")
    answer = ModuleImplementation(str(path)).ask(Question("relu", (np.ones(3),)))
    assert answer.status == ERROR and f"cannot be imported: {ENDS[end]}" in answer.message, f"{end} at import becomes {answer}"


def test_an_interrupt_is_the_users_whoever_raises_it(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def relu(x): raise KeyboardInterrupt\n")
    implementation = ModuleImplementation(str(path))
    with pytest.raises(KeyboardInterrupt):
        implementation.ask(Question("relu", (np.ones(3),)))
    path.write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        ModuleImplementation(f"{path.parent}/../{path.parent.name}/mine.py").ask(Question("relu", (np.ones(3),)))


@pytest.mark.parametrize("name", ["exponential", "softmax", "log_softmax", "hard_shrink", "sparsemax"])
def test_float32_inside_is_no_mistake_unless_asked_for(name, tmp_path):
    """Large and wide values, whose rounding the function magnifies, included."""
    path = tmp_path / "inside.py"
    path.write_text(FLOAT32_INSIDE)
    implementation = ModuleImplementation(str(path))
    seen = set()
    for case in declared_cases(ALL[name]):
        if case.dtype == "float64":
            verdict = judge_case(case, implementation, ORACLE, 0, strict=False).verdict
            assert verdict.status == PASSED, f"{case.id}: {verdict.sentence}"
            seen.update(verdict.remarks)
    assert SINGLE_ONLY in seen, "nothing was remarked as accurate to float32 only"


def test_float32_inside_is_judged_by_what_it_sees():
    """The room that rounding the input makes is that of this input, not a wider rule: a wrong function stays wrong."""
    case = next(case for case in declared_cases(ALL["exponential"]) if case.dtype == "float64" and case.call.get("values") == "wide")
    result = judge_case(case, ModuleImplementation("reference"), ORACLE, 0, strict=False)
    expectation = expect(ALL["exponential"], case, result.arrays)
    single = expectation.single()
    rounded = np.exp(result.arrays.x.astype(np.float32).astype(float))
    assert np.array_equal(single.outputs[0], rounded), "the alternative is not the answer to the rounded input"
