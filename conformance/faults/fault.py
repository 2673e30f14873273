"""What a named fault is, and how the families collect theirs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import reference
from conformance.cases import TEXT
from conformance.cases.questions import function_name
from conformance.implementations.module import ModuleImplementation
from reference.layers import LAYERS

Function = Callable[..., Any]


@dataclass(frozen=True)
class Fault:
    """A mistake that people make, as code.

    Attributes
    ----------
    name : str
        Unique among the faults of a layer.
    layers : tuple of str
        Keras classes or activation functions that the mistake is made in.
    sentence : str
        The mistake in a beginner's words; it follows "looks like".
    function : callable
        The wrong implementation, called as the contract calls the right one.
    part : 'forward', 'backward' or 'compute_mask'
        Which function of the layer it stands in for; 'step' of an optimizer, 'adapt' and 'idf' of TextVectorization.
    plain : callable or None
        The same code with the mistake taken out, where it is not the reference's own: where that is wrong, it is not for the mistake.
    of_a_part : bool
        Whether the mistake is made in a part of the layer: in its activation, or in the layer that it is around.
    """

    name: str
    layers: tuple[str, ...]
    sentence: str
    function: Function
    part: str = "forward"
    plain: Function | None = None
    of_a_part: bool = False


class FaultyImplementation(ModuleImplementation):
    """An implementation that has one function, the wrong one."""

    def __init__(self, fault: Fault, layer: str) -> None:
        super().__init__(fault.name)
        self.fault, self.layer = fault, layer

    def function(self, name: str) -> Function | None:
        """The fault's function under the contract's name."""
        return self.fault.function if name == _name(self.layer, self.fault.part) else None


class Collection(list[Fault]):
    """The faults of one layer (or of several that compute the same), filled by decorating the wrong functions.

    A function's name is that of the fault and its docstring the sentence; where the reference is merely called in another way, only these
    are written down::

        dense = Shared("Dense")

        @dense
        def bias_after_activation(right, x, kernel, bias=None, **options):
            \"\"\"The bias is added after the activation.\"\"\"
            return right(x, kernel, **options) + bias

        @dense.by(changed(bias=None))
        def bias_left_out():
            \"\"\"The bias is left out.\"\"\"

    Attributes
    ----------
    layers, part
        As in :class:`Fault`.
    wrap : callable
        Makes the function of a fault from what is decorated (one step of a cell, say).
    plain : callable or None
        What the faults are variants of, with nothing replaced, see :attr:`Fault.plain`; called as they are.
    """

    def __init__(
        self,
        *layers: str,
        part: str = "forward",
        wrap: Callable[[Any], Function] = lambda function: function,
        plain: Function | None = None,
    ) -> None:
        super().__init__()
        self.layers, self.part, self.wrap = layers, part, wrap
        self.plain = plain

    def __call__(self, function: Function) -> Function:
        """Collect a wrong function."""
        self.add(function.__name__, _sentence(function), self.wrap(function))
        return function

    def by(self, wrong: Any) -> Callable[[Function], Function]:
        """Collect `wrong` under the name and with the sentence of the function that is decorated, which has no body."""

        def collect(named: Function) -> Function:
            self.add(named.__name__, _sentence(named), self.wrap(wrong))
            return named

        return collect

    def table(self, **faults: tuple[str, Any]) -> Self:
        """Collect short faults: each a sentence and a function that `wrap` takes, under its name."""
        for name, (sentence, function) in faults.items():
            self.add(name, sentence, self.wrap(function))
        return self

    def add(self, name: str, sentence: str, function: Function) -> None:
        """Collect a wrong function under another name than its own."""
        self.append(Fault(name, self.layers, sentence, function, self.part, self.plain))


class Shared(Collection):
    """The faults of several layers that compute alike: a wrong function takes the right one of its layer as its first argument.

    ::

        pooling = Shared("MaxPooling1D", "AveragePooling1D")

        @pooling
        def strides_ignored(right, x, **options):
            \"\"\"Strides are ignored.\"\"\"
            return right(x, **{**options, "strides": None})

    Attributes
    ----------
    words : mapping of layer to a mapping
        Words of the sentences that read otherwise for that layer.
    """

    def __init__(
        self,
        *layers: str,
        part: str = "forward",
        wrap: Callable[[Any], Function] = lambda function: function,
        words: Mapping[str, Mapping[str, str]] | None = None,
        plain: Function | None = None,
    ) -> None:
        super().__init__(*layers, part=part, wrap=wrap, plain=plain)
        self.words = words or {}

    def add(self, name: str, sentence: str, function: Function) -> None:
        """Collect a wrong function once for each layer."""
        for layer in self.layers:
            own = sentence
            for said, instead in self.words.get(layer, {}).items():
                own = own.replace(said, instead)
            right = right_function(layer, self.part)
            plain = None if self.plain is None else functools.partial(self.plain, right)
            self.append(Fault(name, (layer,), own, functools.partial(function, right), self.part, plain))


def changed(result: Function = lambda result: result, /, **changes: Any) -> Function:
    """A wrong function for :class:`Shared`: the right one with other arguments in, or another result out.

    Changes stand under the names of arguments: a function of what is given (where something is), or what stands in its place.
    """

    def function(right: Function, *arguments: Any, **options: Any) -> Any:
        given = {**dict(zip(inspect.signature(right).parameters, arguments, strict=False)), **options}
        for name, change in changes.items():
            if not callable(change):
                given[name] = change
            elif given.get(name) is not None:
                given[name] = change(given[name])
        return result(right(**given))

    return function


def assuming(**defaults: Any) -> Function:
    """A wrong function for :class:`Shared`: the right one with other defaults."""
    return lambda right, *arguments, **options: right(*arguments, **{**defaults, **options})


def right_function(layer: str, part: str = "forward") -> Function:
    """The reference's function of a layer."""
    function: Function = getattr(reference, _name(layer, part))
    return function


def _name(layer: str, part: str) -> str:
    """The name of a function, that of TextVectorization (which has parts of its own) among them."""
    return f"text_vectorization_{part}" if layer == TEXT else function_name(layer, part)


def pair_of(right: Function) -> tuple[Function, Function]:
    """The private pair that a public function of the reference is thin over."""
    name, _, _ = right.__name__.rpartition("_")
    spec = next(spec for spec in LAYERS.values() if spec.name == name)
    return spec.run, spec.gradients


def _sentence(function: Function) -> str:
    sentence = (function.__doc__ or "").strip().removesuffix(".")
    first, *_ = sentence.split(maxsplit=1) or [""]
    spelled_so = first[1:] != first[1:].lower()
    return sentence if spelled_so else sentence[:1].lower() + sentence[1:]


def table(*layers: str, part: str = "forward", plain: Function | None = None, **faults: tuple[str, Function]) -> Collection:
    """A collection of short faults."""
    return Collection(*layers, part=part, plain=plain).table(**faults)
