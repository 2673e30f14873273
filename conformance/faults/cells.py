"""Recurrent layers with a mistake inside of the run over time: the reference runs, and a part of what it saved is another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from numpy.typing import NDArray

from conformance.faults.fault import Function, pair_of
from reference.layers.rnn.cells import States, StepGradient
from reference.layers.rnn.projection import Projection
from reference.layers.rnn.scan import Masked, SavedScan, held, scan

Array = NDArray[Any]
Change = Callable[[Any], SavedScan]


def run_again(change: Change = lambda saved: saved, masked: Masked = held) -> Function:
    """A recurrent layer that runs with `change` made to what it saved, and `masked` for what a mask makes of a step."""

    def function(right: Function, *arguments: Any, **options: Any) -> Any:
        run, _ = pair_of(right)
        return scan(change(run(*arguments, **options, save=False)[1]), options.get("initial_state"), False, masked)

    return function


def back_again(change: Change) -> Function:
    """The backward pass of a recurrent layer with `change` made to what the forward pass saved."""

    def function(right: Function, grad_output: Any, *arguments: Any, **options: Any) -> tuple[Any, ...]:
        run, gradients = pair_of(right)
        return gradients(grad_output, change(run(*arguments, **options)[1]))

    return function


KEPT = {1: "z after", 3: "a_z a_r a_h z r hh product", 4: "z i f candidate o c active"}
"""What the cell of so many gates keeps of a step, under the names that it has there."""


@dataclass(frozen=True)
class WrongCell:
    """A cell whose new states `wrong` makes of the right step's parts, and what goes back from it `back`."""

    cell: Any
    input: Projection
    wrong: Callable[[SimpleNamespace], States] = lambda step: step.new
    back: Callable[[StepGradient, States, States], StepGradient] = lambda step, grad, kept: step

    @property
    def states(self) -> int:
        """As many as the cell has."""
        return int(self.cell.states)

    def step(self, z_x: Array, states: States, recurrent: Projection) -> tuple[States, States]:
        """The step, then what `wrong` makes of it."""
        new, kept = self.cell.step(z_x, states, recurrent)
        parts = dict(zip(KEPT[self.cell.gates].split(), kept, strict=True))
        around = {"cell": self.cell, "input": self.input, "recurrent": recurrent, "z_x": z_x, "before": states, "new": new}
        return self.wrong(SimpleNamespace(**parts, **around, g=self.cell.activation, h=states[0])), kept

    def step_gradient(self, grad: States, states: States, kept: States, recurrent: Projection) -> StepGradient:
        """The step's gradient, then what `back` makes of it, the gradient of the new states and what the step kept."""
        return self.back(self.cell.step_gradient(grad, states, kept, recurrent), grad, kept)


def with_cell(saved: SavedScan, **wrong: Any) -> SavedScan:
    """What was saved, with a wrong cell."""
    cell: Any = WrongCell(saved.cell, saved.input, **wrong)
    return replace(saved, cell=cell)


def with_option(saved: SavedScan, option: str, value: Any) -> SavedScan:
    """What was saved, with another activation of the cell, or another form of it."""
    cell: Any = saved.cell
    return replace(saved, cell=replace(cell, **{option: value}))


def bias_of(product: Projection, gate: int) -> Array | float:
    """A gate's part of the bias of a product, 0 where there is none."""
    return 0.0 if product.bias is None else product.bias.reshape(product.gates, -1)[gate]
