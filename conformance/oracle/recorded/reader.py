"""Recorded vectors as the oracle: every declared case, answered without Keras."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from conformance.base.arrays import Array, Arrays, Steps, cast
from conformance.base.errors import VectorsError
from conformance.cases import LAYERS_OF, TEXT
from conformance.cases.case import Case, LayerCases
from conformance.cases.gradients import Backward, gradient_names
from conformance.cases.masks import MaskCase
from conformance.cases.stateful import HALVES, StatefulCase
from conformance.cases.text import text_identifier
from conformance.cases.tolerance import meaning_of_gradients, rounding_of_gradients
from conformance.oracle.expectation import Expectation, LossExpectation, StepsExpectation, TextExpectation
from conformance.oracle.recorded.vectors import ENDING, Family, StoredCase, folder, manifest

FAMILY_OF = {name: family for family, names in LAYERS_OF.items() for name in names}
SEED, PROFILE = 0, "standard"
"""What is recorded: the arrays of this seed, the cases of this profile."""


class Recorded:
    """See :class:`conformance.oracle.protocol.Oracle`; every method raises :class:`VectorsError` for what was not recorded."""

    live = False

    def __init__(self, place: Path | None = None) -> None:
        self._place = place

    @property
    def keras(self) -> str:
        """The version that was recorded."""
        return str(manifest(self._folder)["keras"])

    def draws(self, layer: LayerCases, case: Case, seed: int) -> tuple[Arrays]:
        """The arrays of the case, of which there is one set."""
        return (_arrays(self._entry("forward", case.layer, case.id)),)

    def expect(self, layer: LayerCases, case: Case, arrays: Arrays) -> Expectation:
        """What Keras said; `arrays` must be those of :meth:`draws`."""
        entry = self._entry("forward", case.layer, case.id)
        facts = entry.facts
        single = functools.partial(_expectation, entry, "float32/", facts["dtypes"]) if case.dtype == "float64" else None
        found = _expectation(entry, "", facts["dtypes"])
        return Expectation(
            found.outputs,
            found.dtypes,
            found.meaning,
            functools.partial(_allowed, entry, "float32_allowed", found.outputs) if single else found.rounding,
            keras=entry.numbered("keras") or None,
            alternatives=found.alternatives,
            arguments={name: _argument(entry, name) for name in facts["chosen"]},
            single=single,
            keras_ratio=facts["keras_error_over_allowance"],
        )

    def backward(self, layer: LayerCases, case: Case, seed: int) -> Backward:
        """The arrays of the forward pass, unless others were recorded, and the gradients of its outputs."""
        entry = self._entry("backward", case.layer, case.id)
        return Backward(_arrays(self._asked(entry)), cast(entry.numbered("grad_output"), case.dtype))

    def gradients(self, layer: LayerCases, case: Case, backward: Backward) -> Expectation:
        """Keras's gradients; `backward` must be that of :meth:`backward`."""
        entry = self._entry("backward", case.layer, case.id)
        asked, outputs = self._asked(entry), entry.numbered("output")
        return Expectation(
            outputs,
            tuple(map(np.dtype, entry.facts["dtypes"])),
            functools.partial(meaning_of_gradients, outputs),
            functools.partial(rounding_of_gradients, entry.array("response"), backward, outputs),
            alternatives=_alternatives(entry, ""),
            arguments={name: _argument(asked, name) for name in asked.facts["chosen"]},
            keras_ratio=entry.facts["keras_error_over_allowance"],
            names=gradient_names(layer, case, backward.arrays),
        )

    def _asked(self, entry: StoredCase) -> StoredCase:
        """The forward entry of the same case, with the arrays that the backward pass was asked with."""
        forward = self._entry("forward", entry.facts["layer"], entry.facts["id"])
        return StoredCase(forward.facts, {**forward.tensors, **entry.tensors})

    def mask(self, case: MaskCase) -> Array | None:
        """The mask that Keras's layer handed on."""
        entry = self._entry("mask", case.layer, case.id)
        return entry.tensors.get("output")

    def stateful(self, case: StatefulCase, seed: int) -> tuple[Sequence[Arrays], Sequence[Array]]:
        """The halves and Keras's outputs for them."""
        entry = self._entry("stateful", case.case.layer, case.id)
        weights = tuple(entry.array(f"weight/{name}") for name in entry.facts["weights"])
        halves = []
        for steps in HALVES:
            mask = {"mask": entry.array("argument/mask")[:, steps]} if "argument/mask" in entry.tensors else {}
            halves.append(Arrays(entry.array("input")[:, steps], weights, mask))
        return halves, entry.numbered("output")

    def text(self, options: Mapping[str, Any]) -> TextExpectation:
        """The vocabulary, weights and output of Keras's layer."""
        entry = self._entry("text", TEXT, text_identifier(options))
        output = list(entry.numbered("output")) if options.get("ragged") else entry.array("output")
        return TextExpectation(entry.facts["vocabulary"], entry.tensors.get("idf_weights"), output)

    def loss(self, case: Case, seed: int) -> LossExpectation:
        """Labels, predictions, value and gradient."""
        entry = self._entry("loss", case.layer, case.id)
        arguments = {name: entry.array(f"argument/{name}") for name in entry.facts["arguments"]}
        arrays = Arrays(entry.array("input"), (entry.array("labels"),), arguments)
        return LossExpectation(arrays, _part(entry, 0, ""), _part(entry, 1, "gradient/"))

    def steps(self, case: Case, seed: int) -> StepsExpectation:
        """Variables, gradients, and the variables after each step."""
        entry = self._entry("optimizer", case.layer, case.id)
        variables, stacked, missing = entry.numbered("input"), entry.numbered("gradient"), entry.facts["missing"]
        numbers = range(len(stacked[0]))
        gradients = (tuple(None if [step, n] in missing else g[step] for n, g in enumerate(stacked)) for step in numbers)
        whole = _part(entry, 0, "")
        return StepsExpectation(Steps(variables, tuple(gradients)), tuple(_step(whole, number) for number in numbers))

    @property
    def _folder(self) -> Path:
        return folder() if self._place is None else self._place

    def _entry(self, kind: str, layer: str, identifier: str) -> StoredCase:
        family = FAMILY_OF[layer]
        entry = _family(self._folder, family).entry(kind, identifier)
        if entry is None:
            raise VectorsError(f"{family}{ENDING} does not hold {identifier}: `conform record` records the cases as they are declared now")
        return entry


@functools.cache
def _family(place: Path, family: str) -> Family:
    """The file of a family, checked against the manifest once in a process."""
    name = family + ENDING
    known = manifest(place)["files"]
    if name not in known:
        raise VectorsError(f"the manifest in {place} names no {name}: `conform record` makes it")
    return Family(place / name, known[name]["sha256"])


def _arrays(entry: StoredCase) -> Arrays:
    """What a forward pass is asked with."""
    x = entry.numbered("input") or entry.array("input")
    weights = tuple(entry.array(f"weight/{name}") for name in entry.facts["weights"])
    return Arrays(x, weights, {name: _argument(entry, name) for name in entry.facts["arguments"]})


def _argument(entry: StoredCase, name: str) -> Any:
    """A keyword argument: an array, a tuple of them, or a switch."""
    value = entry.facts["arguments"].get(name, entry.facts["chosen"].get(name))
    return value if value is not None else entry.numbered(f"argument/{name}") or entry.array(f"argument/{name}")


def _expectation(entry: StoredCase, prefix: str, dtypes: Sequence[str]) -> Expectation:
    """Outputs, alternatives and what is allowed around them."""
    outputs = entry.numbered(f"{prefix}output")
    allowed = functools.partial(_allowed, entry, f"{prefix}allowed", outputs)
    return Expectation(outputs, tuple(map(np.dtype, dtypes)), allowed, allowed, alternatives=_alternatives(entry, prefix))


def _alternatives(entry: StoredCase, prefix: str) -> tuple[tuple[Array, ...], ...]:
    """Other answers that are right as well."""
    alternatives: list[tuple[Array, ...]] = []
    while found := entry.numbered(f"{prefix}alternative/{len(alternatives)}"):
        alternatives.append(found)
    return tuple(alternatives)


def _part(entry: StoredCase, number: int, prefix: str) -> Expectation:
    """One of several expectations of an entry, with both rules."""
    found = _expectation(entry, prefix, entry.facts["dtypes"][number])
    wide = entry.facts["dtype"] == "float64"
    rounding = functools.partial(_allowed, entry, f"{prefix}float32_allowed", found.outputs) if wide else found.rounding
    return replace(found, rounding=rounding, keras_ratio=entry.facts["ratios"][number])


def _step(whole: Expectation, number: int) -> Expectation:
    """One step of an expectation whose arrays have an axis of steps."""

    def at(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(array[number] for array in arrays)

    return replace(whole, outputs=at(whole.outputs), meaning=lambda: at(whole.meaning()), rounding=lambda: at(whole.rounding()))


def _allowed(entry: StoredCase, name: str, outputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """The largest errors: as recorded, or by the rule that stands for them."""
    share = entry.facts["rules"].get(name)
    if share is None:
        return tuple(y.astype(np.float64) for y in entry.numbered(name))
    with np.errstate(all="ignore"):
        return tuple(share * (1 + np.abs(y)) for y in outputs)
