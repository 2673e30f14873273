"""An implementation on a user's own model and data, beside Keras or the reference: what ``conform compare`` measures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from conformance.base.arrays import Array
from conformance.base.errors import UnimportableError
from conformance.implementations.protocol import Implementation, find, implementation_of
from conformance.models.advice import Advice, advise
from conformance.models.bounds import rows_with
from conformance.models.data import Data, UnusableError, check_classes, read_data
from conformance.models.dispute import Dispute, find_dispute
from conformance.models.divergence import LAYER_SAMPLES, Divergence, LayerFindings, find_divergence
from conformance.models.functions import run_by
from conformance.models.outputs import (
    Answers,
    BatchCheck,
    Output,
    answers,
    class_figures,
    class_kind,
    columns_of,
    compared_outputs,
    in_other_batches,
    output_names,
    why_no_classes,
    worst_samples,
)
from conformance.models.partial import Part
from conformance.models.subject import Subject, first_line, read_subject, require_file
from conformance.oracle.environment import how_to_install, missing_package

REFERENCE = "reference"


@dataclass(frozen=True)
class Result:
    """What came of a comparison.

    Attributes
    ----------
    oracle, version : str
        What the implementation was compared with; `no_keras` says why that is not Keras.
    part : Part or None
        What of the model's file could not be read, and was not compared.
    outputs : tuple of Output
        Empty where the implementation gave nothing that can be compared: `broken` says why, or `unsupported` that it lacks something.
    classes : mapping or None
        What :func:`conformance.models.agreement.figures` gives, with the accuracies; `no_classes` says why there is none.
    agreement : tuple or None
        Of samples, the number that get another class, and the number of these that rounding does not explain.
    layers : Divergence or None
        `no_layers` says why there is none.
    own : bool
        Whether it predicts by a ``load_model`` of its own, and not in the graph of the reference.
    dispute : Dispute or None
        Looked for where the implementation differs from Keras; None also where the reference agrees with Keras.
    advice : Advice
    """

    model: Path
    data: Path
    iut: str
    samples: int
    parameters: int
    unused: tuple[str, ...]
    oracle: str = "Keras"
    version: str = ""
    no_keras: str = ""
    part: Part | None = None
    outputs: tuple[Output, ...] = ()
    broken: str = ""
    unsupported: str = ""
    classes: Mapping[str, Any] | None = None
    no_classes: str = ""
    agreement: tuple[int, int] | None = None
    batches: tuple[BatchCheck, ...] = ()
    layers: Divergence | None = None
    no_layers: str = ""
    own: bool = False
    dispute: Dispute | None = None
    advice: Advice = field(default_factory=Advice)

    @property
    def agrees(self) -> bool:
        """Whether nothing that is judged is off by more than float32 arithmetic explains."""
        outputs = not self.wrong_outputs and not self.broken and not self.misplaced
        return outputs and not self.wrong and not self.first_free and not self.depends_on_batch

    @property
    def wrong_outputs(self) -> list[Output]:
        """The outputs that are off, those apart that the reference computes otherwise than Keras as well."""
        disputed = self._disputed_outputs
        return [one for one, open_ in zip(self.outputs, disputed, strict=True) if not one.within and not open_]

    @property
    def misplaced(self) -> int:
        """How many samples get another class that rounding does not explain."""
        return self.agreement[1] if self.agreement and not any(self._disputed_outputs) else 0

    @property
    def depends_on_batch(self) -> bool:
        """Whether the answer depends on how many samples are asked about at once."""
        return any(check.finding.diverges for check in self.batches) and not any(self._disputed_outputs)

    @property
    def wrong(self) -> list[LayerFindings]:
        """The layers that are wrong by themselves."""
        found = self.layers.wrong if self.layers else []
        return [layer for layer in found if not (self.dispute and self.dispute.by_itself(layer.path))]

    @property
    def first_free(self) -> LayerFindings | None:
        """The first layer that differs when the implementation runs alone."""
        for layer in self.layers.layers if self.layers else ():
            disputed = self.dispute is not None and self.dispute.in_free_run(layer.path)
            if layer.free is not None and layer.free.diverges and not disputed:
                return layer
        return None

    @property
    def _disputed_outputs(self) -> tuple[bool, ...]:
        """An implementation with a ``load_model`` of its own is judged by Keras, whatever the reference computes."""
        if self.dispute is None or self.own:
            return (False,) * len(self.outputs)
        return self.dispute.outputs


def compare_files(model: Path, data: Path, iut: str, weights: Path | None = None) -> Result:
    """Run the file of a model on the arrays of an ``.npz`` file with Keras and with an implementation.

    Where Keras is not installed or cannot load the file, the reference takes its place; where not all of the file can be read, the part
    is compared that can.

    Raises
    ------
    UnusableError
        If that cannot be done: the model, the data or the implementation do not allow it.
    """
    if complaint := find(iut):
        raise UnusableError(f"--iut={iut}: {complaint}.")
    with tempfile.TemporaryDirectory(prefix="conform-compare-") as folder:
        subject = read_subject(model, weights, Path(folder))
        if subject.no_keras and iut == REFERENCE:
            raise UnusableError(
                f"{subject.no_keras}, so that the reference takes the place of Keras, and cannot be compared with itself: name an "
                f"implementation with --iut{f', or install TensorFlow and Keras ({how_to_install()})' if missing_package() else ''}."
            )
        require_file(data)
        given = read_data(data, subject.model.graph.specs, subject.model.dtype)
        implementation = implementation_of(iut)
        try:
            return _compared(subject, implementation, model, data, given)
        finally:
            implementation.close()


def _compared(subject: Subject, implementation: Implementation, model: Path, data: Path, given: Data) -> Result:
    """The comparison of what has been read."""
    oracle, names = subject.oracle, output_names(subject.model)
    try:
        expected = oracle.outputs(given.x)
    except Exception as error:
        said = oracle.name[0].upper() + oracle.name[1:]
        raise UnusableError(f"{said} cannot run {model} on these data: {first_line(error)}") from None
    kind = class_kind(oracle.final_activation(), expected, given.labels is not None)
    if given.labels is not None and kind:
        check_classes(data, given.labels, max(2, expected[0].shape[1]))
    own, predict = _predictor(implementation, subject)
    found: dict[str, Any] = {"own": own}
    got = answers(predict, names, given.x, expected, oracle.name)
    worst, allowed = np.zeros(0, np.int64), [0.0] * len(expected)
    if got.outputs:
        columns = [columns_of(values[0], kind) for values in (expected, got.outputs)] if kind else []
        other_class = np.flatnonzero(columns[0].argmax(1) != columns[1].argmax(1)) if kind else worst
        worst = worst_samples(expected, got.outputs)
        rows = rows_with(given.samples, np.union1d(worst, other_class))
        allowed = oracle.output_bounds({name: array[rows] for name, array in given.x.items()})
        found["outputs"] = compared_outputs(names, expected, got.outputs, allowed)
        found["batches"] = in_other_batches(got.ask, given, got.outputs, allowed)
        found |= class_figures(given.labels, columns, allowed[0]) if kind else {"no_classes": why_no_classes(expected)}
    rows = rows_with(given.samples, worst, LAYER_SAMPLES)
    some = {name: array[rows] for name, array in given.x.items()}
    found |= _layers(subject, implementation, some, got)
    result = Result(
        *(model, data, implementation.spec, given.samples, subject.model.parameters, given.unused),
        *(oracle.name, oracle.version, subject.no_keras, subject.part),
        broken=got.broken,
        unsupported=got.unsupported,
        **found,
    )
    if not result.agrees and not subject.no_keras and implementation.spec != REFERENCE:
        allowed = allowed if got.outputs else oracle.output_bounds(some)
        dispute = find_dispute(oracle, subject.model, given.x, some, expected, allowed)
        result = replace(result, dispute=dispute if dispute.exists else None)
    if result.wrong and implementation.spec != REFERENCE:
        worst = worst if worst.size else np.arange(given.samples)
        x = {name: array[worst] for name, array in given.x.items()}
        result = replace(result, advice=advise(oracle, subject.model, implementation, x, result.wrong))
    return result


def _predictor(implementation: Implementation, subject: Subject) -> tuple[bool, Callable[[], Callable[[Any], Any]]]:
    """Whether an implementation has a ``load_model`` of its own, and what makes the function that predicts."""
    try:
        own = implementation.has("load_model")
    except UnimportableError as error:
        raise UnusableError(f"{error}.") from None
    if not own:
        return False, lambda: run_by(subject.model, implementation).predict

    def load() -> Callable[[Any], Any]:
        predict = implementation.predictor(subject.file)
        assert predict is not None
        return predict

    return True, load


def _layers(subject: Subject, implementation: Implementation, x: Mapping[str, Array], got: Answers) -> dict[str, Any]:
    """The layers one by one, or why they cannot be compared: only an implementation with a ``load_model`` of its own needs no layers.

    Raises
    ------
    UnusableError
        If it has no outputs either.
    """
    found = find_divergence(subject.oracle, run_by(subject.model, implementation), x)
    if found.compared:
        return {"layers": found}
    reasons: dict[str, list[str]] = {}
    for layer in found.unsupported:
        reasons.setdefault(layer.forced.unsupported, []).append(f"{layer.path!r} ({layer.class_name})")
    said = "; ".join(f"{why}, for {' and '.join(layers)}" for why, layers in reasons.items()) or "the model has no layers"
    if got.unsupported:
        predicts = f"{got.unsupported}; " if got.unsupported.partition(" in layer ")[0] not in reasons else ""
        raise UnusableError(f"{implementation.spec}: nothing can be compared: {predicts}{said}.")
    return {"no_layers": f"{said}."}
