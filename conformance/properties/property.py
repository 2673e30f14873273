"""What a property is: two ways to one answer, both asked of the same implementation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.base.arrays import Arrays
from conformance.cases import layer_cases
from conformance.cases.case import Case

Array = NDArray[Any]
Outputs = tuple[Array, ...]
Ask = Callable[[Case, Arrays], Outputs]
"""Asks the implementation; what comes back has the shapes that it must have, and finite values."""
Equation = Callable[[Ask, Case, Arrays], tuple[Outputs, Outputs]]
"""Both ways: what the layer gives, and what it must then give."""


@dataclass(frozen=True)
class Property:
    """An equation, and a layer that must keep it.

    Attributes
    ----------
    equation : callable
        Its name is that of the property; its docstring, behind the name of the layer's function, says what is wrong where it fails.
    case : Case
        The layer as the equation starts from it, which is also how the arrays are drawn.
    option : str
        What tells the property from others of the same layer and equation.
    needs : tuple of str
        Layers and functions that the equation asks as well.
    room : float
        What Keras's own definition adds to one side, relative to ``1 + |y|``.
    """

    equation: Equation
    case: Case
    option: str = ""
    needs: tuple[str, ...] = ()
    room: float = 0.0

    @property
    def name(self) -> str:
        """The property in one word."""
        return self.equation.__name__.rstrip("_")

    @property
    def id(self) -> str:
        """The test id: layer, property, option."""
        return "-".join(part for part in (self.case.layer, self.name, self.option) if part)

    @property
    def sentence(self) -> str:
        """What is wrong where it fails."""
        words = (self.equation.__doc__ or "").strip().removesuffix(".")
        return words[:1].lower() + words[1:]


def must(
    equation: Equation,
    layer: str,
    shape: tuple[int, ...],
    config: Mapping[str, Any] | None = None,
    call: Mapping[str, Any] | None = None,
    *,
    option: str = "",
    needs: tuple[str, ...] = (),
    room: float = 0.0,
) -> Property:
    """A property of a layer; the arguments are those of :class:`Case` and of :class:`Property`."""
    declaration = layer_cases(layer)
    case = Case(layer, {**declaration.constant, **(config or {})}, shape, call or {})
    return Property(equation, case, option, (*declaration.needs(case.config), *needs), room)


def configured(case: Case, **options: Any) -> Case:
    """The same layer with other options."""
    return replace(case, config={**case.config, **options})


def without(case: Case, *options: str) -> Case:
    """The same layer without these options."""
    return replace(case, config={name: value for name, value in case.config.items() if name not in options})


def given(arrays: Arrays, **arguments: Any) -> Arrays:
    """The same arrays with more arguments of the call."""
    return replace(arrays, arguments={**arrays.arguments, **arguments})


def samples(value: Any, rows: slice) -> Any:
    """Some samples of a batch: of an array, or of all arrays in a tuple or of a call; switches as they are."""
    if isinstance(value, Arrays):
        return replace(value, x=samples(value.x, rows), arguments={name: samples(own, rows) for name, own in value.arguments.items()})
    if isinstance(value, tuple):
        return tuple(samples(own, rows) for own in value)
    return value[rows] if isinstance(value, np.ndarray) else value


def steps(arrays: Arrays, which: slice) -> Arrays:
    """Some steps of sequences, their mask with them."""
    mask = {"mask": arrays.arguments["mask"][:, which]} if "mask" in arrays.arguments else {}
    return given(replace(arrays, x=arrays.x[:, which]), **mask)


def joined(parts: list[Outputs], axis: int = 0) -> Outputs:
    """Answers to the parts, output by output put together."""
    return tuple(np.concatenate(outputs, axis=axis) for outputs in zip(*parts, strict=True))


def layer(name: str, x: Array, *weights: Array, **config: Any) -> tuple[Case, Arrays]:
    """Another layer (or activation function) that an equation asks."""
    return Case(name, {**layer_cases(name).constant, **config}, x.shape), Arrays(x, weights)
