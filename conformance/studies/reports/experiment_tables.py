"""The table of an axis, and what its intervals say in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conformance.reporting.tables import escaped, table
from conformance.studies.analysis.bootstrap import Estimate
from conformance.studies.analysis.experiments import RowSummary
from conformance.studies.experiments import grid
from conformance.studies.experiments.axes import Study

STUDIES: dict[Study, str] = {"a": "study_a", "b": "study_b"}


def axis_table(own: Sequence[RowSummary]) -> str:
    """The figures of the variations of an axis, and those of the studies."""
    stops, beside = any(one.get("patience") for one in own), any(one["study_b_accuracy"] for one in own)
    headers = ["", "parameters", "seeds", "macro-F1", "interval", "behind", "accuracy", "loss", "epochs", "learned", "converged"]
    headers += [*(["stopped early"] if stops else []), "study A", "study B", *(["accuracy, loss of B"] if beside else [])]
    return table(headers, [_cells(one, stops, beside) for one in own])


def _cells(one: RowSummary, stops: bool, beside: bool) -> list[Any]:
    label = f"**{escaped(one['variation'])}**" if one["best"] else escaped(one["variation"])
    studies = [figures(one[study]) for study in STUDIES.values()]
    if beside:
        studies.append(f"{one['study_b_accuracy']:.4f}, {one['study_b_loss']:.4f}" if one["study_b_accuracy"] else "")
    if not one["seeds"]:
        return [label, one["parameters"], 0, "not trained yet", *[""] * (8 if stops else 7), *studies]
    stopped = ["at " + ", ".join(map(str, one["best_epochs"])) if one["patience"] else "no"] if stops else []
    return [
        label,
        one["parameters"],
        one["seeds"],
        score(one),
        f"[{one['macro_f1_interval'][0]:.3f}, {one['macro_f1_interval'][1]:.3f}]",
        interval(one["behind"]) if one["behind"] else "",
        f"{one['accuracy']:.4f}",
        f"{one['loss']:.4f}",
        f"{one['epochs']:g}",
        f"{one['learned_seeds']} of {one['seeds']}",
        "not known" if one["converged_seeds"] is None else f"{one['converged_seeds']} of {one['seeds']}",
        *stopped,
        *studies,
    ]


def score(one: Mapping[str, Any]) -> str:
    """The mean macro-F1, and its standard deviation where there is one."""
    return f"{one['macro_f1_mean']:.4f}" + (f" ± {one['macro_f1_std']:.4f}" if one["macro_f1_std"] is not None else "")


def interval(stored: Mapping[str, float]) -> str:
    """A value with its interval."""
    return str(Estimate(stored["value"], stored["low"], stored["high"]))


def conclusion(own: Sequence[RowSummary]) -> str:
    """What the intervals say of an axis; nothing where a variation is not trained yet."""
    if len(own) < 2 or not all(one["seeds"] for one in own):
        return ""
    if not any(one["learned_seeds"] for one in own):
        return "No variation learned: there is nothing to compare."
    best = next(one for one in own if one["best"])
    low, high = best["macro_f1_interval"]
    said = [f"**{escaped(best['variation'])}** scores best, {best['macro_f1_mean']:.3f} [{low:.3f}, {high:.3f}]."]
    others = [one for one in own if one["behind"]]
    behind = _listed(one for one in others if one["behind"]["low"] > 0)
    alike = _listed(one for one in others if one["behind"]["low"] <= 0)
    if behind:
        said.append(f"Behind it: {behind}.")
    if alike:
        said.append(f"No difference is shown at {_count(own)}: {alike}.")
    return " ".join(said)


def folds_sentence(own: Sequence[RowSummary]) -> str:
    """What the rows score that were cross-validated, each part of training and validation split being held out once."""
    rows = [one["row"] for one in own]
    crossed = [one for one in own if one["folds"] and grid.find(one["row"]).refit_of not in rows]
    said = [f"{escaped(one['variation'])} {score(one['folds'])} ({one['folds']['count']} parts)" for one in crossed]
    if not said:
        return ""
    flattered = " The options of the best model were chosen by this figure, which flatters it." if set(rows) & grid.TUNED else ""
    return (
        f"Cross-validation on training and validation split, macro-F1 on the part that is held out, ± over the parts: {'; '.join(said)}."
        f"{flattered}"
    )


def _listed(entries: Iterable[RowSummary]) -> str:
    return "; ".join(
        f"{escaped(one['variation'])} by {interval(one['behind'])}{'' if one['learned_seeds'] else ', which did not learn'}"
        for one in entries
    )


def figures(published: Sequence[float] | None) -> str:
    """The figures that a study gives."""
    return ", ".join(f"{one:.4f}" for one in published or ())


def _count(own: Sequence[RowSummary]) -> str:
    seeds = min(one["seeds"] for one in own)
    return f"{seeds} seeds" if seeds > 1 else "one seed"
