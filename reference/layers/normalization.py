"""Normalisation layers: samples are brought to mean 0 and variance 1, to a mean square of 1, or to length 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import Gradients, fitting, floating, of_floats, summed
from reference.layers.options import AXES, FLAG, NOT_NEGATIVE
from reference.layers.shapes import Config, Rule, Shape, over_axes, size_along
from reference.layers.spec import LayerSpec, Option, Weight, layer

__all__ = [
    "layer_normalization_backward", "layer_normalization_forward", "rms_normalization_backward", "rms_normalization_forward",
    "unit_normalization_backward", "unit_normalization_forward",
]  # fmt: skip

Array = NDArray[Any]


def layer_normalization_forward(
    x: Array, gamma: Array | None = None, beta: Array | None = None, *, axis: int | Sequence[int] = -1, epsilon: float = 1e-3
) -> Array:
    r"""Layer normalisation: ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, over `axis` of each sample.

    Parameters
    ----------
    x : array (batch, ..., features)
    gamma, beta : arrays of the shape of `x` along `axis`, or None
        1 and 0 where None (``scale=False``, ``center=False``).
    axis : int or sequence of int
        Axes over which mean and variance (divided by N) are taken; several are sorted.
    epsilon : float
        Added to the variance, under the root.

    Returns
    -------
    y : array with the shape of `x`

    Raises
    ------
    ValueError
        If `gamma` or `beta` does not have the shape of `x` along `axis`.

    Source: Ba, Kiros and Hinton 2016, arXiv:1607.06450; keras.layers.LayerNormalization.
    """
    return _layer_normalization_run(x, gamma, beta, axis=axis, epsilon=epsilon)[0]


def layer_normalization_backward(
    grad_output: ArrayLike, x: Array, gamma: Array | None = None, beta: Array | None = None, **options: Any
) -> Gradients:
    r"""Gradients of :func:`layer_normalization_forward`, whose options it takes.

    With ``xhat = (x - mean) / sqrt(variance + epsilon)``, ``g = gamma * grad_output`` and means over `axis`:

    ``grad_x = (g - mean(g) - xhat * mean(g * xhat)) / sqrt(variance + epsilon)``
    ``grad_beta = sum of grad_output``, ``grad_gamma = sum of grad_output * xhat``, over the other axes

    Returns
    -------
    grad_x, grad_gamma, grad_beta : arrays of the shapes of `x`, `gamma`, `beta`; None for integers and for a weight that is None

    Raises
    ------
    ValueError
        If `grad_output` does not have the shape of `x`, or as :func:`layer_normalization_forward`.
    """
    return normalization_gradients(grad_output, _layer_normalization_run(x, gamma, beta, **options)[1])


class Statistics(NamedTuple):
    """Mean and variance over `axes`, which stay with length 1, of positions of the `weight` 1 (None: of all), `number` of them."""

    mean: Array
    variance: Array
    axes: tuple[int, ...]
    weight: Array | None
    number: Array | float


class SavedNormalization(NamedTuple):
    """What the gradients of a normalisation need.

    `x` and its statistics, ``inverse = 1 / sqrt(variance + epsilon)``, the weights in the rank of `x`, the shape that the layer has them
    in, the axes over which their gradients are summed, and the statistics' own: None where mean and variance do not depend on `x`.
    """

    x: Array
    mean: Array
    inverse: Array
    gamma: Array | None
    beta: Array | None
    weight_shape: tuple[int, ...]
    weight_axes: tuple[int, ...]
    statistics: Statistics | None


def _layer_normalization_run(
    x: Array, gamma: Array | None = None, beta: Array | None = None, *, axis: int | Sequence[int] = -1, epsilon: float = 1e-3
) -> tuple[Array, SavedNormalization]:
    given, x = np.asarray(x), floating(x)
    axes = (axis,) if isinstance(axis, int) else tuple(sorted(axis))
    own = tuple(x.shape[one] for one in axes)
    places = {one % x.ndim for one in axes}
    shape = [size if place in places else 1 for place, size in enumerate(x.shape)]
    for name, weight in (("gamma", gamma), ("beta", beta)):
        if weight is not None and weight.shape != own:
            raise ValueError(f"{name} must have the shape {own}, got {weight.shape}")
    gamma, beta = (None if one is None else one.reshape(shape) for one in (gamma, beta))
    statistics = statistics_over(x, axes)
    inverse = 1 / np.sqrt(statistics.variance + epsilon)
    others = tuple(place for place in range(x.ndim) if place not in places)
    saved = SavedNormalization(given, statistics.mean, inverse, gamma, beta, own, others, statistics)
    return normalized(x, statistics.mean, inverse, gamma, beta), saved


def normalization_gradients(grad_output: ArrayLike, saved: SavedNormalization) -> Gradients:
    x = floating(saved.x)
    grad = fitting(grad_output, x.shape, x.dtype)
    normal = ((x - saved.mean) * saved.inverse).astype(x.dtype)
    grad_x = grad if saved.gamma is None else grad * saved.gamma
    if saved.statistics is not None:
        grad_x = _through_statistics(grad_x, normal, saved.statistics)
    grad_x = grad_x.astype(x.dtype, copy=False) * saved.inverse.astype(x.dtype)
    pairs = ((saved.gamma, grad * normal), (saved.beta, grad))
    grad_gamma, grad_beta = (
        None if weight is None else summed(part, saved.weight_axes).reshape(saved.weight_shape)
        for weight, part in pairs
    )
    return of_floats(saved.x, grad_x), grad_gamma, grad_beta


def _through_statistics(grad: Array, normal: Array, statistics: Statistics) -> Array:
    """The gradient of ``x / sqrt(variance + epsilon)`` with what comes back through mean and variance: ``g - mean(g) - xhat mean(g xhat)``.

    The mean of `xhat` itself is 0, but for the 1e-7 by which a mask increases the number.
    """
    _, _, axes, weight, number = statistics
    mean = (summed(grad, axes) / number).astype(grad.dtype)
    mean_product = (summed(grad * normal, axes) / number).astype(grad.dtype)
    if weight is None:
        return np.asarray(grad - mean - normal * mean_product)
    mean_normal = np.sum(normal * weight, axis=axes, keepdims=True) / number
    return np.asarray(grad - weight * (mean + (normal - mean_normal) * mean_product))


def normalized(x: Array, mean: Array, inverse: Array, gamma: Array | None, beta: Array | None) -> Array:
    """``(x - mean) * inverse * gamma + beta``, without a weight that is None, in the type of `x`."""
    y = (x - mean) * (inverse if gamma is None else inverse * gamma)
    return np.asarray(y if beta is None else y + beta, dtype=x.dtype)


def statistics_over(x: Array, axes: tuple[int, ...], mask: Array | None = None) -> Statistics:
    """Mean and variance of the positions that the mask keeps, accumulated in float64."""
    if mask is None:
        mean = np.asarray(np.mean(x, axis=axes, keepdims=True, dtype=np.float64))
        variance = np.asarray(np.mean(np.square(x - mean), axis=axes, keepdims=True))
        return Statistics(mean, variance, axes, None, math.prod(x.shape[axis] for axis in axes))
    if mask.ndim != x.ndim - 1:
        raise ValueError(f"a mask for an array of rank {x.ndim} has the rank {x.ndim - 1}, got the shape {mask.shape}")
    weight = np.broadcast_to((mask != 0)[..., None], x.shape).astype(np.float64)
    number = np.sum(weight, axis=axes, keepdims=True) + 1e-7
    mean = np.sum(x * weight, axis=axes, keepdims=True) / number
    variance = np.sum(weight * np.square(x - mean), axis=axes, keepdims=True) / number
    return Statistics(mean, variance, axes, weight, number)


def _along_axes(config: Config, shape: Shape) -> Shape:
    axis = config.get("axis", -1)
    return tuple(size_along(shape, one) for one in ((axis,) if isinstance(axis, int) else sorted(axis)))


def scaled(shape: Rule) -> dict[str, Weight]:
    return {"gamma": Weight(shape, unless="scale", initializer="ones"), "beta": Weight(shape, unless="center")}


SWITCHES = {"scale": Option(True, FLAG, taken_by=()), "center": Option(True, FLAG, taken_by=())}

LAYER_NORMALIZATION = layer(
    LayerSpec(
        "LayerNormalization", layer_normalization_forward, _layer_normalization_run, normalization_gradients,
        weights=scaled(_along_axes),
        options={"axis": Option(-1, AXES), "epsilon": Option(1e-3, NOT_NEGATIVE), **SWITCHES},
        output=over_axes, keeps_mask=True,
    )
)  # fmt: skip


SHORTEST = 1e-12
"""Vectors that are shorter are not stretched to length 1, but by this much."""


def unit_normalization_forward(x: Array, *, axis: int | Sequence[int] = -1) -> Array:
    """Vectors of length 1: ``y = x min(1 / sqrt(sum(x**2)), 1e12)``, the sum over `axis`.

    Parameters
    ----------
    x : float array (batch, ...)
        A vector of zeros stays one; squares that overflow make zeros of a long one.
    axis : int or sequence of int
        The axes along which a vector lies.

    Returns
    -------
    y : array with the shape and dtype of `x`

    Raises
    ------
    ValueError
        If `x` is an array of integers.

    Source: keras.layers.UnitNormalization.
    """
    return _unit_normalization_run(x, axis=axis)[0]


def unit_normalization_backward(grad_output: ArrayLike, x: Array, *, axis: int | Sequence[int] = -1) -> Gradients:
    """``(grad_x,)`` of :func:`unit_normalization_forward`, with ``r = 1 / sqrt(sum(x**2))``:

    ``grad_x = r (grad_output - y sum(grad_output y))``, the sum over `axis`; of vectors shorter than 1e-12 ``grad_x = 1e12 grad_output``
    """
    return _unit_normalization_gradients(grad_output, _unit_normalization_run(x, axis=axis)[1])


class SavedLength(NamedTuple):
    """Of a layer that divides by a length: the output, what was multiplied with, where that follows from `x`, and over which axes."""

    y: Array
    inverse: Array
    follows: Array
    axes: tuple[int, ...]


def _unit_normalization_run(x: Array, *, axis: int | Sequence[int] = -1) -> tuple[Array, SavedLength]:
    x = np.asarray(x)
    if x.dtype.kind != "f":
        raise ValueError(f"unit_normalization takes an array of floats, got {x.dtype}")
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        inverse = 1 / np.sqrt(np.sum(np.square(x), axis=axes, keepdims=True))
        longest = x.dtype.type(1 / SHORTEST)
        y = x * np.minimum(inverse, longest)
    return y, SavedLength(y, np.minimum(inverse, longest), inverse <= longest, axes)


def _unit_normalization_gradients(grad_output: ArrayLike, saved: SavedLength) -> Gradients:
    y, inverse, follows, axes = saved
    grad = fitting(grad_output, y.shape, y.dtype)
    along = np.where(follows, y * np.sum(grad * y, axis=axes, keepdims=True), 0)
    return (((grad - along) * inverse).astype(y.dtype, copy=False),)


UNIT_NORMALIZATION = layer(
    LayerSpec(
        "UnitNormalization", unit_normalization_forward, _unit_normalization_run, _unit_normalization_gradients,
        options={"axis": Option(-1, AXES)}, output=over_axes, keeps_mask=True,
    )
)  # fmt: skip


def rms_normalization_forward(x: Array, scale: Array, *, axis: int | Sequence[int] = -1, epsilon: float = 1e-6) -> Array:
    """Values by their root mean square: ``y = scale x / sqrt(mean(x**2) + epsilon)``, the mean over `axis`.

    Parameters
    ----------
    x : array (batch, ...)
        Integers are computed as float32, and the result is cut to integers again, as in Keras.
    scale : array of the sizes of the axes in `axis`, in ascending order
    axis : int or sequence of int
    epsilon : float

    Returns
    -------
    y : array with the shape and dtype of `x`

    Raises
    ------
    ValueError
        If `scale` has another shape.

    Source: Zhang and Sennrich 2019, arXiv:1910.07467; keras.layers.RMSNormalization.
    """
    return _rms_normalization_run(x, scale, axis=axis, epsilon=epsilon)[0]


def rms_normalization_backward(
    grad_output: ArrayLike, x: Array, scale: Array, *, axis: int | Sequence[int] = -1, epsilon: float = 1e-6
) -> Gradients:
    """Gradients of :func:`rms_normalization_forward`. With ``r = 1 / sqrt(mean(x**2) + epsilon)``, ``n = r x``, ``g = scale grad_output``:

    ``grad_x = r (g - n mean(g n))``, the mean over `axis`
    ``grad_scale = sum of grad_output n`` over all other axes

    Returns
    -------
    grad_x, grad_scale : arrays of the shapes of `x` and `scale`; None for integers
    """
    return _rms_normalization_gradients(grad_output, _rms_normalization_run(x, scale, axis=axis, epsilon=epsilon)[1])


class SavedScaling(NamedTuple):
    """Of a layer that divides by a root mean square: input, what it is multiplied with, `scale` in the rank of the input, the axes."""

    x: Array
    inverse: Array
    scale: Array
    shape: tuple[int, ...]
    axes: tuple[int, ...]


def _rms_normalization_run(
    x: Array, scale: Array, *, axis: int | Sequence[int] = -1, epsilon: float = 1e-6
) -> tuple[Array, SavedScaling]:
    given, x = np.asarray(x), floating(x)
    axes = tuple(one % x.ndim for one in ((axis,) if isinstance(axis, int) else sorted(axis)))
    if scale.shape != tuple(x.shape[one] for one in axes):
        raise ValueError(f"scale must have the shape {tuple(x.shape[one] for one in axes)}, got {scale.shape}")
    inverse = 1 / np.sqrt(np.mean(np.square(x), axis=axes, keepdims=True) + epsilon)
    wide = scale.reshape([size if place in axes else 1 for place, size in enumerate(x.shape)])
    y = np.asarray(x * inverse * wide, dtype=given.dtype)
    return y, SavedScaling(given, inverse, wide, scale.shape, axes)


def _rms_normalization_gradients(grad_output: ArrayLike, saved: SavedScaling) -> Gradients:
    x, (given, inverse, scale, shape, axes) = floating(saved.x), saved
    grad, normal = fitting(grad_output, x.shape, x.dtype), (x * inverse).astype(x.dtype)
    scaled_grad = grad * scale
    grad_x = (scaled_grad - normal * np.mean(scaled_grad * normal, axis=axes, keepdims=True)) * inverse
    others = tuple(place for place in range(x.ndim) if place not in axes)
    return of_floats(given, grad_x.astype(x.dtype, copy=False)), summed(grad * normal, others).reshape(shape)


RMS_NORMALIZATION = layer(
    LayerSpec(
        "RMSNormalization", rms_normalization_forward, _rms_normalization_run, _rms_normalization_gradients,
        weights={"scale": Weight(_along_axes, initializer="ones")},
        options={"axis": Option(-1, AXES), "epsilon": Option(1e-6, NOT_NEGATIVE)}, output=over_axes,
    )
)  # fmt: skip
