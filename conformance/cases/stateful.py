"""Cases of sequences read in two halves, the state of the first given to the second."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from conformance.base.arrays import Arrays
from conformance.cases import layer_cases
from conformance.cases.case import Case, LayerCases
from conformance.cases.draw import draw_arrays
from conformance.cases.tolerance import ITERATED

OPTIONS: dict[str, tuple[Any, ...]] = {
    "return_sequences": (False, True),
    "go_backwards": (False, True),
    "mask": (None, "gap"),
}
HALVES = (slice(0, 4), slice(4, 8))


@dataclass(frozen=True)
class StatefulCase:
    """A recurrent layer and how it is called; `case` is the layer over the whole sequence."""

    id: str
    options: Mapping[str, Any]
    case: Case

    @property
    def layer(self) -> LayerCases:
        """The declaration of the layer."""
        return layer_cases(self.case.layer)

    def draw(self, seed: int) -> list[Arrays]:
        """The arrays of each half, drawn as one sequence."""
        arrays = draw_arrays(self.layer, self.case, self.case.seed(seed))
        masks = [{"mask": arrays.arguments["mask"][:, steps]} if "mask" in arrays.arguments else {} for steps in HALVES]
        return [Arrays(arrays.x[:, steps], arrays.weights, mask) for steps, mask in zip(HALVES, masks, strict=True)]

    def asked(self, half: Arrays) -> Case:
        """One half, the states to be returned."""
        return replace(self.case, config={**self.case.config, "return_state": True}, shape=half.x.shape)


def stateful_cases() -> Iterator[StatefulCase]:
    """All combinations that Keras accepts."""
    for name, *values in itertools.product(ITERATED, *OPTIONS.values()):
        options = dict(zip(OPTIONS, values, strict=True))
        if not (name == "Bidirectional" and options["go_backwards"]):
            said = [word if value is True else f"{word}={value}" for word, value in options.items() if value]
            identifier = "-".join([name, "stateful", *said])
            switches = {option: True for option in ("return_sequences", "go_backwards") if options[option]}
            config = {**layer_cases(name).constant, "units": 4, **switches}
            call = {"mask": "gap"} if options["mask"] else {}
            yield StatefulCase(identifier, options, Case(name, config, (3, 8, 5), call, "float64", identifier))
