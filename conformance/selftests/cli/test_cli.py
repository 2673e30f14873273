"""The command: what it prints, how it ends, and that help needs nothing heavy."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from conformance.cli import doctor
from conformance.cli.app import app
from conformance.studies.reports import generate


@pytest.fixture
def conform():
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.fixture
def reports(tmp_path, monkeypatch):
    """A folder instead of the checkout's, and nothing scored."""
    monkeypatch.setattr(generate, "reports_dir", lambda: tmp_path)
    monkeypatch.setattr(generate, "write_macro_f1", lambda folder, data, say: say(f"scored with {data}"))
    monkeypatch.setattr(generate, "write_training", lambda folder, say: say("trainings told"))
    monkeypatch.setattr(generate, "write_experiments", lambda folder, data, say: say("experiments told"))
    monkeypatch.setattr(generate, "write_timings", lambda folder, data, say: say("timed"))
    return tmp_path


def run(**changes):
    entry = {"id": "t[LSTM-a-float32]", "layer": "LSTM", "pass": "forward", "status": "passed", "options": {}}
    entry |= {"error_over_allowance": 0.2, "keras_error_over_allowance": 0.2, "message": ""}
    return {"schema": 1, "iut": "reference", "keras": "3.15.1", "seed": 0, "profile": "standard", "records": [entry], **changes}


@pytest.mark.parametrize("arguments", [["report", "--nonsense"], ["report", "--records", "missing.json"], ["train", "nobody"]])
def test_mistakes_of_usage_end_with_2(conform, reports, arguments):
    result = conform(*arguments)
    assert result.exit_code == 2, f"conform {' '.join(arguments)} cannot be done as it was asked"
    assert result.stderr.strip(), "and says why"
    assert "Traceback" not in result.output, "in a sentence"


def test_report_writes_what_the_records_say_and_renders_it_again_without_them(conform, reports):
    (reports / "run.json").write_text(json.dumps(run()))
    result = conform("report", "--records", str(reports / "run.json"), "--data", str(reports))
    assert result.exit_code == 0, result.output
    assert f"scored with {reports}" in result.output, "--data reaches the scoring"
    assert "trainings told" in result.output and "experiments told" in result.output, "recorded trainings have their reports"
    assert "timed" not in result.output, "timings are taken only when asked for"
    first = {path.name: path.read_bytes() for path in reports.rglob("*.*")}
    assert {"conformance.md", "conformance.json", "keras_deviations.md"} <= set(first), "both reports are there"
    again = conform("report", "--timings")
    assert again.exit_code == 0, again.output
    assert "timed" in again.output, "--timings asks for them"
    assert {path.name: path.read_bytes() for path in reports.rglob("*.*")} == first, "nothing changes when nothing changed"


@pytest.mark.parametrize("content", ["[]", "not json", json.dumps({"iut": "reference"}), json.dumps(run(iut="mine.py"))])
def test_records_that_cannot_be_used_are_refused_before_anything_is_written(conform, reports, content):
    (reports / "run.json").write_text(content)
    result = conform("report", "--records", str(reports / "run.json"))
    assert result.exit_code == 2, "such records are a mistake of usage"
    assert "--records" in result.stderr, "and the sentence names the option"
    assert [path.name for path in reports.iterdir()] == ["run.json"], "nothing is written"


def test_doctor_says_what_is_here(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "oracle_line", lambda: "oracle checked")
    folder = tmp_path / "nusax-indonesian"
    folder.mkdir()
    for split in ("train", "valid", "test"):
        (folder / f"{split}.csv").touch()
    code, output = doctor.main(["--data", str(tmp_path)]), capsys.readouterr().out
    assert code == 0, output
    assert "oracle checked" in output, "the oracle is tried"
    assert f"NusaX-Senti, Indonesian: here, in {tmp_path}" in output, "data in the folder are found"
    assert f"CIFAR-10: not in the folder {tmp_path}" in output, "and what is missing there is said"


def test_help_imports_nothing_heavy():
    heavy = ("tensorflow", "keras", "sklearn", "pytest", "hypothesis", "h5py", "tabulate")
    script = f"import sys, conformance.cli.app; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", "help is quick and works where TensorFlow is not installed"
