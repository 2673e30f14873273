"""``reports/hyperparameters_{cnn,rnn,lstm}.md``: what each choice of the studies' grids does, beside what the studies report."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from conformance.reporting.classes import class_tables
from conformance.reporting.tables import code, escaped, table
from conformance.studies.analysis.bootstrap import DRAWS
from conformance.studies.analysis.experiments import Records, RowSummary
from conformance.studies.analysis.results import Results
from conformance.studies.experiments.axes import AXES, Axis
from conformance.studies.experiments.row import Family
from conformance.studies.experiments.runs import CURVES
from conformance.studies.experiments.trainer import MEASURED
from conformance.studies.reports import baseline_table
from conformance.studies.reports.experiment_tables import axis_table, conclusion, folds_sentence
from conformance.studies.reports.study_sentences import ahead, beside

TITLES: dict[Family, str] = {"cnn": "CNN", "rnn": "SimpleRNN", "lstm": "LSTM"}

MODELS: dict[Family, str] = {
    "cnn": """\
Each block is `Conv2D(same, relu)` and a pooling of 2×2; then `Flatten`, `Dense(128, relu)`, `Dropout(0.5)`, `Dense(10, softmax)`. What a
section does not vary is two blocks of 32 and 64 filters, kernels of 3×3, max pooling. Adam 0.001, batches of 64.""",
    "rnn": """\
`Embedding(2836, 256)` of 100 token ids, the `SimpleRNN` layers, `Dropout(0.5)`, `Dense(3, softmax)`; both ways means `Bidirectional`, with
so many units each way. Adam 0.001, batches of 32. Nothing is masked unless it says so.""",
    "lstm": """\
`Embedding(2836, 256)` of 100 token ids, the `LSTM` layers, `Dropout(0.5)`, `Dense(3, softmax)`; both ways means `Bidirectional`, with so
many units each way. Adam 0.001, batches of 32. Nothing is masked unless it says so.""",
}

HOW_TO_READ = """\
**Macro-F1**, accuracy and loss are of the test split: the mean over the seeds, ± the standard deviation of the seeds. **Interval**: of 95
%; the test samples are drawn again ({draws:,} bootstrap draws, the same ones for all rows), and the scatter of the seeds is added, with
Student's quantile, for they are few. With one seed it covers the choice of the test samples and not that of the seed. **Behind** is how
far a row is behind the best of its table, with an interval of that difference; these intervals are widened (Bonferroni, by the number of
pairs in the table) so that all of them together hold with 95 %. There a single seed is taken to scatter as those rows of the family do
that have several (the median). **Learned**: how many seeds ended above 1 / classes in macro-F1 on the training split; naming one class for
everything can never have more. **Converged**: how many of the seeds learned and had their smallest validation loss before the last epoch;
not known of what is fitted on both splits. **Stopped early**: the epochs whose weights were kept, where training stops by itself. Figures
of the studies are macro-F1 of one training each; several stand where a study gives the model several.

The figures show the mean over the seeds by epoch, and bands from the least to the largest seed. The training loss is Keras's running mean
during the epoch, with dropout; macro-F1 of the training split is measured at the end of the epoch, without dropout{measured}. A curve that
is missing was not recorded, or had no split left."""

FIGURES = "figures"
"""The folder of the figures, beside the reports."""


def name_of(family: Family) -> str:
    """The file of a family's report."""
    return f"hyperparameters_{family}.md"


def figure_of(axis: Axis) -> str:
    """The figure of an axis, from the folder of the reports."""
    return f"{FIGURES}/{axis.slug}.png"


def figure_data(axis: Axis, records: Records) -> list[dict[str, Any]]:
    """What the figure of an axis shows: the curves of the variations that are trained, as far as they were recorded."""
    shown = []
    for variation in axis.variations:
        own = records.rows.get(variation.row, ())
        curves = {curve: [record[curve] for record in own if record[curve]] for curve in CURVES}
        if own:
            shown.append({"title": _broken(variation.label, len(axis.variations)), **curves})
    return shown


def markdown(family: Family, results: Results, drawn: Sequence[str]) -> str:
    """The report of a family; `drawn` are the figures that are there."""
    axes, records = [axis for axis in AXES if axis.family == family], results.records
    parts = [f"# {TITLES[family]}: what each choice does", MODELS[family], _how_to_read(family), _data_sentence(family, records)]
    parts += ["## In short", *_in_short({axis.name: results.of_axis(axis) for axis in axes})]
    for axis in axes:
        own = results.of_axis(axis)
        parts += [f"## {axis.name[0].upper()}{axis.name[1:]}", axis.held, axis_table(own), conclusion(own), folds_sentence(own)]
        parts += [*ahead(axis, own), *axis.remarks]
        if figure_of(axis) in drawn:
            parts.append(f"![Loss and macro-F1 by epoch: {axis.name}]({figure_of(axis)})")
    parts += ["## Beside the studies", *beside(family, results.entries, records)]
    parts += baseline_table.parts(results.best(family), *results.without.get(family, ((), {})))
    names = {one["row"] for one in results.entries if one["family"] == family}
    parts += _class_parts([one for one in results.classes if one["row"] in names])
    parts += ["## What was measured", _provenance(names, records)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _how_to_read(family: Family) -> str:
    measured = f", on its first {MEASURED:,} images" if family == "cnn" else ""
    return HOW_TO_READ.format(draws=DRAWS, measured=measured)


def _in_short(of_axis: Mapping[str, Sequence[RowSummary]]) -> list[str]:
    """The conclusions of all axes, and what they rest on where that is one seed."""
    said = {name: sentence for name, own in of_axis.items() if (sentence := conclusion(own))}
    if not said:
        return ["Nothing is concluded: no axis is trained to its end yet."]
    parts = ["\n".join(f"- {name}: {sentence}" for name, sentence in said.items())]
    single = [name for name in said if min(one["seeds"] for one in of_axis[name]) == 1]
    if single:
        where = "every table" if len(single) == len(said) else f"the table{'s' * (len(single) > 1)} of {', '.join(single)}"
        parts.append(
            f"In {where} at least one variation has one seed: its own interval covers the choice of the test samples and not that of the "
            "training's seed."
        )
    return parts


def _data_sentence(family: Family, records: Records) -> str:
    trained = [one.row for axis in AXES if axis.family == family for one in axis.variations if one.row in records.rows]
    if not trained:
        return "No record of these trainings is there yet; `conform train` makes them."
    data = records.of_row(trained[0])
    samples = len(data["test_labels"])
    return f"Data: {escaped(data['title'])}, {samples:,} test samples of {len(data['classes'])} classes."


def _class_parts(classes: Sequence[Mapping[str, Any]]) -> list[str]:
    if not classes:
        return []
    names = [one["class"] for one in classes[0]["per_class"]]
    rows = [[code(one["row"]), one["seeds"], *(f"{each['f1_mean']:.4f}" for each in one["per_class"])] for one in classes]
    parts = ["## Per class", "F1 of every class, the mean over the seeds:", table(["row", "seeds", *map(escaped, names)], rows)]
    parts.append("Precision, recall and F1 of the first seed, and its confusion matrix; rows of the matrix are the true classes:")
    for one in classes:
        parts += [f"### {code(one['row'])}", class_tables(one)]
    return parts


def _provenance(names: set[str], records: Records) -> str:
    own = [record for name in sorted(names & set(records.rows)) for record in records.rows[name]]
    if not own:
        return "Nothing yet."
    versions = sorted({", ".join(f"{name} {one}" for name, one in record["versions"].items()) for record in own})
    data = sorted({code(record["data_sha256"][:16]) for record in own})
    return (
        f"{len(own)} trainings, recorded by `conform train` in `fixtures/runs/experiments/`: {'; '.join(versions)}; SHA-256 of the data: "
        f"{', '.join(data)}. `data/experiments.json` has every figure of the tables, `data/classes.json` those of the classes."
    )


def _broken(label: str, panels: int) -> str:
    """A label on lines that fit above a panel."""
    return "\n".join(textwrap.wrap(label, 25 if panels < 5 else 18))
