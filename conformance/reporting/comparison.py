"""The report of ``conform compare``: Keras and an implementation on one model and one set of data."""

from __future__ import annotations

from conformance.base.files import checksum
from conformance.models.compare import Result
from conformance.models.divergence import Finding, LayerFindings, words
from conformance.oracle.environment import import_keras
from conformance.reporting.classes import class_tables, share
from conformance.reporting.tables import code, escaped, table

MOST_CLASSES = 20

HOW_TO_READ = """\
The **bound** is the model's own: in float64, inputs and weights are moved three times by one relative float32 rounding (2⁻²³; token ids
stay), and 8 times the largest response of an output is what rounding may do to each of the two answers: `16 (P + eps max(1, |o|))`
between them (where Keras itself is further from its float64 answer than its share, that distance counts in the place of its share). It
is taken over the first 1,000 samples and over those that are furthest off or change their class. A layer's bound is
the same with the layer's output in place of the model's, so that what the layers before it may do is counted in. *Teacher-forced*, a
layer is given Keras's own activations and masks: only what it does itself counts. *Free-running*, it is given what the implementation
made before it. Integers and masks must be equal."""


def markdown(result: Result) -> str:
    """The whole report."""
    iut, model = code(result.iut), code(result.model.name)
    parts = [f"# Keras and {iut} on {model}", headline(result)]
    if result.unused:
        names = ", ".join(map(code, result.unused))
        parts.append(f"Nothing was made of these arrays of {code(result.data.name)}: {names}.")
    if result.outputs:
        parts += ["## Outputs", _outputs(result)]
        if wide := [code(output.name) for output in result.outputs if output.wide]:
            parts.append(f"**Not much can be told from {', '.join(wide)}: the bound is not small beside the values.**")
        parts += ["## Classes", *_classes(result), "## Batch sizes", _batches(result)]
    parts += ["## Layers", *_layers(result), "## What was compared", _provenance(result), "## How to read this", HOW_TO_READ]
    return "\n\n".join(parts) + "\n"


def headline(result: Result) -> str:
    """What came of it, in one or two sentences."""
    iut = code(result.iut)
    if result.agrees:
        largest = max((output.largest for output in result.outputs), default=0.0)
        return (
            f"**They agree**: on {result.samples:,} samples {iut} is never further from Keras than float32 arithmetic explains "
            f"(largest difference {largest:.1e})."
        )
    said = [result.broken] if result.broken else []
    for one in result.outputs:
        if not one.within:
            said.append(f"Output {code(one.name)} is off by up to {_number(one.largest)}; float32 arithmetic explains {one.bound:.1e}.")
    if result.agreement and result.agreement[1]:
        said.append(f"{result.agreement[1]:,} of {result.samples:,} samples get another class that rounding does not explain.")
    if any(check.finding.diverges for check in result.batches):
        said.append("The answer depends on how many samples are asked about at once.")
    if result.layers and (first := result.layers.first_forced):
        said.append(f"The first layer that goes wrong by itself is {code(first.path)} ({escaped(first.class_name)}).")
    return f"**They differ.** {' '.join(said)}".rstrip()


def _outputs(result: Result) -> str:
    headers = ["output", "shape", "largest difference", "mean difference", "bound", "within bound"]
    rows = [
        [code(o.name), _shape(o.shape), _number(o.largest), _number(o.mean), f"{o.bound:.1e}", "yes" if o.within else "**no**"]
        for o in result.outputs
    ]
    return table(headers, rows)


def _classes(result: Result) -> list[str]:
    """Scores, agreement, and the table of the classes."""
    parts = []
    if result.classes:
        record, (keras, other) = result.classes, result.classes["accuracies"]
        rows = [
            ["Keras", f"{record['keras_macro_f1']:.4f}", f"{keras:.4f}"],
            [code(result.iut), f"{record['reference_macro_f1']:.4f}", f"{other:.4f}"],
        ]
        parts.append(table(["", "macro-F1", "accuracy"], rows))
    if result.agreement:
        parts.append(_agreement(result, *result.agreement))
    if not result.classes:
        return [*parts, result.no_classes]
    if len(result.classes["per_class"]) > MOST_CLASSES:
        return [*parts, f"Scores are not listed for each of the {len(result.classes['per_class'])} classes."]
    told = f"Scores of {code(result.iut)}, over the classes that occur; rows of the confusion matrix are the true classes."
    return [*parts, told, class_tables(result.classes)]


def _agreement(result: Result, apart: int, decided: int) -> str:
    if not apart:
        return f"Both name the same class for every one of {result.samples:,} samples."
    agreed = share(1 - apart / result.samples)
    tail = f"**for {decided:,} of them rounding does not explain it**" if decided else "each has its top two classes closer than the bound"
    return f"Agreement of the classes: {agreed}; {apart:,} of {result.samples:,} samples get another class; {tail}."


def _batches(result: Result) -> str:
    rows = []
    for check in result.batches:
        finding = check.finding
        size = "all at once" if check.size is None else str(check.size)
        same = f"**no**: {escaped(finding.said)}" if finding.said else "**no**" if finding.diverges else "yes"
        rows.append([size, check.samples, "" if finding.said else _number(finding.difference), same])
    told = f"{code(result.iut)} asked again, beside its own first answer; only the first samples are asked about."
    return told + "\n\n" + table(["batch size", "samples", "largest difference", "same within bound"], rows)


def _layers(result: Result) -> list[str]:
    found = result.layers
    if found is None:
        return [f"The layers cannot be compared one by one: {escaped(result.no_layers)}"]
    forced, free = _first(found.first_forced), _first(found.first_free)
    parts = [f"First diverging layer on {found.samples:,} samples: teacher-forced **{forced}**, free-running **{free}**."]
    if len(found.wrong) > 1:
        parts.append(f"Wrong by themselves: {', '.join(code(layer.path) for layer in found.wrong)}.")
    rows = [[code(layer.path), escaped(layer.class_name), *_cells(layer.forced), *_cells(layer.free)] for layer in found.layers]
    headers = ["layer", "class", "teacher-forced", "allowed", "free-running", "allowed"]
    return [*parts, table(headers, rows)]


def _first(layer: LayerFindings | None) -> str:
    return "none" if layer is None else f"{code(layer.path)} ({escaped(layer.class_name)})"


def _cells(finding: Finding | None) -> list[str]:
    """Difference and bound of one layer in one way, marked where it diverges."""
    if finding is None:
        return ["not reached", ""]
    if finding.said:
        return [f"**{escaped(words(finding))}**", ""]
    number = _number(finding.difference)
    return [f"**{number}**" if finding.diverges else number, f"{finding.allowed:.1e}" if finding.allowed else "0"]


def _provenance(result: Result) -> str:
    rows = [
        ["model", code(result.model), f"{result.parameters:,} parameters", code(checksum(result.model)[:16])],
        ["data", code(result.data), f"{result.samples:,} samples", code(checksum(result.data)[:16])],
        ["implementation", code(result.iut), "", ""],
        ["oracle", f"Keras {escaped(import_keras().__version__)}", "", ""],
    ]
    return table(["", "what", "size", "SHA-256, first 16 digits"], rows)


def _number(value: float) -> str:
    return "0" if value == 0 else "not finite" if value == float("inf") else f"{value:.1e}"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
