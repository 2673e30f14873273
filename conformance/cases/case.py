"""What a case is, and how one declaration per layer becomes all of its cases."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.cases.pairwise import pairs_alone, pairwise
from conformance.cases.titles import words
from reference.activations import ACTIVATIONS
from reference.layers import LAYERS, spec_of
from reference.layers.kinds import WrapperSpec
from reference.layers.spec import FORWARD

DTYPES = ("float64", "float32")
Config = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One question: this layer, so configured, on an input of this shape, called this way, in this dtype.

    Attributes
    ----------
    layer : str
        Keras's class name, or the name of an activation function.
    config : mapping
        What Keras's layer is constructed with, sizes (``units``, ``filters``) included and dtype excluded.
    shape : tuple of int
        Shape of the input, batch first.
    call : mapping
        How the layer is called and what it is fed: ``mask``, ``initial_state``, ``training``, ``values`` (how the input is drawn).
    dtype : str
        'float64' judges the meaning, 'float32' the rounding.
    title : str
        What tells the case from its neighbours; with layer and dtype it makes the test id.
    options : mapping
        The value of every option, sizes included, for counting.
    deviation : str or None
        Section 0.1 id of the defect of Keras that this case meets; what is expected is then the documented meaning.
    """

    layer: str
    config: Config
    shape: tuple[int, ...]
    call: Config = field(default_factory=dict)
    dtype: str = "float64"
    title: str = ""
    options: Config = field(default_factory=dict)
    deviation: str | None = None

    @property
    def id(self) -> str:
        """The test id: layer, title, dtype, and the Keras defect where one is met."""
        return "-".join(part for part in (self.layer, self.title, self.deviation, self.dtype) if part)

    def seed(self, base: int = 0) -> int:
        """The seed of the case's arrays: a hash of its id and of the run's seed, never of order or worker."""
        return int.from_bytes(hashlib.sha256(f"{base}:{self.id}".encode()).digest()[:8], "big")


@dataclass(frozen=True)
class Special:
    """A single case beside the pairwise table: values, sizes or options that no table would combine."""

    title: str
    shape: tuple[int, ...]
    config: Config = field(default_factory=dict)
    call: Config = field(default_factory=dict)
    dtypes: Sequence[str] = DTYPES


@dataclass(frozen=True)
class Alone:
    """How every pair of options is asked alone, all else at its default; what is not said here follows from the declaration.

    Attributes
    ----------
    shapes : sequence of shapes
        Small inputs: the first that a pair allows is taken. Where there are none, those of the declaration, the smallest first.
    sizes : mapping of constructor argument to its value
        Else the first of each.
    values : mapping of option to values
        Beside its default; of an option that is not here every value that is declared, of :data:`NOT_OF_CODE` the first two. An option
        without values is left out; one that the declaration does not vary may stand here.
    acts_with : mapping of option to the values of others
        What an option needs to change anything: ``{"momentum": {"training": True}}``.
    or_with : mapping of option to the values of others
        What it may stand with instead, in an implementation that has not those of `acts_with`: its pairs with other options are asked in
        both ways.
    shapes_with : mapping of option to shapes
        Inputs of the pairs of an option that shows little on those of `shapes`.
    bases : sequence of mappings of option to its value
        What some implementations have alone, and not the default (a loss of logits): every pair of the others is asked beside it as well.
    """

    shapes: Sequence[tuple[int, ...]] = ()
    sizes: Config = field(default_factory=dict)
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    acts_with: Mapping[str, Config] = field(default_factory=dict)
    or_with: Mapping[str, Config] = field(default_factory=dict)
    shapes_with: Mapping[str, Sequence[tuple[int, ...]]] = field(default_factory=dict)
    bases: Sequence[Config] = ()


NOT_OF_CODE = ("activation", "recurrent_activation", "values")
"""Options whose values select a function or numbers and no branch of the layer: beside the default two of them are enough in pairs."""
OF_THE_CALL = ("training", "mask", "initial_state", "values", "sample_weight", "labels", "others", "gradients", "steps")
"""What belongs to the call of a layer, and not to its constructor."""


@dataclass(frozen=True, eq=False)
class LayerCases:
    """Everything the suite needs to know about a layer beside its record, once. What is not a layer has a subclass.

    Attributes
    ----------
    layer : str
        Keras's class name; the name of an activation function or a loss.
    inputs : mapping of name to shape
        Input shapes, batch first, ``channels_last``; the name stands in the test id.
    axes : tuple of str
        Names of the output's axes when nothing else is asked for; a failure is told in these words.
    tolerance : callable
        The error model, see :mod:`conformance.cases.tolerance`.
    options : mapping of option to its values
        Beside Keras's default, which the record of the layer has and which becomes the first value. Of an option that is in no record
        (``unroll``) the first value given is the default.
    sizes : mapping of constructor argument to its values
        ``units``, ``filters``, ``kernel_size``: they follow from the weights and are not passed.
    call : mapping
        Ways to call; see :class:`Case`.
    constant : mapping
        Constructor arguments that are the same in every case.
    possible : callable (config, shape, call, dtype) -> bool
        Whether Keras accepts the combination (and, for a dtype, computes it exactly enough to be judged).
    special : sequence of Special
    alone : Alone
        How pairs of options are asked alone.
    deviations : mapping of a section 0.1 id to a callable (config, shape, call, dtype) -> bool
    keras_config : callable (config) -> config
        The configuration as Keras nests it; options of a wrapped layer stand flat beside those of the wrapper everywhere else.
    drawn : mapping of size or axis to (lowest, highest)
        Ranges from which Hypothesis draws, for the sizes and for the axes of the input (``shape``: one range an axis).
    unpassed : tuple of str
        Options of the Keras class that never reach an implementation (contract, rule 4) but are varied on Keras's side.
    untested : tuple of str
        Options of the Keras class that change numbers and that no case varies; the report shows them as zeros.
    """

    layer: str
    inputs: Mapping[str, tuple[int, ...]]
    axes: tuple[str, ...]
    tolerance: Callable[..., Any]
    options: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    sizes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    call: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    constant: Config = field(default_factory=dict)
    possible: Callable[..., bool] = lambda config, shape, call, dtype: True
    keras_config: Callable[[Config], Config] = lambda config: config
    special: Sequence[Special] = ()
    alone: Alone = field(default_factory=Alone)
    deviations: Mapping[str, Callable[..., bool]] = field(default_factory=dict)
    drawn: Mapping[str, Any] = field(default_factory=dict)
    unpassed: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", {name: self._from_default(name, values) for name, values in self.options.items()})

    def _from_default(self, name: str, values: Sequence[Any]) -> Sequence[Any]:
        known = self.defaults()
        return [known[name], *(value for value in values if value != known[name])] if name in known else values

    def defaults(self) -> dict[str, Any]:
        """Keras's defaults of the options, those of wrapped layers among them."""
        spec = spec_of(self.layer)
        wrapped = (spec.wraps, *self.options.get("layer", ())) if isinstance(spec, WrapperSpec) else ()
        return {name: option.default for one in (*reversed(wrapped), self.layer) for name, option in spec_of(one).options.items()}

    def function_name(self, part: str) -> str:
        """The name by which an implementation is asked; `part` is 'forward', 'backward' or 'compute_mask'."""
        return f"{spec_of(self.layer).name}_{part}"

    def weights(self, config: Config, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the weights, in the order of ``get_weights()``."""
        return spec_of(self.layer).weight_shapes(self.keras_config(config), shape)  # type: ignore[return-value]

    def needs(self, config: Config) -> tuple[str, ...]:
        """The layer that a case of this configuration is built on, if any: where that is wrong itself, a failure here is blocked."""
        return (config["layer"],) if "layer" in config else ()

    def deviation(self, config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> str | None:
        """The Keras defect that a case meets, or None."""
        return next((name for name, meets in self.deviations.items() if meets(config, shape, call, dtype)), None)


class FunctionCases(LayerCases):
    """A function: of activation, of loss. It has no weights and is called by its own name."""

    def defaults(self) -> dict[str, Any]:
        """Those of the reference's function."""
        return defaults_of(ACTIVATIONS[self.layer])

    def function_name(self, part: str) -> str:
        """The forward pass has the name of the function itself."""
        return self.layer if part == "forward" else f"{self.layer}_{part}"

    def weights(self, config: Config, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """None."""
        return {}


def defaults_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The defaults in a signature."""
    parameters = inspect.signature(function).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not one.empty}


def shapes_of_inputs(shape: tuple[int, ...], config: Config, call: Config) -> list[tuple[int, ...]]:
    """The shapes of all arrays of a merging layer, of which `shape` is that of the first."""
    axis = config.get("axis", -1)
    ones = (1,) * (len(shape) - 1)
    longer = list(shape)
    longer[axis] += 2
    others = {
        "alone": [],
        "same": [shape],
        "three": [shape, shape],
        "longer": [tuple(longer)],
        "row": [(*shape[:1], *ones[1:], shape[-1])],
        "column": [(*shape[:2], *ones[1:])],
        "sample": [(*shape[:1], *ones)],
        "lower_rank": [(shape[0], *shape[2:])],
        "one_for_all": [(1, *shape[1:])],
        "first_is_row": [shape],
    }[call.get("others", "same")]
    first = (*shape[:1], *ones[1:], shape[-1]) if call.get("others") == "first_is_row" else shape
    return [first, *others]


def make_case(
    layer: LayerCases, config: Config, shape: tuple[int, ...], call: Config, dtype: str, title: str
) -> Case:
    """A case of this layer, its input laid out as ``data_format`` asks, its Keras defect found."""
    shape = _laid_out(config, shape)
    config = {**layer.constant, **config}
    deviation = layer.deviation(config, shape, call, dtype)
    defaults = {name: values[0] for name, values in {**layer.options, **layer.call}.items()}
    options = {**defaults, **config, **call}
    return Case(layer.layer, config, shape, call, dtype, title, options, deviation)


def _laid_out(config: Config, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A ``channels_last`` shape as ``data_format`` asks."""
    first = config.get("data_format") == "channels_first" and len(shape) > 2
    return (shape[0], shape[-1], *shape[1:-1]) if first else shape


def declared_cases(layer: LayerCases, profile: str = "standard") -> Iterator[Case]:
    """The cases of a declaration: every value of every option alone, all pairs among all options, special cases, every pair alone.

    Alone, so that an implementation without most options still has cases to pass, and to fail where two of its options meet. ``smoke``
    leaves the pairs out, and float32 of the special cases; ``full`` covers every triple of values.
    """
    found = _combined_cases(layer, profile)
    if profile != "smoke":
        there = {case.id for case in found}
        found = (*found, *(case for case in pairs_of_options(layer) if case.id not in there))
    return iter(found)


@functools.cache
def _combined_cases(layer: LayerCases, profile: str) -> tuple[Case, ...]:
    """All but pairs alone: several kinds of questions are asked of the same cases, and the table of pairs takes a while."""
    cases: dict[str, Case] = {}
    factors = _factors(layer)
    rows = _one_at_a_time(factors)
    if profile != "smoke":
        rows += pairwise(factors, lambda row: _row_possible(layer, row), 3 if profile == "full" else 2)
    for row in rows:
        for dtype in DTYPES:
            config, shape, call = _split(layer, row)
            case = make_case(layer, config, shape, call, dtype, _title(layer, row))
            if layer.possible(config, case.shape, call, dtype):
                cases.setdefault(case.id, case)
    found = list(cases.values())
    for special in layer.special:
        for dtype in special.dtypes[:1] if profile == "smoke" else special.dtypes:
            found.append(make_case(layer, special.config, special.shape, special.call, dtype, special.title))
    return tuple(found)


@functools.cache
def pairs_of_options(layer: LayerCases) -> tuple[Case, ...]:
    """Every option and every pair of them alone, all else at its default: in float64, on small inputs.

    Where a case of the table or a special one asks the same of an ordinary input, it is that one.
    """
    values = values_alone(layer)
    known: dict[str, Case] = {}
    for case in _combined_cases(layer, "standard"):
        if case.dtype == "float64" and _ordinary(case):
            known.setdefault(_asked(layer, case), case)
    found: dict[str, Case] = {}
    for row in (row for way in ways_alone(layer) for row in pairs_alone(*way)):
        small = _small_case(layer, {name: row[name] for name in (*values, *row) if name in row})
        if small is not None:
            there = known.get(_asked(layer, small), small)
            found.setdefault(_asked(layer, small), there if len(there.shape) >= len(small.shape) else small)
    return tuple(found.values())


def _small_case(layer: LayerCases, row: Config) -> Case | None:
    """The case of these options on the first small input that Keras accepts with them; None where there is none."""
    config = {name: values[0] for name, values in layer.sizes.items()} | dict(layer.alone.sizes)
    config |= {name: value for name, value in row.items() if name not in OF_THE_CALL}
    call = {name: value for name, value in row.items() if name in OF_THE_CALL}
    title = "-".join([*(words(name, value) for name, value in row.items()), "alone"])
    larger = [shape for name, shapes in layer.alone.shapes_with.items() if name in row for shape in shapes]
    cases = (make_case(layer, config, shape, call, "float64", title) for shape in larger or layer.alone.shapes or _small_shapes(layer))
    return next((case for case in cases if layer.possible(case.config, case.shape, call, "float64")), None)


def _passed(layer: LayerCases) -> dict[str, Sequence[Any]]:
    """What an implementation is given beside arrays: options, ways to call, and those sizes that do not follow from the weights."""
    spec = LAYERS.get(layer.layer)
    given = layer.sizes if spec is None else {name: layer.sizes[name] for name in layer.sizes if name in spec.defaults(FORWARD)}
    return {name: values for name, values in {**given, **layer.options, **layer.call}.items() if name not in layer.unpassed}


def values_alone(layer: LayerCases) -> dict[str, Sequence[Any]]:
    """The values, beside its default, that each option takes in pairs alone."""
    declared = {name: values[1:3] if name in NOT_OF_CODE else values[1:] for name, values in _passed(layer).items()}
    return {**declared, **layer.alone.values}


def ways_alone(layer: LayerCases) -> Iterator[tuple[Mapping[str, Sequence[Any]], Mapping[str, Config]]]:
    """The values of options in pairs alone and what options stand with there, for each of the ways in which pairs are asked."""
    values, alone = values_alone(layer), layer.alone
    yield values, alone.acts_with
    if alone.or_with:
        given = {name for partners in alone.or_with.values() for name in partners}
        yield {name: own for name, own in values.items() if name not in given}, {**alone.acts_with, **alone.or_with}
    for base in alone.bases:
        others = {name: own for name, own in values.items() if name not in base}
        yield others, {name: {**base, **alone.acts_with.get(name, {})} for name in others}


def _asked(layer: LayerCases, case: Case) -> str:
    """The options of a case that differ from their defaults, without the sizes that follow from the weights."""
    silent = {*(set(layer.sizes) - set(_passed(layer))), *layer.constant}
    given = {name: value for name, value in case.config.items() if name not in silent or value != layer.constant.get(name, value)}
    return json.dumps([given, dict(case.call)], sort_keys=True)


def _ordinary(case: Case) -> bool:
    """Whether sizes are such that options show: no axis and no kernel of one, and no two axes alike."""
    kernel = case.config.get("kernel_size", (2,))
    return min(case.shape) > 1 and len(set(case.shape)) == len(case.shape) and max(kernel) > 1


def _small_shapes(layer: LayerCases) -> list[tuple[int, ...]]:
    """The inputs of a declaration, those with unequal axes and more than one sample, the smallest first."""
    shapes = [shape for shape in layer.inputs.values() if min(shape) > 1 and len(set(shape)) == len(shape)]
    return sorted(shapes, key=math.prod)


def _factors(layer: LayerCases) -> dict[str, Sequence[Any]]:
    return {"input": list(layer.inputs), **layer.sizes, **layer.options, **layer.call}


def _one_at_a_time(factors: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The row of all defaults, and for every other value of a factor the row that differs in it alone."""
    defaults = {name: values[0] for name, values in factors.items()}
    return [defaults, *({**defaults, name: value} for name, values in factors.items() for value in values[1:])]


def _split(layer: LayerCases, row: Config) -> tuple[dict[str, Any], tuple[int, ...], dict[str, Any]]:
    """A row of the table as (config, channels_last shape, call); what has Keras's default is left out."""
    config = {name: row[name] for name in layer.sizes}
    config |= {name: row[name] for name, values in layer.options.items() if row[name] != values[0]}
    call = {name: row[name] for name, values in layer.call.items() if row[name] != values[0]}
    return config, layer.inputs[row["input"]], call


def _row_possible(layer: LayerCases, row: Config) -> bool:
    config, shape, call = _split(layer, row)
    shape = _laid_out(config, shape)
    return any(layer.possible(config, shape, call, dtype) for dtype in DTYPES)


def _title(layer: LayerCases, row: Config) -> str:
    """Words for what differs from Keras's defaults, then the sizes, then the input."""
    said = [words(name, row[name]) for name, values in {**layer.options, **layer.call}.items() if row[name] != values[0]]
    sizes = [words(name, row[name]) for name, values in layer.sizes.items() if len(values) > 1]
    return "-".join([*said, *sizes, row["input"]])
