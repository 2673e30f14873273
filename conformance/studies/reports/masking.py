"""``reports/masking.md``: what ``mask_zero`` does to each recurrent layer, and which figures of the studies are constant answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from conformance.reporting.tables import code, escaped, table
from conformance.studies.analysis.bootstrap import DRAWS
from conformance.studies.analysis.experiments import Records, RowSummary, learned
from conformance.studies.analysis.results import Results
from conformance.studies.experiments import grid
from conformance.studies.experiments.axes import AXES, Axis, published
from conformance.studies.reports.experiment_tables import STUDIES, interval, score
from conformance.studies.reports.experiments import TITLES, figure_of
from reference.metrics import macro_f1

FILE = "masking.md"
DATA = "nusax"
MASKING: tuple[Axis, ...] = tuple(axis for axis in AXES if axis.name.startswith("masking"))
HALF_A_DIGIT = 5e-5

INTRODUCTION = """\
Sentences are padded with zeros at their end until they have 100 token ids. With `Embedding(mask_zero=True)` the layers after it skip the
padding; without, they read it as if it were words. A layer that reads one way and returns its last step alone then answers after reading
zeros; one that reads both ways has a second half, which meets the words last."""

HOW_TO_READ = """\
**Effect**: macro-F1 with the mask less that without, with an interval of 95 % ({draws:,} bootstrap draws of the test sentences, and the
scatter of the seeds). **Learned**: seeds that ended above 1 / classes in macro-F1 on the training split. **One class**: the share of the
test sentences that get the class that is named most, in the mean of the seeds, and which class that is in how many seeds; 100 % is an
answer that does not depend on the sentence."""


def markdown(results: Results, drawn: Sequence[str]) -> str:
    """The report; `drawn` are the figures that are there."""
    pairs = {axis: both for axis in MASKING if (both := pair(axis, results))}
    parts = ["# What a mask does", INTRODUCTION, _padding_sentence(results.baselines.get("padding")), "## In short"]
    said = [f"- {name(axis)}: {effect_sentence(*both)}" for axis, both in pairs.items()]
    parts.append("\n".join(said) if said else "Nothing is concluded: no pair of rows is trained yet.")
    parts += [HOW_TO_READ.format(draws=DRAWS), _table(results)]
    parts += ["## Answers that do not depend on the sentence", *constant_sentences(results.records), *recognised(results.records)]
    curves = [axis for axis in MASKING if figure_of(axis) in drawn]
    parts += ["## Learning curves"] * bool(curves)
    parts += [f"{name(axis)}:\n\n![{name(axis)}]({figure_of(axis)})" for axis in curves]
    return "\n\n".join(part for part in parts if part) + "\n"


def name(axis: Axis) -> str:
    """Which layers the axis is about."""
    return f"{TITLES[axis.family]} {axis.name.removeprefix('masking, ')}, {axis.held.rstrip('.')}"


def pair(axis: Axis, results: Results) -> tuple[RowSummary, RowSummary] | None:
    """The entries without and with the mask, where both are trained."""
    without, masked = results.of_axis(axis)
    return (without, masked) if without["seeds"] and masked["seeds"] else None


def effect(without: RowSummary, masked: RowSummary) -> dict[str, float]:
    """Macro-F1 with the mask less that without, from which of the two is behind the other."""
    if masked["best"]:
        return dict(without["behind"])
    behind = masked["behind"]
    return {**behind, "value": -behind["value"], "low": -behind["high"], "high": -behind["low"]}


def effect_sentence(without: RowSummary, masked: RowSummary) -> str:
    """What the interval says of a mask."""
    found = effect(without, masked)
    scores = f"macro-F1 {without['macro_f1_mean']:.3f} without, {masked['macro_f1_mean']:.3f} with the mask"
    seeds = f"{int(found['seeds'])} seeds" if found["seeds"] > 1 else "one seed, whose choice the interval does not cover"
    if found["low"] > 0 or found["high"] < 0:
        return f"the mask **{'raises' if found['value'] > 0 else 'lowers'}** macro-F1 by {_unsigned(found)} ({scores}; {seeds})."
    return f"no difference is shown ({scores}; {interval(found)}; {seeds})."


def _unsigned(found: Mapping[str, float]) -> str:
    low, high = sorted((abs(found["low"]), abs(found["high"])))
    return interval({"value": abs(found["value"]), "low": low, "high": high})


def _table(results: Results) -> str:
    rows: list[list[Any]] = []
    for axis in MASKING:
        both = pair(axis, results)
        for one in results.of_axis(axis):
            cells = ["not trained yet", "", "", ""]
            if one["seeds"]:
                shown = interval(effect(*both)) if both and one is both[1] else ""
                cells = [score(one), shown, f"{one['learned_seeds']} of {one['seeds']}", _one_class(one["row"], results.records)]
            rows.append([name(axis), escaped(one["variation"]), *cells])
    return table(["layer", "", "macro-F1", "effect", "learned", "one class"], rows)


def _one_class(row: str, records: Records) -> str:
    """The share of the class that is named most, and which class that is in how many seeds."""
    classes = records.of_row(row)["classes"]
    top: list[tuple[str, int]] = [Counter(record["test_predictions"]).most_common(1)[0] for record in records.rows[row]]
    share = fmean(count / len(record["test_predictions"]) for (_, count), record in zip(top, records.rows[row], strict=True))
    named = Counter(classes[int(digit)] for digit, _ in top)
    return f"{share:.0%} ({', '.join(f'{escaped(label)} {count}×' for label, count in sorted(named.items()))})"


def constants(records: Records) -> dict[str, list[Mapping[str, Any]]]:
    """Of each row of texts the trainings that name one class for every sentence of the test split."""
    found = {}
    for row, own in records.rows.items():
        constant = [record for record in own if len(set(record["test_predictions"])) == 1]
        if grid.find(row).dataset == DATA and constant:
            found[row] = constant
    return found


def constant_sentences(records: Records) -> list[str]:
    """Which trainings answer the same to every sentence, and what that scores."""
    found = constants(records)
    if not found:
        return ["No training that is recorded names one class for every sentence of the test split."]
    trainings = sum(map(len, found.values()))
    rows = ", ".join(f"{code(row)} ({len(own)} of {len(records.rows[row])})" for row, own in found.items())
    alike = all(not grid.find(row).mask and not any(one.bidirectional for one in grid.find(row).stack) for row in found)
    both = " All of them read one way and without a mask." if alike else ""
    listed = "; ".join(f"{value:.4f} for {words}" for value, words in answers(records))
    return [
        f"{trainings} trainings name one class for every test sentence, whatever it says: {rows}.{both}",
        f"Such an answer still scores {listed}.",
    ]


def recognised(records: Records) -> list[str]:
    """Which figures of the studies are, to all their digits, those of a constant answer, and of which rows."""
    said = []
    for study in STUDIES if constants(records) else ():
        found: dict[tuple[float, str], list[str]] = {}
        for row in dict.fromkeys(variation.row for axis in AXES for variation in axis.variations):
            for figure in published(row, study):
                for value, words in answers(records):
                    if abs(value - figure) < HALF_A_DIGIT:
                        found.setdefault((figure, words), []).append(row)
        for (figure, words), rows in found.items():
            said.append(
                f"Study {study.upper()}'s {figure:.4f} for {', '.join(map(code, rows))} is to all its digits the score of {words}. "
                f"Where it was measured so, nothing had been learned that depends on the sentence{_learned_here(rows, records)}."
            )
    return said


def _learned_here(rows: Sequence[str], records: Records) -> str:
    """How many trainings of these rows learn here."""
    own = [record for row in rows for record in records.rows.get(row, ())]
    classes = len(records.data[DATA]["classes"])
    return f"; here {sum(learned(record, classes) for record in own)} of {len(own)} trainings of these rows learn" if own else ""


def answers(records: Records) -> list[tuple[float, str]]:
    """Macro-F1 of naming one class for all: of every class on the test split, and on the validation split where a training did so."""
    data, every = records.data[DATA], range(len(records.data[DATA]["classes"]))
    labels = records.labels(DATA)
    found = [
        (macro_f1(labels, [place] * len(labels), labels=every), f"naming {label} for every test sentence")
        for place, label in enumerate(data["classes"])
    ]
    on_valid = [record["valid"] for own in constants(records).values() for record in own if record["valid"]]
    counts = Counter(scores["macro_f1"] for scores in on_valid if _is_constant(scores, len(every)))
    for value, count in sorted(counts.items()):
        do = "trainings here do" if count > 1 else "training here does"
        found.append((value, f"naming one class for every validation sentence, as {count} {do}"))
    return found


def _is_constant(scores: Mapping[str, float], classes: int) -> bool:
    """Whether these can be the scores of one class for all: with an accuracy a, its F1 is 2 a / (1 + a) and that of the others 0."""
    accuracy = scores["accuracy"]
    return abs(scores["macro_f1"] - 2 * accuracy / (1 + accuracy) / classes) < HALF_A_DIGIT


def _padding_sentence(padding: Mapping[str, Any] | None) -> str:
    if not padding:
        return ""
    return (
        f"Half of the test sentences have {padding['median_words']:g} words or fewer; {padding['share']:.0%} of what a layer reads without "
        f"a mask is padding, and half of the sentences end in {padding['positions'] - padding['median_words']:g} zeros or more."
    )
