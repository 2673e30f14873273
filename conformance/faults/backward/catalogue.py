"""Every named fault of a backward pass by layer, and those of the layer that a wrapper is around."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.cases import ALL as LAYERS
from conformance.cases.case import Case
from conformance.faults.backward import (
    convolution as gradient_convolution,
)
from conformance.faults.backward import (
    layers as gradient_layers,
)
from conformance.faults.backward import (
    pooling as gradient_pooling,
)
from conformance.faults.backward import (
    recurrent as gradient_recurrent,
)
from conformance.faults.backward import (
    slopes as gradient_slopes,
)
from conformance.faults.backward import (
    sums as gradient_sums,
)
from conformance.faults.backward import (
    wrappers as gradient_wrappers,
)
from conformance.faults.backward.wrappers import both_ways, in_every_step, in_the_backward_half
from conformance.faults.fault import Fault, Function

FAMILIES = (
    *(gradient_slopes, gradient_layers, gradient_convolution, gradient_pooling),
    *(gradient_recurrent, gradient_wrappers, gradient_sums),
)

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
            yield Fault(fault.name, (case.layer,), f"{said}: {fault.sentence}", around(fault.function), fault.part)
