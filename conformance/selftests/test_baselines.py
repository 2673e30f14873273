"""Classifiers without a net: chosen on the validation split, measured once for the same data, scored on the draws of the nets."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import f1_score

from conformance.experiments import baselines
from conformance.experiments.datasets import Dataset, load
from conformance.experiments.downloads import DataUnavailable
from conformance.reporting import baseline_analysis, baseline_table, experiment_analysis, experiment_results
from conformance.selftests.experiment_records import SHA256, folds, predictions, record, write

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
    older = {key: value for key, value in found.items() if key != "refit_test_predictions"}
    assert not baseline.is_stored(older, "s"), "and has both fits"


def test_options_are_chosen_on_the_validation_split_and_not_on_the_test_split():
    liar = texts(12)[0], 2 - texts(12)[1]  # in the validation split the words say the opposite
    found = baselines.measured(WORDS, made(valid=liar))
    assert found["valid_macro_f1"] == pytest.approx(f1_score(liar[1], texts(12)[1], average="macro")), "measured there"
    weak = dataclasses.replace(WORDS, tried={"logisticregression__C": [1e-6, 10.0]})
    uneven = ([*texts(30)[0], *["bagus sekali"] * 30], np.array([*texts(30)[1], *[2] * 30]))
    for valid, chosen in ((texts(12), 10.0), ((["bagus", "jelek"], np.array([2, 2])), 1e-6)):
        assert baselines.measured(weak, made(train=uneven, valid=valid))["chosen"] == {"logisticregression__C": chosen}, (
            "what names the frequent class is best where all are of it"
        )


def test_a_refit_learns_from_the_validation_split_too():
    unseen = ["baru sekali", "lama sekali"] * 6, np.array([0, 2] * 6)
    found = baselines.measured(WORDS, made(valid=unseen, test=(["baru", "lama"], np.array([0, 2]))))
    assert found["refit_test_predictions"] == "02" != found["test_predictions"], "words that only the validation split has"


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
        "chosen": {},
        "dataset_sha256": SHA256[own.dataset],
        "valid_macro_f1": 0.5,
        "test_predictions": predicted,
        "refit_test_predictions": refit or predicted,
    }


def test_what_is_stored_of_these_data_is_not_measured_again(records, monkeypatch):
    calls = []

    def unavailable(name, data=None):
        calls.append(name)
        raise DataUnavailable(f"{name} is not here.")

    monkeypatch.setattr("conformance.experiments.datasets.load", unavailable)
    stored = {"baselines": [stored_of(one.name, "0") for one in baselines.BASELINES], "padding": {"dataset_sha256": SHA256["nusax"]}}
    assert baseline_analysis.updated(stored, records, None, calls.append) == stored, "nothing is measured"
    assert calls == [], "and no data are asked for"
    short = {"baselines": stored["baselines"][2:], "padding": stored["padding"]}
    assert baseline_analysis.updated(short, records, None, calls.append) == short, "without data what is stored stays"
    assert calls == ["nusax", "nusax is not here. The stored baselines stay."], "and it is said, once"


def test_what_is_not_stored_is_measured_on_the_data_of_the_records(records, monkeypatch):
    here = made()
    data = {"nusax": {**records.data["nusax"], "sha256": here.sha256}}
    monkeypatch.setattr("conformance.experiments.datasets.load", lambda name, folder=None: here)
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
    text = "\n".join(baseline_table.parts(found.best("lstm"), rows, ahead))
    assert "The net is ahead of always the most frequent class." in text, "20 of 90 wrong is better than that"
    assert "It is behind logistic regression on TF-IDF of words." in text, "and worse than 5 of 90"
    made = *folds("nusax-lstm-best", 20), record("nusax-lstm-best-refit", wrong=20, valid=None)
    refitted = experiment_analysis.read(write(tmp_path / "refit", [record("nusax-lstm-best"), *made]) / "experiments")
    stored["baselines"][0] = stored_of("nusax-words", predictions("nusax", 5), predictions("nusax", 40))
    rows, ahead = experiment_results.results(refitted, stored).without["lstm"]
    assert rows[1]["macro_f1"] == pytest.approx(5 / 9, abs=0.01) and ahead["nusax-words"].value > 0, "a refit beside what saw as much"
    assert "cnn" not in found.without, "a family without a trained row has none"
    assert baseline_table.parts(None, (), {}) == [], "and no section"
