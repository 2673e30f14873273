"""``reports/training.md``: trainings of Keras and of the reference, step by step in float64, and as far as rounding allows in float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from statistics import median
from typing import Any

from conformance.reporting.tables import code, escaped, table
from conformance.studies.experiments.gap_runs import FAMILIES, OPTIMIZERS, SCRATCH, STUDY

Facts = Mapping[str, Any]

SIDES = ("keras", "numpy")
AGREES = 1e-9
JUMP = 1e-3
"""A distance of the loss from that in float64 which rounding alone does not reach here: the training took another way."""
MODELS = {
    "cnn": "Conv2D(8), BatchNormalization, MaxPooling2D, Flatten, Dense(32), Dropout 0.25, Dense(10), on the digits of scikit-learn",
    "birnn": "Embedding(16) with a mask, twice Bidirectional(SimpleRNN(12)) and Dropout 0.25, Dense(3), on the reviews of this project",
    "lstm": "Embedding(16), LSTM(16), Dropout 0.25, Dense(3), on the reviews of this project",
}
DRIFT, HISTORIES = "training_drift.png", "training_histories.png"
TITLES = {
    ("rnn", STUDY): "SimpleRNN, study's Keras model",
    ("rnn", SCRATCH): "SimpleRNN, study's own model",
    ("lstm", STUDY): "LSTM, study's Keras model",
    ("lstm", SCRATCH): "LSTM, study's own model",
}

HOW_TO_READ = """\
Keras and the NumPy reference start from the same weights (the reference reads Keras's file), see the same batches in the same order, and
drop the same values: Keras's dropout masks are asked for and replayed. After every step the losses are compared, after the last one all
weights, moving statistics included. Keras trains as `fit` does, compiled, on the TensorFlow backend.

In **float64** the two may differ by the order of additions only. The bound is {bound:.0e}; a test of this project trains again and asks.
In **float32** every step rounds, and a training amplifies what was rounded before. So both are compared with the reference's training in
float64, which the first table vouches for: the reference must not drift further from it than Keras itself does, but for chance."""


def markdown(record: Facts, drawn: Sequence[str]) -> str:
    """The report of a record of ``conform lockstep``.

    Parameters
    ----------
    record : mapping
    drawn : sequence of str
        The figures that are there.
    """
    rows = {dtype: [row for row in record["rows"] if row["dtype"] == dtype] for dtype in ("float64", "float32")}
    parts = ["# Training: Keras and NumPy in step", HOW_TO_READ.format(bound=AGREES)]
    parts += ["\n".join(f"- {code(name)}: {says}" for name, says in MODELS.items())]
    parts += ["## float64: step by step", _agreement_table(rows["float64"]), agreement_sentence(rows["float64"])]
    parts += ["## float32: how far rounding carries", _drift_table(rows["float32"]), drift_sentence(rows["float32"])]
    if DRIFT in drawn:
        parts.append(
            f"![How far the loss of a float32 training has been from that in float64 up to each step, median of the seeds]({DRIFT})"
        )
    if HISTORIES in drawn:
        parts += [
            "## Whole trainings",
            "NusaX-Senti in Indonesian, float32, the first seed of [the trainings that take the gap apart](training_gap.md): Keras as "
            "lines, NumPy as marks. Where a mark lies on its line, the two trainings are the same.",
            f"![Loss and macro-F1 by epoch, Keras and NumPy]({HISTORIES})",
        ]
    versions = ", ".join(f"{name} {one}" for name, one in record["versions"].items())
    data = ", ".join(f"{code(name)} {code(one[:16])}" for name, one in record["data_sha256"].items())
    parts += [
        "## What was measured",
        f"`{record['command']}` recorded it: {versions}; batches of {record['batch']}; SHA-256 of the data: {data}.",
    ]
    return "\n\n".join(parts) + "\n"


def _agreement_table(rows: Sequence[Facts]) -> str:
    headers = ["model", "optimizer", "steps", "seeds", "loss differs by at most", "weights at the end", "macro-F1 Keras", "macro-F1 NumPy"]
    cells = [
        [
            code(row["model"]),
            escaped(row["optimizer"]),
            row["steps"],
            len(row["seeds"]),
            f"{row['max_loss_difference']:.0e}",
            f"{row['max_weight_difference']:.0e}",
            f"{row['keras_macro_f1']:.4f}",
            f"{row['reference_macro_f1']:.4f}",
        ]
        for row in rows
    ]
    return table(headers, cells)


def agreement_sentence(rows: Sequence[Facts]) -> str:
    """Whether every float64 training keeps the bound."""
    apart = [row for row in rows if max(row["max_loss_difference"], row["max_weight_difference"]) > AGREES]
    steps = sum(row["steps"] * len(row["seeds"]) for row in rows)
    if apart:
        return "**Beyond the bound: " + "; ".join(f"{code(row['model'])} with {escaped(row['optimizer'])}" for row in apart) + ".**"
    return f"All {steps:,} steps agree: the reference's gradients and updates are Keras's."


def _drift_table(rows: Sequence[Facts]) -> str:
    headers = [
        "model",
        "optimizer",
        "steps",
        "seeds",
        "Keras, median",
        "NumPy, median",
        "NumPy / Keras",
        "Keras, largest",
        "NumPy, largest",
    ]
    cells = [
        [
            code(row["model"]),
            escaped(row["optimizer"]),
            row["steps"],
            len(row["seeds"]),
            *(f"{median(row['drift'][side]):.1e}" for side in SIDES),
            f"{drift_ratio(row):.2f}",
            *(f"{max(row['drift'][side]):.0e}" for side in SIDES),
        ]
        for row in rows
    ]
    return "The largest distance of the loss from that in float64, in any step: the median and the largest of the seeds.\n\n" + table(
        headers, cells
    )


def drift_ratio(row: Facts) -> float:
    """The reference's drift over Keras's, by the medians of the seeds."""
    keras, numpy = (median(row["drift"][side]) for side in SIDES)
    return float(numpy / keras) if keras else float("inf")


def drift_sentence(rows: Sequence[Facts]) -> str:
    """Which of the two drifts further, counted and as a range, and how often a training jumped away."""
    ratios = [drift_ratio(row) for row in rows]
    trainings = sum(len(row["seeds"]) for row in rows)
    jumps = [sum(one > JUMP for row in rows for one in row["drift"][side]) for side in SIDES]
    apart = max(abs(row["keras_macro_f1"] - row["reference_macro_f1"]) for row in rows)
    return (
        f"By the median, the reference drifts further than Keras in {sum(ratio > 1 for ratio in ratios)} of {len(rows)} rows: "
        f"{min(ratios):.2f} to {max(ratios):.2f} times as far. Where a relu, or the largest cell of a pool, is decided by the last digit, "
        f"a training takes another way from there on: by more than {JUMP:g} in {jumps[0]} of {trainings} trainings of Keras and in "
        f"{jumps[1]} of NumPy. Mean macro-F1 on the test split differs by at most {apart:.4f}."
    )


def drift_data(record: Facts) -> list[dict[str, Any]]:
    """What the figure of the drift shows."""
    return [
        {"title": f"{row['model']}, {row['optimizer'].split(',')[0]}", **{side: row["curves"][side] for side in SIDES}}
        for row in record["rows"]
        if row["dtype"] == "float32"
    ]


def history_data(runs: Sequence[Facts]) -> list[dict[str, Any]]:
    """What the figure of the histories shows: the trainings of the first seed without a mistake, by model."""
    right = [record for record in runs if not record["run"]["fault"]]
    if not right:
        return []
    first = min(record["run"]["seed"] for record in right)
    shown = []
    for family, model in product(FAMILIES, (STUDY, SCRATCH)):
        own = [r for r in right if (r["run"]["seed"], r["run"]["family"], r["run"]["model"]) == (first, family, model)]
        own.sort(key=lambda record: (OPTIMIZERS.index(record["run"]["optimizer"]), record["run"]["side"]))
        named = [{name: r["run"][name] for name in ("optimizer", "side")} for r in own]
        curves = [{name: r[name] for name in ("train_loss", "valid_macro_f1")} for r in own]
        shown.append({"title": TITLES[family, model], "runs": [one | two for one, two in zip(named, curves, strict=True)]})
    return shown
