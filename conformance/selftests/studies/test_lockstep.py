"""Trainings in step: the float64 ones run here, and agree; what is made of the records is what they hold."""

import json

import numpy as np

from conformance.studies.data.paths import runs_dir
from conformance.studies.experiments import lockstep
from conformance.studies.experiments.lockstep import AGREES, STEPS, TRIALS

TRIED_AGAIN = (TRIALS[1], TRIALS[2], TRIALS[5])
"""One trial of each model, each with another optimizer: the others stand in the record."""
SOME = STEPS // 2
"""So many steps are made here; the record has all."""


def test_keras_and_the_reference_train_in_step_in_float64():
    found = lockstep.run_apart("float64", [0], TRIED_AGAIN, SOME)
    assert [one["model"] for one in found] == ["cnn", "birnn", "lstm"], "every model was trained"
    assert len({one["optimizer"] for one in found}) == len(found), "each with another optimizer"
    for one in found:
        keras, numpy = (np.array(one["losses"][side]) for side in ("keras", "numpy"))
        title = f"{one['model']} with {one['optimizer']}"
        assert len(keras) == len(numpy) == SOME, f"{title}: {SOME} steps"
        assert np.abs(keras - numpy).max() <= AGREES, f"{title}: the losses of all steps agree"
        assert one["weight_difference"] <= AGREES, f"{title}: all weights agree at the end"
        assert keras[-20:].mean() < 0.8 * keras[:20].mean(), f"{title}: it learns, so that agreement says something"
        assert len(set(keras)) == SOME, f"{title}: no two losses are the same, so that a step that was left out would show"
        assert one["keras_macro_f1"] == one["numpy_macro_f1"], f"{title}: the same classes come out"


def test_what_was_recorded_is_of_these_trials():
    record = json.loads((runs_dir() / "lockstep.json").read_text())
    rows = [row for row in record["rows"] if row["dtype"] == "float64"]
    assert [(row["model"], row["optimizer"]) for row in rows] == [(trial.model, trial.label) for trial in TRIALS], "all trials"
    assert all(max(row["max_loss_difference"], row["max_weight_difference"]) <= AGREES for row in rows), "the record agrees, too"


def one_run(seed, keras, numpy, wide=None, weight=1e-3):
    losses = {"keras": keras, "numpy": numpy, **({"float64": wide} if wide else {})}
    names = {"model": "cnn", "optimizer": "Adam", "dtype": "float32" if wide else "float64", "seed": seed}
    return {**names, "losses": losses, "weight_difference": weight, "keras_macro_f1": 0.5 + seed / 10, "numpy_macro_f1": 0.5}


def test_a_row_in_float64_takes_the_worst_seed_of_every_step():
    row = lockstep.summary([one_run(0, [1.0, 2.0], [1.5, 2.0]), one_run(1, [1.0, 2.0], [1.0, 2.125], weight=2e-3)])
    assert row["curves"] == {"difference": [0.5, 0.125]}, "in every step the largest of both seeds"
    assert "drift" not in row, "there is nothing to drift from"
    assert (row["max_loss_difference"], row["max_weight_difference"]) == (0.5, 0.002), "the largest of all"
    assert (row["steps"], row["seeds"]) == (2, [0, 1]), "what was run"
    assert (row["keras_macro_f1"], row["reference_macro_f1"]) == (0.55, 0.5), "means over the seeds"


def test_a_row_in_float32_takes_the_median_of_the_seeds_and_keeps_the_largest_of_each():
    keras, wide = [1.0, 2.0], [1.0, 2.25]
    row = lockstep.summary([one_run(seed, keras, [1.0, 2.25 + jump], wide) for seed, jump in enumerate((0.0, 0.125, 8.0))])
    assert row["curves"] == {"keras": [0.0, 0.25], "numpy": [0.0, 0.125]}, "the jump of one seed does not show"
    assert row["drift"] == {"keras": [0.25] * 3, "numpy": [0.0, 0.125, 8.0]}, "and is kept"
    assert row["max_loss_difference"] == 8.25, "between the two"
