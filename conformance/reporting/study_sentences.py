"""What is measured here beside what the two studies report, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from conformance.experiments.axes import Axis, Study
from conformance.experiments.row import Family
from conformance.reporting.experiment_analysis import Entry, Records
from conformance.reporting.experiment_tables import STUDIES, conclusion, figures, interval
from conformance.reporting.tables import code, escaped


def ahead(axis: Axis, own: Sequence[Entry]) -> list[str]:
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
            said.append(f"{words}, as here.")
        else:
            shown = "a difference" if behind["low"] > 0 else "no difference that is shown"
            said.append(f"{words}; here it is behind by {interval(behind)}, {shown}.")
    return [" ".join(said)] if said else []


def beside(family: Family, entries: Sequence[Entry], records: Records) -> list[str]:
    """How the studies' figures lie to those measured here, and where the studies contradict themselves."""
    own = {one["row"]: one for one in entries if one["family"] == family}
    labels = {row: code(row) for row in own}
    parts = [_distance(study, own, labels) for study in STUDIES]
    if any("JPEG" in records.of_row(row)["title"] for row in own if row in records.rows):
        parts.append(
            "The images here are JPEG copies of CIFAR-10: what lossy compression took from them is missing, so a lower score than in the "
            "studies is expected, and rows compare with one another first."
        )
    for study, key in STUDIES.items():
        twice = [f"{labels[row]} {figures(one[key])}" for row, one in own.items() if one[key] and len(one[key]) > 1]
        if twice:
            parts.append(
                f"Study {study.upper()} gives one configuration more than one figure, as far as its tables tell: {'; '.join(twice)}. "
                "That is how far two trainings of one model lie apart there."
            )
    if family != "cnn":
        parts.append(
            "Why the studies' LSTM fails when it reads one way, and where 0.1836 and 0.1827 come from, is told in [masking](masking.md)."
        )
    return [part for part in parts if part]


def _distance(study: Study, own: Mapping[str, Entry], labels: Mapping[str, str]) -> str:
    """Whether the study's figures lie within the range of the seeds or, with one seed each, how far ours lie from them."""
    rows = [(row, figure) for row, one in own.items() if one["seeds"] for figure in one[STUDIES[study]] or ()]
    several = [(row, figure) for row, figure in rows if own[row]["seeds"] > 1]
    if several:
        outside = [
            f"{labels[row]} {figure:.4f}, seeds {min(scores):.3f} to {max(scores):.3f}"
            for row, figure in several
            if not min(scores := own[row]["macro_f1_by_seed"]) <= figure <= max(scores)
        ]
        within = len(several) - len(outside)
        sentence = f"Of {len(several)} figures of study {study.upper()}, {within} lie within the range of the seeds that are trained here"
        return f"{sentence}. Outside: {'; '.join(outside)}." if outside else f"{sentence}."
    if not rows:
        return ""
    apart = [own[row]["macro_f1_mean"] - figure for row, figure in rows]
    return (
        f"Macro-F1 here less that of study {study.upper()}: {sum(apart) / len(apart):+.3f} in the mean of {len(rows)} figures, "
        f"from {min(apart):+.3f} to {max(apart):+.3f}; one seed on both sides."
    )
