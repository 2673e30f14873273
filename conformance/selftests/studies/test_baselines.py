"""Classifiers without a net: chosen without the test split, measured once for the same data, scored on the draws of the nets."""

import dataclasses

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import f1_score

from conformance.selftests.builders.experiment_records import SHA256, folds, predictions, record, write
from conformance.studies.analysis import baselines as baseline_analysis
from conformance.studies.analysis import experiments as experiment_analysis
from conformance.studies.analysis import results as experiment_results
from conformance.studies.data.datasets import Dataset, held_out, load
from conformance.studies.data.downloads import DataUnavailable
from conformance.studies.data.log_count_ratios import log_count_ratios
from conformance.studies.experiments import baselines
from conformance.studies.experiments.row import FOLDS
from conformance.studies.reports import baseline_table

WORDS = next(one for one in baselines.BASELINES if one.name == "nusax-words")
TEXTS = {"jelek": 0, "biasa": 1, "bagus": 2}


def texts(count, swapped=0):
    """Texts of one word that says the class; of the first `swapped` it says another."""
    words = list(TEXTS)
    return [f"{words[(n + (n < swapped)) % 3]} sekali" for n in range(count)], np.arange(count) % 3


def made(sha256="s", **splits):
    both = {"train": texts(30), "valid": texts(12), "test": texts(9), **splits}
    arrays = {f"{axis}_{split}": one for split, pair in both.items() for axis, one in zip("xy", pair, strict=True)}
    return Dataset("nusax", "made up", ("negative", "neutral", "positive"), sha256=sha256, **arrays)


@pytest.mark.parametrize("baseline", [one for one in baselines.BASELINES if one.dataset == "nusax"], ids=lambda one: one.name)
def test_a_classifier_of_texts_learns_what_a_word_says(baseline):
    found = baselines.measured(baseline, made())
    assert len(found["test_predictions"]) == 9, "a class for every test text"
    right = "012012012" if baseline.tried else "000000000"
    assert found["test_predictions"] == right, "the words say it; without options there is one answer for all"
    assert found["refit_test_predictions"] == right, "more of the same teaches the same"
    assert baseline.is_stored(found, "s") and not baseline.is_stored(found, "t"), "the record is of these data"
    assert not dataclasses.replace(baseline, tried={"other": [1.0]}).is_stored(found, "s"), "and of these options"
    assert not dataclasses.replace(baseline, folds=0).is_stored(found, "s"), "chosen in this way"
    older = {key: value for key, value in found.items() if key != "refit_test_predictions"}
    assert not baseline.is_stored(older, "s"), "and has both fits"


def test_options_are_chosen_on_the_validation_split_and_not_on_the_test_split():
    validated = dataclasses.replace(WORDS, folds=0)
    liar = texts(12)[0], 2 - texts(12)[1]  # in the validation split the words say the opposite
    found = baselines.measured(validated, made(valid=liar))
    assert found["selection_macro_f1"] == pytest.approx(f1_score(liar[1], texts(12)[1], average="macro")), "measured there"
    weak = dataclasses.replace(validated, tried={"logisticregression__C": [1e-6, 10.0]})
    uneven = ([*texts(30)[0], *["bagus sekali"] * 30], np.array([*texts(30)[1], *[2] * 30]))
    for valid, chosen in ((texts(12), 10.0), ((["bagus", "jelek"], np.array([2, 2])), 1e-6)):
        assert baselines.measured(weak, made(train=uneven, valid=valid))["chosen"] == {"logisticregression__C": chosen}, (
            "what names the frequent class is best where all are of it"
        )


def test_options_are_cross_validated_in_the_parts_of_the_nets():
    dataset = made(train=texts(30, swapped=4))  # some words of every class lie
    found = baselines.measured(WORDS, dataset)
    scored = []
    for fold in range(FOLDS):
        own = held_out(dataset, fold, FOLDS)
        classifier = WORDS.make().set_params(**found["chosen"]).fit(own.x_train, own.y_train)
        scored.append(f1_score(own.y_valid, classifier.predict(own.x_valid), average="macro"))
    assert 0.5 < np.mean(scored) < 1, "the parts differ from one another"
    assert found["selection_macro_f1"] == pytest.approx(np.mean(scored), abs=1e-6), "the mean over the parts that are held out"
    lying = made(train=texts(30, swapped=4), test=(texts(9)[0], 2 - texts(9)[1]))
    keys = "chosen", "selection_macro_f1"
    assert [baselines.measured(WORDS, lying)[key] for key in keys] == [found[key] for key in keys], "the test split has no part in it"
    weak = dataclasses.replace(WORDS, tried={"logisticregression__C": [1e-6, found["chosen"]["logisticregression__C"]]})
    uneven = made(train=(texts(40)[0], texts(40)[1]))
    assert baselines.measured(weak, uneven)["chosen"] == found["chosen"], "the option wins that scores more on what is held out"


def test_a_refit_learns_from_the_validation_split_too():
    unseen = ["baru sekali", "lama sekali"] * 6, np.array([0, 2] * 6)
    found = baselines.measured(WORDS, made(valid=unseen, test=(["baru", "lama"], np.array([0, 2]))))
    assert found["refit_test_predictions"] == "02" != found["test_predictions"], "words that only the validation split has"


def test_log_count_ratios_are_those_of_their_equation():
    present = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 0], [0, 1, 0]])
    labels = np.array([0, 0, 1, 2])
    found = log_count_ratios(present, labels, 3)
    inside, outside = [3, 2, 2], [1, 3, 1]  # texts with each term in class 0 and in the others, plus one
    expected = [np.log(a / 7) - np.log(b / 5) for a, b in zip(inside, outside, strict=True)]
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-12, err_msg="of class 0 against the others")
    np.testing.assert_allclose(log_count_ratios(csr_matrix(present), labels, 3), found, rtol=1e-12, err_msg="sparse or not")


def test_pixels_are_means_of_squares():
    images = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    small = baselines.shrunken(images)
    assert small.shape == (2, 2 * 2 * 3), "squares of 4 by 4 pixels"
    assert small[1, 2 * 3 + 1] == pytest.approx(images[1, 4:, :4, 1].mean()), "row, column, channel, as the pixels have it"


def test_pixels_are_classified():
    digits = load("digits")
    wide = {f"x_{split}": np.repeat(np.repeat(getattr(digits, f"x_{split}"), 4, 1), 4, 2) for split in ("train", "valid", "test")}
    pixels = next(one for one in baselines.BASELINES if one.name == "cifar10-pixels")
    found = baselines.measured(pixels, dataclasses.replace(digits, **wide))
    predicted = [int(one) for one in found["test_predictions"]]
    assert f1_score(digits.y_test, predicted, average="macro") > 0.9, "shrunk again they are the 8 by 8 images"


def test_padding_is_what_a_net_reads_after_the_words():
    found = baselines.padding(made(test=(["satu dua tiga", "satu"], np.array([0, 1]))))
    assert found == {"dataset_sha256": "s", "positions": 100, "median_words": 2.0, "share": 0.98}, "4 words in 200 positions"


@pytest.fixture
def records(tmp_path):
    rows = [record("nusax-bilstm-64", seed, wrong=20 + seed) for seed in range(3)]
    return experiment_analysis.read(write(tmp_path, rows) / "experiments")


def stored_of(name, predicted, refit=None):
    own = next(one for one in baselines.BASELINES if one.name == name)
    return {
        "baseline": name,
        "tried": dict(own.tried),
        "folds": own.folds,
        "chosen": {},
        "dataset_sha256": SHA256[own.dataset],
        "selection_macro_f1": 0.5,
        "test_predictions": predicted,
        "refit_test_predictions": refit or predicted,
    }


def test_what_is_stored_of_these_data_is_not_measured_again(records, monkeypatch):
    calls = []

    def unavailable(name, data=None):
        calls.append(name)
        raise DataUnavailable(f"{name} is not here.")

    monkeypatch.setattr("conformance.studies.data.datasets.load", unavailable)
    stored = {"baselines": [stored_of(one.name, "0") for one in baselines.BASELINES], "padding": {"dataset_sha256": SHA256["nusax"]}}
    assert baseline_analysis.updated(stored, records, None, calls.append) == stored, "nothing is measured"
    assert calls == [], "and no data are asked for"
    short = {"baselines": stored["baselines"][2:], "padding": stored["padding"]}
    assert baseline_analysis.updated(short, records, None, calls.append) == short, "without data what is stored stays"
    assert calls == ["nusax", "nusax is not here. The stored baselines stay."], "and it is said, once"
    older = {"baselines": [{**one, "tried": {"of": "an older release"}} for one in stored["baselines"]], "padding": stored["padding"]}
    assert baseline_analysis.updated(older, records, None, calls.append) == older, "also what is to be measured again once data are here"
    assert not baseline_analysis.scored(older, records), "though it is shown no more"


def test_what_is_not_stored_is_measured_on_the_data_of_the_records(records, monkeypatch):
    here = made()
    data = {"nusax": {**records.data["nusax"], "sha256": here.sha256}}
    monkeypatch.setattr("conformance.studies.data.datasets.load", lambda name, folder=None: here)
    found = baseline_analysis.updated({}, dataclasses.replace(records, data=data), None, [].append)
    assert [one["baseline"] for one in found["baselines"]] == [one.name for one in baselines.BASELINES if one.dataset == "nusax"], (
        "all of it"
    )
    assert found["padding"]["share"] == 0.98, "two words of 100"
    other = baseline_analysis.updated({}, records, None, [].append)
    assert other == {"baselines": [], "padding": None}, "other data than those of the records are of no use"


def test_a_net_is_compared_with_the_baselines_on_the_same_draws(records, tmp_path):
    stored = {"baselines": [stored_of("nusax-words", predictions("nusax", 5)), stored_of("nusax-most-frequent", "0" * 90)], "padding": None}
    found = experiment_results.results(records, stored)
    rows, ahead = found.without["lstm"]
    assert [row["baseline"] for row in rows] == ["nusax-most-frequent", "nusax-words"], "in the order of the declaration"
    assert rows[0]["macro_f1"] == pytest.approx(1 / 6, abs=5e-5), "one class of three: 2 · 1/3 / (1 + 1/3) / 3"
    known = baseline_analysis.scored(stored, records)
    net = experiment_analysis.measured(records)["nusax-bilstm-64"]
    alone = experiment_analysis.difference(net, known["nusax-words"])
    assert ahead["nusax-words"].value == alone.value < 0 and ahead["nusax-words"].low < alone.low, "two baselines share the 5 %"
    text = " ".join(" ".join(baseline_table.parts(found.best("lstm"), rows, ahead)).split())
    assert "are chosen by cross-validation on training and validation split, in 5 parts." in text, "how the options came about"
    images = " ".join(" ".join(baseline_table.parts(found.best("lstm"), [{**row, "folds": 0} for row in rows], ahead)).split())
    assert "are chosen on the validation split," in images, "which differs between data sets"
    assert "The net is ahead of always the most frequent class." in text, "20 of 90 wrong is better than that"
    assert "It is behind logistic regression on TF-IDF of words." in text, "and worse than 5 of 90"
    made = *folds("nusax-lstm-best", 20), record("nusax-lstm-best-refit", wrong=20, valid=None)
    refitted = experiment_analysis.read(write(tmp_path / "refit", [record("nusax-lstm-best"), *made]) / "experiments")
    stored["baselines"][0] = stored_of("nusax-words", predictions("nusax", 5), predictions("nusax", 40))
    rows, ahead = experiment_results.results(refitted, stored).without["lstm"]
    assert rows[1]["macro_f1"] == pytest.approx(5 / 9, abs=0.01) and ahead["nusax-words"].value > 0, "a refit beside what saw as much"
    assert "cnn" not in found.without, "a family without a trained row has none"
    assert baseline_table.parts(None, (), {}) == [], "and no section"


def test_a_net_of_one_seed_scatters_as_its_family_beside_a_baseline_too(tmp_path):
    stored = {"baselines": [stored_of("cifar10-most-frequent", "0" * 200)], "padding": None}
    alone, beside = [record("cifar10-cnn-best", wrong=20)], [record("cifar10-cnn-32", seed, wrong=60 + 10 * seed) for seed in range(4)]
    widths = []
    for n, made_of in enumerate((alone, [*alone, *beside])):
        found = experiment_results.results(experiment_analysis.read(write(tmp_path / f"{n}", made_of) / "experiments"), stored)
        one = found.without["cnn"][1]["cifar10-most-frequent"]
        widths.append(one.high - one.low)
    assert widths[1] > 1.5 * widths[0], f"four seeds that are far apart say how far one may be off: {widths}"
