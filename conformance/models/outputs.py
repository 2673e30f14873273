"""The outputs of a whole model: an implementation's beside the right ones, in any batches, and the classes that they name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.base.arrays import Array
from conformance.base.errors import UnimportableError, plain, reason
from conformance.cases.tolerance import ILL_CONDITIONED
from conformance.models.agreement import FURTHEST, compare, figures
from conformance.models.bounds import BETWEEN_TWO, SHARE
from conformance.models.data import Data, UnusableError
from conformance.models.divergence import Finding, differences, largest_difference
from conformance.oracle.live.whole_model import batches
from reference.models import Model
from reference.network.graph import leaves

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
class Answers:
    """What an implementation answers for a whole model.

    Attributes
    ----------
    outputs : list of arrays
        Empty where there is nothing to compare, and then one of the others says why.
    ask : callable
        Asks again, about other batches.
    broken : str
        Why the outputs cannot be compared.
    unsupported : str
        What the implementation says that it does not support.
    """

    outputs: list[Array]
    ask: Ask
    broken: str = ""
    unsupported: str = ""


def answers(
    predict: Callable[[], Callable[[Any], Any]], names: list[str], x: Mapping[str, Array], expected: list[Array], oracle: str
) -> Answers:
    """Ask an implementation for the outputs of a model.

    Parameters
    ----------
    predict : callable
        Makes the function that predicts.
    names : list of str
        Of the outputs.
    x : mapping of input name to array
    expected : list of arrays
        The right outputs, which `oracle` gave.

    Raises
    ------
    UnusableError
        If the implementation cannot be imported.
    """
    try:
        ask = _asked(predict())
        parts = [ask(batch) for batch in batches(x, BATCH_SIZE)]
    except UnimportableError as error:
        raise UnusableError(f"{error}.") from None
    except NotImplementedError as error:
        return Answers([], _nothing, unsupported=reason(error))
    except (Exception, SystemExit) as error:
        return Answers([], _nothing, f"It fails: {reason(error)}.")
    counts = {len(part) for part in parts}
    if counts != {len(expected)}:
        number = counts.pop()
        return Answers([], ask, f"It gives {number} output{'s' * (number != 1)}, {oracle} {len(expected)}.")
    try:
        got = [np.concatenate(part) for part in zip(*parts, strict=True)]
    except ValueError as error:
        return Answers([], ask, f"Its outputs for different batches do not fit together: {plain(error)}.")
    for name, ours, theirs in zip(names, got, expected, strict=True):
        if ours.shape != theirs.shape:
            return Answers([], ask, f"Its output {name!r} has the shape {ours.shape}, that of {oracle} {theirs.shape}.")
        if ours.dtype.kind not in "fiub" and theirs.dtype.kind in "fiub":
            return Answers([], ask, f"Its output {name!r} is an array of {ours.dtype}.")
    return Answers(got, ask)


def _asked(predict: Callable[[Any], Any]) -> Ask:
    """A function from inputs by name to a list of outputs, whatever structures the model has."""

    def ask(batch: Mapping[str, Array]) -> list[Array]:
        answer = predict(next(iter(batch.values())) if len(batch) == 1 else dict(batch))
        return [np.asarray(part) for part in leaves(list(answer) if isinstance(answer, tuple) else answer)]

    return ask


def _nothing(batch: Mapping[str, Array]) -> list[Array]:
    return []


def worst_samples(expected: list[Array], got: list[Array]) -> Array:
    """The samples whose outputs are furthest off, of every output those of the largest differences."""
    rows = []
    for want, have in zip(expected, got, strict=True):
        by_sample = differences(have, want).reshape(len(want), -1).max(axis=1, initial=0)
        rows.append(np.argsort(by_sample)[-FURTHEST:])
    return np.unique(np.concatenate(rows))


def compared_outputs(names: list[str], expected: list[Array], got: list[Array], allowed: list[float]) -> tuple[Output, ...]:
    """Every output beside the right one."""
    made = []
    for name, want, have, bound in zip(names, expected, got, allowed, strict=True):
        apart = differences(have, want)
        scale = float(np.max(np.abs(want), initial=0, where=np.isfinite(want))) if want.dtype.kind == "f" else np.inf
        mean = float(apart.mean()) if apart.size else 0.0
        wide = bound > SHARE * BETWEEN_TWO * ILL_CONDITIONED * scale
        made.append(Output(name, want.shape, float(apart.max(initial=0)), mean, bound, wide))
    return tuple(made)


def output_names(archive: Model) -> list[str]:
    """Names of the outputs, in the order in which Keras numbers them: keys of dicts, else the layers that make them."""

    def named(structure: Any, within: str = "") -> list[str]:
        if isinstance(structure, dict):
            return [name for key in sorted(structure) for name in named(structure[key], f"{within}/{key}".lstrip("/"))]
        if isinstance(structure, list):
            return [name for part in structure for name in named(part)]
        number = f"[{structure.call}]" if structure.call else ""
        return [within or f"{structure.layer}{number}" + (f", output {structure.output + 1}" if structure.output else "")]

    return named(archive.graph.outputs)


def in_other_batches(ask: Ask, data: Data, got: list[Array], allowed: list[float]) -> tuple[BatchCheck, ...]:
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


def class_kind(activation: str | None, outputs: list[Array], labelled: bool) -> str:
    """How the only output names classes: by 'softmax', by one 'sigmoid' unit, by 'logits' (where there are labels), or not at all."""
    if len(outputs) != 1 or outputs[0].ndim != 2 or outputs[0].dtype.kind != "f":
        return ""
    several = outputs[0].shape[1] > 1
    if activation == ("softmax" if several else "sigmoid"):
        return activation
    return "logits" if several and labelled else ""


def why_no_classes(outputs: list[Array]) -> str:
    """Why the outputs name no classes, in a sentence."""
    if len(outputs) != 1:
        return f"The model has {len(outputs)} outputs; classes are only taken from one."
    return "The output is neither a softmax nor one sigmoid unit, so that it names no classes."


def columns_of(output: Array, kind: str) -> Array:
    """A column for each class; of one sigmoid unit p, ``[1 - p, p]``."""
    return np.concatenate([1 - output, output], axis=1) if kind == "sigmoid" else output


def class_figures(labels: Array | None, columns: list[Array], bound: float) -> dict[str, Any]:
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
