"""Every named fault of a loss, of its gradient, and of an optimizer, by name."""

from __future__ import annotations

from conformance.cases import TRAINING as DECLARED
from conformance.faults.fault import Fault
from conformance.faults.training import adam as optimizer_adam
from conformance.faults.training import logits, loss_calls, loss_gradients, losses, optimizer_formulas, optimizers

FAMILIES = (losses, logits, loss_gradients, loss_calls, optimizer_adam, optimizer_formulas, optimizers)

TRAINING: dict[str, list[Fault]] = {
    name: [fault for family in FAMILIES for collection in family.LAYERS for fault in collection if name in fault.layers]
    for declared in DECLARED.values()
    for name in declared
}
"""The faults of each loss ('forward' its value, 'backward' its gradient) and of each optimizer ('step')."""
