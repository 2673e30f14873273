"""The report of trainings in step, and its figures: words by the figures, pictures drawn once for the same data."""

import importlib.util
import json

import pytest

from conformance.studies.data.paths import runs_dir
from conformance.studies.experiments.gap_runs import GapRun
from conformance.studies.reports import figures, generate
from conformance.studies.reports import training as training_report

CURVE = [1e-7, 3e-7, 2e-7]


def row(dtype, largest, keras=1.0, numpy=1.0, jump=0.5):
    named = {"model": "cnn", "optimizer": "SGD, momentum=0.9", "dtype": dtype, "steps": 3, "seeds": [0, 1, 2]}
    if dtype == "float32":
        factors = {"keras": keras, "numpy": numpy}
        named["curves"] = {side: [factor * one for one in CURVE] for side, factor in factors.items()}
        named["drift"] = {side: [factor * 1e-7, factor * 3e-7, jump] for side, factor in factors.items()}
    return {**named, "max_loss_difference": largest, "max_weight_difference": 0.0, "keras_macro_f1": 0.75, "reference_macro_f1": 0.5}


def record(largest=1e-14, **drift):
    rows = [row("float64", largest), row("float32", 1e-6, **drift)]
    return {"command": "conform lockstep", "versions": {"keras": "3"}, "data_sha256": {"cnn": "d" * 64}, "batch": 16, "rows": rows}


def run(seed, side, optimizer="adam"):
    return {"run": GapRun(seed, "rnn", "study", optimizer, side).to_json(), "train_loss": [1.0, 0.5], "valid_macro_f1": [0.25, 0.5]}


def test_the_words_follow_from_the_figures():
    assert "All 9 steps agree" in training_report.markdown(record(), []), "three steps of three seeds"
    assert "Beyond the bound: `cnn` with SGD" in training_report.markdown(record(largest=1e-8), []), "what does not agree is named"
    assert "further than Keras in 1 of 1 rows: 2.00 to 2.00 times" in training_report.markdown(record(numpy=2.0), []), "the median decides"
    assert "further than Keras in 0 of 1 rows: 0.50 to 0.50 times" in training_report.markdown(record(keras=2.0), []), "either way"
    assert "in 1 of 3 trainings of Keras and in 1 of NumPy" in training_report.markdown(record(), []), "a training that jumped is counted"
    assert "in 0 of 3 trainings of Keras and in 0 of NumPy" in training_report.markdown(record(jump=1e-5), []), "one that drifted is not"
    assert "at most 0.2500" in training_report.markdown(record(), []), "macro-F1 beside it"


def test_only_figures_that_are_there_are_shown():
    assert training_report.DRIFT in training_report.markdown(record(), [training_report.DRIFT]), "one that is there"
    assert ".png" not in training_report.markdown(record(), []), "none that is not"


def test_the_histories_are_those_of_the_first_seed():
    shown = training_report.history_data([run(1, "keras"), run(3, "keras"), run(1, "numpy"), run(1, "numpy", "sgd")])
    assert [(one["optimizer"], one["side"]) for one in shown[0]["runs"]] == [("adam", "keras"), ("adam", "numpy"), ("sgd", "numpy")]
    assert all(not one["runs"] for one in shown[1:]), "models without a run stay empty"
    assert training_report.history_data([]) == [], "and without any run there is no figure"


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="figures need matplotlib")
def test_a_figure_is_drawn_once_for_the_same_data_and_says_nothing_of_this_machine(tmp_path):
    data = training_report.drift_data(record())
    one, other = tmp_path / "one.png", tmp_path / "other.png"
    figures.draw_drift(one, data)
    figures.draw_drift(other, data)
    assert one.read_bytes() == other.read_bytes(), "drawn twice, the same bytes"
    assert b"Software" not in one.read_bytes(), "without the program that drew it"
    assert figures.shows(one, data), "it carries the checksum of what it shows"
    assert not figures.shows(one, training_report.drift_data(record(numpy=3.0))), "which is that of no other data"
    assert not figures.shows(tmp_path / "none.png", data), "a figure that is not there shows nothing"
    assert sorted(tmp_path.iterdir()) == [one, other], "and nothing is left beside it"


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    (folder / "gap").mkdir(parents=True)
    (folder / "lockstep.json").write_text(json.dumps(record()))
    return folder


def test_reports_are_written_from_the_records_and_stay_as_they_are(tmp_path, runs):
    said = []
    generate.write_training(tmp_path / "reports", said.append, runs)
    first = {path.name: path.read_bytes() for path in (tmp_path / "reports").rglob("*.*")}
    assert json.loads(first["training.json"]) == record()["rows"], "the rows as they were recorded"
    assert "training_gap.md" not in first, "nothing is written of what was not recorded"
    assert any("no records of `conform gap`" in line for line in said), "and it is said"
    said.clear()
    generate.write_training(tmp_path / "reports", said.append, runs)
    assert "training_drift.png: unchanged" in said or "training_drift.png" not in first, "a figure is not drawn again"
    assert {path.name: path.read_bytes() for path in (tmp_path / "reports").rglob("*.*")} == first, "written again, nothing changes"


def test_the_committed_reports_are_those_of_the_committed_records(tmp_path):
    committed = generate.reports_dir()
    for name in (training_report.DRIFT, training_report.HISTORIES):
        (tmp_path / name).write_bytes((committed / name).read_bytes())
    said = []
    generate.write_training(tmp_path, said.append, runs_dir())
    for name in ("training.md", "training_gap.md", "data/training.json", "data/training_gap.json"):
        assert (tmp_path / name).read_bytes() == (committed / name).read_bytes(), f"{name} is what `make reports` writes"
    for name in (training_report.DRIFT, training_report.HISTORIES):
        assert f"{name}: unchanged" in said, f"{name} shows what was recorded"
