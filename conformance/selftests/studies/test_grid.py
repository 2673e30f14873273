"""The declared rows: what they describe, what their models total, and the command that trains them."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from conformance.cli.studies import train as commands
from conformance.studies.data import datasets
from conformance.studies.experiments import grid
from conformance.studies.experiments.models import ParameterTotalError, build_model
from conformance.studies.experiments.row import Recurrent, Row

SHAPES = {"cifar10": (32, 32, 3), "digits": (8, 8, 1)}
CLASSES = {"cifar10": 10, "digits": 10, "nusax": 3, "reviews": 3}
VOCABULARY = {"nusax": 2836, "reviews": 1341}
SUBWORD_VOCABULARY, REFIT_VOCABULARY = 12_957, 14_246
DECLARED = [grid.find(name) for name in grid.ALL]
KINDS = [row for row in DECLARED if not row.mask or row.dataset == "reviews"]  # a mask adds no parameter


def _build(row):
    shape = SHAPES.get(row.dataset, (row.sequence_length, row.subwords.slots) if row.subwords else (row.sequence_length,))
    subwords = REFIT_VOCABULARY if row.refit_of else SUBWORD_VOCABULARY
    terms = subwords if row.subwords else VOCABULARY.get(row.dataset)
    return build_model(row, shape, CLASSES[row.dataset], terms)


TWO = {"filters": (1, 2), "kernels": ((3, 3), (3, 3)), "convolutions": (1,)}


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Call ``conform train`` with arguments, without folder, mirror or the project's own checkpoints."""
    for name in ("CONFORM_DATA", "CONFORM_DATA_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(commands, "checkpoints_dir", lambda: tmp_path / "checkpoints")
    monkeypatch.setattr(commands, "runs_dir", lambda: tmp_path / "runs")
    monkeypatch.setattr(commands, "cache_dir", lambda: tmp_path / "cache")
    app = typer.Typer()
    app.command()(commands.train_command)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_names_are_unique_and_rows_name_what_exists():
    assert len(set(grid.ALL)) == len(DECLARED), "two rows of one name would share a checkpoint"
    for row in DECLARED:
        assert row.dataset in datasets.NAMES, f"{row.name} names the data set {row.dataset!r}, which does not exist"


def test_the_studies_totals_are_declared():
    totals = {row.name: row.parameters for row in grid.ROWS}
    assert totals["cifar10-cnn-32-64"] == 545_098, "the studies' CNN has 545,098 parameters"
    assert {totals["nusax-bilstm-64"], totals["nusax-bilstm-64-mask"]} == {890_755}, "a BiLSTM(64) model has 890,755"
    assert {totals["nusax-lstm-128"], totals["nusax-lstm-128-mask"]} == {923_523}, "an LSTM(128) model has 923,523"


@pytest.mark.parametrize("row", KINDS, ids=lambda row: row.name)
def test_the_built_model_has_the_declared_total(row):
    model = _build(row)
    assert model.count_params() == row.parameters, "the model that is built is the one that is declared"
    assert not model.compiled, "a built model is not compiled"


def test_another_total_is_refused():
    row = dataclasses.replace(grid.find("digits-cnn"), parameters=6_059)
    with pytest.raises(ParameterTotalError, match=r"declares 6,059 parameters and the built model has 6,058"):
        _build(row)


def test_the_mask_and_the_stack_reach_the_model():
    stack = (Recurrent(4), Recurrent(3, bidirectional=True))
    row = Row(name="two", family="rnn", dataset="reviews", parameters=169, embedding=5, stack=stack, mask=True)
    model = build_model(dataclasses.replace(row, dropout_between=0.5, dropout=0.0), (7,), 3, 12)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["Embedding", "SimpleRNN", "Dropout", "Bidirectional", "Dense"], "layers stand in the declared order"
    assert model.layers[0].mask_zero, "mask is the embedding's mask_zero"
    assert model.layers[1].return_sequences, "a recurrent layer below another returns sequences"
    assert model.layers[-1].input.shape == (None, 6), "the last recurrent layer returns its last step, both halves"


def test_average_pooling_and_each_kernel_reach_the_model():
    row = dataclasses.replace(grid.find("digits-cnn"), kernels=((3, 3), (1, 5)), pooling="average", parameters=5_546)
    model = _build(row)
    assert [layer.kernel_size for layer in model.layers if hasattr(layer, "kernel_size")] == [(3, 3), (1, 5)], "as declared"
    assert [type(layer).__name__ for layer in model.layers].count("AveragePooling2D") == 2, "both poolings are averages"


def test_the_best_models_have_their_options():
    kinds = [type(layer).__name__ for layer in _build(grid.find("cifar10-cnn-best")).layers]
    assert kinds[:5] == ["Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D", "Dropout"], "a block of one convolution"
    assert kinds[5:11] == ["Conv2D", "BatchNormalization", "ReLU"] * 2, "a block of two"
    assert kinds[-3:] == ["GlobalAveragePooling2D", "Dropout", "Dense"], "the head averages instead of flattening"
    words = _build(grid.find("nusax-lstm-best"))
    names = [layer.name for layer in words.layers]
    assert words.input_shape == (None, 48, 20), "a text is words of slots"
    assert {"word", "embedding_dropout", "bidirectional_1", "pooled", "average", "joined"} <= set(names), "sub-words, pooling and skip"
    assert words.get_layer("joined").output.shape == (None, 64 + 64), "both halves and the average of the embeddings stand side by side"
    assert words.get_layer("pooled").input.shape == (None, 48, 64), "every step is pooled"


def test_a_fold_does_not_stop_by_its_own_score():
    with pytest.raises(ValueError, match="held out to be scored"):
        dataclasses.replace(grid.find("digits-cnn"), fold=0, patience=2)


@pytest.mark.parametrize("fields", [{"family": "cnn"}, {"family": "cnn", "filters": (1,)}, {"family": "cnn", **TWO}, {"family": "lstm"}])
def test_a_row_without_layers_is_refused(fields):
    with pytest.raises(ValueError, match="odd: a "):
        Row(name="odd", dataset="digits", parameters=1, **fields)


@pytest.mark.parametrize("row", [row for row in DECLARED if row.refit_of], ids=lambda row: row.name)
def test_a_refit_has_the_options_of_its_row(row):
    source = grid.find(row.refit_of)
    own = {key: getattr(row, key) for key in ("name", "refit_of", "parameters")}
    assert dataclasses.replace(source, **own) == row, "nothing else is chosen anew"
    assert source.refit_of is None, "a refit is of a row that has a validation split"


@pytest.mark.parametrize("fields", [{"patience": 2}, {"fold": 0}])
def test_a_refit_has_nothing_to_validate_on(fields):
    with pytest.raises(ValueError, match="digits-cnn: a refit has no validation split"):
        dataclasses.replace(grid.find("digits-cnn"), refit_of="digits-cnn", **fields)


@pytest.mark.parametrize("row", DECLARED, ids=lambda row: row.name)
def test_a_row_survives_json(row):
    written = row.to_json()
    assert json.loads(json.dumps(written)) == written, "a manifest's row equals the declared one after reading"
    shown = {"filters", "stack"} & set(written)
    assert shown == ({"stack"} if row.is_text else {"filters"}), "a row shows the fields of its family alone"


def test_an_unknown_task_names_the_nearest(run):
    result = run("nusax-lstm-128-masked")
    assert result.exit_code == 2, "an unknown task is a wrong use of the command"
    assert "did you mean nusax-lstm-128-mask or " in result.output, "the nearest names are shown, the best first"
    assert "Traceback" not in result.output, "no traceback is shown"
    assert "there are cifar10-cnn-32-64" in run("???").output, "where nothing is near, all are named"


def test_the_list_names_every_row_and_trains_nothing(run, tmp_path):
    result = run("--list")
    assert result.exit_code == 0, "listing succeeds"
    assert [line.split()[0] for line in result.output.splitlines()] == list(grid.ALL), "one line for each row, in order"
    assert not list(tmp_path.rglob("*")), "listing writes nothing"


def test_a_refit_has_no_folds(run):
    result = run("nusax-lstm-best-refit", "--folds")
    assert result.exit_code == 2 and "cross-validate nusax-lstm-best." in result.output, "asked for by name it is a wrong use"


def test_missing_data_is_one_sentence(run, tmp_path):
    result = run("nusax-lstm-128", "nusax-bilstm-64", "--data", tmp_path)
    assert result.exit_code == 1, "what could not be trained is a failure"
    sentence = f"The data folder {tmp_path} lacks nusax-indonesian/train.csv."
    assert result.output.strip() == sentence, "the reason is said once, in one sentence"


def test_neither_the_rows_nor_the_command_import_keras():
    code = "import sys, conformance.cli.studies.train as c; sys.exit('keras' in sys.modules)"
    root = Path(commands.__file__).resolve().parents[3]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    assert found.returncode == 0, "listing rows must not wait for TensorFlow"


def test_a_field_added_later_does_not_make_a_checkpoint_stale():
    row = grid.find("digits-cnn")
    stored = row.to_json()
    without = {key: value for key, value in stored.items() if key != "learning_rate"}
    assert row.is_described_by(stored), "a row is not described by its own description"
    assert row.is_described_by(without), "a description that lacks a field with its default value is another row"
    assert not row.is_described_by({**stored, "learning_rate": 0.5}), "another learning rate is the same row"
    assert not row.is_described_by({**stored, "warmup": 3}), "an unknown field is ignored"
