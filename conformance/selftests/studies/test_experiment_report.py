"""The reports of the experiments are functions of their records: figures by hand, words that follow from the intervals."""

import importlib.util
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from conformance.selftests.builders.experiment_records import CLASSES, CURVE, LABELS, folds, predictions, record, write
from conformance.studies.analysis import bootstrap
from conformance.studies.analysis import experiments as experiment_analysis
from conformance.studies.data.paths import runs_dir
from conformance.studies.experiments.axes import AXES
from conformance.studies.reports import experiment_tables, figures, generate, study_sentences
from conformance.studies.reports import experiments as experiment_report

NO_DATA = Path("/nowhere")
DIRECTION = next(axis for axis in AXES if (axis.family, axis.name) == ("lstm", "direction"))
POOLING = next(axis for axis in AXES if (axis.family, axis.name) == ("cnn", "pooling"))
DEPTH = next(axis for axis in AXES if (axis.family, axis.name) == ("rnn", "depth"))


def entries_of(tmp_path, axis, records):
    found = experiment_analysis.read(write(tmp_path, records) / "experiments")
    return experiment_analysis.entries(found, experiment_analysis.measured(found), [axis])


def direction(one_way, both_ways, seeds=5):
    """Records of an axis of two: how many samples each names wrongly."""
    rows = ("nusax-lstm-128", one_way), ("nusax-bilstm-128", both_ways)
    return [record(name, seed, wrong + seed, start=seed) for name, wrong in rows for seed in range(seeds)]


def test_the_figures_are_means_over_the_seeds(tmp_path):
    found = entries_of(tmp_path, DIRECTION, direction(40, 9))
    scores = [metrics.f1_score(list(LABELS["nusax"]), list(predictions("nusax", 9 + n, n)), average="macro") for n in range(5)]
    both = found[1]
    assert both["macro_f1_mean"] == pytest.approx(np.mean(scores), abs=5e-5), "the mean of the seeds"
    assert both["macro_f1_std"] == pytest.approx(np.std(scores, ddof=1), abs=5e-5), "the scatter of the seeds, as of a sample"
    assert (both["seeds"], both["parameters"], both["epochs"]) == (5, 1_121_027, 3), "how many, which model, how long"
    assert both["accuracy"] == pytest.approx(1 - (9 + 2) / 90, abs=5e-5) and both["loss"] == 0.5, "of the test split"
    assert both["study_b"] == [0.7186, 0.5941] and both["study_a"] == [0.1836, 0.7636], "both of the two figures of each study"
    low, high = both["macro_f1_interval"]
    assert low < both["macro_f1_mean"] < high and high - low < 0.3, "an interval around the mean"
    assert both["best"] and not found[0]["best"] and both["behind"] is None, "the larger mean is the best"
    assert found[0]["behind"]["value"] == pytest.approx(both["macro_f1_mean"] - found[0]["macro_f1_mean"], abs=1e-4), "by how much"
    wide = entries_of(tmp_path / "wide", DIRECTION, [record("nusax-lstm-128", seed, wrong=wrong) for seed, wrong in enumerate((1, 80))])
    assert wide[0]["macro_f1_interval"] == [0.0, 1.0], "two seeds far apart: no score lies beyond 0 and 1"
    assert "seconds" not in json.dumps(found), "what was measured beside other work is not reported"


def test_an_interval_of_one_seed_is_the_bootstrap_of_the_samples(tmp_path):
    found = entries_of(tmp_path, POOLING, [record("cifar10-cnn-32-64", wrong=40), record("cifar10-cnn-32-64-average", wrong=41)])
    true, predicted = np.array(list(map(int, LABELS["cifar10"]))), np.array(list(map(int, predictions("cifar10", 40))))
    draw = np.random.default_rng(1)
    chosen = [draw.integers(200, size=200) for _ in range(400)]
    scores = [metrics.f1_score(true[one], predicted[one], labels=range(10), average="macro", zero_division=0) for one in chosen]
    low, high = found[0]["macro_f1_interval"]
    assert (low, high) == pytest.approx(tuple(np.mean(found[0]["macro_f1_by_seed"]) + 1.96 * np.std(scores) * np.array([-1, 1])), abs=0.01)
    assert found[0]["macro_f1_std"] is None, "one seed has no scatter"
    assert found[1]["behind"]["high"] < 0.02, "one other sample of 200: the samples that both get wrong are the same, drawn alike"


def test_differences_of_an_axis_are_widened_by_the_number_of_its_pairs(tmp_path):
    rows = ("nusax-birnn-64", 5), ("nusax-birnn-64-64", 12), ("nusax-birnn-64-64-64", 30)
    records = [record(name, seed, wrong + 2 * seed) for name, wrong in rows for seed in range(4)]
    found = entries_of(tmp_path, DEPTH, records)
    known = experiment_analysis.measured(experiment_analysis.read(tmp_path / "experiments"))
    widths = {
        error: bootstrap.half_width(
            known["nusax-birnn-64"].drawn - known["nusax-birnn-64-64"].drawn,
            [known["nusax-birnn-64"].scores, known["nusax-birnn-64-64"].scores],
            error,
        )
        for error in (0.05, 0.05 / 3)
    }
    behind = found[1]["behind"]
    assert (behind["high"] - behind["low"]) / 2 == pytest.approx(widths[0.05 / 3], abs=1e-4), "three pairs share the 5 %"
    assert widths[0.05 / 3] > widths[0.05] + 1e-3, "and so each interval is wider than it would be alone"


def test_in_a_difference_a_single_seed_scatters_as_the_rows_of_its_family(tmp_path):
    singles = [record("cifar10-cnn-32-64", wrong=20), record("cifar10-cnn-32-64-average", wrong=60)]
    others = {"cnn": "cifar10-cnn-32", "lstm": "nusax-lstm-128"}
    width = {None: entries_of(tmp_path / "alone", POOLING, singles)[1]["behind"]}
    for family, name in others.items():
        scattered = [record(name, seed, wrong=10 + 10 * seed) for seed in range(4)]
        width[family] = entries_of(tmp_path / family, POOLING, [*singles, *scattered])[1]["behind"]
    assert width[None] == width["lstm"], "rows of other families say nothing about it"
    scores = [record("cifar10-cnn-32", seed, wrong=10 + 10 * seed)["test"]["macro_f1"] for seed in range(4)]
    halves = {family: (one["high"] - one["low"]) / 2 for family, one in width.items()}
    assert halves["cnn"] > 3.182446 * np.std(scores, ddof=1) > 2 * halves[None], "those of its own say how far seeds are apart"


def test_the_words_follow_from_the_intervals(tmp_path):
    apart = experiment_tables.conclusion(entries_of(tmp_path / "a", DIRECTION, direction(60, 5)))
    assert apart.startswith("**both ways** scores best") and "Behind it: one way by 0." in apart, "a difference that is shown"
    assert "No difference" not in apart, "and no other"
    alike = experiment_tables.conclusion(entries_of(tmp_path / "b", DIRECTION, direction(10, 9)))
    assert "No difference is shown at 5 seeds: one way by 0.01" in alike and "Behind it" not in alike, "one that is not"
    flat = {"train_macro_f1": [0.18, 0.18, 0.18]}
    constant = [record(name, predicted="2" * 90, **flat) for name in ("nusax-lstm-128", "nusax-bilstm-128")]
    assert "No variation learned" in experiment_tables.conclusion(entries_of(tmp_path / "c", DIRECTION, constant)), "nor of nothing"
    half = experiment_tables.conclusion(entries_of(tmp_path / "d", DIRECTION, [constant[0], record("nusax-bilstm-128", wrong=3)]))
    assert half.endswith(", which did not learn."), "what did not learn is said"


def test_a_training_that_was_still_getting_better_has_not_converged(tmp_path):
    falling = record("nusax-lstm-128", 0, valid_loss=[0.9, 0.8, 0.7])
    turned = record("nusax-lstm-128", 1, valid_loss=[0.9, 0.7, 0.8])
    constant = record("nusax-lstm-128", 2, train_macro_f1=[0.18, 0.33, 0.33])
    states = [(experiment_analysis.learned(one, 3), experiment_analysis.converged(one, 3)) for one in (falling, turned, constant)]
    assert states == [(True, False), (True, True), (False, False)], "getting better, past its best, never learned"
    found = entries_of(tmp_path, DIRECTION, [falling, turned, constant])[0]
    assert (found["learned_seeds"], found["converged_seeds"], found["converged"]) == (2, 1, False), "most of the seeds decide"
    early = record("nusax-lstm-128", best_epoch=1, train_macro_f1=[0.2, 0.9, 0.9])
    assert not experiment_analysis.learned(early, 3), "the epoch whose weights were kept counts"
    older = record("nusax-lstm-128", train_macro_f1=None, valid_macro_f1=[0.2, 0.3, 0.4])
    assert experiment_analysis.learned(older, 3), "where training was not measured, validation is"


def test_what_is_not_trained_has_a_row_and_no_conclusion(tmp_path):
    found = entries_of(tmp_path, DIRECTION, [record("nusax-lstm-128")])
    assert found[1]["seeds"] == 0 and found[1]["macro_f1_mean"] is None and found[0]["best"] is None, "nothing is best yet"
    assert experiment_tables.conclusion(found) == "" == "".join(study_sentences.ahead(DIRECTION, found)), "nothing is concluded"
    text = experiment_tables.axis_table(found)
    assert "not trained yet" in text.splitlines()[3] and "0.7186, 0.5941" in text.splitlines()[3], "its row has the published figures"


def test_a_record_of_another_row_or_of_other_data_does_not_count(tmp_path):
    other = record("nusax-lstm-128", 1)
    other["row"]["epochs"] = 3
    moved = record("nusax-lstm-128", 2, data_sha256="0" * 64)
    found = experiment_analysis.read(write(tmp_path, [record("nusax-lstm-128"), other, moved]) / "experiments")
    assert [one["row"]["seed"] for one in found.rows["nusax-lstm-128"]] == [0], "only what is declared, on the data of the manifest"
    assert experiment_analysis.read(tmp_path / "nothing").rows == {}, "no folder, no records"
    place = write(tmp_path / "unlabelled", [record("cifar10-cnn-32-64"), record("nusax-lstm-128")]) / "experiments"
    manifest = json.loads((place / "manifest.json").read_text())
    del manifest["data"]["cifar10"]
    (place / "manifest.json").write_text(json.dumps(manifest))
    assert list(experiment_analysis.read(place).rows) == ["nusax-lstm-128"], "without test labels nothing can be said of a row"


def test_a_cross_validation_stands_beside_the_seeds_and_is_none(tmp_path):
    parts = [folds("nusax-lstm-128", wrong)[fold] for fold, wrong in enumerate((9, 18, 27))]
    other, moved = folds("nusax-lstm-128", 3)[3:]
    other["row"] |= {"epochs": 99}
    moved["data_sha256"] = "0" * 64
    found = entries_of(tmp_path, DIRECTION, [*direction(10, 9, seeds=2), *parts, other, moved])
    scores = [one["test"]["macro_f1"] for one in parts]
    expected = {"count": 3, "macro_f1_mean": round(np.mean(scores), 4), "macro_f1_std": round(np.std(scores, ddof=1), 4)}
    assert found[0]["folds"] == pytest.approx(expected, abs=1e-4), "the parts of the row as it is declared, on the data of the manifest"
    assert found[0]["seeds"] == 2 and found[1]["folds"] is None, "a part is no seed, and a row may have none"
    said = experiment_tables.folds_sentence(found)
    assert "over the parts: one way 0.8" in said and said.endswith(" (3 parts).") and "both ways" not in said, "said of the row that has it"
    assert experiment_tables.folds_sentence(found[1:]) == "", "and of no other"


def test_the_studies_are_compared_in_words(tmp_path):
    found = entries_of(tmp_path, DIRECTION, direction(20, 35))
    said = " ".join(study_sentences.ahead(DIRECTION, found))
    assert "Study B has both ways ahead with 0.5941; here it is behind by 0.1" in said, "another winner is said"
    records = experiment_analysis.read(tmp_path / "experiments")
    beside = " ".join(study_sentences.beside("lstm", found, records))
    assert "where there are several: 1 of 3 figures of study B." in beside, "0.5941 only: 35 to 39 of 90 wrong"
    assert f"0.1827 ({found[0]['macro_f1_mean'] - 0.1827:+.3f})" in beside, "and how far each is"
    assert "Study B gives one configuration more than one figure, as far as its tables tell: `nusax-bilstm-128` 0.7186, 0.5941." in beside
    one = entries_of(tmp_path / "cnn", POOLING, [record("cifar10-cnn-32-64", wrong=40), record("cifar10-cnn-32-64-average", wrong=50)])
    beside = " ".join(study_sentences.beside("cnn", one, experiment_analysis.read(tmp_path / "cnn" / "experiments")))
    assert "less that of study B: +0.0" in beside and "in the mean (figures: 2)" in beside, "with one seed the differences are told"
    mixed = [{"macro_f1_by_seed": [0.5, 0.6], "study_b": [0.55, 0.7]}, {"macro_f1_by_seed": [0.5], "study_b": [0.4]}]
    several, single = study_sentences._within("b", mixed)
    assert ": 1 of 2 figures of study B." in several and ": +0.100 in the mean (figures: 1)" in single, "each kind of row has its sentence"
    close = " ".join(study_sentences.ahead(DIRECTION, entries_of(tmp_path / "close", DIRECTION, direction(10, 9))))
    assert "it scores best here, too, though not ahead of all by a difference that is shown." in close, "what agrees may not be shown"
    far = " ".join(study_sentences.ahead(DIRECTION, entries_of(tmp_path / "far", DIRECTION, direction(60, 9))))
    assert "it scores best here, too." in far, "or it may"


def test_scores_by_class_are_scikit_learns(tmp_path):
    records = experiment_analysis.read(write(tmp_path, direction(30, 9, seeds=2)) / "experiments")
    assert_scores_are_scikit_learns(records, "nusax-lstm-128")
    committed = experiment_analysis.read(runs_dir() / "experiments")
    for name in committed.rows:
        assert_scores_are_scikit_learns(committed, name)


def assert_scores_are_scikit_learns(records, name):
    found = experiment_analysis.classes_of(records, name)
    data = records.of_row(name)
    every = range(len(data["classes"]))
    true, *seeds = (np.array(list(map(int, one))) for one in (data["test_labels"], *(r["test_predictions"] for r in records.rows[name])))
    scores = metrics.precision_recall_fscore_support(true, seeds[0], labels=every, zero_division=0)
    for place, key in enumerate(("precision", "recall", "f1", "samples")):
        assert [one[key] for one in found["per_class"]] == pytest.approx(list(scores[place]), abs=5e-5), f"{key} of {name}"
    means = np.mean([metrics.f1_score(true, one, labels=every, average=None, zero_division=0) for one in seeds], axis=0)
    assert [one["f1_mean"] for one in found["per_class"]] == pytest.approx(list(means), abs=5e-5), f"mean F1 over the seeds of {name}"
    assert found["confusion_matrix"] == metrics.confusion_matrix(true, seeds[0], labels=every).tolist(), f"confusion of {name}"
    macro = [metrics.f1_score(true, one, labels=every, average="macro", zero_division=0) for one in seeds]
    assert [one["test"]["macro_f1"] for one in records.rows[name]] == pytest.approx(macro, abs=1e-6), f"the records of {name}"


def test_reports_are_written_from_the_records_and_stay_as_they_are(tmp_path):
    cnn = [record(name, wrong=40) for name in ("cifar10-cnn-32-64", "cifar10-cnn-32-64-average")]
    runs, folder, said = write(tmp_path, [*direction(40, 9, seeds=2), *cnn]), tmp_path / "reports", []
    generate.write_experiments(folder, NO_DATA, said.append, runs)
    first = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}
    assert len(json.loads(first["data/experiments.json"])) == sum(len(axis.variations) for axis in AXES), "every variation"
    assert {"hyperparameters_cnn.md", "hyperparameters_rnn.md", "hyperparameters_lstm.md"} <= set(first), "a report a family"
    text = first["hyperparameters_lstm.md"].decode()
    assert "- direction: **both ways** scores best" in text, "what is complete is concluded"
    assert "of the training's seed" not in text, "two seeds are not one"
    assert "- depth:" not in text and "not trained yet" in text, "what is not complete is not"
    assert "Data: nusax made up, 90 test samples of 3 classes." in text, "it says what was measured on"
    cnn_text = first["hyperparameters_cnn.md"].decode()
    assert "In every table at least one variation has one seed: its own interval covers the choice of the test" in cnn_text, "of the CNNs"
    assert f"| {CLASSES['cifar10'][3]} " in cnn_text, "every class has its row"
    drawn = [name for name in first if name.endswith(".png")]
    assert all(f"({name})" in text + cnn_text for name in drawn if "lstm" in name or "cnn" in name), "figures that are there are shown"
    said.clear()
    generate.write_experiments(folder, NO_DATA, said.append, runs)
    assert not any(line.endswith("written") for line in said), f"nothing is written again: {said}"
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")} == first, "not a byte"


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="figures need matplotlib")
@pytest.mark.filterwarnings("error")
def test_curves_may_end_early_or_be_missing(tmp_path):
    curves = {**{name: [values, values[:2]] for name, values in CURVE.items()}, "train_macro_f1": []}
    data = [{"title": "stopped early", **curves}, {"title": "one seed", **{name: [values] for name, values in CURVE.items()}}]
    figures.draw_curves(tmp_path / "one.png", data)
    assert figures.shows(tmp_path / "one.png", data), "drawn, with the checksum of what it shows"
    size = struct.unpack(">II", (tmp_path / "one.png").read_bytes()[16:24])
    assert 300 < size[0] < 700 and 400 < size[1] < 700, "two panels beside one another fit a page"
    records = experiment_analysis.read(
        write(tmp_path, [record("nusax-lstm-128", n, train_macro_f1=None) for n in range(2)]) / "experiments"
    )
    shown = experiment_report.figure_data(DIRECTION, records)
    assert [(one["title"], one["train_macro_f1"], len(one["valid_loss"])) for one in shown] == [("one way", [], 2)], "what was recorded"


def test_without_records_the_reports_say_so(tmp_path):
    generate.write_experiments(tmp_path, NO_DATA, [].append, tmp_path / "nothing")
    for family in experiment_report.TITLES:
        text = (tmp_path / experiment_report.name_of(family)).read_text()
        assert "No record of these trainings is there yet" in text and "Nothing is concluded" in text, f"{family}: nothing of nothing"
        assert "scores best" not in text and ".png" not in text, f"{family}: no conclusion and no figure"


def test_the_committed_reports_are_those_of_the_committed_records(tmp_path):
    committed = generate.reports_dir()
    shutil.copytree(committed, tmp_path, dirs_exist_ok=True)
    said = []
    generate.write_experiments(tmp_path, NO_DATA, said.append, runs_dir())
    named = [line.split(":")[0] for line in said if line.endswith((": unchanged", "stays as it is."))]
    assert said and len(named) == len(said), f"`conform report` would write something else: {said}"
    for name in ("experiments.json", "classes.json", "baselines.json"):
        assert (tmp_path / "data" / name).read_bytes() == (committed / "data" / name).read_bytes(), (
            f"{name} is what `conform report` writes"
        )
