"""The record of a layer: what is known of it beside its functions, in one declaration that stands at these functions.

From a record follow the call of the functions (:func:`layer_call`), the shapes of weights and outputs, which options a file may hold and
what each may be, the first weights of a new model, what becomes of a mask, where the weights stand in a file, and what training runs.
:data:`LAYERS` has every record by Keras's class name; a record enters it where it is declared.

A layer that is built like others is a :class:`LayerSpec`; what is special by structure (recurrent layers, wrappers) is a subclass that
stands beside its functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from reference.layers.options import FLAG, Allowed, numbers_of
from reference.layers.shapes import Config, Shape, same_shape

REQUIRED: Any = "an option without a default: always passed"
Function = Callable[..., Any]

BY_LOGITS = ("softmax", "sigmoid")
"""Activations below which a loss is computed, as in Keras."""
FORWARD, IN_TRAINING, MASK = "forward", "training", "mask"
"""Who takes an option: the functions always, or with ``training=True`` alone; the function of the mask."""


@dataclass(frozen=True)
class Weight:
    """A weight of a layer.

    Attributes
    ----------
    shape : callable (configuration, shape of the input) -> shape
    unless : str or None
        The option that removes it where it is False.
    initializer : str
        What it starts with where the configuration does not say.
    trained : bool
        Moving statistics are not.
    prefix : str or None
        What precedes ``_initializer`` and ``_regularizer`` in the names of its options, where that is not its own name.
    adapted : callable (configuration, initializer) -> initializer, or None
        Where what it starts with is not the initializer's alone.
    """

    shape: Callable[[Config, Shape], Shape]
    unless: str | None = None
    initializer: str = "zeros"
    trained: bool = True
    prefix: str | None = None
    adapted: Callable[[Config, Function], Function] | None = None


@dataclass(frozen=True)
class Option:
    """An option of the constructor.

    Attributes
    ----------
    default : object
        Keras's; :data:`REQUIRED` where there is none.
    allowed : Allowed or None
        Which values a file may hold; None for those that follow from others.
    taken_by : tuple of str
        Who takes it, of :data:`FORWARD`, :data:`IN_TRAINING`, :data:`MASK`; empty where it is never passed (``units``, ``use_bias``).
    length : int or None
        An int stands for so many.
    like : str or None
        Another option, whose value is the default.
    """

    default: Any
    allowed: Allowed | None = None
    taken_by: tuple[str, ...] = (FORWARD,)
    length: int | None = None
    like: str | None = None

    def normalised(self, name: str, value: Any) -> Any:
        """A value as the contract writes it: full tuples, lower case, activations by name."""
        if value is None:
            return {"data_format": "channels_last"}.get(name, "linear" if name.endswith("activation") else None)
        if self.length and isinstance(value, int):
            return (value,) * self.length
        if name == "padding":
            return value.lower()
        value = numbers_of(value)
        return tuple(value) if isinstance(value, list) else value


USE_BIAS = Option(True, FLAG, taken_by=())
COMMON = {"trainable": Option(True, FLAG, taken_by=())}
"""What every layer has."""


@dataclass(frozen=True)
class LayerCall:
    """The call of a layer function: its name without ``_forward``, its weights in place, its keyword arguments."""

    name: str
    weights: tuple[Any, ...]
    options: dict[str, Any]


@runtime_checkable
class EndsInActivation(Protocol):
    """What a layer saves that may end in a softmax or sigmoid, below which a loss is computed."""

    def logits(self) -> tuple[Any, Function] | None:
        """What the softmax or sigmoid was applied to, and the gradients of the layer without it; None where it ends in another one."""


def no_pair(*_: Any, **__: Any) -> Any:
    """In the place of the private pair of a layer without a backward pass."""
    raise NotImplementedError("the layer has no backward pass")


@dataclass(frozen=True, eq=False)
class LayerSpec:
    """The record of a layer.

    Attributes
    ----------
    class_name : str
        Keras's.
    forward : callable
        ``xyz_forward(x, *weights, **options)``; ``xyz`` is Keras's snake-case name of the class.
    run, gradients : callables
        The private pair, see :mod:`reference._arrays`.
    weights : mapping of name to Weight
        In the order of ``layer.get_weights()``.
    options : mapping of name to Option
        Those of the constructor that change what the layer computes, or from which shapes follow.
    output : callable (configuration, shape of the input) -> shape, or list of shapes
        Of the outputs; ``ValueError`` where the layer cannot take such an input.
    takes : tuple of str
        Arguments of Keras's call after the input, in its order.
    keeps_mask : bool
        Whether the mask of the input is that of the output.
    compute_mask : callable or None
        Keras's rule for a layer that makes its own mask.
    mask_acts : tuple of str
        When a mask changes numbers: :data:`FORWARD` or :data:`IN_TRAINING`.
    drops : bool
        Whether the layer drops values at random in training.
    floats : bool
        Whether whole numbers are made floats before the call.
    rows : callable (saved, gradient of the output) -> (indices, rows), or None
        The gradient of a table of which few rows were looked up.
    input_apart : bool
        Whether ``gradients(..., of_input=False)`` spares the gradient of the input, which is dear.
    groups : tuple of str
        Groups in a file of weights that are there without weights, too.
    """

    class_name: str
    forward: Function
    run: Function = no_pair
    gradients: Function = no_pair
    weights: Mapping[str, Weight] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)
    output: Callable[[Config, Any], Shape | list[Shape]] = same_shape
    takes: tuple[str, ...] = ()
    keeps_mask: bool = False
    compute_mask: Function | None = None
    mask_acts: tuple[str, ...] = ()
    drops: bool = False
    floats: bool = False
    rows: Function | None = None
    input_apart: bool = False
    groups: tuple[str, ...] = ()

    merges: ClassVar[bool] = False
    """Whether the input is a list of arrays."""
    cell: ClassVar[str] = ""
    """The group of the weights in a file, below that of the layer."""

    @property
    def name(self) -> str:
        """Keras's snake-case name of the class."""
        return self.forward.__name__.removesuffix("_forward")

    @property
    def normalizes(self) -> bool:
        """Whether the layer keeps moving statistics, which it returns in training after its output."""
        return not all(weight.trained for weight in self.weights.values())

    def weight_names(self, config: Config) -> list[str]:
        """Names of the weights that a layer of this configuration has, in the order of ``get_weights()``."""
        return [name for name, weight in self.weights.items() if weight.unless is None or config.get(weight.unless, True)]

    def weight_shapes(self, config: Config, input_shape: Shape) -> dict[str, Shape]:
        """Names and shapes of the weights, in the order of ``get_weights()``.

        Parameters
        ----------
        config : mapping
        input_shape : tuple
            Of the layer's input, the batch first; empty where it is not known, and what it decides is then None.

        Raises
        ------
        KeyError, TypeError, ValueError, IndexError, ZeroDivisionError
            If the configuration says nothing that a shape could follow from.
        """
        return {name: self.weights[name].shape(config, input_shape) for name in self.weight_names(config)}

    def inner_shape(self, shape: Shape) -> Shape:
        """The shape of what the owners of the weights are called on."""
        return shape

    def datasets(self, config: Config, input_shape: Shape) -> dict[str, Shape]:
        """The shape of every weight by its place in a file, below the group of the layer, in the order of ``get_weights()``."""
        shape = self.inner_shape(input_shape)
        return {
            f"{group}{owner.cell}vars/{index}": found
            for group, owner, options in self.owners(config)
            for index, found in enumerate(owner.weight_shapes(options, shape).values())
        }

    def output_shapes(self, config: Config, shapes: Sequence[Shape]) -> list[Shape]:
        """The shapes of the outputs, from those of the inputs; ``ValueError`` if the layer cannot take such inputs."""
        found = self.output(config, shapes if self.merges else shapes[0])
        return found if isinstance(found, list) else [found]

    def output_count(self, config: Config) -> int:
        """The number of arrays that the layer returns."""
        return 1

    def owners(self, config: Config) -> list[tuple[str, LayerSpec, Config]]:
        """Whose the weights are, in their order: for each owner its group in that of the layer, its record, its configuration."""
        return [("", self, config)]

    def place_weights(self, config: Config, weights: Sequence[Any]) -> tuple[Any, ...]:
        """Put None where an option removed a weight and drop the trailing ones."""
        present = self.weight_names(config)
        if len(present) != len(weights):
            raise ValueError(f"{self.class_name} has the weights {present}, but {len(weights)} were given")
        by_name = dict(zip(present, weights, strict=True))
        placed = [by_name.get(name) for name in self.weights]
        while placed and placed[-1] is None:
            placed.pop()
        return tuple(placed)

    def defaults(self, *takers: str) -> dict[str, Any]:
        """The options that any of these take, with Keras's defaults."""
        return {name: option.default for name, option in self.options.items() if set(takers) & set(option.taken_by)}

    def given(self, config: Config, *takers: str) -> dict[str, Any]:
        """Of the options that any of these take, those that differ from Keras's defaults, as the contract writes them."""
        defaults = self.defaults(*takers)
        values = {name: self.options[name].normalised(name, config.get(name, default)) for name, default in defaults.items()}
        for name in values:
            like = self.options[name].like
            if like is not None and values[name] == values[like]:
                values[name] = defaults[name]
        return {name: value for name, value in values.items() if defaults[name] is REQUIRED or value != defaults[name]}

    def call(self, config: Config, weights: Sequence[Any] = (), *, training: bool = False) -> LayerCall:
        """See :func:`layer_call`."""
        options = self.given(config, FORWARD, *([IN_TRAINING] if training else []))
        return LayerCall(self.name, self.place_weights(config, weights), options)

    def acts(self, config: Config) -> bool:
        """Whether the layer computes otherwise in training."""
        return self.drops or self.normalizes

    def steps(self, config: Config, shape: Shape) -> int:
        """How many steps the layer takes one after the other."""
        return 0

    def state_widths(self, config: Config) -> list[int]:
        """The widths of its states."""
        return []

    def sort_gradients(self, config: Config, found: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """What ``gradients`` returned: those of the inputs, of the weights as in ``get_weights()``, of the initial states."""
        grad_x, *others = found
        return [grad_x], self.in_place(config, others), others[len(self.weights) :]

    def in_place(self, config: Config, gradients: Sequence[Any]) -> list[Any]:
        """The gradients of the weights that are there; None for moving statistics."""
        by_name = dict(zip(self.weights, gradients, strict=False))
        return [by_name.get(name) for name in self.weight_names(config)]

    def back(self, config: Config, saved: Any, grad_output: Any, **options: Any) -> tuple[list[Any], list[Any], list[Any]]:
        """The gradients of the inputs, of the weights as in ``get_weights()``, and of the initial states, from what the run saved."""
        if self.rows is not None:
            return [None], [self.rows(saved, grad_output)], []
        return self.sort_gradients(config, self.gradients(grad_output, saved, **options))


LAYERS: dict[str, LayerSpec] = {}
"""Every record by Keras's class name."""
Spec = TypeVar("Spec", bound=LayerSpec)


def layer(spec: Spec) -> Spec:
    """Enter a record into :data:`LAYERS`."""
    LAYERS[spec.class_name] = spec
    return spec


def spec_of(class_name: str) -> LayerSpec:
    """Return the record of a Keras class; ``ValueError`` names a class that is not known."""
    try:
        return LAYERS[class_name]
    except KeyError:
        raise ValueError(f"layer class {class_name!r} is not known; known are {', '.join(sorted(LAYERS))}") from None


def layer_call(class_name: str, config: Config, weights: Sequence[Any] = (), *, training: bool = False) -> LayerCall:
    """Turn a layer's Keras configuration and its ``get_weights()`` into the call of its function.

    An option is passed only when it differs from Keras's default, tuples at full length, ``padding`` in lower case, activations by name.

    Parameters
    ----------
    class_name : str
        Keras's class name, ``"Conv2D"``.
    config : mapping
        The layer's configuration as Keras writes it, or any part of it: what is missing has Keras's default.
    weights : sequence
        In the order of ``get_weights()``; a weight that an option removed is absent here and ``None`` in the call.
    training : bool
        Whether options that act in training only are passed as well.

    Raises
    ------
    ValueError
        If the class is not known or the number of weights does not follow from the configuration.
    """
    return spec_of(class_name).call(config, weights, training=training)
