"""Keras beside an implementation on a user's own model and data: what ``conform compare`` measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conformance.base.arrays import Array
from conformance.base.errors import UnimportableError, plain, reason
from conformance.cases.tolerance import ILL_CONDITIONED
from conformance.implementations.protocol import Implementation, find, implementation_of
from conformance.models.agreement import FURTHEST, compare, figures
from conformance.models.bounds import BETWEEN_TWO, SHARE, bounds, rows_with
from conformance.models.data import Data, UnusableError, check_classes, read_data
from conformance.models.divergence import LAYER_SAMPLES, Divergence, Finding, differences, find_divergence, largest_difference
from conformance.models.judge import Functions, predictor
from conformance.oracle.environment import MISSING, missing_package
from conformance.oracle.live.activations import final_activation
from conformance.oracle.live.whole_model import batches, keras_model, keras_outputs, outputs_of
from reference.models import Model, load_model
from reference.network.graph import leaves
from reference.saving.reader import ArchiveError

Ask = Callable[[Mapping[str, Array]], list[Array]]

BATCH_SIZE = 64
BATCHES: dict[int | None, int] = {1: 32, 7: 256, 32: 256, None: 256}
"""Batch sizes (None: all at once) and the number of samples that each is tried on: a batch of one is slow, a batch of all is large."""


@dataclass(frozen=True)
class Output:
    """One output of the model: Keras's and the implementation's values, and what float32 arithmetic explains.

    The bound of an output is ``wide`` where it is not small beside the values: they hardly differ from 0, or a change in the last digit
    moves them a lot.
    """

    name: str
    shape: tuple[int, ...]
    largest: float
    mean: float
    bound: float
    wide: bool

    @property
    def within(self) -> bool:
        """Whether the largest difference keeps the bound."""
        return self.largest <= self.bound


@dataclass(frozen=True)
class BatchCheck:
    """The implementation asked again in batches of `size` (None: all at once), beside its own first answer."""

    size: int | None
    samples: int
    finding: Finding


@dataclass(frozen=True)
class Result:
    """What came of a comparison.

    Attributes
    ----------
    outputs : tuple of Output
        Empty where the implementation gave nothing that can be compared: `broken` says why.
    classes : mapping or None
        What :func:`conformance.models.agreement.figures` gives, with the accuracies; `no_classes` says why there is none.
    agreement : tuple or None
        Of samples, the number that get another class, and the number of these that rounding does not explain.
    layers : Divergence or None
        `no_layers` says why there is none.
    """

    model: Path
    data: Path
    iut: str
    samples: int
    parameters: int
    unused: tuple[str, ...]
    outputs: tuple[Output, ...] = ()
    broken: str = ""
    classes: Mapping[str, Any] | None = None
    no_classes: str = ""
    agreement: tuple[int, int] | None = None
    batches: tuple[BatchCheck, ...] = ()
    layers: Divergence | None = None
    no_layers: str = ""

    @property
    def agrees(self) -> bool:
        """Whether nothing is off by more than float32 arithmetic explains."""
        layers = self.layers is None or not (self.layers.wrong or self.layers.first_free)
        outputs = all(output.within for output in self.outputs) and not self.broken
        return outputs and layers and not (self.agreement and self.agreement[1]) and not any(b.finding.diverges for b in self.batches)


def compare_files(model: Path, data: Path, iut: str) -> Result:
    """Run a ``.keras`` archive on the arrays of an ``.npz`` file with Keras and with an implementation.

    Raises
    ------
    UnusableError
        If that cannot be done: the model, the data or the implementation do not allow it.
    """
    if complaint := find(iut):
        raise UnusableError(f"--iut={iut}: {complaint}.")
    if missing := missing_package():
        raise UnusableError(MISSING.format(missing=missing))
    archive = _read(model)
    given = read_data(data, archive.graph.specs, archive.dtype)
    implementation = implementation_of(iut)
    try:
        keras = keras_model(model)
        expected = keras_outputs(model, given.x)
    except Exception as error:
        raise UnusableError(f"Keras cannot run {model} on these data: {_short(error)}") from None
    kind = _class_kind(final_activation(keras), expected, given.labels is not None)
    if given.labels is not None and kind:
        check_classes(data, given.labels, max(2, expected[0].shape[1]))
    found: dict[str, Any] = {}
    worst = np.zeros(0, np.int64)
    ask, got, broken = _answers(implementation, model, archive, given, expected)
    if not broken:
        columns = [_columns(values[0], kind) for values in (expected, got)] if kind else []
        other_class = np.flatnonzero(columns[0].argmax(1) != columns[1].argmax(1)) if kind else worst
        worst = _worst(expected, got)
        rows = rows_with(given.samples, np.union1d(worst, other_class))
        allowed = bounds(keras, outputs_of, {name: array[rows] for name, array in given.x.items()})
        found["outputs"] = _outputs(archive, expected, got, allowed)
        found["batches"] = _in_other_batches(ask, given, got, allowed)
        found |= _classes(given.labels, columns, allowed[0]) if kind else {"no_classes": _why_no_classes(expected)}
    found |= _layers(keras, implementation, model, given, worst)
    return Result(model, data, iut, given.samples, archive.parameters, given.unused, broken=broken, **found)


def _read(path: Path) -> Model:
    """The archive as the reader sees it, whatever functions there are."""

    class Anything:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            return lambda *_: None

    try:
        return load_model(path, Anything())
    except ArchiveError as error:
        raise UnusableError(f"{error}.") from None


def _answers(
    implementation: Implementation, path: Path, archive: Model, data: Data, expected: list[Array]
) -> tuple[Ask, list[Array], str]:
    """How to ask the implementation, its outputs, and why they cannot be compared (empty where they can)."""
    try:
        ask = _asked(predictor(implementation, path))
        parts = [ask(batch) for batch in batches(data.x, BATCH_SIZE)]
    except (NotImplementedError, UnimportableError) as error:
        raise UnusableError(f"{implementation.spec}: {reason(error)}.") from None
    except (Exception, SystemExit) as error:
        return _nothing, [], f"It fails: {reason(error)}."
    counts = {len(part) for part in parts}
    if counts != {len(expected)}:
        return ask, [], f"It gives {counts.pop()} outputs, Keras {len(expected)}."
    try:
        got = [np.concatenate(part) for part in zip(*parts, strict=True)]
    except ValueError as error:
        return ask, [], f"Its outputs for different batches do not fit together: {plain(error)}."
    for name, ours, theirs in zip(_output_names(archive), got, expected, strict=True):
        if ours.shape != theirs.shape:
            return ask, [], f"Its output {name!r} has the shape {ours.shape}, Keras's {theirs.shape}."
        if ours.dtype.kind not in "fiub" and theirs.dtype.kind in "fiub":
            return ask, [], f"Its output {name!r} is an array of {ours.dtype}."
    return ask, got, ""


def _asked(predict: Callable[[Any], Any]) -> Ask:
    """A function from inputs by name to a list of outputs, whatever structures the model has."""

    def ask(batch: Mapping[str, Array]) -> list[Array]:
        answer = predict(next(iter(batch.values())) if len(batch) == 1 else dict(batch))
        return [np.asarray(part) for part in leaves(list(answer) if isinstance(answer, tuple) else answer)]

    return ask


def _nothing(batch: Mapping[str, Array]) -> list[Array]:
    return []


def _worst(expected: list[Array], got: list[Array]) -> Array:
    """The samples whose outputs are furthest off, of every output those of the largest differences."""
    rows = []
    for want, have in zip(expected, got, strict=True):
        by_sample = differences(have, want).reshape(len(want), -1).max(axis=1, initial=0)
        rows.append(np.argsort(by_sample)[-FURTHEST:])
    return np.unique(np.concatenate(rows))


def _outputs(archive: Model, expected: list[Array], got: list[Array], allowed: list[float]) -> tuple[Output, ...]:
    made = []
    for name, want, have, bound in zip(_output_names(archive), expected, got, allowed, strict=True):
        apart = differences(have, want)
        scale = float(np.max(np.abs(want), initial=0, where=np.isfinite(want))) if want.dtype.kind == "f" else np.inf
        mean = float(apart.mean()) if apart.size else 0.0
        wide = bound > SHARE * BETWEEN_TWO * ILL_CONDITIONED * scale
        made.append(Output(name, want.shape, float(apart.max(initial=0)), mean, bound, wide))
    return tuple(made)


def _output_names(archive: Model) -> list[str]:
    """Names of the outputs, in the order in which Keras numbers them: keys of dicts, else the layers that make them."""

    def named(structure: Any, within: str = "") -> list[str]:
        if isinstance(structure, dict):
            return [name for key in sorted(structure) for name in named(structure[key], f"{within}/{key}".lstrip("/"))]
        if isinstance(structure, list):
            return [name for part in structure for name in named(part)]
        number = f"[{structure.call}]" if structure.call else ""
        return [within or f"{structure.layer}{number}" + (f", output {structure.output + 1}" if structure.output else "")]

    return named(archive.graph.outputs)


def _in_other_batches(ask: Ask, data: Data, got: list[Array], allowed: list[float]) -> tuple[BatchCheck, ...]:
    """Whether the implementation gives the same answer however the samples are cut into batches, within the bound."""
    checks = []
    for size, most in BATCHES.items():
        count = min(most, data.samples)
        x = {name: array[:count] for name, array in data.x.items()}
        finding = Finding(allowed=max(allowed))
        try:
            parts = [ask(batch) for batch in batches(x, size or count)]
            for now, before, bound in zip(zip(*parts, strict=True), got, allowed, strict=True):
                whole = np.concatenate(now)
                same = whole.shape == before[:count].shape
                said = "" if same else f"gives the shape {whole.shape}, else {before[:count].shape}"
                finding = finding.or_worse(Finding(largest_difference(whole, before[:count]) if same else 0, bound, said))
        except (Exception, SystemExit) as error:
            finding = Finding(said=f"it raised {reason(error)}")
        checks.append(BatchCheck(size, count, finding))
    return tuple(checks)


def _class_kind(activation: str | None, outputs: list[Array], labelled: bool) -> str:
    """How the only output names classes: by 'softmax', by one 'sigmoid' unit, by 'logits' (where there are labels), or not at all."""
    if len(outputs) != 1 or outputs[0].ndim != 2 or outputs[0].dtype.kind != "f":
        return ""
    several = outputs[0].shape[1] > 1
    if activation == ("softmax" if several else "sigmoid"):
        return activation
    return "logits" if several and labelled else ""


def _why_no_classes(outputs: list[Array]) -> str:
    if len(outputs) != 1:
        return f"The model has {len(outputs)} outputs; classes are only taken from one."
    return "The output is neither a softmax nor one sigmoid unit, so that it names no classes."


def _columns(output: Array, kind: str) -> Array:
    """A column for each class; of one sigmoid unit p, ``[1 - p, p]``."""
    return np.concatenate([1 - output, output], axis=1) if kind == "sigmoid" else output


def _classes(labels: Array | None, columns: list[Array], bound: float) -> dict[str, Any]:
    """The figures of a classifying model; without labels the agreement alone."""
    keras, other = columns
    predicted = [values.argmax(axis=1) for values in columns]
    if labels is None:
        found = compare(keras, other, lambda rows: bound)
        apart = (found.disagreeing.size, found.decided.size)
        return {"agreement": apart, "no_classes": "The data hold no labels y: there is no F1 and no accuracy."}
    occurring = np.unique(np.concatenate([labels, *predicted]))
    record = figures(labels, [str(n) for n in range(keras.shape[1])], keras, other, lambda rows: bound, occurring.tolist())
    record["accuracies"] = [float(np.mean(values == labels)) for values in predicted]
    return {"classes": record, "agreement": (record["disagreements"], record["disagreements_beyond_bound"])}


def _layers(keras: Any, implementation: Implementation, path: Path, data: Data, worst: Array) -> dict[str, Any]:
    """The layers one by one, or why they cannot be compared: only an implementation with a ``load_model`` of its own needs no layers."""
    rows = rows_with(data.samples, worst, LAYER_SAMPLES)
    x = {name: array[rows] for name, array in data.x.items()}
    try:
        return {"layers": find_divergence(keras, load_model(path, Functions(implementation)), x)}
    except NotImplementedError as error:
        return {"no_layers": f"{reason(error)}."}


def _short(error: BaseException) -> str:
    """The first line of an exception that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {(lines or ['no text'])[0][:200]}"
