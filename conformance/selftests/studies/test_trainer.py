"""The trainer: a training that is killed and resumed ends as one that was not, and what it leaves is whole."""

import dataclasses
import json
import zipfile

import numpy as np
import pytest

from conformance.oracle.environment import import_keras
from conformance.selftests.builders.few_digits import few_digits
from conformance.studies.data import datasets, inputs
from conformance.studies.data.paths import checkpoints_dir
from conformance.studies.experiments import grid, trainer

ROW = dataclasses.replace(grid.find("digits-cnn"), epochs=2)


class Killed(Exception):  # noqa: N818
    """Raised where a user would end the process."""


def _train(row, data, folder, **options):
    """Train a row to its end and publish its checkpoint in the folder."""
    training = trainer.trained(row, data, folder / "work", progress=False, **options)
    manifest = trainer.publish(training, folder / row.name)
    training.forget()
    return manifest


@pytest.fixture(scope="module")
def digits():
    """A few of the digits."""
    return few_digits()


@pytest.fixture(scope="module")
def whole(digits, tmp_path_factory):
    """The folder of a training that nobody interrupted, and its manifest."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, _train(ROW, digits, folder)


def _history(folder):
    epochs = json.loads((folder / ROW.name / trainer.HISTORY_FILE).read_text())
    return [{key: value for key, value in epoch.items() if key != "seconds"} for epoch in epochs]


def _kill(epochs_run):
    raise Killed(epochs_run)


def test_a_killed_training_resumes_and_ends_as_if_it_had_not_been_killed(digits, whole, tmp_path):
    with pytest.raises(Killed):
        _train(ROW, digits, tmp_path, on_epoch_end=_kill)
    assert trainer.finished(ROW, tmp_path) is None, "a training that was killed has no checkpoint"
    saved = sorted(path.name for path in (tmp_path / "work" / ROW.name / "seed-0").iterdir())
    assert saved == ["epoch-001.keras", "history.json"], "the first epoch is kept, and no temporary file"
    seen = {}

    def look(epochs_run):
        seen[epochs_run] = sorted(path.name for path in (tmp_path / "work" / ROW.name / "seed-0").iterdir())

    manifest = _train(ROW, digits, tmp_path, on_epoch_end=look)
    assert list(seen) == [2], "the first epoch is not run again"
    assert seen[2] == ["epoch-002.keras", "history.json"], "only the last epoch is kept"
    for resumed, straight in zip(_history(tmp_path), _history(whole[0]), strict=True):
        assert resumed == pytest.approx(straight, rel=1e-5), "the history does not depend on the interruption"
    assert manifest["keras"]["test"] == pytest.approx(whole[1]["keras"]["test"], rel=1e-5), "nor does the final figure"
    assert not (tmp_path / "work" / ROW.name / "seed-0").exists(), "a finished training leaves no state behind"


def test_a_state_of_another_row_or_other_data_is_not_resumed(digits, tmp_path):
    state = trainer.Training(ROW, inputs.Inputs.of(ROW, digits), tmp_path)
    state.model.optimizer.build(state.model.trainable_variables)
    state.history = [{"epoch": 1}]
    state.save()
    assert trainer.Training(ROW, inputs.Inputs.of(ROW, digits), tmp_path).history == [{"epoch": 1}], "the same: resumed"
    other_data = dataclasses.replace(digits, sha256="0" * 64)
    assert not trainer.Training(ROW, inputs.Inputs.of(ROW, other_data), tmp_path).history, "other data: from the start"
    other_row = dataclasses.replace(ROW, seed=1)
    assert not trainer.Training(other_row, inputs.Inputs.of(ROW, digits), tmp_path).history, "other row: from the start"


def test_every_epoch_has_its_own_order_and_noise(digits, tmp_path):
    row = dataclasses.replace(ROW, dropout=0.5)
    state = trainer.Training(row, inputs.Inputs.of(row, digits), tmp_path)
    orders, noises = [], []
    train_on_batch = state.model.train_on_batch

    def spy(x, y, **options):
        orders[-1].append(y)
        return train_on_batch(x, y, **options)

    state.model.train_on_batch = spy
    seed_noise = state._seed_noise

    def spy_noise(draw):
        seed_noise(draw)
        orders.append([])
        states = [item.numpy() for item in state.model.variables if item.name == "seed_generator_state"]
        noises.append(states[0].tolist())

    state._seed_noise = spy_noise
    for _ in range(2):
        state.run_epoch(progress=False)
    first, second = (np.concatenate(order) for order in orders)
    assert np.array_equal(np.sort(first), np.sort(digits.y_train)), "an epoch shows every sample once"
    assert not np.array_equal(first, second), "the second epoch has another order"
    assert noises[0] != noises[1], "the second epoch has another dropout noise"


def test_the_checkpoint_is_for_inference_and_its_manifest_vouches_for_it(digits, whole):
    folder, manifest = whole
    keras = import_keras()
    model = keras.models.load_model(folder / ROW.name / trainer.MODEL_FILE)
    assert not model.compiled, "the archive holds no optimizer"
    with zipfile.ZipFile(folder / ROW.name / trainer.MODEL_FILE) as archive:
        assert not json.loads(archive.read("config.json"))["compile_config"], "the archive was never compiled"
    x, y = inputs.test_inputs(ROW, digits)
    fed = inputs.Inputs.of(ROW, digits).batch("test", slice(None))
    assert np.array_equal(x, fed), "the test inputs are what the trainer feeds the model"
    accuracy = float((model.predict_on_batch(x).argmax(axis=1) == y).mean())
    assert accuracy == pytest.approx(manifest["keras"]["test"]["accuracy"]), "the manifest's figure is the archive's"
    assert len(_history(folder)) == manifest["epochs_run"] == 2, "the history has a row for each epoch"
    text = json.dumps(manifest) + json.dumps(_history(folder))
    assert str(folder) not in text, "no path of this machine is published"
    assert "home" not in text, "no path of this machine is published"


def test_a_manifest_vouches_for_its_model_alone(whole):
    folder, manifest = whole
    assert trainer.finished(ROW, folder) == manifest, "the stored manifest is found"
    assert trainer.finished(dataclasses.replace(ROW, epochs=3), folder) is None, "not for another row"
    model = folder / ROW.name / trainer.MODEL_FILE
    kept = model.read_bytes()
    model.write_bytes(b"another")
    assert trainer.finished(ROW, folder) is None, "nor for another model"
    model.write_bytes(kept)


def test_patience_and_averaging_survive_an_interruption(digits, tmp_path):
    row = dataclasses.replace(ROW, epochs=6, patience=1, averaging=0.5, learning_rate=0.2)

    def kill(epochs_run):
        if epochs_run == 1:
            raise Killed

    straight = trainer.trained(row, digits, tmp_path / "straight", progress=False)
    losses = [epoch["valid_loss"] for epoch in straight.history]
    assert len(losses) < row.epochs, "a training that gets worse stops before its last epoch"
    assert straight.best_epoch == 1 + int(np.argmin(losses)) == len(losses) - 1, "it ran as long as its patience, and no longer"
    found = trainer.evaluate(straight.model, straight.inputs, "valid")["loss"]
    assert found == pytest.approx(min(losses), rel=1e-5), "the result has the weights of the best epoch, averaged as they were measured"
    with pytest.raises(Killed):
        trainer.trained(row, digits, tmp_path / "killed", progress=False, on_epoch_end=kill)
    resumed = trainer.trained(row, digits, tmp_path / "killed", progress=False)
    assert [epoch["valid_loss"] for epoch in resumed.history] == pytest.approx(losses, rel=1e-5), "averages are resumed with the weights"
    with resumed.measured_weights():
        averaged = resumed.model.get_weights()
    assert not np.array_equal(averaged[0], resumed.model.get_weights()[0]), "the average is not the last weights"


def test_the_figures_are_those_of_their_definitions(digits):
    class Fixed:
        def predict_on_batch(self, x):
            return np.tile(np.float32([0.5, 0.25, 0.25] + [0.0] * 7), (len(x), 1))

    data = dataclasses.replace(digits, y_valid=np.array([0, 1, 2, 3]), x_valid=digits.x_valid[:4])
    found = trainer.evaluate(Fixed(), inputs.Inputs.of(ROW, data), "valid")
    assert found["accuracy"] == 0.25, "one of four is right"
    assert found["loss"] == pytest.approx(-np.log([0.5, 0.25, 0.25, 1e-7]).mean()), "the loss clips at 1e-7, as Keras does"
    assert found["macro_f1"] == pytest.approx(0.04), "classes without samples count too: (2 / 5) / 10"


@pytest.mark.parametrize("row", grid.ROWS, ids=lambda row: row.name)
def test_the_projects_own_checkpoints_are_of_the_declared_rows(row):
    manifest = trainer.finished(row, checkpoints_dir())
    assert manifest is not None, f"fixtures/checkpoints/{row.name} is missing or not of the row as it is declared"
    assert manifest["parameters"] == row.parameters, "the checkpoint has the declared total"
    history = json.loads((checkpoints_dir() / row.name / trainer.HISTORY_FILE).read_text())
    assert len(history) == manifest["epochs_run"] == row.epochs, "every declared epoch was run"
    if row.is_text:
        vocabulary = inputs.read_vocabulary(checkpoints_dir() / row.name / inputs.VOCABULARY_FILE)
        assert vocabulary[:2] == ["", "[UNK]"], "the vocabulary begins with padding and the unknown term"
        assert len(vocabulary) == manifest["vocabulary"]["terms"] == len(set(vocabulary)), "every term has its one line"


@pytest.mark.parametrize("name", ["digits-cnn", "reviews-lstm"])
def test_an_embedded_checkpoint_reproduces_its_figure(name):
    row = grid.find(name)
    data = datasets.load(row.dataset)
    manifest = trainer.finished(row, checkpoints_dir())
    assert manifest is not None, f"fixtures/checkpoints/{name} is missing or not of the row as it is declared"
    assert manifest["dataset"]["sha256"] == data.sha256, "the checkpoint was trained on the embedded data as they are"
    model = import_keras().models.load_model(checkpoints_dir() / name / trainer.MODEL_FILE)
    x, y = inputs.test_inputs(row, data)
    accuracy = float((model.predict_on_batch(x).argmax(axis=1) == y).mean())
    assert accuracy == pytest.approx(manifest["keras"]["test"]["accuracy"], abs=1.5 / len(y)), "measured again: the same"
    chance = 1 / len(data.classes)
    assert chance + 0.1 < manifest["keras"]["test"]["macro_f1"] < 1, "the task is learned, and not trivial"


def test_token_ids_are_keras_s_token_ids(tmp_path):
    row = grid.find("reviews-lstm")
    data = datasets.load("reviews")
    layer = import_keras().layers.TextVectorization(row.max_tokens, output_sequence_length=row.sequence_length)
    layer.adapt(data.x_train)
    made = inputs.Inputs.of(row, data)
    assert made.vocabulary == layer.get_vocabulary(), "the vocabulary is the one that Keras makes of the same texts"
    assert np.array_equal(made.stored["test"], layer(data.x_test).numpy()), "every token id is Keras's"
    (tmp_path / row.name).mkdir()
    inputs.write_vocabulary(tmp_path / row.name / inputs.VOCABULARY_FILE, made.vocabulary)
    ids, labels = inputs.test_inputs(row, data, tmp_path)
    assert np.array_equal(ids, made.stored["test"]), "a stored vocabulary gives the same token ids"
    assert ids.dtype == labels.dtype == np.int64, "ids and labels are int64"
