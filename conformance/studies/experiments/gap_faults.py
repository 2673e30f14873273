"""Mistakes in gradients that from-scratch trainings make, each as one part of a training that is replaced by a wrong one.

All of them have been seen in code that students wrote. The forward pass stays right: the loss is that of the model, and only the way down
is another one. What is replaced is the gradient in the record of the recurrent layers, or that of the loss: see :func:`planted`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from conformance.base.arrays import Array
from reference.layers import LayerSpec
from reference.layers.kinds import RecurrentSpec
from reference.layers.rnn.cells import Activation
from reference.layers.rnn.scan import SavedScan
from reference.layers.wrappers import BIDIRECTIONAL
from reference.models import Model
from reference.training.step import TrainingState

Function = Callable[..., Any]
EPSILON = 1e-7


class TrainingMistake(NamedTuple):
    """A mistake: what it is in a sentence, and what is made of the right gradients of a recurrent layer, or of the loss by the logits."""

    says: str
    layer: Callable[[LayerSpec], Function] | None = None
    loss: Callable[[Array], Array] | None = None


def planted(name: str, model: Model, state: TrainingState) -> tuple[Model, TrainingState]:
    """A model and its training with this mistake; without a name as they are."""
    if not name:
        return model, state
    mistake, plan = FAULTS[name], state.plan
    if mistake.loss is not None:
        objectives = {output: replace(one, backward=_changed(one.backward, mistake.loss)) for output, one in plan.objectives.items()}
        return model, replace(state, plan=replace(plan, objectives=objectives))
    layers = {path: _with_mistake(layer, mistake.layer) for path, layer in model.context.layers.items()}
    return replace(model, context=replace(model.context, layers=layers)), state


def _with_mistake(layer: Any, wrong: Callable[[LayerSpec], Function] | None) -> Any:
    recurrent = layer.spec is BIDIRECTIONAL or isinstance(layer.spec, RecurrentSpec)
    return layer._replace(record=replace(layer.spec, gradients=wrong(layer.spec))) if recurrent and wrong else layer


def _changed(right: Function, change: Callable[[Array], Array]) -> Function:
    return lambda *given, **options: change(right(*given, **options))


def _remembering(change: Callable[[SavedScan], SavedScan], own: Callable[[LayerSpec], bool] = lambda spec: True) -> Any:
    """The right gradients of what the layer, or each of its halves, saved otherwise."""

    def wrong(spec: LayerSpec) -> Function:
        def gradients(grad_output: Any, saved: Any) -> Any:
            if not own(spec):
                return spec.gradients(grad_output, saved)
            other = change(saved) if isinstance(saved, SavedScan) else saved._replace(halves=tuple(map(change, saved.halves)))
            return spec.gradients(grad_output, other)

        return gradients

    return wrong


def _doubled(spec: LayerSpec) -> Function:
    """Twice the gradient of an output of one step."""

    def gradients(grad_output: Any, saved: Any) -> Any:
        one = saved if isinstance(saved, SavedScan) else saved.halves[0]
        return spec.gradients(grad_output if one.return_sequences else 2 * grad_output, saved)

    return gradients


def _last_cache(saved: SavedScan) -> SavedScan:
    return replace(saved, tape=[saved.tape[-1]] * len(saved.tape))


def _next_state(saved: SavedScan) -> SavedScan:
    before, kept = ([one[part] for one in saved.tape] for part in range(2))
    return replace(saved, tape=list(zip([*before[1:], before[-1]], kept, strict=True)))


@dataclass(frozen=True, repr=False)
class Sloped(Activation):
    """An activation with another slope, of what goes in and what comes out."""

    slope: Callable[[Array, Array], Any]

    def gradient(self, grad_output: Array, z: Array, y: Array) -> Array:
        """The chain rule with the wrong slope."""
        return np.asarray(grad_output * self.slope(z, y))


def _slope(slope: Callable[[Array, Array], Any]) -> Any:
    """Another slope in the place of that of tanh."""

    def change(saved: SavedScan) -> SavedScan:
        cell: Any = saved.cell
        wrong = {name: Sloped("tanh", slope) for name, one in vars(cell).items() if one == Activation("tanh")}
        return replace(saved, cell=replace(cell, **wrong))

    return _remembering(change)


def _of_probabilities(gradient: Array) -> Array:
    """The gradient of cross-entropy by the probabilities, ``-one_hot(y) / p / batch``: only that of the true class is below 0."""
    batch = len(gradient)
    true = gradient == gradient.min(axis=-1, keepdims=True)
    p = np.clip(gradient * batch + true, EPSILON, 1)
    return np.where(true, -1 / p / batch, 0).astype(gradient.dtype)


FAULTS: Mapping[str, TrainingMistake] = {
    "doubled": TrainingMistake("the gradient of a recurrent layer that returns one step only is doubled", _doubled),
    "next-state": TrainingMistake(
        "the backward pass of a Bidirectional takes, for the state before a step, the one after it",
        _remembering(_next_state, lambda spec: spec is BIDIRECTIONAL),
    ),
    "last-cache": TrainingMistake(
        "every step of the backward pass of a recurrent layer uses what its last step kept", _remembering(_last_cache)
    ),
    "softmax-identity": TrainingMistake(
        "the derivative of the softmax is taken as 1, with that of the cross-entropy by the probabilities", loss=_of_probabilities
    ),
    "no-slope": TrainingMistake("the derivative of tanh is left out", _slope(lambda x, y: 1)),
    "slope-of-pre-activation": TrainingMistake(
        "the derivative of tanh, 1 - y², is taken of what goes into the tanh, not of what comes out", _slope(lambda x, y: 1 - x * x)
    ),
    "relu-slope": TrainingMistake("the derivative of relu stands in the place of that of tanh", _slope(lambda x, y: x > 0)),
    "not-averaged": TrainingMistake("the gradient of the loss is not divided by the batch", loss=lambda g: g * len(g)),
    "averaged-twice": TrainingMistake("the gradient of the loss is divided by the batch twice", loss=lambda g: g / len(g)),
}
"""By name; the mistakes in a derivative of tanh are made in recurrent layers."""
