"""Which weights of a model an optimizer moves, and what regularizers add to the loss for them.

As in Keras a weight is trained unless its layer or a layer that wraps it has ``trainable=False``; moving statistics never are. Freezing a
model freezes its layers, one by one: a layer that is set free again afterwards is trained. Regularizers count for the weights that are
trained, in the loss of an evaluation as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.layers.identities import IdentitySpec
from reference.layers.kinds import WrapperSpec
from reference.layers.spec import Weight
from reference.network.execution import Layer
from reference.optimizers.step import single

Array = NDArray[Any]

PENALTIES = {"L1": ("l1",), "L2": ("l2",), "L1L2": ("l1", "l2")}


@dataclass(frozen=True)
class Variable:
    """A weight that is trained.

    Attributes
    ----------
    path, index : str, int
        Its layer and its place in ``get_weights()`` of that.
    name : str
    l1, l2 : float
        Coefficients of its regularizers, 0 without.
    """

    path: str
    index: int
    name: str
    l1: float
    l2: float


def trained_weights(layers: Mapping[str, Layer], training: bool = True) -> list[Variable]:
    """The weights that are trained, layer by layer.

    Parameters
    ----------
    layers : mapping of path to Layer
    training : bool
        Whether the weights will move, and not only count in a loss.

    Raises
    ------
    NotImplementedError
        For regularizers other than L1, L2 and L1L2, activity regularizers, and in training also for constraints and layers whose training
        is not implemented; the sentence names the layer.
    """
    found = []
    for layer in {layer.name: layer for layer in layers.values()}.values():
        _refuse(layer, training)
        for index, (name, weight, options) in enumerate(_weights(layer) if layer.weights else ()):
            penalty = _penalty(layer, weight.prefix or name, options)
            if weight.trained and is_trainable(layer) and options.get("trainable", True):
                found.append(Variable(layer.name, index, name, *penalty))
    return found


def is_trainable(layer: Layer) -> bool:
    """Whether the layer itself is not frozen: what BatchNormalization asks before it takes the statistics of a batch."""
    return bool(layer.config.get("trainable", True))


def penalty(weights: Mapping[str, Any], trained: list[Variable]) -> float:
    """``sum of l1 |w| + l2 w**2`` over the weights that are trained; coefficients are rounded to float32, as in Keras."""
    total = 0.0
    for weight in trained:
        value = weights[weight.path][weight.index]
        if weight.l1:
            total += float(single(weight.l1) * np.sum(np.abs(value)))
        if weight.l2:
            total += float(single(weight.l2) * np.sum(np.square(value)))
    return total


def penalty_gradient(value: Array, weight: Variable) -> Array | None:
    """The derivative of its penalty by one weight, ``l1 sign(w) + 2 l2 w``; None without a regularizer."""
    if not weight.l1 and not weight.l2:
        return None
    slope = single(weight.l1) * np.sign(value) + 2 * single(weight.l2) * value
    return np.asarray(slope, value.dtype)


def _weights(layer: Layer) -> Iterator[tuple[str, Weight, Mapping[str, Any]]]:
    """Of every weight, in the order of ``get_weights()``: name, record, configuration that it follows from."""
    for _, owner, options in layer.spec.owners(layer.config):
        for name in owner.weight_names(options):
            yield name, owner.weights[name], options


def _penalty(layer: Layer, title: str, options: Mapping[str, Any]) -> tuple[float, float]:
    """The coefficients of a weight's regularizer, whose option begins with `title`."""
    given = options.get(f"{title}_regularizer")
    if given is None:
        return 0.0, 0.0
    kind = given.get("class_name") if isinstance(given, Mapping) else given
    if kind not in PENALTIES or not isinstance(given, Mapping):
        known = ", ".join(PENALTIES)
        raise NotImplementedError(f"layer {layer.name!r}: {title}_regularizer is {kind!r}, not one of {known}")
    values = {key: (given.get("config") or {}).get(key) or 0 for key in PENALTIES[kind]}
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in values.values()):
        raise ValueError(f"layer {layer.name!r}: {title}_regularizer has the coefficients {values}, not finite numbers")
    return float(values.get("l1", 0)), float(values.get("l2", 0))


def _refuse(layer: Layer, training: bool) -> None:
    """Refuse what changes the loss, or acts in training, and is not implemented."""
    wrapper = layer.spec if isinstance(layer.spec, WrapperSpec) else None
    identity = layer.spec if isinstance(layer.spec, IdentitySpec) else None
    if identity and identity.acts(layer.config) and (training or identity.in_loss):
        when = "training and evaluation, whose loss it changes" if identity.in_loss else "training, only where a model predicts"
        raise NotImplementedError(f"layer {layer.name!r}: {layer.class_name} is not supported in {when}")
    for options in [layer.config, *([wrapper.inner(layer.config)[1]] if wrapper else [])]:
        for name in options:
            in_loss = name == "activity_regularizer"
            if options[name] and (in_loss or (training and name.endswith("_constraint"))):
                when = "training and evaluation, whose loss it changes" if in_loss else "training"
                raise NotImplementedError(f"layer {layer.name!r}: {name} is not supported in {when}")
    if not training or wrapper is None or len(wrapper.halves) > 1:
        return
    inner, options = wrapper.inner(layer.config)
    acts = bool(options.get("rate")) if inner.drops else inner.acts(options)
    if acts and not (inner.normalizes and not (is_trainable(layer) and options.get("trainable", True))):
        title = f"{layer.class_name}({inner.class_name})"
        raise NotImplementedError(f"layer {layer.name!r}: {title} is not supported in training, where each step is a call")
