"""Mistakes in TimeDistributed around any layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Function, Shared, changed, right_function
from reference.activations import activation_function

Array = NDArray[Any]
Weights = tuple[Array, ...]

time_distributed = Shared("TimeDistributed")


def _swapped(y: Array, x: Array) -> Array:
    return y.swapaxes(0, 1) if x.shape[0] == x.shape[1] else y


def _layer(layer: str, weights: Weights, options: Any) -> Callable[[Array], Array]:
    """The wrapped layer with its weights."""
    function = right_function(layer)
    return lambda x: np.asarray(function(x, *weights, **options))


@time_distributed
def whole_sequence_at_once(right: Function, x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """The layer is applied to the whole sequence at once instead of to every step."""
    return _layer(layer, weights, options)(x)


time_distributed.table(
    left_time_first=("time is left before the batch", changed(lambda y: y.swapaxes(0, 1))),
    first_step_for_all=("the result of the first step is used for all steps", changed(lambda y: np.repeat(y[:, :1], y.shape[1], axis=1))),
    last_step_alone=("only the result of the last step is returned", changed(lambda y: y[:, -1])),
    steps_averaged=("the results of the steps are averaged", changed(lambda y: np.mean(y, axis=1))),
    steps_reversed=("the steps come out in reverse order", changed(lambda y: y[:, ::-1])),
    always_dense=("the wrapped layer is always taken for a Dense", changed(layer="Dense")),
)


@time_distributed.by(lambda right, x, *weights, **options: _swapped(right(x, *weights, **options), x))
def steps_along_the_batch() -> None:
    """Batch and time are swapped where both are equally long."""


@time_distributed.by(changed(x=lambda x: x if x.ndim < 4 else x.swapaxes(1, 2)))
def along_axis_2() -> None:
    """The steps are taken along axis 2 instead of axis 1 where there is one before the features."""


@time_distributed.by(lambda right, x, weights=(), layer="Dense", **options: right(x, weights, layer=layer))
def options_ignored() -> None:
    """The options of the wrapped layer are ignored."""


@time_distributed
def unfolded_time_first(right: Function, x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """After the layer the steps are unfolded with time before the batch, which mixes samples and steps."""
    batch, steps = x.shape[:2]
    y = _layer(layer, weights, options)(x.reshape(batch * steps, *x.shape[2:]))
    return y.reshape(steps, batch, *y.shape[1:]).swapaxes(0, 1)


@time_distributed
def folded_time_first(right: Function, x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """Before the layer the steps are folded with time before the batch, which mixes samples and steps."""
    batch, steps = x.shape[:2]
    y = _layer(layer, weights, options)(x.swapaxes(0, 1).reshape(batch * steps, *x.shape[2:]))
    return y.reshape(batch, steps, *y.shape[1:])


@time_distributed
def left_folded(right: Function, x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """The steps of all samples are left one after the other in the batch."""
    return _layer(layer, weights, options)(x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]))


@time_distributed
def bias_in_the_first_step(right: Function, x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """The bias of a wrapped Dense is added in the first step alone."""
    if layer != "Dense" or len(weights) < 2:
        return right(x, weights, layer=layer, **options)
    first, others = (right(part, own, **options) for part, own in ((x[:, :1], weights), (x, weights[:1])))
    return np.concatenate([first, others[:, 1:]], axis=1)


@time_distributed
def softmax_over_the_steps(
    right: Function, x: Array, weights: Weights = (), *, layer: str = "Dense", activation: Any = None, **options: Any
) -> Array:
    """Softmax runs over the steps instead of the units."""
    if activation != "softmax":
        return right(x, weights, layer=layer, **options, **({"activation": activation} if activation else {}))
    function: Any = activation_function(activation)
    return np.asarray(function(right(x, weights, layer=layer, **options), axis=1))


LAYERS = (time_distributed,)
