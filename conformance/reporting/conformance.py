"""``reports/conformance.md``: what became of every layer, from the records of a run of the suite on the reference."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from conformance.base.record import EDGE, FAILED, PASSED, STATUSES, UNSUPPORTED, Record
from conformance.base.report import SCHEMA, Report
from conformance.cases import ALL
from conformance.cases.case import FunctionCases
from conformance.oracle.protocol import LIVE
from conformance.reporting.buckets import kept_bucket
from conformance.reporting.options import values_tried
from conformance.reporting.tables import code, escaped, table

REFERENCE = "reference"
MODEL = "model"
ALWAYS_SHOWN = (PASSED, FAILED, UNSUPPORTED)
MOST_VALUES = 10
INPUTS = "values"
DEVIATION = re.compile(r"-(D\d+)-float(?:32|64)\]?$")
HOW_TO_READ = """\
Every case asks live Keras and the NumPy reference the same question and judges the difference; only *passed* earns. A *forward* case runs
once in float64, where meaning is judged to 1e-11, and once in float32, where rounding is judged by an error model; a *backward* case
compares gradients with Keras's automatic differentiation, in float64 for options pair by pair, in float32 and of recurrent layers for
every option alone; *loss*, *loss_gradient* and *optimizer* compare values, gradients and three steps. The other passes are single tests
(*drawn*: many cases of Hypothesis's choice; *property*: an equation between answers, asked without Keras; *repeated*: the same call
twice; *mask*, *stateful*, *random*: as they say).
The error columns show the largest float32 error of any case as a share of what that case allows: *exact* is 0, *≤ 1* is allowed,
*> 1* fails. Keras's own float32 answer is measured against its float64 answer by the same rule and stands beside it. Digits depend on
the processor, so only coarse steps are kept, and a step stays until a run is more than a factor of two away from it. *deviations* counts
cases in which Keras departs from its documentation ([keras_deviations.md](keras_deviations.md)); Keras's error leaves them out.
The second part shows for every option how many values were tried: 0 is an option that no case varies."""


class PartialRunError(ValueError):
    """Records that cannot stand for the whole suite."""


def stored_summary(report: Report, stored: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The stable facts of a run, ready for ``reports/data/conformance.json``.

    Parameters
    ----------
    report : Report
        Whole models are left out: they have a report of their own.
    stored : mapping, optional
        The summary of an earlier run. A layer that the new run did not ask about keeps its place.

    Raises
    ------
    PartialRunError
        If the records are not the reference's, or lack layers of a stored run that was not run the same way.
    """
    given = report.facts
    if given["iut"] != REFERENCE:
        raise PartialRunError(f"these records judge {given['iut']!r}; the reports in this folder are about the reference")
    if given.get("oracle", LIVE) != LIVE:
        raise PartialRunError("these records come from recorded vectors; the reports in this folder are made from a run against live Keras")
    facts = {"schema": SCHEMA, **{name: given[name] for name in ("iut", "keras", "seed", "profile")}}
    before = dict(stored["layers"]) if stored else {}
    by_layer = Report([record for record in report.records if record.kind != MODEL]).by_layer()
    missing = [name for name in before if name not in by_layer]
    if stored and missing and any(stored[name] != value for name, value in facts.items()):
        raise PartialRunError(f"these records lack {', '.join(missing)}, and the stored ones come from another kind of run: run all layers")
    fresh = {name: _layer(name, own, before.get(name)) for name, own in by_layer.items()}
    order = [*(name for name in ALL if name in {**before, **fresh}), *sorted(name for name in {**before, **fresh} if name not in ALL)]
    return {**facts, "layers": {name: fresh.get(name) or before[name] for name in order}}


def _layer(name: str, report: Report, stored: Mapping[str, Any] | None) -> dict[str, Any]:
    records = report.records
    met = Counter(found[1] for record in records if (found := DEVIATION.search(record.id)))
    before = stored["float32_error"] if stored else {}
    return {
        "function": name in ALL and isinstance(ALL[name], FunctionCases),
        "passes": {kind: asked.counts for kind, asked in report.by_kind().items()},
        "edge": sum(record.level == EDGE for record in records),
        "deviations": dict(sorted(met.items(), key=lambda item: int(item[0][1:]))),
        "float32_error": {
            "reference": _largest(records, "error_over_allowance", before.get("reference")),
            "keras": _largest((r for r in records if not DEVIATION.search(r.id)), "keras_error_over_allowance", before.get("keras")),
        },
        "options": values_tried(name, records),
    }


def _largest(records: Iterable[Record], field: str, stored: str | None) -> str | None:
    """The bucket of the largest float32 error of these records; None where nothing was compared."""
    found = [getattr(record, field) for record in records if not record.id.rstrip("]").endswith("float64")]
    ratios = [ratio for ratio in found if ratio is not None]
    return kept_bucket(stored, max(ratios)) if ratios else None


def markdown(summary: Mapping[str, Any]) -> str:
    """The report of a stored summary."""
    layers: Mapping[str, Any] = summary["layers"]
    plain = {name: layer for name, layer in layers.items() if not layer["function"]}
    functions = {name: layer for name, layer in layers.items() if layer["function"]}
    counts = [count for layer in layers.values() for count in layer["passes"].values()]
    total, passed = sum(sum(count.values()) for count in counts), sum(count[PASSED] for count in counts)
    parts = [
        "# Conformance of the NumPy reference to Keras",
        f"**{passed:,} of {total:,} cases passed.** "
        f"Keras {escaped(summary['keras'])}, seed {summary['seed']}, profile {escaped(summary['profile'])}.{_edge(layers)}",
        HOW_TO_READ,
    ]
    for title, word, chosen in (("Layers", "layer", plain), ("Activation functions", "function", functions)):
        if chosen:
            parts += [f"## {title}", _counts_table(word, chosen)]
    parts.append("## Options and the number of values tried")
    parts.append("In brackets the number of cases in which a value was tried; `values` is how the input is drawn.")
    parts += [f"### {escaped(name)}\n\n{_options_table(layer['options'])}" for name, layer in plain.items() if layer["options"]]
    if functions:
        kinds = sorted({kind for layer in functions.values() for kind in layer["options"].get(INPUTS, {})})
        parts += ["### Activation functions", f"Kinds of input: {', '.join(map(code, kinds))}.", _function_options_table(functions)]
    return "\n\n".join(parts) + "\n"


def _edge(layers: Mapping[str, Any]) -> str:
    """How many cases are of the edge; nothing where a stored summary is older than the levels."""
    if not all("edge" in layer for layer in layers.values()):
        return ""
    return f" {sum(layer['edge'] for layer in layers.values()):,} of the cases are [edge](../conformance/docs/levels.md)."


def _counts_table(title: str, layers: Mapping[str, Any]) -> str:
    counts = {name: Counter[str]() for name in layers}
    for name, layer in layers.items():
        for count in layer["passes"].values():
            counts[name].update(count)
    shown = [status for status in STATUSES if status in ALWAYS_SHOWN or any(count[status] for count in counts.values())]
    rows: list[list[Any]] = []
    for name, layer in layers.items():
        error = [layer["float32_error"][who] or "-" for who in ("reference", "keras")]
        by_pass = ", ".join(f"{escaped(kind)} {sum(count.values())}" for kind, count in layer["passes"].items())
        met = ", ".join(f"{met} {times}" for met, times in layer["deviations"].items())
        rows.append([escaped(name), *(counts[name][status] for status in shown), *error, met, by_pass])
    total = [sum(row[1 + n] for row in rows) for n in range(len(shown))]
    headers = [title, *shown, "error: reference", "error: Keras", "deviations", "cases by pass"]
    return table(headers, [*rows, ["**all**", *total, "", "", "", ""]])


def _options_table(options: Mapping[str, Mapping[str, int]]) -> str:
    return table(["option", "values tried", "which"], [[code(name), len(values), _values(values)] for name, values in options.items()])


def _function_options_table(functions: Mapping[str, Any]) -> str:
    """A row for each function: the kinds of input, then every option with its number of values."""
    rows: list[list[Any]] = []
    for name, layer in functions.items():
        options = {option: values for option, values in layer["options"].items() if option != INPUTS}
        said = "; ".join(f"{code(option)} {len(values)}: {_values(values)}".rstrip(": ") for option, values in options.items())
        rows.append([escaped(name), len(layer["options"].get(INPUTS, {})), said])
    return table(["function", "kinds of input", "options: values tried"], rows)


def _values(values: Mapping[str, int]) -> str:
    said = [f"{code(value)} ({count})" for value, count in values.items()]
    more = [f"and {len(said) - MOST_VALUES} more"] if len(said) > MOST_VALUES + 1 else []
    return ", ".join([*(said[:MOST_VALUES] if more else said), *more])
