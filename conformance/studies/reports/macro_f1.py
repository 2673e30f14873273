"""``reports/macro_f1.md``: trained models on their test splits, Keras and the reference side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conformance.reporting.classes import class_tables, share
from conformance.reporting.tables import code, escaped, table

Facts = Mapping[str, Any]

HOW_TO_READ = """\
Every row is one trained Keras model, scored on its test split twice: by Keras, and by the NumPy reference from the same `.keras` file.
Macro-F1 is scikit-learn's. **Agreement** is the share of samples for which both name the same class. 1.0 means all of them: the two
then have the same confusion matrix and the same macro-F1, exactly, and any difference between them is in digits that decide nothing.
**Largest** and **mean difference** are of probabilities, over all samples and classes; the **bound** is the model's own: what float32
rounding can do to it, measured by disturbing weights and inputs in their last digit in float64 (8 times the largest response for each
of the two answers; for Keras's, its distance from its own float64 answer where that is larger).
All three are rounded up to a power of ten, since digits depend on the processor; whether the largest difference keeps the bound is
decided before rounding. A sample on which the two disagree must have its top two classes closer than the bound; it is counted."""

STUDY_A = """\
A published study that copies Keras's weights into layers of its own reports, on the same weights, macro-F1 0.2069 from scratch where
Keras has 0.1836, and 0.5573 where Keras has 0.5817 (both LSTM models). Rounding cannot do that: the same weights mean the same
probabilities to about six digits, and so the same classes for all but near ties. Figures that differ show that two different functions
were computed. Here every LSTM agrees with Keras sample by sample."""

STUDY_A_OPEN = """\
A published study that copies Keras's weights into layers of its own reports, on the same weights, macro-F1 0.2069 from scratch where
Keras has 0.1836, and 0.5573 where Keras has 0.5817 (both LSTM models). Rounding cannot do that: figures that differ so much show that
two different functions were computed."""


def markdown(records: Sequence[Facts], unmeasured: Sequence[str] = ()) -> str:
    """The report of the records.

    Parameters
    ----------
    records : sequence of records
        As ``reports/data/macro_f1.json`` stores them.
    unmeasured : sequence of str
        Models that have a checkpoint and no record yet.
    """
    parts = ["# Trained models: Keras and the reference on the same test split", HOW_TO_READ]
    titles = {False: "Real data", True: "Embedded tasks"}
    for embedded, title in titles.items():
        chosen = [record for record in records if record["embedded"] == embedded]
        if not chosen:
            continue
        parts.append(f"## {title}")
        if embedded:
            parts.append("Two small tasks that the project brings along, so that a machine without network and data has models to score.")
        parts += [_overview(chosen), _sentence(chosen)]
        if not embedded:
            lstm = [record for record in chosen if "lstm" in record["model"]]
            parts.append(STUDY_A if lstm and all(record["agreement"] == 1 for record in lstm) else STUDY_A_OPEN)
    if unmeasured:
        parts.append(f"Not measured yet: {', '.join(map(code, unmeasured))}.")
    parts += ["## Per class", "Scores of the reference; rows of the confusion matrix are the true classes, columns the predicted ones."]
    for record in records:
        parts += [f"### {code(record['model'])} on {escaped(record['dataset'])}", class_tables(record)]
    parts += ["## What was measured", _provenance(records)]
    return "\n\n".join(parts) + "\n"


def _overview(records: Sequence[Facts]) -> str:
    headers = ["model", "data", "parameters", "samples", "macro-F1 Keras", "macro-F1 reference", "agreement", "disagree"]
    rows = [
        [
            code(record["model"]),
            escaped(record["dataset"]),
            record["parameters"],
            record["samples"],
            f"{record['keras_macro_f1']:.4f}",
            f"{record['reference_macro_f1']:.4f}",
            share(record["agreement"]),
            record["disagreements"],
            f"{record['max_probability_difference']:.0e}",
            f"{record['mean_probability_difference']:.0e}",
            f"{record['bound']:.0e}",
            "yes" if record["within_bound"] else "**no**",
        ]
        for record in records
    ]
    return table([*headers, "largest difference ≤", "mean ≤", "bound ≤", "within bound"], rows)


def _sentence(records: Sequence[Facts]) -> str:
    """What the table says, in words."""
    apart = [record for record in records if record["disagreements"]]
    outside = [record for record in records if not record["within_bound"]]
    beyond = [record for record in records if record["disagreements_beyond_bound"]]
    said = [
        f"Keras and the reference name the same class for every one of {sum(record['samples'] for record in records):,} samples."
        if not apart
        else "; ".join(f"{code(r['model'])}: {r['disagreements']:,} of {r['samples']:,} samples get another class" for r in apart) + "."
    ]
    if outside:
        said.append(f"**Beyond the bound: {', '.join(code(record['model']) for record in outside)}.**")
    else:
        said.append("No probability is off by more than its model's bound.")
    if beyond:
        said.append("**Samples disagree that rounding does not explain: " + ", ".join(code(record["model"]) for record in beyond) + ".**")
    elif apart:
        said.append("Each of these samples has its top two classes closer than the bound.")
    return " ".join(said)


def _provenance(records: Sequence[Facts]) -> str:
    headers = ["model", "SHA-256 of the model", "SHA-256 of the data", "measured", "Keras"]
    rows = [
        [code(r["model"]), code(r["model_sha256"][:16]), code(r["dataset_sha256"][:16]), escaped(r["date"]), escaped(r["keras"])]
        for r in records
    ]
    return "The first 16 digits of each; `data/macro_f1.json` has them whole.\n\n" + table(headers, rows)
