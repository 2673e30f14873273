"""BatchNormalization: each channel is moved and scaled by the statistics of the batch, or by moving ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import Gradients, floating
from reference.layers.normalization import SWITCHES, SavedNormalization, normalization_gradients, normalized, scaled, statistics_over
from reference.layers.options import AXIS, NOT_NEGATIVE, NUMBER
from reference.layers.shapes import Config, Shape, over_axes, size_along
from reference.layers.spec import IN_TRAINING, LayerSpec, Option, Weight, layer

__all__ = ["batch_normalization_backward", "batch_normalization_forward"]

Array = NDArray[Any]


def batch_normalization_forward(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    moving_mean: Array,
    moving_variance: Array,
    *,
    axis: int = -1,
    epsilon: float = 1e-3,
    training: bool = False,
    momentum: float = 0.99,
    mask: Array | None = None,
) -> Array | tuple[Array, Array, Array]:
    r"""Batch normalisation: ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, each index of `axis` on its own.

    Mean and variance are the moving ones; in training they are those of the batch, the variance divided by N, and

    ``moving' = momentum * moving + (1 - momentum) * batch``.

    Parameters
    ----------
    x : array (batch, ..., channels)
        Integers become float32.
    gamma, beta : arrays (channels,) or None
        1 and 0 where None (``scale=False``, ``center=False``).
    moving_mean, moving_variance : arrays (channels,)
    axis : int
        The axis of the channels.
    epsilon : float
        Added to the variance, under the root.
    training : bool
    momentum : float
        Share of the moving statistics that a step keeps (1 minus what other libraries call momentum).
    mask : array that broadcasts to the leading axes of `x`, all but the last, optional
        True where a position counts; in training the statistics are those of such positions alone, their number increased by
        1e-7. All positions are normalised.

    Returns
    -------
    y : array with the shape of `x`
    new_moving_mean, new_moving_variance : arrays (channels,), only with ``training=True``

    Raises
    ------
    ValueError
        If a weight does not have one value for each channel, or the mask another rank than the leading axes.

    Source: Ioffe and Szegedy 2015, arXiv:1502.03167; keras.layers.BatchNormalization.
    """
    options: dict[str, Any] = {"axis": axis, "epsilon": epsilon, "training": training, "momentum": momentum, "mask": mask}
    return _batch_normalization_run(x, gamma, beta, moving_mean, moving_variance, **options)[0]


def batch_normalization_backward(
    grad_output: ArrayLike, x: Array, gamma: Array | None, beta: Array | None, moving_mean: Array, moving_variance: Array, **options: Any
) -> Gradients:
    r"""Gradients of :func:`batch_normalization_forward`, whose options it takes; `grad_output` is that of `y` alone.

    With ``xhat = (x - mean) / sqrt(variance + epsilon)`` and sums over all axes but that of the channels:

    ``grad_beta = sum of grad_output``, ``grad_gamma = sum of grad_output * xhat``
    ``grad_x = gamma / sqrt(variance + epsilon) * grad_output``

    In training mean and variance depend on `x` as well, which takes their part back:

    ``grad_x = gamma / sqrt(variance + epsilon) * (grad_output - grad_beta / N - xhat * grad_gamma / N)``

    With a mask, the last two terms stand at the N positions that count, whose mean and variance were taken, while the sums run over all.

    Returns
    -------
    grad_x, grad_gamma, grad_beta : arrays of the shapes of `x`, `gamma`, `beta`; None for integers and for a weight that is None

    Raises
    ------
    ValueError
        If `grad_output` does not have the shape of `x`, or as :func:`batch_normalization_forward`.

    Source: Ioffe and Szegedy 2015, arXiv:1502.03167, section 3.
    """
    _, saved = _batch_normalization_run(x, gamma, beta, moving_mean, moving_variance, **options)
    return normalization_gradients(grad_output, saved)


def _batch_normalization_run(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    moving_mean: Array,
    moving_variance: Array,
    *,
    axis: int = -1,
    epsilon: float = 1e-3,
    training: bool = False,
    momentum: float = 0.99,
    mask: Array | None = None,
) -> tuple[Array | tuple[Array, Array, Array], SavedNormalization]:
    given, x = np.asarray(x), floating(x)
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    for name, weight in (("gamma", gamma), ("beta", beta), ("moving_mean", moving_mean), ("moving_variance", moving_variance)):
        if weight is not None and weight.shape != (x.shape[axis],):
            raise ValueError(f"{name} must have one value for each of {x.shape[axis]} channels, got the shape {weight.shape}")
    mean, variance = moving_mean.reshape(shape), moving_variance.reshape(shape)
    others = tuple(place for place in range(x.ndim) if place != axis % x.ndim)
    statistics = statistics_over(x, others, mask) if training else None
    if statistics is not None:
        mean, variance = statistics.mean, statistics.variance
    gamma, beta = (None if one is None else one.reshape(shape) for one in (gamma, beta))
    inverse = 1 / np.sqrt(variance + epsilon)
    y = normalized(x, mean, inverse, gamma, beta)
    saved = SavedNormalization(given, mean, inverse, gamma, beta, (x.shape[axis],), others, statistics)
    if not training:
        return y, saved
    moved = (
        moving * momentum + batch.reshape(-1) * (1 - momentum)
        for moving, batch in ((moving_mean, mean), (moving_variance, variance))
    )
    new_mean, new_variance = (one.astype(x.dtype) for one in moved)
    return (y, new_mean, new_variance), saved


def _along_axis(config: Config, shape: Shape) -> Shape:
    axis = config.get("axis", -1)
    if not isinstance(axis, int):
        raise ValueError(f"axis is {axis!r}")
    return (size_along(shape, axis),)


BATCH_NORMALIZATION = layer(
    LayerSpec(
        "BatchNormalization", batch_normalization_forward, _batch_normalization_run, normalization_gradients,
        weights={
            **scaled(_along_axis),
            "moving_mean": Weight(_along_axis, trained=False),
            "moving_variance": Weight(_along_axis, initializer="ones", trained=False),
        },
        options={
            "axis": Option(-1, AXIS),
            "epsilon": Option(1e-3, NOT_NEGATIVE),
            "momentum": Option(0.99, NUMBER, taken_by=(IN_TRAINING,)),
            **SWITCHES,
        },
        output=over_axes, takes=("training", "mask"), keeps_mask=True, mask_acts=(IN_TRAINING,),
    )
)  # fmt: skip
