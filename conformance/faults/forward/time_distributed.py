"""Mistakes in TimeDistributed around any layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.faults.fault import Collection, right_function
from reference import time_distributed_forward
from reference.activations import activation_function

Array = NDArray[Any]
Weights = tuple[Array, ...]

time_distributed = Collection("TimeDistributed")


def _layer(layer: str, weights: Weights, options: Any) -> Callable[[Array], Array]:
    """The wrapped layer with its weights."""
    function = right_function(layer)
    return lambda x: np.asarray(function(x, *weights, **options))


@time_distributed
def whole_sequence_at_once(x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """The layer is applied to the whole sequence at once instead of to every step."""
    return _layer(layer, weights, options)(x)


@time_distributed
def steps_along_the_batch(x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """Batch and time are swapped where both are equally long."""
    y = time_distributed_forward(x, weights, layer=layer, **options)
    return y.swapaxes(0, 1) if x.shape[0] == x.shape[1] else y


@time_distributed
def unfolded_time_first(x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """After the layer the steps are unfolded with time before the batch, which mixes samples and steps."""
    batch, steps = x.shape[:2]
    y = _layer(layer, weights, options)(x.reshape(batch * steps, *x.shape[2:]))
    return y.reshape(steps, batch, *y.shape[1:]).swapaxes(0, 1)


@time_distributed
def folded_time_first(x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """Before the layer the steps are folded with time before the batch, which mixes samples and steps."""
    batch, steps = x.shape[:2]
    y = _layer(layer, weights, options)(x.swapaxes(0, 1).reshape(batch * steps, *x.shape[2:]))
    return y.reshape(batch, steps, *y.shape[1:])


@time_distributed
def left_folded(x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """The steps of all samples are left one after the other in the batch."""
    return _layer(layer, weights, options)(x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]))


@time_distributed
def left_time_first(x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """Time is left before the batch."""
    return time_distributed_forward(x, weights, layer=layer, **options).swapaxes(0, 1)


@time_distributed
def first_step_for_all(x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """The result of the first step is used for all steps."""
    y = time_distributed_forward(x, weights, layer=layer, **options)
    return np.repeat(y[:, :1], y.shape[1], axis=1)


@time_distributed
def last_step_alone(x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """Only the result of the last step is returned."""
    return time_distributed_forward(x, weights, layer=layer, **options)[:, -1]


@time_distributed
def steps_averaged(x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """The results of the steps are averaged."""
    return np.asarray(np.mean(time_distributed_forward(x, weights, layer=layer, **options), axis=1))


@time_distributed
def steps_reversed(x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """The steps come out in reverse order."""
    return time_distributed_forward(x, weights, layer=layer, **options)[:, ::-1]


@time_distributed
def along_axis_2(x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """The steps are taken along axis 2 instead of axis 1 where there is one before the features."""
    if x.ndim < 4:
        return time_distributed_forward(x, weights, layer=layer, **options)
    return time_distributed_forward(x.swapaxes(1, 2), weights, layer=layer, **options)


@time_distributed
def options_ignored(x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """The options of the wrapped layer are ignored."""
    return time_distributed_forward(x, weights, layer=layer)


@time_distributed
def always_dense(x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """The wrapped layer is always taken for a Dense."""
    return time_distributed_forward(x, weights, **options)


@time_distributed
def bias_in_the_first_step(x: Array, weights: Weights = (), *, layer: str = "Dense", **options: Any) -> Array:
    """The bias of a wrapped Dense is added in the first step alone."""
    if layer != "Dense" or len(weights) < 2:
        return time_distributed_forward(x, weights, layer=layer, **options)
    first, others = (time_distributed_forward(part, own, **options) for part, own in ((x[:, :1], weights), (x, weights[:1])))
    return np.concatenate([first, others[:, 1:]], axis=1)


@time_distributed
def softmax_over_the_steps(x: Array, weights: Weights = (), *, layer: str = "Dense", activation: Any = None, **options: Any) -> Array:
    """Softmax runs over the steps instead of the units."""
    if activation != "softmax":
        return time_distributed_forward(x, weights, layer=layer, **options, **({"activation": activation} if activation else {}))
    function: Any = activation_function(activation)
    return np.asarray(function(time_distributed_forward(x, weights, layer=layer, **options), axis=1))


LAYERS = (time_distributed,)
