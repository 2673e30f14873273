"""The records of trainings: what they say is so, what stands is not trained again, and workers leave the same as one process."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from conformance.oracle.environment import import_keras
from conformance.selftests.builders.few_digits import few_digits
from conformance.studies.data import datasets, inputs
from conformance.studies.experiments import grid, runs, trainer

ROW = dataclasses.replace(grid.find("digits-cnn"), epochs=2)


@pytest.fixture(scope="module")
def digits():
    """A few of the digits."""
    return few_digits()


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory):
    """The folders of a training, and its record."""
    places = runs.Places(*(tmp_path_factory.mktemp("run") / name for name in ("records", "checkpoints", "work")))
    return places, runs.train_run(ROW, digits, places, progress=False)


@pytest.fixture
def no_training(monkeypatch):
    """Training anything is an error."""

    def refuse(*_, **__):
        raise AssertionError("something is trained that stands")

    monkeypatch.setattr(trainer, "trained", refuse)


def test_a_record_holds_what_the_checkpoint_computes(digits, trained):
    places, record = trained
    model = import_keras().models.load_model(places.checkpoints / ROW.name / trainer.MODEL_FILE)
    x, y = inputs.test_inputs(ROW, digits)
    predicted = model.predict_on_batch(x).argmax(axis=1)
    assert record["test_predictions"] == "".join(map(str, predicted)), "one digit for each sample of the test split, in its order"
    macro = f1_score(y, predicted, labels=range(10), average="macro", zero_division=0)
    assert record["test"]["macro_f1"] == pytest.approx(macro, abs=1e-6), "the macro-F1 is scikit-learn's"
    assert record["epochs_run"] == record["best_epoch"] == ROW.epochs, "without patience the last epoch is the result"
    assert {len(record[curve]) for curve in runs.CURVES} == {ROW.epochs}, "every curve has a value for each epoch"
    assert record["valid_macro_f1"][-1] == record["valid"]["macro_f1"], "the curve ends where the result stands"
    assert record["data_sha256"] == digits.sha256, "the record names its data by content"
    assert json.loads(runs.path_of(ROW, places.records).read_text()) == record, "what is written is what was found"
    assert not list(places.work.iterdir()), "a finished training leaves no state behind"


def test_what_stands_is_not_trained_again(trained, digits):
    places, record = trained
    assert runs.is_done(ROW, places), "record and checkpoint stand"
    assert runs.stored(ROW, places.records, digits.sha256) == record, "the record is found"
    assert runs.stored(ROW, places.records, "0" * 64) is None, "a record of other data is none"
    assert not runs.is_done(dataclasses.replace(ROW, epochs=3), places), "a record of another row is none"
    assert not runs.is_done(dataclasses.replace(ROW, seed=1), places), "another seed is another training"


def test_a_missing_checkpoint_is_not_done(trained, tmp_path):
    places, _ = trained
    assert not runs.is_done(ROW, places._replace(checkpoints=tmp_path)), "the first seed of a kept row needs its checkpoint"
    assert not runs.keeps_checkpoint(dataclasses.replace(ROW, seed=1)), "other seeds keep no weights"
    assert not runs.keeps_checkpoint(grid.UNKEPT[0]), "study A's variations keep no weights"


def test_a_checkpoint_that_stands_gives_its_own_record(trained, digits, tmp_path, no_training):
    places, record = trained
    again = runs.train_run(ROW, digits, places._replace(records=tmp_path), progress=False)
    assert again == record, "the record of a checkpoint is that of its training"
    history = places.checkpoints / ROW.name / trainer.HISTORY_FILE
    kept = history.read_text()
    history.write_text(json.dumps([{k: v for k, v in epoch.items() if k != "train_macro_f1"} for epoch in json.loads(kept)]))
    older = runs.train_run(ROW, digits, places._replace(records=tmp_path), progress=False)
    history.write_text(kept)
    assert older == {**record, "train_macro_f1": None}, "a curve that an older history lacks is null, and nothing else differs"


def test_a_forced_training_writes_its_checkpoint_anew(trained, digits, tmp_path):
    places, record = trained
    elsewhere = runs.Places(tmp_path / "records", tmp_path / "checkpoints", tmp_path / "work")
    folder = elsewhere.checkpoints / ROW.name
    folder.mkdir(parents=True)
    for file in (places.checkpoints / ROW.name).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    before = (folder / trainer.MODEL_FILE).stat().st_mtime_ns
    again = runs.train_run(ROW, digits, elsewhere, progress=False, force=True)
    assert (folder / trainer.MODEL_FILE).stat().st_mtime_ns > before, "the checkpoint is written anew"
    assert again["test"] == pytest.approx(record["test"], rel=1e-4), "the same training comes to the same figures"


def test_a_fold_is_held_out_of_training_and_validation_split(digits, tmp_path):
    rows = runs.folded([ROW])
    parts = [inputs.Inputs.of(row, digits).dataset for row in rows]
    assert sum(len(part.y_valid) for part in parts) == len(digits.y_train) + len(digits.y_valid), "each sample is held out once"
    pixels = np.concatenate([part.x_test for part in parts])
    whole = np.concatenate([digits.x_train, digits.x_valid])
    assert sorted(map(bytes, pixels)) == sorted(map(bytes, whole)), "and only samples of these two splits"
    known = {image.tobytes(): label for image, label in zip(whole, np.concatenate([digits.y_train, digits.y_valid]), strict=True)}
    for part in parts:
        for images, labels in ((part.x_train, part.y_train), (part.x_test, part.y_test)):
            own = [known[image.tobytes()] for image in images]
            assert own == labels.tolist(), "a sample keeps its own label in every fold"
        train, held = {image.tobytes() for image in part.x_train}, {image.tobytes() for image in part.x_test}
        assert not train & held, "nothing that is held out is trained on"
    places = runs.Places(tmp_path / "records", tmp_path / "checkpoints", tmp_path / "work")
    record = runs.train_run(dataclasses.replace(rows[2], epochs=1), digits, places, progress=False)
    assert (places.records / ROW.name / "fold-2.json").is_file(), "a fold has a record of its own"
    assert not places.checkpoints.exists(), "and no checkpoint"
    assert len(record["test_predictions"]) == len(parts[2].y_test), "what is held out is scored"
    texts = dataclasses.replace(digits, x_train=["a"] * 100, x_valid=["b"] * 100)
    assert len(datasets.held_out(texts, 0, 5).x_train) == 160, "texts are cut in the same way"


def test_a_refit_is_fitted_on_both_splits_and_scored_on_the_test_split_alone(digits, tmp_path, monkeypatch):
    row = dataclasses.replace(ROW, refit_of=ROW.name, epochs=1)
    seen = inputs.Inputs.of(row, digits)
    for axis in "xy":
        both = np.concatenate([getattr(digits, f"{axis}_train"), getattr(digits, f"{axis}_valid")])
        assert np.array_equal(getattr(seen.dataset, f"{axis}_train"), both), "the training split, then the validation split"
        assert np.array_equal(getattr(seen.dataset, f"{axis}_test"), getattr(digits, f"{axis}_test")), "the test split stays"
    places = runs.Places(tmp_path / "records", tmp_path / "checkpoints", tmp_path / "work")
    record = runs.train_run(row, digits, places, progress=False)
    assert record["valid"] is record["valid_loss"] is record["valid_macro_f1"] is None, "what was fitted on validates nothing"
    assert len(record["train_loss"]) == len(record["train_macro_f1"]) == 1 and record["test"]["macro_f1"] > 0, "the rest is recorded"
    manifest = json.loads((places.checkpoints / row.name / trainer.MANIFEST_FILE).read_text())
    assert list(manifest["keras"]) == ["test"], "nor does the checkpoint claim so"
    monkeypatch.setattr(trainer, "trained", None)
    assert runs.train_run(row, digits, places, progress=False) == record, "the record of the checkpoint is the same"
    assert runs.folded([row]) == [], "there is nothing to hold out"
    texts = dataclasses.replace(digits, x_train=["satu"] * 100, x_valid=["dua"] * 100, x_test=["tiga"])
    words = inputs.Inputs.of(dataclasses.replace(grid.find("nusax-rnn-128"), refit_of="nusax-rnn-128"), texts)
    assert sorted(words.vocabulary) == ["", "[UNK]", "dua", "satu"], "the vocabulary is of both splits"
    assert words.stored["train"].shape == (200, 100) and words.stored["valid"].shape == (0, 100), "200 texts and none"


def test_rows_are_trained_seed_by_seed():
    rows = [grid.find(name) for name in ("nusax-rnn-128", "cifar10-cnn-32-64")]
    order = [(row.name, row.seed) for row in runs.seeded(rows)]
    assert order[:3] == [("nusax-rnn-128", 0), ("cifar10-cnn-32-64", 0), ("nusax-rnn-128", 1)], "all rows have their first seed first"
    assert [seed for name, seed in order if name == "nusax-rnn-128"] == list(range(5)), "texts have five seeds"
    assert len(runs.seeded(rows, 2)) == 4, "a number of seeds counts for every row"


def test_the_manifest_vouches_for_every_record(trained, digits, monkeypatch):
    places, _ = trained
    monkeypatch.setattr(runs, "load", lambda *_: digits)
    path = runs.path_of(ROW, places.records)
    fold = path.with_name("fold-1.json")
    fold.write_text("{}")
    runs.write_manifest(places.records, None)
    manifest = json.loads((places.records / runs.MANIFEST_FILE).read_text())
    contents = {"digits-cnn/fold-1.json": b"{}", "digits-cnn/seed-0.json": path.read_bytes()}
    assert manifest["files"] == {name: hashlib.sha256(one).hexdigest() for name, one in contents.items()}, "each file has its SHA-256"
    assert manifest["data"]["digits"]["test_labels"] == "".join(map(str, digits.y_test)), "the labels make scores without the data"
    fold.unlink()
    monkeypatch.setattr(runs, "load", None)
    runs.write_manifest(places.records, None)
    again = json.loads((places.records / runs.MANIFEST_FILE).read_text())
    assert again["data"] == manifest["data"] and len(again["files"]) == 1, "a data set that is described need not be here"


def test_records_of_two_copies_of_a_data_set_do_not_mix(trained, digits, monkeypatch):
    places, _ = trained
    monkeypatch.setattr(runs, "load", lambda *_: digits)
    runs.write_manifest(places.records, None)
    assert runs.other_copy([ROW], places.records, None) == "", "the same copy goes on"
    monkeypatch.setattr(runs, "load", lambda *_: dataclasses.replace(digits, sha256="0" * 64, title="other digits"))
    assert "and here is other digits" in runs.other_copy([ROW], places.records, None), "another one is refused by its name"
    assert runs.other_copy([grid.find("nusax-rnn-128")], places.records, None) == "", "what has no record is not asked for"


def test_a_dask_scheduler_s_workers_leave_what_one_process_leaves(trained, digits, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    _, record = trained
    elsewhere = runs.Places(tmp_path / "records", tmp_path / "checkpoints", tmp_path / "work")
    monkeypatch.setattr(runs, "load", lambda *_: digits)
    monkeypatch.setattr(runs, "one_thread", lambda: None)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        sentences = list(runs.train_all([ROW], elsewhere, None, scheduler=cluster.scheduler_address))
    assert sentences == [""], "nothing went wrong"
    assert json.loads(runs.path_of(ROW, elsewhere.records).read_text())["row"] == record["row"], "the worker left the row's record"
    assert runs.is_done(ROW, elsewhere), "and its checkpoint"


def test_a_row_that_cannot_be_trained_is_a_sentence_and_the_others_go_on(trained, tmp_path):
    places, _ = trained
    rows = [dataclasses.replace(grid.find("nusax-rnn-128"), epochs=1), dataclasses.replace(ROW, parameters=1)]
    sentences = list(runs.train_all(rows, places, tmp_path))
    assert sentences[0] == f"The data folder {tmp_path} lacks nusax-indonesian/train.csv.", "missing data is one sentence"
    assert sentences[1].startswith("digits-cnn: digits-cnn declares 1 parameters"), "a wrong total names the row"


def test_augmented_images_are_the_images_moved_and_mirrored():
    images = np.arange(2 * 6 * 6 * 3, dtype=np.float32).reshape(2, 6, 6, 3) + 1
    made = trainer.augmented(images, np.random.default_rng(0))
    assert made.shape == images.shape, "the shape stays"
    assert made.dtype == np.float32, "and the dtype"
    for image, moved in zip(images, made, strict=True):
        assert _where(image, moved), "each image is a window of itself with zeros around, perhaps mirrored"
    again = trainer.augmented(images, np.random.default_rng(0))
    assert np.array_equal(made, again), "the same draw gives the same images"
    many = trainer.augmented(np.repeat(images[:1], 200, axis=0), np.random.default_rng(0))
    tops, lefts, mirrored = zip(*(_where(images[0], image)[0] for image in many), strict=True)
    assert set(tops) == set(lefts) == set(range(9)), "each way by -4 to 4 pixels"
    assert len(set(zip(tops, lefts, strict=True))) > 60, "and both ways apart, of 81"
    assert 70 < sum(mirrored) < 130, "half of them are mirrored"


def _where(image, moved):
    """The windows (top, left, mirrored) of an image with zeros around that another one is."""
    padded = np.pad(image, ((4, 4), (4, 4), (0, 0)))
    windows = {(top, left): padded[top : top + 6, left : left + 6] for top in range(9) for left in range(9)}
    sides = {(*place, way < 0): window[:, ::way] for place, window in windows.items() for way in (1, -1)}
    return [place for place, side in sides.items() if np.array_equal(moved, side)]


def test_the_learning_rate_falls_along_a_cosine():
    row = dataclasses.replace(ROW, schedule="cosine", epochs=4, learning_rate=1.0)
    rates = [trainer.learning_rate(row, epoch) for epoch in range(4)]
    assert rates == pytest.approx([1.0, 0.853553, 0.5, 0.146447], abs=1e-6), "half a cosine over all epochs"
    assert trainer.learning_rate(ROW, 1) == ROW.learning_rate, "a constant rate stays"
