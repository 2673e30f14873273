"""The kinds of records: what recurrent layers, merging layers and wrappers have beside every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reference.layers.options import FLAG, RATE
from reference.layers.shapes import Config, Shape, check_rank, count, size_along
from reference.layers.spec import FORWARD, IN_TRAINING, LAYERS, LayerCall, LayerSpec, Option, Weight, spec_of

SEQUENCE_OPTIONS = {
    name: Option(False, FLAG) for name in ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask")
} | {name: Option(0.0, RATE, taken_by=(IN_TRAINING,)) for name in ("dropout", "recurrent_dropout")}
"""Of every recurrent layer."""


def recurrent_weights(gates: int) -> dict[str, Weight]:
    """The weights of a layer with so many gates side by side."""

    def wide(config: Config) -> int:
        return gates * count(config, "units")

    return {
        "kernel": Weight(lambda config, shape: (size_along(shape, -1), wide(config)), initializer="glorot_uniform"),
        "recurrent_kernel": Weight(
            lambda config, shape: (count(config, "units"), wide(config)), initializer="orthogonal", prefix="recurrent"
        ),
        "bias": Weight(lambda config, shape: (wide(config),), unless="use_bias"),
    }


@dataclass(frozen=True, eq=False)
class RecurrentSpec(LayerSpec):
    """The record of a layer that reads a sequence step by step and carries states.

    Attributes
    ----------
    states, gates : int
        How many states it has, and how many gates lie side by side in its weights.
    """

    cell = "cell/"
    states: int = 1
    gates: int = 1

    def output_shapes(self, config: Config, shapes: Sequence[Shape]) -> list[Shape]:
        """A sequence, or its last step; and the states."""
        (shape,) = shapes
        check_rank(shape, 3, 3)
        if shape[1] == 0:
            raise ValueError(f"it takes at least one step, its input has the shape {shape}")
        units = config["units"]
        output: Shape = (shape[0], shape[1], units) if config.get("return_sequences") else (shape[0], units)
        return [output, *[(shape[0], units)] * (self.output_count(config) - 1)]

    def output_count(self, config: Config) -> int:
        """The states come after the output."""
        return 1 + (self.states if config.get("return_state") else 0)

    def acts(self, config: Config) -> bool:
        """Dropout acts in training."""
        return bool(config.get("dropout") or config.get("recurrent_dropout"))

    def steps(self, config: Config, shape: Shape) -> int:
        """Those of the sequence, at least one."""
        return (shape[1] if len(shape) > 1 else 0) or 1

    def state_widths(self, config: Config) -> list[int]:
        """All of the layer's units."""
        return [config["units"]] * self.states


class MergeSpec(LayerSpec):
    """The record of a layer that makes one array of several; its input is a list."""

    merges = True

    def sort_gradients(self, config: Config, found: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """Those of the inputs are a list already."""
        return found[0], [], []


@dataclass(frozen=True, eq=False)
class WrapperSpec(LayerSpec):
    """The record of a layer around another one, which all that belongs to its weights is asked of.

    Attributes
    ----------
    wraps : str
        The class that the functions wrap where ``layer=`` is not passed.
    halves : mapping of group to option
        Where the weights stand in a file, and the configuration of the layer that they belong to.
    """

    wraps: str = ""
    halves: Mapping[str, str] = field(default_factory=dict)

    def wrappable(self) -> list[str]:
        """The classes that can be wrapped: those that take one array and are none of these themselves."""
        return [name for name, spec in LAYERS.items() if not isinstance(spec, WrapperSpec) and not spec.merges]

    def owners(self, config: Config) -> list[tuple[str, LayerSpec, Config]]:
        """What is wrapped, once for each half."""
        inner = [(group, config.get(half, config["layer"])) for group, half in self.halves.items()]
        return [(group, spec_of(layer["class_name"]), layer["config"]) for group, layer in inner]

    def inner(self, config: Config) -> tuple[LayerSpec, Config]:
        """The record and the configuration of what is wrapped."""
        return spec_of(config["layer"]["class_name"]), config["layer"]["config"]

    def weight_shapes(self, config: Config, input_shape: Shape) -> dict[str, Shape]:
        """Those of what is wrapped; names carry a prefix where there are two: ``forward_kernel``, ``backward_kernel``."""
        shape = self.inner_shape(input_shape)
        return {
            group.removesuffix("layer/") + name: found
            for group, spec, options in self.owners(config)
            for name, found in spec.weight_shapes(options, shape).items()
        }

    def call(self, config: Config, weights: Sequence[Any] = (), *, training: bool = False) -> LayerCall:
        """Options of the wrapped layer stand beside the wrapper's own; weights are a tuple for each half."""
        options = self.given(config, FORWARD)
        spec, inner = self.inner(config)
        if spec.class_name != self.wraps:
            options["layer"] = spec.class_name
        options |= spec.given(inner, FORWARD, *([IN_TRAINING] if training else []))
        size = len(weights) // len(self.halves)
        parts = [weights[n * size : (n + 1) * size] for n in range(len(self.halves))] if weights or len(self.halves) == 1 else []
        return LayerCall(self.name, tuple(spec.place_weights(inner, part) for part in parts), options)
