"""The report of the gap is a function of its records: figures by hand, parts that add up, words that follow from the intervals."""

import itertools
import json

import numpy as np
import pytest
from scipy.stats import t
from sklearn.metrics import f1_score

from conformance.studies.analysis import bootstrap
from conformance.studies.analysis import gap as gap_analysis
from conformance.studies.experiments.gap_runs import KERAS, NUMPY, SCRATCH, STUDY, GapRun
from conformance.studies.reports import gap as gap_report

LABELS = "".join(str(n % 3) for n in range(90))
MODELS, OPTIMIZERS, SIDES = (STUDY, SCRATCH), ("adam", "sgd"), (KERAS, NUMPY)


def record(run, wrong):
    """A run that names another class for so many of the sentences."""
    predicted = "".join(str((int(label) + 1) % 3) if n < wrong else label for n, label in enumerate(LABELS))
    return {"run": run.to_json(), "data_sha256": "d" * 64, "versions": {"keras": "3"}, "diverged": False, "test_predictions": predicted}


def study(wrong, seeds=(0, 1), fault_wrong=None):
    """The eight trainings of the RNN for every seed; `wrong` is a function of model, optimizer and side."""
    cells = itertools.product(seeds, MODELS, OPTIMIZERS, SIDES)
    records = [record(GapRun(seed, "rnn", model, optimizer, side), wrong(model, optimizer, side)) for seed, model, optimizer, side in cells]
    if fault_wrong is not None:
        records += [record(GapRun(seed, "rnn", SCRATCH, "sgd", NUMPY, "doubled"), fault_wrong) for seed in seeds]
    return records


def by_optimizer(model, optimizer, side):
    return 9 if optimizer == "adam" else 60


def test_macro_f1_is_scikit_learns_on_every_draw():
    draw = np.random.default_rng(0)
    true, predicted = draw.integers(3, size=50), draw.integers(2, size=50)
    weights = draw.integers(4, size=(5, 50)).astype(float)
    found = bootstrap.macro_f1(true, predicted, weights)
    expected = [f1_score(true, predicted, labels=[0, 1, 2], average="macro", sample_weight=one, zero_division=0) for one in weights]
    assert np.allclose(found, expected, rtol=0, atol=1e-12), "also with a class that nobody names"


def test_every_draw_has_as_many_sentences_as_there_are_and_is_always_the_same():
    drawn = bootstrap.sample_draws(40)
    assert (drawn.sum(axis=1) == 40).all(), "drawn with replacement, as many as there are"
    assert drawn[0, :8].tolist() == [2, 2, 0, 2, 0, 1, 1, 0], "on every machine and with every version of NumPy"


def test_the_parts_of_the_causes_add_up_to_the_gap():
    def wrong(model, optimizer, side):
        return 5 + 7 * (model == SCRATCH) + 20 * (optimizer == "sgd") + 3 * (side == NUMPY) + 11 * (model == SCRATCH and optimizer == "sgd")

    found = gap_analysis.causes(gap_analysis.cells(study(wrong), LABELS), "rnn")
    parts = [found[name].value for name in gap_analysis.CAUSES]
    assert sum(parts) == pytest.approx(found["gap"].value, abs=1e-12), "Shapley values add up"
    true = np.array([int(one) for one in LABELS])
    scores = {}
    for one in study(wrong, seeds=(0,)):
        run = one["run"]
        predicted = np.array([int(digit) for digit in one["test_predictions"]])
        scores[run["model"], run["optimizer"], run["side"]] = f1_score(true, predicted, average="macro")
    assert found["gap"].value == pytest.approx(scores[STUDY, "adam", KERAS] - scores[SCRATCH, "sgd", NUMPY], abs=1e-12), (
        "from the good to the bad"
    )
    assert found["optimizer"].value > found["model"].value > found["code"].value > 0, "in the order of what they do"


def test_a_cause_alone_takes_all_of_the_gap_and_the_others_nothing():
    found = gap_analysis.causes(gap_analysis.cells(study(by_optimizer), LABELS), "rnn")
    assert found["optimizer"].value == pytest.approx(found["gap"].value, abs=1e-12), "the optimizer is all that differs"
    assert found["optimizer"].shown, "and its interval leaves out 0"
    for name in ("model", "code"):
        assert (found[name].value, found[name].low, found[name].high) == pytest.approx((0, 0, 0), abs=1e-12), (
            f"{name} does nothing in any draw"
        )


def test_a_seed_counts_only_where_all_its_trainings_are_there():
    records = study(by_optimizer, seeds=(0, 1, 2))
    unfinished = [
        one for one in records if not (one["run"]["seed"] == 1 and one["run"]["side"] == NUMPY and one["run"]["model"] == SCRATCH)
    ]
    made = gap_analysis.cells(unfinished, LABELS)
    assert gap_analysis.common_seeds(made, "rnn") == (0, 2), "seed 1 is not complete"
    assert [row["seeds"] for row in gap_analysis.code_differences(made)] == [[0, 1, 2], [0, 1, 2], [0, 2], [0, 2]], (
        "pairs that are complete count"
    )
    assert gap_analysis.common_seeds(made, "lstm") == (), "nothing of the other family is there"


def test_the_words_follow_from_the_intervals():
    costly = gap_report.summary(study(by_optimizer, fault_wrong=85), LABELS)
    text = gap_report.markdown(costly)
    assert "SGD in the place of Adam accounts for" in text, "an effect that is shown is said"
    assert "Of the smaller model no effect is shown" in text, "one that is not shown is not claimed"
    assert "tried with SGD, `doubled` (by 0.28) lowers the score." in text, "a mistake that costs is named"
    assert "tried with Adam" not in text, "of an optimizer with which none was tried nothing is said"
    adam = [record(GapRun(seed, "rnn", SCRATCH, "adam", NUMPY, "no-slope"), 60) for seed in (0, 1)]
    both = gap_report.markdown(gap_report.summary([*study(by_optimizer, fault_wrong=85), *adam], LABELS))
    assert "tried with Adam, `no-slope` (by 0.5" in both, "nor is it left out where one was"
    assert both.count("lies within the range of the seeds with") == 1, "study B trained with SGD"
    assert "In none of the 4 cells can the two be told apart" in text, "Keras and NumPy agree"
    assert "LSTM, Keras model" not in text and "**LSTM**" not in text, "what was not trained is not in the report"
    helpful = gap_report.markdown(gap_report.summary(study(by_optimizer, fault_wrong=30), LABELS))
    assert "none lowers the score, and `doubled` (by 0.33) raises it." in helpful, "one that helped is said to help"

    def apart(model, optimizer, side):
        return 9 if side == KERAS else 50

    assert "**Keras and NumPy differ in 4 of 4 cells" in gap_report.markdown(gap_report.summary(study(apart), LABELS))


def test_one_seed_shows_nothing():
    found = gap_report.summary(study(by_optimizer, seeds=(3,), fault_wrong=85), LABELS)
    assert found["families"]["rnn"]["causes"]["optimizer"]["low"] > 0, "the interval of the sentences leaves out 0"
    assert "Of SGD in the place of Adam no effect is shown" in gap_report.markdown(found), "and yet nothing is claimed"
    assert not any(row["shown"] for row in found["faults"]), "of a mistake neither"


def test_the_interval_has_the_scatter_of_sentences_and_of_seeds():
    steady, scattered = np.full(4, 0.5), np.array([0.3, 0.4, 0.6, 0.7])
    drawn = np.random.default_rng(0).normal(0.5, 0.02, size=2000)
    sentences, none = drawn.std(ddof=1), np.full(2000, 0.5)
    assert bootstrap.half_width(drawn, [steady]) == pytest.approx(1.959964 * sentences), "the sentences alone: the normal distribution"
    assert bootstrap.half_width(drawn, [steady[:1]]) == pytest.approx(1.959964 * sentences), "as with one seed, whose scatter nobody knows"
    deviation = scattered.std(ddof=1) / 2
    assert bootstrap.half_width(none, [scattered]) == pytest.approx(3.182446 * deviation), "four seeds alone: Student's with 3 degrees"
    both = np.hypot(deviation, sentences)
    assert 1.959964 * both < bootstrap.half_width(drawn, [scattered]) < 3.182446 * both, "both: variances add up, degrees lie between"
    assert bootstrap.half_width(none, [steady]) == 0, "neither: nothing is uncertain"


def test_a_single_seed_scatters_as_those_that_are_alike():
    few, many, none = np.array([0.4, 0.5]), np.array([0.3, 0.4, 0.6, 0.7]), np.full(2000, 0.5)
    typical = np.mean([few.var(ddof=1) / 0.454936, many.var(ddof=1) * 3 / 2.365974])  # medians of chi-squared with 1 and 3 degrees
    alone = bootstrap.half_width(none, [few[:1]], alike=[few, many, few[:1]])
    assert alone == pytest.approx(2.776445 * np.sqrt(typical)), "their variance, the median of two: Student's with 1 + 3 degrees"
    both = bootstrap.half_width(none, [few[:1], few[:1]], alike=[few, many])
    assert both == pytest.approx(2.776445 * np.sqrt(2 * typical)), "each of two single seeds"
    own = many.var(ddof=1) / 4
    degrees = (own + typical) ** 2 / (own**2 / 3 + typical**2 / 4)
    beside = bootstrap.half_width(none, [many, few[:1]], alike=[few, many])
    assert beside == pytest.approx(t.ppf(0.975, degrees) * np.sqrt(own + typical)), "a row with several keeps its own"
    assert bootstrap.half_width(none, [many], alike=[few]) == bootstrap.half_width(none, [many]), "and needs no others"


def test_the_typical_variance_is_right_in_the_mean_and_one_wild_row_does_not_move_it():
    draw = np.random.default_rng(0)
    normal = [draw.normal(0.7, 0.01, size) for size in (3, 5) for _ in range(2000)]
    variance, freedom = bootstrap.typical_variance(normal)
    assert variance == pytest.approx(1e-4, rel=0.05) and freedom == 2000 * (2 + 4), "the median of many, set right"
    wild = bootstrap.typical_variance([*normal[:11], np.array([0.1, 0.5, 0.9])])[0]
    assert wild < 4 * bootstrap.typical_variance(normal[:11])[0], "a mean would be a hundred times larger"
    assert bootstrap.typical_variance([np.array([0.5])]) == (0.0, 0), "single seeds say nothing"


def test_a_difference_is_taken_seed_by_seed():
    def wrong(seed, side):
        return 10 + 20 * seed + 3 * (side == NUMPY)

    records = [record(GapRun(seed, "rnn", m, o, s), wrong(seed, s)) for seed in range(3) for m in MODELS for o in OPTIMIZERS for s in SIDES]
    row = gap_analysis.code_differences(gap_analysis.cells(records, LABELS))[0]
    assert row["difference"]["value"] == pytest.approx(-0.0333, abs=1e-4), "three sentences of ninety in every seed"
    assert row["half_width"] < 0.05, "how far the seeds lie apart does not matter: both sides share it"
    assert row["keras_macro_f1"] == pytest.approx(2 / 3, abs=1e-3), "30 of 90 as a mean"


def test_the_published_score_is_compared_with_the_seeds():
    around = [one for seed, wrong in enumerate((55, 61)) for one in study(lambda m, o, s: wrong, seeds=(seed,), fault_wrong=wrong)]  # noqa: B023
    near = gap_report.markdown(gap_report.summary(around, LABELS))
    assert "the study's 0.3556 lies within that range" in near, "58 of 90 wrong would be a score of 0.36"
    assert "within the range of the seeds with `doubled`" in near, "with the mistake as well"
    far = gap_report.markdown(gap_report.summary(study(lambda m, o, s: 9, fault_wrong=9), LABELS))
    assert "the study's 0.3556 lies outside of that range" in far, "9 of 90 wrong is not"
    assert "within the range of the seeds with none of them" in far, "with the mistake neither"


def test_the_report_is_the_same_each_time_and_its_summary_is_json():
    records = study(by_optimizer, fault_wrong=70)
    first, second = (gap_report.summary(one, LABELS) for one in (records, records[::-1]))
    assert first == second, "the order of the files does not matter"
    stored = json.loads(json.dumps(first, allow_nan=False))
    assert gap_report.markdown(stored) == gap_report.markdown(first), "from the stored summary the same report is rendered"
    assert "are there: SimpleRNN 2." in gap_report.markdown(first), "it says how many seeds there are"


def test_without_any_run_the_report_says_so():
    text = gap_report.markdown(gap_report.summary([], LABELS))
    assert "No cell has both sides yet." in text, "nothing is claimed of nothing"
