"""The shapes of a layer's weights: what follows from its configuration and the shape of its input.

Sizes that the input's shape decides are None where that shape is not known (an empty tuple).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reference.layers.calls import WRAPPERS, weight_names

Shape = tuple[int | None, ...]
"""A shape; None where it is not known."""

Config = Mapping[str, Any]


def weight_shapes(class_name: str, config: Config, input_shape: Shape) -> dict[str, Shape]:
    """Names and shapes of the weights of a layer, in the order of ``get_weights()``.

    Parameters
    ----------
    class_name, config
        As Keras has them; a wrapper's names carry a prefix: ``forward_kernel``, ``backward_kernel``.
    input_shape : tuple
        Of the layer's input, the batch first; empty where it is not known.

    Raises
    ------
    KeyError, TypeError, ValueError, IndexError, ZeroDivisionError
        If the configuration says nothing that a shape could follow from.
    """
    if class_name == "Bidirectional":
        halves = {"forward": config["layer"], "backward": config.get("backward_layer", config["layer"])}
        return {
            f"{half}_{name}": shape
            for half, inner in halves.items()
            for name, shape in weight_shapes(inner["class_name"], inner["config"], input_shape).items()
        }
    if class_name in WRAPPERS:
        inner = config["layer"]
        return weight_shapes(inner["class_name"], inner["config"], (*input_shape[:1], *input_shape[2:]))
    names = weight_names(class_name, config)
    shapes = _SHAPES[class_name](config, input_shape) if names else {}
    return {name: shapes[name] for name in names}


def count(config: Config, name: str, default: int | None = None) -> int:
    """A size of the configuration; ``ValueError`` where it is not a positive int."""
    value = config[name] if default is None else config.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} is {value!r}")
    return value


def is_dimension(value: Any) -> bool:
    """Whether a value can stand in a shape: an int from 0, or None."""
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _axis(shape: Shape, axis: int) -> int | None:
    return shape[axis] if shape else None


def _dense(config: Config, input_shape: Shape) -> dict[str, Shape]:
    units = count(config, "units")
    return {"kernel": (_axis(input_shape, -1), units), "bias": (units,)}


def _embedding(config: Config, input_shape: Shape) -> dict[str, Shape]:
    return {"embeddings": (count(config, "input_dim"), count(config, "output_dim"))}


def _convolution(rank: int) -> Callable[[Config, Shape], dict[str, Shape]]:
    def shapes(config: Config, input_shape: Shape) -> dict[str, Shape]:
        filters, groups, size = count(config, "filters"), count(config, "groups", 1), config["kernel_size"]
        kernel = [size] * rank if isinstance(size, int) else list(size)
        if len(kernel) != rank or not all(is_dimension(k) and k for k in kernel):
            raise ValueError(f"kernel_size is {size!r}")
        channels = _axis(input_shape, 1 if config.get("data_format") == "channels_first" else -1)
        return {"kernel": (*kernel, None if channels is None else channels // groups, filters), "bias": (filters,)}

    return shapes


def _recurrent(gates: int) -> Callable[[Config, Shape], dict[str, Shape]]:
    def shapes(config: Config, input_shape: Shape) -> dict[str, Shape]:
        units = count(config, "units")
        wide = gates * units
        return {"kernel": (_axis(input_shape, -1), wide), "recurrent_kernel": (units, wide), "bias": (wide,)}

    return shapes


def _gru(config: Config, input_shape: Shape) -> dict[str, Shape]:
    wide = 3 * count(config, "units")
    return _recurrent(3)(config, input_shape) | {"bias": (2, wide) if config.get("reset_after", True) else (wide,)}


def _batch_normalization(config: Config, input_shape: Shape) -> dict[str, Shape]:
    axis = config.get("axis", -1)
    if not isinstance(axis, int):
        raise ValueError(f"axis is {axis!r}")
    return dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (_axis(input_shape, axis),))


def _layer_normalization(config: Config, input_shape: Shape) -> dict[str, Shape]:
    axis = config.get("axis", -1)
    axes = (axis,) if isinstance(axis, int) else sorted(axis)
    return dict.fromkeys(("gamma", "beta"), tuple(_axis(input_shape, one) for one in axes))


def _p_re_lu(config: Config, input_shape: Shape) -> dict[str, Shape]:
    if not input_shape:
        raise ValueError("the shape of the input is not known")
    shared = config.get("shared_axes") or []
    return {"alpha": tuple(1 if axis in shared else size for axis, size in enumerate(input_shape[1:], start=1))}


_SHAPES: dict[str, Callable[[Config, Shape], dict[str, Shape]]] = {
    "Dense": _dense,
    "Embedding": _embedding,
    "Conv1D": _convolution(1),
    "Conv2D": _convolution(2),
    "SimpleRNN": _recurrent(1),
    "LSTM": _recurrent(4),
    "GRU": _gru,
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "PReLU": _p_re_lu,
}
