"""Everything that the reports of the experiments say, computed once from the records and the stored baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.studies.analysis import baselines as baseline_analysis
from conformance.studies.analysis import experiments as experiment_analysis
from conformance.studies.analysis.bootstrap import Estimate
from conformance.studies.analysis.experiments import Records, RowSummary, alike_rows
from conformance.studies.experiments import grid
from conformance.studies.experiments.axes import AXES, Axis
from conformance.studies.experiments.row import FOLDS, Family


@dataclass(frozen=True)
class Results:
    """What was measured.

    Attributes
    ----------
    records : Records
    entries, classes : sequence of mappings
        As ``data/experiments.json`` and ``data/classes.json`` have them.
    baselines : mapping
        As ``data/baselines.json`` has it.
    without : mapping
        Of each family that has a trained row: the baselines on its data, fitted on the same samples as its best row, and how far that
        is ahead of each.
    """

    records: Records
    entries: Sequence[RowSummary]
    classes: Sequence[Mapping[str, Any]]
    baselines: Mapping[str, Any]
    without: Mapping[Family, tuple[Sequence[Mapping[str, Any]], Mapping[str, Estimate]]]

    def of_axis(self, axis: Axis) -> list[RowSummary]:
        """The entries of an axis, in order."""
        return [one for one in self.entries if (one["family"], one["axis"]) == (axis.family, axis.name)]

    def best(self, family: Family) -> RowSummary | None:
        """The row of a family that is chosen without the test split, by which it would be flattered.

        Rows that were cross-validated to the end are compared by the mean over their folds, and the best of them counts as it is fitted on
        both splits, where it is; where none was cross-validated, the validation split decides.
        """
        trained = [one for one in self.entries if one["family"] == family and one["seeds"]]
        crossed = [one for one in trained if one["folds"] and one["folds"]["count"] == FOLDS]
        if crossed:
            return max(crossed, key=lambda one: (float(one["folds"]["macro_f1_mean"]), grid.find(one["row"]).refit_of is not None))
        validated = [one for one in trained if one["valid_macro_f1"] is not None]
        return max(validated, key=lambda one: float(one["valid_macro_f1"]), default=None)


def results(records: Records, baselines: Mapping[str, Any]) -> Results:
    """The figures of records and baselines."""
    known = experiment_analysis.measured(records)
    entries = experiment_analysis.entries(records, known)
    classes = [experiment_analysis.classes_of(records, name) for name in records.rows]
    found = Results(records, entries, classes, baselines, {})
    without = {}
    for family in dict.fromkeys(axis.family for axis in AXES):
        best = found.best(family)
        if best:
            row = grid.find(best["row"])
            beside = baseline_analysis.scored(baselines, records, refit=row.refit_of is not None)
            rows = [one for one in baseline_analysis.entries(baselines, beside) if one["dataset"] == row.dataset]
            without[family] = (rows, baseline_analysis.ahead(known[row.name], row.dataset, beside, alike_rows(row, known)))
    return Results(records, entries, classes, baselines, without)
