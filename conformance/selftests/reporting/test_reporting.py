"""Reports are pure functions of records: what they show, what they keep, and what never changes them."""

import copy
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from conformance.base.record import Record
from conformance.base.report import Report
from conformance.cases import ALL
from conformance.models.agreement import figures
from conformance.reporting import conformance as conformance_report
from conformance.reporting.buckets import bucket, kept_bucket, kept_power, power_of_ten
from conformance.reporting.options import values_tried
from conformance.reporting.tables import code, escaped, layer_table, table
from conformance.studies.analysis import scoring
from conformance.studies.experiments import timing
from conformance.studies.experiments.grid import find
from conformance.studies.experiments.timing import median_times
from conformance.studies.experiments.training_timing import time_training
from conformance.studies.reports import generate
from conformance.studies.reports import macro_f1 as macro_f1_report


def record(identifier, layer="LSTM", kind="forward", status="passed", error=0.3, keras=0.2, options=()):
    return Record(identifier, layer, kind, status, dict(options), error, keras)


def run(*records, **facts):
    return Report(records, {"iut": "reference", "keras": "3.15.1", "seed": 0, "profile": "smoke", **facts})


def model(name="m", sha="d1", **changes):
    """A record of a trained model as it is measured: differences not yet coarse."""
    return {
        "model": name, "dataset": f"data {sha}", "dataset_sha256": sha, "embedded": False, "parameters": 10, "model_sha256": "a" * 64,
        "samples": 4, "keras_macro_f1": 0.5, "reference_macro_f1": 0.5, "agreement": 1.0, "disagreements": 0,
        "disagreements_beyond_bound": 0, "max_probability_difference": 6e-7, "mean_probability_difference": 2e-8, "bound": 5e-6,
        "within_bound": True, "per_class": [{"class": "a|b", "precision": 0.5, "recall": 0.5, "f1": 0.5, "samples": 4}],
        "confusion_matrix": [[4]], "date": "2026-01-02", "keras": "3.15.1", **changes,
    }  # fmt: skip


def settled(**changes):
    return scoring.settled(None, model(**changes))


# Coarse figures


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(0.0, "exact"), (1e-9, "≤ 0.1"), (0.1, "≤ 0.1"), (0.1000001, "≤ 0.25"), (0.25, "≤ 0.25"), (0.5, "≤ 0.5"), (1.0, "≤ 1"), (1.01, "> 1")],
)
def test_buckets_include_their_upper_edge(ratio, words):
    assert bucket(ratio) == words, f"an error of {ratio} of the tolerance belongs into {words!r}"


def test_a_stored_bucket_stays_while_the_measurement_is_near_it():
    assert kept_bucket("≤ 0.25", 0.26) == "≤ 0.25", "a hair above the edge is another processor, not another fact"
    assert kept_bucket("≤ 0.25", 0.09) == "≤ 0.25", "a hair below as well"
    assert kept_bucket("≤ 0.25", 0.51) == "≤ 1", "more than a factor of two away is another fact"
    assert kept_bucket("≤ 0.25", 0.04) == "≤ 0.1", "in both directions"


def test_failure_and_exactness_are_never_smoothed():
    assert kept_bucket("≤ 1", 1.1) == "> 1", "an error above the tolerance shows, however small the step"
    assert kept_bucket("> 1", 0.9) == "≤ 1", "and so does its end"
    assert kept_bucket("exact", 0.01) == "≤ 0.1", "exact means 0"
    assert kept_bucket("≤ 0.1", 0.0) == "exact", "and 0 is exact"


@pytest.mark.parametrize(
    ("value", "power"), [(0.0, 0.0), (1e-7, 1e-7), (1.0001e-7, 1e-6), (9.9e-7, 1e-6), (1e-6, 1e-6), (0.3, 1.0), (1.0, 1.0), (3.0, 10.0)]
)
def test_probability_differences_are_rounded_up_to_a_power_of_ten(value, power):
    assert power_of_ten(value) == power, f"{value} is rounded up to {power}, never down"


def test_powers_of_ten_are_the_floats_that_json_reads_back():
    powers = [power_of_ten(0.99 * 10.0**exponent) for exponent in range(-16, 1)]
    assert powers == [float(f"1e{exponent}") for exponent in range(-16, 1)], "a stored power equals a measured one bit for bit"


def test_a_stored_power_stays_while_the_measurement_is_near_it():
    assert kept_power(1e-6, 1.5e-6) == 1e-6, "another processor may be a little worse"
    assert kept_power(1e-6, 6e-8) == 1e-6, "or a little better"
    assert kept_power(1e-6, 2.1e-6) == 1e-5, "more than a factor of two is another fact"
    assert kept_power(1e-6, 0.0) == 0.0, "equal probabilities are equal"


# Tables


def test_markdown_of_foreign_text_cannot_break_a_table():
    text = "a|b\n*c* `d` <script> [e](f) _g_"
    assert re.search(r"(?<!\\)[|*_`\[\]<>\n]", escaped(text)) is None, "every mark that means something to Markdown is escaped"
    assert "\n" not in code(text), "a cell is one line"
    assert re.search(r"(?<!\\)\|", code(text)) is None, "a bar would end the cell"
    assert code(text).count("`") == 2, "a backtick would end the code"


def test_a_table_has_as_many_cells_in_every_row():
    lines = table(["a", "b"], [[escaped("x|y"), 1], ["z", 1234]]).splitlines()
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert cells == {3}, "two columns have three bars, whatever the text"
    assert "1,234" in lines[-1], "thousands are separated"


def test_the_layer_table_shows_every_pass_and_a_total():
    asked = [record(str(n), status="failed" if n == 3 else "passed", options={"a": "b"}) for n in range(4)]
    text = layer_table(Report([*asked, *(record(str(n), kind="mask", status="blocked") for n in range(2))]))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert rows[2] == ["LSTM", "forward", "3", "1", "0", "0", "0", "0", "0", "4"], "zeros are shown"
    assert rows[3][:2] == ["LSTM", "mask"], "each pass has its row"
    assert rows[4][-1] == "6", "the total counts all cases"
    assert len(rows) == 5, "options are not a pass"


def test_the_layer_table_counts_the_edge_apart_where_there_is_one():
    asked = [replace(record(str(n), status="failed" if n > 2 else "passed"), level="edge" if n > 1 else "core") for n in range(5)]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in layer_table(Report(asked)).splitlines()]
    assert rows[0][-3:] == ["cases", "edge cases", "edge failures"], f"columns of their own: {rows[0]}"
    assert rows[2][-3:] == rows[3][-3:] == ["5", "3", "2"], "the number of cases counts them as well"
    assert "edge" not in layer_table(Report(asked[:2])), "and no column where there is none"


# The report of the layers


def test_the_report_says_how_many_cases_are_of_the_edge():
    edge = replace(record("c[d-float32]", "relu"), level="edge")
    summary = conformance_report.stored_summary(run(record("a[b-float32]"), record("a[c-float32]"), edge))
    assert " 1 of the cases are [edge](" in conformance_report.markdown(summary), "all layers together"
    del summary["layers"]["relu"]["edge"]
    assert "edge" not in conformance_report.markdown(summary), "a summary from before the levels says nothing"


def test_an_option_that_no_case_varies_is_shown_as_zero():
    known = values_tried("Bidirectional", [record("test_forward[Bidirectional-units=5-sequence-float64]")])
    assert known["go_backwards"] == {}, "an option of the wrapped layer that is left alone has no values"
    text = conformance_report.markdown(conformance_report.stored_summary(run(record("x[y-float32]", "Bidirectional"))))
    assert re.search(r"`go_backwards` +\| +0 ", text), "and the report shows a 0"


def test_values_are_counted_from_what_ran_sizes_and_defaults_included():
    given = [{"units": "5"}, {"units": "5", "go_backwards": "True"}]
    ran = [record(f"test_forward[LSTM-{n}-float64]", options=options) for n, options in enumerate(given)]
    tried = values_tried("LSTM", ran)
    assert tried["go_backwards"] == {"False": 1, "True": 1}, "the default counts where a declared case leaves it"
    assert tried["units"] == {"5": 2}, "sizes follow from the weights, and are options of the Keras layer all the same"
    skipped = [replace(one, status="skipped") for one in ran]
    assert values_tried("LSTM", skipped)["go_backwards"] == {}, "what was skipped was not tried"


def test_a_default_that_a_record_names_is_not_a_variation():
    named = record("test_stateful[LSTM-stateful]", options={"go_backwards": "False", "stateful": "True"})
    tried = values_tried("LSTM", [named])
    assert tried["go_backwards"] == {}, "naming the default varies nothing"
    assert tried["stateful"] == {"True": 1}, "an option beyond the declared ones counts as the record says"


def test_error_columns_take_float32_and_leave_deviations_of_keras_out():
    summary = conformance_report.stored_summary(
        run(
            record("t[LSTM-a-float64]", error=0.9, keras=0.9),
            record("t[LSTM-a-float32]", error=0.2, keras=0.05),
            record("t[LSTM-b-D3-float32]", error=0.4, keras=1e12),
        )
    )
    layer = summary["layers"]["LSTM"]
    assert layer["float32_error"] == {"reference": "≤ 0.5", "keras": "≤ 0.1"}, "float64 is another rule; D3 is no rounding of Keras"
    assert layer["deviations"] == {"D3": 1}, "and the deviation is counted"


def test_functions_stand_apart_and_whole_models_out():
    summary = conformance_report.stored_summary(run(record("a[b-float32]"), record("c[d-float32]", "relu"), record("e[f]", "m", "model")))
    assert list(summary["layers"]) == ["LSTM", "relu"], "trained models have a report of their own"
    text = conformance_report.markdown(summary)
    assert text.index("## Layers") < text.index("| LSTM") < text.index("## Activation functions") < text.index("| relu"), "two sections"


def test_the_stored_summary_holds_nothing_that_depends_on_digits():
    first = conformance_report.stored_summary(run(record("a[b-float32]", error=0.30, keras=0.11)))
    second = conformance_report.stored_summary(run(record("a[b-float32]", error=0.55, keras=0.09)), first)
    assert first == second, "another processor's digits leave the summary as it is"
    assert "0.3" not in json.dumps(first), "measured digits are not stored"


def test_a_partial_run_keeps_the_other_layers_and_never_mixes_kinds_of_run():
    whole = conformance_report.stored_summary(run(record("a[b-float32]"), record("c[d-float32]", "relu")))
    part = conformance_report.stored_summary(run(record("a[b-float32]", status="failed")), whole)
    assert part["layers"]["relu"] == whole["layers"]["relu"], "a layer that was not asked about keeps its record"
    assert part["layers"]["LSTM"]["passes"]["forward"]["failed"] == 1, "and what was asked about is new"
    with pytest.raises(conformance_report.PartialRunError, match="relu"):
        conformance_report.stored_summary(run(record("a[b-float32]"), seed=7), whole)
    with pytest.raises(conformance_report.PartialRunError, match=r"mine\.py"):
        conformance_report.stored_summary(run(record("a[b-float32]"), iut="mine.py"))


def test_layers_are_reported_in_the_order_of_their_declarations():
    names = ["relu", "LSTM", "Unheard", "Dense"]
    summary = conformance_report.stored_summary(run(*(record(f"t[{name}-float32]", name) for name in names)))
    assert list(summary["layers"]) == ["Dense", "LSTM", "relu", "Unheard"], "whatever order the records come in"
    assert list(ALL).index("Dense") < list(ALL).index("LSTM") < list(ALL).index("relu"), "which is that of the suite"


# The report of trained models


def test_equal_facts_leave_the_stored_record_as_it_is():
    stored = settled()
    again = scoring.settled(copy.deepcopy(stored), model(date="2030-12-31", keras="9.9", max_probability_difference=1.3e-6))
    assert again == stored, "neither a date nor a version nor digits make a new record"


@pytest.mark.parametrize("change", [{"agreement": 0.75}, {"model_sha256": "b" * 64}, {"max_probability_difference": 1e-3}])
def test_another_fact_makes_a_new_record(change):
    again = scoring.settled(settled(), model(date="2030-12-31", **change))
    assert again["date"] == "2030-12-31", f"{change} is another fact, measured on another day"


def test_no_row_vanishes():
    stored = [settled(name="gone"), settled(name="here"), settled(name="here", sha="d2")]
    records = scoring.updated(stored, [model(name="here", agreement=0.5), model(name="new")], ["new", "here"])
    assert [(r["model"], r["dataset_sha256"]) for r in records] == [("new", "d1"), ("here", "d1"), ("here", "d2"), ("gone", "d1")], (
        "a model that is declared no more, and one on other bytes of the data, keep their rows"
    )
    text = macro_f1_report.markdown(records)
    assert text.count("| `here` ") >= 2, "both copies of the data are shown"
    assert "| `gone` " in text, "and what nobody trains any more"


def _figures(keras, reference, bound=1e-6, labels=(0, 1, 1)):
    return figures(np.array(labels), ["a", "b"], np.float32(keras), np.float32(reference), lambda rows: bound)


def test_figures_of_equal_answers():
    p = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]
    found = _figures(p, p)
    assert found["agreement"] == 1.0, "the same classes"
    assert found["keras_macro_f1"] == found["reference_macro_f1"] == pytest.approx(2 / 3, abs=1e-6), "F1 is 2/3 for both classes"
    assert found["confusion_matrix"] == [[1, 0], [1, 1]], "rows are true classes"
    assert found["per_class"][1] == {"class": "b", "precision": 1.0, "recall": 0.5, "f1": 0.666667, "samples": 2}, "of the reference"


def test_a_disagreement_is_counted_and_must_be_a_near_tie():
    keras, reference = [[0.5000001, 0.4999999], [0.2, 0.8]], [[0.4999999, 0.5000001], [0.2, 0.8]]
    near = _figures(keras, reference, bound=1e-6, labels=(0, 1))
    assert (near["disagreements"], near["disagreements_beyond_bound"]) == (1, 0), "the top two are closer than the bound"
    far = _figures(keras, reference, bound=1e-8, labels=(0, 1))
    assert far["disagreements_beyond_bound"] == 1, "and here they are not"
    assert not far["within_bound"], "a difference of 2e-7 breaks a bound of 1e-8"


def test_the_rows_that_disagree_are_asked_about():
    asked = []
    figures(
        np.array([0, 1]), ["a", "b"], np.float32([[0.9, 0.1], [0.4, 0.6]]), np.float32([[0.9, 0.1], [0.6, 0.4]]),
        lambda rows: asked.extend(rows) or 1.0,
    )  # fmt: skip
    assert set(asked) == {0, 1}, "the bound covers every sample on which the two disagree, and those that are furthest apart"


def test_the_report_says_what_is_wrong():
    bad = settled(agreement=0.999999, disagreements=1, disagreements_beyond_bound=1, within_bound=False)
    text = macro_f1_report.markdown([bad])
    assert "| 0.9999 " in text, "less than all is never shown as 1.0"
    assert "another class" in text, "disagreement is said in words"
    assert "Beyond the bound" in text, "and so is a difference that rounding does not explain"
    assert "agrees with Keras sample by sample" not in text, "nothing is claimed that does not hold"
    assert "Not measured yet: `later`" in macro_f1_report.markdown([bad], ["later"]), "a model without a record is named"
    assert "a\\|b" in text, "names of classes are escaped"


def test_embedded_tasks_have_a_section_of_their_own():
    text = macro_f1_report.markdown([settled(name="real"), settled(name="small", embedded=True)])
    real, embedded = text.index("## Real data"), text.index("## Embedded tasks")
    assert real < text.index("| `real` ") < embedded < text.index("| `small` "), "small tasks are never mixed with real ones"


# Files


@pytest.fixture
def measuring(monkeypatch, tmp_path):
    """Scoring replaced: what `measured` holds comes out, what it lacks cannot be measured; checkpoints of both rows exist."""
    measured = {}

    def score(row, checkpoints, data):
        if row.name not in measured:
            raise scoring.Unmeasurable(f"The data of {row.name} are not here.")
        return measured[row.name]

    monkeypatch.setattr(scoring, "score", score)
    checkpoints = tmp_path / "checkpoints"
    for name in ("digits-cnn", "cifar10-cnn-32-64"):
        (checkpoints / name).mkdir(parents=True)
        (checkpoints / name / "model.keras").touch()
    folder, said = tmp_path / "reports", []

    def write():
        said.clear()
        generate.write_macro_f1(folder, None, said.append, checkpoints)
        return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.*"))}

    write.measured, write.said = measured, said
    return write


def test_what_cannot_be_measured_keeps_its_record_byte_for_byte(measuring):
    measuring.measured["digits-cnn"] = model("digits-cnn", embedded=True)
    measuring.measured["cifar10-cnn-32-64"] = model("cifar10-cnn-32-64")
    first = measuring()
    del measuring.measured["cifar10-cnn-32-64"]
    assert measuring() == first, "a machine without the data changes nothing"
    assert any("cifar10-cnn-32-64 are not here" in line for line in measuring.said), "and says so in a sentence"
    measuring.measured["digits-cnn"] = model("digits-cnn", embedded=True, date="2031-01-01", bound=6e-6)
    assert measuring() == first, "nothing changes when nothing changed"
    measuring.measured["digits-cnn"] = model("digits-cnn", embedded=True, agreement=0.5)
    assert measuring() != first, "and a new fact is written"


def test_unchanged_files_are_not_written_again(measuring, tmp_path):
    measuring.measured["digits-cnn"] = model("digits-cnn", embedded=True)
    measuring()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "reports").rglob("*.*")}
    measuring()
    assert {path: path.stat().st_mtime_ns for path in before} == before, "the files' times stay as well"


def test_a_model_without_a_record_is_named(measuring):
    assert b"Not measured yet: `cifar10-cnn-32-64`, `digits-cnn`" in measuring()["macro_f1.md"], "a checkpoint never goes unmentioned"


def test_without_records_the_stored_summary_is_rendered(tmp_path):
    said = []
    generate.write_conformance(tmp_path, None, said.append)
    assert list(tmp_path.iterdir()) == [], "there is nothing to render yet"
    assert "--records" in said[0], "and the sentence says what to give"
    (tmp_path / "run.json").write_text(json.dumps(run(record("a[b-float32]")).as_json()))
    generate.write_conformance(tmp_path, tmp_path / "run.json", said.append)
    text = (tmp_path / "conformance.md").read_text()
    (tmp_path / "conformance.md").unlink()
    generate.write_conformance(tmp_path, None, said.append)
    assert (tmp_path / "conformance.md").read_text() == text, "the stored summary says all that the report needs"


def test_timed_calls_take_turns_after_one_round_of_warming_up():
    calls = []
    taken = median_times({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=2)
    assert "".join(calls) == "ababab", "a busy moment meets both"
    assert set(taken) == {"a", "b"}, "each has its median"


def test_an_epoch_is_timed_from_the_same_weights():
    timed = time_training(find("digits-cnn"), 64, None, epochs=1)
    assert timed["measures"] == "epoch" and timed["samples"] == 64, f"what was timed is not said: {timed}"
    assert timed["reference_s"] > 0 and timed["keras_s"] > 0, f"nothing was timed: {timed}"
    assert timed["keras_called"] == "fit" and timed["batch"] == 32, f"the circumstances of another measurement: {timed}"


def test_new_timings_replace_those_of_the_same_thing_alone(tmp_path, monkeypatch):
    def one(measures, model, threads, ratio):
        unit = "ms" if measures == "predict" else "s"
        return {
            "measures": measures, "model": model, "numpy_threads": threads, "cores": 2, "ratio": ratio,
            f"reference_{unit}": 1, f"keras_{unit}": 1,
        }  # fmt: skip

    (tmp_path / "data").mkdir()
    stored = [one("predict", "m", 1, 5), one("epoch", "m", 1, 5), one("epoch", "m", 2, 5), one("epoch", "n", 1, 5)]
    (tmp_path / "data" / "timings.json").write_text(json.dumps(stored))
    monkeypatch.setattr(timing, "cores", lambda: 1)
    monkeypatch.setattr(generate, "apart", lambda module, threads, *_: ([one("epoch", "m", threads, 7)], [f"{module} lacks data"]))
    said = []
    generate.write_timings(tmp_path, None, said.append, (generate.TIMED_TRAINING,))
    kept = json.loads((tmp_path / "data" / "timings.json").read_text())
    assert kept == [one("epoch", "m", 1, 7), stored[0], *stored[2:]], "a timing replaces what it is not of, or does not replace its own"
    assert said[0].startswith("Timing with 1 of 1 threads"), f"a user who waits is told nothing: {said}"
    assert said[1:] == [f"{generate.TIMED_TRAINING} lacks data", "epoch of m, 1 of 2 threads: reference 1 s, Keras 1 s, ratio 7"], said
