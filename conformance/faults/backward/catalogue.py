"""Every named fault of a backward pass by layer, and those of the layer that a wrapper is around."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.cases import ALL as LAYERS
from conformance.cases.case import Case
from conformance.faults.backward import convolution, layers, pooling, recurrent, slopes, sums, wrappers
from conformance.faults.backward.wrappers import both_ways, in_every_step, in_the_backward_half
from conformance.faults.fault import Fault, Function

FAMILIES = (slopes, layers, convolution, pooling, recurrent, wrappers, sums)

BACKWARD: dict[str, list[Fault]] = {
    layer: [fault for family in FAMILIES for collection in family.LAYERS for fault in collection if layer in fault.layers]
    for layer in LAYERS
}
"""The faults of each layer and activation function, in the order in which the suite reports layers."""


PLACES: dict[str, dict[str, Callable[[Function], Function]]] = {
    "Bidirectional": {"in both halves": both_ways, "in the backward half": in_the_backward_half},
    "TimeDistributed": {"in every step": in_every_step},
}
"""Where a wrapper may have the fault of the layer that it is around."""


def gradient_faults_of_parts(case: Case) -> Iterator[Fault]:
    """Faults of the layer that the case's layer is around, in place there."""
    for said, around in PLACES.get(case.layer, {}).items():
        for fault in BACKWARD[case.config["layer"]]:
            yield Fault(fault.name, (case.layer,), f"{said}: {fault.sentence}", around(fault.function), fault.part, of_a_part=True)
