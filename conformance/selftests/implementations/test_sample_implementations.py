"""The suite as a student meets it: a file with three mistakes fails where they are, a right one passes what it supports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.oracle.recorded.reader import Recorded

ORACLE = Recorded()
ROOT = Path(__file__).resolve().parents[3]
SAMPLES = ROOT / "fixtures" / "implementations"
LAYERS = "Dense,Flatten,Conv2D,LSTM,MaxPooling2D,relu,softmax"
LEFT_OUT = ("activation", "dilation_rate", "groups", "data_format", "unroll", "mask", "initial_state", "training", "many")
"""Words in the ids of cases that would only make these runs longer."""

MISTAKES = {
    "Dense": "looks like   the bias is left out",
    "LSTM": "looks like   the gates stand in the order i, f, o, c instead of i, f, c, o",
    "Conv2D": "looks like   padding='same' adds equally many cells on both sides",
}
WITHOUT_BIAS = ("use_bias", "empty_batch", "nan", "infinite")
"""Words in the ids of those Dense cases in which a missing bias cannot show."""


def _judge(name, folder):
    """Exit code, terminal output and records of the suite on a sample."""
    target = folder / "result.json"
    command = [sys.executable, "-m", "pytest", str(ROOT / "conformance" / "suite" / "test_forward.py"), "-n0"]
    command += ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    command += ["--conform-oracle=recorded", f"--iut={SAMPLES / name}", "--conform-profile=smoke"]
    command += [f"--conform-layers={LAYERS}", f"--conform-json={target}"]
    command += ["-k", f"float64 and not ({' or '.join(LEFT_OUT)})"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert target.exists(), f"no result was written:\n{done.stdout}\n{done.stderr}"
    return done.returncode, done.stdout, json.loads(target.read_text())


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    return _judge("broken.py", tmp_path_factory.mktemp("broken"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return _judge("plain.py", tmp_path_factory.mktemp("plain"))


def _statuses(result, layer):
    return {record["id"]: record["status"] for record in result["records"] if record["layer"] == layer}


def test_broken_fails_in_the_layers_with_mistakes_only(broken):
    code, _, result = broken
    assert code == 1, f"a run with failures ended with exit code {code}"
    failing = {record["layer"] for record in result["records"] if record["status"] not in ("passed", "unsupported")}
    assert failing == set(MISTAKES), f"these layers fail: {sorted(failing)}"


def test_broken_lstm_passes_nothing(broken):
    assert set(_statuses(broken[2], "LSTM").values()) == {"failed", "unsupported"}, "an LSTM with swapped gates passed a case"


def test_broken_dense_passes_only_where_a_bias_cannot_show(broken):
    passed = [name for name, status in _statuses(broken[2], "Dense").items() if status == "passed"]
    wrong = [name for name in passed if not any(word in name for word in WITHOUT_BIAS)]
    assert not wrong, f"a Dense layer without its bias passed {wrong}"


def test_broken_convolution_fails_with_padding_same_only(broken):
    records = [record for record in broken[2]["records"] if record["layer"] == "Conv2D"]
    failing = [record for record in records if record["status"] == "failed"]
    assert failing, "the symmetric padding was not noticed"
    assert all(record["options"]["padding"].lower() == "same" for record in failing), f"valid padding failed too: {failing}"
    assert any(record["status"] == "passed" for record in records), "the right part of the convolution earned nothing"


@pytest.mark.parametrize("layer", MISTAKES)
def test_the_output_names_the_mistake(broken, layer):
    _, output, _ = broken
    assert MISTAKES[layer] in output, f"the mistake in {layer} is not named:\n{output[:3000]}"


def test_the_output_says_how_to_run_a_failure_again(broken):
    _, output, _ = broken
    assert "again   pytest --iut=" in output, "no command to repeat a failure"


def test_plain_passes_what_it_supports(plain):
    code, output, result = plain
    assert code == 0, f"a run without failures ended with exit code {code}:\n{output[-3000:]}"
    assert {record["status"] for record in result["records"]} == {"passed", "unsupported"}, "plain.py is right, and something failed"
    for layer in ("Dense", "Flatten", "LSTM", "MaxPooling2D", "relu", "softmax"):
        assert "passed" in _statuses(result, layer).values(), f"{layer} of plain.py passed nothing"
    assert set(_statuses(result, "Conv2D").values()) == {"unsupported"}, "a layer that plain.py does not have is not unsupported"


@pytest.mark.parametrize("name", ["broken.py", "plain.py"])
def test_samples_stand_on_numpy_alone(name):
    lines = [line for line in (SAMPLES / name).read_text().splitlines() if line.startswith(("import ", "from "))]
    assert lines == ["import numpy as np"], f"{name} imports more than NumPy: {lines}"


def test_the_example_of_the_readme_is_right_once_it_is_mended(tmp_path):
    from conformance.cases import layer_cases
    from conformance.cases.case import declared_cases
    from conformance.implementations.module import ModuleImplementation
    from conformance.judging.judge import judge_case

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    example = next(block.split("```")[0] for block in text.split("```python\n")[1:] if block.startswith("# my_layers.py"))
    wrong, right = "return x @ kernel\n", "return x @ kernel + bias"
    assert wrong in example and f"With `{right}` nothing is wrong any more" in text, "README shows a mistake, and says how it is mended"
    path = tmp_path / "my_layers.py"
    path.write_text(example.replace(wrong, f"{right}\n"))
    implementation = ModuleImplementation(str(path))
    for name in ("relu", "Dense", "Flatten"):
        cases = list(declared_cases(layer_cases(name), "smoke"))
        verdicts = {case.id: judge_case(case, implementation, ORACLE, 0, strict=False).verdict for case in cases}
        bad = {key: verdict.sentence for key, verdict in verdicts.items() if verdict.status not in ("passed", "unsupported")}
        assert not bad, f"the README's {name} fails: {bad}"
        assert any(verdict.status == "passed" for verdict in verdicts.values()), f"the README's {name} passes nothing"
