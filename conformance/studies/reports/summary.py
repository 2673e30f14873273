"""``reports/summary.md``: what came out, on one page. Every figure is computed from what the other reports are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conformance.base.record import PASSED
from conformance.reporting.tables import code, table
from conformance.studies.analysis.bootstrap import Estimate
from conformance.studies.analysis.experiments import RowSummary
from conformance.studies.analysis.results import Results
from conformance.studies.experiments.axes import AXES, PARTS
from conformance.studies.experiments.row import Family
from conformance.studies.reports import gap as gap_report
from conformance.studies.reports import masking as masking_report
from conformance.studies.reports.baseline_table import sentence as baseline_sentence
from conformance.studies.reports.experiment_tables import STUDIES, conclusion, interval, score
from conformance.studies.reports.experiments import TITLES, name_of
from conformance.studies.reports.training import agreement_sentence

FILE = "summary.md"
INTRODUCTION = """\
Small NumPy implementations of Keras layers are judged against live Keras; the models of two published studies (A and B), which copied
Keras's weights into layers of their own, are trained again. Everything below is computed from the data of the reports that are linked."""


Stored = Mapping[str, Any]

CHOSEN = """\
No row is chosen by its score on the test split: rows that were cross-validated (training and validation split, 5 parts) are compared by
that, and the best of them counts as it is fitted on both splits in the end; where none of a family was, their score on the validation
split decides. Classifiers without a net are chosen in the same way. The published figure is the largest of the family."""


def markdown(
    results: Results, conformance: Stored | None, macro_f1: Sequence[Stored], training: Sequence[Stored], gap: Stored | None
) -> str:
    """The report.

    Parameters
    ----------
    results : Results
    conformance, macro_f1, training, gap
        What ``data/conformance.json``, ``macro_f1.json``, ``training.json`` and ``training_gap.json`` hold; None or nothing where there is
        none yet.
    """
    parts = ["# What came out", INTRODUCTION, "## Is the reference right?", _bullets(_right(conformance, macro_f1, training))]
    parts += ["## The best models", _best_table(results), CHOSEN, _bullets(_best(results))]
    parts += ["## What the choices do", _bullets(_choices(results))]
    parts += ["## Masks, and what the studies got wrong", _bullets([*_masks(results), *_gap(gap)])]
    return "\n\n".join(part for part in parts if part) + "\n"


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences) or "Nothing is measured yet."


def _right(conformance: Stored | None, macro_f1: Sequence[Stored], training: Sequence[Stored]) -> list[str]:
    """Layers, whole models, training."""
    said = []
    if conformance:
        counts = [count for layer in conformance["layers"].values() for count in layer["passes"].values()]
        passed, total = sum(count[PASSED] for count in counts), sum(sum(count.values()) for count in counts)
        said.append(f"{passed:,} of {total:,} cases of layers, losses and optimizers pass ([conformance](conformance.md)).")
    if macro_f1:
        samples, apart = (sum(one[key] for one in macro_f1) for key in ("samples", "disagreements"))
        said.append(
            f"{len(macro_f1)} trained models on {samples:,} test samples: Keras and the reference name the same class for "
            f"{f'all but {apart:,}' if apart else 'every one'} ([macro-F1](macro_f1.md))."
        )
    exact = [row for row in training if row["dtype"] == "float64"]
    if exact:
        said.append(f"Training in step with Keras, in float64: {agreement_sentence(exact)} ([training](training.md))")
    return said


def _best_table(results: Results) -> str:
    """Of each family the row that is chosen without the test split, the best of the studies, and the best without a net."""
    rows = []
    for family, title in TITLES.items():
        best, (figure, where) = results.best(family), published(family)
        if best is None:
            rows.append([title, "not trained yet", "", "", "", f"{figure:.4f} ({where})", ""])
            continue
        low, high = best["macro_f1_interval"]
        baseline = max(results.without.get(family, ((), {}))[0], key=lambda row: float(row["selection_macro_f1"]), default=None)
        rows.append(
            [
                title,
                code(best["row"]),
                best["seeds"],
                score(best),
                f"[{low:.3f}, {high:.3f}]",
                f"{figure:.4f} ({where})",
                f"{baseline['macro_f1']:.4f} ({baseline['title']})" if baseline else "",
            ]
        )
    headers = ["", "chosen", "seeds", "macro-F1 on test", "interval", "published", "without a net"]
    return table(headers, rows)


def published(family: Family) -> tuple[float, str]:
    """The best macro-F1 that a study reports of the family, and which study."""
    found = [
        (figure, f"study {study.upper()}")
        for axis in AXES
        for variation in axis.variations
        for study in STUDIES
        if axis.family == family and (figure := getattr(variation, study)) is not None
    ]
    return max(found)


def _best(results: Results) -> list[str]:
    """How the best models lie to the best published figures and to the baselines."""
    said = []
    for family, title in TITLES.items():
        best = results.best(family)
        if best is None:
            continue
        figure, (low, high) = published(family)[0], best["macro_f1_interval"]
        distance = best["macro_f1_mean"] - figure
        lies = f"{abs(distance):.4f} {'above' if distance > 0 else 'below'} the best published figure"
        lies += ", which its interval holds: not told apart" if low <= figure <= high else ""
        rows, ahead = results.without.get(family, ((), {}))
        data = results.records.of_row(best["row"])["title"]
        without = f" {baseline_sentence(rows, ahead)} {_closest(rows, ahead)}" if rows else ""
        said.append(f"{title} ({data}): {lies}.{without} ([all rows]({name_of(family)}))")
    return said


def _closest(rows: Sequence[Mapping[str, Any]], ahead: Mapping[str, Estimate]) -> str:
    """The classifier without a net that comes closest to the best net on the test split, whichever was chosen."""
    one = min(rows, key=lambda row: ahead[row["baseline"]].value)
    return f"The closest is {one['title']}, {one['macro_f1']:.4f} (net less that: {interval(ahead[one['baseline']].to_json())})."


def _choices(results: Results) -> list[str]:
    """Of each family, which axes show a difference, and which do not; masks have a section, what is left out one by one a table."""
    said = []
    for family, title in TITLES.items():
        axes = [axis for axis in AXES if axis.family == family and axis not in masking_report.MASKING and axis.name != PARTS]
        compared = {axis.name: own for axis in axes if conclusion(own := results.of_axis(axis))}
        complete = {name: own for name, own in compared.items() if any(one["learned_seeds"] for one in own)}
        nothing = [name for name in compared if name not in complete]
        shown = [f"{name} ({largest})" for name, own in complete.items() if (largest := _largest(own))]
        alike = [name for name, own in complete.items() if not _largest(own)]
        if compared:
            differ = f"a difference is shown in {'; '.join(shown)}" if shown else "no difference is shown"
            none = f"; none in {'; '.join(alike)}" if shown and alike else ""
            unlearned = f" In {', '.join(nothing)} no variation learned." if nothing else ""
            said.append(f"{title}: {differ}{none}.{unlearned}{_single(complete)}")
    return said


def _single(complete: Mapping[str, Sequence[RowSummary]]) -> str:
    """Which of the axes rest on one seed."""
    names = [name for name, own in complete.items() if min(one["seeds"] for one in own) == 1]
    return f" In {', '.join(names)} at least one variation has a single seed." if names else ""


def _largest(own: Sequence[RowSummary]) -> str:
    """The largest difference of an axis that is shown, or nothing."""
    best = next(one for one in own if one["best"])
    behind = [one for one in own if one["behind"] and one["behind"]["low"] > 0]
    worst = max(behind, key=lambda one: float(one["behind"]["value"]), default=None)
    return f"{best['variation']} over {worst['variation']} by {interval(worst['behind'])}" if worst else ""


def _masks(results: Results) -> list[str]:
    """What a mask does to each layer, and which published figures are those of a net that learned nothing without it."""
    pairs = {axis: both for axis in masking_report.MASKING if (both := masking_report.pair(axis, results))}
    said = [f"{masking_report.name(axis)}: {masking_report.effect_sentence(*both)}" for axis, both in pairs.items()]
    said += masking_report.recognised(results.records)
    return [*said, "More about masks and constant answers: [masking](masking.md)."] if said else []


def _gap(gap: Stored | None) -> list[str]:
    """Why training from scratch scored below Keras: the largest cause of each family."""
    said = []
    for family, one in (gap["families"] if gap else {}).items():
        causes = {name: cause for name, cause in one["causes"].items() if name != "gap"}
        largest = max(causes, key=lambda name: float(causes[name]["value"]))
        good, bad = one["published"]
        more = ", more than all, for another cause works against it" if causes[largest]["value"] > one["causes"]["gap"]["value"] else ""
        said.append(
            f"{gap_report.TITLES[family]} from scratch, {bad:.4f} in study B where Keras has {good:.4f}: with right gradients the gap is "
            f"{interval(one['causes']['gap'])}, and its largest part is {gap_report.CAUSE[largest]}, {interval(causes[largest])}{more} "
            "([training from scratch](training_gap.md))."
        )
    return said
