"""What is measured here beside what the two studies report, in words."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.reporting.tables import code, escaped, table
from conformance.studies.analysis.experiments import Records, RowSummary
from conformance.studies.experiments.axes import Axis, Study
from conformance.studies.experiments.row import Family
from conformance.studies.reports.experiment_tables import STUDIES, conclusion, figures, interval


def ahead(axis: Axis, own: Sequence[RowSummary]) -> list[str]:
    """Which variation each study has ahead in its table of this axis, and what is measured of that one here."""
    if not conclusion(own):
        return []
    by_label = {one["variation"]: one for one in own}
    said = []
    for study in STUDIES:
        given = {variation.label: figure for variation in axis.variations if (figure := getattr(variation, study)) is not None}
        if len(given) < 2:
            continue
        top = max(given.values())
        if len(set(given.values())) == 1:
            said.append(f"Study {study.upper()} gives {top:.4f} to all.")
            continue
        first = next(label for label, figure in given.items() if figure == top)
        words = f"Study {study.upper()} has {escaped(first)} ahead with {top:.4f}"
        behind = by_label[first]["behind"]
        if behind is None:
            others = [by_label[label]["behind"] for label in given if label != first]
            shown = "" if all(one["low"] > 0 for one in others) else ", though not ahead of all by a difference that is shown"
            said.append(f"{words}; it scores best here, too{shown}.")
        else:
            shown = "a difference" if behind["low"] > 0 else "no difference that is shown"
            said.append(f"{words}; here it is behind by {interval(behind)}, {shown}.")
    return [" ".join(said)] if said else []


def beside(family: Family, entries: Sequence[RowSummary], records: Records) -> list[str]:
    """How the studies' figures lie to those measured here, and where the studies contradict themselves."""
    own = {one["row"]: one for one in entries if one["family"] == family}
    both = [one for one in own.values() if one["seeds"] and any(one[key] for key in STUDIES.values())]
    parts = [_distances(both), *(sentence for study in STUDIES for sentence in _within(study, both))] if both else []
    if any("JPEG" in records.of_row(row)["title"] for row in own if row in records.rows):
        parts.append(
            "The images here are JPEG copies of CIFAR-10: what lossy compression took from them is missing, so a lower score than in the "
            "studies is expected, and rows compare with one another first."
        )
    for study, key in STUDIES.items():
        twice = [f"{code(row)} {figures(one[key])}" for row, one in own.items() if one[key] and len(one[key]) > 1]
        if twice:
            parts.append(
                f"Study {study.upper()} gives one configuration more than one figure, as far as its tables tell: {'; '.join(twice)}. "
                "That is how far two trainings of one model lie apart there."
            )
    if family != "cnn":
        parts.append("What the studies' 0.1836 and 0.1827 are, and what a mask does to a layer that reads one way: [masking](masking.md).")
    return [part for part in parts if part]


def _distances(both: Sequence[RowSummary]) -> str:
    """Of every row that a study has as well: the mean, the range of the seeds, and how far it lies above each of the study's figures."""
    rows = []
    for one in both:
        scores = one["macro_f1_by_seed"]
        span = f"{min(scores):.3f} to {max(scores):.3f}" if len(scores) > 1 else "one seed"
        apart = [", ".join(f"{figure:.4f} ({one['macro_f1_mean'] - figure:+.3f})" for figure in one[key] or ()) for key in STUDIES.values()]
        rows.append([code(one["row"]), f"{one['macro_f1_mean']:.4f}", span, *apart])
    return "In brackets: macro-F1 here less the study's.\n\n" + table(["row", "here", "seeds", "study A", "study B"], rows)


def _within(study: Study, both: Sequence[RowSummary]) -> list[str]:
    """How many of a study's figures one of the seeds here could have been, where there are several; how far the others are from ours."""
    pairs = [(one["macro_f1_by_seed"], figure) for one in both for figure in one[STUDIES[study]] or ()]
    several = [(scores, figure) for scores, figure in pairs if len(scores) > 1]
    apart = [scores[0] - figure for scores, figure in pairs if len(scores) == 1]
    said = []
    if several:
        within = sum(min(scores) <= figure <= max(scores) for scores, figure in several)
        said.append(f"Within the range of our seeds, where there are several: {within} of {len(several)} figures of study {study.upper()}.")
    if apart:
        said.append(
            f"For rows with one seed, macro-F1 here less that of study {study.upper()}: {sum(apart) / len(apart):+.3f} in the mean "
            f"(figures: {len(apart)}), from {min(apart):+.3f} to {max(apart):+.3f}."
        )
    return said
