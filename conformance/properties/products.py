"""Layers that are a product of input and weights, said in terms of each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.base.arrays import Arrays
from conformance.cases.case import Case
from conformance.properties.property import Ask, Outputs, Property, layer, must, without

FACTORS = (1.6, -0.7)


def linearity(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Is not linear in its kernel and bias."""
    a, b = FACTORS
    # Others of the same size: every axis read from its end.
    others = tuple(np.flip(weight) for weight in arrays.weights)
    mixed = tuple(a * one + b * other for one, other in zip(arrays.weights, others, strict=True))
    (first,), (second,) = ask(case, arrays), ask(case, replace(arrays, weights=others))
    return ask(case, replace(arrays, weights=mixed)), (a * first + b * second,)


def bias_alone(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Does not give its bias when its input is zero."""
    (y,) = ask(case, replace(arrays, x=np.zeros_like(arrays.x)))
    return (y,), (np.broadcast_to(arrays.weights[-1], y.shape),)


def one_hot(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Is not the product of one-hot ids and the table, which dense_forward makes."""
    (table,) = arrays.weights
    return ask(case, arrays), ask(*layer("Dense", np.eye(len(table))[arrays.x], table, units=table.shape[1], use_bias=False))


def one_by_one(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """With a kernel over one place is not dense_forward over the channels."""
    kernel, bias = arrays.weights
    return ask(case, arrays), ask(*layer("Dense", arrays.x, kernel.reshape(kernel.shape[-2:]), bias, units=bias.size))


def time_distributed(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Around Dense is not dense_forward on all steps as one batch."""
    folded = arrays.x.reshape(-1, arrays.x.shape[-1])
    (y,) = ask(*layer("Dense", folded, *arrays.weights, units=case.config["units"]))
    return ask(case, arrays), (y.reshape(*arrays.x.shape[:-1], -1),)


def activation_after(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """With an activation is not that function of the layer without it."""
    (z,) = ask(without(case, "activation"), arrays)
    return ask(case, arrays), ask(*layer(case.config["activation"], z))


def _properties() -> Iterator[Property]:
    shapes: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
        "Dense": ((3, 5), {"units": 6}),
        "Conv1D": ((2, 9, 4), {"filters": 6, "kernel_size": (3,)}),
        "Conv2D": ((2, 7, 9, 4), {"filters": 6, "kernel_size": (3, 2)}),
    }
    for name, (shape, sizes) in shapes.items():
        yield must(linearity, name, shape, sizes)
        yield must(bias_alone, name, shape, sizes)
        yield must(activation_after, name, shape, {**sizes, "activation": "tanh"}, needs=("tanh",))
    yield must(one_hot, "Embedding", (3, 7), {"input_dim": 11, "output_dim": 6}, {"values": "ids"}, needs=("Dense",))
    yield must(one_by_one, "Conv1D", (2, 9, 4), {"filters": 6, "kernel_size": (1,)}, needs=("Dense",))
    yield must(one_by_one, "Conv2D", (2, 7, 9, 4), {"filters": 6, "kernel_size": (1, 1)}, needs=("Dense",))
    yield must(time_distributed, "TimeDistributed", (2, 4, 6), {"units": 5})


PROPERTIES = list(_properties())
