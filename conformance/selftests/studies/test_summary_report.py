"""The pages about masks and about everything: words that follow from the figures, and nothing where nothing was measured."""

from typing import Any

import pytest

from conformance.selftests.builders.experiment_records import folds, record, write
from conformance.studies.analysis import experiments as experiment_analysis
from conformance.studies.analysis import results as experiment_results
from conformance.studies.analysis.bootstrap import Estimate
from conformance.studies.experiments.axes import AXES, PARTS
from conformance.studies.reports import experiment_tables
from conformance.studies.reports import masking as masking_report
from conformance.studies.reports import summary as summary_report

NOTHING: dict[str, Any] = {"baselines": [], "padding": None}
UNLEARNED = {"train_macro_f1": [0.18, 0.18, 0.18], "valid": {"loss": 1.0, "accuracy": 0.38, "macro_f1": 2 * 0.38 / 1.38 / 3}}


def results(tmp_path, records, baselines=NOTHING):
    return experiment_results.results(experiment_analysis.read(write(tmp_path, records) / "experiments"), baselines)


def masks(without, masked, seeds=4):
    """One-way LSTMs: with a constant answer or so many samples wrong without the mask, and with it."""
    rows = []
    for seed in range(seeds):
        constant = {"predicted": "2" * 90, **UNLEARNED} if without is None else {"wrong": without + seed}
        rows += [record("nusax-lstm-128", seed, **constant), record("nusax-lstm-128-mask", seed, wrong=masked + seed)]
    return rows


def test_the_effect_of_a_mask_is_said_as_its_interval_allows(tmp_path):
    text = masking_report.markdown(results(tmp_path / "a", masks(None, 20)), [])
    assert "- LSTM one way, 128 units: the mask **raises** macro-F1 by 0.5" in text, "a mask that helps"
    assert "0 of 4" in text and "100% (positive 4×)" in text, "without it nothing is learned"
    assert "SimpleRNN one way, 128 units:" not in text and "not trained yet" in text, "nothing is said of what was not trained"
    text = masking_report.markdown(results(tmp_path / "b", masks(5, 50)), [])
    assert "the mask **lowers** macro-F1 by 0." in text and "by -" not in text, "one that does harm"
    alike = results(tmp_path / "c", masks(20, 21))
    assert "no difference is shown (macro-F1 0.7" in masking_report.markdown(alike, []), "one that does nothing"
    axis = next(one for one in masking_report.MASKING if one.slug == "lstm_masking_one_way")
    found = masking_report.effect(*masking_report.pair(axis, alike))
    assert found["low"] < found["value"] < 0 < found["high"], "with the mask less that without, also where the mask is behind"


def test_constant_answers_are_recognised_among_the_published_figures(tmp_path):
    records = results(tmp_path, masks(None, 20)).records
    said = " ".join([*masking_report.constant_sentences(records), *masking_report.recognised(records)])
    assert "4 trainings name one class for every test sentence" in said and "`nusax-lstm-128` (4 of 4)" in said, "counted, by row"
    assert "All of them read one way and without a mask." in said, "what they have in common"
    assert "0.1667 for naming negative for every test sentence" in said, "thirty of ninety"
    assert "0.1836 for naming one class for every validation sentence, as 4 trainings here do" in said, "38 of 100"
    assert "Study A's 0.1836 for `nusax-bilstm-64`, `nusax-bilstm-64-64`" in said, "to all the digits that study A has"
    assert "Study B's" not in said, "0.1827 is no constant answer on this test split"
    for other in ("nusax-lstm-128-mask", "nusax-bilstm-64"):
        mixed = results(tmp_path / other, [*masks(None, 20, seeds=1), record(other, predicted="1" * 90)]).records
        assert "All of them" not in " ".join(masking_report.constant_sentences(mixed)), f"{other} has a mask, or reads both ways"
    none = " ".join(masking_report.constant_sentences(results(tmp_path / "c", masks(9, 9)).records))
    assert none == "No training that is recorded names one class for every sentence of the test split.", "and where there is none"


def test_a_constant_answer_on_the_test_split_alone_says_nothing_of_the_validation_split(tmp_path):
    varied = record("nusax-lstm-128", predicted="2" * 90, valid={"loss": 1.0, "accuracy": 0.5, "macro_f1": 0.4})
    found = masking_report.answers(results(tmp_path, [varied]).records)
    assert len(found) == 3, "three classes of the test split, and no score of the validation split"
    both = masking_report.answers(results(tmp_path, [varied, record("nusax-lstm-128", 1, predicted="2" * 90, **UNLEARNED)]).records)
    assert both[3][1].endswith("as 1 training here does"), "only those count whose score a constant answer can have"


def test_padding_is_told_where_it_is_known(tmp_path):
    padding = {"positions": 100, "median_words": 19.0, "share": 0.768}
    text = masking_report.markdown(results(tmp_path, masks(None, 20), {"baselines": [], "padding": padding}), [])
    assert "19 words or fewer; 77% of what a layer reads" in text and "end in 81 zeros or more" in text, "as it was measured"
    assert "words or fewer" not in masking_report.markdown(results(tmp_path, masks(None, 20)), []), "and not where it was not"


def test_the_summary_is_what_the_other_reports_say(tmp_path):
    found = results(tmp_path, masks(None, 8))
    counts = {"passed": 3, "failed": 1, "skipped": 0}
    conformance = {"layers": {"Dense": {"passes": {"forward": counts}}}}
    models = [{"samples": 1000, "disagreements": 0}, {"samples": 400, "disagreements": 2}]
    cause = {"value": 0.1, "low": 0.05, "high": 0.15, "seeds": 7}
    causes = {"gap": {**cause, "value": 0.3}, "model": cause, "optimizer": {**cause, "value": 0.2}, "code": {**cause, "value": 0.0}}
    gap = {"families": {"lstm": {"published": [0.6275, 0.2572], "causes": causes}}}
    text = summary_report.markdown(found, conformance, models, [], gap)
    assert "3 of 4 cases of layers" in text, "cases are counted"
    assert "2 trained models on 1,400 test samples" in text and "for all but 2 " in text, "samples, too"
    assert "| LSTM      | `nusax-lstm-128-mask` |" in text, "the best on the validation split"
    assert "0.7636 (study A)" in text and "0.6105 (study B)" in text and "0.7205 (study A)" in text, "the best published of each family"
    distance = found.best("lstm")["macro_f1_mean"] - 0.7636
    assert f"LSTM (nusax made up): {distance:.4f} above the best published figure. " in text, "8 to 11 of 90 wrong"
    assert "LSTM one way, 128 units: the mask **raises** macro-F1" in text, "the masks"
    assert "Nothing is measured yet." in text.split("## What the choices do")[1].split("##")[0], "masks are no choice of the grid"
    assert "Study A's 0.1836 for " in text and "Study B's 0.1827" not in text, "and the figures that are constant answers"
    assert "its largest part is SGD in the place of Adam, 0.200 [0.050, 0.150]" in text, "the largest cause of the gap"
    assert text.count("not trained yet") == 2, "families without a row say so"
    near, far = (summary_report.markdown(results(tmp_path / f"{n}", masks(None, n)), None, [], [], None) for n in (20, 60))
    assert " the best published figure, which its interval holds: not told apart." in near, "20 to 23 of 90 wrong"
    assert " below the best published figure. " in far, "60 to 63"


def test_the_best_row_is_chosen_on_the_validation_split(tmp_path):
    scores = {"loss": 0.5, "accuracy": 0.5}
    good = record("nusax-bilstm-64", wrong=5, valid={**scores, "macro_f1": 0.6})
    better = record("nusax-bilstm-32", wrong=9, valid={**scores, "macro_f1": 0.7})
    assert results(tmp_path, [good, better]).best("lstm")["row"] == "nusax-bilstm-32", "not the one that is better on the test split"


def test_of_the_best_cross_validation_the_refit_is_shown(tmp_path):
    unseen = dict.fromkeys(("valid", "valid_loss", "valid_macro_f1"))
    made = [record("nusax-lstm-ratios", wrong=9), record("nusax-lstm-ratios-refit", wrong=30, **unseen)]
    made += [record("nusax-bilstm-64", wrong=2), *folds("nusax-lstm-ratios", 20), *folds("nusax-bilstm-64", 25)]
    found = results(tmp_path, made)
    assert found.best("lstm")["row"] == "nusax-lstm-ratios-refit", "the best by cross-validation, whatever the test split says"
    own = {one["row"]: one for one in found.entries}
    assert own["nusax-lstm-ratios-refit"]["folds"] == own["nusax-lstm-ratios"]["folds"], "a refit has the cross-validation of its row"
    assert [own["nusax-lstm-ratios-refit"][key] for key in ("converged", "valid_macro_f1")] == [None, None], "and no validation split"
    axis = next(axis for axis in AXES if axis.name == "parts of the best model" and axis.family == "lstm")
    said = experiment_tables.folds_sentence(found.of_axis(axis))
    assert said.count("(5 parts)") == 1 and "fitted on both" not in said, "which is said once"
    apart = next(axis for axis in AXES if axis.name == "best model" and axis.family == "lstm")
    said = experiment_tables.folds_sentence(found.of_axis(apart))
    assert "; best model 0.7" in said, "and of the refit where its row is not beside it"
    assert said.endswith("were chosen by this figure, which flatters it."), "a choice by a figure makes that figure large"
    table = " ".join(experiment_tables.axis_table(found.of_axis(axis)).split())
    assert "1 of 1 | not known |" in table, "whether it converged cannot be told"


@pytest.mark.parametrize(
    ("one_way", "words"), [(60, "a difference is shown in direction (both ways over one way by 0."), (10, "no difference")]
)
def test_axes_with_and_without_a_difference_are_named(tmp_path, one_way, words):
    rows = ("nusax-lstm-128", one_way), ("nusax-bilstm-128", 9)
    found = results(tmp_path, [record(name, seed, wrong=wrong + seed) for name, wrong in rows for seed in range(4)])
    assert f"- LSTM: {words}" in summary_report.markdown(found, None, [], [], None), "as its interval allows"


def test_the_closest_classifier_without_a_net_is_named_whichever_was_chosen():
    rows = [{"baseline": "a", "title": "the chosen one", "macro_f1": 0.7}, {"baseline": "b", "title": "the closest", "macro_f1": 0.78}]
    ahead = {"a": Estimate(0.05, 0.01, 0.09, 5), "b": Estimate(-0.03, -0.07, 0.01, 5)}
    said = summary_report._closest(rows, ahead)
    assert said == "The closest is the closest, 0.7800 (net less that: -0.030 [-0.070, 0.010]).", "it may be ahead of the net"


def test_the_parts_of_the_best_model_are_no_choice_that_is_named(tmp_path):
    names = [variation.row for axis in AXES if axis.name == PARTS and axis.family == "rnn" for variation in axis.variations]
    found = results(tmp_path, [record(name, seed, wrong=5 + 9 * n) for n, name in enumerate(names) for seed in range(4)])
    chosen = summary_report.markdown(found, None, [], [], None).split("## What the choices do")[1]
    assert "ratios of the best model (" in chosen and PARTS not in chosen, "their winner differs from the others in several things"


def test_axes_in_which_nothing_was_learned_are_named(tmp_path):
    rows = "nusax-lstm-16-8", "nusax-lstm-32-16", "nusax-lstm-64-32"
    found = results(tmp_path, [record(name, seed, predicted="2" * 90, **UNLEARNED) for name in rows for seed in range(4)])
    assert "- LSTM: no difference is shown. In stack of study A, one way no variation learned." in summary_report.markdown(
        found, None, [], [], None
    ), "it is no axis without a difference"


def test_without_anything_the_summary_says_so(tmp_path):
    text = summary_report.markdown(experiment_results.results(experiment_analysis.read(tmp_path), NOTHING), None, [], [], None)
    assert text.count("Nothing is measured yet.") == 4, "of each part"
    assert (
        masking_report.markdown(experiment_results.results(experiment_analysis.read(tmp_path), NOTHING), []).count("not trained yet") == 8
    )


def test_every_mask_stands_beside_its_row_without_one():
    assert {axis.family for axis in masking_report.MASKING} == {"rnn", "lstm"} and len(masking_report.MASKING) == 4, "each layer, each way"
    for axis in masking_report.MASKING:
        without, masked = (variation.row for variation in axis.variations)
        assert masked == f"{without}-mask", "the row without the mask comes first"
    assert all(axis in AXES for axis in masking_report.MASKING), "they are axes as others are"


def test_what_was_cross_validated_is_chosen_by_it(tmp_path):
    rows = ("nusax-bilstm-64", "nusax-bilstm-32", "nusax-lstm-128-mask")
    seeds = [record(name, wrong=wrong) for name, wrong in zip(rows, (20, 9, 3), strict=True)]
    crossed = [*folds(rows[0], 5), *folds(rows[1], 12)]
    best = results(tmp_path / "a", seeds + crossed).best("lstm")
    assert best["row"] == "nusax-bilstm-64", "better on its folds, though worse on the validation split; the third has no folds"
    unfinished = results(tmp_path / "b", seeds + crossed[4:]).best("lstm")
    assert unfinished["row"] == "nusax-bilstm-32", "one part of five decides nothing"
    alone = record("nusax-lstm-best-refit", valid=None, valid_loss=None, valid_macro_f1=None)
    assert results(tmp_path / "c", [alone]).best("lstm") is None, "a refit alone has nothing by which it was chosen"
