"""The trainings of the gap: both sides train alike, each run leaves one file, and what is there is not trained again."""

import dataclasses
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from conformance.cli.app import app
from conformance.cli.studies import lockstep as run_commands
from conformance.studies.data import datasets
from conformance.studies.data.inputs import Inputs
from conformance.studies.data.paths import runs_dir
from conformance.studies.experiments import gap_runs, gap_training
from conformance.studies.experiments.gap_faults import FAULTS
from conformance.studies.experiments.gap_runs import GapRun
from conformance.studies.experiments.row import Recurrent, Row

TINY = Row(
    name="tiny",
    family="rnn",
    dataset="reviews",
    parameters=5433,
    epochs=2,
    batch_size=24,
    stack=(Recurrent(3, bidirectional=True),),
    embedding=4,
    sequence_length=8,
)
KERAS, NUMPY = (GapRun(0, "rnn", "scratch", "adam", side) for side in ("keras", "numpy"))


@pytest.fixture(autouse=True)
def tiny_row(monkeypatch):
    """A model that trains in a moment, in the place of the study's."""
    monkeypatch.setitem(gap_runs.SCRATCH_ROWS, "rnn", TINY)


@pytest.fixture(scope="module")
def inputs():
    """Some of the reviews; the last batch is a part of one."""
    data = datasets.load("reviews")
    parts = {f"{axis}_{split}": getattr(data, f"{axis}_{split}")[:64] for axis in "xy" for split in datasets.SPLITS}
    made = Inputs.of(TINY, data)
    stored = {split: ids[:64] for split, ids in made.stored.items()}
    return dataclasses.replace(made, dataset=dataclasses.replace(data, **parts), stored=stored)


@pytest.fixture(scope="module")
def records(inputs):
    """The same training on both sides."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(gap_runs.SCRATCH_ROWS, "rnn", TINY)
        return {run.side: gap_training.train_run(run, inputs) for run in (KERAS, NUMPY)}


def test_keras_and_numpy_see_the_same_weights_batches_and_dropout(records):
    keras, numpy = records["keras"], records["numpy"]
    for name in ("train_loss", "valid_loss", "valid_macro_f1"):
        assert len(keras[name]) == TINY.epochs, f"{name} of every epoch"
        assert numpy[name] == pytest.approx(keras[name], abs=1e-5), f"{name}: the two are one training"
    assert numpy["test_predictions"] == keras["test_predictions"], "which ends with the same classes"
    assert len(set(keras["train_loss"])) == TINY.epochs, "and it moves"


def test_a_record_says_what_was_trained_on_what(records, inputs):
    record = records["numpy"]
    assert GapRun(**record["run"]) == NUMPY, "the run itself"
    assert record["row"] == TINY.to_json(), "the model and its settings"
    assert record["data_sha256"] == inputs.dataset.sha256, "the data"
    assert set(record["versions"]) == {"keras", "tensorflow", "numpy"}, "what computed it"
    assert set(record["test_predictions"]) <= set("012"), "a digit for each sentence"
    assert len(record["test_predictions"]) == len(inputs.labels("test")), "of the whole test split"
    assert not record["diverged"], "and the loss stayed finite"


def test_a_training_whose_loss_is_not_finite_ends_there_and_is_recorded(inputs, monkeypatch):
    real = gap_training.numpy_side

    def exploding(model, optimizer, **how):
        side = real(model, optimizer, **how)
        return side._replace(step=lambda *batch: float("nan"), predict=lambda x: np.full((len(x), 3), np.nan))

    monkeypatch.setattr(gap_training, "numpy_side", exploding)
    record = gap_training.train_run(NUMPY, inputs)
    assert record["diverged"], "it says so"
    assert record["train_loss"] == [], "no epoch has a loss"
    assert set(record["test_predictions"]) == {"0"}, "and every sentence gets the first class"
    json.dumps(record, allow_nan=False)


def test_a_run_that_is_stored_is_not_trained_again(inputs, records, tmp_path, monkeypatch):
    trained = []

    def train(run, given):
        trained.append(run)
        return records[run.side]

    monkeypatch.setattr(gap_training, "_inputs", lambda data: inputs)
    monkeypatch.setattr(gap_training, "train_run", train)
    assert gap_training.missing([KERAS, NUMPY], tmp_path, None) == [KERAS, NUMPY], "nothing is there yet"
    gap_training._train_apart(KERAS, tmp_path, None)
    assert gap_training.stored(KERAS, tmp_path) == records["keras"], "what was trained is stored as it is"
    assert gap_training.missing([KERAS, NUMPY], tmp_path, None) == [NUMPY], "the other one is left to do"
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{KERAS.name}.json"], "one file a run, and nothing beside it"
    text = (tmp_path / f"{KERAS.name}.json").read_text()
    for other in (text[: len(text) // 2], text.replace('"seed": 0', '"seed": 1'), text.replace('"epochs": 2', '"epochs": 3')):
        (tmp_path / f"{KERAS.name}.json").write_text(other)
        assert gap_training.missing([KERAS], tmp_path, None) == [KERAS], "half a file, another run and another model do not count"
    (tmp_path / f"{KERAS.name}.json").write_text(text.replace(inputs.dataset.sha256, "0" * 64))
    assert gap_training.missing([KERAS], tmp_path, None) == [KERAS], "nor do other data"
    assert trained == [KERAS], "only what was missing was trained"


def test_runs_come_seed_by_seed_and_each_has_its_name():
    every = list(gap_runs.runs(range(2)))
    assert len({run.name for run in every}) == len(every), "no two share a file"
    assert len(every) == 2 * (2 * 2 * 2 * 2 + 2 * 2 * len(FAULTS)), "both families, models, optimizers and sides, and all mistakes"
    cells = [run.seed for run in every if not run.fault]
    assert cells == sorted(cells), "a seed is complete before the next one begins"
    assert [run for run in every if run.fault and run.optimizer == "adam"] == every[-2 * 2 * len(FAULTS) :], "mistakes with Adam come last"


def test_the_command_trains_what_is_missing(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(gap_training, "missing", lambda runs, folder, data: [KERAS, NUMPY])
    monkeypatch.setattr(gap_training, "train_all", lambda runs, folder, data, workers: iter(runs))
    monkeypatch.setattr(gap_training, "write_manifest", lambda folder, data: written.append(folder))
    monkeypatch.setattr(run_commands, "need_keras", lambda command: None)
    listed = CliRunner().invoke(app, ["gap", str(tmp_path), "--list"])
    assert listed.stdout.split() == [KERAS.name, NUMPY.name], "--list names what is missing"
    assert not written, "and trains nothing"
    done = CliRunner().invoke(app, ["gap", str(tmp_path), "--seeds", "1"])
    assert done.exit_code == 0, done.output
    assert written == [tmp_path, tmp_path], "the manifest follows every run"


def test_data_that_are_not_there_end_with_a_sentence(tmp_path):
    done = CliRunner().invoke(app, ["gap", str(tmp_path), "--data", str(tmp_path)])
    assert done.exit_code == 1, "nothing can be trained"
    assert "nusax" in done.stderr.lower(), "the sentence names the data"
    assert "Traceback" not in done.output, "and is no traceback"


def test_the_manifest_vouches_for_every_committed_run():
    import hashlib

    folder = runs_dir() / "gap"
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {path.name: path for path in folder.glob("*.json") if path.name != "manifest.json"}
    assert manifest["files"].keys() == files.keys(), "every run is in it"
    changed = [name for name, path in files.items() if hashlib.sha256(path.read_bytes()).hexdigest() != manifest["files"][name]]
    assert not changed, f"{changed} are not as they were recorded"
    for path in files.values():
        record = json.loads(path.read_text())
        assert path.stem == GapRun(**record["run"]).name, f"{path.name} bears the name of its run"
        assert len(record["test_predictions"]) == len(manifest["test_labels"]) == 400, f"{path.name} has a class for every sentence"
        assert record["data_sha256"] == manifest["data"]["sha256"], f"{path.name} is of these data"
