"""Mistakes in gradients that from-scratch trainings make, each as one function of the reference's training that is made wrong on purpose.

All of them have been seen in code that students wrote. The forward pass stays right: the loss is that of the model, and only the way down
is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from conformance.base.arrays import Array
from reference.layers import wrappers
from reference.layers.rnn import cells, scan
from reference.layers.rnn.scan import SavedScan
from reference.network import backpropagation

Function = Callable[..., Any]
EPSILON = 1e-7


class TrainingMistake(NamedTuple):
    """A mistake: what it is in a sentence, where the function stands that is made wrong, and what is made of the right one."""

    says: str
    place: Any
    attribute: str
    wrong: Callable[[Function], Function]


@contextmanager
def switched_on(name: str) -> Iterator[None]:
    """The reference with this mistake; without a name as it is."""
    if not name:
        yield
        return
    fault = FAULTS[name]
    right = getattr(fault.place, fault.attribute)
    setattr(fault.place, fault.attribute, fault.wrong(right))
    try:
        yield
    finally:
        setattr(fault.place, fault.attribute, right)


def _doubled(right: Function) -> Function:
    def scan_back(saved: SavedScan, grad_y: Array, grad_states: Any) -> Any:
        return right(saved, grad_y if saved.return_sequences else 2 * grad_y, grad_states)

    return scan_back


def _last_cache(right: Function) -> Function:
    def scan_back(saved: SavedScan, *grads: Any) -> Any:
        return right(replace(saved, tape=[saved.tape[-1]] * len(saved.tape)), *grads)

    return scan_back


def _next_state(right: Function) -> Function:
    def gradients(grad_output: Any, saved: SavedScan) -> Any:
        before = [states for states, _ in saved.tape]
        kept = [kept for _, kept in saved.tape]
        return right(grad_output, replace(saved, tape=list(zip([*before[1:], before[-1]], kept, strict=True))))

    return gradients


def _slope(slope: Callable[[Array, Array], Any]) -> Callable[[Function], Function]:
    """Another slope, of pre-activation and activation, in the place of that of tanh."""

    def wrong(right: Function) -> Function:
        def activation_gradient(name: str | None, grad_output: Array, x: Array, y: Array) -> Any:
            return grad_output * slope(x, y) if name == "tanh" else right(name, grad_output, x, y)

        return activation_gradient

    return wrong


def _loss(change: Callable[[Array], Array]) -> Callable[[Function], Function]:
    """Another gradient of the loss by the logits, made of the right one, ``(softmax(z) - one_hot(y)) / batch``."""

    def wrong(right: Function) -> Function:
        def backward(tape: Any, gradients: Any, of_logits: Any, found: Any) -> Any:
            return right(tape, gradients, {ref: change(gradient) for ref, gradient in of_logits.items()}, found)

        return backward

    return wrong


def _of_probabilities(gradient: Array) -> Array:
    """The gradient of cross-entropy by the probabilities, ``-one_hot(y) / p / batch``: only that of the true class is below 0."""
    batch = len(gradient)
    true = gradient == gradient.min(axis=-1, keepdims=True)
    p = np.clip(gradient * batch + true, EPSILON, 1)
    return np.where(true, -1 / p / batch, 0).astype(gradient.dtype)


FAULTS = {
    "doubled": TrainingMistake("the gradient of a recurrent layer that returns one step only is doubled", scan, "_scan_back", _doubled),
    "next-state": TrainingMistake(
        "the backward pass of a Bidirectional takes, for the state before a step, the one after it", wrappers, "gradients", _next_state
    ),
    "last-cache": TrainingMistake(
        "every step of the backward pass of a recurrent layer uses what its last step kept", scan, "_scan_back", _last_cache
    ),
    "softmax-identity": TrainingMistake(
        "the derivative of the softmax is taken as 1, with that of the cross-entropy by the probabilities",
        backpropagation.Tape,
        "backward",
        _loss(_of_probabilities),
    ),
    "no-slope": TrainingMistake("the derivative of tanh is left out", cells, "activation_gradient", _slope(lambda x, y: 1)),
    "slope-of-pre-activation": TrainingMistake(
        "the derivative of tanh, 1 - y², is taken of what goes into the tanh, not of what comes out",
        cells,
        "activation_gradient",
        _slope(lambda x, y: 1 - x * x),
    ),
    "relu-slope": TrainingMistake(
        "the derivative of relu stands in the place of that of tanh", cells, "activation_gradient", _slope(lambda x, y: x > 0)
    ),
    "not-averaged": TrainingMistake(
        "the gradient of the loss is not divided by the batch", backpropagation.Tape, "backward", _loss(lambda g: g * len(g))
    ),
    "averaged-twice": TrainingMistake(
        "the gradient of the loss is divided by the batch twice", backpropagation.Tape, "backward", _loss(lambda g: g / len(g))
    ),
}
"""By name; the mistakes in a derivative of tanh are made in recurrent layers."""
