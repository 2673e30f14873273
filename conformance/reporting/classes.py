"""What a classifier does class by class, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.reporting.tables import escaped, table


def class_tables(record: Mapping[str, Any]) -> str:
    """Scores by class and the confusion matrix of a record that has :func:`conformance.models.agreement.figures`."""
    classes = [one["class"] for one in record["per_class"]]
    scores = [[escaped(one["class"]), *(f"{one[name]:.4f}" for name in ("precision", "recall", "f1")), one["samples"]]
              for one in record["per_class"]]  # fmt: skip
    mean = [f"{sum(one[name] for one in record['per_class']) / len(classes):.4f}" for name in ("precision", "recall", "f1")]
    confusion = [[escaped(name), *counts] for name, counts in zip(classes, record["confusion_matrix"], strict=True)]
    return "\n\n".join(
        [
            table(["class", "precision", "recall", "F1", "samples"], [*scores, ["**macro**", *mean, record["samples"]]]),
            table(["true \\ predicted", *map(escaped, classes)], confusion),
        ]
    )


def share(value: float) -> str:
    """1.0 for all, and never 1.0 for less than all."""
    return "1.0" if value == 1 else f"{min(value, 0.9999):.4f}"
