"""The table of the classifiers without a net, beside the best net of a family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conformance.reporting.tables import code, escaped, table
from conformance.studies.analysis.bootstrap import Estimate
from conformance.studies.analysis.experiments import RowSummary
from conformance.studies.reports.experiment_tables import interval

INTRODUCTION = """\
Classifiers of scikit-learn, fitted on the same samples as {best}, the row above that is chosen without the test split (by
cross-validation where there is one); options (the larger C, the less the weights are kept small; alpha is added to every count) are
chosen {how}. The macro-F1 that decided stands beside what was chosen. The last column is macro-F1 of {best} less theirs; its
intervals are widened by the number of baselines."""
CROSSED = "by cross-validation on training and validation split, in {folds} parts"
VALIDATED = "on the validation split, after fitting on the training split alone"


def parts(best: RowSummary | None, rows: Sequence[Mapping[str, Any]], ahead: Mapping[str, Estimate]) -> list[str]:
    """The section of a report: nothing where no baseline was measured or no net is trained.

    Parameters
    ----------
    best : RowSummary or None
        The family's best row.
    rows : sequence of mappings
        As :func:`conformance.studies.analysis.baselines.entries` makes them, of the family's data set.
    ahead : mapping
        Of each baseline to how far the best row is ahead of it.
    """
    if not rows or best is None:
        return []
    cells = [
        [
            escaped(row["title"]),
            ", ".join(f"{option.split('__')[-1]} = {value:g}" for option, value in row["chosen"].items()),
            f"{row['selection_macro_f1']:.4f}",
            f"{row['macro_f1']:.4f}",
            f"[{row['macro_f1_interval'][0]:.3f}, {row['macro_f1_interval'][1]:.3f}]",
            interval(ahead[row["baseline"]].to_json()),
        ]
        for row in rows
    ]
    headers = ["", "chosen", "macro-F1 that decided", "macro-F1", "interval", "net ahead by"]
    folds = rows[0]["folds"]
    how = CROSSED.format(folds=folds) if folds else VALIDATED
    return ["## Without a net", INTRODUCTION.format(best=code(best["row"]), how=how), table(headers, cells), sentence(rows, ahead)]


def sentence(rows: Sequence[Mapping[str, Any]], ahead: Mapping[str, Estimate]) -> str:
    """Which baselines the net is shown to beat, and which not."""
    words = {
        "The net is ahead of": [row for row in rows if ahead[row["baseline"]].low > 0],
        "It is behind": [row for row in rows if ahead[row["baseline"]].high < 0],
        "No difference is shown to": [row for row in rows if not ahead[row["baseline"]].is_apart],
    }
    return " ".join(f"{said} {'; '.join(escaped(row['title']) for row in own)}." for said, own in words.items() if own)
