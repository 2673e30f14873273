"""The report of ``conform compare``: an implementation beside Keras, or the reference, on one model and one set of data."""

from __future__ import annotations

import re

from conformance.base.files import checksum
from conformance.models.compare import REFERENCE, Result
from conformance.models.divergence import Finding, LayerFindings, words
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
made before it. Integers and masks must be equal. (Where the comparison is with the reference, that stands in Keras's place in all this.)"""


def markdown(result: Result) -> str:
    """The whole report."""
    iut, model = code(result.iut), code(result.model.name)
    parts = [f"# {_oracle(result)} and {iut} on {model}", headline(result)]
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
    """What was compared with what, what came of it, and what to do next."""
    said = [*_limits(result), _verdict(result)]
    if likely := result.advice.looks_like:
        this = "this mistake" if len(likely) == 1 else "any of these mistakes"
        said.append(f"What {code(result.wrong[0].path)} answers looks like {this}: {'; '.join(map(_told, likely))}.")
    if result.advice.command:
        said += ["To see what is wrong, option by option:", f"    {result.advice.command}"]
    return "\n\n".join(said)


def _limits(result: Result) -> list[str]:
    """Where the comparison is not with Keras, or not of the whole model."""
    said = []
    if result.no_keras:
        said.append(f"**Compared with the reference, not with Keras**: {_told(result.no_keras)}.")
    if result.part:
        refused = "; ".join(f"{code(one.path)} ({_told(one.class_name)}): {_told(one.why)}" for one in result.part.refused)
        it, makes = ("it", "it makes") if len(result.part.refused) == 1 else ("them", "they make")
        after = ", ".join(map(code, result.part.after))
        told = f", nor is what takes what {makes}: {after}" if after else ""
        said.append(
            f"**Only a part of the model is compared.** The reference does not read {refused}. What goes into {it} is an output here; "
            f"{'they are' if it == 'them' else 'it is'} not compared{told}."
        )
    if result.dispute and (first := result.dispute.first):
        finding = first.forced if first.forced.diverges else first.free
        how = f": {_told(words(finding))}" if finding else ""
        said.append(
            f"**Keras and the reference disagree about this file**, first in layer {code(first.path)} ({escaped(first.class_name)}){how}. "
            f"{code(result.iut)} {_not_judged(result)}"
        )
    return said


def _not_judged(result: Result) -> str:
    if result.own:
        return "predicts by its own `load_model`: its outputs are judged by Keras, its layers only where the two agree."
    return "is called in the graph of the reference, and is judged only where the two agree."


def _verdict(result: Result) -> str:
    """What came of it, in a few sentences."""
    iut, oracle = code(result.iut), result.oracle
    if result.agrees:
        return _agreement_in_words(result)
    neutral = result.iut == REFERENCE
    said = [_told(result.broken)] if result.broken else []
    for one in result.wrong_outputs:
        said.append(f"Output {code(one.name)} is off by up to {_number(one.largest)}; float32 arithmetic explains {one.bound:.1e}.")
    if result.misplaced:
        get = "gets" if result.misplaced == 1 else "get"
        said.append(f"{result.misplaced:,} of {_samples(result.samples)} {get} another class that rounding does not explain.")
    if result.depends_on_batch:
        said.append("The answer depends on how many samples are asked about at once.")
    if first := next(iter(result.wrong), None):
        goes = "that differs" if neutral else "that goes wrong"
        said.append(f"The first layer {goes} by itself is {_first(first)}: {_told(words(first.forced))}.")
    elif (free := result.first_free) and free.free:
        said.append(
            f"Every layer is right on what {oracle} gives it; run alone, {iut} first differs at {_first(free)}: "
            f"{_told(words(free.free))}."
        )
    elif result.no_layers:
        said.append(f"In which layer cannot be told: {_told(result.no_layers)}")
    opening = "**Keras and the reference disagree about this file.**" if neutral else "**They differ.**"
    return " ".join([opening, *said, *_lacks(result)])


def _agreement_in_words(result: Result) -> str:
    iut, layers = code(result.iut), result.layers
    never = f"never further from {result.oracle} than float32 arithmetic explains"
    judged = [one for one in result.outputs if one.within]
    if judged:
        largest = max(one.largest for one in judged)
        where = "" if len(judged) == len(result.outputs) else f" in {', '.join(code(one.name) for one in judged)}"
        said = f"**They agree**{where}: on {_samples(result.samples)} {iut} is {never} (largest difference {largest:.1e})."
        return " ".join([said, *_lacks(result)])
    compared = [one for one in layers.compared if not (result.dispute and result.dispute.by_itself(one.path))] if layers else []
    outputs = "are not judged" if result.outputs else "could not be compared"
    total, are = len(layers.layers) if layers else 0, "is" if len(compared) == 1 else "are"
    said = (
        f"**They agree as far as they can be compared**: on {_samples(result.samples)} {len(compared)} of {total} layers of {iut} {are} "
        f"{never}; the outputs of the model {outputs}."
    )
    return " ".join([said, *_lacks(result)])


def _lacks(result: Result) -> list[str]:
    """All that the implementation says it does not support."""
    found = result.layers.unsupported if result.layers else []
    reasons: dict[str, list[str]] = {}
    for layer in found:
        reasons.setdefault(layer.forced.unsupported, []).append(f"{code(layer.path)} ({escaped(layer.class_name)})")
    if not reasons:
        return [f"It does not predict: {_told(result.unsupported)}."] if result.unsupported else []
    return ["Not supported: " + "; ".join(f"{', '.join(layers)}: {_told(why)}" for why, layers in reasons.items()) + "."]


def _told(text: str) -> str:
    """A sentence that names functions and classes: an underscore within a word is no mark of Markdown, nor is ``>``."""
    return re.sub(r"(?<=\w)\\_(?=\w)", "_", escaped(text)).replace("&gt;", ">")


def _samples(count: int) -> str:
    return f"{count:,} sample{'s' * (count != 1)}"


def _oracle(result: Result) -> str:
    return result.oracle[0].upper() + result.oracle[1:]


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
            [_oracle(result), f"{record['keras_macro_f1']:.4f}", f"{keras:.4f}"],
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
        return [f"The layers cannot be compared one by one: {_told(result.no_layers)}"]
    forced, free = _first(next(iter(result.wrong), None)), _first(result.first_free)
    parts = [f"First diverging layer on {_samples(found.samples)}: teacher-forced **{forced}**, free-running **{free}**."]
    if len(result.wrong) > 1:
        parts.append(f"Wrong by themselves: {', '.join(code(layer.path) for layer in result.wrong)}.")
    if result.dispute:
        open_ = [code(layer.path) for layer in result.dispute.layers.wrong]
        parts.append(f"Not judged, since the reference differs from Keras there by itself: {', '.join(open_) or 'none'}.")
    rows = [[code(layer.path), escaped(layer.class_name), *_cells(layer.forced), *_cells(layer.free)] for layer in found.layers]
    headers = ["layer", "class", "teacher-forced", "allowed", "free-running", "allowed"]
    return [*parts, table(headers, rows)]


def _first(layer: LayerFindings | None) -> str:
    return "none" if layer is None else f"{code(layer.path)} ({escaped(layer.class_name)})"


def _cells(finding: Finding | None) -> list[str]:
    """Difference and bound of one layer in one way, marked where it diverges."""
    if finding is None:
        return ["not reached", ""]
    if finding.unsupported:
        return ["not supported", ""]
    if finding.said:
        return [f"**{_told(words(finding))}**", ""]
    number = _number(finding.difference)
    return [f"**{number}**" if finding.diverges else number, f"{finding.allowed:.1e}" if finding.allowed else "0"]


def _provenance(result: Result) -> str:
    rows = [
        ["model", code(result.model), f"{result.parameters:,} parameters", code(checksum(result.model)[:16])],
        ["data", code(result.data), f"{result.samples:,} samples", code(checksum(result.data)[:16])],
        ["implementation", code(result.iut), "", ""],
        ["oracle", escaped(result.version), "", ""],
    ]
    return table(["", "what", "size", "SHA-256, first 16 digits"], rows)


def _number(value: float) -> str:
    return "0" if value == 0 else "not finite" if value == float("inf") else f"{value:.1e}"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
